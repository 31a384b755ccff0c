"""
Churn: how sessions come and go, and how long they live; each figure with its uncertainty.

Pure: frames in, figures out. See ``docs/churn.md`` and ``docs/decisions/0022-churn.md``.
"""

from kato_panel.domain.churn.analysis import Churn, NaiveMean, check_zone
from kato_panel.domain.churn.comparing import Comparison, LogRank
from kato_panel.domain.churn.histogram import Lifetimes
from kato_panel.domain.churn.lives import BY, MIN_ENDS, Lives, check_by
from kato_panel.domain.churn.rates import ActiveCount, LittlesLaw, Rates
from kato_panel.domain.churn.survival import Interval, Survival, estimate
from kato_panel.domain.churn.tables import Cohorts, Hours, Reasons
from kato_panel.domain.churn.window import Window

__all__ = [
    "BY",
    "MIN_ENDS",
    "ActiveCount",
    "Churn",
    "Cohorts",
    "Comparison",
    "Hours",
    "Interval",
    "Lifetimes",
    "LittlesLaw",
    "Lives",
    "LogRank",
    "NaiveMean",
    "Rates",
    "Reasons",
    "Survival",
    "Window",
    "check_by",
    "check_zone",
    "estimate",
]
