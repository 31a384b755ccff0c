"""How well a source sees."""

from kato_panel.domain.health import Health, SourceState
from tests.conftest import moment


def test_source_starts_without_an_age():
    """Nothing was observed yet: unknown, not zero."""
    state = SourceState("http", "KATO")
    assert (state.health, state.age_seconds(moment(5))) == (Health.STARTING, None)


def test_health_falls_with_failures_in_a_row_and_heals_with_one_success():
    """One or two failures degrade, the third is down."""
    state = SourceState("http", "KATO")
    seen = []
    for _ in range(4):
        state = state.fail("connection refused")
        seen.append(state.health)
    assert seen == [Health.DEGRADED, Health.DEGRADED, Health.DOWN, Health.DOWN]
    assert state.reason == "connection refused"
    state = state.succeed(moment(9))
    assert (state.health, state.failures, state.reason) == (Health.UP, 0, "")


def test_age_is_kept_through_failures_and_never_negative():
    """The newest good observation stays the newest, whatever the clock does."""
    state = SourceState("http", "KATO").succeed(moment(10)).fail("timeout")
    assert state.age_seconds(moment(14)) == 4
    assert state.age_seconds(moment(9)) == 0
