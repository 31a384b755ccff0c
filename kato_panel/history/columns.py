"""
Whole tables as columns: for data frames, which have no use for a value per row.

Rows that hold what nobody wrote are passed over, as everywhere.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import OperationalError
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy import Text as TextType

from kato_panel.domain.events import Kind
from kato_panel.domain.records import Reason, Witness
from kato_panel.history import schema
from kato_panel.history.rows import MAX_MICROS

UNKNOWN: Final = np.iinfo(np.int64).min
"""What data frames have for a time that is not known."""
WHOLE: Final = "i8"
REAL: Final = "f8"
OBJECT: Final = "O"
UNREADABLE: Final = (TypeError, ValueError, OverflowError, OperationalError)

Columns = dict[str, NDArray[Any]]
Range = tuple[int | None, int | None]
"""From, and before; microseconds since 1970."""


def _code(column: Any, values: Sequence[str]) -> Any:
    """Write a word as its place in a list; -1 for any other."""
    places = [(column == literal(str(value)), place) for place, value in enumerate(values)]
    return case(*places, else_=-1)


SESSION_COLUMNS: Final[Mapping[str, tuple[Any, str]]] = {
    "began": (schema.records.c.began, WHOLE),
    "created": (func.coalesce(schema.records.c.created, UNKNOWN), WHOLE),
    "seen": (schema.records.c.seen, WHOLE),
    "ended_earliest": (func.coalesce(schema.records.c.ended_earliest, UNKNOWN), WHOLE),
    "ended_latest": (func.coalesce(schema.records.c.ended_latest, UNKNOWN), WHOLE),
    "ttl_seconds": (func.coalesce(schema.records.c.ttl_seconds, -1.0), REAL),
    "reason": (_code(schema.records.c.reason, [*Reason]), "i1"),
    "born_by": (_code(schema.records.c.born_by, [*Witness]), "i1"),
    "ended_by": (_code(schema.records.c.ended_by, [*Witness]), "i1"),
    "node": (func.nullif(cast(schema.records.c.node_id, TextType), ""), OBJECT),
    "session_id": (cast(schema.records.c.session_id, TextType), OBJECT),
}
"""How each column of sessions is read, and of what kind it is."""


def session_columns(connection: Connection, span: Range, node: str | None) -> Columns:
    """
    Read the sessions that were alive in a range, the oldest first.

    Returns
    -------
    dict
        `began`, `created`, `seen`, `ended_earliest`, `ended_latest` in microseconds, `UNKNOWN`
        where not known; `ttl_seconds`, ``NaN`` where not known; `reason`, `born_by`, `ended_by` as
        places in their enumerations, -1 where there is none; `node` and `session_id`.
    """
    records = schema.records.c
    since, until = span
    wanted: list[ColumnElement[bool]] = []
    if since is not None:
        wanted.append(or_(records.ended_latest >= since, records.ended_latest.is_(None)))
    if until is not None:
        wanted.append(records.began + 0 < until)  # the index of ends is of more use
    if node is not None:
        wanted.append(records.node_id == node)
    found = read_sessions(connection, SESSION_COLUMNS, wanted)
    order = np.argsort(found["began"], kind="stable")
    return {name: values[order] for name, values in found.items()}


def read_sessions(
    connection: Connection, names: Iterable[str], conditions: Sequence[ColumnElement[bool]]
) -> Columns:
    """Read some columns of sessions as `session_columns` has them, in no order."""
    found = _read(connection, {name: SESSION_COLUMNS[name] for name in names}, conditions)
    if "ttl_seconds" in found:
        found["ttl_seconds"][found["ttl_seconds"] < 0] = np.nan
    return found


def event_columns(
    connection: Connection, span: Range, ids: tuple[int, int], node: str | None
) -> Columns:
    """
    Read the events of a range in the order in which they were recorded.

    Parameters
    ----------
    connection, span, node
        As for `session_columns`.
    ids
        Bounds of their numbers.

    Returns
    -------
    dict
        `at` in microseconds; `kind`, `source`, `reason`, ``None`` where there is none; `delta`,
        `previous`, `current`; `after_gap_seconds`, ``NaN`` where there was none; `session_ids`
        and `node_ids`, lists.
    """
    events = schema.events.c
    wanted = [events.id.between(*ids), *within(events.at, span)]
    if node is not None:
        nodes = schema.event_nodes.c
        of_node = select(nodes.event_id).where(nodes.node_id == node)
        wanted.append(events.id.in_(of_node))
    found = _read(
        connection,
        {
            "at": (events.at, WHOLE),
            "id": (events.id, WHOLE),
            "delta": (events.delta, WHOLE),
            "previous": (events.previous, WHOLE),
            "current": (events.current, WHOLE),
            "kind": (_code(events.kind, [*Kind]), "i1"),
            "source": (cast(events.source, TextType), OBJECT),
            "reason": (cast(events.reason, TextType), OBJECT),
            "after_gap_seconds": (func.coalesce(events.after_gap_seconds, -1.0), REAL),
            "names": (cast(events.names, TextType), OBJECT),
        },
        [*wanted, events.kind.in_([kind.value for kind in Kind])],
    )
    found["after_gap_seconds"][found["after_gap_seconds"] < 0] = np.nan
    found |= _names(found.pop("names"))
    order = np.argsort(found.pop("id"), kind="stable")
    return {name: values[order] for name, values in found.items()}


def step_columns(connection: Connection, span: Range, ids: tuple[int, int]) -> Columns:
    """
    Read the count over time: each observation, then minutes, then hours, as far as each reaches.

    Returns
    -------
    dict
        `at` in microseconds, rising, and `active`, sessions from then on.
    """
    samples, events = schema.samples.c, schema.events.c
    wanted = [*within(samples.at, span)]
    parts = [
        _read(connection, {"at": (samples.at, WHOLE), "active": (samples.active, WHOLE)}, wanted),
        _read(
            connection,
            {"at": (events.at, WHOLE), "active": (events.current, WHOLE)},
            [events.id.between(*ids), *within(events.at, span)],
        ),
    ]
    firsts = [connection.scalar(select(func.min(column))) for column in (samples.at, events.at)]
    finest = min((first for first in firsts if type(first) is int), default=MAX_MICROS)
    for table, width in ((schema.minutes, 60_000_000), (schema.hours, 3_600_000_000)):
        whole = finest // width * width
        earlier = [*within(table.c.start, span), table.c.start < whole]
        names = ("start", "lowest", "highest", "last")
        found = _read(connection, {name: (table.c[name], WHOLE) for name in names}, earlier)
        for place, name in enumerate(names[1:]):
            at = found["start"] + place * width // 3
            parts.append({"at": at, "active": found[name]})
        first = connection.scalar(select(func.min(table.c.start)))
        finest = min(finest, first) if type(first) is int else finest
    at = np.concatenate([part["at"] for part in parts])
    active = np.concatenate([part["active"] for part in parts])
    order = np.argsort(at, kind="stable")
    return {"at": at[order], "active": active[order]}


def gap_columns(connection: Connection, span: Range) -> Columns:
    """
    Read the gaps that touch a range, the oldest first.

    Returns
    -------
    dict
        `began` and `ended`, in microseconds.
    """
    gaps = schema.gaps.c
    since, until = span
    wanted: list[ColumnElement[bool]] = []
    if since is not None:
        wanted.append(gaps.ended > since)
    if until is not None:
        wanted.append(gaps.began < until)
    found = _read(connection, {"began": (gaps.began, WHOLE), "ended": (gaps.ended, WHOLE)}, wanted)
    order = np.argsort(found["began"], kind="stable")
    return {name: values[order] for name, values in found.items()}


def figure_columns(connection: Connection, span: Range, prefix: str) -> Columns:
    """
    Read figures by the beginning of their metrics' names: each value, before that one a minute.

    Returns
    -------
    dict
        `at` in microseconds, rising; `metric`, `subject` and `value`.
    """
    figures, minutes = schema.figures.c, schema.figure_minutes.c
    first = connection.scalar(select(func.min(figures.at)))
    parts = []
    for at, columns, value in ((figures.at, figures, "value"), (minutes.start, minutes, "last")):
        wanted = [*within(at, span), columns.metric.startswith(prefix, autoescape=True)]
        if columns is minutes and type(first) is int:
            wanted.append(minutes.start < first // 60_000_000 * 60_000_000)
        parts.append(
            _read(
                connection,
                {
                    "at": (at, WHOLE),
                    "metric": (cast(columns.metric, TextType), OBJECT),
                    "subject": (cast(columns.subject, TextType), OBJECT),
                    "value": (columns[value], REAL),
                },
                wanted,
            )
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["at"], kind="stable")
    return {name: values[order] for name, values in joined.items()}


def first_birth(connection: Connection) -> int | None:
    """Return when the first birth that was witnessed took place, in microseconds."""
    records = schema.records.c
    found = select(records.began).where(records.born_by.is_not(None)).order_by(records.began)
    began = connection.scalar(found.limit(1))
    return began if type(began) is int else None


def first_single(connection: Connection) -> int | None:
    """Return when the first of the single observations that are kept was made, in microseconds."""
    first = [
        connection.scalar(select(table.c.at).order_by(table.c.id).limit(1))
        for table in (schema.samples, schema.events)
    ]
    return min((at for at in first if type(at) is int), default=None)


def _read(
    connection: Connection,
    wanted: Mapping[str, tuple[Any, str]],
    conditions: Sequence[ColumnElement[bool]],
) -> Columns:
    """Read columns of one table; each row goes straight into arrays."""
    kinds = np.dtype([(name, kind) for name, (_, kind) in wanted.items()])
    found = select(*(column for column, _ in wanted.values())).where(*conditions)
    try:
        rows = _fetch(connection, found, kinds)
    except UNREADABLE:
        # A flipped bit left something else than numbers and texts: pass over those rows.
        sound = and_(
            *(
                func.typeof(column).in_(["integer", "real"])
                for column, kind in wanted.values()
                if kind != OBJECT
            )
        )
        rows = _fetch(connection, found.where(sound), kinds, is_strict=False)
    columns = {name: rows[name] for name in wanted}
    is_sound = np.ones(len(rows), dtype=bool)
    for name, (_, kind) in wanted.items():
        if kind == WHOLE:
            values = columns[name]
            is_sound &= (values == UNKNOWN) | ((values < MAX_MICROS) & (values > -MAX_MICROS))
    return {name: np.ascontiguousarray(values[is_sound]) for name, values in columns.items()}


def _fetch(
    connection: Connection, found: Select[Any], kinds: np.dtype[Any], *, is_strict: bool = True
) -> NDArray[Any]:
    """Read rows as the driver gives them; strictly is faster, for it decodes texts by itself."""
    driver: Any = connection.connection.driver_connection
    lenient = driver.text_factory
    if is_strict:
        driver.text_factory = str
    try:
        rows: Any = connection.execute(found).cursor
        return np.fromiter(rows, dtype=kinds)
    finally:
        driver.text_factory = lenient


def within(column: Any, span: Range) -> list[ColumnElement[bool]]:
    """Say that a column is in a range."""
    since, until = span
    wanted = [] if since is None else [column >= since]
    return wanted if until is None else [*wanted, column < until]


def _names(texts: NDArray[Any]) -> Columns:
    """Read who it happened to; nobody where that is no JSON of ours."""
    sessions, nodes = (np.empty(len(texts), dtype=object) for _ in range(2))
    for place, text in enumerate(texts):
        try:
            names = [(str(session), node) for session, node in json.loads(text or "[]")]
        except (ValueError, TypeError):
            names = []
        sessions[place] = [session for session, _ in names]
        nodes[place] = [node for _, node in names]
    return {"session_ids": sessions, "node_ids": nodes}
