"""Containers beside the sessions, over real sockets: what their failure costs the others."""

import asyncio
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

from kato_panel.config import load
from kato_panel.domain.health import Health
from kato_panel.domain.snapshot import Link
from kato_panel.runtime import Runtime
from kato_panel.simulator import EmbeddedSimulator
from tests.fake_engine import FakeContainer, FakeEngine, hang, late
from tests.following import Caller
from tests.test_watching import watching

WAIT_SECONDS = 10


@contextmanager
def engine_on_a_thread():
    """A scripted engine that is not on the loop that asks it."""
    started, ended = threading.Event(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="fake-") as folder:
        engine = FakeEngine(Path(folder) / "docker.sock", time.time)
        engine.containers = {"a1": FakeContainer("kato")}

        async def run():
            await engine.start()
            started.set()
            await asyncio.to_thread(ended.wait)
            await engine.stop()

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        assert started.wait(WAIT_SECONDS)
        try:
            yield engine
        finally:
            ended.set()
            thread.join()


def state_of(seen):
    return next(one for one in seen.snapshot.sources if one.name == "docker")


def test_slow_engine_is_slow_for_nobody_else(monkeypatch):
    """Each of its calls takes 5 s: events come as fast as ever, and the link stays live."""
    with (
        engine_on_a_thread() as engine,
        EmbeddedSimulator(rate=0, initial=5) as simulator,
        engine.odd("/", late(5, hang)),
    ):
        monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.path}")
        with watching(simulator.url) as (runtime, reader):
            reader.until(lambda seen: state_of(seen).failures > 0, timeout_seconds=WAIT_SECONDS)
            caller = Caller(simulator.url)
            waits = []
            for count in range(6, 11):
                began = time.monotonic()
                caller.create()
                reader.until(lambda seen, count=count: seen.active == count)
                waits.append(time.monotonic() - began)
            assert sorted(waits)[2] < 0.5
            assert reader.snapshot.link is Link.LIVE
            assert state_of(reader).reason == "no answer within 2 s"
            assert runtime.tally.tallied.lag_seconds < 0.5
            assert runtime.hub.surroundings is None or runtime.hub.surroundings.containers is None


def test_no_engine_is_no_failure(monkeypatch, tmp_path, caplog):
    """Where nobody said that there is one: a calm row, and one line of the log."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("kato_panel.sources.engine_calls.USUAL_HOST", f"unix://{tmp_path}/none")
    caplog.set_level("INFO", "kato_panel")
    with (
        EmbeddedSimulator(rate=0, initial=5) as simulator,
        watching(simulator.url) as (_, reader),
    ):
        reader.until(lambda seen: state_of(seen).health is Health.OFF, timeout_seconds=WAIT_SECONDS)
        assert state_of(reader).reason == "no container engine here"
        assert state_of(reader).failures == 0
    lines = [one for one in caplog.records if "docker" in one.getMessage()]
    assert [(one.levelname, one.getMessage()) for one in lines] == [
        ("INFO", "source docker is off: no container engine here")
    ]


def test_engine_that_was_asked_for_and_is_not_there_is_a_failure(monkeypatch, tmp_path):
    """Somebody wants to know."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("kato_panel.sources.engine_calls.USUAL_HOST", f"unix://{tmp_path}/none")
    with (
        EmbeddedSimulator(rate=0, initial=5) as simulator,
        watching(simulator.url, KATO_PANEL_CONTAINERS="mine") as (_, reader),
    ):
        reader.until(lambda seen: state_of(seen).failures > 0, timeout_seconds=WAIT_SECONDS)
        assert state_of(reader).reason.startswith(f"there is no socket {tmp_path}/none")


def test_demo_has_an_engine_of_its_own(monkeypatch):
    """The one of this machine is not touched."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    runtime = Runtime(load({}))
    runtime.start()
    told = threading.Event()
    subscription, before = runtime.hub.subscribe(told.set)
    seen = before.surroundings
    try:
        while seen is None or seen.containers is None:
            assert told.wait(WAIT_SECONDS)
            told.clear()
            seen = subscription.take().surroundings or seen
    finally:
        subscription.close()
        runtime.stop()
    assert [one.name for one in seen.containers.containers][:2] == ["kato", "kato-clickhouse"]
    assert [one.name for one in seen.trends] == [one.name for one in seen.containers.containers]


def test_flag_off_leaves_no_thread_and_no_socket(monkeypatch):
    """Neither for the source, nor for an engine to be looked at."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    me = psutil.Process()

    def listening():
        return {one.laddr.port for one in me.net_connections() if one.status == "LISTEN"}

    counts = {}
    for flag in ("true", "false"):
        before = listening()
        runtime = Runtime(load({"WEBSOCKET_CONTAINER_STATS": flag}))
        runtime.start()
        counts[flag] = len(listening() - before)
        sources = {source.name for source in runtime.watcher._sources}
        assert ("docker" in sources) is (flag == "true")
        runtime.stop()
    assert (counts["true"], counts["false"]) == (2, 1)
