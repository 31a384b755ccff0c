"""The change of the count and the rates, each with its window."""

from kato_panel.domain import recent
from kato_panel.domain.events import Kind, SessionEvent
from kato_panel.domain.recent import Recent
from tests.conftest import NOON


def event(kind, delta):
    return SessionEvent(1, kind, NOON, 0, 0, delta, "http")


def test_rates_are_unknown_before_the_first_observation():
    """Nothing was watched."""
    assert Recent().rates(100.0) is None


def test_rates_are_unknown_in_the_first_seconds():
    """A window of a moment would show chance."""
    watched = Recent()
    watched.begin(100.0)
    assert watched.rates(109.0) is None


def test_rates_are_per_minute_of_their_window():
    """Half a minute with six created and one ended."""
    watched = Recent()
    watched.begin(100.0)
    watched.begin(120.0)
    watched.add(event(Kind.CREATED, 6), 110.0)
    watched.add(event(Kind.DESTROYED, 1), 115.0)
    rates = watched.rates(130.0)
    assert (rates.window_seconds, rates.change) == (30.0, 5)
    assert (rates.created_per_minute, rates.ended_per_minute) == (12.0, 2.0)


def test_window_is_at_most_five_minutes():
    """What is older is forgotten."""
    watched = Recent()
    watched.begin(0.0)
    watched.add(event(Kind.CREATED, 6), 10.0)
    watched.add(event(Kind.CREATED, 5), 350.0)
    rates = watched.rates(400.0)
    assert (rates.window_seconds, rates.created) == (300.0, 5)


def test_memory_is_bounded(monkeypatch):
    """Beyond the bound the oldest go, and the window gets shorter with them."""
    monkeypatch.setattr(recent, "MAX_CHANGES", 3)
    watched = Recent()
    watched.begin(0.0)
    for second in range(5):
        watched.add(event(Kind.CREATED, 2), 10.0 + second)
    rates = watched.rates(31.0)
    assert (rates.created, rates.window_seconds) == (6, 20.0)
