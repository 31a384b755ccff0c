"""What programs are told of containers: the route, the part of ``/ws``, and Prometheus."""

import json

from kato_panel import wire
from kato_panel.domain.containers import (
    ContainerFigures,
    ContainersSeen,
    ContainerState,
    Of,
    total,
)
from kato_panel.domain.events import Moment
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.hub import Hub
from kato_panel.watcher import now
from tests.asking import asking, still_runtime
from tests.feed_rig import serving
from tests.server.test_metrics import parsed


def figures(name="kato", **values):
    given = {"state": ContainerState.RUNNING, "cpu_percent": 50.0, "memory_bytes": 1 << 20}
    return ContainerFigures(name, f"id-{name}", now(), **{**given, **values})


def surroundings(*containers, at=None):
    return Surroundings(ContainersSeen("docker", at or now(), containers, total(containers)))


def publish(hub, *containers, at=None):
    hub.publish(None, (), None, surroundings(*containers, at=at))


async def test_route_tells_what_was_seen():
    """Figures that are known, and null for the others."""
    hub = Hub()
    publish(
        hub,
        figures(cpu_of=Of.LIMIT, cpus=2.0, cpu_share_percent=25.0),
        figures("kato-redis", memory_bytes=None),
    )
    async with asking(still_runtime(hub=hub)) as client:
        told = (await client.get("/api/v1/containers")).json()
    kato, redis = told["containers"]
    assert (kato["cpu"], kato["cpu_share_percent"], kato["cpu_of"]) == (50.0, 25.0, "limit")
    assert (kato["memory"]["usage_bytes"], kato["memory"]["usage_mb"]) == (1 << 20, 1.0)
    assert redis["memory"]["usage_bytes"] is redis["network"]["rx_mb"] is None
    assert told["aggregated"]["container_count"] == 2
    assert told["aggregated"]["total_cpu_percent"] == 100.0
    assert told["aggregated"]["total_memory_mb"] is None
    assert not told["stale"]


async def test_look_that_failed_leaves_what_was_known_with_its_age():
    """And says why."""
    hub, at = Hub(), now()
    publish(hub, figures(), at=Moment(at.wall, at.tick - 60))
    down = SourceState("docker", "Containers", Health.DOWN, None, 3, "no answer within 2 s")
    hub.publish(SessionSnapshot(at, sources=(down,)), ())
    async with asking(still_runtime(hub=hub)) as client:
        told = (await client.get("/api/v1/containers")).json()
        samples = parsed((await client.get("/metrics")).text)
    assert (told["stale"], told["reason"]) == (True, "no answer within 2 s")
    assert 55 < told["age_seconds"] < 65
    assert told["containers"][0]["cpu"] == 50.0
    assert not [key for key in samples if key[0].startswith("container_")]


async def test_service_that_sees_its_containers_alone_is_not_ready():
    """It is there for sessions."""
    hub = Hub()
    up = SourceState("docker", "Containers", Health.UP, now())
    hub.publish(SessionSnapshot(now(), sources=(up,)), ())
    async with asking(still_runtime(hub=hub, trouble=None)) as client:
        assert (await client.get("/readyz")).status_code == 503


async def test_prometheus_reads_at_most_32_names():
    """Those that are there first; a hostile name breaks nothing."""
    hub = Hub()
    hostile = 'a"} 1\nkato_panel_evil{x="'
    gone = figures("a-gone", state=ContainerState.GONE, cpu_percent=None, gone_since=now())
    there = [figures(f"c{number:02}") for number in range(31)]
    publish(hub, gone, figures(hostile, oom_kills=2), *there)
    async with asking(still_runtime(hub=hub)) as client:
        samples = parsed((await client.get("/metrics")).text)
    assert samples["container_cpu_percent", hostile] == 50
    assert samples["container_oom_kills_total", hostile] == 2
    assert samples["container_running", "c00"] == 1
    assert len([key for key in samples if key[0] == "container_running"]) == 32
    assert ("container_running", "a-gone") not in samples
    assert ("container_oom_kills_total", "c00") not in samples


async def test_flag_off_leaves_no_route_part_or_figure():
    """All else answers."""
    async with serving(WEBSOCKET_CONTAINER_STATS="false") as rig, rig.client() as peer:
        publish(rig.hub, figures())
        connected, update = await peer.greeted()
        assert connected["data"]["feature_flags"]["websocket_container_stats"] is False
        assert "containers" not in update["data"]
        async with asking(rig.runtime) as client:
            assert (await client.get("/api/v1/containers")).status_code == 404
            assert "container_" not in (await client.get("/metrics")).text
            assert (await client.get("/api/v1/sessions/count")).status_code == 200


async def test_clients_get_the_parts_that_they_wanted(monkeypatch):
    """Under one number, in one form; a typed client reads it."""
    monkeypatch.setattr("kato_panel.server.feed.UPDATE_SECONDS", 0.05)
    async with serving() as rig, rig.client() as one, rig.client() as other:
        publish(rig.hub, figures())
        for peer, topic in ((one, "containers"), (other, "sessions")):
            await peer.greeted()
            await peer.send({"type": "subscribe", "subscriptions": [topic]})
            await peer.until("subscribed")
        told, counted = await one.until("realtime_update"), await other.until("realtime_update")
        while told["seq"] < counted["seq"]:
            told = await one.until("realtime_update")
        while counted["seq"] < told["seq"]:
            counted = await other.until("realtime_update")
    assert told["seq"] == counted["seq"]
    assert told["data"].keys() == {"containers"}
    assert counted["data"].keys() == {"sessions"}
    typed = wire.read_message(json.dumps(told))
    assert typed.data.containers.containers[0].status is ContainerState.RUNNING
    assert typed.data.sessions is None
