"""What is kept: in small turns, so that no commit waits long for one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Connection, Table, delete, func, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql.elements import ColumnElement

from kato_panel.history import schema
from kato_panel.history.writer import EVENTS_SINCE, MINUTE, RECORDS_SINCE

ROWS_PER_TURN: Final = 2_000
PAGES_PER_TURN: Final = 500
DAY: Final = 1_440 * MINUTE


@dataclass(frozen=True, slots=True)
class Retention:
    """
    How much is kept.

    Parameters
    ----------
    raw_days
        Days for which single samples, figures and events are kept.
    minute_days
        Days for which minutes, records of ended sessions, alerts that are over, gaps and what was
        sent are kept. Hours and the audit stay for ever, as do the records of open sessions.
    max_bytes
        Size of the file, its log aside, above which the oldest is given up earlier.
    """

    raw_days: float = 7.0
    minute_days: float = 90.0
    max_bytes: int = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Turn:
    """
    What one turn did.

    Parameters
    ----------
    has_more
        Whether another one has something to do.
    pages
        Unused pages that the file is to be shortened by, once the turn is committed.
    """

    has_more: bool
    pages: int


def turn(connection: Connection, retention: Retention, now: int) -> Turn:
    """
    Give up some of what is to be given up.

    Parameters
    ----------
    connection
        In a transaction, which the caller commits.
    retention
        How much is kept.
    now
        In microseconds; never further ahead than this process is old, whatever the clock says.
    """
    given_up = sum(
        _give_up(connection, table, condition) for table, condition in _aged(retention, now)
    )
    pages, free, page_bytes = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("page_count", "freelist_count", "page_size")
    )
    over = max(0, pages - retention.max_bytes // page_bytes)
    if free < over:
        given_up += _give_up_oldest(connection)
    shorter = min(over, free, PAGES_PER_TURN)
    return Turn(given_up > 0 or shorter > 0, shorter)


def shorten(connection: Connection, pages: int) -> None:
    """
    Cut unused pages off the file.

    Parameters
    ----------
    connection
        In no transaction: the driver runs the statement to its end in a script only, which has
        none, and frees a single page otherwise.
    pages
        How many.
    """
    driver = connection.connection.driver_connection
    if driver is not None:
        driver.executescript(f"PRAGMA incremental_vacuum({pages})")


_SINGLE: Final = (schema.events, schema.samples, schema.figures, schema.lapses)


def _aged(retention: Retention, now: int) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    raw = now - round(retention.raw_days * DAY)
    minute = now - round(retention.minute_days * DAY)
    # Whatever a bucket sums up stays until all of it has aged.
    yield schema.samples, schema.samples.c.at < raw
    yield schema.events, schema.events.c.ordered_at < raw
    yield schema.minutes, schema.minutes.c.start < minute - MINUTE
    yield schema.records, schema.records.c.ended_latest < minute
    yield schema.gaps, schema.gaps.c.ended < minute
    yield schema.outbox, schema.outbox.c.sent_at < minute
    yield schema.outbox, (schema.outbox.c.given_up != "") & (schema.outbox.c.at < minute)
    yield schema.figures, schema.figures.c.at < raw
    yield schema.lapses, schema.lapses.c.at < raw
    yield schema.figure_minutes, schema.figure_minutes.c.start < minute - MINUTE
    yield schema.alerts, schema.alerts.c.resolved_at < minute
    yield schema.silences, schema.silences.c.until < minute


def _give_up_oldest(connection: Connection) -> int:
    """Give up the oldest, single rows first, until there is room; the rest another turn."""
    for tables in (
        tuple((table, None) for table in _SINGLE),
        ((schema.records, schema.records.c.ended_latest.is_not(None)),),
        ((schema.minutes, None), (schema.figure_minutes, None)),
    ):
        given_up = sum(_give_up(connection, table, condition) for table, condition in tables)
        if given_up:
            return given_up
    return 0


def _give_up(connection: Connection, table: Table, condition: ColumnElement[bool] | None) -> int:
    key = table.c.start if table is schema.minutes else table.c.id
    chosen = select(key).order_by(key).limit(ROWS_PER_TURN)
    if condition is not None:
        chosen = select(key).where(condition).limit(ROWS_PER_TURN)
    if table is schema.events:
        # The newest stays: the numbers go on from it.
        newest = select(func.max(schema.events.c.id)).scalar_subquery()
        chosen = chosen.where(key < newest)
    keys = connection.execute(chosen).scalars().all()
    if not keys:
        return 0
    for first in range(0, len(keys), ROWS_PER_TURN // 4):
        some = keys[first : first + ROWS_PER_TURN // 4]
        if table is schema.records:
            _note_loss(connection, RECORDS_SINCE, table.c.ended_latest, key.in_(some))
        if table is schema.events:
            _note_loss(connection, EVENTS_SINCE, table.c.at, key.in_(some))
        connection.execute(delete(table).where(key.in_(some)))
        if table is schema.events:
            nodes = schema.event_nodes
            connection.execute(delete(nodes).where(nodes.c.event_id.in_(some)))
    return len(keys)


def _note_loss(
    connection: Connection, key: str, ended: Column[Any], condition: ColumnElement[bool]
) -> None:
    """Note that rows are complete only from the end of what is given up."""
    latest = connection.scalar(select(func.max(ended)).where(condition))
    note = upsert(schema.notes).values(key=key, value=latest)
    kept = func.max(schema.notes.c.value, note.excluded.value)
    connection.execute(note.on_conflict_do_update(set_={"value": kept}))
