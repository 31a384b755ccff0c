"""The figures that rules are held against."""

import pytest

from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.measuring import Evictions, measure_sessions
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
