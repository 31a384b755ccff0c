"""Cohorts, reasons, and the week by hour and weekday."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from kato_panel.domain.churn.chances import Floats, poisson_interval
from kato_panel.domain.churn.lives import Lives
from kato_panel.domain.churn.rates import Changes, time_index
from kato_panel.domain.churn.survival import Integers, estimate
from kato_panel.domain.churn.window import SECOND, Whole, Window

MAX_COHORTS: Final = 32
WIDTHS_SECONDS: Final = (600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_419_200)
AGES_SECONDS: Final = (
    *(30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800),
    *(86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000),
)
QUARTER_SECONDS: Final = 900
"""All zones are a whole number of these away from UTC."""
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True, eq=False)
class Cohorts:
    """
    How many of those born together reach an age.

    Parameters
    ----------
    starts
        When each cohort's births begin, in microseconds since 1970, oldest first.
    width_seconds
        How long each cohort is born.
    ages_seconds
        Ages, rising.
    members
        Sessions in each cohort whose age is known.
    survival
        A row for each cohort, a column for each age: share of 0 to 1; ``NaN`` where the youngest
        of the cohort could not be of that age yet.
    """

    starts: Whole
    width_seconds: int
    ages_seconds: tuple[int, ...]
    members: Integers
    survival: Floats

    def frame(self) -> pd.DataFrame:
        """
        Lay out the cohorts.

        Returns
        -------
        pandas.DataFrame
            One row per cohort, oldest first; index `time`: datetime64 UTC, its first births;
            columns: `members` (int64, sessions), then one per age, named in seconds as
            ``survival_at_60_seconds`` (float64, share of 0 to 1; ``NaN`` where it is not
            observable yet, or nobody was watched).
        """
        frame = pd.DataFrame({"members": self.members}, index=time_index(self.starts))
        for age, shares in zip(self.ages_seconds, self.survival.T, strict=True):
            frame[f"survival_at_{age}_seconds"] = shares
        return frame


def sort_into_cohorts(lives: Lives, window: Window) -> Cohorts:
    """Sort the sessions that were born in a range into cohorts."""
    width = next(
        (width for width in WIDTHS_SECONDS if window.seconds <= width * MAX_COHORTS),
        WIDTHS_SECONDS[-1],
    )
    edges = window.edges(width)
    longest = float(lives.exit_seconds[lives.is_watched].max(initial=0.0))
    ages = tuple(
        age
        for before, age in zip((0, *AGES_SECONDS), AGES_SECONDS, strict=False)
        if before < longest and age <= window.seconds
    )
    place = np.searchsorted(edges, lives.began, side="right") - 1
    place[~lives.is_watched] = -1
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(edges)))
    members = np.zeros(len(edges) - 1, np.int64)
    shares = np.full((len(edges) - 1, len(ages)), np.nan)
    for cohort in range(len(members)):
        chosen = order[bounds[cohort] : bounds[cohort + 1]]
        members[cohort] = len(chosen)
        entries = lives.entry_seconds[chosen]
        if not len(chosen) or entries.min() > 0:
            continue
        curve = estimate(lives.exit_seconds[chosen], lives.is_ended[chosen], entries)
        youngest_seconds = (window.until - edges[cohort + 1]) / SECOND
        is_seen = np.array(ages) <= youngest_seconds
        place_of_age = np.searchsorted(curve.ages_seconds, ages, side="right")
        reached = np.concatenate([[1.0], curve.survival])[place_of_age]
        shares[cohort] = np.where(is_seen, reached, np.nan)
    return Cohorts(edges[:-1], width, ages, members, shares)


@dataclass(frozen=True, slots=True)
class Reasons:
    """
    Why sessions ended.

    Parameters
    ----------
    reasons, ended
        Each reason, and the sessions that ended for it.
    """

    reasons: tuple[str, ...]
    ended: tuple[int, ...]

    def frame(self) -> pd.DataFrame:
        """
        Lay out the reasons.

        Returns
        -------
        pandas.DataFrame
            One row per reason; index `reason`; columns: `ended` (int64, sessions), `low`, `high`
            (float64, exact bounds of 95 % of what was to be expected), `share_percent` (float64,
            of all that ended).
        """
        counts = np.array(self.ended, dtype=np.int64)
        low, high = poisson_interval(counts)
        return pd.DataFrame(
            {
                "ended": counts,
                "low": low,
                "high": high,
                "share_percent": 100 * counts / max(1, counts.sum()),
            },
            index=pd.Index(list(self.reasons), name="reason", dtype=object),
        )


def count_reasons(lives: Lives) -> Reasons:
    """Count why those ended who ended in the range."""
    codes = lives.reason.codes[lives.is_ended]
    names = tuple(map(str, lives.reason.categories))
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    return Reasons(names, tuple(map(int, counts)))


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """
    The week: what is usual at an hour of a weekday.

    Parameters
    ----------
    zone
        Of the hours and weekdays.
    observed_hours
        A row for each weekday from Monday, a column for each hour: how long somebody looked.
    arrivals, departures
        Sessions in that time.
    """

    zone: str
    observed_hours: Floats
    arrivals: Integers
    departures: Integers

    def frame(self) -> pd.DataFrame:
        """
        Lay out the week.

        Returns
        -------
        pandas.DataFrame
            One row per hour of the week, from Monday; index `weekday` (category), `hour`;
            columns: `observed_hours` (float64), `arrivals`, `departures` (int64, sessions),
            `arrivals_per_hour`, `departures_per_hour` (float64; ``NaN`` where nobody looked).
        """
        observed = self.observed_hours.ravel()
        looked = np.where(observed > 0, observed, np.nan)
        index = pd.MultiIndex.from_product(
            [pd.CategoricalIndex(WEEKDAYS, WEEKDAYS), range(24)], names=["weekday", "hour"]
        )
        arrivals, departures = self.arrivals.ravel(), self.departures.ravel()
        return pd.DataFrame(
            {
                "observed_hours": observed,
                "arrivals": arrivals,
                "departures": departures,
                "arrivals_per_hour": arrivals / looked,
                "departures_per_hour": departures / looked,
            },
            index=index,
        )


def sum_up_hours(changes: Changes, window: Window, zone: str) -> Hours:
    """Sum up a range by hour and weekday of a zone."""
    edges = window.edges(QUARTER_SECONDS)
    starts = time_index(edges[:-1]).tz_convert(zone)
    cells = starts.day_of_week.to_numpy() * 24 + starts.hour.to_numpy()
    looked = window.observed_seconds(edges) / 3_600
    observed = np.bincount(cells, looked, minlength=168).astype(np.float64)
    counted = []
    for times in (changes.arrivals, changes.departures):
        counts = window.count_observed(times, edges)
        counted.append(np.bincount(cells, counts, minlength=168).astype(np.int64).reshape(7, 24))
    return Hours(zone, observed.reshape(7, 24), counted[0], counted[1])
