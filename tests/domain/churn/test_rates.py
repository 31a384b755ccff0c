"""Rates, the count as records say it, and Little's law."""

import numpy as np
import pandas as pd
import pytest

from kato_panel.domain.churn.lives import Lives
from kato_panel.domain.churn.rates import (
    Changes,
    check_littles_law,
    count_changes,
    reconstruct,
)
from kato_panel.domain.churn.survival import Interval
from kato_panel.domain.events import Kind, SessionEvent
from kato_panel.frames import event_frame
from tests.domain.churn.making import at, frame, life, window


def of(rows, given, **more):
    return Lives.of(frame(rows, **more), given)


def test_rates_are_counts_over_observed_time_with_exact_bounds():
    """Ten in ten minutes, as Garwood's table has it."""
    given = window(0, 600)
    found = count_changes(
        Changes.of_lives(of([life(f"s{n}", 30 * n) for n in range(10)], given)),
        given,
        np.array([given.since, given.until]),
    )
    shown = found.frame().iloc[0]
    assert shown["arrivals"] == 10
    assert shown["arrivals_per_minute"] == 1
    assert shown["arrivals_low_per_minute"] == pytest.approx(0.4795389)
    assert shown["arrivals_high_per_minute"] == pytest.approx(1.8390356)
    assert shown["departures_low_per_minute"] == 0
    assert shown["departures_high_per_minute"] == pytest.approx(0.3688879)
    assert shown["net_per_minute"] == 1
    assert shown["net_low_per_minute"] == pytest.approx(1 - np.hypot(1 - 0.4795389, 0.3688879))
    assert shown["net_high_per_minute"] == pytest.approx(1.8390356)
    assert not found.is_lower_bound


def test_gaps_are_left_out_of_rates():
    """Their time and who came in it; a stretch that nobody saw has no rate."""
    given = window(0, 180, [(60, 130)])
    rows = [life("a", 10, 20), life("b", 70, 75), life("c", 140)]
    found = count_changes(Changes.of_lives(of(rows, given)), given, given.edges(60))
    assert list(found.observed_seconds) == [60, 0, 50]
    assert list(found.arrivals) == [1, 0, 1]
    assert list(found.departures) == [1, 0, 0]
    assert np.allclose(found.arrivals_per_minute[0], [1, np.nan, 1.2], equal_nan=True)
    index = found.frame().index
    assert (index.name, str(index.tz), index[1]) == ("time", "UTC", pd.Timestamp(at(60)))


def test_without_records_events_tell_a_lower_bound():
    """What a gap brought is left out: nobody knows when it came."""

    def event(seconds, delta, source="http", **more):
        kind = Kind.CREATED if delta > 0 else Kind.DESTROYED
        return SessionEvent(1, kind, at(seconds), 9, 9 + delta, abs(delta), source, **more)

    told = [event(5, 3), event(10, -2), event(20, 7, after_gap_seconds=9.0)]
    found = Changes.of_events(event_frame(told, None))
    assert (len(found.arrivals), len(found.departures)) == (3, 2)
    assert found.is_lower_bound
    assert Changes.of_events(event_frame([], None)).is_lower_bound
    assert not Changes.of_events(event_frame([event(5, 3, "redis")], None)).is_lower_bound


def test_active_count_is_rebuilt_from_the_records():
    """Exactly, and its mean over time."""
    given = window(0, 100)
    found = reconstruct(of([life("a", -5, 20), life("b", 10, 60), life("c", 20)], given), given)
    assert list((found.times - given.since) / 1e6) == [0, 10, 20, 60]
    assert list(found.active) == [1, 2, 2, 1]
    assert found.mean == pytest.approx((20 + 50 + 80) / 100)
    assert list(found.frame()["active"]) == [1, 2, 2, 1]
    assert list(reconstruct(of([life("d", 5)], given), given).active) == [0, 1]


def test_littles_law_holds_in_the_long_run():
    """On simulated churn: to a few percent."""
    random = np.random.default_rng(5)
    born = np.sort(random.uniform(-20_000, 40_000, 12_000))
    ends = born + random.exponential(900, len(born))
    rows = [life(f"s{n}", b, e) for n, (b, e) in enumerate(zip(born, ends, strict=True)) if e > 0]
    given = window(0, 40_000)
    seen = of(rows, given, seen=40_000)
    mean = seen.survival().restricted_mean_seconds()
    found = check_littles_law(reconstruct(seen, given).mean, 0.2, mean, 0.0)
    assert found.expected_active == pytest.approx(180, rel=0.05)
    assert found.ratio == pytest.approx(1, abs=0.05)
    assert found.notes == ()


def test_littles_law_says_where_it_does_not_fit():
    """A bound is told as one; a difference is told."""
    found = check_littles_law(10.0, 0.1, Interval(50.0, 40.0, 60.0), 0.25)
    assert found.ratio == 2
    assert "25 % of the sessions outlive" in found.notes[0]
    assert "differ by more than a quarter" in found.notes[1]
    assert check_littles_law(1.0, 0.0, Interval(50.0, 40.0, 60.0), 0.0).ratio is None
