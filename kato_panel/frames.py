"""
Data frames of what is known; their columns have the same types when they are empty.

`LAYOUTS` says what is in which frame; ``docs/churn.md`` explains each column.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from kato_panel.domain.events import SessionEvent
from kato_panel.domain.records import Reason, Record, Witness
from kato_panel.domain.rules import Severity
from kato_panel.domain.series import Range, Series

KINDS: Final = ("session_created", "session_destroyed")
SOURCES: Final = ("http", "stream", "redis")
REASONS: Final = tuple(reason.value for reason in Reason)
WITNESSES: Final = tuple(witness.value for witness in Witness)

TIME: Final = "datetime64[us, UTC]"
SPAN: Final = "timedelta64[us]"
NAMES: Final = "names"
"""A category of the names that occur, sorted."""
LISTS: Final = "lists"

Layout = Mapping[str, str | tuple[str, ...]]
"""Type of each column; a tuple holds the categories of one that knows them beforehand."""

LAYOUTS: Final[Mapping[str, Layout]] = {
    "sessions": {
        "session_id": "string",
        "node": NAMES,
        "created": TIME,
        "entered": TIME,
        "last_seen": TIME,
        "ended_earliest": TIME,
        "ended_latest": TIME,
        "lifetime": SPAN,
        "lifetime_width": SPAN,
        "reason": REASONS,
        "ttl_seconds": "Float64",
        "born_by": WITNESSES,
        "ended_by": WITNESSES,
    },
    "events": {
        "kind": KINDS,
        "delta": "Int64",
        "previous": "Int64",
        "current": "Int64",
        "source": SOURCES,
        "reason": REASONS,
        "session_ids": LISTS,
        "node_ids": LISTS,
        "after_gap_seconds": "Float64",
    },
    "counts": {"active": "Int64"},
    "alerts": {
        "alert_id": "string",
        "rule": NAMES,
        "subject": NAMES,
        "severity": tuple(severity.value for severity in Severity),
        "metric": NAMES,
        "value": "Float64",
        "threshold": "Float64",
        "pending": TIME,
        "resolved": TIME,
        "lasted": SPAN,
        "reason": "string",
        "acknowledged": TIME,
        "acknowledged_by": "string",
    },
    "containers": {"container": NAMES, "metric": NAMES, "value": "Float64"},
    "gaps": {"ended": TIME},
}
"""Columns of each frame; the index of all of them is `time`: datetime64 UTC."""

Since = datetime | timedelta | None
"""A time with a zone, or how long ago."""
WATCHED: Final = "watched"
"""Attribute of a frame of sessions: the range it is of, as ISO 8601 has it."""
GAPS: Final = "gaps"


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Whose frames they are.

    Parameters
    ----------
    upstream
        The address of the KATO that was watched, without a password; empty for the demo.
    is_demo
        Whether it was the demo.
    looked
        When it was observed last, UTC; ``None`` if never.
    """

    upstream: str
    is_demo: bool
    looked: datetime | None


def lay_out(kind: str, times: Any, columns: Mapping[str, Any]) -> pd.DataFrame:
    """
    Make a frame.

    Parameters
    ----------
    kind
        Which one; see `LAYOUTS`.
    times
        Its index: microseconds since 1970 as int64, or times.
    columns
        Values by column, of equal length; times and spans as int64 of microseconds, or as pandas
        takes them. A column that is left out is left out of the frame; one of names may be a
        category already.
    """
    made = {
        name: columns[name]
        if isinstance(columns[name], pd.Categorical)
        else _column(columns[name], type_)
        for name, type_ in LAYOUTS[kind].items()
        if name in columns
    }
    index = pd.DatetimeIndex(_column(times, TIME), name="time")
    return pd.DataFrame({name: pd.Series(made[name], index=index) for name in made}, index=index)


def empty_frame(kind: str) -> pd.DataFrame:
    """Make a frame without rows."""
    return lay_out(kind, [], dict.fromkeys(LAYOUTS[kind], ()))


def _column(values: Any, type_: str | tuple[str, ...]) -> Any:
    if type_ == LISTS:
        lists = np.empty(len(values), dtype=object)
        lists[:] = values
        return lists
    if isinstance(type_, tuple) and isinstance(values, np.ndarray) and values.dtype.kind == "i":
        return pd.Categorical.from_codes(values, list(type_))
    if isinstance(type_, tuple) or type_ == NAMES:
        return _category(values, list(type_) if isinstance(type_, tuple) else None)
    is_whole = isinstance(values, np.ndarray) and values.dtype == np.int64
    if type_ == TIME:
        given = values.astype("datetime64[us]") if is_whole else values
        return pd.DatetimeIndex(pd.to_datetime(given, utc=True)).as_unit("us").array
    if type_ == SPAN:
        given = values.astype("timedelta64[us]") if is_whole else values
        return pd.TimedeltaIndex(pd.to_timedelta(given)).as_unit("us").array
    return pd.array(values, dtype=type_)


def _category(values: Any, known: list[str] | None) -> pd.Categorical:
    category = pd.Categorical(np.asarray(values, dtype=object), known)
    if len(category.categories):
        return category
    # Of no names, pandas cannot tell that they are texts.
    return pd.Categorical.from_codes(category.codes, pd.Index([], dtype="str"))


def event_frame(
    events: Sequence[SessionEvent],
    since: Since,
    until: Since = None,
    node: str | None = None,
) -> pd.DataFrame:
    """
    Lay out events; see `kato_panel.Monitor.events`.

    Raises
    ------
    ValueError
        If a bound is a time without a zone.
    """
    first, after = time_range(since, until)
    told = [
        event
        for event in events
        if (first is None or event.at >= first)
        and (after is None or event.at < after)
        and (node is None or node in [name.node_id for name in event.names])
    ]
    return lay_out(
        "events",
        [event.at for event in told],
        {
            "kind": [event.kind.value for event in told],
            "delta": [event.delta for event in told],
            "previous": [event.previous for event in told],
            "current": [event.current for event in told],
            "source": [event.source for event in told],
            "reason": [event.reason for event in told],
            "session_ids": [[name.session_id for name in event.names] for event in told],
            "node_ids": [[name.node_id for name in event.names] for event in told],
            "after_gap_seconds": [event.after_gap_seconds for event in told],
        },
    )


def count_frame(known: Mapping[Range, Series], since: Since, until: Since = None) -> pd.DataFrame:
    """
    Lay out the count over time, from what charts show; see `kato_panel.Monitor.counts`.

    Raises
    ------
    ValueError
        If a bound is a time without a zone.
    """
    first, after = time_range(since, until)
    by_length = sorted(known.values(), key=lambda series: series.until - series.since)
    # The shortest that holds all of it has the finest steps: a week's begin at whole minutes.
    fit = (
        series
        for series in by_length
        if series.times[0] > series.since
        or (first is not None and first.timestamp() >= series.since)
    )
    series = next(fit, by_length[-1] if by_length else None)
    times, active = (series.times, series.active) if series else ((), ())
    frame = lay_out(
        "counts", [pd.Timestamp(time, unit="s", tz="UTC") for time in times], {"active": active}
    )
    return cut(frame, first, after)


def session_frame(records: Sequence[Record], entered: datetime, now: datetime) -> pd.DataFrame:
    """
    Lay out records that are held in memory; see `kato_panel.Monitor.sessions`.

    Parameters
    ----------
    records
        In any order.
    entered
        Since when they are watched; UTC.
    now
        When all the open ones were known to live; UTC.
    """
    began = {id(record): record.created or record.seen for record in records}
    ordered = sorted(records, key=lambda record: began[id(record)])
    endings = [record.ending for record in ordered]
    frame = complete_sessions(
        _micros([began[id(record)] for record in ordered]),
        {
            "session_id": [record.session_id for record in ordered],
            "node": [record.node_id or None for record in ordered],
            "created": _micros([record.created for record in ordered]),
            "entered": _micros([max(began[id(record)], entered) for record in ordered]),
            "last_seen": _micros(
                [now if record.ending is None else record.seen for record in ordered]
            ),
            "ended_earliest": _micros([ending.earliest if ending else None for ending in endings]),
            "ended_latest": _micros([ending.latest if ending else None for ending in endings]),
            "reason": [ending and ending.reason.value for ending in endings],
            "ttl_seconds": [record.ttl_seconds for record in ordered],
            "born_by": [record.born_by and record.born_by.value for record in ordered],
            "ended_by": [ending and ending.witness.value for ending in endings],
        },
    )
    return mark_range(frame, entered, now)


def complete_sessions(began: Any, columns: Mapping[str, Any]) -> pd.DataFrame:
    """
    Lay out sessions, with what follows from the columns that are given.

    Parameters
    ----------
    began
        When each was created, or else seen first; int64 of microseconds.
    columns
        All but the lifetimes; times as int64 of microseconds.
    """
    unknown = np.iinfo(np.int64).min
    created, earliest, latest = (
        columns[name] for name in ("created", "ended_earliest", "ended_latest")
    )
    is_ended = latest != unknown
    width = np.where(is_ended, latest - np.where(is_ended, earliest, 0), unknown)
    middle = np.where(is_ended, earliest, 0) + np.where(is_ended, width, 0) // 2
    is_known = is_ended & (created != unknown)
    lifetime = np.where(is_known, middle - np.where(is_known, created, 0), unknown)
    more = {"lifetime": lifetime, "lifetime_width": width}
    return lay_out("sessions", began, {**columns, **more})


def mark_range(
    frame: pd.DataFrame,
    since: datetime,
    until: datetime,
    gaps: Iterable[tuple[datetime, datetime]] = (),
) -> pd.DataFrame:
    """
    Note in the attributes of a frame of sessions what range it is of.

    Rows do not tell: who was there before is in it, and who ended before is not. pandas takes
    attributes along where rows are left out.

    Parameters
    ----------
    frame
        Is changed.
    since, until
        Everybody who was watched between these is in it.
    gaps
        When nobody could look.
    """
    frame.attrs[WATCHED] = _write_span(since, until)
    frame.attrs[GAPS] = ",".join(_write_span(*gap) for gap in gaps)
    return frame


def marked_range(
    frame: pd.DataFrame,
) -> tuple[datetime, datetime, list[tuple[datetime, datetime]]] | None:
    """Read what `mark_range` noted; ``None`` where a frame does not say of what range it is."""
    if WATCHED not in frame.attrs:
        return None
    gaps = [_read_span(text) for text in frame.attrs.get(GAPS, "").split(",") if text]
    return *_read_span(frame.attrs[WATCHED]), gaps


def _write_span(began: datetime, ended: datetime) -> str:
    return f"{began.isoformat()}/{ended.isoformat()}"


def _read_span(text: str) -> tuple[datetime, datetime]:
    began, _, ended = text.partition("/")
    return datetime.fromisoformat(began), datetime.fromisoformat(ended)


def time_range(
    since: Since, until: Since, now: datetime | None = None
) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """
    Read the bounds of a range.

    Parameters
    ----------
    since, until
        Times with a zone; or how long before now.
    now
        The present if it is not given.

    Raises
    ------
    ValueError
        If one is a time without a zone, too far away, or no time at all; or if nothing is
        between them.
    """
    present = now or datetime.now(UTC)
    after = _time("until", until, present)
    first = _time("since", since, present)
    if first is not None and after is not None and first >= after:
        raise ValueError(f"until is {after}, must be later than since, {first}")
    return first, after


def _time(name: str, given: Since, present: datetime) -> pd.Timestamp | None:
    if given is None:
        return None
    if isinstance(given, timedelta):
        try:
            return pd.Timestamp(pd.Timestamp(present).to_pydatetime() - given)
        except (OverflowError, ValueError) as error:
            raise ValueError(f"{name} is {given!r}, must be no longer ago than year 1") from error
    if not isinstance(given, datetime):
        raise ValueError(  # noqa: TRY004 - as of any other wrong bound
            f"{name} is {given!r}, must be a datetime with a time zone, or a timedelta"
        )
    if given.tzinfo is None:
        raise ValueError(f"{name} is {given!r}, must have a time zone")
    return pd.Timestamp(given).tz_convert("UTC")


def cut(
    frame: pd.DataFrame, first: pd.Timestamp | None, after: pd.Timestamp | None
) -> pd.DataFrame:
    """Keep the rows from a time on, and before another."""
    kept = frame if first is None else frame[frame.index >= first]
    return kept if after is None else kept[kept.index < after]


def _micros(times: Sequence[datetime | None]) -> Any:
    return pd.DatetimeIndex(pd.to_datetime(times, utc=True)).as_unit("us").asi8
