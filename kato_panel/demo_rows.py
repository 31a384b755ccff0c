"""
Rows of a stretch of the demo's past, written all at once.

The live service makes them one by one, of what it observes; for a week that takes half a minute.
What it makes of a look at all keys is decided by the very ledger, here too; what then comes and
goes is laid out as arrays. ``tests/test_demo_week.py`` holds the rows against those of the live
service.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np
from sqlalchemy import Connection, Table, select

from kato_panel.domain.backtest import Looks
from kato_panel.domain.events import Kind, Moment, SessionEvent
from kato_panel.domain.keys import (
    KeyEventsJudged,
    KeyObservation,
    KeysSeen,
    ScanBegan,
    ScanEnded,
    SessionDetails,
    SessionsRead,
)
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.recorded import Gap, Looked, Note, Sample
from kato_panel.domain.records import Reason, Witness
from kato_panel.domain.telling import KeyedCount
from kato_panel.history import History, Item, schema
from kato_panel.history.rows import micros, moment, read_record
from kato_panel.history.writer import HOUR, Tail, sum_up, write
from kato_panel.recording import KEYS_SEEN, SAMPLE_SECONDS, Recorder
from kato_panel.simulator.past import (
    DELETED,
    EVICTED,
    HABITS,
    MINUTE,
    SECOND,
    Past,
    Spell,
    Times,
)
from kato_panel.sources import payloads

SOURCE: Final = "redis"
REASONS: Final = (Reason.DELETED.value, Reason.EXPIRED.value, Reason.EVICTED.value)
BIRTH, END, LOOK = range(3)
TTLS: Final = np.array([habit.ttl_seconds for habit in HABITS])
NODES: Final = [habit.node_id for habit in HABITS]


@dataclass(frozen=True, slots=True)
class Position:
    """
    Where the record of a past stands.

    Parameters
    ----------
    tail
        As the history's writer left it.
    seen_at, keys_at
        When somebody looked last, in microseconds, and when the keys were noted to be known;
        ``None`` before the first look.
    event_at
        When this run told something last; ``None`` if it did not yet.
    reported
        What KATO said last in this run.
    """

    tail: Tail
    seen_at: int | None = None
    keys_at: int | None = None
    event_at: int | None = None
    reported: int | None = None


@dataclass(frozen=True, slots=True)
class Happenings:
    """What happens in a stretch of time, in its order; a place in each array for each of it."""

    times: Times
    kinds: Times
    """`BIRTH`, `END` or `LOOK`."""
    places: Times
    """Whose; of a look, what KATO counts."""


def happenings(past: Past, spell: Spell, look: int) -> Happenings:
    """List what happens after the beginning of a stretch, with a look every so often."""
    lives = past.lives
    looks = np.minimum(np.arange(spell.began, spell.ended, look) + look, spell.ended)
    deleted = np.sort(lives.ended[lives.how == DELETED])
    counted = np.searchsorted(lives.created, looks, side="right")
    counted -= np.searchsorted(deleted, looks, side="right")
    births, ends = (
        np.flatnonzero((times > spell.began) & (times <= spell.ended))
        for times in (lives.created, lives.ended)
    )
    times = np.concatenate([lives.created[births], lives.ended[ends], looks])
    kinds = np.repeat([BIRTH, END, LOOK], [len(births), len(ends), len(looks)])
    places = np.concatenate([births, ends, counted])
    order = np.lexsort((kinds, times))
    return Happenings(times[order], kinds[order], places[order])


def scan(past: Past, at: int) -> list[KeyObservation]:
    """Give what a look at all keys observes; who is found by the first is asked for later."""
    lives, now = past.lives, when(past, at)
    there = np.flatnonzero((lives.created <= at) & (lives.ended > at)).tolist()
    lapsed = np.flatnonzero((lives.ended <= at) & (lives.how != DELETED)).tolist()
    evicted = int(((lives.ended <= at) & (lives.how == EVICTED)).sum())
    details = tuple(describe(past, place) for place in there)
    read = SessionsRead(SOURCE, now, details)
    ended = ScanEnded(SOURCE, now, {past.ids[place] for place in lapsed}, evicted)
    return [
        KeyEventsJudged(SOURCE, now, are_on=True),
        ScanBegan(SOURCE, now),
        KeysSeen(SOURCE, now, {one.session_id: one.expires for one in details}),
        *((ended, read) if at == past.since else (read, ended)),
    ]


def describe(past: Past, place: int) -> SessionDetails:
    """Say what the value of a session says after its birth."""
    created, node = int(past.lives.created[place]), int(past.lives.node[place])
    born = moment(created)
    return SessionDetails(
        past.ids[place],
        NODES[node],
        born,
        born,
        float(TTLS[node]),
        moment(created + int(TTLS[node]) * SECOND),
    )


def when(past: Past, at: int) -> Moment:
    """Give an instant of the past on two clocks."""
    return Moment(moment(at), (at - past.since) / SECOND)


class _Items(list[Item]):
    """Takes items as a history does."""

    generation: Final = 1

    def record(self, items: Item | Iterable[Item]) -> None:
        self += items if isinstance(items, Iterable) else [items]


def write_spell(
    connection: Connection, past: Past, spell: Spell, before: Position, look: int
) -> Position:
    """
    Write all that is seen in a stretch of time, which begins with a look at all keys.

    Parameters
    ----------
    connection
        Of a history that holds what was before.
    past, spell, look
        What happened, when it is seen, and how far its looks at the count are apart.
    before
        Where the record stands.
    """
    ledger = Ledger(payloads.created_in)
    teller = KeyedCount(ledger, after_seq=before.tail.seq)
    items = _Items()
    if before.seen_at is not None and before.keys_at is not None:
        records = schema.records
        open_ones = select(records).where(records.c.ended_latest.is_(None))
        found = connection.execute(open_ones).mappings()
        ledger.restore(map(read_record, found), 0)
        keys_at = when(past, before.keys_at)
        teller = KeyedCount(ledger, seen_at=keys_at, after_seq=before.tail.seq)
        items.record(Gap(moment(before.seen_at), moment(spell.began)))
    recorder = Recorder(
        cast("History", items),  # which is given items, and asked for nothing
        open_records=ledger.open_records,
        generation=items.generation,
    )
    for observation in scan(past, spell.began):
        told = teller.observe(observation)
        recorder.record(told, teller.standing)
    tail = write(connection, _go_on(before, items), before.tail)
    found_event = any(isinstance(item, SessionEvent) for item in items)
    known = replace(before, tail=tail, event_at=spell.began if found_event else before.event_at)
    drift = teller.standing.drift or 0
    return _Stretch(connection, past, spell, look).write(known, len(ledger.open_lives()), drift)


def _go_on(before: Position, items: Iterable[Item]) -> Iterable[Item]:
    """Add what a teller would know that had told what was before: this one is new."""
    event_at = before.event_at
    for item in items:
        if event_at is not None and isinstance(item, SessionEvent):
            since = (micros(item.at) - event_at) / SECOND
            event_at = None
            yield replace(item, since_last_event_seconds=since)
        elif isinstance(item, Sample):
            yield replace(item, reported=before.reported)
        else:
            yield item


class _Stretch:
    """All that happens in a stretch of time, as rows."""

    def __init__(self, connection: Connection, past: Past, spell: Spell, look: int) -> None:
        self._connection = connection
        self._past = past
        self._spell = spell
        self._all = happenings(past, spell, look)

    def write(self, known: Position, count: int, drift: int) -> Position:
        kinds, places, lives = self._all.kinds, self._all.places, self._past.lives
        is_change = kinds != LOOK
        step = np.where(kinds == BIRTH, 1, np.where(kinds == END, -1, 0))
        active = count + np.cumsum(step)
        how = np.zeros(len(kinds), np.int64)
        how[is_change] = lives.how[places[is_change]]
        drifts = drift + np.cumsum((kinds == END) & (how != DELETED))
        known = self._write_events(known, is_change, active)
        self._write_records()
        known, is_sampled = self._write_samples(known, is_change, active, drifts)
        self._sum_up(is_change | is_sampled, active, step)
        seen = self._spell.ended
        notes: list[Item] = [Looked(moment(seen)), Note(KEYS_SEEN, known.keys_at or seen)]
        write(self._connection, notes, known.tail)
        return replace(known, seen_at=seen)

    def _write_events(self, known: Position, is_change: Any, active: Any) -> Position:
        times, kinds, places = (
            array[is_change] for array in (self._all.times, self._all.kinds, self._all.places)
        )
        if not len(times):
            return known
        lives, number, tail = self._past.lives, len(times), known.tail
        whose = places.tolist()
        nodes = [NODES[node] for node in lives.node[places].tolist()]
        current = active[is_change]
        born, step = (kinds == BIRTH).tolist(), np.where(kinds == BIRTH, 1, -1)
        at = times.tolist()
        ids = range(tail.event_id + 1, tail.event_id + number + 1)
        since = np.diff(times, prepend=known.event_at or 0) / SECOND
        reasons = lives.how[places].tolist()
        columns = {
            "id": ids,
            "epoch_id": [tail.epoch_id] * number,
            "seq": range(tail.seq + 1, tail.seq + number + 1),
            "kind": [Kind.CREATED.value if is_birth else Kind.DESTROYED.value for is_birth in born],
            "at": at,
            "ordered_at": at,
            "previous": (current - step).tolist(),
            "current": current.tolist(),
            "delta": [1] * number,
            "source": [SOURCE] * number,
            "names": [
                f'[["{self._past.ids[place]}","{node}"]]'
                for place, node in zip(whose, nodes, strict=True)
            ],
            "reason": [
                None if is_birth else REASONS[how]
                for is_birth, how in zip(born, reasons, strict=True)
            ],
            "since_last_event_seconds": [
                None if known.event_at is None else float(since[0]),
                *since[1:].tolist(),
            ],
        }
        insert_rows(self._connection, schema.events, columns)
        insert_rows(self._connection, schema.event_nodes, {"node_id": nodes, "event_id": ids})
        tail = replace(tail, event_id=ids[-1], ordered_at=at[-1], seq=tail.seq + number)
        return replace(known, tail=tail, event_at=at[-1])

    def _write_records(self) -> None:
        lives, spell, witness = self._past.lives, self._spell, Witness.KEY_EVENT.value
        is_born = (lives.created > spell.began) & (lives.created <= spell.ended)
        is_over = (lives.ended > spell.began) & (lives.ended <= spell.ended)
        born = np.flatnonzero(is_born)
        ids = [self._past.ids[place] for place in born.tolist()]
        node, created = lives.node[born], lives.created[born].tolist()
        over, how = is_over[born].tolist(), lives.how[born].tolist()
        ended = [
            at if is_ended else None
            for at, is_ended in zip(lives.ended[born].tolist(), over, strict=True)
        ]
        columns = {
            "session_id": ids,
            "life": [1] * len(ids),
            "node_id": [NODES[one] for one in node.tolist()],
            "began": created,
            "created": created,
            "last_accessed": created,
            "ttl_seconds": TTLS[node].astype(float).tolist(),
            "seen": [at or start for at, start in zip(ended, created, strict=True)],
            "expires": (lives.created[born] + TTLS[node] * SECOND).tolist(),
            "born_by": [witness] * len(ids),
            "ended_earliest": ended,
            "ended_latest": ended,
            "reason": [
                REASONS[one] if is_ended else None for one, is_ended in zip(how, over, strict=True)
            ],
            "ended_by": [witness if is_ended else None for is_ended in over],
        }
        insert_rows(self._connection, schema.records, columns)
        older = np.flatnonzero(is_over & ~is_born).tolist()
        told = [
            (at, at, at, REASONS[lives.how[place]], witness, self._past.ids[place])
            for place, at in zip(older, lives.ended[older].tolist(), strict=True)
        ]
        if told:
            self._connection.exec_driver_sql(
                "UPDATE records SET seen = ?, ended_earliest = ?, ended_latest = ?, reason = ?, "
                "ended_by = ? WHERE session_id = ?",
                told,
            )

    def _write_samples(
        self, known: Position, is_change: Any, active: Any, drift: Any
    ) -> tuple[Position, Any]:
        """
        Write one a second at most, as the recorder does, and each figure that moved alone.

        Returns the places at which there is one, too.
        """
        rows: list[tuple[int, int, int | None, int]] = []
        is_sampled = np.zeros(len(is_change), bool)
        sampled, reported, figures = self._spell.began, known.reported, None
        stopped, pause = self._past.stopped, int(SAMPLE_SECONDS * SECOND)
        for place, at, told, count, lapsed, counted in zip(
            range(len(is_change)),
            *(one.tolist() for one in (self._all.times, is_change, active, drift)),
            self._all.places.tolist(),
            strict=True,
        ):
            now = (count, reported, lapsed)
            if at - sampled >= pause or (not told and now != figures):
                sampled, figures = at, now
                rows.append((at, *now))
                is_sampled[place] = True
            if not told and not stopped.began <= at < stopped.ended:
                reported = counted
        names = ("at", "active", "reported", "drift")
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        insert_rows(self._connection, schema.samples, columns)
        return replace(known, reported=reported, keys_at=sampled), is_sampled

    def _sum_up(self, is_counted: Any, active: Any, step: Any) -> None:
        """Tell of each minute its lowest and highest count, then its last with the changes."""
        times, active, step = self._all.times[is_counted], active[is_counted], step[is_counted]
        first = np.flatnonzero(np.diff(times // MINUTE, prepend=-1))
        last = np.append(first[1:], len(times)) - 1
        created, ended = (np.add.reduceat(step == sign, first) for sign in (1, -1))
        lowest, highest = (fold.reduceat(active, first) for fold in (np.minimum, np.maximum))
        nothing = np.zeros(len(first), np.int64)
        counts = [
            (place, *row)
            for place, columns in enumerate(
                (
                    (times[last], lowest, nothing, nothing),
                    (times[last], highest, nothing, nothing),
                    (times[last], active[last], created, ended),
                )
            )
            for row in zip(*(column.tolist() for column in columns), strict=True)
        ]
        for table, width in ((schema.minutes, MINUTE), (schema.hours, HOUR)):
            sum_up(self._connection, table, width, counts)


def write_figures(connection: Connection, looks: Looks) -> None:
    """Write what was measured, at most once a minute: each minute's last, lowest and highest."""
    for (metric, subject), series in looks.series.items():
        is_known = ~np.isnan(series)
        times, values = looks.times[is_known], series[is_known].tolist()
        named = {"metric": [metric] * len(values), "subject": [subject] * len(values)}
        single = {"at": times.tolist(), **named, "value": values}
        insert_rows(connection, schema.figures, single)
        bounds = dict.fromkeys(("last", "lowest", "highest"), values)
        starts = (times // MINUTE * MINUTE).tolist()
        insert_rows(connection, schema.figure_minutes, {"start": starts, **named, **bounds})


def insert_rows(connection: Connection, table: Table, columns: Mapping[str, Iterable[Any]]) -> None:
    """Write rows past SQLAlchemy, which takes as long again for each value."""
    rows = [*zip(*columns.values(), strict=True)]
    places = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - names of ours
    if rows:
        connection.exec_driver_sql(statement, rows)
