"""How long those lived that ended, counted by length."""

import numpy as np
import pytest

from kato_panel.domain.churn.histogram import EDGES_SECONDS
from tests.domain.churn.making import churn, life


def lifetimes(*seconds):
    """Lifetimes counted, of lives that began one after the other."""
    lives = [life(f"s{n}", 0, one) for n, one in enumerate(seconds)]
    return churn(lives, until=3 * int(EDGES_SECONDS[-1])).lifetimes


def test_each_end_is_counted_once_and_open_ones_are_named():
    """From the shortest length that occurs to the longest."""
    counted = lifetimes(*[60] * 6, *[90] * 5, *[800] * 2, None)
    assert counted.ended.sum() == 13
    assert counted.still_open == 1
    frame = counted.frame()
    assert list(frame.columns) == ["to_seconds", "ended", "low", "high"]
    assert frame.loc[60.0, "ended"] == 6
    assert frame.loc[90.0, "ended"] == 5
    assert frame.index[0] == 60.0
    assert frame["to_seconds"].iloc[-1] == 900.0
    assert np.array_equal(frame.index[1:], frame["to_seconds"][:-1])
    assert frame.loc[60.0, "low"] == pytest.approx(2.2019, abs=1e-4)  # Garwood's table


def test_no_lifetime_is_too_long():
    """What is above the last length ends the scale."""
    counted = lifetimes(*[60] * 10, EDGES_SECONDS[-1] * 2)
    assert counted.ended.sum() == 11
    assert counted.edges_seconds[-1] > EDGES_SECONDS[-1] * 2
