"""
A million sessions at once: SQLite writes each column as one text, and NumPy reads it.

The driver makes an object of each value, which takes longer than all that SQLite does. Whatever
does not fit in here is read as usual, and the answer is the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.exc import DBAPIError

from kato_panel.domain.events import Kind
from kato_panel.domain.records import Reason, Witness
from kato_panel.history import schema
from kato_panel.history.columns import (
    UNKNOWN,
    UNREADABLE,
    Columns,
    Range,
    event_columns,
    read_sessions,
    within,
)

COLUMNS: Final = (
    *("began", "created", "seen", "ended_earliest", "ended_latest"),
    *("reason", "born_by", "node"),
)
CHANGES: Final = ("at", "kind", "delta", "source", "after_gap_seconds")
BLOCK_ROWS: Final = 100_000
"""Read at once, at most, so that memory stays bounded."""
DIGITS: Final = 16
"""Of a time from 2001 to 2286, in microseconds."""
MAX_BYTES: Final = 64
"""Of a word; eight of them are looked at together."""
_EIGHT: Final = 8
_MASKS: Final = np.array([(1 << 8 * size) - 1 for size in range(_EIGHT + 1)], np.uint64)
_ZEROS: Final = np.uint64(0x3030303030303030)
_SIXES: Final = np.uint64(0x0606060606060606)
_TENS: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_COMMA: Final = ord(",")

Conditions = Sequence[ColumnElement[bool]]


class _Block(NamedTuple):
    """
    Sessions that are read at once.

    Parameters
    ----------
    conditions
        Which they are.
    is_open
        Whether they live on, and so are fewer, and not all of their times are known.
    """

    conditions: Conditions
    is_open: bool = False


def bulk_columns(connections: Sequence[Connection], span: Range, *, with_ttl: bool) -> Columns:
    """
    Read the sessions that were alive in a range, the oldest first, as far as lifetimes need them.

    Parameters
    ----------
    connections
        At least one, of one state; each is read by a thread of its own.
    span, with_ttl
        The range, and whether `ttl_seconds` is wanted.

    Returns
    -------
    dict
        `COLUMNS` and, if wanted, `ttl_seconds`, as `session_columns` has them. But `seen` is when
        they ended, of those that did; and `node` is a place in `nodes`, -1 where not known.
    """
    names = [*COLUMNS, *(["ttl_seconds"] if with_ttl else [])]
    blocks = _blocks(connections[0], span)
    free: SimpleQueue[Connection] = SimpleQueue()
    for connection in connections:
        free.put(connection)

    def read(block: _Block) -> Columns:
        connection = free.get()
        try:
            return _read(connection, names, block)
        finally:
            free.put(connection)

    with ThreadPoolExecutor(len(connections), "bulk") as threads:
        parts = [*threads.map(read, blocks)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in names}
    columns |= _join_nodes(parts)
    if (np.diff(columns["began"]) < 0).any():
        order = np.argsort(columns["began"], kind="stable")
        columns |= {name: columns[name][order] for name in names}
    return columns


def change_columns(connection: Connection, span: Range, ids: tuple[int, int]) -> Columns:
    """
    Read the events of a range in the order in which they were recorded, as far as rates need them.

    Returns
    -------
    dict
        `CHANGES`, as `event_columns` has them.
    """
    events = schema.events.c
    bounds = connection.execute(select(func.min(events.id), func.max(events.id))).one()
    first, last = max(ids[0], bounds[0] or 1), min(ids[1], bounds[1] or 0)
    parts: list[Columns] = []
    for start in range(first, last + 1, BLOCK_ROWS):
        block = (start, min(last, start + BLOCK_ROWS - 1))
        try:
            parts.append(_changes(connection, span, block))
        except (*UNREADABLE, DBAPIError):
            parts.append(event_columns(connection, span, block, None))
    parts = parts or [event_columns(connection, span, (1, 0), None)]
    return {name: np.concatenate([part[name] for part in parts]) for name in CHANGES}


def _changes(connection: Connection, span: Range, ids: tuple[int, int]) -> Columns:
    events = schema.events.c
    conditions = [events.id.between(*ids), *within(events.at, span)]
    wanted = (events.at, events.kind, events.delta, events.source)
    texts = [
        *map(func.group_concat, wanted),
        func.group_concat(func.quote(events.after_gap_seconds)),
    ]
    with _raw_texts(connection):
        found = connection.execute(select(func.count(), *texts).where(*conditions)).one()
    count, at, kinds, *rest = found
    if not count:
        return {name: np.zeros(0, np.int64) for name in CHANGES}
    delta, source, gaps = (Words.of(text, count) for text in rest)
    names = np.array([word.decode() for word in source.known], dtype=object)
    return {
        "at": _times(at, count),
        "kind": _codes(kinds, count, [*Kind]),
        "delta": delta.spread(map(int, delta.known)),
        "source": names[source.places],
        "after_gap_seconds": _read_seconds(gaps),
    }


def _blocks(connection: Connection, span: Range) -> list[_Block]:
    """Part the sessions of a range into those that live on, and the others in their order."""
    records = schema.records.c
    since, until = span
    newest = connection.scalar(select(func.max(records.began)))
    before = [] if until is None or _is_below(newest, until) else [records.began + 0 < until]
    oldest = connection.scalar(select(func.min(records.ended_latest)))
    since = None if since is not None and _is_below(since - 1, oldest) else since
    first, last = _bounds(connection, since)
    ended: ColumnElement[bool] = (records.ended_latest + 0).is_not(None)
    blocks = [_Block([records.ended_latest.is_(None), *before], is_open=True)]
    if since is not None:
        ended = records.ended_latest + 0 >= since
        blocks.append(_Block([records.ended_latest >= since, records.id + 0 < first, *before]))
    for start in range(first, last + 1, BLOCK_ROWS):
        ids = records.id.between(start, min(last, start + BLOCK_ROWS - 1))
        blocks.append(_Block([ids, ended, *before]))
    return blocks


def _join_nodes(parts: Sequence[Columns]) -> Columns:
    """Give the nodes of all parts one numbering; no name is no node."""
    nodes: dict[str, int] = {}
    places = []
    for part in parts:
        numbers = [nodes.setdefault(node, len(nodes)) if node else -1 for node in part["nodes"]]
        places.append(np.array([*numbers, -1], np.int64)[part["node"]])
    return {"node": np.concatenate(places), "nodes": np.array([*nodes], dtype=object)}


def _is_below(at: Any, bound: Any) -> bool:
    """Say whether a time is; what is no whole number is nowhere."""
    return type(at) is int and type(bound) is int and at < bound


def _bounds(connection: Connection, since: int | None) -> tuple[int, int]:
    """
    Give the numbers of the first and the last row of those born from then on.

    Rows are written as sessions are found: of those born before, few are among them.
    """
    records = schema.records.c
    last = connection.scalar(select(func.max(records.id))) or 0
    oldest = select(func.min(records.id))
    if since is not None:  # by the index of births
        oldest = select(func.min(records.id + 0)).where(records.began >= since)
    first = connection.scalar(oldest)
    return (last + 1 if first is None else first), last


def _read(connection: Connection, names: Sequence[str], block: _Block) -> Columns:
    if not block.is_open:
        with suppress(*UNREADABLE, DBAPIError):
            return _bulk(connection, names, block.conditions)
    return _usual(connection, names, block.conditions)


def _usual(connection: Connection, names: Sequence[str], conditions: Conditions) -> Columns:
    columns = read_sessions(connection, names, conditions)
    columns["node"], columns["nodes"] = pd.factorize(columns["node"])
    columns["seen"] = np.where(
        columns["ended_latest"] == UNKNOWN, columns["seen"], columns["ended_latest"]
    )
    return columns


def _bulk(connection: Connection, names: Sequence[str], conditions: Conditions) -> Columns:
    """Read sessions that ended; raises what is `UNREADABLE` if one of them does not fit."""
    records = schema.records.c
    width, lag = records.ended_latest - records.ended_earliest, records.created - records.began
    with _raw_texts(connection):

        def read(*wanted: ColumnElement[Any]) -> Sequence[Any]:
            return connection.execute(select(*wanted).where(*conditions)).one()

        ttl = records.ttl_seconds
        asked = (func.count(ttl), func.min(ttl), func.max(ttl)) if "ttl_seconds" in names else ()
        count, plain, began, latest, reasons, births, of_nodes, *alike = read(
            func.count(),
            func.total((width == 0) & (lag == 0)),
            func.group_concat(records.began),
            func.group_concat(records.ended_latest),
            func.group_concat(records.reason),
            func.group_concat(func.coalesce(records.born_by, "")),
            func.group_concat(func.coalesce(records.node_id, "")),
            *asked,
        )
        if not count:
            return {name: np.zeros(0, np.int64) for name in (*names, "nodes")}
        columns: Columns = {"began": _times(began, count), "ended_latest": _times(latest, count)}
        columns["seen"] = columns["ended_earliest"] = columns["ended_latest"]
        columns["created"] = columns["began"]
        if plain < count:
            text, more = read(func.group_concat(width), func.group_concat(func.coalesce(lag, "")))
            widths, lags = Words.of(text, count), Words.of(more, count)
            columns["ended_earliest"] = columns["seen"] - widths.spread(map(int, widths.known))
            created = columns["began"] + lags.spread(int(word or 0) for word in lags.known)
            is_known = lags.spread(word != b"" for word in lags.known).astype(bool)
            columns["created"] = np.where(is_known, created, UNKNOWN)
        if alike:
            given, low, high = alike
            if given == count and low == high:
                columns["ttl_seconds"] = np.full(count, float(low) if low >= 0 else np.nan)
            else:
                (text,) = read(func.group_concat(func.quote(ttl)))
                columns["ttl_seconds"] = _read_seconds(Words.of(text, count))
    columns["reason"] = _codes(reasons, count, [*Reason])
    columns["born_by"] = _codes(births, count, [*Witness, ""])
    columns["born_by"][columns["born_by"] == len(Witness)] = -1
    words = Words.of(of_nodes, count)
    columns["node"] = words.places
    columns["nodes"] = np.array([word.decode(errors="replace") for word in words.known], object)
    return columns


@contextmanager
def _raw_texts(connection: Connection) -> Iterator[None]:
    driver: Any = connection.connection.driver_connection
    lenient = driver.text_factory
    driver.text_factory = bytes
    try:
        yield
    finally:
        driver.text_factory = lenient


def _times(text: bytes, count: int) -> NDArray[np.int64]:
    """Read times that are all of `DIGITS` digits, eight of them at a time."""
    cells = np.frombuffer(text + b",", np.uint8)
    if len(cells) != count * (DIGITS + 1):
        raise ValueError("a time has more digits, or fewer")
    halves = cells.reshape(count, DIGITS + 1)[:, :DIGITS].copy().view("<u8")
    is_digit = (halves & _TENS == _ZEROS) & (halves + _SIXES & _TENS == _ZEROS)
    if not is_digit.all():
        raise ValueError("a time is no whole number")
    # Neighbours are added up: digits to pairs, these to fours, and these to eights.
    halves -= _ZEROS
    halves = halves * np.uint64(10) + (halves >> np.uint64(8))
    pairs = np.uint64(0x000000FF000000FF)
    high = (halves & pairs) * np.uint64(100 + (1_000_000 << 32))
    low = (halves >> np.uint64(16) & pairs) * np.uint64(1 + (10_000 << 32))
    eights = ((high + low) >> np.uint64(32)).astype(np.int64)
    return eights[:, 0] * 10**_EIGHT + eights[:, 1]


def _codes(text: bytes, count: int, values: Sequence[str]) -> NDArray[np.int8]:
    """Read words as their places in a list; raises ValueError if there are others."""
    words = Words.of(text, count)
    codes = words.spread(values.index(word.decode()) for word in words.known)
    return codes.astype(np.int8)


def _read_seconds(words: "Words") -> NDArray[np.float64]:
    values = [np.nan if word == b"NULL" else float(word) for word in words.known]
    return words.spread(value if value >= 0 else np.nan for value in values)


class Words(NamedTuple):
    """
    The words of a column.

    Parameters
    ----------
    places
        For each row, the place of its word.
    known
        Each word once.
    """

    places: NDArray[np.int64]
    known: list[bytes]

    @classmethod
    def of(cls, text: bytes, count: int) -> "Words":
        """
        Read as many words as there are rows.

        Raises
        ------
        ValueError
            If a word holds a comma, or is too long.
        """
        first = text.split(b",", 1)[0]
        if text + b"," == (first + b",") * count:
            return cls(np.zeros(count, np.int64), [first])
        padded = np.frombuffer(text + b"," + bytes(_EIGHT), np.uint8)
        ends = np.flatnonzero(padded[: len(text) + 1] == _COMMA)
        starts = np.concatenate([[0], ends[:-1] + 1])
        sizes = ends - starts
        if len(ends) != count or sizes.max() > MAX_BYTES:
            raise ValueError("a word holds a comma, or is too long")
        eights: NDArray[np.uint64] = np.ndarray(len(text) + 1, "<u8", padded, strides=(1,))
        places = sizes
        for offset in range(0, int(sizes.max()), _EIGHT):
            here = eights[np.minimum(starts + offset, len(text))]
            more, known = pd.factorize(here & _MASKS[np.clip(sizes - offset, 0, _EIGHT)])
            places, _ = pd.factorize(places * len(known) + more)
        examples = np.zeros(places.max() + 1, np.int64)
        examples[places] = np.arange(count)
        return cls(places, [text[starts[row] : ends[row]] for row in examples])

    def spread(self, values: Iterable[Any]) -> NDArray[Any]:
        """Give each row the value of its word."""
        return np.array([*values])[self.places]
