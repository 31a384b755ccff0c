"""The simulator's container engine, asked as any other: over HTTP, and by our own source."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from kato_panel.domain.container_readings import KATO_CONTAINERS, Wanted
from kato_panel.domain.containers import (
    ContainerChange,
    ContainerHealth,
    ContainersSeen,
    ContainerState,
    Of,
)
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.sources.docker import DockerSource
from kato_panel.watcher import now


@pytest.fixture
def simulator():
    with EmbeddedSimulator(rate=0, initial=30, engine_port=0) as simulator:
        yield simulator


def order(simulator, **body):
    """Give an order to its control."""
    return httpx.post(f"{simulator.url}/_simulator/containers", json=body, trust_env=False)


def ask(simulator, path):
    """Ask the engine itself."""
    return httpx.get(simulator.engine_host.replace("tcp:", "http:") + path, trust_env=False)


@asynccontextmanager
async def watching(simulator):
    """Run a source on it; gives what waits for something it tells."""
    told: asyncio.Queue = asyncio.Queue()
    source = DockerSource(
        Wanted(KATO_CONTAINERS),
        now,
        {"DOCKER_HOST": simulator.engine_host},
        interval_seconds=1.0,
        draw=lambda: 0.0,
    )

    async def wait(claim):
        async with asyncio.timeout(10):
            while not claim(one := await told.get()):
                pass
            return one

    task = asyncio.create_task(source.run(told.put_nowait))
    yield wait
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def seen(name, claim):
    """Say whether something told is a look at which this holds of a container."""
    return lambda one: (
        isinstance(one, ContainersSeen)
        and any(figures.name == name and claim(figures) for figures in one.containers)
    )


async def test_source_sees_the_four_containers(simulator):
    """All that a card shows, by the source's ordinary way."""
    async with watching(simulator) as wait:
        look = await wait(
            lambda one: (
                isinstance(one, ContainersSeen)
                and all(figures.cpu_percent is not None for figures in one.containers)
            )
        )
    assert [one.name for one in look.containers] == sorted(KATO_CONTAINERS)
    kato = look.containers[0]
    assert (kato.cpu_of, kato.memory_of, kato.health) == (
        Of.LIMIT,
        Of.LIMIT,
        ContainerHealth.HEALTHY,
    )
    assert kato.oom_kills == 0
    for one in look.containers:
        assert one.cpu_percent > 0
        assert one.memory_bytes > 0
        assert None not in (one.rx_rate, one.tx_rate, one.read_rate, one.written_rate)
    assert look.totals.count == 4
    assert look.remark == ""


async def test_orders_are_told_and_seen(simulator):
    """Each as an engine tells it."""
    async with watching(simulator) as wait:
        await wait(seen("kato-redis", lambda one: one.oom_kills == 0))
        for do, change, claim in (
            ("stop", ContainerChange.DIED, lambda one: one.state is ContainerState.EXITED),
            ("start", ContainerChange.STARTED, lambda one: one.recent_restarts == 1),
            ("oom", ContainerChange.OOM_KILLED, lambda one: one.oom_kills == one.restarts == 1),
            ("restart", ContainerChange.RESTARTED, lambda one: one.recent_restarts == 3),
            ("unhealthy", ContainerChange.HEALTH_TOLD, lambda one: one.health == "unhealthy"),
            ("remove", ContainerChange.REMOVED, lambda one: one.gone_since is not None),
        ):
            order(simulator, name="kato-redis", do=do).raise_for_status()
            await wait(lambda one, change=change: getattr(one, "change", None) is change)
            await wait(seen("kato-redis", claim))


def test_order_that_names_nobody_is_refused(simulator):
    """With what was given, and what is allowed."""
    for body, words in (
        ({"name": "nobody", "do": "stop"}, "name is 'nobody', must be a container's"),
        ({"name": "kato", "do": "dance"}, "do is 'dance', must be one of stop, start"),
        ({"do": "stop"}, "name is absent"),
    ):
        answer = order(simulator, **body)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(words)


def test_work_follows_the_load():
    """More sessions, more work; the same seed, the same containers; the clock is the test's."""
    shares = {}
    for sessions in (10, 500):
        clock = [1_800_000_000.0]
        with EmbeddedSimulator(
            rate=0, initial=sessions, engine_port=0, clock=lambda clock=clock: clock[0]
        ) as simulator:
            names = {
                one["Names"][0]: one["Id"] for one in ask(simulator, "/containers/json").json()
            }
            path = f"/containers/{names['/kato']}/stats"
            usages = []
            for _ in range(2):
                told = ask(simulator, path).json()
                usages.append((told["cpu_stats"]["cpu_usage"]["total_usage"], names))
                clock[0] += 10
            shares[sessions] = usages[1][0] - usages[0][0]
    assert shares[500] > 5 * shares[10] > 0


def test_faults_hold_for_the_engine(simulator):
    """Ordered as for all other calls."""
    fault = {"path": "/containers/json", "status": 500, "body": json.dumps({"message": "no"})}
    httpx.post(f"{simulator.url}/_simulator/faults", json=fault, trust_env=False)
    assert ask(simulator, "/containers/json").status_code == 500
    assert ask(simulator, "/containers/json").status_code == 200
    assert ask(simulator, "/containers/none/json").status_code == 404
    assert ask(simulator, "/images/json").json() == {"message": "page not found"}


def test_without_a_port_there_is_no_engine():
    """And nobody to be ordered about."""
    with EmbeddedSimulator(rate=0, initial=0) as simulator:
        assert simulator.engine_host == ""
        assert order(simulator, name="kato", do="stop").status_code == 422
