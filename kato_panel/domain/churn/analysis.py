"""All that can be said of churn in a range: one object, each part made when it is asked for."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from kato_panel.domain.churn.comparing import Comparison, compare
from kato_panel.domain.churn.histogram import Lifetimes, count_lifetimes
from kato_panel.domain.churn.lives import Lives, check_ends
from kato_panel.domain.churn.rates import (
    ActiveCount,
    Changes,
    LittlesLaw,
    Rates,
    check_littles_law,
    count_changes,
    reconstruct,
)
from kato_panel.domain.churn.survival import Interval, Survival
from kato_panel.domain.churn.tables import (
    Cohorts,
    Hours,
    Reasons,
    count_reasons,
    sort_into_cohorts,
    sum_up_hours,
)
from kato_panel.domain.churn.window import Window
from kato_panel.domain.text import safe
from kato_panel.domain.times import say_duration
from kato_panel.errors import TooLittle

ROUNDING: Final = 1e-9
WIDE_SHARE: Final = 0.05
"""Of the median lifetime: wider ends are told."""
NO_RECORDS: Final = "no session is known one by one, which takes REDIS_URL: there are no lifetimes"
LOWER_BOUND: Final = (
    "without Redis, who comes and goes between two looks at the count is not seen: "
    "arrivals and departures are lower bounds"
)


def check_zone(name: str) -> None:
    """Raise `ValueError` unless it is the name of a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, TypeError, ValueError, OSError) as error:
        raise ValueError(f"tz is {name!r}, must be the name of a time zone") from error


@dataclass(frozen=True, slots=True)
class NaiveMean:
    """
    The mean lifetime of those that ended: what one would compute first, and its bias.

    Parameters
    ----------
    mean_seconds
        Of the sessions that ended in the range.
    ended, still_open
        How many those are, and how many lived on and are left out of it.
    bias_seconds, bias_percent
        How far it is off the area under the curve, which leaves out nobody; percent of that area.
    is_off
        Whether it is outside that area's bounds of 95 %; else chance alone may explain it.
    """

    mean_seconds: float
    ended: int
    still_open: int
    bias_seconds: float
    bias_percent: float
    is_off: bool


class Churn:
    """
    How sessions come and go in a range, and how long they live.

    `kato_panel.churn` makes it. Each part is made when it is asked for first. What takes lifetimes
    raises `TooLittle` where fewer than 10 sessions ended, or none is known one by one; `refusal`
    says so beforehand.

    Parameters
    ----------
    sessions, events
        Frames as `kato_panel.Monitor` gives them; events only where no session is known one by
        one, else ``None``.
    window
        What is looked at.
    by
        What `groups` are made by: ``node``, ``day`` of birth, ``reason`` or ``ttl``.
    zone
        Name of the time zone of days, hours and weekdays.
    notes
        What has to be known of the data.
    """

    def __init__(
        self,
        sessions: pd.DataFrame,
        events: pd.DataFrame | None,
        window: Window,
        *,
        by: str,
        zone: str,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.window = window
        self.by = by
        self.zone = zone
        check_zone(zone)
        self.lives = Lives.of(sessions, window)
        self.has_records = events is None
        self._changes = (
            Changes.of_lives(self.lives) if events is None else Changes.of_events(events)
        )
        self._given_notes = notes

    @property
    def since(self) -> pd.Timestamp:
        """When the range begins; UTC."""
        return pd.Timestamp(self.window.since, unit="us", tz="UTC")

    @property
    def until(self) -> pd.Timestamp:
        """When it ends; UTC."""
        return pd.Timestamp(self.window.until, unit="us", tz="UTC")

    @property
    def refusal(self) -> str | None:
        """Why nothing can be said of lifetimes; ``None`` if something can."""
        try:
            self._check()
        except TooLittle as error:
            return str(error)
        return None

    def _check(self) -> None:
        if not self.has_records:
            raise TooLittle(NO_RECORDS)
        check_ends(self.lives.ends)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What has to be known to read any of it, in plain words."""
        notes = list(self._given_notes)
        if self._changes.is_lower_bound:
            notes.append(LOWER_BOUND)
        if self.window.gap_seconds:
            share = 100 * self.window.gap_seconds / self.window.seconds
            notes.append(
                f"nobody could look for {say_duration(self.window.gap_seconds)} of the range, "
                f"{share:.2g} %: who came and went in there is not known"
            )
        unwatched = int((~self.lives.is_watched).sum())
        if unwatched:
            notes.append(
                f"{unwatched} of {len(self.lives)} sessions are left out of lifetimes: their age "
                "is not known, or they were never seen alive"
            )
        if self.refusal is None:
            notes += [*self.survival.notes, *self._width_notes()]
        return tuple(notes)

    def _width_notes(self) -> list[str]:
        width, median = self.median_width_seconds, self.survival.median_seconds.value
        if median is None or width <= WIDE_SHARE * median:
            return []
        note = (
            f"ends are known to within {say_duration(width)} (median), more than 5 % of the median "
            "lifetime: figures finer than that mean nothing"
        )
        return [note]

    @property
    def median_width_seconds(self) -> float:
        """The median width of the intervals in which sessions ended; 0 where it is exact."""
        self._check()
        lives = self.lives
        return float(np.median(lives.width_seconds[lives.is_ended & lives.is_watched]))

    @cached_property
    def survival(self) -> Survival:
        """The share of sessions that reach an age."""
        self._check()
        return self.lives.survival()

    @property
    def median_lifetime_seconds(self) -> Interval:
        """The age that half of the sessions reach."""
        return self.survival.median_seconds

    @cached_property
    def mean_lifetime_seconds(self) -> Interval:
        """The area under the curve: the mean, as far as ages were watched."""
        return self.survival.restricted_mean_seconds()

    @cached_property
    def naive(self) -> NaiveMean:
        """The mean of those that ended, and how far it is off."""
        curve, lives = self.survival, self.lives
        closed = lives.exit_seconds[lives.is_ended & lives.is_watched]
        mean, area = float(closed.mean()), self.mean_lifetime_seconds
        whole, low, high = (bound or 0.0 for bound in (area.value, area.low, area.high))
        bias = mean - whole
        # Where all ended at the moment of their birth, there is nothing to be off by.
        percent = 100 * bias / whole if whole else 0.0
        slack = ROUNDING * whole  # where all lived equally long, the bounds are the mean itself
        is_off = not low - slack <= mean <= high + slack
        return NaiveMean(mean, len(closed), curve.still_open, bias, percent, is_off)

    @cached_property
    def groups(self) -> Comparison:
        """Groups side by side, with the log-rank test."""
        self._check()
        return compare(self.lives, self.by, self.zone)

    @cached_property
    def total(self) -> Rates:
        """Arrivals and departures over the whole range, in one row."""
        edges = np.array([self.window.since, self.window.until])
        return count_changes(self._changes, self.window, edges)

    def rates(self, bucket: timedelta = timedelta(hours=1)) -> Rates:
        """
        Count arrivals and departures by stretch of time.

        Parameters
        ----------
        bucket
            Width of a stretch, whole seconds; they begin at its multiples since 1970, UTC.

        Raises
        ------
        ValueError
            If it is none.
        """
        second, given = timedelta(seconds=1), cast("object", bucket)
        if not isinstance(given, timedelta) or given < second or given % second:
            raise ValueError(f"bucket is {bucket!r}, must be a timedelta of whole seconds")
        seconds = bucket // second
        return count_changes(self._changes, self.window, self.window.edges(seconds))

    @cached_property
    def active(self) -> ActiveCount:
        """How many sessions there were, as their records say."""
        if not self.has_records:
            raise TooLittle(NO_RECORDS)
        return reconstruct(self.lives, self.window)

    @cached_property
    def littles_law(self) -> LittlesLaw:
        """What was there, against what rates and lifetimes make likely."""
        survival, total = self.survival, self.total
        observed = float(total.observed_seconds[0])
        return check_littles_law(
            self.active.mean,
            int(total.arrivals[0]) / observed if observed else 0.0,
            self.mean_lifetime_seconds,
            float(survival.survival[-1]),
        )

    @cached_property
    def cohorts(self) -> Cohorts:
        """How many of those born together reach an age."""
        self._check()
        return sort_into_cohorts(self.lives, self.window)

    @cached_property
    def reasons(self) -> Reasons:
        """Why sessions ended."""
        if not self.has_records:
            raise TooLittle(NO_RECORDS)
        return count_reasons(self.lives)

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """How long those lived that ended, by length."""
        self._check()
        return count_lifetimes(self.lives)

    @cached_property
    def hours(self) -> Hours:
        """The week by hour and weekday."""
        return sum_up_hours(self._changes, self.window, self.zone)

    def frame(self) -> pd.DataFrame:
        """
        Lay out the main figures.

        Returns
        -------
        pandas.DataFrame
            One row per figure, with its unit at the end of its name; index `figure`; columns:
            `value`, `low`, `high` (Float64; ``<NA>`` where not known, or without bounds).
        """
        total = self.total
        rows: dict[str, Interval] = {}
        for name, rate in (
            ("arrivals_per_minute", total.arrivals_per_minute),
            ("departures_per_minute", total.departures_per_minute),
            ("net_per_minute", total.net_per_minute),
        ):
            rows[name] = Interval(*(float(values[0]) for values in rate))
        if self.has_records:
            rows["mean_active_sessions"] = Interval(self.active.mean, None, None)
        if self.refusal is None:
            rows["median_lifetime_seconds"] = self.median_lifetime_seconds
            rows["mean_lifetime_seconds"] = self.mean_lifetime_seconds
            rows["naive_mean_lifetime_seconds"] = Interval(self.naive.mean_seconds, None, None)
            rows["naive_mean_bias_percent"] = Interval(self.naive.bias_percent, None, None)
            rows["still_open_sessions"] = Interval(self.naive.still_open, None, None)
        columns = {
            name: pd.array([_number(getattr(row, name)) for row in rows.values()], dtype="Float64")
            for name in ("value", "low", "high")
        }
        return pd.DataFrame(columns, index=pd.Index(list(rows), name="figure", dtype=object))

    def __repr__(self) -> str:
        span = f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"
        if self.refusal is not None:
            return f"<Churn from {span}: {self.refusal}>"
        median = self.median_lifetime_seconds
        told = "not reached" if median.value is None else f"{median.value:.6g} s"
        return f"<Churn from {span}: {len(self.lives)} sessions, median lifetime {told}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{safe(note)}</li>" for note in (self.refusal, *self.notes) if note)
        table = self.frame().to_html(na_rep="—", float_format=lambda value: f"{value:.6g}")
        return f"<p>{safe(repr(self)[1:-1])}</p>{table}<ul>{notes}</ul>"


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value
