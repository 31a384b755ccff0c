"""The engine's events, as Docker's reference has them and as Podman says them."""

from datetime import UTC, datetime

import pytest

from kato_panel.domain.containers import ContainerChange, ContainerHealth
from kato_panel.sources import engine_events
from tests.conftest import moment
from tests.sources.engine_records import EVENTS


def told(action="die", **attributes):
    actor = {"ID": "a1", "Attributes": {"name": "kato"} | attributes}
    return {"Type": "container", "Action": action, "Actor": actor}


def read(answer):
    return engine_events.event("docker", answer, moment(0))


def test_dockers_events_are_read():
    """Killed for want of memory, started again, ill, renamed, removed."""
    events = [read(answer) for answer in EVENTS]
    changes = [(event.changed.change, event.changed.name) for event in events]
    assert changes == [
        (ContainerChange.OOM_KILLED, "kato"),
        (ContainerChange.DIED, "kato"),
        (ContainerChange.STARTED, "kato"),
        (ContainerChange.HEALTH_TOLD, "kato"),
        (ContainerChange.RENAMED, "kato-old"),
        (ContainerChange.REMOVED, "kato-old"),
    ]
    assert [event.changed.exit_code for event in events] == [None, 137, None, None, None, None]
    assert events[3].changed.health is ContainerHealth.UNHEALTHY
    first = events[0]
    assert first.since == "1795348803.123456789"
    assert first.changed.happened == datetime(2026, 11, 22, 12, 0, 3, 123457, UTC)
    assert first.labels["com.docker.compose.project"] == "kato"
    assert (first.changed.source, first.changed.at) == ("docker", moment(0))


def test_podmans_words_mean_the_same():
    """Its removal has another name."""
    assert read(told("remove")).changed.change is ContainerChange.REMOVED
    assert read(told("died")).changed.change is ContainerChange.DIED


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        told("exec_create: sh"),
        told("kill"),
        told(3),
        told() | {"Type": "network"},
        told() | {"Type": 3},
        told() | {"Actor": None},
        told(name=""),
        told(name=7),
        told() | {"Actor": {"ID": 3, "Attributes": {"name": "kato"}}},
        told() | {"Actor": {"ID": "", "Attributes": {"name": "kato"}}},
    ],
)
def test_what_tells_nothing_is_left_out(answer):
    """Whatever else an engine says."""
    assert read(answer) is None


def test_old_shape_is_read_too():
    """Where the words stand beside, and no time is told."""
    answer = {"status": "start", "id": "a1", "Actor": {"Attributes": {"name": "/kato"}}}
    event = read(answer)
    assert (event.changed.change, event.changed.name) == (ContainerChange.STARTED, "kato")
    assert (event.changed.container_id, event.changed.happened, event.since) == ("a1", None, "")


@pytest.mark.parametrize("code", ["", "-1", "1e3", "99999", "٣", 5])
def test_odd_exit_code_is_none(code):
    """It is a number of up to three digits."""
    assert read(told(exitCode=code)).changed.exit_code is None


def test_health_is_read_from_podmans_attribute():
    """There the word has no detail."""
    event = read(told("health_status", health_status="healthy"))
    assert event.changed.health is ContainerHealth.HEALTHY
