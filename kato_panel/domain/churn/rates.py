"""How many came and went per minute, and how many were there."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kato_panel.domain.churn.chances import Floats, poisson_interval
from kato_panel.domain.churn.lives import Lives
from kato_panel.domain.churn.survival import Integers, Interval
from kato_panel.domain.churn.window import SECOND, Whole, Window, column_micros

MINUTE_SECONDS: Final = 60
STEADY_RATIOS: Final = (0.8, 1.25)
"""Within these, what was counted is about what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """
    Arrivals and departures in a range, each with its time; in microseconds since 1970.

    Parameters
    ----------
    arrivals, departures
        Their times, rising; several at once are several times.
    is_lower_bound
        Whether some may have gone unseen: without Redis, who comes and goes between two looks at
        the count is not seen.
    """

    arrivals: Whole
    departures: Whole
    is_lower_bound: bool

    @classmethod
    def of_lives(cls, lives: Lives) -> "Changes":
        """Read them from the records of sessions."""
        arrivals, departures = lives.began[lives.is_birth], lives.left[lives.is_ended]
        return cls(np.sort(arrivals), np.sort(departures), is_lower_bound=False)

    @classmethod
    def of_events(cls, events: pd.DataFrame) -> "Changes":
        """
        Read them from the frame of events.

        What came after a gap is left out: it happened in the gap, nobody knows when.
        """
        seen = events[events["after_gap_seconds"].isna()]
        times = np.repeat(column_micros(seen.index), seen["delta"].to_numpy(dtype=np.int64))
        is_arrival = np.repeat(
            (seen["kind"] == "session_created").to_numpy(), seen["delta"].to_numpy(dtype=np.int64)
        )
        is_bound = bool((events["source"] != "redis").any()) or events.empty
        arrivals, departures = np.sort(times[is_arrival]), np.sort(times[~is_arrival])
        return cls(arrivals, departures, is_lower_bound=is_bound)


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """
    Arrivals and departures by stretch of time; what lies in gaps is left out, time and sessions.

    Parameters
    ----------
    starts
        When each stretch begins, in microseconds since 1970.
    observed_seconds
        How much of it somebody looked.
    arrivals, departures
        Sessions in that time.
    is_lower_bound
        As in `Changes`.
    """

    starts: Whole
    observed_seconds: Floats
    arrivals: Integers
    departures: Integers
    is_lower_bound: bool

    @property
    def arrivals_per_minute(self) -> tuple[Floats, Floats, Floats]:
        """Each rate with its exact bounds of 95 %; ``NaN`` where nobody looked."""
        return self._rate(self.arrivals)

    @property
    def departures_per_minute(self) -> tuple[Floats, Floats, Floats]:
        """The same of departures."""
        return self._rate(self.departures)

    @property
    def net_per_minute(self) -> tuple[Floats, Floats, Floats]:
        """Arrivals less departures; the bounds add the squares of theirs, and are not exact."""
        came, came_low, came_high = self._rate(self.arrivals)
        went, went_low, went_high = self._rate(self.departures)
        below = np.hypot(came - came_low, went_high - went)
        above = np.hypot(came_high - came, went - went_low)
        return came - went, came - went - below, came - went + above

    def _rate(self, counts: Integers) -> tuple[Floats, Floats, Floats]:
        minutes = np.where(self.observed_seconds > 0, self.observed_seconds, np.nan)
        minutes = minutes / MINUTE_SECONDS
        low, high = poisson_interval(counts)
        return counts / minutes, low / minutes, high / minutes

    def frame(self) -> pd.DataFrame:
        """
        Lay out the rates.

        Returns
        -------
        pandas.DataFrame
            One row per stretch, oldest first; index `time`: datetime64 UTC, its beginning;
            columns: `observed_seconds` (float64), `arrivals`, `departures` (int64, sessions), and
            `arrivals`, `departures` and `net` each as `…_per_minute`, `…_low_per_minute`,
            `…_high_per_minute` (float64; ``NaN`` where nobody looked).
        """
        columns = {
            "observed_seconds": self.observed_seconds,
            "arrivals": self.arrivals,
            "departures": self.departures,
        }
        for name, rate in (
            ("arrivals", self.arrivals_per_minute),
            ("departures", self.departures_per_minute),
            ("net", self.net_per_minute),
        ):
            for bound, values in zip(("", "_low", "_high"), rate, strict=True):
                columns[f"{name}{bound}_per_minute"] = values
        return pd.DataFrame(columns, index=time_index(self.starts))


def count_changes(changes: Changes, window: Window, edges: Whole) -> Rates:
    """
    Count between edges.

    Parameters
    ----------
    changes
        What came and went.
    window
        With its gaps.
    edges
        In microseconds since 1970, rising; see `Window.edges`.
    """
    return Rates(
        edges[:-1],
        window.observed_seconds(edges),
        window.count_observed(changes.arrivals, edges),
        window.count_observed(changes.departures, edges),
        changes.is_lower_bound,
    )


@dataclass(frozen=True, slots=True, eq=False)
class ActiveCount:
    """
    How many sessions there were, as their records say.

    Parameters
    ----------
    times
        Of each change, oldest first, in microseconds since 1970; the first is the range's.
    active
        Sessions from that time on.
    mean
        Over the range, each moment counted alike.
    """

    times: Whole
    active: Integers
    mean: float

    def frame(self) -> pd.DataFrame:
        """
        Lay out the count.

        Returns
        -------
        pandas.DataFrame
            One row per change, oldest first; index `time`: datetime64 UTC; column: `active`
            (int64, sessions from this time on).
        """
        return pd.DataFrame({"active": self.active}, index=time_index(self.times))


def reconstruct(lives: Lives, window: Window) -> ActiveCount:
    """Add up who lived when."""
    came = np.maximum(lives.began, window.since)
    went = lives.left[lives.left < window.until]
    changes = np.concatenate([came, went])
    signs = np.concatenate([np.ones(len(came), np.int64), np.full(len(went), -1, np.int64)])
    times, places = np.unique(np.append(changes, window.since), return_inverse=True)
    sums = np.bincount(places[:-1], weights=signs, minlength=len(times)).astype(np.int64)
    lived = float((lives.left - came).sum()) / SECOND
    return ActiveCount(times, np.cumsum(sums), lived / window.seconds)


@dataclass(frozen=True, slots=True)
class LittlesLaw:
    """
    Little's law: in the long run, those present are the arrivals per second times the lifetime.

    Parameters
    ----------
    mean_active
        Sessions, over the range.
    arrivals_per_second, mean_lifetime_seconds
        What is multiplied; the lifetime is the area under the curve.
    expected_active
        Their product.
    notes
        What has to be known to read it.
    """

    mean_active: float
    arrivals_per_second: float
    mean_lifetime_seconds: float
    expected_active: float
    notes: tuple[str, ...]

    @property
    def ratio(self) -> float | None:
        """What there was to what is expected; ``None`` where nothing is."""
        return self.mean_active / self.expected_active if self.expected_active else None


def check_littles_law(
    mean_active: float, arrivals_per_second: float, mean: Interval, last_share: float
) -> LittlesLaw:
    """
    Hold what was counted against what rates and lifetimes make likely.

    Parameters
    ----------
    mean_active, arrivals_per_second
        As in `LittlesLaw`.
    mean
        Of the lifetimes, in seconds, up to the greatest age that was watched.
    last_share
        Of the sessions that live beyond that age.
    """
    notes = []
    lifetime = mean.value or 0.0
    if last_share > 0:
        notes.append(
            f"{100 * last_share:.3g} % of the sessions outlive the greatest age that was watched, "
            "so the mean lifetime, and what is expected, are lower bounds"
        )
    expected = arrivals_per_second * lifetime
    low, high = STEADY_RATIOS
    if expected and not low <= mean_active / expected <= high:
        notes.append("the two differ by more than a quarter: the range is short, or not steady")
    return LittlesLaw(mean_active, arrivals_per_second, lifetime, expected, tuple(notes))


def time_index(micros: NDArray[np.int64]) -> pd.DatetimeIndex:
    """Write times as all frames have them."""
    times = pd.DatetimeIndex(micros.astype("datetime64[us]"), name="time")
    return times.tz_localize("UTC")
