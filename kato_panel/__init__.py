"""The live truth about KATO's sessions; importing it loads no view."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kato_panel.backtesting import backtest
    from kato_panel.churning import churn
    from kato_panel.demo_week import demo_history
    from kato_panel.frame_files import read_frame, write_frame
    from kato_panel.history_frames import open_history
    from kato_panel.monitor import Monitor
    from kato_panel.views.churn import (
        ChurnView,
        CohortTable,
        HourTable,
        LifetimeChart,
        MedianLifetime,
        RateChart,
        ReasonChart,
        SurvivalChart,
    )
    from kato_panel.views.containers import ContainerCards, ContainerTable
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
    from kato_panel.views.report import Report

__all__ = [
    "AlertPanel",
    "ChurnView",
    "CohortTable",
    "ContainerCards",
    "ContainerTable",
    "EventFeed",
    "HourTable",
    "LifetimeChart",
    "LiveView",
    "MedianLifetime",
    "Monitor",
    "RateChart",
    "ReasonChart",
    "Report",
    "RuleTable",
    "SessionChart",
    "SessionCount",
    "SessionRates",
    "SourceList",
    "SurvivalChart",
    "UpstreamCard",
    "backtest",
    "churn",
    "demo_history",
    "open_history",
    "read_frame",
    "write_frame",
]

_CHURN: Final = "kato_panel.views.churn"
_HOMES: Final = {
    "ChurnView": _CHURN,
    "CohortTable": _CHURN,
    "HourTable": _CHURN,
    "LifetimeChart": _CHURN,
    "MedianLifetime": _CHURN,
    "RateChart": _CHURN,
    "ReasonChart": _CHURN,
    "SurvivalChart": _CHURN,
    "ContainerCards": "kato_panel.views.containers",
    "ContainerTable": "kato_panel.views.containers",
    "Monitor": "kato_panel.monitor",
    "Report": "kato_panel.views.report",
    "backtest": "kato_panel.backtesting",
    "churn": "kato_panel.churning",
    "demo_history": "kato_panel.demo_week",
    "open_history": "kato_panel.history_frames",
    "read_frame": "kato_panel.frame_files",
    "write_frame": "kato_panel.frame_files",
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
