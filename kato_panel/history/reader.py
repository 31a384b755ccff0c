"""The reading side: pages and sums, from any thread, and from other processes too."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, func, or_, select

from kato_panel.domain.backtest import Looks
from kato_panel.domain.events import Kind
from kato_panel.domain.recorded import (
    AlertEntry,
    AuditEntry,
    Figure,
    Gap,
    OutboxEntry,
    Silence,
)
from kato_panel.domain.records import Record
from kato_panel.domain.rules import Severity, Turn
from kato_panel.history import file, schema
from kato_panel.history.alerts import read_alert, read_figure, read_outbox, read_silence
from kato_panel.history.counts import Counts, counts_between
from kato_panel.history.looks import figure_looks, minute_looks
from kato_panel.history.opened import Opened
from kato_panel.history.pages import (
    FAR,
    Page,
    RecordedEvent,
    Value,
    check_limit,
    read_audit,
    read_cursor,
    read_recorded,
)
from kato_panel.history.rows import MAX_MICROS, Row, maybe, micros, moment, read_record, readable
from kato_panel.history.writer import LOOKED, SETBACK

MAX_GAPS: Final = 500
MAX_FIGURES: Final = 50_000
"""A week of one every 15 s."""


class Reader(Opened):
    """
    Reads one history, while another thread or process may be writing it.

    Every method raises `HistoryError` if it cannot. Rows that hold what nobody wrote are passed
    over. Parameters as of `kato_panel.history.opened.Opened`.
    """

    def last_seen(self) -> datetime | None:
        """Return the newest moment at which upstream was observed, UTC; ``None`` if never."""
        looked = self.note(LOOKED)
        return None if looked is None else moment(looked)

    def first_seen(self) -> datetime | None:
        """Return the oldest moment of which the count is known, UTC; ``None`` if of none."""
        with self.reading() as connection:
            starts = [
                connection.scalar(select(func.min(table.c.start)))
                for table in (schema.minutes, schema.hours)
            ]
            starts.append(connection.scalar(select(func.min(schema.events.c.ordered_at))))
        known = [one for one in starts if type(one) is int and abs(one) < MAX_MICROS]
        return moment(min(known)) if known else None

    def note(self, key: str) -> int | None:
        """Return what was noted last under a key; ``None`` if nothing was that makes sense."""
        with self.reading() as connection:
            return read_note(connection, key)

    def owner(self) -> file.Owner:
        """Return whom it records."""
        with self.reading() as connection:
            return file.read_owner(connection)

    def record(self, session_id: str) -> Record | None:
        """Return what is known of a session, of its newest life if it had several."""
        found = (
            select(schema.records)
            .where(schema.records.c.session_id == session_id)
            .order_by(schema.records.c.life.desc())
            .limit(1)
        )
        return next(iter(self._read(found, read_record)), None)

    def open_records(self) -> tuple[Record, ...]:
        """List the sessions that had not ended, in no order."""
        found = select(schema.records).where(schema.records.c.ended_latest.is_(None))
        return self._read(found, read_record)

    def records(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        node: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Record]:
        """
        List sessions, open and ended, the youngest first.

        Parameters
        ----------
        since, until
            When they were created, or else seen first: from `since` to before `until`; UTC.
        node
            Only of this node.
        limit
            Rows of a page, 1 to `MAX_LIMIT`.
        cursor
            `Page.next` of the page before.

        Raises
        ------
        HistoryError
            If the history cannot be read, or limit or cursor is none.
        """
        records = schema.records.c
        found = select(schema.records).order_by(records.began.desc(), records.id.desc())
        found = _within(found, records.began, since, until)
        if node is not None:
            found = found.where(records.node_id == node)
        if cursor is not None:
            began, last = read_cursor(cursor, 2)
            older = and_(records.began == began, records.id < last)
            found = found.where(or_(records.began < began, older), records.began <= began)
        return self._page(found, limit, read_record, lambda row: f"{row['began']}:{row['id']}")

    def events(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        kind: Kind | None = None,
        node: str | None = None,
        newest_first: bool = True,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[RecordedEvent]:
        """
        List events in the order in which they were recorded, or against it.

        Parameters
        ----------
        since, until
            When they were detected, from `since` to before `until`; UTC.
        kind
            Only of this kind.
        node
            Only those that name this node.
        newest_first
            Whether against the order.
        limit
            Rows of a page, 1 to `MAX_LIMIT`.
        cursor
            `Page.next` of the page before, in the same order.

        Raises
        ------
        HistoryError
            If the history cannot be read, or limit or cursor is none.
        """
        events = schema.events.c
        with self.reading() as connection:
            first, last = event_ids(connection, maybe(micros, since), maybe(micros, until))
        if cursor is not None:
            (before,) = read_cursor(cursor, 1)
            first, last = (first, min(last, before - 1)) if newest_first else (before + 1, last)
        found = select(schema.events, schema.epochs.c.epoch).join(
            schema.epochs, schema.epochs.c.id == events.epoch_id
        )
        key = events.id
        if node is not None:
            # Sorted by the node's own list, which names few events of many.
            nodes = schema.event_nodes.c
            found = found.join(schema.event_nodes, nodes.event_id == events.id)
            found, key = found.where(nodes.node_id == node), nodes.event_id
        if kind is not None:
            found = found.where(events.kind == kind.value)
        found = _within(found.where(key.between(first, last)), events.at, since, until)
        found = found.order_by(key.desc() if newest_first else key)
        return self._page(found, limit, read_recorded, lambda row: str(row["id"]))

    def counts(self, since: datetime, until: datetime) -> Counts:
        """
        Sum up the count over a range, in as fine steps as some 1,500 rows allow.

        Parameters
        ----------
        since, until
            From `since` to before `until`; UTC.
        """
        with self.reading() as connection:
            first, last = event_ids(connection, maybe(micros, since), maybe(micros, until))
            return counts_between(connection, micros(since), micros(until), first, last)

    def gaps(
        self, since: datetime, until: datetime, *, limit: int | None = MAX_GAPS
    ) -> tuple[Gap, ...]:
        """
        List gaps that touch a range, oldest first.

        Parameters
        ----------
        since, until
            The range; UTC.
        limit
            Only so many, the newest, which is enough for a chart; ``None`` for all.
        """
        gaps = schema.gaps.c
        found = (
            select(schema.gaps)
            .where(gaps.ended > micros(since), gaps.began < micros(until))
            .order_by(gaps.ended.desc())
            .limit(limit)
        )
        return self._read(found, lambda row: Gap(moment(row["began"]), moment(row["ended"])))[::-1]

    def audit(self, *, limit: int = 50, cursor: str | None = None) -> Page[AuditEntry]:
        """List what people did, the newest first; see `records` for the arguments."""
        audit = schema.audit.c
        found = select(schema.audit).order_by(audit.id.desc())
        if cursor is not None:
            found = found.where(audit.id < read_cursor(cursor, 1)[0])
        return self._page(found, limit, read_audit, lambda row: str(row["id"]))

    def alerts(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        state: Turn | None = None,
        severity: Severity | None = None,
        rule: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AlertEntry]:
        """
        List alerts by when they fired, the newest first.

        Parameters
        ----------
        since, until, limit, cursor
            See `records`.
        state, severity, rule
            Only of these.
        """
        alerts = schema.alerts.c
        found = select(schema.alerts).order_by(alerts.fired_at.desc(), alerts.id.desc())
        if state is not None:
            is_over = alerts.resolved_at.is_not(None)
            found = found.where(is_over if state is Turn.RESOLVED else ~is_over)
        if severity is not None:
            found = found.where(alerts.severity == severity.value)
        if rule is not None:
            found = found.where(alerts.rule == rule)
        found = _within(found, alerts.fired_at, since, until)
        if cursor is not None:
            fired, last = read_cursor(cursor, 2)
            older = and_(alerts.fired_at == fired, alerts.id < last)
            found = found.where(or_(alerts.fired_at < fired, older))
        return self._page(found, limit, read_alert, lambda row: f"{row['fired_at']}:{row['id']}")

    def firing_alerts(self) -> tuple[AlertEntry, ...]:
        """List the alerts that are not over, the oldest first."""
        alerts = schema.alerts.c
        found = select(schema.alerts).where(alerts.resolved_at.is_(None))
        return self._read(found.order_by(alerts.fired_at), read_alert)

    def silences(self, at: datetime) -> tuple[Silence, ...]:
        """List what is silent at a moment, UTC."""
        found = select(schema.silences).where(schema.silences.c.until > micros(at))
        return self._read(found, read_silence)

    def figures(
        self, metric: str, subject: str, since: datetime, until: datetime
    ) -> tuple[Figure, ...]:
        """List the newest `MAX_FIGURES` single values of a metric, oldest first."""
        figures = schema.figures.c
        found = select(schema.figures).where(figures.metric == metric, figures.subject == subject)
        found = _within(found, figures.at, since, until)
        return self._read(found.order_by(figures.at.desc()).limit(MAX_FIGURES), read_figure)[::-1]

    def looks(self, metrics: Iterable[str], since: datetime, until: datetime) -> list[Looks]:
        """Give all figures of some metrics, for whoever computes with them."""
        with self.reading() as connection:
            return figure_looks(connection, metrics, micros(since), micros(until))

    def minute_looks(self, since: datetime, until: datetime) -> Looks:
        """Give what the count's minutes tell, where there are no figures of it."""
        with self.reading() as connection:
            return minute_looks(connection, micros(since), micros(until))

    def unsent(self) -> tuple[OutboxEntry, ...]:
        """List what waits to be sent, the oldest first."""
        outbox = schema.outbox.c
        found = select(schema.outbox).where(outbox.sent_at.is_(None), outbox.given_up == "")
        return self._read(found.order_by(outbox.id), read_outbox)

    def _read(self, found: Select[Any], read: Callable[[Row], Value]) -> tuple[Value, ...]:
        with self.reading() as connection:
            return readable(connection.execute(found).mappings(), read)

    def _page(
        self,
        found: Select[Any],
        limit: int,
        read: Callable[[Row], Value],
        cursor: Callable[[Row], str],
    ) -> Page[Value]:
        check_limit(limit)
        with self.reading() as connection:
            rows: Sequence[Row] = connection.execute(found.limit(limit + 1)).mappings().all()
        follows = len(rows) > limit
        rows = rows[:limit]
        return Page(readable(rows, read), cursor(rows[-1]) if follows else None)


def probe(connection: Connection) -> None:
    """Look at whatever a start needs, for SQLite's own check does not hold indexes to tables."""
    records = schema.records.c
    found = select(func.count(), func.max(records.seen))
    connection.execute(found.where(records.ended_latest.is_(None))).one()
    connection.execute(select(schema.notes)).all()


def read_note(connection: Connection, key: str) -> int | None:
    """Return what was noted last under a key; ``None`` if nothing was that makes sense."""
    found = select(schema.notes.c.value).where(schema.notes.c.key == key)
    value = connection.scalar(found)
    # A flipped bit is nothing that the database can notice.
    return value if type(value) is int and abs(value) < MAX_MICROS else None


def _within(
    found: Select[Any], column: Any, since: datetime | None, until: datetime | None
) -> Select[Any]:
    if since is not None:
        found = found.where(column >= micros(since))
    return found if until is None else found.where(column < micros(until))


def event_ids(connection: Connection, since: int | None, until: int | None) -> tuple[int, int]:
    """
    Give bounds of the ids of a range: no event of the range is outside, some inside may be.

    Parameters
    ----------
    connection
        Where to read.
    since, until
        In microseconds since 1970.
    """
    events = schema.events.c
    first, last = 0, FAR
    if since is not None:
        at_first = select(events.id).where(events.ordered_at >= since)
        found = connection.scalar(at_first.order_by(events.ordered_at, events.id).limit(1))
        first = FAR if found is None else found
    if until is not None:
        latest = until + (read_note(connection, SETBACK) or 0)
        at_last = select(events.id).where(events.ordered_at < latest)
        newest_first = (events.ordered_at.desc(), events.id.desc())
        found = connection.scalar(at_last.order_by(*newest_first).limit(1))
        last = 0 if found is None else found
    return first, last
