import math
import statistics

import pytest

from kato_panel.simulator.churn import Churn, wave
from kato_panel.simulator.world import World

NOON = 1_795_000_000.0
DAY = 86_400.0


def run(seconds, *, seed=1, rate=0.5, speed=1.0, initial=0):
    world = World(seed, speed)
    churn = Churn(seed, rate, speed, NOON)
    churn.populate(world, initial)
    return world, churn.advance(world, NOON + seconds)


def created(changes, since=0.0, until=math.inf):
    return [one for one in changes if one.what == "created" and since <= one.at - NOON < until]


def test_same_seed_gives_the_same_churn():
    """Everything drawn is reproducible, ids and names included."""
    assert run(500, initial=20)[1] == run(500, initial=20)[1]
    assert run(500)[1] != run(500, seed=2)[1]


def test_steps_do_not_matter():
    """It is the same churn whether time passes in one step or in many."""
    world = World(1)
    churn = Churn(1, 2, 1, NOON)
    in_steps = [one for at in range(300) for one in churn.advance(world, NOON + at + 1)]
    assert in_steps == run(300, rate=2)[1]


def test_default_shows_something_in_the_first_ten_seconds():
    """Seed 1 with 120 sessions: at least 3 creates and 1 delete between second 2 and 10."""
    _, changes = run(10, initial=120)
    late = [one.what for one in changes if one.at - NOON > 2]
    assert late.count("created") >= 3
    assert late.count("destroyed") >= 1


def test_rate_is_the_mean_over_a_day():
    """A day at one every two seconds has 43,200 creates, within five standard deviations."""
    world, changes = run(DAY, rate=0.5)
    expected = DAY / 2
    bursts = expected / 1.5
    deviation = math.sqrt(bursts * (0.75 + 2.25))  # of a sum of geometric batches
    assert abs(len(created(changes)) - expected) < 5 * deviation
    assert world.created_total == len(created(changes))


def test_rate_holds_where_bursts_overlap():
    """At 300 per second the bursts run into one another, and the mean is still the rate."""
    _, changes = run(20, rate=300)
    assert len(created(changes)) == pytest.approx(6000, rel=0.1)


def test_wave_follows_the_simulated_day():
    """The first half of the day is the busier one, by (1 + 1/pi) to (1 - 1/pi)."""
    _, changes = run(DAY, rate=0.4)
    ratio = len(created(changes, 0, DAY / 2)) / len(created(changes, DAY / 2))
    assert ratio == pytest.approx((1 + 1 / math.pi) / (1 - 1 / math.pi), rel=0.05)
    assert [round(wave(part * DAY), 6) for part in (0, 0.25, 0.75)] == [1, 1.5, 0.5]


def test_arrivals_come_in_bursts():
    """Creates per half minute vary more than independent arrivals would."""
    _, changes = run(3600, rate=2)
    counts = [len(created(changes, at, at + 30)) for at in range(0, 3600, 30)]
    assert statistics.variance(counts) > 1.3 * statistics.mean(counts)


def test_population_is_stationary():
    """120 sessions at the start and half a create per second stay about 120."""
    world, _ = run(3600, initial=120)
    assert 80 <= len(world.sessions) <= 180
    sizes = [len(run(600, seed=seed, initial=120)[0].sessions) for seed in range(20)]
    assert statistics.mean(sizes) == pytest.approx(120, rel=0.12)


def test_most_sessions_are_deleted_and_the_rest_expire():
    """About 90 % end by an explicit delete."""
    world, _ = run(4 * 3600, rate=1)
    share = sum(one.how == "deleted" for one in world.ended) / len(world.ended)
    assert share == pytest.approx(0.9, abs=0.02)
    lives = [one.ended_at - one.created_at for one in world.ended if one.how == "deleted"]
    assert statistics.mean(lives) == pytest.approx(240, rel=0.1)
    assert statistics.median(lives) < 0.75 * statistics.mean(lives)


def test_speed_scales_everything_alike():
    """At speed 60 one minute holds an hour of the same draws."""
    fast = run(60, rate=1, speed=60, initial=10)[1]
    slow = run(3600, rate=1, initial=10)[1]
    assert [one.what for one in fast] == [one.what for one in slow]
    assert fast[-1].at - NOON == pytest.approx((slow[-1].at - NOON) / 60, abs=1e-3)


def test_rate_zero_stands_still():
    """Nothing is ever due."""
    assert Churn(1, 0, 1, NOON).next_at == math.inf
    assert run(DAY, rate=0)[1] == []


def test_skipping_drops_arrivals_and_puts_deletions_off():
    """While upstream is away nobody arrives, and who wanted to delete does so afterwards."""
    world = World(1)
    churn = Churn(1, 0.5, 1, NOON)
    churn.populate(world, 120)
    churn.skip(NOON + 60)
    changes = churn.advance(world, NOON + 60)
    assert {one.what for one in changes} == {"destroyed"}
    assert {one.at for one in changes} == {NOON + 60}


def test_too_much_at_once_is_done_in_parts():
    """With a bound the rest stays due, and nothing is lost."""
    world = World(1)
    churn = Churn(1, 2, 1, NOON)
    parts = []
    while churn.next_at <= NOON + 300:
        parts += churn.advance(world, NOON + 300, at_most=7)
    assert parts == run(300, rate=2)[1]
