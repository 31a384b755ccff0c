"""The `stream` source, on real sockets."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from kato_panel.domain.events import (
    ChangesMissed,
    ChangesNamed,
    LookFailed,
    SourceConnected,
    SourceHeard,
)
from kato_panel.sources import stream
from kato_panel.sources.stream import StreamSource
from kato_panel.watcher import now

SNAPSHOT = {"event_type": "state.snapshot", "timestamp": "2026-11-22T20:25:23", "data": {}}


def created(session_id):
    return {"event_type": "session.created", "data": {"session_id": session_id, "node_id": "n"}}


class Told:
    """What a source told, to wait for."""

    def __init__(self):
        self.observations = []
        self._more = asyncio.Event()

    def __call__(self, observation):
        self.observations.append(observation)
        self._more.set()

    async def until(self, is_enough):
        async with asyncio.timeout(10):
            while not is_enough():
                self._more.clear()
                await self._more.wait()

    def of(self, kind):
        return [told for told in self.observations if isinstance(told, kind)]

    def names(self):
        return [change.name.session_id for told in self.of(ChangesNamed) for change in told.changes]


@asynccontextmanager
async def following(talk, **options):
    """A server that talks so to each connection, and the source that follows it."""
    told = Told()
    async with serve(talk, "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        source = StreamSource(f"http://127.0.0.1:{port}", now, draw=lambda: 0.0)
        task = asyncio.create_task(source.run(told))
        try:
            yield told, source
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def talk_and_wait(connection, *frames):
    for frame in frames:
        await connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
    await connection.wait_closed()


async def test_frames_become_named_changes():
    """The snapshot is not counted, the sessions are, in their order."""

    async def talk(connection):
        assert connection.request.path == "/ws/events"
        await talk_and_wait(connection, SNAPSHOT, created("a"), created("b"))

    async with following(talk) as (told, _):
        await told.until(lambda: len(told.names()) == 2)
    assert told.names() == ["a", "b"]
    assert isinstance(told.observations[0], SourceConnected)


async def test_odd_frames_are_passed_over(caplog):
    """Garbage, binary and non-objects cost a log line, not the connection."""

    async def talk(connection):
        await talk_and_wait(connection, "{", b"\xff\x00", "[1]", "pong", created("a"))

    async with following(talk) as (told, _):
        await told.until(lambda: told.names() == ["a"])
    assert told.of(LookFailed) == []
    assert "passed over" in caplog.text


@pytest.mark.parametrize("code", [1000, 1006, 1011, 1012])
async def test_closed_stream_is_told_and_reconnected(code):
    """Whatever the code, for ever."""
    visits = 0

    async def talk(connection):
        nonlocal visits
        visits += 1
        if code == 1006:
            connection.transport.abort()
        else:
            await connection.close(code)

    async with following(talk) as (told, _):
        await told.until(lambda: len(told.of(LookFailed)) >= 3)
    assert visits >= 3
    reason = told.of(LookFailed)[0].reason
    assert reason == ("connection lost" if code == 1006 else f"closed with code {code}")


async def test_oversized_frame_ends_the_connection_and_no_more():
    """It is refused with 1009, and the stream comes back."""

    async def talk(connection):
        await talk_and_wait(connection, "x" * 2_000_000)

    async with following(talk, max_size=None) as (told, _):
        await told.until(lambda: len(told.of(SourceConnected)) >= 2)
    assert told.of(LookFailed)[0].reason == "closed with code 1009"


async def test_refused_handshake_says_its_status():
    """503 is what KATO answers when it has too many clients."""

    async def refuse(connection, request):
        return connection.respond(503, "Service Unavailable")

    async with following(talk_and_wait, process_request=refuse) as (told, _):
        await told.until(lambda: told.of(LookFailed))
    assert told.of(LookFailed)[0].reason == "refused with status 503"


async def test_redirect_is_not_followed():
    """Whoever answers cannot send us elsewhere."""

    async def redirect(connection, request):
        response = connection.respond(302, "")
        response.headers["Location"] = "ws://127.0.0.1:1/elsewhere"
        return response

    async with following(talk_and_wait, process_request=redirect) as (told, _):
        await told.until(lambda: told.of(LookFailed))
    assert told.of(LookFailed)[0].reason == "refused with status 302"


async def test_nobody_there_is_connection_refused():
    """In words."""
    told = Told()
    task = asyncio.create_task(StreamSource("http://127.0.0.1:1", now).run(told))
    await told.until(lambda: told.of(LookFailed))
    task.cancel()
    assert told.of(LookFailed)[0].reason == "connection refused"


async def test_backoff_is_drawn_and_at_most_30_s():
    """So that a hundred of us do not come back together."""
    source = StreamSource("http://127.0.0.1:1", now, draw=lambda: 0.5)
    waits = []
    for failures in (1, 2, 4, 5, 60):
        source._failures = failures
        waits.append(source._backoff_seconds())
    assert waits == [1.0, 2.0, 8.0, 15.0, 15.0]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1", "connection refused"),
        ("http://no-such-host.invalid", "its host name"),
    ],
)
async def test_reason_is_in_words(url, reason):
    """As for the poll."""
    told = Told()
    task = asyncio.create_task(StreamSource(url, now).run(told))
    await told.until(lambda: told.of(LookFailed))
    task.cancel()
    assert reason in told.of(LookFailed)[0].reason


async def test_prompt_ends_the_wait_for_the_next_try():
    """When the poll sees upstream again, the stream need not wait."""
    told = Told()
    source = StreamSource("http://127.0.0.1:1", now, draw=lambda: 1.0)
    source._failures = 20
    task = asyncio.create_task(source.run(told))
    for tries in (1, 2, 3):
        await told.until(lambda tries=tries: len(told.of(LookFailed)) >= tries)
        await asyncio.sleep(0)
        source.prompt()
    task.cancel()


async def test_pong_is_a_sign_of_life(monkeypatch):
    """Upstream says nothing when it is idle; its pong does."""
    monkeypatch.setattr(stream, "PING_SECONDS", 0.02)
    async with following(talk_and_wait) as (told, _):
        await told.until(lambda: len(told.of(SourceHeard)) >= 2)


async def test_missing_pong_ends_the_connection(monkeypatch):
    """A half-open connection is not waited for."""
    monkeypatch.setattr(stream, "PING_SECONDS", 0.05)

    async def talk(connection):
        connection.transport.pause_reading()
        await talk_and_wait(connection)

    async with following(talk, ping_interval=None, close_timeout=0.1) as (told, _):
        await told.until(lambda: told.of(LookFailed))
    assert told.of(SourceHeard) == []


async def test_flood_overflows_into_one_mark(monkeypatch):
    """What does not fit is counted, and somebody is told to look."""
    monkeypatch.setattr(stream, "MAX_QUEUE", 100)
    total = 5_000

    async def talk(connection):
        await talk_and_wait(connection, *[created(f"s{i}") for i in range(total)])

    async with following(talk) as (told, _):
        await told.until(
            lambda: len(told.names()) + sum(m.missed for m in told.of(ChangesMissed)) == total
        )
    assert told.names()


async def test_queue_that_stays_full_ends_the_connection():
    """Better no stream than a reader that stalls upstream."""
    queue = stream._Queue()
    at = now()
    for number in range(stream.MAX_QUEUE + 5):
        queue.put(str(number), at)
    late = type(at)(at.wall, at.tick + 1.5)
    assert (queue.missed, queue.is_stuck(at), queue.is_stuck(late)) == (5, False, True)
    frames, missed = queue.take()
    assert (len(frames), missed, queue.is_stuck(late)) == (stream.MAX_BATCH, 5, True)
    while queue.frames:
        queue.take()
    assert not queue.is_stuck(late)


async def test_overload_that_lasts_ends_the_connection(monkeypatch):
    """Over a real socket: frames come faster than they are read."""
    monkeypatch.setattr(stream, "MAX_QUEUE", 10)
    monkeypatch.setattr(stream, "MAX_FULL_SECONDS", -1.0)

    async def talk(connection):
        await talk_and_wait(connection, *[created(f"s{i}") for i in range(2_000)])

    async with following(talk) as (told, _):
        await told.until(lambda: told.of(LookFailed))
    assert "faster than they can be read" in told.of(LookFailed)[0].reason


async def test_login_is_sent_and_never_logged(caplog):
    """Neither it nor a frame, however chatty the log is."""
    seen = []

    async def talk(connection):
        seen.append(connection.request.headers["Authorization"])
        await talk_and_wait(connection, created("canary-session"))

    logging.getLogger("tests.server").propagate = False
    with caplog.at_level("DEBUG"):
        async with serve(talk, "127.0.0.1", 0, logger=logging.getLogger("tests.server")) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            told = Told()
            source = StreamSource(url, now, headers={"Authorization": "Basic canary"})
            task = asyncio.create_task(source.run(told))
            await told.until(told.names)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert seen == ["Basic canary"]
    assert "canary" not in caplog.text
