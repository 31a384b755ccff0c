"""What is given up with time and size, and what sums up to exactly what it was."""

import random
from datetime import timedelta

import pytest

from kato_panel.domain.events import Kind, Moment, Name
from kato_panel.domain.recorded import (
    AlertEntry,
    AuditEntry,
    Figure,
    Gap,
    Lapse,
    Note,
    OutboxEntry,
    Sample,
    Silence,
)
from kato_panel.history import Retention, history, retention
from kato_panel.history.rows import micros
from kato_panel.history.writer import EVENTS_SINCE, RECORDS_SINCE
from tests.conftest import NOON
from tests.history.making import alert, at, event, open_history, record, wait_until

DAY = 86_400
SEED = 4


class MovingClock:
    """Both clocks, each moved by the test."""

    def __init__(self):
        self.wall, self.tick = NOON, 1_000.0

    def __call__(self):
        return Moment(self.wall, self.tick)

    def advance(self, seconds):
        self.wall += timedelta(seconds=seconds)
        self.tick += seconds


@pytest.fixture
def clock():
    return MovingClock()


def keep_all(recording):
    """Let retention have all its turns."""
    turns = 1
    while not recording._keep():
        turns += 1
        assert turns < 200
    return turns


def test_buckets_are_exactly_what_was_recorded(tmp_path):
    """Whatever the groups and the order of times: last, lowest, highest, created and ended."""
    recording, random_ = open_history(tmp_path / "h.db"), random.Random(SEED)
    told, active, seq, seconds = [], 50, 0, 0
    for _ in range(3_000):
        seconds += random_.choice([0, 1, 5, 30, -20])
        if random_.random() < 0.5:
            told.append(Sample(at(seconds), active))
        else:
            kind = random_.choice(list(Kind)) if active > 3 else Kind.CREATED
            delta = random_.randint(1, 3)
            active += delta if kind is Kind.CREATED else -delta
            seq += 1
            told.append(event(seq, seconds, kind=kind, delta=delta, current=active))
        recording.record(told[-1])
        if random_.random() < 0.05:
            assert recording.flush()
    assert recording.flush()
    for since, until, width in [(-100, DAY, 60), (-100, 9 * DAY, 3_600)]:
        counts = recording.reader.counts(at(since), at(until))
        assert counts.width_seconds == width
        expected = {}
        for one in told:
            start = int(one.at.timestamp()) // width * width
            expected.setdefault(start, []).append(one)
        assert [int(row.start.timestamp()) for row in counts.rows] == sorted(expected)
        for row in counts.rows:
            ones = expected[int(row.start.timestamp())]
            values = [getattr(one, "active", None) or one.current for one in ones]
            changes = [one.signed_delta for one in ones if not isinstance(one, Sample)]
            assert (row.last, row.lowest, row.highest) == (values[-1], min(values), max(values))
            assert row.created == sum(delta for delta in changes if delta > 0)
            assert row.ended == -sum(delta for delta in changes if delta < 0)
    recording.close()


def test_steps_get_coarser_with_the_range(clock):
    """Single observations for an hour, minutes for days, hours beyond; some 1,500 rows at most."""
    recording = open_history(None, clock=clock)
    day = [Sample(at(n * 30), n) for n in range(2 * 60 * 24 * 12)]
    recording.record(day)
    assert recording.flush(30)
    end = 12 * DAY
    for span, width, rows in [
        (3_600, 0, 120),
        (7_200, 60, 120),
        (DAY, 60, 1_440),
        (7 * DAY, 600, 1_008),
        (12 * DAY, 3_600, 288),
        (200 * DAY, 14_400, 72),
        (9_000 * DAY, 604_800, 3),
    ]:
        counts = recording.reader.counts(at(end - span), at(end))
        assert (counts.width_seconds, len(counts.rows)) == (width, rows)
        assert counts.rows[-1].last == day[-1].active
    recording.close()


def test_many_changes_in_an_hour_are_shown_by_minutes(clock):
    """A line of 20,000 steps is none."""
    recording = open_history(None, clock=clock)
    recording.record([event(n, n / 10, current=n) for n in range(1, 20_001)])
    assert recording.flush(30)
    counts = recording.reader.counts(at(0), at(3_600))
    assert (counts.width_seconds, len(counts.rows)) == (60, 34)
    assert sum(row.created for row in counts.rows) == 20_000
    few = recording.reader.counts(at(0), at(100))
    assert (few.width_seconds, len(few.rows)) == (0, 999)
    assert [row.last for row in few.rows] == list(range(1, 1_000))
    recording.close()


def test_age_gives_up_the_finer_first(clock):
    """Raw 7 days, minutes 90, hours for ever; charts then show what is left."""
    recording = open_history(None, clock=clock)
    recording.record([event(n, n, names=[Name(f"s{n}", "n1")]) for n in range(1, 5_001)])
    recording.record([Sample(at(n), 5) for n in range(5_000)])
    recording.record([record("old", 0, ended=9), record("long", 0)])
    recording.record([Gap(at(0), at(9)), AuditEntry(at(0), "me", "delete", "old", "deleted")])
    recording.record([OutboxEntry("sent", at(0), "k", "{}", 1, at(1))])
    recording.record([OutboxEntry("lost", at(0), "k", "{}", 9, given_up="refused")])
    recording.record([OutboxEntry("waits", at(0), "k", "{}")])
    disk = ("disk_percent", "")
    recording.record(
        [Figure(at(0), *disk, 7.0), Lapse(at(1), *disk), Silence("a", "", at(9), at(0), "me")]
    )
    recording.record(AlertEntry(alert(0, ended=9)))
    assert recording.flush()
    reader = recording.reader

    clock.advance(7 * DAY)
    keep_all(recording)
    assert len(reader.events(until=at(10)).rows) == 9
    assert reader.counts(at(0), at(600)).width_seconds == 0

    clock.advance(2_500)
    keep_all(recording)
    assert len(reader.events(until=at(2_500), newest_first=False).rows) == 0
    (oldest,) = reader.events(newest_first=False, limit=1).rows
    assert oldest.event.at == at(2_500)
    counts = reader.counts(at(0), at(600))
    assert (counts.width_seconds, sum(row.created for row in counts.rows)) == (60, 599)

    clock.advance(3_000)
    keep_all(recording)
    assert [row.event.seq for row in reader.events().rows] == [5_000]
    with recording._store._engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT event_id FROM event_nodes").scalars().all()
    assert left == [5_000]
    assert len(reader.records().rows) == 2
    recording.record(event(5_001, 7 * DAY))
    assert recording.flush()
    assert reader.events(limit=1).rows[0].id == 5_001

    clock.advance(84 * DAY)
    keep_all(recording)
    assert [one.session_id for one in reader.records().rows] == ["long"]
    assert reader.gaps(at(-1), at(DAY)) == ()
    assert len(reader.audit().rows) == 1
    counts = reader.counts(at(0), at(5_400))
    assert counts.width_seconds == 3_600
    assert sum(row.created for row in counts.rows) == 5_000
    with recording._store._engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT sent_at FROM outbox").scalars().all()
    assert left == [None]
    with recording._store._engine.connect() as connection:
        for table in ("alerts", "silences", "figures", "figure_minutes", "lapses"):
            counted = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            assert counted == 0, table
    recording.close()


def test_turns_are_small(clock):
    """None holds up a commit for long, however much is to be given up."""
    recording = open_history(None, clock=clock)
    recording.record([Sample(at(n), 5) for n in range(10_000)])
    assert recording.flush()
    clock.advance(30 * DAY)
    turns = 0
    while not recording._keep():
        turns += 1
    assert turns == 10_000 / retention.ROWS_PER_TURN
    recording.close()


def test_clock_that_is_set_ahead_gives_nothing_up(clock):
    """A year that passed on the calendar alone is not one."""
    recording = open_history(None, clock=clock)
    recording.record([event(1), event(2)])
    assert recording.flush()
    clock.wall += timedelta(days=365)
    keep_all(recording)
    assert len(recording.reader.events().rows) == 2
    clock.wall -= timedelta(days=3_650)
    keep_all(recording)
    assert len(recording.reader.events().rows) == 2
    clock.advance(8 * DAY)
    keep_all(recording)
    assert len(recording.reader.events().rows) == 1
    recording.close()


def test_size_gives_up_the_oldest_and_the_file_shrinks(tmp_path, clock):
    """Single rows first; hours, the audit and open sessions never."""
    limit = 1_000_000
    recording = open_history(tmp_path / "h.db", clock=clock, retention=Retention(max_bytes=limit))
    recording.record([event(n, n, names=[Name(f"s{n}", "n1")]) for n in range(1, 30_001)])
    recording.record([record(f"s{n}", n, ended=n + 1) for n in range(20_000)])
    recording.record([record(f"open{n}", n) for n in range(50)])
    assert recording.flush(30)
    assert recording.status.size_bytes > 3 * limit
    assert keep_all(recording) < 50
    recording.close()
    assert (tmp_path / "h.db").stat().st_size <= limit
    again = open_history(tmp_path / "h.db", clock=clock)
    assert len(again.reader.open_records()) == 50
    assert again.reader.events().rows[0].event.seq == 30_000
    counts = again.reader.counts(at(0), at(9 * DAY))
    assert sum(row.created for row in counts.rows) == 30_000
    again.close()


def test_size_that_nothing_can_keep_to_ends(clock):
    """What has to stay is larger: there is no turn after turn without an end."""
    recording = open_history(None, clock=clock, retention=Retention(max_bytes=1))
    recording.record([record(f"open{n}", n) for n in range(2_000)])
    recording.record([event(1), event(2)])
    assert recording.flush()
    keep_all(recording)
    assert len(recording.reader.open_records()) == 2_000
    assert len(recording.reader.events().rows) == 1
    recording.close()


def test_retention_runs_by_itself(tmp_path, monkeypatch):
    """Between groups, without anybody asking."""
    monkeypatch.setattr(history, "RETENTION_SECONDS", 0.0)
    clock = MovingClock()
    recording = open_history(tmp_path / "h.db", clock=clock)
    recording.record([event(n, n) for n in range(1, 5_001)])
    assert recording.flush()
    clock.advance(30 * DAY)
    wait_until(lambda: len(recording.reader.events().rows) == 1)
    recording.close()


def test_events_are_complete_from_the_newest_that_was_given_up(clock, tmp_path):
    """Which is noted, as the buckets that sum them up stay for longer."""
    recording = open_history(tmp_path / "h.db", clock=clock, retention=Retention(raw_days=1))
    recording.record([event(1, 0), event(2, 100), event(3, 1.2 * DAY), event(4, 1.4 * DAY)])
    assert recording.flush()
    keep_all(recording)
    assert recording.reader.note(EVENTS_SINCE) is None
    clock.advance(1.5 * DAY)
    keep_all(recording)
    assert recording.reader.note(EVENTS_SINCE) == micros(at(100))
    recording.close()


def test_records_are_complete_from_the_end_of_what_was_given_up(clock, tmp_path):
    """It is noted, and never moves back."""
    recording = open_history(tmp_path / "h.db", clock=clock, retention=Retention(minute_days=1))
    recording.record([record("a", 0, 100), record("b", 0, 2 * DAY), record("c", 0)])
    recording.record(Note(RECORDS_SINCE, micros(at(5)), keeps_first=True))
    recording.record(Note(RECORDS_SINCE, micros(at(9)), keeps_first=True))
    assert recording.flush()
    assert recording.reader.note(RECORDS_SINCE) == micros(at(5))
    clock.advance(1.5 * DAY)
    keep_all(recording)
    assert recording.reader.note(RECORDS_SINCE) == micros(at(100))
    recording.record([Note(RECORDS_SINCE, micros(at(9 * DAY))), record("d", 0, 50)])
    assert recording.flush()
    keep_all(recording)
    assert recording.reader.note(RECORDS_SINCE) == micros(at(9 * DAY))
    assert recording.reader.record("d") is None
    recording.close()
