"""Fan-out: state coalesces, events queue up to a bound."""

from dataclasses import replace

import pytest

from kato_panel import hub as hubs
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.hub import Hub
from tests.conftest import NOON, moment


def event(seq):
    return SessionEvent(seq, Kind.CREATED, NOON, seq - 1, seq, 1, "http")


def snapshot(active):
    return SessionSnapshot(moment(active), active)


def subscribe(hub):
    wakes = []
    subscription, before = hub.subscribe(lambda: wakes.append(1))
    return subscription, before, wakes


def test_late_reader_gets_only_the_newest_state():
    """The last value wins."""
    hub = Hub()
    subscription, _, _ = subscribe(hub)
    for active in (1, 2, 3):
        hub.publish(snapshot(active), ())
    assert subscription.take().snapshot == snapshot(3)
    assert subscription.take().snapshot is None


def test_events_arrive_in_their_order_and_once():
    """Whatever the state does in between."""
    hub = Hub()
    subscription, _, _ = subscribe(hub)
    hub.publish(snapshot(1), (event(1),))
    hub.publish(snapshot(3), (event(2), event(3)))
    assert [taken.seq for taken in subscription.take().events] == [1, 2, 3]
    assert subscription.take().events == ()


def test_reader_is_woken_once_until_it_takes():
    """So a document has one callback pending, however many publications come."""
    hub = Hub()
    subscription, _, wakes = subscribe(hub)
    hub.publish(snapshot(1), ())
    hub.publish(snapshot(2), (event(1),))
    assert len(wakes) == 1
    subscription.take()
    hub.publish(snapshot(3), ())
    assert len(wakes) == 2


def test_event_told_again_replaces_the_one_that_waits():
    """Its names became known before the reader came."""
    hub = Hub()
    subscription, _, _ = subscribe(hub)
    named = replace(event(1), names=(Name("a"),))
    hub.publish(None, (event(1), event(2)))
    hub.publish(None, (named,))
    assert subscription.take().events == (named, event(2))


def test_slow_reader_loses_the_oldest_events_and_is_told_how_many(monkeypatch):
    """Memory does not grow, and loss is never silent."""
    monkeypatch.setattr(hubs, "MAX_QUEUED_EVENTS", 3)
    hub = Hub()
    subscription, _, _ = subscribe(hub)
    for seq in range(1, 9):
        hub.publish(None, (event(seq),))
    update = subscription.take()
    assert [taken.seq for taken in update.events] == [6, 7, 8]
    assert update.skipped == 5
    assert subscription.take().skipped == 0


def test_new_reader_begins_with_the_state_and_the_kept_events(monkeypatch):
    """A page that opens later shows what happened before."""
    monkeypatch.setattr(hubs, "MAX_KEPT_EVENTS", 2)
    hub = Hub()
    hub.publish(snapshot(7), (event(1), event(2), event(3)))
    _, before, wakes = subscribe(hub)
    assert before.snapshot == snapshot(7)
    assert [kept.seq for kept in before.events] == [2, 3]
    assert wakes == []
    assert hub.snapshot == snapshot(7)


def test_closed_reader_hears_nothing_more():
    """And may be closed again."""
    hub = Hub()
    subscription, _, wakes = subscribe(hub)
    assert hub.readers == 1
    subscription.close()
    subscription.close()
    hub.publish(snapshot(1), ())
    assert (hub.readers, wakes) == (0, [])


def test_two_starts_have_two_epochs():
    """Numbers count within one start."""
    assert Hub().epoch != Hub().epoch


def test_reader_that_fails_keeps_nobody_asleep():
    """Its error reaches the publisher, and the news reach the others."""
    hub = Hub()
    woken = []

    def fail():
        raise RuntimeError("broken on purpose")

    hub.subscribe(fail)
    hub.subscribe(lambda: woken.append(1))
    with pytest.raises(RuntimeError, match="broken on purpose"):
        hub.publish(None, ())
    assert woken == [1]
