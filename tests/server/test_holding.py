"""Events wait for their names, and not too long."""

from dataclasses import replace

from kato_panel.domain.events import Name
from kato_panel.server.holding import Holding
from tests.feed_rig import created


def test_named_event_does_not_wait():
    """Nor does one of which as many are named as an event carries."""
    holding = Holding(0, is_named_later=True)
    assert holding.rest_seconds(0.0) is None
    holding.put([created(1)], 0.0)
    assert holding.rest_seconds(0.0) == 0.0
    assert holding.pop() == (created(1), 0)
    many = created(50, delta=30, names=tuple(Name(str(i)) for i in range(20)))
    holding.put([many], 0.0)
    assert holding.rest_seconds(0.0) == 0.0


def test_event_without_names_waits_less_than_half_a_second():
    """So that it is told in time, whoever is late."""
    holding = Holding(0, is_named_later=True)
    holding.put([created(1, names=())], 10.0)
    assert 0.3 < holding.rest_seconds(10.0) < 0.5
    assert holding.rest_seconds(10.5) == 0.0


def test_names_that_come_in_part_change_no_deadline():
    """The event waits for the others until then."""
    holding = Holding(0, is_named_later=True)
    two = created(2, delta=2, names=())
    holding.put([two], 10.0)
    holding.put([replace(two, names=(Name("a"),))], 10.3)
    assert 0 < holding.rest_seconds(10.3) < 0.2
    holding.put([replace(two, names=(Name("a"), Name("b")))], 10.35)
    assert holding.rest_seconds(10.35) == 0.0
    assert holding.pop()[0].names == (Name("a"), Name("b"))


def test_event_that_was_told_is_not_told_again():
    """Nor one from before."""
    holding = Holding(3, is_named_later=True)
    holding.put([created(3), created(4)], 0.0)
    assert holding.pop() == (created(4), 0)
    holding.put([created(4)], 0.0)
    assert len(holding) == 0


def test_events_that_never_came_are_counted():
    """By the holes in their numbers."""
    holding = Holding(3, is_named_later=True)
    holding.put([created(9)], 0.0)
    assert holding.pop() == (created(9), 5)
