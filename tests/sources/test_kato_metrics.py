"""The `figures` source, on a fake transport and on the simulator."""

import asyncio
import json

import httpx
import pytest

from kato_panel.domain.events import LookFailed
from kato_panel.domain.upstream_figures import MetricsSeen
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.sources import kato_metrics
from kato_panel.sources.kato_metrics import MetricsSource
from kato_panel.watcher import now
from tests.conftest import ManualClock
from tests.sources.test_figure_payloads import recorded
from tests.sources.test_http import answering, ok, reply

CANARY = "canary7f3a"


async def observe(transport, count=1, *, clock=now, url="http://kato", interval_seconds=0.001):
    """Run the source until it told so many observations."""
    told, enough = [], asyncio.Event()

    def tell(observation):
        told.append(observation)
        if len(told) >= count:
            enough.set()

    source = MetricsSource(url, clock, transport=transport, interval_seconds=interval_seconds)
    source.prompt()
    task = asyncio.create_task(source.run(tell))
    try:
        async with asyncio.timeout(10):
            await enough.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return told[:count]


async def test_metrics_alone_are_asked_for():
    """And never `/status`, which prints a password."""
    transport, asked = answering(ok(recorded("get_metrics")))
    told = await observe(transport, 3, clock=ManualClock(5))
    assert {type(one) for one in told} == {MetricsSeen}
    assert told[0].metrics.requests == 25
    assert {request.url.path for request in asked} == {"/metrics"}


async def test_connection_is_kept():
    """The simulator sees one."""
    with EmbeddedSimulator(rate=0, initial=3) as simulator:
        told = await observe(None, 5, url=simulator.url)
    requests = [one.metrics.requests for one in told]
    assert requests == sorted(requests)  # of one and the same worker


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(500), "answered 500 to GET /metrics"),
        (httpx.ReadError("no"), "connection failed"),
        (reply(b"<html>"), "answer is not JSON"),
        (ok({"detail": "hello"}), "none of KATO's figures"),
        (reply(b"x" * (1 << 21)), "longer than 1 MiB"),
    ],
)
async def test_what_goes_wrong_is_a_failed_look(answer, reason):
    """And the next one may do better."""
    transport, _ = answering(answer, ok(recorded("get_metrics")))
    failed, seen = await observe(transport, 2)
    assert isinstance(failed, LookFailed)
    assert reason in failed.reason
    assert seen.metrics is not None


async def test_kato_without_metrics_is_no_failure_and_asked_rarely(monkeypatch):
    """It says so, calmly."""
    rests = []
    woken = asyncio.Event()

    async def rest(seconds):
        rests.append(seconds)
        woken.set()
        await asyncio.Event().wait()

    transport, _ = answering(lambda _: httpx.Response(404, stream=httpx.ByteStream(b"{}")))
    source = MetricsSource("http://kato", ManualClock(), transport=transport)
    told = []
    monkeypatch.setattr(kato_metrics.asyncio, "sleep", rest)
    task = asyncio.create_task(source.run(told.append))
    async with asyncio.timeout(10):
        await woken.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    ((seen,), (seconds,)) = told, rests
    assert (seen.metrics, seen.remark, seconds) == (None, "not offered by this KATO", 300)


async def test_questions_are_15_s_apart(monkeypatch):
    """Whatever comes of them, and however long they take: at most four a minute."""
    clock, rests, began = ManualClock(), [], []
    done = asyncio.Event()

    async def rest(seconds):
        rests.append(seconds)
        if len(rests) == 3:
            done.set()
            await asyncio.Event().wait()
        clock.seconds += seconds

    def answer(status, spent):
        def give(_):
            began.append(clock.seconds)
            clock.seconds += spent
            headers = {"Retry-After": "40"} if status == 503 else {}
            content = json.dumps(recorded("get_metrics")).encode()
            return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))

        return give

    transport, _ = answering(answer(200, 1), answer(500, 2), answer(503, 0))
    monkeypatch.setattr(kato_metrics.asyncio, "sleep", rest)
    source = MetricsSource("http://kato", clock, transport=transport)
    task = asyncio.create_task(source.run(lambda _: None))
    async with asyncio.timeout(10):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (began, rests) == ([0, 15, 30], [14, 13, 40])


async def test_secrets_of_a_body_are_not_kept():
    """KATO prints its Redis' password elsewhere; a later version may do so here."""
    body = recorded("get_metrics")
    body["databases"]["redis"]["url"] = f"redis://:{CANARY}@redis:6379"
    body["sessions"]["api_key"] = CANARY
    transport, _ = answering(ok(body))
    (seen,) = await observe(transport)
    assert seen.metrics.body["databases"]["redis"]["url"] is None
    assert CANARY not in repr(seen)
