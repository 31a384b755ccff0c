"""From items to rows: one transaction for each group."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, case, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from kato_panel.domain.events import Kind, SessionEvent
from kato_panel.domain.recorded import (
    AlertEntry,
    AllOpen,
    AuditEntry,
    Figure,
    Gap,
    Lapse,
    Looked,
    Note,
    OutboxEntry,
    Sample,
    Silence,
)
from kato_panel.domain.records import Reason, Record, Witness
from kato_panel.domain.text import sayable
from kato_panel.history import schema
from kato_panel.history.alerts import alert_row, figure_row, lapse_row, outbox_row, silence_row
from kato_panel.history.rows import event_row, micros, record_row

Item = (
    SessionEvent
    | Record
    | Sample
    | Looked
    | Gap
    | AuditEntry
    | OutboxEntry
    | AllOpen
    | AlertEntry
    | Silence
    | Figure
    | Lapse
    | Note
)

CHUNK: Final = 500
"""Values asked for in one statement."""
MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
LOOKED: Final = "looked"
RECORDS_SINCE: Final = "records since"
"""From then on, in microseconds since 1970, no session is missing among the records."""
EVENTS_SINCE: Final = "events since"
"""Likewise of events; noted once some were given up."""
SETBACK: Final = "setback"


@dataclass(frozen=True, slots=True)
class Tail:
    """
    Where the record of events goes on.

    Parameters
    ----------
    epoch_id
        Which start's events they are.
    event_id
        Of the newest event.
    ordered_at
        The newest time of any event so far.
    setback
        How far behind that an event's own time ever was.
    seq
        The highest number that was written in this epoch.
    """

    epoch_id: int
    event_id: int
    ordered_at: int
    setback: int
    seq: int


def begin_epoch(connection: Connection, epoch: str, at: datetime) -> Tail:
    """Note a start; return where the record goes on."""
    epochs, events = schema.epochs.c, schema.events.c
    epoch = sayable(epoch)
    epoch_id = connection.scalar(select(epochs.id).where(epochs.epoch == epoch))
    if epoch_id is None:
        began = insert(schema.epochs).values(epoch=epoch, began=micros(at))
        connection.execute(began)
        epoch_id = connection.execute(select(func.max(epochs.id))).scalar_one()
    newest = connection.execute(select(func.max(events.id), func.max(events.ordered_at))).one()
    seq = connection.scalar(select(func.max(events.seq)).where(events.epoch_id == epoch_id))
    setback = connection.scalar(select(schema.notes.c.value).where(schema.notes.c.key == SETBACK))
    return Tail(
        epoch_id=epoch_id,
        event_id=newest[0] or 0,
        ordered_at=newest[1] or 0,
        setback=setback or 0,
        seq=seq or 0,
    )


def write(connection: Connection, items: Iterable[Item], tail: Tail) -> Tail:
    """
    Write a group of items.

    Parameters
    ----------
    connection
        In a transaction, which the caller commits.
    items
        In the order in which they were recorded.
    tail
        As the group before left it.

    Returns
    -------
    Tail
        For the next group, if this one is committed.
    """
    group = _Group(connection)
    for item in items:
        group.take(item)
    return group.write(tail)


class _Group:
    """Items sorted by their tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._events: dict[int, SessionEvent] = {}
        self._records: list[Record] = []
        self._notes: dict[str, int] = {}
        self._first_notes: dict[str, int] = {}
        self._plain: dict[Table, list[dict[str, Any]]] = {}
        self._newest: dict[
            tuple[Table, tuple[str, ...]], dict[tuple[Any, ...], dict[str, Any]]
        ] = {}
        self._counts: list[Change] = []
        self._places: dict[int, int] = {}
        self._taken = 0

    def take(self, item: Item) -> None:
        self._taken += 1
        match item:
            case SessionEvent(seq=seq):
                self._events[seq] = item
                self._places.setdefault(seq, self._taken)
            case Record():
                self._records.append(item)
            case AllOpen():
                self._close_others(item)
            case Sample(at=at, active=active, reported=reported, drift=drift):
                counts = {"active": active, "reported": reported, "drift": drift}
                self._add(schema.samples, {"at": micros(at), **counts})
                self._counts.append((self._taken, micros(at), active, 0, 0))
                self._notes[LOOKED] = micros(at)
            case Looked(at=at):
                self._notes[LOOKED] = micros(at)
            case Note(key=key, value=value, keeps_first=keeps_first):
                if keeps_first:
                    self._first_notes.setdefault(sayable(key), value)
                else:
                    self._notes[sayable(key)] = value
            case Gap(began=began, ended=ended):
                self._add(schema.gaps, {"began": micros(began), "ended": micros(ended)})
            case AuditEntry():
                words = {
                    name: sayable(getattr(item, name))
                    for name in ("who", "action", "subject", "result")
                }
                self._add(schema.audit, {"at": micros(item.at), **words})
            case _:
                self._take_of_alerts(item)

    def _take_of_alerts(self, item: OutboxEntry | AlertEntry | Silence | Figure | Lapse) -> None:
        match item:
            case OutboxEntry():
                self._replace(schema.outbox, ("entry_id",), outbox_row(item))
            case AlertEntry():
                self._replace(schema.alerts, ("alert_id",), alert_row(item))
            case Silence():
                self._replace(schema.silences, ("rule", "subject"), silence_row(item))
            case Figure():
                self._add(schema.figures, figure_row(item))
            case Lapse():
                self._add(schema.lapses, lapse_row(item))

    def _add(self, table: Table, row: dict[str, Any]) -> None:
        self._plain.setdefault(table, []).append(row)

    def _close_others(self, item: AllOpen) -> None:
        """Take every open session, and give an end to those that the record alone has as open."""
        self._records += item.records
        there = {sayable(record.session_id) for record in item.records}
        records, at = schema.records.c, micros(item.at)
        open_ones = select(records.id, records.session_id).where(records.ended_latest.is_(None))
        lost = [
            {"row": row, "ended_at": at}
            for row, session_id in self._connection.execute(open_ones)
            if session_id not in there
        ]
        if lost:
            unknown = {"reason": Reason.UNKNOWN.value, "ended_by": Witness.SCAN.value}
            earliest = case((records.seen < bindparam("ended_at"), records.seen), else_=at)
            closed = update(schema.records).where(records.id == bindparam("row"))
            self._connection.execute(
                closed.values(
                    ended_earliest=earliest, ended_latest=bindparam("ended_at"), **unknown
                ),
                lost,
            )

    def _replace(self, table: Table, keys: tuple[str, ...], row: dict[str, Any]) -> None:
        """Take a row that takes the place of the one with the same key."""
        rows = self._newest.setdefault((table, keys), {})
        rows[tuple(row[key] for key in keys)] = row

    def write(self, tail: Tail) -> Tail:
        tail = self._write_events(tail)
        self._write_records()
        for table, rows in self._plain.items():
            self._connection.execute(insert(table), rows)
        for (table, keys), newest in self._newest.items():
            known = upsert(table)
            changed = {name: known.excluded[name] for name in next(iter(newest.values()))}
            self._connection.execute(
                known.on_conflict_do_update(index_elements=keys, set_=changed),
                [*newest.values()],
            )
        self._write_figure_minutes()
        for table, width in ((schema.minutes, MINUTE), (schema.hours, HOUR)):
            sum_up(self._connection, table, width, self._counts)
        if self._first_notes:
            self._connection.execute(
                upsert(schema.notes).on_conflict_do_nothing(), _note_rows(self._first_notes)
            )
        if self._notes:
            note = upsert(schema.notes)
            self._connection.execute(
                note.on_conflict_do_update(set_={"value": note.excluded.value}),
                _note_rows(self._notes),
            )
        return tail

    def _write_events(self, tail: Tail) -> Tail:
        known = self._known_events([seq for seq in self._events if seq <= tail.seq], tail)
        rows = []
        for seq in sorted(self._events):
            event = self._events[seq]
            row = event_row(event)
            if seq in known:
                row["id"] = known[seq]
                told = update(schema.events).where(schema.events.c.id == row["id"])
                names = {"names": row["names"], "reason": row["reason"]}
                self._connection.execute(told.values(names))
            else:
                ordered_at = max(tail.ordered_at, row["at"])
                setback = max(tail.setback, ordered_at - row["at"])
                if setback > tail.setback:
                    self._notes[SETBACK] = setback
                tail = replace(
                    tail, event_id=tail.event_id + 1, ordered_at=ordered_at, setback=setback
                )
                row |= {"id": tail.event_id, "epoch_id": tail.epoch_id, "ordered_at": ordered_at}
                rows.append(row)
                created = event.delta if event.kind is Kind.CREATED else 0
                changed = (event.current, created, event.delta - created)
                self._counts.append((self._places[seq], row["at"], *changed))
            self._add_nodes(row["id"], event)
        if rows:
            self._connection.execute(insert(schema.events), rows)
        nodes = self._plain.pop(schema.event_nodes, [])
        if nodes:
            self._connection.execute(upsert(schema.event_nodes).on_conflict_do_nothing(), nodes)
        return replace(tail, seq=max([tail.seq, *self._events]))

    def _add_nodes(self, event_id: int, event: SessionEvent) -> None:
        for node in {sayable(name.node_id) for name in event.names if name.node_id is not None}:
            self._add(schema.event_nodes, {"node_id": node, "event_id": event_id})

    def _known_events(self, seqs: Sequence[int], tail: Tail) -> dict[int, int]:
        """Find events that are told again; they were counted before."""
        events = schema.events.c
        known: dict[int, int] = {}
        for first in range(0, len(seqs), CHUNK):
            found = select(events.seq, events.id).where(
                events.epoch_id == tail.epoch_id, events.seq.in_(seqs[first : first + CHUNK])
            )
            known |= {row.seq: row.id for row in self._connection.execute(found)}
        return known

    def _write_records(self) -> None:
        """Write each session's newest state; an id that is born again gets another row."""
        lives = self._lives()
        rows: dict[tuple[str, int], dict[str, Any]] = {}
        for record in self._records:
            row = record_row(record)
            life, ended, created = lives.get(row["session_id"], (1, None, None))
            is_reborn = ended is not None and (
                row["ended_latest"] is None
                or (None not in {created, row["created"]} and created != row["created"])
            )
            row["life"] = life + is_reborn
            lives[row["session_id"]] = (row["life"], row["ended_latest"], row["created"])
            rows[row["session_id"], row["life"]] = row
        if rows:
            known = upsert(schema.records)
            changed: dict[str, Any] = {
                name: known.excluded[name]
                for name in next(iter(rows.values()))
                if name not in {"session_id", "life", "began"}
            }
            changed["began"] = func.coalesce(known.excluded.created, schema.records.c.began)
            self._connection.execute(
                known.on_conflict_do_update(index_elements=["session_id", "life"], set_=changed),
                list(rows.values()),
            )

    def _lives(self) -> dict[str, tuple[int, int | None, int | None]]:
        """Find the newest life of each session of this group: its number, end and begin."""
        sessions = list({sayable(record.session_id) for record in self._records})
        records = schema.records.c
        lives: dict[str, tuple[int, int | None, int | None]] = {}
        for first in range(0, len(sessions), CHUNK):
            found = (
                select(records.session_id, records.life, records.ended_latest, records.created)
                .where(records.session_id.in_(sessions[first : first + CHUNK]))
                .order_by(records.life)
            )
            for session_id, *life in self._connection.execute(found):
                lives[session_id] = (life[0], life[1], life[2])
        return lives

    def _write_figure_minutes(self) -> None:
        rows: dict[tuple[int, str, str], dict[str, Any]] = {}
        for figure in self._plain.get(schema.figures, []):
            start, value = figure["at"] // MINUTE * MINUTE, figure["value"]
            begun = {"last": value, "lowest": value, "highest": value}
            key = (start, figure["metric"], figure["subject"])
            row = rows.setdefault(
                key, {"start": start, "metric": key[1], "subject": key[2], **begun}
            )
            row["last"] = value
            row["lowest"] = min(row["lowest"], value)
            row["highest"] = max(row["highest"], value)
        if not rows:
            return
        known, old = upsert(schema.figure_minutes), schema.figure_minutes.c
        added = known.excluded
        self._connection.execute(
            known.on_conflict_do_update(
                index_elements=["metric", "subject", "start"],
                set_={"last": added.last, **_bounds(added, old)},
            ),
            [*rows.values()],
        )


Change = tuple[int, int, int, int, int]
"""Place in the order, time, count, created, ended."""


def sum_up(connection: Connection, table: Table, width: int, counts: Iterable[Change]) -> None:
    """Add counts and changes to the minutes or hours that they are of."""
    rows: dict[int, dict[str, int]] = {}
    for _, at, active, created, ended in sorted(counts):
        start = at // width * width
        row = rows.setdefault(
            start,
            {
                "start": start,
                "last": active,
                "lowest": active,
                "highest": active,
                "created": 0,
                "ended": 0,
            },
        )
        row["last"] = active
        row["lowest"] = min(row["lowest"], active)
        row["highest"] = max(row["highest"], active)
        row["created"] += created
        row["ended"] += ended
    if not rows:
        return
    known, old = upsert(table), table.c
    added = known.excluded
    connection.execute(
        known.on_conflict_do_update(
            set_={
                "last": added.last,
                **_bounds(added, old),
                "created": old.created + added.created,
                "ended": old.ended + added.ended,
            }
        ),
        list(rows.values()),
    )


def _note_rows(notes: dict[str, int]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in notes.items()]


def _bounds(added: Any, old: Any) -> dict[str, Any]:
    """Widen the bounds that are there by those that come."""
    return {
        "lowest": case((added.lowest < old.lowest, added.lowest), else_=old.lowest),
        "highest": case((added.highest > old.highest, added.highest), else_=old.highest),
    }
