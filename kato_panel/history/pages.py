"""Some rows of many, and where the next ones begin."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from kato_panel.domain.events import SessionEvent
from kato_panel.domain.recorded import AuditEntry
from kato_panel.errors import HistoryError
from kato_panel.history.rows import Row, moment, read_event

MAX_LIMIT: Final = 1_000
FAR: Final = 2**62
"""Beyond any number and any time of ours."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Page(Generic[Value]):
    """
    Some of many.

    Parameters
    ----------
    rows
        In the order that was asked for.
    next
        The cursor of the page after it; ``None`` if there is none.
    """

    rows: tuple[Value, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """
    An event with its place in the history.

    Parameters
    ----------
    id
        Counts on over all starts; events are sorted by it, whatever the clock did.
    epoch
        Which start's event it is; its `SessionEvent.seq` counts within that.
    event
        As it was told last.
    """

    id: int
    epoch: str
    event: SessionEvent


def read_recorded(row: Row) -> RecordedEvent:
    """Read an event with its place."""
    return RecordedEvent(row["id"], row["epoch"], read_event(row))


def read_audit(row: Row) -> AuditEntry:
    """Read what somebody did."""
    said = (row[name] for name in ("who", "action", "subject", "result"))
    return AuditEntry(moment(row["at"]), *said)


def walk(read: Callable[[str | None], Page[Value]]) -> Iterator[Value]:
    """
    Give the rows of one page after the other, each read when it is wanted.

    Parameters
    ----------
    read
        Reads the page of a cursor; ``None`` is the first.
    """
    cursor: str | None = None
    while True:
        page = read(cursor)
        yield from page.rows
        cursor = page.next
        if cursor is None:
            return


def check_limit(limit: int) -> int:
    """Return the rows of a page; raises HistoryError if there cannot be so many."""
    if not 1 <= limit <= MAX_LIMIT:
        raise HistoryError(f"limit is {limit}, must be from 1 to {MAX_LIMIT}")
    return limit


def read_cursor(cursor: str, parts: int) -> tuple[int, ...]:
    """Read a cursor of so many numbers; raises HistoryError if it is none."""
    try:
        values = tuple(int(part) for part in cursor.split(":"))
    except ValueError:
        values = ()
    if len(values) != parts or any(abs(value) > FAR for value in values):
        raise HistoryError(f"cursor is {cursor[:40]!r}, must be that of a page")
    return values
