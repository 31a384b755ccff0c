"""What is kept: in small turns, so that no commit waits long for one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.sql.elements import ColumnElement

from kato_panel.history import schema
from kato_panel.history.writer import MINUTE

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
        Days for which single samples and events are kept.
    minute_days
        Days for which minutes, records of ended sessions, gaps and what was sent are kept. Hours
        and the audit stay for ever, as do the records of open sessions.
    max_bytes
        Size of the file, its log aside, above which the oldest is given up earlier.
    """

    raw_days: float = 7.0
    minute_days: float = 90.0
    max_bytes: int = 2 * 2**30


def turn(connection: Connection, retention: Retention, now: int) -> bool:
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

    Returns
    -------
    bool
        Whether another turn has something to do.
    """
    given_up = sum(
        _give_up(connection, table, condition) for table, condition in _aged(retention, now)
    )
    pages, free, page_bytes = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("page_count", "freelist_count", "page_size")
    )
    over = pages - retention.max_bytes // page_bytes
    if over <= 0:
        return given_up > 0
    if free < over:
        given_up += _give_up_oldest(connection)
    driver = connection.connection.driver_connection
    if driver is not None:
        # One page is freed with each row, and SQLAlchemy would read none.
        driver.execute(f"PRAGMA incremental_vacuum({min(over, PAGES_PER_TURN)})").fetchall()
    return given_up > 0 or free > 0


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


def _give_up_oldest(connection: Connection) -> int:
    """Give up the oldest, single rows first, until there is room; the rest another turn."""
    for tables in (
        ((schema.events, None), (schema.samples, None)),
        ((schema.records, schema.records.c.ended_latest.is_not(None)),),
        ((schema.minutes, None),),
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
        connection.execute(delete(table).where(key.in_(some)))
        if table is schema.events:
            nodes = schema.event_nodes
            connection.execute(delete(nodes).where(nodes.c.event_id.in_(some)))
    return len(keys)
