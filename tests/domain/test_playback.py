"""Where a replay stands."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kato_panel.domain.playback import MAX_SPEED, Playback
from tests.conftest import NOON

HOUR = timedelta(hours=1)
PLAYED = Playback(NOON, NOON + HOUR, NOON, 100.0, speed=60.0)


def test_it_moves_at_its_speed_however_often_it_is_looked_at():
    once = PLAYED.at(110.0)
    assert once.position == NOON + timedelta(minutes=10)
    assert PLAYED.at(103.0).at(110.0) == once
    assert not once.is_over


def test_it_waits_while_it_is_paused():
    paused = replace(PLAYED.at(110.0), is_paused=True)
    assert paused.at(500.0).position == paused.position
    assert replace(paused.at(500.0), is_paused=False).at(501.0).position == (
        NOON + timedelta(minutes=11)
    )


def test_it_ends_with_its_record_and_stays_there():
    ended = PLAYED.at(1_000.0)
    assert (ended.position, ended.is_paused, ended.is_over) == (NOON + HOUR, True, True)
    assert ended.at(2_000.0).position == NOON + HOUR


def test_a_clock_that_goes_back_moves_nothing():
    assert PLAYED.at(50.0).position == NOON


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 2 * MAX_SPEED])
def test_no_other_speed_is_taken(speed):
    with pytest.raises(ValueError, match="must be above 0 and at most 100000"):
        replace(PLAYED, speed=speed)


@pytest.mark.parametrize("position", [NOON - HOUR, NOON + 2 * HOUR])
def test_a_position_outside_the_record_is_refused_with_its_span(position):
    with pytest.raises(ValueError, match=r"must be from 2.*T.* to 2.*T"):
        replace(PLAYED, position=position)
