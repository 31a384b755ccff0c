"""Everything that is known of one session: its value, and the marks of its life."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kato_panel.domain.listing import Row
from kato_panel.domain.records import Record

MAX_DEPTH: Final = 32
MAX_ITEMS: Final = 10_000
MAX_TEXT: Final = 20_000
MAX_NUMBER: Final = 1 << 53
"""From here on, whole numbers are no longer exact in a browser."""
CUT: Final = "…"
"""Stands for what was left out of a value."""


@dataclass(frozen=True, slots=True)
class Mark:
    """
    One moment in a session's life.

    Parameters
    ----------
    what
        ``created``, ``accessed``, ``seen`` (known to live), ``expires`` (if nobody accesses it)
        or ``ended``.
    earliest, latest
        It was, or will be, between these; UTC. They are equal where the moment is known.
    how
        Who saw it: ``key event``, ``stream``, ``scan``, or ``value`` for what the session itself
        says; ``None`` for a birth from before anybody looked.
    reason
        Why it ended: ``deleted``, ``expired``, ``evicted`` or ``unknown``.
    """

    what: str
    earliest: datetime
    latest: datetime
    how: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What one look at a session gave.

    Parameters
    ----------
    row
        What the list would say.
    value
        The whole value, bounded; ``None`` where it cannot be read, or there is none.
    value_bytes
        Its length as it is stored.
    is_cut
        Whether something was left out of `value`; `CUT` stands in its place.
    trouble
        Why there is no value; empty where there is.
    """

    row: Row
    value: dict[str, Any] | None = None
    value_bytes: int | None = None
    is_cut: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """
    One session.

    Parameters
    ----------
    reading
        What was read of it now.
    timeline
        Its life, oldest first.
    source
        Where it was read: ``redis``, or ``http`` for KATO's own read.
    has_touched
        Whether reading it moved its life, as KATO's own read does.
    at
        When it was read; UTC.
    """

    reading: Reading
    timeline: tuple[Mark, ...]
    source: str
    has_touched: bool
    at: datetime


def tell_life(row: Row, record: Record | None) -> tuple[Mark, ...]:
    """
    List the moments of a session's life, as far as they are known.

    Parameters
    ----------
    row
        What was read of it now.
    record
        What the ledger has of it.

    Returns
    -------
    tuple of Mark
        Oldest first; a moment to come is last.
    """
    marks: list[Mark] = []
    created = row.created_at or (record and record.created)
    if created:
        born_by = None if record is None or record.born_by is None else record.born_by.value
        marks.append(Mark("created", created, created, born_by))
    accessed = row.last_accessed or (record and record.last_accessed)
    if accessed:
        marks.append(Mark("accessed", accessed, accessed, "value"))
    ending = None if record is None else record.ending
    if ending is not None:
        marks.append(
            Mark(
                "ended",
                ending.earliest,
                ending.latest,
                ending.witness.value,
                ending.reason.value,
            )
        )
    elif record is not None and row.is_gone:
        marks.append(Mark("seen", record.seen, record.seen))
    if ending is None and row.expires_at and not row.is_gone:
        marks.append(Mark("expires", row.expires_at, row.expires_at, "value"))
    return tuple(sorted(marks, key=lambda mark: mark.earliest))


def bound_value(value: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """
    Bound a decoded JSON object in depth, items and length of texts.

    Parameters
    ----------
    value
        As decoded; may hold lone surrogates, which no UTF-8 can carry.

    Returns
    -------
    tuple of dict and bool
        A copy that any encoder can write, and whether something was left out of it.
    """
    bounds = _Bounds()
    bounded = bounds.bound(value, 0)
    return bounded, bounds.is_cut


class _Bounds:
    """Counts items while a value is copied."""

    def __init__(self) -> None:
        self._left = MAX_ITEMS
        self.is_cut = False

    def bound(self, value: Any, depth: int) -> Any:
        match value:
            case str():
                return self._text(value)
            case dict() | list() if depth >= MAX_DEPTH:
                return self._cut()
            case dict():
                return self._object(value, depth)
            case list():
                return self._list(value, depth)
        return _bound_number(value)

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, item in value.items():
            if not self._has_room():
                copy[CUT] = CUT
                break
            copy[self._text(key)] = self.bound(item, depth + 1)
        return copy

    def _list(self, value: list[Any], depth: int) -> list[Any]:
        copy: list[Any] = []
        for item in value:
            if not self._has_room():
                copy.append(CUT)
                break
            copy.append(self.bound(item, depth + 1))
        return copy

    def _has_room(self) -> bool:
        if self._left == 0:
            self._cut()
            return False
        self._left -= 1
        return True

    def _text(self, text: str) -> str:
        if len(text) > MAX_TEXT:
            text = text[:MAX_TEXT] + self._cut()
        return text.encode("utf-8", "replace").decode("utf-8")

    def _cut(self) -> str:
        self.is_cut = True
        return CUT


def _bound_number(value: Any) -> Any:
    """Make a text of a number that not every reader of JSON can take, as of 1e999."""
    is_long = isinstance(value, int) and abs(value) >= MAX_NUMBER
    is_infinite = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_long or is_infinite else value
