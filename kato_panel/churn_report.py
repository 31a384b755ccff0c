"""What the page shows of churn: bounded, whatever the number of sessions it is made of."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from kato_panel.churning import Frames, churn
from kato_panel.domain.churn import Churn, Interval, LogRank, NaiveMean, Survival
from kato_panel.domain.churn.drawing import draw, shown_seconds
from kato_panel.domain.churn_questions import Question
from kato_panel.errors import TooLittle
from kato_panel.frames import Origin, Since

ONE_LOOK: Final = "there was one look in this range"
ALL: Final = "all"
"""Name of the curve of all sessions."""
MAX_POINTS: Final = 400
"""Of a curve; more cannot be told apart."""
SMALL_POINTS: Final = 40
MAX_NODES: Final = 50
MAX_BUCKETS: Final = 60
MAX_AGES: Final = 5
"""Marks on the axis of ages, which a phone has room for."""
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
BUCKETS_SECONDS: Final = (
    *(_MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY, 28 * _DAY, 364 * _DAY),
)
STEPS_SECONDS: Final = (
    *(1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE),
    *(30 * _MINUTE, _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY),
    *(14 * _DAY, 28 * _DAY, 91 * _DAY, 364 * _DAY),
)
FEW_CURVES: Final = 2
"""Of more, the one that lives longest does not choose how far a chart of them looks."""
Table = tuple[list[str], list[list[Any]]]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """
    The churn of a range, cut to what is shown.

    Parameters
    ----------
    since, until
        The range, as far as it was watched; UTC.
    zone
        Name of the time zone of days, hours and weekdays.
    by
        What groups are made by, or `ALL`.
    sessions
        How many were alive in the range and are known one by one.
    notes
        What has to be known to read it.
    refusal
        Why nothing is said of lifetimes; ``None`` if something is.
    is_lower_bound
        Whether rates are.
    rates_per_minute
        ``arrivals``, ``departures`` and ``net`` over the range.
    median, mean, naive
        Of the lifetimes; ``None`` where nothing is said of them.
    curves
        By group, or of `ALL`: what each curve is drawn of, at most 401 ages.
    shown_seconds
        The greatest age that a chart of the curves has to show.
    log_rank
        The test of the groups; ``None`` where there are none to be tested.
    refused
        By group: why it has no curve.
    frames
        By the name of the card they are shown in: ``groups``, ``at_risk``, ``cohorts``,
        ``rates``, ``lifetimes``, ``reasons``, ``hours``; without those that nothing is said of.
    cohort_ages_seconds
        Of the columns of the cohorts.
    nodes
        The 50 nodes with the most sessions in the range, and how many each has.
    """

    since: datetime
    until: datetime
    zone: str
    by: str
    sessions: int
    notes: tuple[str, ...]
    refusal: str | None
    is_lower_bound: bool
    rates_per_minute: Mapping[str, Interval]
    median: Interval | None = None
    mean: Interval | None = None
    naive: NaiveMean | None = None
    curves: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    shown_seconds: float = 0.0
    log_rank: LogRank | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    cohort_ages_seconds: tuple[int, ...] = ()
    nodes: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, found: Churn, by: str = ALL, nodes: tuple[tuple[str, int], ...] = ()) -> Self:
        """Take from a churn what is shown."""
        rates = {
            name: Interval(*(_number(values[0]) for values in rate))
            for name, rate in (
                ("arrivals", found.total.arrivals_per_minute),
                ("departures", found.total.departures_per_minute),
                ("net", found.total.net_per_minute),
            )
        }
        frames: dict[str, pd.DataFrame] = {}
        told: dict[str, Any] = {}
        refusal = found.refusal
        is_grouped = refusal is None and by != ALL
        with ThreadPoolExecutor(1, "groups") as beside:  # NumPy lets both go on at once
            grouping = beside.submit(lambda: found.groups) if is_grouped else None
            frames["rates"] = found.rates(_choose_bucket(found)).frame()
            frames["hours"] = found.hours.frame()
            notes = found.notes
            if found.has_records:
                frames["reasons"] = found.reasons.frame()
            if refusal is None:
                frames["cohorts"] = found.cohorts.frame()
                frames["lifetimes"] = found.lifetimes.frame()
                told |= {
                    "median": found.median_lifetime_seconds,
                    "mean": found.mean_lifetime_seconds,
                    "naive": found.naive,
                    "cohort_ages_seconds": found.cohorts.ages_seconds,
                }
        if refusal is None:
            curves: dict[str, Survival] = {ALL: found.survival}
            if grouping is not None:
                groups = grouping.result()
                curves = groups.curves
                frames["groups"] = groups.frame()
                told |= {"log_rank": groups.log_rank, "refused": groups.refused}
                notes = (*notes, *groups.notes)
            # One of many that lives much longer must not press all others to the edge.
            spans = sorted(map(shown_seconds, curves.values())) or [0.0]
            longest = spans[-2 if len(spans) > FEW_CURVES else -1]
            ages = np.array(choose_ages(longest), dtype=float)
            frames["at_risk"] = found.survival.at(ages)
            told |= {
                "curves": {name: draw(curve, MAX_POINTS) for name, curve in curves.items()},
                "shown_seconds": longest,
            }
        return cls(
            since=found.since.to_pydatetime(),
            until=found.until.to_pydatetime(),
            zone=found.zone,
            by=by,
            sessions=len(found.lives),
            notes=notes,
            refusal=refusal,
            is_lower_bound=found.total.is_lower_bound,
            rates_per_minute=rates,
            frames=frames,
            nodes=nodes,
            **told,
        )

    def small_curve(self) -> tuple[tuple[float, float], ...]:
        """Give the curve of all in a few points, for a small picture."""
        shares = self.curves[ALL]["survival"]
        seconds = shares.index.total_seconds()
        chosen = np.unique(np.linspace(0, len(shares) - 1, SMALL_POINTS).astype(int))
        return tuple(
            (float(seconds[at]), float(shares.iloc[at]))
            for at in chosen
            if seconds[at] <= self.shown_seconds
        )

    def table(self, card: str) -> Table:
        """
        Lay out what a card shows, for reading and for a file.

        Parameters
        ----------
        card
            ``survival``, or one of the names of `frames`.

        Returns
        -------
        tuple of list
            Names of the columns; rows of texts, numbers, and ``None`` for what is not known.
            Times are UTC, in ISO 8601; ages are in seconds.
        """
        if card == "survival":
            parts = [curve.reset_index().assign(group=name) for name, curve in self.curves.items()]
            if not parts:
                return [], []
            frame = pd.concat(parts, ignore_index=True)
            frame = frame[["group", *(name for name in frame if name != "group")]]
        elif card not in self.frames:
            return [], []
        else:
            frame = self.frames[card].reset_index()
        names, columns = [], []
        for name in frame.columns:
            values = frame[name]
            is_span = pd.api.types.is_timedelta64_dtype(values)
            names.append(f"{name}_seconds" if is_span else str(name))
            columns.append([_cell(value) for value in values.astype(object)])
        return names, [list(row) for row in zip(*columns, strict=True)]


def make_report(frames: Frames, question: Question) -> Report:
    """
    Read what is needed, and report on it.

    Raises
    ------
    TooLittle
        If nothing at all was observed, or only once.
    HistoryError
        If the history cannot be read.
    """
    source = _Once(frames)
    try:
        found = churn(
            source,
            since=question.since,
            node=question.node,
            by="node" if question.by == ALL else question.by,
            tz=question.zone,
        )
    except ValueError as error:  # of a question, only the range can still be empty
        raise TooLittle(ONE_LOOK) from error
    return Report.of(found, question.by, source.nodes)


class Reading:
    """
    Frames of one moment: what was read once is not read again, however it is grouped.

    Parameters
    ----------
    frames
        Where it is read.

    Attributes
    ----------
    took_seconds
        How long it was read.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._kept: dict[tuple[Any, ...], Any] = {}
        self.took_seconds = 0.0

    @property
    def rows(self) -> int:
        """How many rows are held."""
        return sum(len(one) for one in self._kept.values() if isinstance(one, pd.DataFrame))

    def _read(self, name: str, *args: Any, **more: Any) -> Any:
        key = (name, args, *more.items())
        if key not in self._kept:
            began = perf_counter()
            self._kept[key] = getattr(self._frames, name)(*args, **more)
            self.took_seconds += perf_counter() - began
        return self._kept[key]

    def watched(self) -> tuple[datetime | None, datetime | None]:
        """Say from when to when sessions were watched one by one, at the moment of the reading."""
        watched: tuple[datetime | None, datetime | None] = self._read("watched")
        return watched

    def origin(self) -> Origin:
        """Say what is watched, and when it was observed last, at the moment of the reading."""
        origin: Origin = self._read("origin")
        return origin

    def events_since(self) -> datetime | None:
        """Say from when on every event is known, at the moment of the reading."""
        since: datetime | None = self._read("events_since")
        return since

    def lives(
        self,
        since: Since = None,
        until: Since = None,
        *,
        node: str | None = None,
        with_ttl: bool = False,
    ) -> pd.DataFrame:
        """List the sessions that were alive in a range, as far as lifetimes need them."""
        return self._frame("lives", since, until, node=node, with_ttl=with_ttl)

    def events(
        self, since: Since = None, until: Since = None, *, node: str | None = None
    ) -> pd.DataFrame:
        """List events, which are not kept: their lists of names take much, and have no groups."""
        return self._frames.events(since, until, node=node)

    def counts(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """List the count over time."""
        return self._frame("counts", since, until)

    def gaps(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """List the times in which nobody could look."""
        return self._frame("gaps", since, until)

    def _frame(self, name: str, *args: Any, **more: Any) -> pd.DataFrame:
        frame: pd.DataFrame = self._read(name, *args, **more)
        return frame


class _Once:
    """Frames of one node, read together with those of all: they name the nodes there are."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self.nodes: tuple[tuple[str, int], ...] = ()
        self.watched = frames.watched
        self.origin = frames.origin
        self.events_since = frames.events_since
        self.counts = frames.counts
        self.gaps = frames.gaps

    def lives(
        self,
        since: Since = None,
        until: Since = None,
        *,
        node: str | None = None,
        with_ttl: bool = False,
    ) -> pd.DataFrame:
        """Give the sessions of the node."""
        sessions = self._frames.lives(since, until, with_ttl=with_ttl)
        nodes = sessions["node"].array
        sizes = np.bincount(nodes.codes + 1, minlength=len(nodes.categories) + 1)[1:]
        self._note(dict(zip(nodes.categories, sizes.tolist(), strict=True)))
        return sessions if node is None else sessions[sessions["node"] == node]

    def events(
        self, since: Since = None, until: Since = None, *, node: str | None = None
    ) -> pd.DataFrame:
        """Give the events that name the node."""
        events = self._frames.events(since, until)
        self._note(events["node_ids"].explode().dropna().value_counts().to_dict())
        if node is None:
            return events
        return events[[node in names for names in events["node_ids"]]]

    def _note(self, sizes: Mapping[str, int]) -> None:
        by_size = sorted(sizes.items(), key=lambda one: (-one[1], one[0]))
        self.nodes = tuple((str(name), int(size)) for name, size in by_size[:MAX_NODES] if size)


def choose_ages(longest_seconds: float) -> tuple[int, ...]:
    """Choose ages from 0 on at which a chart of lifetimes has its marks."""
    step = next(
        (step for step in STEPS_SECONDS if longest_seconds / step <= MAX_AGES), STEPS_SECONDS[-1]
    )
    return tuple(range(0, int(longest_seconds) + 1, step))


def _choose_bucket(found: Churn) -> timedelta:
    seconds = next(
        (one for one in BUCKETS_SECONDS if found.window.seconds / one <= MAX_BUCKETS),
        BUCKETS_SECONDS[-1],
    )
    return timedelta(seconds=seconds)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _cell(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, pd.Timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return value
    number = float(value)
    if np.isnan(number):
        return None
    return int(number) if number.is_integer() else number
