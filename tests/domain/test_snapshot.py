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


def keyed(redis, stream=OFF, *, active=5, has_key_events=True, at=0):
    return SessionSnapshot(
        moment(at),
        active,
        at=None if active is None else moment(0),
        stale_after_seconds=9,
        counted_by="redis",
        has_key_events=has_key_events,
        sources=(
            SourceState("redis", "Redis", redis, reason="no answer"),
            SourceState("http", "KATO", UP),
            SourceState("stream", "Stream", stream),
        ),
    )


@pytest.mark.parametrize(
    ("state", "link"),
    [
        (keyed(Health.STARTING, active=None), Link.STARTING),
        (keyed(UP), Link.LIVE),
        (keyed(UP, UP, has_key_events=False), Link.LIVE),
        (keyed(UP, DOWN, has_key_events=False), Link.POLLING),
        (keyed(Health.DEGRADED), Link.LIVE),
        (keyed(UP, at=10), Link.STALE),
        (keyed(DOWN), Link.STALE),
        (keyed(DOWN, active=None), Link.STALE),
    ],
)
def test_link_of_counted_keys_is_that_of_redis(state, link):
    """KATO's own answers do not make it live, nor does a Redis that is away make KATO so."""
    assert state.link is link


def test_count_of_keys_that_cannot_be_read_is_stale_at_once():
    """Whatever its age; and unknown is not stale."""
    assert keyed(DOWN).is_stale
    assert not keyed(UP).is_stale
    assert not keyed(DOWN, active=None).is_stale
    assert keyed(DOWN).reason == "no answer"


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


def test_state_that_nobody_told_anew_becomes_stale():
    """As time goes by, whatever it was when it was made."""
    state = SessionSnapshot(moment(0), 7, at=moment(0), stale_after_seconds=9)
    assert not state.is_stale_at(moment(9))
    assert state.is_stale_at(moment(9.1))
