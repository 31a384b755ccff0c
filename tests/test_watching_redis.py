"""The whole trip below the page with KATO's Redis beside KATO itself."""

import logging

import pytest

from kato_panel.config import load
from kato_panel.domain.health import Health
from kato_panel.domain.snapshot import Link
from kato_panel.runtime import Runtime
from kato_panel.simulator import EmbeddedSimulator
from tests.following import Reader
from tests.sources.redis_rig import RedisRig, Writer
from tests.test_watching import has_figures


@pytest.fixture
def rig(tmp_path):
    rig = RedisRig(tmp_path)
    yield rig
    rig.kill()


def test_keys_are_counted_and_kato_s_number_stands_beside_them(rig, caplog):
    """The stream is not opened, and no password reaches a log."""
    writer = Writer(rig)
    writer.redis.execute_command("ACL", "SETUSER", "panel", "on", ">hunter2", "~*", "&*", "+@all")
    url = f"redis://panel:hunter2@127.0.0.1:{rig.port}/0"
    with EmbeddedSimulator(rate=0, initial=7) as simulator, caplog.at_level(logging.DEBUG):
        flags = {"WEBSOCKET_CONTAINER_STATS": "false"}
        runtime = Runtime(load({"KATO_API_URL": simulator.url, "REDIS_URL": url, **flags}))
        runtime.start()
        reader = Reader(runtime.hub)
        try:
            reader.until(lambda _: has_figures(runtime))
            reader.until(lambda seen: seen.snapshot and seen.snapshot.reported == 7)
            reader.until(lambda seen: seen.active == 0)
            writer.create("node-w")
            reader.until(lambda seen: seen.active == 1, timeout_seconds=10)
            assert reader.link is Link.LIVE
            states = {state.name: state.health for state in reader.snapshot.sources}
            assert states == {
                "redis": Health.UP,
                "http": Health.UP,
                "stream": Health.OFF,
                "figures": Health.UP,
                "history": Health.UP,
            }
            reader.until(lambda _: runtime.hub.surroundings.figures.redis is not None)
            assert runtime.hub.surroundings.figures.redis.memory_bytes > 0
        finally:
            runtime.stop()
            writer.close()
    assert "hunter2" not in caplog.text


def test_demo_asks_no_redis(caplog):
    """It is the simulator that is watched, whatever else is set."""
    flags = {"WEBSOCKET_CONTAINER_STATS": "false"}
    runtime = Runtime(load({"REDIS_URL": "redis://127.0.0.1:1/0", **flags}))
    runtime.start()
    reader = Reader(runtime.hub)
    try:
        reader.until(lambda seen: seen.active)
        names = {state.name for state in reader.snapshot.sources}
        assert names == {"http", "stream", "figures", "history"}
    finally:
        runtime.stop()
    assert "REDIS_URL is set, but the demo is watched" in caplog.text
