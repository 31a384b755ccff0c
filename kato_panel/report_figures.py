"""
The figures of a report: tables of what the frames and `kato_panel.churn` say, and nothing else.

What is not known is ``None``; why something is missing stands in a table's remark, as a sentence.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kato_panel import churn_tables
from kato_panel.churn_tables import Table, list_rows, plain
from kato_panel.churning import Frames, churn
from kato_panel.domain.churn import Churn, check_zone
from kato_panel.domain.churn.drawing import draw, shown_seconds
from kato_panel.domain.churn.tables import AGES_SECONDS
from kato_panel.domain.churn.window import to_micros
from kato_panel.errors import TooLittle
from kato_panel.frames import Origin, Since, empty_frame, time_range

MAX_STRETCHES: Final = 100
WIDTHS_SECONDS: Final = (
    *(60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200),
    *(86_400, 604_800, 2_419_200),
)
MAX_ROWS: Final = 500
"""Of alerts and of gaps; the newest are told."""
CURVE_POINTS: Final = 300
LIBRARIES: Final = ("kato-panel", "numpy", "pandas")
NOTHING: Final = "Nothing was observed in this range."
ONE_LOOK: Final = "There was one look in this range, which is too little for a report."
NO_ALERT: Final = "No alert fired in this range."
NO_LIFETIMES: Final = ": there are no lifetimes"
NO_GAP: Final = "There is no gap: somebody looked all the time."
NO_CONTAINER: Final = "No container was watched in this range."

Floats = NDArray[np.float64]


class Reported(Frames, Protocol):
    """What a report is made of: a `Monitor`, or what `open_history` returns."""

    def origin(self) -> Origin:
        """Say whose frames they are."""

    def changes(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """List events as far as rates need them."""

    def alerts(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """List alerts by when they fired."""

    def containers(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """List the figures of containers."""


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """
    What charts are drawn of, beside the tables.

    Parameters
    ----------
    count
        The count over time; see `kato_panel.Monitor.counts`.
    survival
        The curve with its band, at some ages; ``None`` where there is none.
    survival_seconds
        The greatest age that a chart of it has to show.
    containers
        By container: its use of processor time over time, in percent.
    """

    count: pd.DataFrame = field(default_factory=partial(empty_frame, "counts"))
    survival: pd.DataFrame | None = None
    survival_seconds: float = 0.0
    containers: dict[str, pd.Series] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """
    All that a report tells.

    Parameters
    ----------
    origin
        Whose figures they are.
    since, until
        The range, UTC; ``None`` where nothing was observed.
    zone
        Name of the time zone in which times are shown.
    tables
        By name, in the order in which they are shown.
    notes
        What has to be known to read any of it, in plain words.
    curves
        For the charts.
    """

    origin: Origin
    since: datetime | None
    until: datetime | None
    zone: str
    tables: dict[str, Table]
    notes: tuple[str, ...]
    curves: Curves = field(default_factory=Curves)

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The range, where something was observed."""
        if self.since is None or self.until is None:
            raise TooLittle(NOTHING)
        return self.since, self.until

    def figure(self, name: str) -> tuple[Any, Any, Any]:
        """Give a figure of the summary with its bounds; ``None`` for what is not known."""
        rows = {row[0]: row[1:] for row in self.tables["summary"].rows}
        value, low, high = rows.get(name, (None, None, None))
        return value, low, high


def gather(
    frames: Reported,
    since: Since,
    until: Since,
    *,
    node: str | None = None,
    tz: str = "UTC",
    tell: Callable[[str], object] = str,
) -> Figures:
    """
    Gather the figures of a range.

    Parameters
    ----------
    frames
        Who gives the frames.
    since, until, node, tz
        See `kato_panel.Report`.
    tell
        Called with what is being done.

    Raises
    ------
    ValueError
        If the range is empty, a time has no zone, or `tz` is none.
    HistoryError
        If the history cannot be read.
    """
    check_zone(tz)
    origin = frames.origin()
    first, after = time_range(since, until, origin.looked)
    tell("the count")
    counts = frames.counts(first, after)
    end = after or (None if origin.looked is None else pd.Timestamp(origin.looked))
    if end is None and len(counts):
        end = counts.index[-1]
    begin = _begin(first, end, counts)
    if begin is None or end is None or begin >= end:
        return _know_nothing(origin, counts, ONE_LOOK if len(counts) else NOTHING, node, tz)
    tell("alerts, containers and gaps")
    alerts, gaps = _firing(frames.alerts(None, after), begin), frames.gaps(begin, after)
    containers, uses = _containers(frames.containers(begin, after))
    unknown = _tell_unknown(frames, first, begin, end, counts)
    if not (len(counts) or len(alerts) or len(gaps) or containers.rows):
        return _know_nothing(origin, counts, unknown, node, tz)
    tell("sessions and lifetimes")
    found, why = _churn(_Lean(frames, counts), begin, end, node, tz)
    width = _width_seconds(begin, end)
    tell("the tables")
    tables = {
        "summary": _summary(found, counts, alerts, gaps),
        "count": _count(counts, begin, end, width),
        **_churn_tables(found, why, width),
        "containers": containers,
        "alerts": _alerts(alerts),
        "gaps": _gaps(gaps, begin, end, NO_GAP if len(counts) else NOTHING),
        "provenance": _provenance(origin, begin, end, node, tz),
    }
    curves = Curves(counts, containers=uses)
    if found is not None and found.refusal is None:
        survival = draw(found.survival, CURVE_POINTS), shown_seconds(found.survival)
        curves = Curves(counts, *survival, uses)
    notes = tuple(filter(None, (unknown, why, *(found.notes if found is not None else ()))))
    span = begin.to_pydatetime(), end.to_pydatetime()
    return Figures(origin, *span, tz, tables, notes, curves)


def _know_nothing(
    origin: Origin, counts: pd.DataFrame, why: str, node: str | None, tz: str
) -> Figures:
    """Give what is left to tell where nothing is known of a range."""
    tables = {
        "summary": _summary(None, counts, None, None),
        "provenance": _provenance(origin, None, None, node, tz),
    }
    return Figures(origin, None, None, tz, tables, (why,))


def _tell_unknown(
    frames: Reported,
    first: pd.Timestamp | None,
    begin: pd.Timestamp,
    end: pd.Timestamp,
    counts: pd.DataFrame,
) -> str:
    """Say of what part of the range nothing is known; empty if something is of all."""
    if len(counts):
        is_later = first is not None and begin > first
        return f"Nothing of the range is known before {_say(begin)}." if is_later else ""
    later = frames.counts(end)["active"].dropna().index
    return f"{NOTHING[:-1]}; it was from {_say(later[0])} on." if len(later) else NOTHING


def _say(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


class _Lean:
    """Frames that `churn` may ask for a long range: of events, what it has a use for."""

    def __init__(self, frames: Reported, counts: pd.DataFrame) -> None:
        self._frames, self._counts = frames, counts
        self.watched = frames.watched
        self.origin = frames.origin
        self.events_since = frames.events_since
        self.lives = frames.lives
        self.gaps = frames.gaps

    def counts(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """Give the count of the range, which was read before."""
        del since, until
        return self._counts

    def events(
        self, since: Since = None, until: Since = None, *, node: str | None = None
    ) -> pd.DataFrame:
        """Give what is counted of the events."""
        if node is None:
            return self._frames.changes(since, until)
        return self._frames.events(since, until, node=node)


def _begin(
    first: pd.Timestamp | None, end: pd.Timestamp | None, counts: pd.DataFrame
) -> pd.Timestamp | None:
    """Say when the range begins: when asked, unless there was nothing to see until much later."""
    if not len(counts):
        return first
    known = counts.index[0]
    if first is None or end is None or first >= end:
        return known
    is_late = known - first > timedelta(seconds=_width_seconds(first, end))
    return known if is_late else first


def _width_seconds(begin: datetime, end: datetime) -> int:
    seconds = (end - begin).total_seconds()
    fit = (width for width in WIDTHS_SECONDS if seconds <= width * MAX_STRETCHES)
    return next(fit, WIDTHS_SECONDS[-1])


def _churn(
    frames: Frames, begin: datetime, end: datetime, node: str | None, tz: str
) -> tuple[Churn | None, str]:
    """Ask for churn; or say why there is none."""
    try:
        found = churn(frames, since=begin, until=end, node=node, tz=tz)
    except (TooLittle, ValueError) as error:
        return None, f"There is no churn: {error}."
    if found.refusal is None:
        return found, ""
    return found, f"There are no lifetimes: {found.refusal.removesuffix(NO_LIFETIMES)}."


def _summary(
    found: Churn | None,
    counts: pd.DataFrame,
    alerts: pd.DataFrame | None,
    gaps: pd.DataFrame | None,
) -> Table:
    active = counts["active"].dropna()
    rows: list[tuple[Any, ...]] = []
    for name, value in (
        ("last_active_sessions", active.iloc[-1] if len(active) else None),
        ("lowest_active_sessions", active.min() if len(active) else None),
        ("highest_active_sessions", active.max() if len(active) else None),
        ("created_sessions", None if found is None else found.total.arrivals[0]),
        ("ended_sessions", None if found is None else found.total.departures[0]),
    ):
        rows.append((name, plain(value), None, None))
    if found is not None:
        main = found.frame()
        rows += [(str(name), *map(plain, values)) for name, values in list_rows(main)]
        rows.append(("gap_seconds", found.window.gap_seconds, None, None))
    elif gaps is not None:
        rows.append(("gap_seconds", None, None, None))
    if alerts is not None:
        rows.append(("alert_episodes", len(alerts), None, None))
    is_bound = found is not None and found.total.is_lower_bound
    remark = "Created, ended and their rates are lower bounds." if is_bound else ""
    return Table(("figure", "value", "low", "high"), tuple(rows), remark)


def _count(counts: pd.DataFrame, begin: datetime, end: datetime, width: int) -> Table:
    edges = _edges(begin, end, width)
    times = counts.index.asi8
    values = counts["active"].to_numpy(dtype=float, na_value=np.nan)
    rows = []
    for start, stop in pairwise(edges):
        first, after = np.searchsorted(times, [start, stop])
        seen = values[max(0, first - 1) if first and times[first - 1] < start else first : after]
        known = seen[~np.isnan(seen)]
        bounds = (known.min(), known.max()) if len(known) else (None, None)
        last = seen[-1] if len(seen) else None
        rows.append((_time(start), *(_whole(value) for value in (*bounds, last))))
    remark = "" if len(counts) else NOTHING
    names = ("time", "lowest_sessions", "highest_sessions", "last_sessions")
    return Table(names, tuple(rows), remark)


def _churn_tables(found: Churn | None, why: str, width: int) -> dict[str, Table]:
    """Lay out churn; where there is none, or no lifetimes, each table says why."""
    tables = churn_tables.empty_tables(why)
    if found is None:
        return tables
    is_bound = found.total.is_lower_bound
    rates = found.rates(timedelta(seconds=width)).frame()
    tables["rates"] = churn_tables.rate_table(rates, is_bound=is_bound)
    tables["reasons"] = churn_tables.reason_table(
        found.reasons.frame() if len(found.lives) else None, why
    )
    if found.refusal is None:
        ages = [age for age in (0, *AGES_SECONDS) if age <= found.survival.last_age_seconds]
        groups = found.groups
        tables |= {
            "survival": churn_tables.survival_table(found.survival.at([*map(float, ages)])),
            "nodes": churn_tables.group_table(groups.frame(), groups.notes, groups.log_rank),
            "cohorts": churn_tables.cohort_table(found.cohorts.frame()),
        }
    return tables


def _containers(frame: pd.DataFrame) -> tuple[Table, dict[str, pd.Series]]:
    names = ("container", "metric", "lowest", "mean", "highest", "last")
    if frame.empty:
        return Table(names, remark=NO_CONTAINER), {}
    grouped = frame.groupby(["container", "metric"], observed=True, sort=True)["value"]
    sums = grouped.agg(["min", "mean", "max", "last"])
    rows = tuple((*map(str, key), *map(plain, row)) for key, row in list_rows(sums))
    cpu = frame[frame["metric"] == "container_cpu_percent"]
    uses = {
        str(name): part["value"]
        for name, part in cpu.groupby("container", observed=True, sort=True)
    }
    return Table(names, rows), uses


def _firing(alerts: pd.DataFrame, begin: datetime) -> pd.DataFrame:
    """Leave out the alerts that were over before the range began."""
    over = alerts["resolved"]
    return alerts[over.isna() | (over > begin)]


def _alerts(frame: pd.DataFrame) -> Table:
    names = (
        *("time", "rule", "subject", "severity", "value", "threshold"),
        *("resolved", "lasted_seconds", "reason", "acknowledged_by"),
    )
    told = frame.iloc[-MAX_ROWS:]
    rows = []
    for at, one in zip(told.index, told.to_dict("records"), strict=True):
        lasted = one.pop("lasted")
        one |= {"lasted_seconds": None if lasted is pd.NaT else lasted.total_seconds()}
        rows.append((at, *(plain(one[name]) for name in names[1:])))
    return Table(names, tuple(rows), _cut_remark(frame, "alerts") or ("" if rows else NO_ALERT))


def _gaps(frame: pd.DataFrame, begin: datetime, end: datetime, otherwise: str) -> Table:
    told = frame.iloc[-MAX_ROWS:]
    rows = []
    for began, ended in zip(told.index, told["ended"], strict=True):
        start, stop = max(began, begin), min(ended, end)
        rows.append((start, stop, (stop - start).total_seconds()))
    remark = _cut_remark(frame, "gaps") or ("" if rows else otherwise)
    return Table(("time", "ended", "lasted_seconds"), tuple(rows), remark)


def _cut_remark(frame: pd.DataFrame, noun: str) -> str:
    left = len(frame) - MAX_ROWS
    return f"The newest {MAX_ROWS}; {left} earlier {noun} are left out." if left > 0 else ""


def _provenance(
    origin: Origin, begin: datetime | None, end: datetime | None, node: str | None, tz: str
) -> Table:
    rows: list[tuple[Any, ...]] = [
        ("upstream", "the demo: simulated data" if origin.is_demo else origin.upstream or None),
        ("from", begin),
        ("until", end),
        ("last look", None if origin.looked is None else pd.Timestamp(origin.looked)),
        ("time zone", tz),
        ("node of sessions", "all" if node is None else node),
    ]
    rows += [(f"version of {name}", version(name)) for name in LIBRARIES]
    return Table(("item", "value"), tuple(rows))


def _edges(begin: datetime, end: datetime, width_seconds: int) -> list[int]:
    first, last = to_micros(begin), to_micros(end)
    width = width_seconds * 1_000_000
    return [first, *range((first // width + 1) * width, last, width), last]


def _time(micros: int) -> pd.Timestamp:
    return pd.Timestamp(micros, unit="us", tz="UTC")


def _whole(value: float | None) -> int | None:
    return None if value is None or np.isnan(value) else int(value)
