"""How long those lived that ended, counted by length."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from kato_panel.domain.churn.chances import Floats, poisson_interval
from kato_panel.domain.churn.lives import Lives
from kato_panel.domain.churn.survival import Integers

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
EDGES_SECONDS: Final = (
    *(0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0),
    *(minutes * _MINUTE for minutes in (1.0, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45)),
    *(hours * _HOUR for hours in (1.0, 1.5, 2, 3, 4, 6, 8, 12, 18)),
    *(days * _DAY for days in (1.0, 1.5, 2, 3, 5, 7, 10, 14, 21, 30, 60, 90, 180, 365)),
)
"""Each about one and a half times the one before: lifetimes are spread over powers of ten."""


@dataclass(frozen=True, slots=True, eq=False)
class Lifetimes:
    """
    Lifetimes of those that ended; the long ones are too few, for some of them are still open.

    Parameters
    ----------
    edges_seconds
        Bounds of the lengths, rising; one more than there are counts.
    ended
        Sessions that lived from one bound to before the next.
    still_open
        How many lived on, and are in none.
    """

    edges_seconds: Floats
    ended: Integers
    still_open: int

    def frame(self) -> pd.DataFrame:
        """
        Lay out the lifetimes.

        Returns
        -------
        pandas.DataFrame
            One row per length, shortest first; index `from_seconds`; columns: `to_seconds`
            (float64), `ended` (int64, sessions), `low`, `high` (float64, exact bounds of 95 % of
            what was to be expected).
        """
        low, high = poisson_interval(self.ended)
        return pd.DataFrame(
            {"to_seconds": self.edges_seconds[1:], "ended": self.ended, "low": low, "high": high},
            index=pd.Index(self.edges_seconds[:-1], name="from_seconds"),
        )


def count_lifetimes(lives: Lives) -> Lifetimes:
    """Count those that ended by how long they lived; at least one of them has to be there."""
    is_over = lives.is_ended & lives.is_watched
    seconds = lives.exit_seconds[is_over]
    edges = np.array([*EDGES_SECONDS, np.inf])
    first = int(np.searchsorted(edges, seconds.min(), side="right")) - 1
    last = int(np.searchsorted(edges, seconds.max(), side="right"))
    shown = edges[first : last + 1]
    if np.isinf(shown[-1]):
        shown[-1] = np.nextafter(seconds.max(), np.inf)
    counts = np.histogram(seconds, shown)[0].astype(np.int64)
    return Lifetimes(shown, counts, int((lives.is_watched & ~lives.is_ended).sum()))
