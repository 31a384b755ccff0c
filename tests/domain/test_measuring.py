"""The figures that rules are held against."""

import pytest

from kato_panel.domain.containers import ContainerFigures, ContainersSeen, ContainerState
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.measuring import (
    Evictions,
    measure_containers,
    measure_sessions,
    measure_usual,
    subjects_of,
    usual_of,
)
from kato_panel.domain.metrics import METRICS
from kato_panel.domain.recent import Rates
from kato_panel.domain.snapshot import SessionSnapshot
from tests.conftest import moment


def snapshot(age=1.0, **more):
    rates = Rates(300.0, created=50, ended=25, change=25)
    known = {"active": 7, "drift": 2, "at": moment(-age), "rates": rates, "stale_after_seconds": 9}
    return SessionSnapshot(moment(0), **{**known, **more})


def values(snapshot):
    return {(one.metric, one.subject): one.value for one in measure_sessions(snapshot)}


def test_figures_are_those_of_the_instant():
    """Each under the name of a metric."""
    found = values(snapshot())
    assert found == {
        ("sessions_active", ""): 7,
        ("sessions_drift", ""): 2,
        ("sessions_created_per_minute", ""): 10,
        ("sessions_ended_per_minute", ""): 5,
        ("sessions_age_seconds", ""): 1,
    }
    assert {name for name, _ in found} <= METRICS.keys()


@pytest.mark.parametrize("old", [snapshot(age=60), snapshot(suspect=3)])
def test_what_is_stale_or_doubted_is_not_known(old):
    """But for how long it has not been."""
    found = values(old)
    assert found.pop(("sessions_age_seconds", "")) is not None
    assert set(found.values()) == {None}


def test_nothing_is_known_at_first():
    """Unknown is not zero."""
    assert set(values(SessionSnapshot(moment(0))).values()) == {None}


def test_subjects_are_those_that_there_are():
    """Sources that are watched, and of a look at containers each, also the gone ones."""
    sources = tuple(SourceState(health.value, "x", health=health) for health in Health)
    watched = {health.value for health in Health} - {"off"}
    assert subjects_of(snapshot(sources=sources), None) == {"source_down": watched}
    gone = ContainerFigures("job", "b", moment(0), state=ContainerState.GONE)
    seen = ContainersSeen("docker", moment(0), (ContainerFigures("kato", "a", moment(0)), gone))
    there = subjects_of(snapshot(), seen)
    assert there.pop("source_down") == set()
    assert {*map(frozenset, there.values())} == {frozenset({"kato", "job"})}
    assert {one.metric for one in measure_containers(seen)} == there.keys()


def test_sources_that_run_are_down_or_not():
    """Those that are off, or have not begun, are neither."""
    sources = tuple(SourceState(health.value, "x", health=health) for health in Health)
    found = values(snapshot(sources=sources))
    down = {name: value for (metric, name), value in found.items() if metric == "source_down"}
    assert down == {"up": 0, "degraded": 0, "down": 1}


def test_source_of_figures_raises_nothing_by_itself():
    """It asks the same service as the count's source: one trouble is told once."""
    sources = tuple(SourceState(name, "x", health=Health.DOWN) for name in ("http", "figures"))
    found = values(snapshot(sources=sources))
    assert [name for metric, name in found if metric == "source_down"] == ["http"]


def test_stream_of_a_kato_that_is_away_is_not_known():
    """One trouble is told once; a stream that fails alone is told."""
    stream = SourceState("stream", "x", health=Health.DOWN)
    for failures, down in ((0, {"http": 0, "stream": 1}), (1, {"http": 0, "stream": None})):
        http = SourceState("http", "x", health=Health.UP, failures=failures)
        found = values(snapshot(sources=(http, stream)))
        told = {name: value for (metric, name), value in found.items() if metric == "source_down"}
        assert told == down


def test_age_is_not_known_while_its_source_is_down():
    """That it is down says more."""
    for health, age in ((Health.DOWN, None), (Health.DEGRADED, 60)):
        source = SourceState("http", "x", health=health)
        found = values(snapshot(age=60, sources=(source,)))
        assert found["sessions_age_seconds", ""] == age


def test_evictions_are_counted_over_the_last_minutes():
    """Per minute; a counter that fell, or is not known, begins anew."""
    evictions = Evictions()

    def after(seconds, count):
        evictions.observe(moment(seconds), count)
        return evictions.measured.value

    assert after(0, 100) is None
    assert after(0, 100) is None
    assert after(60, 160) == 60
    assert after(120, 160) == 30
    assert after(400, 160) == 0
    assert after(460, 0) is None
    assert after(520, 5) == 5
    assert after(530, None) is None
    assert after(540, 5) is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ContainerState.RUNNING, (31.5, 60.0, 2.0, 0.0)),
        (ContainerState.EXITED, (None, None, 2.0, 1.0)),
        (ContainerState.GONE, (None, None, 2.0, 1.0)),
        (ContainerState.UNKNOWN, (None, None, None, None)),
    ],
)
def test_container_is_measured_as_far_as_it_is_known(state, expected):
    """One that is gone does not run; of one that could not be read nothing is known."""
    known = {} if expected[0] is None else {"cpu_share_percent": 31.5, "memory_percent": 60.0}
    figures = ContainerFigures("kato", "1", moment(0), state=state, recent_restarts=2, **known)
    found = list(measure_containers(ContainersSeen("docker", moment(0), (figures,))))
    assert tuple(one.value for one in found) == expected
    assert {one.subject for one in found} == {"kato"}
    assert {one.metric for one in found} <= METRICS.keys()


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], (None, 0)),
        ([[10], [20], []], (None, 2)),
        ([[10], [20, 30, 1_000], [12], []], (12, 3)),
    ],
)
def test_usual_is_the_median_of_days(days, expected):
    """A day in which nobody looked is none, and few days are no habit."""
    assert usual_of(days) == expected


@pytest.mark.parametrize(
    ("active", "usual", "value"),
    [(30, 10.0, 3.0), (None, 10.0, None), (3, None, None), (3, 0, None)],
)
def test_count_is_held_against_what_is_usual(active, usual, value):
    """Of nothing there is no share."""
    measured = measure_usual(active, usual, 5)
    assert (measured.value, measured.samples) == (value, 5)
