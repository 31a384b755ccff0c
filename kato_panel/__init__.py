"""The live truth about KATO's sessions; importing it loads no view."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kato_panel.backtesting import backtest
    from kato_panel.demo_week import demo_history
    from kato_panel.monitor import Monitor
    from kato_panel.views.live import (
        EventFeed,
        LiveView,
        SessionChart,
        SessionCount,
        SessionRates,
        SourceList,
    )

__all__ = [
    "EventFeed",
    "LiveView",
    "Monitor",
    "SessionChart",
    "SessionCount",
    "SessionRates",
    "SourceList",
    "backtest",
    "demo_history",
]

_HOMES: Final = {
    "Monitor": "kato_panel.monitor",
    "backtest": "kato_panel.backtesting",
    "demo_history": "kato_panel.demo_week",
}
_VIEWS: Final = "kato_panel.views.live"


def __getattr__(name: str) -> Any:
    # The simulator and the command line are parts of this package too, and need no data frames;
    # who only watches needs no Panel.
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, _VIEWS)), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
