"""From counts and named changes to events."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_panel.domain import detection
from kato_panel.domain.detection import Detector
from kato_panel.domain.events import (
    ChangeNamed,
    ChangesNamed,
    CountObserved,
    Kind,
    Name,
    SessionEvent,
)
from kato_panel.simulator.world import World
from tests.conftest import IS_PROOF, Size, moment

C, D = Kind.CREATED, Kind.DESTROYED


def poll(detector, value, at, *, sent=None, cached=False):
    sent_at = at - 0.01 if sent is None else sent
    return detector.count(
        CountObserved("http", value, moment(sent_at), moment(at), is_cached=cached)
    )


def told(detector, at, *changes):
    """Tell the detector of changes like ``(C, "a")``, found together."""
    named = tuple(
        ChangeNamed(kind, Name(who, f"node-{who}"), moment(at), *reason)
        for kind, who, *reason in changes
    )
    return detector.changes(ChangesNamed("stream", named))


@pytest.fixture
def detector():
    """One that has its baseline: 10 sessions at second 0."""
    detector = Detector()
    poll(detector, 10, 0)
    return detector


def test_nothing_is_known_before_the_first_answer():
    """Unknown is not zero."""
    assert Detector().shown is None


def test_first_answer_is_a_baseline_and_no_event():
    """Sessions that were there before are no news."""
    detector = Detector()
    assert poll(detector, 248, 1) == []
    assert detector.shown == 248


def test_rise_is_one_created_event_with_its_size(detector):
    """Three more sessions are one event of three."""
    (event,) = poll(detector, 13, 3)
    assert (event.kind, event.delta, event.previous, event.current) == (C, 3, 10, 13)
    assert (event.seq, event.source, event.names) == (1, "http", ())


def test_fall_is_one_destroyed_event_with_a_positive_delta(detector):
    """The direction is in the kind, never in the sign."""
    (event,) = poll(detector, 8, 3)
    assert (event.kind, event.delta, event.signed_delta, detector.shown) == (D, 2, -2, 8)


def test_named_change_moves_the_count_at_once(detector):
    """The stream is not waited for by a poll."""
    (event,) = told(detector, 1, (C, "a"))
    assert (event.kind, event.delta, event.current, event.source) == (C, 1, 11, "stream")
    assert event.names == (Name("a", "node-a"),)


def test_changes_found_together_are_two_chained_events_created_first(detector):
    """Never their net."""
    created, destroyed = told(detector, 1, (D, "x", "deleted"), (C, "a"), (C, "b"))
    assert (created.kind, created.previous, created.current) == (C, 10, 12)
    assert (destroyed.kind, destroyed.previous, destroyed.current) == (D, 12, 11)
    assert destroyed.reason == "deleted"


def test_mixed_reasons_are_no_reason(detector):
    """An event says why only where all its sessions ended so."""
    (event,) = told(detector, 1, (D, "x", "deleted"), (D, "y", "expired"))
    assert event.reason is None


def test_event_carries_at_most_twenty_names(detector):
    """Beyond that, sessions are counted only."""
    (event,) = told(detector, 1, *[(C, f"s{i}") for i in range(25)])
    assert (event.delta, len(event.names)) == (25, 20)


def test_poll_that_agrees_is_no_event(detector):
    """What the stream told is not told again by the poll."""
    told(detector, 1, (C, "a"))
    assert poll(detector, 11, 3) == []


@pytest.mark.parametrize("value", [10, 11])
def test_change_under_way_may_or_may_not_be_in_the_answer(detector, value):
    """A named create between question and answer allows for both counts."""
    told(detector, 2.99, (C, "a"))
    assert poll(detector, value, 3, sent=2.98) == []
    assert detector.shown == 11


@pytest.mark.parametrize("value", [9, 10])
def test_end_under_way_may_or_may_not_be_in_the_answer(detector, value):
    """A named destroy between question and answer allows for both counts."""
    told(detector, 2.99, (D, "x"))
    assert poll(detector, value, 3, sent=2.98) == []
    assert detector.shown == 9


def test_allowance_reaches_50_ms_before_the_question(detector):
    """A frame may overtake the count on its way."""
    told(detector, 2.96, (C, "a"))
    assert poll(detector, 10, 3.02, sent=3.0) == []


def test_change_before_the_allowance_has_to_be_in_the_answer(detector):
    """An older named create that the count lacks was followed by an unnamed end."""
    told(detector, 2.9, (C, "a"))
    (event,) = poll(detector, 10, 3.02, sent=3.0)
    assert (event.kind, event.delta) == (D, 1)


def test_cached_count_is_allowed_five_seconds(detector):
    """An answer from upstream's cache may be 5.1 s old."""
    told(detector, 1, (C, "a"))
    assert poll(detector, 10, 6.0, cached=True) == []
    assert poll(detector, 11, 9.0, cached=True) == []


def test_only_what_is_left_over_becomes_an_event(detector):
    """Two named and three more: the poll adds one event of three."""
    told(detector, 1, (C, "a"), (C, "b"))
    (event,) = poll(detector, 15, 3)
    assert (event.delta, event.previous, event.current) == (3, 12, 15)


def test_late_name_fills_in_the_event_and_moves_nothing(detector):
    """A poll that was faster than the frame: no second event."""
    (unnamed,) = poll(detector, 11, 3)
    (event,) = told(detector, 3.4, (C, "a"))
    assert event.seq == unnamed.seq
    assert event.names == (Name("a", "node-a"),)
    assert detector.shown == 11


def test_late_name_brings_the_reason_along(detector):
    """Why it ended is filled in with who."""
    poll(detector, 9, 3)
    (event,) = told(detector, 3.1, (D, "x", "deleted"))
    assert event.reason == "deleted"


def test_name_half_a_second_later_counts_by_itself(detector):
    """After 0.5 s a named event is another one."""
    poll(detector, 11, 3)
    (event,) = told(detector, 3.6, (C, "a"))
    assert (event.seq, event.current) == (2, 12)


def test_name_of_the_other_direction_does_not_fit(detector):
    """A destroy never names a create."""
    poll(detector, 11, 3)
    (event,) = told(detector, 3.1, (D, "x"))
    assert (event.kind, event.current) == (D, 10)


def test_event_takes_no_more_names_than_its_size(detector):
    """The second name of an event of one is an event of its own."""
    poll(detector, 11, 3)
    named, new = told(detector, 3.1, (C, "a"), (C, "b"))
    assert (named.seq, new.seq, detector.shown) == (1, 2, 12)


def test_repeated_change_is_passed_over(detector):
    """Upstream's frames have no number: the same session comes only once."""
    told(detector, 1, (C, "a"))
    assert told(detector, 9, (C, "a")) == []
    assert detector.shown == 11


def test_end_is_told_with_the_node_its_session_began_on(detector):
    """Upstream's frame of an end names the session only."""
    told(detector, 1, (C, "a"))
    change = ChangeNamed(D, Name("a"), moment(2))
    (event,) = detector.changes(ChangesNamed("stream", (change,)))
    assert event.names == (Name("a", "node-a"),)


def test_beginning_that_is_told_after_its_end_is_not_counted(detector):
    """Reordered frames leave no phantom; the next poll settles what is missing."""
    told(detector, 1, (D, "x"))
    assert told(detector, 2, (C, "x")) == []
    (event,) = poll(detector, 10, 5)
    assert (event.kind, event.delta, detector.shown) == (C, 1, 10)


def test_old_repetitions_are_forgotten(detector, monkeypatch):
    """Memory is bounded, the newest are remembered."""
    monkeypatch.setattr(detection, "MAX_SEEN", 2)
    told(detector, 1, (C, "a"), (C, "b"), (C, "c"))
    assert told(detector, 2, (C, "c")) == []
    assert len(told(detector, 2, (C, "a"))) == 1


def test_changes_before_the_baseline_are_only_remembered():
    """The baseline holds them already."""
    detector = Detector()
    assert told(detector, 0, (C, "a")) == []
    assert poll(detector, 1, 1) == []
    assert told(detector, 2, (C, "a")) == []
    assert detector.shown == 1


def test_change_just_after_the_baseline_is_left_to_the_next_poll():
    """Its frame may be slower than the answer that holds it already."""
    detector = Detector()
    poll(detector, 10, 0)
    assert told(detector, 0.3, (C, "a")) == []
    assert poll(detector, 10, 3) == []
    assert len(told(detector, 3.6, (C, "b"))) == 1


def test_changes_are_not_remembered_for_polls_that_never_come(detector):
    """A stream without a poll fills no memory."""
    for number in range(1000):
        told(detector, 1 + number, (C, f"s{number}"))
    assert len(detector._under_way) <= 11


def test_more_ends_than_sessions_were_sessions_that_began_unseen():
    """The count never falls below nothing."""
    detector = Detector()
    poll(detector, 1, 0)
    created, destroyed = told(detector, 2, (D, "x"), (D, "y"))
    assert (created.kind, created.delta, created.names) == (C, 1, ())
    assert (destroyed.previous, destroyed.current) == (2, 0)


def test_gap_is_told_with_what_is_found_after_it(detector):
    """Failing to look is no event; what happened meanwhile is one, marked."""
    detector.fail()
    (event,) = poll(detector, 12, 42)
    assert event.after_gap_seconds == pytest.approx(42)
    assert poll(detector, 13, 45)[0].after_gap_seconds is None


def test_gap_without_a_change_is_no_event(detector):
    """Nothing happened, or it cancelled out."""
    detector.fail()
    assert poll(detector, 10, 42) == []
    assert poll(detector, 11, 45)[0].after_gap_seconds is None


def test_failures_before_the_baseline_are_no_gap():
    """There is nothing to compare with."""
    detector = Detector()
    detector.fail()
    assert poll(detector, 5, 1) == []
    assert poll(detector, 6, 4)[0].after_gap_seconds is None


def test_steep_fall_waits_for_the_next_poll():
    """A count of 3 where 5,000 stood is more likely KATO's Redis than its users."""
    detector = Detector()
    poll(detector, 5000, 0)
    assert poll(detector, 3, 3) == []
    assert (detector.shown, detector.suspect) == (5000, 3)
    assert poll(detector, 5000, 6) == []
    assert detector.suspect is None


def test_confirmed_fall_is_one_event_with_its_gap():
    """A restart without state is told once, after the second look."""
    detector = Detector()
    poll(detector, 120, 0)
    detector.fail()
    assert poll(detector, 0, 20) == []
    (event,) = poll(detector, 0, 23)
    assert (event.kind, event.delta, event.current) == (D, 120, 0)
    assert event.after_gap_seconds == pytest.approx(23)


def test_steep_fall_to_another_number_waits_anew():
    """With its Redis away, each of KATO's workers has a wrong number of its own."""
    detector = Detector()
    poll(detector, 5000, 0)
    for second, value in ((3, 3), (6, 900), (9, 3)):
        assert poll(detector, value, second) == []
        assert (detector.shown, detector.suspect) == (5000, value)
    (event,) = poll(detector, 8, 12)
    assert event.delta == 4992


@pytest.mark.parametrize(("before", "after"), [(20, 10), (100, 51), (10, 0)])
def test_fall_that_is_not_steep_is_told_at_once(before, after):
    """Both more than half and more than ten."""
    detector = Detector()
    poll(detector, before, 0)
    assert len(poll(detector, after, 3)) == 1


def test_events_know_the_time_since_the_one_before(detector):
    """Measured on the monotonic clock."""
    (first,) = told(detector, 1, (C, "a"))
    (second,) = told(detector, 5, (C, "b"))
    assert first.since_last_event_seconds is None
    assert second.since_last_event_seconds == pytest.approx(4)


class Trial:
    """A world with its truth, watched by a detector through a lossy stream and polls."""

    def __init__(self, initial, *, is_batching=False):
        self.is_batching = is_batching
        self.world = World(seed=1)
        for _ in range(initial):
            self.world.create("node-0", 0.0)
        self.now = 10.0
        self.detector = Detector()
        self.inbox = []  # frames under way: (arrival, change)
        self.events: list[SessionEvent] = []
        self.told = set()
        self.happened = dict.fromkeys(Kind, 0)

    def _take(self, events):
        for event in events:
            if event.seq <= len(self.events):
                before = self.events[event.seq - 1]
                assert (before.delta, before.current) == (event.delta, event.current)
                self.events[event.seq - 1] = event
            else:
                assert event.delta >= 1
                self.events.append(event)

    def deliver(self, until):
        """Let the frames arrive that are due."""
        due = sorted((item for item in self.inbox if item[0] <= until), key=lambda item: item[0])
        self.inbox = [item for item in self.inbox if item[0] > until]
        named = [replace(change, at=moment(arrival)) for arrival, change in due]
        size = len(named) if self.is_batching else 1
        for first in range(0, len(named), max(1, size)):
            batch = tuple(named[first : first + size])
            self._take(self.detector.changes(ChangesNamed("stream", batch)))

    def change(self, kind, is_seen, delay):
        """Let one session come or go, and perhaps be told."""
        if kind is C:
            session_id = self.world.create("node-1", self.now).session_id
        else:
            if not self.world.sessions:
                return
            session_id = next(iter(self.world.sessions))
            self.world.delete(session_id, self.now)
        self.happened[kind] += 1
        if is_seen:
            self.told.add((kind, session_id))
            self.inbox.append((self.now + delay, ChangeNamed(kind, Name(session_id), moment(0))))

    def pass_time(self, seconds):
        self.now += seconds
        self.deliver(self.now)

    def look(self, duration, share, changes):
        """Poll; the count is read somewhere on the way, and things happen meanwhile."""
        sent, value = self.now, None
        for step, (kind, is_seen, delay) in enumerate(changes):
            if step / max(1, len(changes)) >= share and value is None:
                value = len(self.world.index)
            self.pass_time(duration / (len(changes) + 1))
            self.change(kind, is_seen, delay)
        value = len(self.world.index) if value is None else value
        arrived = sent + duration
        self.now = max(self.now, arrived)
        self.deliver(arrived)
        self._take(poll(self.detector, value, arrived, sent=sent))

    def settle(self):
        """Let it be quiet, and look twice more, as steep falls need it."""
        for _ in range(3):
            self.pass_time(3.0)
            self._take(poll(self.detector, len(self.world.index), self.now))


DELAY = st.floats(0.0, 0.045) | st.floats(0.0, 0.4)
CHANGE = st.tuples(st.sampled_from(Kind), st.booleans(), DELAY)
STEP = st.one_of(
    st.tuples(st.just("change"), CHANGE),
    st.tuples(st.just("pass"), st.floats(0.0, 3.0)),
    st.tuples(
        st.just("look"),
        st.tuples(st.floats(0.001, 1.9), st.floats(0.0, 1.0), st.lists(CHANGE, max_size=5)),
    ),
    st.tuples(st.just("fail"), st.none()),
)


@settings(max_examples=20_000 if IS_PROOF else 300)
@given(
    initial=st.integers(0, 40),
    is_batching=st.booleans(),
    first=st.lists(CHANGE, max_size=5),
    steps=st.lists(STEP, max_size=40),
)
def _check_against_truth(initial, is_batching, first, steps):
    trial = Trial(initial, is_batching=is_batching)
    trial.look(0.5, 0.5, first)
    trial.start, trial.happened = trial.detector.shown, dict.fromkeys(Kind, 0)
    missed = len(trial.world.index) - trial.start  # came or went while the baseline was read
    trial.happened[C if missed > 0 else D] += abs(missed)
    for what, given_ in steps:
        if what == "change":
            trial.change(*given_)
        elif what == "pass":
            trial.pass_time(given_)
        elif what == "look":
            trial.look(*given_)
        else:
            trial.detector.fail()
    trial.settle()
    truth = len(trial.world.index)
    assert trial.detector.shown == truth
    assert sum(event.signed_delta for event in trial.events) == truth - trial.start
    for kind in Kind:  # no phantom: not even one that another cancels out
        found = sum(event.delta for event in trial.events if event.kind is kind)
        assert found <= trial.happened[kind]
    chained = [trial.start, *(event.current for event in trial.events)]
    assert [event.previous for event in trial.events] == chained[:-1]
    named = [(event.kind, name.session_id) for event in trial.events for name in event.names]
    assert len(named) == len(set(named))
    assert set(named) <= trial.told


def test_shown_count_and_deltas_equal_the_truth(size: Size):
    """Whatever happens, however it is seen: right at the end, none twice, no phantom name."""
    _check_against_truth()
    size.record(
        "settlement of stream and poll against the simulator's truth",
        seed="derandomised",
        n=size.n(300, 20_000),
        result="0 mismatches of count, deltas and names",
    )
