"""The `http` source, on a fake transport and on real sockets that misbehave."""

import asyncio
import gzip
import json
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest

from kato_panel.domain.events import CountObserved, LookFailed
from kato_panel.sources import calls, http
from kato_panel.sources.http import HttpSource
from kato_panel.watcher import now
from tests.conftest import ManualClock

HEALTH = {"status": "healthy", "active_sessions": 3}


def answering(*answers):
    """A transport that gives these answers, the last one for ever; and what it was asked."""
    left, asked = list(answers), []

    async def answer(request):
        asked.append(request)
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        return given(request) if callable(given) else given

    return httpx.MockTransport(answer), asked


def reply(body, **headers):
    """An answer whose body is still to be read, as from a network."""
    return lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))


def ok(payload):
    return reply(json.dumps(payload).encode())


async def observe(
    transport, count=1, *, url="http://kato", interval_seconds=0.001, clock=None, **options
):
    """Run the source until it told so many observations."""
    told, enough = [], asyncio.Event()

    def tell(observation):
        told.append(observation)
        if len(told) >= count:
            enough.set()

    options = {"draw": lambda: 0.0, **options}
    source = HttpSource(url, interval_seconds, clock or now, transport=transport, **options)
    task = asyncio.create_task(source.run(tell))
    try:
        async with asyncio.timeout(10):
            await enough.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return told[:count]


@asynccontextmanager
async def serving(talk):
    """A raw server on a free port; `talk(reader, writer)` after each request's head."""

    async def meet(reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_poll_asks_health_only():
    """One request, to the call that is not cached."""
    transport, asked = answering(ok(HEALTH))
    (observed,) = await observe(transport, clock=ManualClock(5))
    assert (observed.count, observed.source, observed.is_cached) == (3, "http", False)
    assert [request.url.path for request in asked] == ["/health"]
    assert asked[0].headers["accept-encoding"] == "identity"


async def test_count_is_asked_where_health_lacks_it_and_marked_as_cached():
    """Older versions of KATO: the number may be 5 s old, and says so."""
    transport, asked = answering(ok({"status": "healthy"}), ok({"active_session_count": 4}))
    (observed,) = await observe(transport)
    assert (observed.count, observed.is_cached) == (4, True)
    assert [request.url.path for request in asked] == ["/health", "/sessions/count"]


async def test_path_of_the_service_is_kept():
    """KATO may live below a path."""
    transport, asked = answering(ok(HEALTH))
    await observe(transport, url="http://kato/below/")
    assert asked[0].url.path == "/below/health"


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 502, 503])
async def test_error_status_is_a_failed_look(status):
    """And never a count."""
    transport, _ = answering(httpx.Response(status, json={"active_sessions": 0}))
    (failed,) = await observe(transport)
    assert isinstance(failed, LookFailed)
    assert failed.reason == f"answered {status} to GET /health"


async def test_redirect_is_not_followed():
    """Whoever answers cannot send us elsewhere."""
    redirect = httpx.Response(302, headers={"location": "http://169.254.169.254/"})
    transport, asked = answering(redirect)
    (failed,) = await observe(transport)
    assert "not followed" in failed.reason
    assert {request.url.host for request in asked} == {"kato"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"<html>", "not JSON"),
        (b'{"active_sessions": null}', "active_sessions is None"),
        (b'{"active_sessions": -1}', "active_sessions is -1"),
        (b'{"active_sessions": true}', "active_sessions is True"),
        (b'{"pad": "' + b"x" * (1 << 20) + b'"}', "longer than 1 MiB"),
    ],
)
async def test_odd_answer_is_a_failed_look(payload, reason):
    """The reason says what was odd."""
    transport, _ = answering(reply(payload))
    (failed,) = await observe(transport)
    assert reason in failed.reason


async def test_compressed_answer_is_refused_unread():
    """Half a megabyte of gzip can be half a gigabyte."""
    bomb = gzip.compress(b"0" * 50_000_000)
    transport, _ = answering(reply(bomb, **{"content-encoding": "gzip"}))
    before = psutil.Process().memory_info().rss
    (failed,) = await observe(transport)
    assert "must be identity" in failed.reason
    assert psutil.Process().memory_info().rss - before < 20_000_000


async def test_dead_connection_is_tried_once_more():
    """KATO drops kept-alive connections silently after a 500."""
    transport, asked = answering(httpx.ReadError("gone"), ok(HEALTH))
    (observed,) = await observe(transport)
    assert observed.count == 3
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "connection refused"),
        (httpx.ConnectError("All connection attempts failed"), "connection refused"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), "certificate is not trusted"),
        (httpx.ConnectError("[SSL: WRONG_VERSION]"), "TLS failed"),
        (httpx.ConnectError("[Errno -2] Name or service not known"), "host name is not known"),
        (httpx.ConnectTimeout("late"), "no answer within 2 s"),
        (httpx.ReadError("gone"), "connection failed: ReadError"),
    ],
)
async def test_reason_is_in_words(error, reason):
    """An operator reads it in the page's header."""
    transport, _ = answering(error)
    (failed,) = await observe(transport)
    assert reason in failed.reason


async def test_backoff_is_drawn_and_bounded():
    """Full jitter, at most 10 s."""
    source = HttpSource("http://kato", 3.0, now, draw=lambda: 1.0)
    waits = []
    for failures in range(1, 6):
        source._failures = failures
        waits.append(source._backoff_seconds())
    assert waits == [6.0, 10.0, 10.0, 10.0, 10.0]


async def test_upstream_may_ask_for_patience():
    """``Retry-After`` in seconds is read; a date is not."""
    assert calls.retry_after(httpx.Response(429, headers={"retry-after": "7"})) == 7
    assert calls.retry_after(httpx.Response(429, headers={"retry-after": "Sun, 22 Nov"})) == 0
    assert calls.retry_after(httpx.Response(503)) == 0


async def test_patience_is_bounded_and_never_less_than_the_backoff(monkeypatch):
    """Neither a minute's sleep for an hour asked for, nor a busy loop for none."""
    rests = []

    async def rest(_, least_seconds, seconds):
        rests.append((least_seconds, seconds))
        await asyncio.sleep(0)

    monkeypatch.setattr(HttpSource, "_rest", rest)
    busy = httpx.Response(429, headers={"retry-after": "0"})
    patient = httpx.Response(503, headers={"retry-after": "3600"})
    transport, _ = answering(busy, patient)
    await observe(transport, 3, interval_seconds=3.0, draw=lambda: 1.0)
    assert rests[:2] == [(0.0, 6.0), (60.0, 10.0)]


async def test_prompts_never_make_polls_come_faster_than_one_a_second(monkeypatch):
    """However often somebody asks."""
    source = HttpSource("http://kato", 3.0, now)
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(http.asyncio, "sleep", sleep)
    source.prompt()
    await source._rest(0.8, 2.8)
    assert waits == [0.8]


async def test_login_is_sent_as_a_header():
    """And stands in no address."""
    transport, asked = answering(ok(HEALTH))
    await observe(transport, headers={"Authorization": "Basic eDp5"})
    assert asked[0].headers["authorization"] == "Basic eDp5"


async def test_prompt_ends_the_wait():
    """A poll comes at once when somebody knows that it is worth it."""
    transport, _ = answering(ok(HEALTH))
    told = asyncio.Queue()
    source = HttpSource("http://kato", 60.0, now, transport=transport)
    task = asyncio.create_task(source.run(told.put_nowait))
    async with asyncio.timeout(5):
        await told.get()
        source.prompt()
        await told.get()
    task.cancel()


async def test_polls_share_one_connection():
    """Kept alive, over real sockets."""
    connections = set()

    async def talk(_, writer):
        connections.add(writer)
        body = json.dumps(HEALTH).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async with serving(talk) as url:
        told = await observe(None, 5, url=url)
    assert all(isinstance(observed, CountObserved) for observed in told)
    assert len(connections) == 1


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"])
async def test_silent_upstream_is_given_up_at_the_deadline(head, monkeypatch):
    """After accept, or after the head: no longer than the deadline, and no connection is left."""
    monkeypatch.setattr(http, "DEADLINE_SECONDS", 0.05)
    silent = asyncio.Event()

    async def talk(_, writer):
        writer.write(head)
        await silent.wait()

    async with serving(talk) as url:
        before = psutil.Process().num_fds()
        told = await observe(None, 20, url=url)
        silent.set()
        assert {failed.reason for failed in told} == {"no answer within 0.05 s"}
        # The server's ends stay open until it is told; of ours, none does.
        assert psutil.Process().num_fds() <= before + 22


async def test_trickling_body_is_given_up_at_the_deadline(monkeypatch):
    """A byte now and then keeps httpx's own time-out waiting; ours is in all."""
    monkeypatch.setattr(http, "DEADLINE_SECONDS", 0.1)

    async def talk(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)

    async with serving(talk) as url:
        (failed,) = await observe(None, url=url)
    assert failed.reason == "no answer within 0.1 s"
