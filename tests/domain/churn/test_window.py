"""A range of time and its gaps."""

import numpy as np
import pytest

from tests.domain.churn.making import window


def test_gaps_are_cut_joined_and_counted():
    """Those outside are none, those that touch are one."""
    found = window(0, 100, [(50, 60), (-10, 10), (55, 70), (70, 80), (90, 200), (300, 400)])
    assert len(found.gap_starts) == 3
    assert found.gap_seconds == 10 + 30 + 10
    assert found.seconds == 100


def test_edges_are_multiples_and_the_ends_are_narrower():
    """So buckets of two ranges fit together."""
    found = window(15, 125)
    seconds = (found.edges(60) - found.since) / 1e6
    assert list(seconds) == [0, 45, 105, 110]


def test_observed_time_leaves_out_gaps():
    """Of each bucket, and of each time."""
    found = window(0, 120, [(30, 90)])
    edges = found.edges(60)
    assert list(found.observed_seconds(edges)) == [30, 30]
    times = found.since + 1_000_000 * np.array([-1, 0, 29, 30, 89, 90, 119, 120])
    expected = [False, True, True, False, False, True, True, False]
    assert [observes(found, time) for time in times] == expected
    assert [observes(window(0, 120), time) for time in times] == [False, *[True] * 6, False]
    assert list(found.count_observed(times, edges)) == [2, 2]


def observes(found, time):
    return bool(found.count_observed(np.array([time]), found.edges(60)).sum())


def test_empty_range_is_refused():
    """There is nothing to say of it."""
    with pytest.raises(ValueError, match="must be later than since"):
        window(5, 5)
