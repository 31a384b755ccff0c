"""What two looks at a container come to."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_panel.domain.container_readings import ContainerReading, Counters
from kato_panel.domain.containers import ContainerHealth, ContainerState, Of
from kato_panel.domain.roster import MAX_GONE, RECENT_SECONDS, Roster
from tests.conftest import NOON, moment

RATES = ("rx_rate", "tx_rate", "read_rate", "written_rate", "cpu_percent", "cpu_share_percent")


def counters(seconds=0.0, **known):
    usual = {
        "cpu_seconds": 10.0 + 0.5 * seconds,
        "cpus": 4,
        "memory_bytes": 250,
        "memory_limit_bytes": 1_000,
        "rx_bytes": 100 + int(100 * seconds),
        "tx_bytes": 200 + int(200 * seconds),
        "read_bytes": 300 + int(300 * seconds),
        "written_bytes": 400,
    }
    return Counters(NOON.timestamp() + seconds, **(usual | known))


def reading(seconds=0.0, **known):
    usual = {
        "container_id": "a1",
        "name": "kato",
        "state": ContainerState.RUNNING,
        "started": NOON,
        "restarts": 0,
        "has_memory_limit": True,
        "counters": counters(seconds),
    }
    return ContainerReading(moment(seconds), **(usual | known))


@pytest.fixture
def roster():
    return Roster("docker")


def look(roster, seconds, *readings):
    return roster.look(moment(seconds), readings).containers


def after(roster, first, second):
    look(roster, 0, first)
    (figures,) = look(roster, second.at.tick - 1_000, second)
    return figures


def test_rates_are_differences_of_our_own_looks(roster):
    """Half a second of processor time a second is 50 % of one of them, 12.5 % of four."""
    figures = after(roster, reading(0), reading(3))
    assert figures.cpu_percent == pytest.approx(50)
    assert figures.cpu_share_percent == pytest.approx(12.5)
    assert (figures.cpu_of, figures.cpus) == (Of.HOST, 4)
    assert (figures.rx_rate, figures.tx_rate) == (100, 200)
    assert (figures.read_rate, figures.written_rate) == (300, 0)
    assert (figures.memory_bytes, figures.memory_percent) == (250, 25)
    assert figures.memory_of is Of.LIMIT


def test_first_look_knows_no_rate(roster):
    """It knows what was counted, and what that is of."""
    (figures,) = look(roster, 0, reading(0))
    assert [getattr(figures, name) for name in RATES] == [None] * 6
    assert (figures.rx_bytes, figures.memory_bytes, figures.cpus) == (100, 250, 4)


@pytest.mark.parametrize(
    ("limit", "cpus", "expected"),
    [
        (0.5, 4, (100.0, Of.LIMIT, 0.5)),
        (4.0, 4, (12.5, Of.HOST, 4)),
        (None, 1, (50.0, Of.HOST, 1)),
        (2.0, None, (25.0, Of.LIMIT, 2.0)),
        (None, None, (None, None, None)),
        (None, 0, (None, None, None)),
    ],
)
def test_share_says_what_it_is_of(roster, limit, cpus, expected):
    """Of the limit where that is less than the host, else of the host; else of nothing."""
    first, second = (
        reading(at, cpu_limit=limit, counters=counters(at, cpus=cpus)) for at in (0, 3)
    )
    figures = after(roster, first, second)
    assert figures.cpu_percent == pytest.approx(50)
    percent = figures.cpu_share_percent
    told = (None if percent is None else round(percent, 6), figures.cpu_of, figures.cpus)
    assert told == expected


def test_memory_without_a_limit_is_of_the_host(roster):
    """Or of nobody knows what."""
    (figures,) = look(roster, 0, reading(has_memory_limit=False))
    assert figures.memory_of is Of.HOST
    (figures,) = look(roster, 1, reading(1, has_memory_limit=None))
    assert figures.memory_of is None
    (figures,) = look(roster, 2, reading(2, counters=counters(2, memory_limit_bytes=None)))
    assert (figures.memory_of, figures.memory_percent) == (None, None)


@pytest.mark.parametrize("field", ["cpu_seconds", "rx_bytes", "tx_bytes", "read_bytes"])
def test_counter_that_fell_gives_no_rate(roster, field):
    """It began anew; the others still count."""
    second = reading(3, counters=replace(counters(3), **{field: 0}))
    figures = after(roster, reading(0), second)
    name = {"cpu_seconds": "cpu_percent"}.get(field, field.replace("_bytes", "_rate"))
    assert getattr(figures, name) is None
    assert figures.written_rate == 0


def test_rates_do_not_reach_across_a_restart(roster):
    """Though the counters be higher than before by then."""
    figures = after(roster, reading(0), reading(3, started=NOON + timedelta(seconds=1)))
    assert [getattr(figures, name) for name in RATES] == [None] * 6
    (figures,) = look(roster, 6, reading(6, started=NOON + timedelta(seconds=1)))
    assert figures.rx_rate == 100


@pytest.mark.parametrize(
    ("engine_seconds", "rate"),
    [(3, 100), (0, None), (0.4, None), (-3_600, None), (3_603, None), (5, 60), (None, None)],
)
def test_clock_that_was_set_gives_no_rate(roster, engine_seconds, rate):
    """The engine's and ours have to agree about the time between, but for an answer's way."""
    at = None if engine_seconds is None else NOON.timestamp() + engine_seconds
    second = reading(3, counters=replace(counters(3), read_seconds=at))
    figures = after(roster, reading(0), second)
    assert figures.rx_rate == (None if rate is None else pytest.approx(rate))


def test_unknown_moment_of_the_look_before_gives_no_rate(roster):
    """Half of it is not enough."""
    first = reading(0, counters=replace(counters(0), read_seconds=None))
    assert after(roster, first, reading(3)).rx_rate is None


def test_looks_near_to_one_another_compare_with_an_older_one(roster):
    """An event prompts a look; its rates are still those of a second or more."""
    look(roster, 0, reading(0))
    for seconds in (3.0, 3.2, 3.4):
        (figures,) = look(roster, seconds, reading(seconds))
        assert figures.rx_rate == pytest.approx(100, abs=1)
    strange = reading(3.5, counters=counters(3.5, rx_bytes=100 + 1_100))
    (figures,) = look(roster, 3.5, strange)
    assert figures.rx_rate == pytest.approx(1_100 / 3.5)


def test_failed_look_is_bridged(roster):
    """The next good one compares with the last good one."""
    look(roster, 0, reading(0))
    failed = reading(3, counters=None, started=None, restarts=None, trouble="no answer")
    (figures,) = look(roster, 3, failed)
    assert (figures.trouble, figures.rx_rate, figures.memory_bytes) == ("no answer", None, None)
    assert (figures.started, figures.restarts) == (NOON, 0)
    (figures,) = look(roster, 6, reading(6))
    assert (figures.rx_rate, figures.recent_restarts) == (100, 0)


def test_known_count_of_restarts_stands_in_a_failed_look(roster):
    """Where only the start is missing."""
    look(roster, 0, reading(0))
    (figures,) = look(roster, 3, reading(3, started=None, restarts=2))
    assert (figures.started, figures.restarts) == (NOON, 2)


def test_restarts_are_recent_for_ten_minutes(roster):
    """One by hand, and three by the engine's policy between two looks."""
    look(roster, 0, reading(0))
    later = NOON + timedelta(seconds=2)
    (figures,) = look(roster, 3, reading(3, started=later))
    assert figures.recent_restarts == 1
    (figures,) = look(roster, 100, reading(100, started=later + timedelta(seconds=60), restarts=3))
    assert (figures.recent_restarts, figures.restarts) == (4, 3)
    latest = reading(RECENT_SECONDS + 3, started=later + timedelta(seconds=60), restarts=3)
    (figures,) = look(roster, RECENT_SECONDS + 3, latest)
    assert figures.recent_restarts == 3


def test_first_start_is_no_restart(roster):
    """Of a container that was only created before."""
    look(roster, 0, reading(0, state=ContainerState.CREATED, started=None, counters=None))
    (figures,) = look(roster, 3, reading(3))
    assert figures.recent_restarts == 0


def test_vanished_container_stays_as_gone(roster):
    """With what is known of it, since when it is missed, and without figures."""
    look(roster, 0, reading(0, image="kato:1", health=ContainerHealth.HEALTHY))
    (figures,) = look(roster, 3)
    assert (figures.name, figures.image, figures.state) == ("kato", "kato:1", ContainerState.GONE)
    assert figures.gone_since == moment(3)
    assert (figures.health, figures.memory_bytes, figures.cpu_percent) == (None, None, None)
    assert not figures.is_running
    assert not roster.knows("a1")
    (figures,) = look(roster, 6)
    assert figures.gone_since == moment(3)


def test_container_made_anew_takes_the_place_of_the_gone_one(roster):
    """As compose does it: the name is the same, the id is not, and no counter carries over."""
    look(roster, 0, reading(0))
    (figures,) = look(roster, 3, reading(3, container_id="b2"))
    assert (figures.container_id, figures.gone_since, figures.rx_rate) == ("b2", None, None)


def test_container_that_comes_back_is_not_gone(roster):
    """A list that lacked it once told no truth."""
    look(roster, 0, reading(0))
    look(roster, 3)
    (figures,) = look(roster, 6, reading(6, name="kato-2"))
    assert (figures.name, figures.gone_since) == ("kato-2", None)


def test_renamed_container_goes_on(roster):
    """It is known by its id."""
    figures = after(roster, reading(0), reading(3, name="other"))
    assert (figures.name, figures.rx_rate) == ("other", 100)


def test_only_so_many_gone_ones_are_kept(roster):
    """The newest."""
    many = [reading(0, container_id=f"{n}", name=f"job-{n:03}") for n in range(MAX_GONE + 9)]
    look(roster, 0, *many)
    names = [figures.name for figures in look(roster, 3)]
    assert names == [f"job-{n:03}" for n in range(9, MAX_GONE + 9)]


def test_oom_kills_are_counted_while_events_are_followed(roster):
    """Before that they are not known; of strangers none is counted."""
    (figures,) = look(roster, 0, reading(0))
    assert figures.oom_kills is None
    roster.begin_events()
    roster.note_oom_kill("stranger")
    roster.note_oom_kill("a1")
    (figures,) = look(roster, 3, reading(3))
    assert figures.oom_kills == 1
    assert roster.knows("a1")


def test_containers_are_told_by_name(roster):
    """Whatever order the engine has, and with what is to be said of the look."""
    seen = roster.look(
        moment(0), [reading(name="b", container_id="1"), reading(name="a", container_id="2")], "!"
    )
    assert [one.name for one in seen.containers] == ["a", "b"]
    assert (seen.source, seen.remark, seen.totals.count) == ("docker", "!", 2)


NUMBERS = st.one_of(st.none(), st.integers(0, 1 << 62))
COUNTERS = st.builds(
    Counters,
    read_seconds=st.one_of(st.none(), st.floats(1, 1e10)),
    cpu_seconds=st.one_of(st.none(), st.floats(0, 1e10)),
    cpus=st.one_of(st.none(), st.integers(0, 512)),
    **dict.fromkeys(
        (
            "memory_bytes",
            "memory_limit_bytes",
            "rx_bytes",
            "tx_bytes",
            "read_bytes",
            "written_bytes",
        ),
        NUMBERS,
    ),
)


@given(st.lists(st.tuples(st.floats(0, 10), COUNTERS, st.booleans()), max_size=6))
def test_no_figure_is_ever_negative_or_infinite(looks):
    """Whatever an engine counts, at whatever times."""
    roster, seconds = Roster("docker"), 0.0
    for wait, counted, has_limit in looks:
        seconds += wait
        one = reading(seconds, counters=counted, cpu_limit=0.5 if has_limit else None)
        (figures,) = look(roster, seconds, one)
        for name in (*RATES, "memory_percent"):
            value = getattr(figures, name)
            assert value is None or (value >= 0 and math.isfinite(value))
