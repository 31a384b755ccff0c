"""A replay tells what was recorded, and leaves the record as it was."""

import sqlite3
from datetime import timedelta
from time import monotonic

import pytest

from kato_panel.demo_week import make_week
from kato_panel.domain.playback import Playback
from kato_panel.domain.recorded import Note
from kato_panel.errors import HistoryError
from kato_panel.history import History, Reader
from kato_panel.history.rows import micros, moment
from kato_panel.hub import Hub
from kato_panel.replaying import RecordedAlerts, RecordedCount, ReplaySource
from kato_panel.watcher import Watcher
from tests.conftest import IS_PROOF, NOON

SPAN = timedelta(days=7) if IS_PROOF else timedelta(hours=3)
REPLAYED = SPAN if IS_PROOF else timedelta(hours=1)
SPEED = 600.0 if IS_PROOF else 20_000.0
MINUTE = 60_000_000


class Heard(Hub):
    """Keeps all that is published."""

    def __init__(self):
        super().__init__()
        self.counts, self.events, self.alerts = [], [], {}

    def publish(self, snapshot, events, charts=None, surroundings=None):
        if snapshot is not None and snapshot.at is not None:
            self.counts.append((micros(snapshot.at.wall), snapshot.active))
        self.events += events
        if surroundings is not None:
            assert all(
                entry.alert.fired_at.wall <= self.at() for entry in surroundings.alerts.recent
            )
            self.alerts.update((one.alert.id, one) for one in surroundings.alerts.recent)
        super().publish(snapshot, events, charts, surroundings)


def traces(path):
    """Everything that a write would change: what is beside the file, its bytes and its time."""
    return {
        one.name: (one.stat().st_mtime_ns, one.stat().st_size, hash(one.read_bytes()))
        for one in path.parent.iterdir()
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The demo's week as a file, at rest."""
    path = tmp_path_factory.mktemp("replay") / "week.db"
    until = NOON + SPAN
    history = History.open(f"sqlite:///{path}", "demo", is_demo=True)
    history.fill(make_week(until.timestamp(), span=SPAN).fill)
    history.close()
    return path


@pytest.fixture(scope="module")
def replayed(recorded):
    """What a hub heard of the newest part of it, and the file before and after."""
    before = traces(recorded)
    with Reader.open(recorded, leaves_no_trace=True) as reader:
        ended = reader.last_seen()
        began = ended - REPLAYED
        heard = Heard()
        source = ReplaySource(reader, Playback(began, ended, began, monotonic(), SPEED))
        heard.at = lambda: source.clock().wall
        watcher = Watcher(
            [source],
            heard,
            interval_seconds=60,
            teller=RecordedCount(),
            overseer=RecordedAlerts(reader, ended),
            clock=source.clock,
        )
        watcher.start()
        try:
            watcher.submit(source.wait()).result(2 * REPLAYED.total_seconds() / SPEED + 30)
            watcher.submit(look(watcher)).result(10)
        finally:
            watcher.stop()
    return heard, micros(began), micros(ended), before, traces(recorded)


async def look(watcher):
    watcher.look_around()


def rows(path, statement, *values):
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def test_its_events_are_the_recorded_ones_in_their_order(recorded, replayed):
    heard, began, ended, *_ = replayed
    expected = rows(
        recorded,
        "SELECT at, kind, previous, current, delta, source, reason FROM events"
        " WHERE at BETWEEN ? AND ? ORDER BY id",
        began,
        ended,
    )
    told = [
        (micros(e.at), e.kind, e.previous, e.current, e.delta, e.source, e.reason)
        for e in heard.events
    ]
    assert len(told) > 50
    assert told == expected
    assert [event.seq for event in heard.events] == [*range(1, len(told) + 1)]


def test_its_counts_are_the_recorded_ones_and_no_others(recorded, replayed):
    heard, began, ended, *_ = replayed
    counted = rows(
        recorded, "SELECT at, active FROM samples WHERE at BETWEEN ? AND ?", began, ended
    )
    told = rows(recorded, "SELECT at, current FROM events WHERE at BETWEEN ? AND ?", began, ended)
    assert len(counted) > 30
    assert {*heard.counts} == {*counted, *told}


def test_its_alerts_are_the_recorded_ones(recorded, replayed):
    heard, _, ended, *_ = replayed
    with Reader.open(recorded, leaves_no_trace=True) as reader:
        expected = reader.alerts(until=moment(ended + 1), limit=1_000).rows
    assert len(expected) > 1
    assert heard.alerts == {one.alert.id: one for one in expected}


def test_nothing_is_written_to_it_or_beside_it(replayed):
    *_, before, after = replayed
    assert after == before


def test_what_is_replayed_cannot_be_written(recorded):
    with (
        Reader.open(recorded, leaves_no_trace=True) as reader,
        pytest.raises(HistoryError, match="readonly"),
        reader.reading() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM events")


def test_what_is_being_written_is_read_with_its_log(tmp_path):
    path = tmp_path / "history.db"
    history = History.open(f"sqlite:///{path}", "http://kato", is_demo=False)
    try:
        with Reader.open(path, leaves_no_trace=True) as reader:
            history.record([Note("seen", 7)])
            assert history.flush()
            assert reader.note("seen") == 7
    finally:
        history.close()
