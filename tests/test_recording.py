"""What follows from observations becomes items of the history."""

from dataclasses import replace

import pytest

from kato_panel.domain.alert_book import MAX_RECENT
from kato_panel.domain.events import Moment
from kato_panel.domain.health import Health
from kato_panel.domain.recorded import AlertEntry, Gap, Note, OutboxEntry, Silence
from kato_panel.domain.records import Reason, Record, Step, Transition
from kato_panel.domain.rules import Alert, Rule
from kato_panel.domain.series import Range
from kato_panel.domain.telling import Standing, Told
from kato_panel.history.rows import micros
from kato_panel.history.writer import RECORDS_SINCE
from kato_panel.recall import recall
from kato_panel.recording import KEYS_SEEN, Recorder
from tests.conftest import NOON, moment
from tests.history.making import at, event, open_history


@pytest.fixture
def history(tmp_path):
    history = open_history(tmp_path / "h.db")
    yield history
    history.close()


@pytest.fixture
def recorder(history):
    return Recorder(history, open_records=tuple, generation=history.generation)


def standing(seconds, shown=5, **more):
    return Standing(shown=shown, at=moment(seconds), **more)


def samples(history):
    """Every single count of the first hour."""
    assert history.flush()
    rows = history.reader.counts(at(0), at(3_000)).rows
    return [((row.start - NOON).total_seconds(), row.last) for row in rows]


def test_events_and_records_are_kept_and_told_again_once_more(history, recorder):
    """An event with its names takes the place of the one without."""
    told = event(1, delta=1, current=6)
    born = Transition(Step.BORN, Record("s1", at(0)), moment(0))
    recorder.record(Told([told], [born]), standing(0, 6))
    recorder.record(Told([event(1, delta=1, current=6, reason="x")]), standing(0, 6))
    assert history.flush()
    (kept,) = history.reader.events().rows
    assert (kept.event.seq, kept.event.reason) == (1, "x")
    assert [one.session_id for one in history.reader.open_records()] == ["s1"]


def test_samples_are_one_a_second_and_each_change(history, recorder):
    """A count that stays is not written for each sign of life; what KATO reports may move it."""
    for tenth in range(25):
        recorder.record(Told(), standing(tenth / 10))
    recorder.record(Told(), standing(2.45, 5, reported=9))
    assert samples(history) == [(0, 5), (1, 5), (2, 5), (2.45, 5)]
    recorder.record(Told(), standing(2.9, 5, reported=9))
    assert history.flush()
    recorder.record(Told(), Standing())
    recorder.record(Told(), Standing(at=moment(3)))
    assert samples(history)[-1] == (2.45, 5)


def test_last_look_is_kept_without_a_sample(history, recorder):
    """So that a gap begins where it did."""
    recorder.record(Told(), standing(0))
    recorder.record(Told(), standing(0.5))
    history.close()
    reader = history.reader
    history = open_history(history.status.path)
    assert history.reader is not reader
    assert history.reader.last_seen() == at(0.5)
    history.close()


def test_event_needs_no_sample_beside_it(history, recorder):
    """It has the count with it."""
    recorder.record(Told(), standing(0))
    recorder.record(Told([event(1, 0.5, delta=2, current=7)]), standing(0.5, 7))
    assert samples(history) == [(0, 5), (0.5, 7)]


def test_gap_is_kept(history, recorder):
    """As it is told."""
    recorder.miss(Gap(at(0), at(9)))
    assert history.flush()
    assert history.reader.gaps(at(0), at(60)) == (Gap(at(0), at(9)),)


def test_row_says_how_it_is_with_the_history(tmp_path, history, recorder):
    """Up while it records, else why not and what was lost."""
    state = recorder.state(moment(0))
    assert (state.label, state.health, state.good_at, state.reason) == (
        "History",
        Health.UP,
        moment(0),
        "",
    )
    second = open_history(tmp_path / "h.db")
    refused = Recorder(second)
    refused.record(Told([event(1)]), standing(0))
    state = refused.state(moment(3))
    assert (state.health, state.good_at) == (Health.DEGRADED, None)
    assert "is being written by process" in state.reason
    assert state.reason.endswith("2 items were not recorded")
    second.close()
    history.close()
    assert "the history is closed" in recorder.state(moment(6)).reason
    assert recorder.state(moment(6)).good_at == moment(0)


def test_week_is_drawn_from_what_was_recorded(history, recorder):
    """And is not known where nothing was, or where it cannot be read."""
    assert recorder.week(at(0)) is None
    for hour in range(30):
        recorder.record(Told(), standing(3_600 * hour, hour))
    assert history.flush()
    week = recorder.week(at(29 * 3_600))
    assert (week.range, week.active[0], week.active[-1]) == (Range.WEEK, 0, 28)
    history.close()
    in_memory = open_history(None)
    in_memory.close()
    assert Recorder(in_memory).week(at(0)) is None


def test_empty_history_recalls_nothing(history):
    """Nor does one that cannot be read."""
    nothing = recall(history.reader, NOON)
    assert (nothing.seen_at, nothing.records, nothing.events) == (None, None, ())
    assert nothing.keys_seen_at is None
    assert nothing.is_read
    in_memory = open_history(None)
    in_memory.close()
    assert recall(in_memory.reader, NOON) == replace(nothing, is_read=False)


@pytest.mark.parametrize("bit", [40, 58, 62])
def test_flipped_bit_in_a_note_stops_no_start(history, recorder, bit):
    """It is a time that no calendar can say, or a wrong one."""
    recorder.record(Told(), standing(0))
    assert history.flush()
    with history._store._engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE notes SET value = value | (1 << {bit})")
    recall(history.reader, NOON)


def test_hours_are_not_recalled_as_minutes(history, recorder):
    """Where minutes are not kept for long enough, the day's chart begins anew."""
    recorder.record(Told(), standing(0))
    recorder.record(Told(), standing(7_200))
    assert history.flush()
    assert len(recall(history.reader, at(7_200)).minutes) == 1
    with history._store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM minutes")
    assert recall(history.reader, at(7_200)).minutes == ()


def test_history_with_a_hole_is_told_all_that_is_open(history):
    """Whatever it alone has as open ended meanwhile; a note of before is not believed."""
    open_ones = [Record("a", at(0)), Record("b", at(0))]
    recorder = Recorder(
        history, open_records=lambda: iter(open_ones), generation=history.generation
    )
    found = [Transition(Step.FOUND, one, moment(0)) for one in [*open_ones, Record("c", at(0))]]
    recorder.record(Told(transitions=found), standing(0))
    recorder.record(Told(), standing(30))
    assert history.flush()
    assert len(history.reader.open_records()) == 3
    assert history.reader.note(RECORDS_SINCE) == micros(at(0))
    history._opened += 1  # as if its file had been begun anew
    history.record(Note(KEYS_SEEN, 7, history.generation - 1))
    recorder.record(Told(), Standing())
    recorder.record(Told(), standing(60))
    recorder.record(Told(), standing(63))
    assert history.flush()
    assert {one.session_id for one in history.reader.open_records()} == {"a", "b"}
    assert history.reader.note(RECORDS_SINCE) == micros(at(60))
    ending = history.reader.record("c").ending
    assert (ending.reason, ending.earliest, ending.latest) == (Reason.UNKNOWN, at(0), at(60))
    assert recall(history.reader, at(70)).keys_seen_at == Moment(at(63), 0.0)


def test_records_are_recalled_once_a_first_scan_has_ended(history):
    """An empty list counts; a count without keys does not."""
    Recorder(history).record(Told(), standing(0))
    assert history.flush()
    assert recall(history.reader, at(60)).records is None
    Recorder(history, open_records=tuple).record(Told(), standing(1))
    assert history.flush()
    recalled = recall(history.reader, at(60))
    assert (recalled.records, recalled.keys_seen_at) == ((), Moment(at(1), 0.0))


def test_run_that_only_counts_leaves_what_was_known_of_the_keys(history, recorder):
    """When they were looked at last, and how many their store had evicted by then."""
    recorder.record(Told(), standing(1, evictions=3))
    recorder.record(Told(), standing(3, evictions=3))
    Recorder(history).record(Told(), standing(500))
    assert history.flush()
    recalled = recall(history.reader, at(600))
    assert (recalled.seen_at, recalled.evictions) == (at(500), 3)
    assert recalled.keys_seen_at == Moment(at(3), 0.0)


def test_history_that_refuses_is_not_told_all_that_is_open(tmp_path):
    """Again and again, with each item that it loses: there may be 100,000."""
    first, second = open_history(tmp_path / "h.db"), open_history(tmp_path / "h.db")
    asked = []
    recorder = Recorder(second, open_records=lambda: asked.append(1) or ())
    for seconds in range(3):
        recorder.record(Told([event(seconds + 1)]), standing(2 * seconds))
    assert (asked, second.status.lost > 0) == ([], True)
    second.close()
    first.close()


def test_events_are_recalled_with_numbers_from_one(history, recorder, monkeypatch):
    """However many starts they come from; the newest, up to what a hub keeps."""
    monkeypatch.setattr("kato_panel.recall.EVENTS_PER_PAGE", 3)
    monkeypatch.setattr("kato_panel.recall.MAX_KEPT_EVENTS", 7)
    recorder.record(Told(), standing(0))
    recorder.record(Told([event(seq, seq, current=seq) for seq in range(1, 11)]), Standing())
    assert history.flush()
    recalled = recall(history.reader, at(3_600))
    assert [one.seq for one in recalled.events] == list(range(1, 8))
    assert [one.current for one in recalled.events] == list(range(4, 11))
    assert recalled.seen_at == at(10)


def test_clock_that_was_ahead_moves_no_chart_into_the_future(history, recorder):
    """What is drawn ends now."""
    recorder.record(Told(), standing(86_400))
    assert history.flush()
    assert recall(history.reader, at(60)).seen_at == at(60)


def test_first_look_at_many_sessions_is_kept_whole(history, recorder):
    """Handed over at once, written in groups."""
    steps = [
        Transition(Step.FOUND, Record(f"s{number}", NOON), moment(0)) for number in range(20_000)
    ]
    recorder.record(Told((), steps), standing(0, len(steps)))
    assert history.flush(60)
    assert len(history.reader.open_records()) == len(steps)
    assert history.status.lost == 0


def test_usual_is_what_was_at_this_hour(history, recorder):
    """Of the days before, where enough of them were seen."""
    day = 86_400
    for days in (3, 2):
        recorder.record(Told(), standing(day * (8 - days) - 600, 10 * days))
    recorder.record(Told(), standing(day * 8 - 7_200, 1_000))  # another hour
    assert history.flush()
    assert recorder.usual(at(day * 8)) == (None, 2)
    recorder.record(Told(), standing(day * 7 + 600, 40))
    assert history.flush()
    assert recorder.usual(at(day * 8)) == (30, 3)
    history.close()
    in_memory = open_history(None)
    in_memory.close()
    assert Recorder(in_memory).usual(at(0)) == (None, 0)


def test_alerts_are_recalled_of_a_service_that_was_never_seen(history):
    """Those that fire however old, and the newest; what is silent, and what was not sent."""
    rule = Rule("down", "source_down", ">=", 1)
    entries = [
        AlertEntry(Alert(rule, str(n), moment(n), moment(n), 1.0, moment(n + 1) if n else None))
        for n in range(MAX_RECENT + 2)
    ]
    silence = Silence("down", "", at(1_000), at(0), "ann")
    past = Silence("down", "x", at(-1), at(-2), "ann")
    unsent = OutboxEntry("a", at(0), "ops", "{}")
    history.record([*entries, silence, past, unsent])
    assert history.flush()
    recalled = recall(history.reader, NOON)
    found = [entry.alert.subject for entry in recalled.alerts]
    assert found == ["0", *(str(n) for n in range(2, MAX_RECENT + 2))]
    assert (recalled.silences, recalled.unsent) == ((silence,), (unsent,))
    assert (recalled.seen_at, recalled.is_read) == (None, True)
