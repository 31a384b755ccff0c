"""The whole state in one word, and its age."""

import pytest

from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.snapshot import Link, SessionSnapshot
from tests.conftest import moment

UP, DOWN, OFF = Health.UP, Health.DOWN, Health.OFF


def snapshot(http, stream=None, *, active=5, is_stale=False):
    sources = [SourceState("http", "KATO", http, reason="why")]
    if stream is not None:
        sources.append(SourceState("stream", "Stream", stream))
    return SessionSnapshot(
        moment(10 if is_stale else 0),
        active,
        at=moment(0),
        stale_after_seconds=9,
        sources=tuple(sources),
    )


@pytest.mark.parametrize(
    ("state", "link"),
    [
        (SessionSnapshot(moment(0)), Link.STARTING),
        (snapshot(Health.STARTING, active=None), Link.STARTING),
        (snapshot(UP, UP), Link.LIVE),
        (snapshot(UP, DOWN), Link.POLLING),
        (snapshot(UP, OFF), Link.POLLING),
        (snapshot(UP), Link.POLLING),
        (snapshot(Health.DEGRADED, UP, is_stale=True), Link.STALE),
        (snapshot(DOWN, UP), Link.UNREACHABLE),
        (snapshot(DOWN, active=None), Link.UNREACHABLE),
    ],
)
def test_link_sums_up_the_sources(state, link):
    """What is wrong is worse than what is right."""
    assert state.link is link


def test_reason_is_the_counting_source_s():
    """Why the count cannot be read; nothing where nobody counts."""
    assert snapshot(DOWN).reason == "why"
    assert SessionSnapshot(moment(0)).reason == ""


def test_age_is_unknown_before_the_first_observation():
    """And never negative after it."""
    assert SessionSnapshot(moment(0)).age_seconds is None
    assert SessionSnapshot(moment(7), at=moment(3)).age_seconds == 4
    assert SessionSnapshot(moment(2), at=moment(3)).age_seconds == 0
