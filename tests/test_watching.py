"""The whole trip below the page, over real sockets: simulator, sources, detection, hub."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from time import monotonic

import httpx
import psutil
import pytest

from kato_panel import runtime as runtimes
from kato_panel.config import load
from kato_panel.domain.health import Health
from kato_panel.domain.snapshot import Link
from kato_panel.domain.upstream_figures import INTERVAL_SECONDS
from kato_panel.runtime import Runtime
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.sources.kato_metrics import MetricsSource
from tests.conftest import Size
from tests.following import Caller, Reader
from tests.history.making import wait_until
from tests.ports import free_port


@contextmanager
def watching(url, **settings):
    """A runtime that watches this upstream, and a reader of it that has its baseline."""
    runtime = Runtime(load({"KATO_API_URL": url, **settings}))
    runtime.start()
    reader = Reader(runtime.hub)
    try:
        reader.until(lambda seen: seen.active is not None)
        yield runtime, reader
    finally:
        reader.close()
        runtime.stop()


def has_figures(runtime):
    """Whether ``/metrics`` was read."""
    surroundings = runtime.hub.surroundings
    return surroundings is not None and surroundings.figures.metrics is not None


def is_settled(reader, caller):
    """Whether a poll after the last change agrees with upstream."""
    return reader.active == caller.health_count() == reader.snapshot.reported


@pytest.mark.parametrize("workers", [1, 4])
def test_bursts_are_counted_exactly(workers, size: Size):
    """200 creates and 100 deletes: count, deltas and names are right, whatever the stream sees."""
    with EmbeddedSimulator(rate=0, initial=50, workers=workers) as simulator:
        caller = Caller(simulator.url)
        with watching(simulator.url) as (_, reader):
            start = reader.active
            reader.until(lambda seen: seen.link is Link.LIVE)
            with ThreadPoolExecutor(10) as pool:
                for _ in range(2):
                    ids = list(pool.map(lambda _: caller.create(), range(100)))
                    list(pool.map(caller.delete, ids[:50]))
            reader.until(lambda seen: is_settled(seen, caller), timeout_seconds=6)
            assert reader.active == start + 100
            assert reader.signed_sum == 100
            assert reader.is_chained(start)
            names = reader.names()
            truth = simulator.truth()
            ended = [("session_destroyed", gone["session_id"]) for gone in truth["ended"]]
            lives = [*truth["live"], *truth["ended"]]
            begun = [("session_created", life["session_id"]) for life in lives]
            assert len(names) == len(set(names))
            # No phantom: not even one that another cancels out.
            deltas = [event.signed_delta for event in reader.events.values()]
            came, went = sum(d for d in deltas if d > 0), -sum(d for d in deltas if d < 0)
            assert came <= 200
            assert went <= 100
            if workers == 1:  # with more, a create and a delete between two polls cancel out
                assert (came, went) == (200, 100)
            assert set(names) <= {*begun, *ended}
            reader.until(lambda _: caller.cached_count() == start + 100, timeout_seconds=6)
    size.record(
        f"bursts with {workers} workers: error of the count after 6 s",
        seed="1",
        n=300,
        result=f"0; {len(names)} of 300 changes told with their names",
    )


class Process:
    """A simulator in a process of its own, to be killed."""

    def __init__(self, port, *options):
        command = [sys.executable, "-m", "kato_panel.simulator", "--port", str(port), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().rsplit(" ", 1)[-1].strip()

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[-1])

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def test_restarts_with_state_are_no_events(tmp_path, size: Size):
    """Killed and back again: nothing but what really happened meanwhile, marked with the gap."""
    restarts, longest_seconds = size.n(1, 10), size.n(6, 60)
    options = ("--rate", "0", "--state", str(tmp_path / "state"))
    simulator = Process(free_port(), *options)
    caller = Caller(simulator.url)
    for _ in range(30):
        caller.create()
    waiting = threading.Event()
    try:
        with watching(simulator.url) as (_, reader):
            for number in range(restarts):
                reader.until(lambda seen: seen.link is Link.LIVE, timeout_seconds=35)
                before, told = reader.active, len(reader.events)
                simulator.kill()
                waiting.wait(5 + (longest_seconds - 5) * number / max(1, restarts - 1))
                assert reader.active == before
                reader.read()
                assert len(reader.events) == told
                simulator = Process(simulator.port, *options)
                # Somebody is faster than our next poll: that did happen while we were blind.
                caller.create("while-blind")
                wanted = before + 1
                reader.until(lambda seen, n=wanted: seen.active == n, timeout_seconds=15)
                (event,) = [reader.events[seq] for seq in sorted(reader.events)][told:]
                assert event.delta == 1
                assert event.source == "stream" or event.after_gap_seconds is not None
            reader.until(lambda seen: seen.link is Link.LIVE, timeout_seconds=35)
            assert reader.is_chained(30)
    finally:
        simulator.kill()
    size.record(
        f"restarts with state, 5 to {longest_seconds} s away",
        seed="1",
        n=restarts,
        result="0 phantom events; count right in 15 s, stream in 35 s",
    )


def test_restart_without_state_is_exactly_one_event():
    """All sessions are gone: told once, after the next poll agreed, marked with the gap."""
    simulator = Process(free_port(), "--rate", "0", "--initial", "40")
    try:
        with watching(simulator.url, KATO_PANEL_POLL_INTERVAL_SECONDS=0.5) as (_, reader):
            assert reader.active == 40
            simulator.kill()
            reader.until(lambda seen: seen.link is Link.UNREACHABLE)
            assert reader.active == 40
            simulator = Process(simulator.port, "--rate", "0")
            reader.until(lambda seen: seen.active == 0, timeout_seconds=15)
            (event,) = reader.events.values()
            assert (event.kind.value, event.delta) == ("session_destroyed", 40)
            assert event.after_gap_seconds > 0.5
    finally:
        simulator.kill()


def test_upstream_that_is_away_at_the_start_is_unknown_and_then_known():
    """Never 0 in between."""
    seen = []
    simulator = Process(free_port(), "--rate", "0", "--initial", "7")
    simulator.kill()
    flags = {"KATO_API_URL": simulator.url, "KATO_PANEL_POLL_INTERVAL_SECONDS": 0.5}
    runtime = Runtime(load(flags))
    runtime.start()
    reader = Reader(runtime.hub)
    try:
        reader.until(lambda seen: seen.link is Link.UNREACHABLE)
        assert reader.active is None
        simulator = Process(simulator.port, "--rate", "0", "--initial", "7")
        reader.until(lambda now: seen.append(now.active) or now.active, timeout_seconds=15)
        assert set(seen) == {None, 7}
        assert reader.events == {}
    finally:
        reader.close()
        runtime.stop()
        simulator.kill()


def open_sockets():
    return [c for c in psutil.Process().net_connections("tcp") if c.status == "ESTABLISHED"]


@pytest.mark.parametrize("has_events", [True, False])
def test_switched_off_events_leave_no_stream(has_events):
    """No connection to ``/ws/events``, no thread, no event; the count is right by poll."""
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        caller = Caller(simulator.url)
        threads, sockets = threading.active_count(), len(open_sockets())
        flags = {
            "WEBSOCKET_SESSION_EVENTS": has_events,
            "WEBSOCKET_CONTAINER_STATS": "false",
            "KATO_PANEL_POLL_INTERVAL_SECONDS": 0.5,
        }
        with watching(simulator.url, **flags) as (runtime, reader):
            wanted = Link.LIVE if has_events else Link.POLLING
            reader.until(lambda seen: seen.link is wanted)
            reader.until(lambda _: has_figures(runtime))
            caller.create()
            reader.until(lambda seen: seen.active == 6)
            asked = httpx.get(f"{simulator.url}/_simulator/requests", trust_env=False).json()
            assert ("GET /ws/events" in asked["requests"]) is has_events
            assert asked["open_streams"] == int(has_events)
            assert bool(reader.events) is has_events
            ours = [one.name for one in threading.enumerate() if one.name.startswith("kato-panel")]
            assert sorted(ours) == ["kato-panel-history", "kato-panel-watcher"]
            # Each connection has two ends in this process, ours and the simulator's.
            wait_until(lambda: len(open_sockets()) - sockets == (6 if has_events else 4))
        wait_until(lambda: threading.active_count() == threads)


def test_kato_is_asked_at_most_24_times_a_minute(monkeypatch):
    """Twenty polls and four questions for its figures; here six times as fast, and never more."""
    hastened = partial(MetricsSource, interval_seconds=INTERVAL_SECONDS / 6)
    monkeypatch.setattr(runtimes, "MetricsSource", hastened)
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        caller = Caller(simulator.url)
        began = monotonic()
        flags = {"KATO_PANEL_POLL_INTERVAL_SECONDS": 0.5, "WEBSOCKET_CONTAINER_STATS": "false"}
        with watching(simulator.url, **flags) as (runtime, reader):
            reader.until(lambda _: has_figures(runtime))
            seen = runtime.hub.surroundings.figures.metrics_at
            reader.until(lambda _: runtime.hub.surroundings.figures.metrics_at != seen)
            asked = caller.asked()["requests"]
            minutes = 6 * (monotonic() - began) / 60
    assert {*asked} == {"GET /health", "GET /metrics", "GET /ws/events"}
    assert asked["GET /metrics"] == 2
    # The first of each is asked at once, and the stream's connection prompts one poll more.
    assert asked["GET /health"] <= 20 * minutes + 2
    assert asked["GET /health"] + asked["GET /metrics"] <= 24 * minutes + 3


def test_figures_that_cannot_be_read_are_one_row_of_the_sources_and_nothing_else():
    """The count, its link and its events are as they were; what `/health` says is known."""
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        caller = Caller(simulator.url)
        caller.order("faults", path="/metrics", method="GET", status=500, times=99)
        with watching(simulator.url, WEBSOCKET_CONTAINER_STATS="false") as (runtime, reader):
            reader.until(lambda seen: states(seen)["figures"].failures == 1)
            reader.until(lambda seen: seen.link is Link.LIVE)
            assert "500" in states(reader)["figures"].reason
            assert states(reader)["http"].health is Health.UP
            caller.create()
            reader.until(lambda seen: seen.active == 6)
            figures = runtime.hub.surroundings.figures
            assert (figures.metrics, figures.health.status) == (None, "healthy")


def states(reader):
    """The sources by name."""
    return {state.name: state for state in reader.snapshot.sources}
