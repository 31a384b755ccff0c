"""Where a replay stands, and how it goes on."""

from datetime import UTC, datetime, timedelta

import pytest

from kato_panel.domain.playing import JUMP_SECONDS, Player
from kato_panel.errors import QueryError

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """Seconds that a test moves."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def play(clock, **more):
    return Player(FIRST, FIRST + HOUR, clock=clock, **more)


def test_it_goes_as_fast_as_wanted_and_no_faster_than_it_is_told(clock):
    """What takes longer to tell than a second makes the replay slower."""
    player = play(clock, speed=60.0)
    clock.seconds += 0.5
    assert player.aim() == FIRST + timedelta(seconds=30)
    assert player.playing.position == FIRST
    assert player.reach(FIRST + timedelta(seconds=30)).tick == 30.0
    clock.seconds += 20.0
    assert player.aim() == FIRST + timedelta(seconds=90)


def test_it_stands_while_it_is_paused_and_makes_up_for_nothing(clock):
    """The time that it stood does not count."""
    player = play(clock)
    player.order(is_paused=True)
    clock.seconds += 50.0
    assert player.aim() == FIRST
    player.order(is_paused=False)
    clock.seconds += 0.25
    assert player.aim() == FIRST + timedelta(seconds=0.25)


def test_it_ends_with_the_recording_and_begins_anew_on_request(clock):
    """To go on at the end is to begin at the beginning."""
    player = play(clock, position=FIRST + HOUR - timedelta(seconds=1), speed=600.0)
    clock.seconds += 1.0
    assert player.aim() == FIRST + HOUR
    player.reach(FIRST + HOUR)
    assert player.playing.is_over
    player.order(is_paused=False)
    assert player.take_jump() == FIRST
    assert not player.playing.is_over


def test_position_is_taken_when_it_is_asked_for_and_time_never_goes_back(clock):
    """On the calendar it may go back; by the ticks a long time has passed."""
    player = play(clock, position=FIRST + HOUR / 2)
    assert (player.playing.jumps, player.take_jump()) == (0, None)
    before = player.now()
    player.order(position=FIRST)
    assert player.playing.position == FIRST + HOUR / 2
    assert player.take_jump() == FIRST
    after = player.now()
    assert (after.wall, after.tick) == (FIRST, before.tick + JUMP_SECONDS)
    assert player.playing.jumps == 1
    assert player.reach(FIRST - HOUR).wall == FIRST


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"speed": 0.0}, "speed is 0.0, must be 0.1 to 3600"),
        ({"speed": float("nan")}, "speed is nan, must be 0.1 to 3600"),
        ({"position": FIRST - HOUR}, "position is .*, must be within the recording: 2026-03-01T00"),
    ],
)
def test_what_cannot_be_changes_nothing(clock, order, words):
    """And is said with the field, what was given, and what is allowed."""
    player = play(clock, speed=10.0)
    before = player.playing
    with pytest.raises(QueryError, match=words):
        player.order(is_paused=True, **order)
    assert player.playing == before
