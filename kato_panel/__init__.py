"""The live truth about KATO's sessions; importing it loads no view."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kato_panel.monitor import Monitor
    from kato_panel.views.live import (
        AlertPanel,
        EventFeed,
        LiveView,
        RuleTable,
        SessionChart,
        SessionCount,
        SessionRates,
        SourceList,
        UpstreamCard,
    )

__all__ = [
    "AlertPanel",
    "EventFeed",
    "LiveView",
    "Monitor",
    "RuleTable",
    "SessionChart",
    "SessionCount",
    "SessionRates",
    "SourceList",
    "UpstreamCard",
]

_HOMES: Final = {"Monitor": "kato_panel.monitor"}
_VIEWS: Final = "kato_panel.views.live"


def __getattr__(name: str) -> Any:
    # The simulator and the command line are parts of this package too, and need no data frames;
    # who only watches needs no Panel.
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, _VIEWS)), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
