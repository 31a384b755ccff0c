"""A range of time, and the parts of it in which somebody looked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Whole = NDArray[np.int64]
"""Times in microseconds since 1970."""
SECOND: Final = 1_000_000
UNKNOWN: Final = np.iinfo(np.int64).min
"""What pandas has for a time that is not known."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(at: datetime) -> int:
    """Write a time with a zone in microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def column_micros(times: pd.Series | pd.DatetimeIndex) -> Whole:
    """Read a column of times in microseconds since 1970; `UNKNOWN` where there is none."""
    micros: Whole = times.array.as_unit("us").asi8
    return micros


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """
    A range of time with its gaps.

    Parameters
    ----------
    since, until
        Its bounds, in microseconds since 1970; `until` is outside.
    gap_starts, gap_ends
        The gaps in it, cut to it and apart from one another, oldest first.
    """

    since: int
    until: int
    gap_starts: Whole
    gap_ends: Whole

    @classmethod
    def of(
        cls, since: datetime, until: datetime, gaps: Iterable[tuple[datetime, datetime]] = ()
    ) -> Self:
        """
        Cut gaps to a range, and join those that touch.

        Raises
        ------
        ValueError
            If the range is empty.
        """
        first, last = to_micros(since), to_micros(until)
        if first >= last:
            raise ValueError(f"until is {until}, must be later than since, {since}")
        starts: list[int] = []
        ends: list[int] = []
        for began, ended in sorted((to_micros(began), to_micros(ended)) for began, ended in gaps):
            start, end = max(began, first), min(ended, last)
            if start >= end:
                continue
            if ends and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        return cls(first, last, np.array(starts, np.int64), np.array(ends, np.int64))

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.until - self.since) / SECOND

    @property
    def gap_seconds(self) -> float:
        """How much of it nobody could look."""
        return float((self.gap_ends - self.gap_starts).sum()) / SECOND

    def edges(self, bucket_seconds: int) -> Whole:
        """Cut it at whole multiples of a width; the first and last bucket may be narrower."""
        width = bucket_seconds * SECOND
        inner = np.arange((self.since // width + 1) * width, self.until, width, dtype=np.int64)
        return np.concatenate([[self.since], inner, [self.until]]).astype(np.int64)

    def observed_seconds(self, edges: Whole) -> NDArray[np.float64]:
        """Say for how long somebody looked between each edge and the next."""
        gaps = np.zeros(len(edges), dtype=np.int64)
        for start, end in zip(self.gap_starts, self.gap_ends, strict=True):
            gaps += np.clip(edges, start, end) - start
        observed: NDArray[np.float64] = np.diff(edges - gaps) / SECOND
        return observed

    def count_observed(self, times: Whole, edges: Whole) -> NDArray[np.int64]:
        """Count rising times, outside its gaps, from each edge to before the next."""
        below = np.searchsorted(times, edges)
        for start, end in zip(self.gap_starts, self.gap_ends, strict=True):
            hidden = np.searchsorted(times, np.clip(edges, start, end))
            below -= hidden - np.searchsorted(times, start)
        return np.diff(below).astype(np.int64)
