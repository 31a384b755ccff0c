"""Between the domain's values and rows of numbers and texts."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.records import Ending, Reason, Record, Witness
from kato_panel.domain.text import sayable

Row = Mapping[Any, Any]
Value = TypeVar("Value")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
MAX_MICROS: Final = 60_000_000_000_000_000
"""Within this of 1970, a time is one that a calendar can say."""


def micros(at: datetime) -> int:
    """Write a time."""
    return (at - EPOCH) // MICROSECOND


def moment(at: int) -> datetime:
    """Read a time; raises OverflowError or TypeError where none was written."""
    return EPOCH + timedelta(microseconds=at)


def maybe(change: Callable[[Any], Value], value: Any) -> Value | None:
    """Apply a function to what is known."""
    return None if value is None else change(value)


def readable(rows: Iterable[Row], read: Callable[[Row], Value]) -> tuple[Value, ...]:
    """
    Read rows, and pass over those that hold something else than was written.

    A flipped bit in a value is nothing that the database can notice.
    """
    values = []
    for row in rows:
        try:
            values.append(read(row))
        except (ValueError, TypeError, KeyError, OverflowError):
            continue
    return tuple(values)


def _whole(value: Any) -> int:
    if type(value) is int:
        return value
    raise TypeError(f"{value!r} is no whole number")


def event_row(event: SessionEvent) -> dict[str, Any]:
    """Write an event."""
    names = [[sayable(name.session_id), maybe(sayable, name.node_id)] for name in event.names]
    return {
        "seq": event.seq,
        "kind": event.kind.value,
        "at": micros(event.at),
        "previous": event.previous,
        "current": event.current,
        "delta": event.delta,
        "source": sayable(event.source),
        "names": json.dumps(names, separators=(",", ":")) if names else None,
        "reason": maybe(sayable, event.reason),
        "after_gap_seconds": event.after_gap_seconds,
        "since_last_event_seconds": event.since_last_event_seconds,
    }


def read_event(row: Row) -> SessionEvent:
    """Read an event."""
    return SessionEvent(
        seq=_whole(row["seq"]),
        kind=Kind(row["kind"]),
        at=moment(row["at"]),
        previous=_whole(row["previous"]),
        current=_whole(row["current"]),
        delta=_whole(row["delta"]),
        source=row["source"],
        names=tuple(Name(session, node) for session, node in json.loads(row["names"] or "[]")),
        reason=row["reason"],
        after_gap_seconds=row["after_gap_seconds"],
        since_last_event_seconds=row["since_last_event_seconds"],
    )


def record_row(record: Record) -> dict[str, Any]:
    """Write what is known of a session."""
    ending = record.ending
    return {
        "session_id": sayable(record.session_id),
        "node_id": maybe(sayable, record.node_id),
        "began": micros(record.created or record.seen),
        "created": maybe(micros, record.created),
        "last_accessed": maybe(micros, record.last_accessed),
        "ttl_seconds": record.ttl_seconds,
        "seen": micros(record.seen),
        "expires": maybe(micros, record.expires),
        "born_by": maybe(str, record.born_by),
        "ended_earliest": None if ending is None else micros(ending.earliest),
        "ended_latest": None if ending is None else micros(ending.latest),
        "reason": None if ending is None else ending.reason.value,
        "ended_by": None if ending is None else ending.witness.value,
    }


def read_record(row: Row) -> Record:
    """Read what is known of a session."""
    ending = None
    if row["ended_latest"] is not None:
        ending = Ending(
            earliest=moment(row["ended_earliest"]),
            latest=moment(row["ended_latest"]),
            reason=Reason(row["reason"]),
            witness=Witness(row["ended_by"]),
        )
    return Record(
        session_id=row["session_id"],
        seen=moment(row["seen"]),
        node_id=row["node_id"],
        created=maybe(moment, row["created"]),
        last_accessed=maybe(moment, row["last_accessed"]),
        ttl_seconds=row["ttl_seconds"],
        expires=maybe(moment, row["expires"]),
        born_by=maybe(Witness, row["born_by"]),
        ending=ending,
    )
