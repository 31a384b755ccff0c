"""
The tables, their version, and the steps from one version to the next.

All times are whole microseconds since 1970, UTC; durations are seconds.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

APPLICATION_ID: Final = 0x4B41_5031
"""In the header of each of our files: `KAP1`."""
VERSION: Final = 4

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
notes = Table(
    "notes",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)
epochs = Table(
    "epochs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("began", Integer, nullable=False),
)
events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch_id", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Integer, nullable=False),
    # The newest `at` so far. It never falls, so a range of time is a range of ids, whatever the
    # clock did: an event's own time is at most the note `setback` behind it.
    Column("ordered_at", Integer, nullable=False),
    Column("previous", Integer, nullable=False),
    Column("current", Integer, nullable=False),
    Column("delta", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("names", Text),
    Column("reason", Text),
    Column("after_gap_seconds", Float),
    Column("since_last_event_seconds", Float),
    UniqueConstraint("epoch_id", "seq", name="events_by_seq"),
    Index("events_by_time", "ordered_at"),
    Index("events_by_kind", "kind"),
)
event_nodes = Table(
    "event_nodes",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("event_id", Integer, primary_key=True),
    Index("event_nodes_by_event", "event_id"),
    sqlite_with_rowid=False,
)
samples = Table(
    "samples",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("active", Integer, nullable=False),
    Column("reported", Integer),
    Column("drift", Integer),
    Index("samples_by_time", "at"),
)


def _buckets(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("start", Integer, primary_key=True, autoincrement=False),
        Column("last", Integer, nullable=False),
        Column("lowest", Integer, nullable=False),
        Column("highest", Integer, nullable=False),
        Column("created", Integer, nullable=False),
        Column("ended", Integer, nullable=False),
    )


minutes = _buckets("minutes")
hours = _buckets("hours")
records = Table(
    "records",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session_id", Text, nullable=False),
    # Counts up when an id is born again after its end.
    Column("life", Integer, nullable=False),
    Column("node_id", Text),
    # When it was created, or else seen first: what records are sorted by.
    Column("began", Integer, nullable=False),
    Column("created", Integer),
    Column("last_accessed", Integer),
    Column("ttl_seconds", Float),
    Column("seen", Integer, nullable=False),
    Column("expires", Integer),
    Column("born_by", Text),
    Column("ended_earliest", Integer),
    Column("ended_latest", Integer),
    Column("reason", Text),
    Column("ended_by", Text),
    CheckConstraint("(ended_earliest IS NULL) = (ended_latest IS NULL)"),
    UniqueConstraint("session_id", "life", name="records_by_session"),
    Index("records_by_begin", "began"),
    Index("records_by_node", "node_id", "began"),
    Index("records_by_end", "ended_latest"),
)
gaps = Table(
    "gaps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("began", Integer, nullable=False),
    Column("ended", Integer, nullable=False),
    Index("gaps_by_end", "ended"),
)
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("result", Text, nullable=False),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entry_id", Text, nullable=False, unique=True),
    Column("at", Integer, nullable=False),
    Column("target", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", Integer),
    Column("given_up", Text, nullable=False),
    Index("outbox_by_sent", "sent_at"),
)
alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alert_id", Text, nullable=False, unique=True),
    Column("rule", Text, nullable=False),
    # The whole rule as JSON: it may be another one by the time this is read.
    Column("rule_body", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("pending_at", Integer, nullable=False),
    Column("fired_at", Integer, nullable=False),
    Column("resolved_at", Integer),
    Column("reason", Text, nullable=False),
    Column("acknowledged_at", Integer),
    Column("acknowledged_by", Text, nullable=False),
    # Unknown in rows of before version 3: taken as told.
    Column("told", Integer),
    Index("alerts_by_time", "fired_at"),
    Index("alerts_by_end", "resolved_at"),
)
silences = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("until", Integer, nullable=False),
    Column("at", Integer, nullable=False),
    Column("who", Text, nullable=False),
    UniqueConstraint("rule", "subject", name="silences_by_rule"),
)
figures = Table(
    "figures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("metric", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("value", Float, nullable=False),
    Index("figures_by_time", "at"),
    Index("figures_by_metric", "metric", "subject", "at"),
)
figure_minutes = Table(
    "figure_minutes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("start", Integer, nullable=False),
    Column("metric", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("last", Float, nullable=False),
    Column("lowest", Float, nullable=False),
    Column("highest", Float, nullable=False),
    UniqueConstraint("metric", "subject", "start", name="figure_minutes_by_metric"),
    Index("figure_minutes_by_time", "start"),
)
lapses = Table(
    "lapses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("metric", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("is_gone", Integer, nullable=False),
    Index("lapses_by_time", "at"),
    Index("lapses_by_metric", "metric", "subject", "at"),
)


def _add_alerts(connection: Connection) -> None:
    """From 1: alerts, silences, figures; and an outbox, which was never written before."""
    outbox.drop(connection)
    metadata.create_all(
        connection, [outbox, alerts, silences, figures, figure_minutes], checkfirst=False
    )


def _add_told(connection: Connection) -> None:
    """From 2: whether others were told of an alert; the step from 1 makes the table with it."""
    names = {row[1] for row in connection.exec_driver_sql("PRAGMA table_info(alerts)")}
    if "told" not in names:
        connection.exec_driver_sql("ALTER TABLE alerts ADD COLUMN told INTEGER")


def _add_lapses(connection: Connection) -> None:
    """From 3: since when a figure was not known."""
    lapses.create(connection, checkfirst=True)


MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {
    1: _add_alerts,
    2: _add_told,
    3: _add_lapses,
}
"""By the version they begin at; each leads to the next and runs in the one transaction of all."""


def columns() -> dict[str, set[str]]:
    """List the columns of each table."""
    return {
        table.name: {column.name for column in table.columns} for table in metadata.sorted_tables
    }
