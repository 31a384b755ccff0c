"""What is counted since the start."""

from datetime import timedelta

import pytest

from kato_panel.domain.events import CountObserved, Kind, SessionEvent, SourceHeard
from kato_panel.domain.records import Ending, Reason, Record, Step, Transition, Witness
from kato_panel.domain.tally import LAGS, MAX_DOUBT, POLL_SECONDS, Lag, Spread, Tally
from kato_panel.domain.telling import Told
from tests.conftest import NOON, moment

POLLED = CountObserved("http", 3, moment(0), moment(0.2))


def event(seq, kind, delta, reason=None):
    return SessionEvent(seq, kind, NOON, 0, 0, delta, "http", reason=reason)


def ended(reason=Reason.EXPIRED, created=0.0, earliest=10.0, latest=10.0):
    at = [NOON + timedelta(seconds=seconds) for seconds in (earliest, latest)]
    created_at = None if created is None else NOON + timedelta(seconds=created)
    record = Record("s", NOON, created=created_at, ending=Ending(*at, reason, Witness.KEY_EVENT))
    return Transition(Step.ENDED, record, moment(latest))


def test_events_are_counted_by_their_deltas():
    """An end without a reason that we know has the reason unknown."""
    tally = Tally()
    assert dict(tally.tallied.ended) == {Reason.UNKNOWN: 0}
    tally.add(POLLED, Told([event(1, Kind.CREATED, 5), event(2, Kind.DESTROYED, 2)]))
    tally.add(POLLED, Told([event(3, Kind.DESTROYED, 1, "deleted")]))
    tally.add(POLLED, Told([event(4, Kind.DESTROYED, 1, "odd")]))
    assert tally.tallied.created == 5
    assert dict(tally.tallied.ended) == {Reason.UNKNOWN: 3, Reason.DELETED: 1}
    assert tally.tallied.lifetimes is None


def test_event_that_is_told_again_counts_once():
    """With its names, or because an earlier run told it."""
    tally = Tally()
    tally.begin(7)
    for seq in (7, 8, 8, 9, 8):
        tally.add(POLLED, Told([event(seq, Kind.CREATED, 1)]))
    assert tally.tallied.created == 2


def test_records_are_counted_where_they_tell():
    """What was found or amended has neither come nor gone; all reasons are known."""
    tally = Tally(has_records=True)
    assert dict(tally.tallied.ended) == dict.fromkeys(Reason, 0)
    record = Record("s", NOON)
    steps = [Transition(step, record, moment(0)) for step in (Step.BORN, Step.FOUND, Step.AMENDED)]
    tally.add(POLLED, Told([event(1, Kind.CREATED, 9)], [*steps, *steps, ended()]))
    assert tally.tallied.created == 2
    assert tally.tallied.ended[Reason.EXPIRED] == 1
    tally.add(POLLED, Told(transitions=[Transition(Step.FOUND, record, moment(0))]))
    assert tally.tallied.created == 2
    seen = SourceHeard("redis", moment(1))
    tally.add(seen, Told(transitions=[Transition(Step.BORN, record, moment(1))]))
    assert tally.tallied.created == 3
    assert sum(tally.tallied.polls.counts) == 2


@pytest.mark.parametrize(
    ("transition", "seconds"),
    [
        (ended(), 10),
        (ended(created=20), 0),
        (ended(latest=14), 12),
        (ended(created=None), None),
        (ended(latest=10.1 + MAX_DOUBT.total_seconds()), None),
        (Transition(Step.ENDED, Record("s", NOON), moment(0)), None),
    ],
)
def test_lifetime_counts_where_both_ends_are_known(transition, seconds):
    """In the middle of a short doubt; never below 0."""
    tally = Tally(has_records=True)
    tally.add(POLLED, Told(transitions=[transition]))
    assert sum(tally.tallied.lifetimes.counts) == (seconds is not None)
    assert tally.tallied.lifetimes.sum_seconds == (seconds or 0)


def test_polls_are_measured_from_question_to_answer():
    """On the clock that is never set back."""
    tally = Tally()
    tally.add(POLLED, Told())
    assert tally.tallied.polls.sum_seconds == pytest.approx(0.2)
    assert tally.tallied.polls.counts[POLL_SECONDS.index(0.25)] == 1


def test_bound_belongs_to_the_part_below_it():
    """As Prometheus counts: less than or equal; what was given out stays as it was."""
    empty = Spread.within((1.0, 5.0))
    spread = empty.add([0.5, 1.0, 1.1, 5.0, 5.1])
    assert spread.counts == (2, 2, 1)
    assert empty.counts == (0, 0, 0)


def test_largest_lag_of_the_last_turns_is_told():
    """And forgotten with its turn; a clock that was ahead is no lag."""
    lag = Lag()
    assert lag.seconds is None
    lag.add(-1.0)
    assert lag.seconds == 0
    lag.add(2.0)
    for _ in range(LAGS):
        assert lag.seconds == 2.0
        lag.add(0.5)
    assert lag.seconds == 0.5
    tally = Tally()
    tally.add_lag(0.25)
    assert tally.tallied.lag_seconds == 0.25
