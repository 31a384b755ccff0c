"""The count over a range: single observations, minutes or hours, whichever the range allows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, select

from kato_panel.domain.events import Kind
from kato_panel.domain.recorded import Bucket
from kato_panel.history import schema
from kato_panel.history.rows import MAX_MICROS, moment
from kato_panel.history.writer import HOUR, MINUTE

MAX_ROWS: Final = 1_500
RAW_MICROS: Final = HOUR
"""Single observations are shown for ranges up to this."""
MINUTES_MICROS: Final = 8 * 24 * HOUR
"""Minutes are summed up for ranges up to this, hours for longer ones."""
MINUTE_WIDTHS: Final = tuple(MINUTE * n for n in (1, 2, 5, 10, 15, 30))
HOUR_WIDTHS: Final = tuple(HOUR * n for n in (1, 2, 4, 6, 12, 24, 168, 672, 8_760))


@dataclass(frozen=True, slots=True)
class Counts:
    """
    The count over a range.

    Parameters
    ----------
    width_seconds
        Of each row; 0 where rows are single observations.
    rows
        Those that were observed, oldest first, at most some 1,500.
    """

    width_seconds: int
    rows: tuple[Bucket, ...]


_Sum = list[int]
"""Start, last, lowest, highest, created, ended."""


def counts_between(
    connection: Connection, since: int, until: int, first_event: int, last_event: int
) -> Counts:
    """
    Sum up a range.

    Parameters
    ----------
    connection
        Where to read.
    since, until
        In microseconds.
    first_event, last_event
        Bounds of the ids of its events.
    """
    span = until - since
    hours = _buckets(connection, schema.hours, since // HOUR * HOUR, until)
    if span <= MINUTES_MICROS:
        minutes = _buckets(connection, schema.minutes, since // MINUTE * MINUTE, until)
        if span <= RAW_MICROS and last_event - first_event < MAX_ROWS:
            raw = _raw(connection, since, until, first_event, last_event)
            if len(raw) <= MAX_ROWS and _covers(raw, minutes, MINUTE):
                return Counts(0, _told(raw))
        if _covers(minutes, hours, HOUR):
            return _merged(minutes, MINUTE_WIDTHS, span)
    return _merged(hours, HOUR_WIDTHS, span)


def _covers(fine: Sequence[_Sum], coarse: Sequence[_Sum], width: int) -> bool:
    """Tell whether the finer rows reach back as far as the coarser ones do."""
    if not coarse:
        return True
    return bool(fine) and fine[0][0] < coarse[0][0] + width


def _buckets(connection: Connection, table: Table, since: int, until: int) -> list[_Sum]:
    start = table.c.start
    found = select(table).where(start >= since, start < until).order_by(start)
    return _sound(connection.execute(found))


def _raw(
    connection: Connection, since: int, until: int, first_event: int, last_event: int
) -> list[_Sum]:
    samples, events = schema.samples.c, schema.events.c
    found = select(samples.at, samples.active, samples.active, samples.active)
    observed = [
        [*row, 0, 0]
        for row in connection.execute(
            found.where(samples.at >= since, samples.at < until)
            .order_by(samples.at, samples.id)
            .limit(MAX_ROWS + 1)
        )
    ]
    told = connection.execute(
        select(events.at, events.current, events.kind, events.delta)
        .where(events.id.between(first_event, last_event))
        .where(events.at >= since, events.at < until)
        .order_by(events.id)
        .limit(MAX_ROWS + 1)
    )
    for at, current, kind, delta in told:
        changed = [delta, 0] if kind == Kind.CREATED.value else [0, delta]
        observed.append([at, current, current, current, *changed])
    return sorted(_sound(observed), key=lambda row: row[0])


def _sound(rows: Iterable[Sequence[Any]]) -> list[_Sum]:
    """Pass over rows in which a flipped bit left something else than numbers."""
    return [[*row] for row in rows if {*map(type, row)} == {int} and abs(row[0]) < MAX_MICROS]


def _merged(rows: Sequence[_Sum], widths: Sequence[int], span: int) -> Counts:
    width = next((width for width in widths if span // width <= MAX_ROWS), widths[-1])
    if width == widths[0]:
        return Counts(width // 1_000_000, _told(rows))
    sums: dict[int, _Sum] = {}
    for start, last, lowest, highest, created, ended in rows:
        key = start // width * width
        known = sums.setdefault(key, [key, last, lowest, highest, 0, 0])
        known[1] = last
        known[2] = min(known[2], lowest)
        known[3] = max(known[3], highest)
        known[4] += created
        known[5] += ended
    return Counts(width // 1_000_000, _told(sums.values()))


def _told(rows: Iterable[_Sum]) -> tuple[Bucket, ...]:
    return tuple(Bucket(moment(row[0]), *row[1:]) for row in rows)
