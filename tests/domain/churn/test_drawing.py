"""What a curve is drawn of, and how far."""

import numpy as np
import pytest

from kato_panel.domain.churn.drawing import draw, shown_seconds
from kato_panel.domain.churn.survival import estimate


def curve(exits, ended, entries=0.0):
    exits, ended = np.asarray(exits, float), np.asarray(ended, bool)
    return estimate(exits, ended, np.broadcast_to(np.asarray(entries, float), exits.shape))


def test_line_goes_on_to_where_somebody_was_watched():
    """Who lives on is in no row of ends; without it the line would break off at the last one."""
    found = curve([*range(1, 11), *[3_600] * 90], [True] * 10 + [False] * 90)
    drawn = draw(found, 400)
    assert drawn[:-1].equals(found.frame(400))
    assert drawn[-1:].drop(columns="ended").equals(found.at([3_600]))
    assert drawn["survival"].iloc[-1] == pytest.approx(0.9)
    assert drawn["ended"].iloc[-1] == 0
    assert [*drawn.dtypes] == [*found.frame().dtypes]


def test_line_ends_where_all_ended():
    """Or where all ended who were under observation, though others are older."""
    whole = curve(range(1, 21), [True] * 20)
    assert draw(whole, 400).equals(whole.frame(400))
    assert len(draw(whole, 8)) == 8
    emptied = curve([*range(1, 21), 30], [True] * 20 + [False], [0] * 20 + [25])
    assert draw(emptied, 400).equals(emptied.frame(400))


def test_chart_looks_to_where_nearly_all_have_ended():
    """One that lives a thousand times as long does not press the others to the edge."""
    found = curve([*range(1, 1_000), 1_000_000], [True] * 1_000)
    assert shown_seconds(found) == 990


def test_line_of_a_curve_that_was_emptied_goes_no_further():
    """Though others, who were older when they came under observation, ended after that."""
    late = curve([*range(1, 21), 40, 59], [True] * 22, [0] * 20 + [25, 26])
    assert late.told_seconds == 20
    assert draw(late, 400).index[-1].total_seconds() == 20


@pytest.mark.parametrize("sessions", [12, 30, 49, 60, 200])
@pytest.mark.parametrize("has_ended", [True, False])
def test_one_old_session_does_not_press_the_others_to_the_edge(sessions, has_ended):
    """However few they are, and whether it is still open or not."""
    ages = [*np.linspace(10, 2_000, sessions - 3), 2_100, 2_500, 28_800]
    ended = [True] * (sessions - 3) + [False, False, has_ended]
    found = curve(ages, ended, [0.0] * (sessions - 1) + [27_000])
    assert 1_000 < shown_seconds(found) <= 2_500


def test_last_end_is_shown_where_it_comes_soon():
    """Of a few that all ended, the curve is seen to fall to 0."""
    assert shown_seconds(curve(range(1, 13), [True] * 12)) == 12


def test_chart_looks_to_where_some_are_watched():
    """Many that live on have room; one that was open for long when watching began has none."""
    many = curve([*range(1, 11), *[3_600] * 90], [True] * 10 + [False] * 90)
    assert shown_seconds(many) == 3_600
    ages = [*np.linspace(10, 2_000, 95), *[2_500] * 4, 30_000]
    old = curve(ages, [True] * 95 + [False] * 5, [0.0] * 99 + [28_000])
    assert 2_400 < shown_seconds(old) <= 2_500
    few = curve([*range(1, 31), 90_000], [True] * 30 + [False], [0.0] * 30 + [80_000])
    assert shown_seconds(few) == 30  # emptied: it is 0 from there on
