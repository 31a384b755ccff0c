"""The `docker` source: against a real engine, and against one that misbehaves."""

import asyncio
import contextlib
import gc
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import certifi
import pytest
import pytest_asyncio

from kato_panel.domain.container_readings import PROJECT_LABEL, Wanted
from kato_panel.domain.containers import (
    ContainerChange,
    ContainerChanged,
    ContainersSeen,
    ContainerState,
    Of,
)
from kato_panel.domain.events import LookFailed
from kato_panel.sources import engine_calls
from kato_panel.sources.docker import MAX_CONTAINERS, DockerSource
from kato_panel.watcher import now
from tests.engine import IDLE, Engine
from tests.fake_engine import FakeContainer, FakeEngine, answering, hang, late, trickling
from tests.sources.engine_records import EVENTS

WAIT_SECONDS = 10.0
KATO = Wanted(("kato", "kato-redis", "kato-clickhouse", "kato-qdrant"))
TOLD_SECONDS = 5.0


class Watch:
    """A source that runs, and all it has told; a context manager that ends it."""

    def __init__(self, environment, wanted=KATO, *, interval_seconds=0.2, deadline_seconds=2.0):
        self.source = DockerSource(
            wanted,
            now,
            environment,
            interval_seconds=interval_seconds,
            deadline_seconds=deadline_seconds,
            draw=lambda: 0.1,
        )
        self.told = []
        self._more = asyncio.Event()
        self._task = None

    def _tell(self, observation):
        self.told.append(observation)
        self._more.set()

    @property
    def looks(self):
        return [one for one in self.told if isinstance(one, ContainersSeen)]

    @property
    def failures(self):
        return [one for one in self.told if isinstance(one, LookFailed)]

    async def wait(self, claim, seconds=WAIT_SECONDS):
        """Wait for an observation of which a claim holds, and return it; each is looked at once."""
        async with asyncio.timeout(seconds):
            seen = 0
            while True:
                for one in self.told[seen:]:
                    seen += 1
                    if claim(one):
                        return one
                self._more.clear()
                await self._more.wait()

    async def look(self, claim=lambda figures: True, name="kato"):
        """Wait for figures of one container of which a claim holds, from now on."""
        self.told.clear()
        seen = await self.wait(
            lambda one: (
                isinstance(one, ContainersSeen)
                and any(figures.name == name and claim(figures) for figures in one.containers)
            )
        )
        return next(figures for figures in seen.containers if figures.name == name)

    async def __aenter__(self):
        self._task = asyncio.create_task(self.source.run(self._tell))
        return self

    async def __aexit__(self, *failure):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        assert threads() == []


def threads():
    return [one.name for one in threading.enumerate() if one.name.startswith("kato-panel-docker")]


def count_descriptors():
    return len([*Path("/proc/self/fd").iterdir()])


def is_change(change, name="kato"):
    return lambda one: (
        isinstance(one, ContainerChanged) and (one.change, one.name) == (change, name)
    )


def has(name, claim):
    return lambda one: (
        isinstance(one, ContainersSeen)
        and any(figures.name == name and claim(figures) for figures in one.containers)
    )


# --- a real engine


@pytest.fixture(scope="module")
def engine():
    with Engine() as running:
        yield running


def read_engine(engine, name, seconds) -> tuple[float, float]:
    """What the engine itself says of a container's processor time and memory, averaged."""
    with engine.client() as client:
        stream = client.api.stats(name, decode=True)
        samples, ends = [next(stream)], time.monotonic() + seconds
        while time.monotonic() < ends:
            samples.append(next(stream))
        stream.close()
    # Its first sample has no other before it.
    cpu = [sample["cpu_stats"]["cpu"] for sample in samples[1:]]
    return fmean(cpu), fmean(sample["memory_stats"]["usage"] for sample in samples)


async def test_figures_are_the_engines_own(engine, size):
    """Processor time of one that burns a share, memory of one that holds some, within 10 %."""
    async with Watch(engine.environment, interval_seconds=1.0) as watch:
        await watch.look()
        seconds = size.n(9, 60)
        asked = [
            asyncio.to_thread(read_engine, engine, name, seconds) for name in ("kato", "kato-redis")
        ]
        (cpu, _), (_, memory) = await asyncio.gather(*asked)
        # The first look, and one within the second after it, know no rate.
        looks = [one for one in watch.looks if figures_of(one, "kato").cpu_percent is not None]
    burning = fmean(figures_of(look, "kato").cpu_percent for look in looks)
    holding = fmean(figures_of(look, "kato-redis").memory_bytes for look in looks)
    assert cpu > 1
    assert memory > 8_000_000
    assert burning == pytest.approx(cpu, rel=0.1)
    assert holding == pytest.approx(memory, rel=0.1)
    for look in looks:
        assert [one.name for one in look.containers] == sorted(KATO.names)
        assert look.totals.count == 4
        assert figures_of(look, "kato").cpu_of is Of.HOST
        assert figures_of(look, "kato").rx_bytes is None  # on the host's network
        assert look.remark == ""
    size.record(
        "Container figures against the engine's own",
        seed="none",
        n=len(looks),
        result=f"CPU {burning:.1f} % for {cpu:.1f} %, memory {holding:.0f} B for {memory:.0f} B",
    )


def figures_of(look, name):
    return next(one for one in look.containers if one.name == name)


async def test_what_happens_to_containers_is_told_within_5_seconds(engine, size):
    """Stop, start, kill, restart, rename, remove: each as an event, and in the next figures."""
    name, waits = "kato-qdrant", []
    async with Watch(engine.environment, interval_seconds=3.0) as watch:
        await watch.look(lambda figures: figures.oom_kills == 0, name=name)
        with engine.client() as client:
            container = await asyncio.to_thread(client.containers.get, name)
            steps: list[tuple[Callable[[], None], ContainerChange, str, Callable[..., bool]]] = [
                (
                    lambda: container.stop(timeout=0),
                    ContainerChange.DIED,
                    name,
                    lambda one: one.state is ContainerState.EXITED and one.exit_code == 137,
                ),
                (
                    container.start,
                    ContainerChange.STARTED,
                    name,
                    lambda one: one.is_running and one.recent_restarts == 1,
                ),
                (
                    container.kill,
                    ContainerChange.DIED,
                    name,
                    lambda one: one.state is ContainerState.EXITED and one.cpu_percent is None,
                ),
                (
                    lambda: container.restart(timeout=0),
                    ContainerChange.RESTARTED,
                    name,
                    lambda one: one.is_running and one.recent_restarts == 2,
                ),
                (
                    lambda: container.rename("elsewhere"),
                    ContainerChange.RENAMED,
                    "elsewhere",
                    lambda one: one.name == name and one.gone_since is not None,
                ),
                (
                    lambda: container.rename(name),
                    ContainerChange.RENAMED,
                    name,
                    lambda one: one.is_running and one.gone_since is None,
                ),
                (
                    lambda: (container.kill(), container.remove()),
                    ContainerChange.REMOVED,
                    name,
                    lambda one: one.state is ContainerState.GONE and one.gone_since is not None,
                ),
            ]
            for act, change, told_name, claim in steps:
                watch.told.clear()
                began = time.monotonic()
                await asyncio.to_thread(act)
                await watch.wait(is_change(change, told_name), TOLD_SECONDS)
                await watch.wait(has(name, claim), TOLD_SECONDS)
                waits.append(time.monotonic() - began)
                assert waits[-1] < TOLD_SECONDS, change
    size.record(
        "Stop, start, kill, restart, rename, remove of a container: told in figures",
        seed="none",
        n=len(waits),
        result=f"slowest {max(waits):.2f} s, with the engine's own work",
    )
    await asyncio.to_thread(engine.run, name, IDLE)


async def test_limits_are_read(engine):
    """What a share is of: half a processor, 32 MiB."""
    await asyncio.to_thread(engine.run, "limited", IDLE, "--cpus=0.5", "--memory=32m")
    async with Watch(engine.environment, Wanted(("limited",))) as watch:
        figures = await watch.look(lambda one: one.cpu_percent is not None, name="limited")
    assert (figures.cpus, figures.cpu_of) == (0.5, Of.LIMIT)
    assert (figures.memory_limit_bytes, figures.memory_of) == (32 << 20, Of.LIMIT)


# --- an engine that misbehaves


@pytest_asyncio.fixture
async def fake(tmp_path):
    del tmp_path  # too long for a socket's path
    with tempfile.TemporaryDirectory(prefix="fake-") as folder:
        engine = FakeEngine(Path(folder) / "docker.sock", time.time)
        engine.containers = {"a1": FakeContainer("kato"), "b2": FakeContainer("kato-redis")}
        await engine.start()
        yield engine
        await engine.stop()


async def test_only_reads(fake):
    """Whatever it asks for, it changes nothing."""
    async with Watch(fake.environment) as watch:
        await watch.look(lambda figures: figures.cpu_percent is not None)
    assert fake.calls
    for call in fake.calls:
        assert call.startswith(("GET /containers/", "GET /events?"))


async def test_prompt_looks_at_once(fake):
    """Whatever is left of the interval."""
    async with Watch(fake.environment, interval_seconds=60) as watch:
        await watch.look()
        watch.source.prompt()
        await watch.look()


async def test_hung_container_delays_no_other(fake, size):
    """Only the look at which it began; then its own figures are missing, and it says why."""
    async with Watch(fake.environment, deadline_seconds=1.5) as watch:
        await watch.look(lambda figures: figures.cpu_percent is not None)
        with fake.odd("/b2/stats", hang):
            await watch.look(lambda figures: figures.trouble, name="kato-redis")
            gaps, before = [], time.monotonic()
            for _ in range(size.n(3, 100)):
                hung = await watch.look(name="kato-redis")
                gaps.append(time.monotonic() - before)
                before = time.monotonic()
                assert figures_of(watch.looks[-1], "kato").cpu_percent == pytest.approx(50, abs=5)
                assert (hung.cpu_percent, hung.trouble) == (None, "no answer within 1.5 s")
                assert watch.looks[-1].remark == "1 of 2 cannot be read"
            assert max(gaps) < 1.3
        well = await watch.look(lambda figures: not figures.trouble, name="kato-redis")
        assert well.cpu_percent == pytest.approx(50, abs=10)
        assert watch.failures == []


async def test_thread_that_does_not_come_back_is_not_sent_again(fake):
    """The head of an answer may trickle for longer than any time-out, which begins anew."""
    has_seen_enough = asyncio.Event()

    async def trickle(writer):
        while not has_seen_enough.is_set():
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.3)
        writer.transport.abort()

    with fake.odd("/b2/json", trickle):
        async with Watch(fake.environment, deadline_seconds=0.4, interval_seconds=0.1) as watch:
            await watch.look(lambda figures: figures.trouble, name="kato-redis")
            await watch.look(lambda figures: figures.trouble, name="kato-redis")
            assert figures_of(watch.looks[-1], "kato").trouble == ""
            assert sum("/b2/json" in call for call in fake.calls) == 1
            has_seen_enough.set()
        assert [name for name in threads() if name.endswith("b2")] == []


async def test_slow_container_is_told_one_look_later(fake):
    """Old engines take a second and more for each; the others do not wait for it."""
    later = late(0.6, lambda writer: fake._answer("/containers/b2/stats", writer))
    with fake.odd("/b2/stats", later):
        async with Watch(fake.environment, deadline_seconds=1.0) as watch:
            figures = await watch.look(lambda one: one.cpu_percent is not None, name="kato-redis")
    assert figures.cpu_percent == pytest.approx(50, abs=5)
    assert figures.trouble == ""


async def test_slow_container_that_stopped_is_not_told_as_running(fake):
    """What the list says of it is newer."""
    later = late(0.6, lambda writer: fake._answer("/containers/b2/stats", writer))
    with fake.odd("/b2/stats", later):
        async with Watch(fake.environment, deadline_seconds=1.0) as watch:
            await watch.look(lambda one: one.memory_bytes is not None, name="kato-redis")
            fake.containers["b2"].state = "exited"
            await watch.look(lambda one: one.state is ContainerState.EXITED, name="kato-redis")
            assert watch.looks[-1].totals.count == 1


async def test_loop_turns_while_the_engine_hangs(fake):
    """Each call takes 5 s: the source says so, and nothing else is late."""
    lags = []

    async def measure():
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(0.01)
            lags.append(loop.time() - began - 0.01)

    with fake.odd("/", late(5, hang)):
        async with Watch(fake.environment, deadline_seconds=1.0) as watch:
            measuring = asyncio.create_task(measure())
            failed = await watch.wait(lambda one: isinstance(one, LookFailed))
            measuring.cancel()
            assert failed.reason == "no answer within 1 s"
            assert failed.source == "docker"
            began = time.monotonic()
    assert time.monotonic() - began < 3
    assert sorted(lags)[int(len(lags) * 0.95)] < 0.1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answering(200, b"<html>"), "answer is not JSON"),
        (answering(200, {}), "the list of containers is a JSON dict"),
        (answering(200, b"x" * 100, "Content-Encoding: gzip\r\n"), "answer is compressed"),
        (answering(200, b" " * ((8 << 20) + 1)), "answer is longer than 8 MiB"),
        (answering(500, {"message": "no\x1bway"}), "answers 500 to GET /containers/json: no"),
        (answering(302, b"", "Location: /elsewhere\r\n"), "answers 302 to GET /containers/json"),
        (answering(403, b"<html>"), "a socket proxy has to allow CONTAINERS"),
        (trickling(0.1), "no answer within 0.5 s"),
        (hang, "no answer within 0.5 s"),
    ],
)
async def test_list_that_cannot_be_had_is_a_failed_look(fake, answer, reason):
    """In words an operator understands; and it is found again when it is back."""
    deadline_seconds = 0.5 if reason.startswith("no answer") else 5.0
    with fake.odd("/containers/json", answer):
        async with Watch(fake.environment, deadline_seconds=deadline_seconds) as watch:
            failed = await watch.wait(lambda one: isinstance(one, LookFailed))
            assert reason in failed.reason
            assert failed.reason.isprintable()
            assert watch.looks == []
    assert not any("/elsewhere" in call for call in fake.calls)


@pytest.mark.filterwarnings("ignore:.*<socket.socket fd=:pytest.PytestUnraisableExceptionWarning")
async def test_engine_that_goes_away_is_found_again(fake):
    """What was known of its containers goes on; nobody is gone because it was."""
    async with Watch(fake.environment) as watch:
        before = await watch.look(lambda figures: figures.cpu_percent is not None)
        await fake.stop()
        failed = await watch.wait(lambda one: isinstance(one, LookFailed))
        assert "there is no socket" in failed.reason
        await fake.start()
        figures = await watch.look(lambda figures: figures.cpu_percent is not None)
    assert (figures.started, figures.recent_restarts) == (before.started, 0)
    assert figures.cpu_percent == pytest.approx(50, abs=5)
    # docker-py leaves sockets that do not connect to the collector, which warns of each.
    gc.collect()


async def test_missing_socket_is_named(tmp_path):
    """Where no engine runs."""
    async with Watch({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}) as watch:
        failed = await watch.wait(lambda one: isinstance(one, LookFailed))
    assert failed.reason.startswith(f"there is no socket {tmp_path}/none.sock: no engine runs here")


async def test_socket_that_nobody_accepts_at_is_named(tmp_path):
    """Left over by an engine that died; or its queue is full, as that of one that hangs."""
    with tempfile.TemporaryDirectory(prefix="fake-") as folder:
        path = f"{folder}/docker.sock"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
            async with Watch({"DOCKER_HOST": f"unix://{path}"}) as watch:
                failed = await watch.wait(lambda one: isinstance(one, LookFailed))
                assert failed.reason == f"no engine listens at {path}"
            left.listen(0)
            with socket.socket(socket.AF_UNIX) as waiting:
                waiting.connect(path)
                async with Watch({"DOCKER_HOST": f"unix://{path}"}, deadline_seconds=0.5) as watch:
                    failed = await watch.wait(lambda one: isinstance(one, LookFailed))
                    assert failed.reason == "no answer within 0.5 s"


async def test_missing_permission_is_named(fake, monkeypatch):
    """With what is to be done about it. Root may read all, so the refusal is scripted."""

    def refuse(line, place):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(engine_calls.socket.socket, "connect", refuse, raising=False)
    async with Watch(fake.environment) as watch:
        failed = await watch.wait(lambda one: isinstance(one, LookFailed))
    assert failed.reason == (
        f"no permission to read {fake.path}: add this user to the group docker"
    )


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"DOCKER_HOST": "tcp://127.0.0.1:1"}, "no engine listens at 127.0.0.1:1"),
        ({"DOCKER_HOST": "nonsense://x"}, "DOCKER_HOST cannot be used"),
        ({"DOCKER_HOST": "tcp://me:secret@x:1/a b", "DOCKER_TLS_VERIFY": "1"}, "cannot be used"),
        (
            {
                "DOCKER_HOST": "tcp://127.0.0.1:1",
                "DOCKER_TLS_VERIFY": "1",
                "DOCKER_CERT_PATH": "/nowhere",
            },
            "DOCKER_HOST cannot be used: Path to a certificate",
        ),
    ],
)
async def test_host_that_names_no_engine_is_told(environment, reason):
    """Without the password in it."""
    async with Watch(environment) as watch:
        failed = await watch.wait(lambda one: isinstance(one, LookFailed))
    assert reason in failed.reason
    assert "secret" not in failed.reason


async def test_engine_is_reached_over_tcp(fake):
    """As through a socket proxy; this process' own HTTP proxies are not asked."""
    server = await asyncio.start_server(fake._serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        async with Watch({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}) as watch:
            await watch.look(lambda figures: figures.oom_kills is not None)
    server.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Of the server, of a client, and of who vouches for both: for once the same."""
    folder = tmp_path_factory.mktemp("certificates")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    shutil.copy(certificate, folder / "ca.pem")
    return folder


async def test_engine_is_reached_over_tls(fake, certificates):
    """With a certificate for both sides, events too; an unknown one is refused."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(fake._serve, "127.0.0.1", 0, ssl=context)
    host = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    known = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    async with Watch({"DOCKER_HOST": host} | known) as watch:
        await watch.look(lambda figures: figures.oom_kills is not None)
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cert.pem", "key.pem"):
            shutil.copy(certificates / name, folder)
        shutil.copy(certifi.where(), Path(folder, "ca.pem"))
        async with Watch({"DOCKER_HOST": host} | known | {"DOCKER_CERT_PATH": folder}) as watch:
            failed = await watch.wait(lambda one: isinstance(one, LookFailed))
    assert failed.reason.endswith("its TLS certificate is not trusted")
    server.close()


async def test_vanished_container_is_gone_since_then(fake):
    """In the midst of a look, and after it."""
    async with Watch(fake.environment) as watch:
        await watch.look()
        with fake.odd("/a1/json", answering(404, {"message": "No such container: a1"})):
            gone = await watch.look(lambda figures: figures.state is ContainerState.GONE)
        await watch.look(lambda figures: figures.is_running)
        with fake.odd("/a1/stats", answering(404, {})):
            await watch.look(lambda figures: figures.state is ContainerState.GONE)
        del fake.containers["a1"]
        await watch.look(lambda figures: figures.state is ContainerState.GONE)
        assert watch.failures == []
    assert gone.gone_since is not None


async def test_container_with_odd_answers_says_so(fake):
    """The others are read."""
    odd = fake.odd("/a1/stats", answering(500, {"message": "cgroup is gone"}))
    with odd, fake.odd("/b2/json", answering(200, [])):
        async with Watch(fake.environment) as watch:
            figures = await watch.look(lambda one: one.trouble)
            other = figures_of(watch.looks[-1], "kato-redis")
    assert figures.trouble == "the engine answers 500 to GET /containers/a1/stats: cgroup is gone"
    assert (figures.state, figures.started is None) == (ContainerState.RUNNING, False)
    assert (other.state, other.trouble) == (
        ContainerState.RUNNING,
        "the description of a container has no State",
    )


async def test_restart_gives_no_rate_across_it(fake):
    """Counters that begin anew, and one that has already passed where it was."""
    async with Watch(fake.environment) as watch:
        fake.containers["a1"].rx_bytes = 1_000
        await watch.look(lambda figures: figures.rx_rate == 0)
        fake.containers["a1"].rx_bytes = 0
        await watch.look(lambda figures: figures.rx_bytes == 0 and figures.rx_rate is None)
        fake.containers["a1"].rx_bytes = 9_000
        fake.containers["a1"].started = "2026-11-22T12:00:00Z"
        figures = await watch.look(lambda figures: figures.rx_bytes == 9_000)
        assert (figures.rx_rate, figures.cpu_percent, figures.recent_restarts) == (None, None, 1)


async def test_containers_are_found_by_label_and_project(fake):
    """And only those; a hostile name is a text."""
    hostile = "<img src=x onerror=alert(1)>\x1b[31m" + "x" * 1_000
    fake.containers = {
        "a1": FakeContainer(hostile, labels={PROJECT_LABEL: "kato"}),
        "b2": FakeContainer("b", labels={"tier": "x"}),
        "c3": FakeContainer("kato"),
    }
    async with Watch(fake.environment, Wanted(label="tier=x", project="kato")) as watch:
        seen = await watch.wait(lambda one: isinstance(one, ContainersSeen))
    assert [one.name for one in seen.containers] == [hostile[:256], "b"]


async def test_nobody_found_is_said(fake):
    """With who was looked for; it is no failure."""
    async with Watch(fake.environment, Wanted(("nobody",))) as watch:
        seen = await watch.wait(lambda one: isinstance(one, ContainersSeen))
    assert (seen.containers, seen.remark) == ((), "no container named nobody")


async def test_only_so_many_are_watched(fake):
    """The first by name, and it is said."""
    fake.containers = {
        f"{n}": FakeContainer(f"c{n:03}", labels={"a": ""}) for n in range(MAX_CONTAINERS + 8)
    }
    async with Watch(fake.environment, Wanted(label="a")) as watch:
        seen = await watch.wait(lambda one: isinstance(one, ContainersSeen))
    assert len(seen.containers) == MAX_CONTAINERS
    assert seen.remark == "40 containers are wanted, 32 are watched"


# --- its events


async def test_oom_kill_is_told_and_counted(fake):
    """
    From events written by hand after Docker's reference.

    Podman 4.3.1 tells no `oom`, also where it limits memory: a real one cannot be had from it.
    """
    fake.containers = {EVENTS[0]["id"]: FakeContainer("kato")}
    async with Watch(fake.environment, interval_seconds=60) as watch:
        await watch.look(lambda figures: figures.cpu_of is not None)
        await fake.wait_for_listener()
        await fake.tell(EVENTS[0])
        await watch.wait(is_change(ContainerChange.OOM_KILLED))
        # It does not wait for the end of the interval.
        await watch.wait(has("kato", lambda figures: figures.oom_kills == 1))


async def test_event_is_told_once_though_the_engine_tells_it_again(fake):
    """After a reconnect, events are asked for from the last one on."""
    fake.containers = {EVENTS[0]["id"]: FakeContainer("kato")}
    async with Watch(fake.environment) as watch:
        await watch.look()
        await fake.wait_for_listener()
        await fake.tell(EVENTS[0])
        await watch.wait(is_change(ContainerChange.OOM_KILLED))
        fake.hang_up()
        await fake.wait_for_listener()
        for event in EVENTS[:2]:
            await fake.tell(event)
        await watch.wait(is_change(ContainerChange.DIED))
        changes = [one.change for one in watch.told if isinstance(one, ContainerChanged)]
        figures = await watch.look()
    assert changes.count(ContainerChange.OOM_KILLED) == 1
    assert figures.oom_kills == 1
    assert any("since=1795348803.123456789" in call for call in fake.calls)


async def test_events_of_strangers_are_not_told(fake):
    """Nor those that tell nothing of a container's course."""
    async with Watch(fake.environment) as watch:
        await watch.look()
        await fake.wait_for_listener()
        stranger = {"ID": "zz", "Attributes": {"name": "stranger"}}
        await fake.tell({"Type": "container", "Action": "die", "Actor": stranger})
        await fake.tell({"Type": "container", "Action": "exec_start: sh", "Actor": stranger})
        ours = {"ID": "zz", "Attributes": {"name": "kato"}}
        await fake.tell({"Type": "container", "Action": "start", "Actor": ours})
        await watch.wait(is_change(ContainerChange.STARTED))
        changes = [one for one in watch.told if isinstance(one, ContainerChanged)]
    assert [one.name for one in changes] == ["kato"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answering(403, b""), "a socket proxy has to allow EVENTS"),
        (answering(200, b"garbage\n"), "answer is not JSON"),
        (answering(200, b"x" * ((1 << 20) + 1)), "event is longer than 1 MiB"),
        (hang, "no answer within 0.5 s"),
    ],
)
async def test_without_events_looks_go_on(fake, answer, reason):
    """OOM kills are unknown then, where none was ever followed; and it is said why."""
    with fake.odd("/events", answer):
        async with Watch(fake.environment, deadline_seconds=0.5) as watch:
            seen = await watch.wait(
                lambda one: isinstance(one, ContainersSeen) and reason in one.remark
            )
            assert seen.remark.startswith("its events are not told: ")
            assert watch.failures == []
    if reason.startswith(("a socket", "no answer")):
        assert figures_of(seen, "kato").oom_kills is None


async def test_quiet_line_is_made_anew(fake, monkeypatch):
    """It may be dead; nothing is said about that."""
    monkeypatch.setattr(engine_calls, "QUIET_SECONDS", 0.2)
    async with Watch(fake.environment) as watch:
        await watch.look()
        async with asyncio.timeout(WAIT_SECONDS):
            while sum("/events" in call for call in fake.calls) < 3:
                await watch.look()
        assert watch.looks[-1].remark == ""


async def test_sockets_and_threads_are_not_left(fake):
    """After many looks, failures and reconnects."""
    before = count_descriptors()
    async with Watch(fake.environment, deadline_seconds=0.5) as watch:
        await watch.look(lambda figures: figures.cpu_percent is not None)
        with fake.odd("/stats", hang):
            await watch.look(lambda figures: figures.trouble)
        assert len(threads()) <= 4
    assert count_descriptors() <= before + 2
