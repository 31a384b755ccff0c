"""The Python client: typed messages across reconnects."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import InvalidURI

from kato_panel import client as clients
from kato_panel import composing, wire
from kato_panel.client import Client, connect
from kato_panel.errors import FeedRefused
from kato_panel.server import endpoint, ring
from kato_panel.server import feed as feeds
from tests.conftest import NOON
from tests.feed_rig import created, serving

WAIT_SECONDS = 20


@pytest.fixture(autouse=True)
def only_what_is_told(monkeypatch):
    """No regular update comes between, however slow the machine."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 3600)


async def until(messages, kind):
    """Give the next message of a type, and pass over the others."""
    async with asyncio.timeout(WAIT_SECONDS):
        async for message in messages:
            if message.type == kind:
                return message
    raise AssertionError("a client never ends by itself")


def quick(url, **options):
    """A client that reconnects at once."""
    return Client(url, draw=lambda: 0.0, **options)


@asynccontextmanager
async def saying(*frames, headers=None):
    """A service that says these to each of its clients, and closes."""

    async def talk(connection):
        if headers is not None:
            headers.append(connection.request.headers)
        for frame in frames:
            await connection.send(frame)

    async with serve(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def frame(kind, epoch="e", seq=1, **payload):
    """One frame as text."""
    return composing.encode(composing.compose(kind, NOON, epoch, seq, **payload)).decode()


async def test_messages_are_typed():
    """Each is a model of its own; times are aware."""
    async with serving() as rig, connect(rig.url) as client:
        rig.show(5)
        rig.tell(created(1))
        messages = aiter(client)
        assert isinstance(await anext(messages), wire.Connected)
        update = await anext(messages)
        assert isinstance(update, wire.RealtimeUpdate)
        event = await until(messages, "session_event")
        assert isinstance(event, wire.SessionEventFrame)
        assert event.data.current_count == 1
        assert event.timestamp.utcoffset().total_seconds() == 0


async def test_only_what_was_subscribed_to_is_told():
    """Also by a service that tells all until it hears of that, as after each reconnect."""
    async with serving() as rig, connect(rig.url, subscriptions=["session_events"]) as client:
        rig.show(5)
        rig.tell(created(1))
        messages = aiter(client)
        kinds = [(await anext(messages)).type for _ in range(3)]
        assert sorted(kinds) == ["connected", "session_event", "subscribed"]


async def test_subscriptions_can_be_changed():
    """Replaced, or added to; they hold after a reconnect too."""
    async with serving() as rig, quick(rig.url, subscriptions=["sessions"]) as client:
        messages = aiter(client)
        assert (await until(messages, "subscribed")).data.subscriptions == ["sessions"]
        await client.subscribe("session_events", mode="add")
        both = ["sessions", "session_events"]
        assert (await until(messages, "subscribed")).data.subscriptions == both
        await client.subscribe("metrics")
        assert (await until(messages, "subscribed")).data.subscriptions == ["metrics"]
        for receiver in rig.feed._receivers:
            receiver.close(1012, "restart")
        assert (await until(messages, "subscribed")).data.subscriptions == ["metrics"]


async def test_adding_to_what_was_never_chosen_adds_to_all_five():
    """As the service understands it."""
    async with serving() as rig, connect(rig.url) as client:
        await client.subscribe("metrics_update", mode="add")
        told = await until(aiter(client), "subscribed")
        assert told.data.subscriptions == [topic.value for topic in wire.Topic]


async def test_ping_brings_a_heartbeat():
    """For who wants to know whether anybody is there."""
    async with serving() as rig, connect(rig.url) as client:
        await client.ping()
        assert (await until(aiter(client), "heartbeat")).seq == 0


async def test_nothing_is_lost_or_doubled_across_reconnects():
    """The connection is cut again and again, and each event comes once."""
    async with serving() as rig, quick(rig.url, subscriptions=["session_events"]) as client:
        messages = aiter(client)
        for round_ in range(20):
            for receiver in rig.feed._receivers:
                receiver.close(1013, "slow consumer")
            rig.tell(*(created(5 * round_ + i) for i in range(1, 6)))
            for i in range(1, 6):
                event = await until(messages, "session_event")
                assert event.data.current_count == 5 * round_ + i
        assert client.reconnects == 20


async def test_what_cannot_be_had_again_is_told_as_a_gap(monkeypatch):
    """And what follows it comes."""
    monkeypatch.setattr(ring, "MAX_FRAMES", 3)
    async with serving() as rig:
        async with connect(rig.url) as client:
            await until(aiter(client), "realtime_update")
        rig.tell(*(created(seq) for seq in range(1, 11)))
        async with connect(rig.url, since=client.since) as client:
            messages = aiter(client)
            gap = await until(messages, "gap")
            assert (gap.data.from_seq, gap.data.to_seq) == (1, 7)
            assert (await until(messages, "session_event")).data.current_count == 8


async def test_restart_of_the_service_is_told_as_a_gap():
    """Its numbers begin anew; until it has said so, the client holds on to the former ones."""
    greeting = {"version": "1", "subscriptions": [], "feature_flags": {}}
    gap = {"from_seq": 0, "to_seq": 4, "reason": "anew"}
    frames = [frame("connected", "new", 4, data=greeting), frame("gap", "new", 4, data=gap)]
    async with saying(*frames) as url, quick(url, since="old:9") as client:
        messages = aiter(client)
        await until(messages, "connected")
        assert client.since == "old:9"
        await until(messages, "gap")
        assert client.since == "new:4"


async def test_odd_and_unknown_frames_are_passed_over(caplog):
    """A later service may say more; a broken one is not followed into its mistakes."""
    frames = ["{", "[]", '{"type": "heartbeat"}', frame("weather", rain=True), frame("heartbeat")]
    async with saying(*frames) as url, quick(url) as client:
        assert (await anext(aiter(client))).type == "heartbeat"
    assert len(caplog.records) == 3


async def test_token_is_sent_as_bearer():
    """And only in the header."""
    headers = []
    saying_one = saying(frame("heartbeat"), headers=headers)
    async with saying_one as url, connect(url, token="secret") as client:
        await anext(aiter(client))
    assert headers[0]["Authorization"] == "Bearer secret"


async def test_refusal_that_will_stay_is_raised():
    """To try again is no use where there is no such route, or no right."""
    async with serving(WEBSOCKET_ENABLED="false") as rig:
        with pytest.raises(FeedRefused, match="404") as refused:
            async with connect(rig.url):
                pass
    assert refused.value.status == 404


async def test_service_that_is_full_or_away_is_tried_again(monkeypatch):
    """Until it lets the client in."""
    tries = []

    async def pause(self):
        tries.append(1)
        monkeypatch.setattr(endpoint, "MAX_CLIENTS", 500)

    monkeypatch.setattr(Client, "_pause", pause)
    monkeypatch.setattr(endpoint, "MAX_CLIENTS", 0)
    async with serving() as rig:
        async with connect(rig.url) as client:
            assert (await anext(aiter(client))).type == "connected"
        assert len(tries) == 1
        away = rig.url
    addresses = iter([None, 1])

    async def pause_again(self):
        if next(addresses) is None:
            return
        raise asyncio.CancelledError

    monkeypatch.setattr(Client, "_pause", pause_again)
    with pytest.raises(asyncio.CancelledError):
        await connect(away).__aenter__()


async def test_waits_grow_and_are_drawn(monkeypatch):
    """With full jitter, up to 30 s; a connection that held makes them short again."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(clients.asyncio, "sleep", sleep)
    client = Client("http://x", draw=lambda: 0.5)
    for _ in range(9):
        await client._pause()
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


async def test_client_has_to_be_entered():
    """It says so."""
    with pytest.raises(RuntimeError, match="async with"):
        await anext(aiter(connect("http://127.0.0.1:1")))


def test_unknown_subscription_is_an_error():
    """Before anything is sent."""
    with pytest.raises(ValueError, match="tea"):
        connect("http://127.0.0.1:1", subscriptions=["tea"])


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:5006", "kato.example", "ftp://kato", "http://", "http://h:99999", "ws:/x", ""],
)
def test_address_that_cannot_be_one_is_refused_at_once(url):
    """It would be tried for ever."""
    with pytest.raises(ValueError, match=r"url must begin|[Pp]ort"):
        connect(url)


@pytest.mark.parametrize("token", ["", " ", "two words", "a\nb", "a\r\nX: y", "tökén"])
def test_token_that_no_header_can_hold_is_refused_at_once(token):
    """And not told."""
    with pytest.raises(ValueError, match="token must be") as caught:
        connect("http://127.0.0.1:1", token=token)
    assert "ö" not in str(caught.value)


def test_line_s_end_after_a_token_is_none_of_it():
    """As whoever reads it from a file has it."""
    assert connect("http://x", token="secret\n")._headers == {"Authorization": "Bearer secret"}


async def test_what_will_never_work_is_raised_and_the_rest_is_said_once(monkeypatch, caplog):
    """A certificate that is not trusted is none tomorrow; a service may be there then."""
    tries = []
    never = ssl.SSLCertVerificationError("certificate verify failed")
    faults = [OSError(), TimeoutError(), never, OSError(), InvalidURI("x", "y")]

    async def fail(*given, **named):
        tries.append(1)
        raise faults[len(tries) - 1]

    monkeypatch.setattr(clients, "connect_websocket", fail)
    client = quick("http://127.0.0.1:1")
    with pytest.raises(ssl.SSLCertVerificationError):
        await client.__aenter__()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    with pytest.raises(InvalidURI):
        await client.__aenter__()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert len(tries) == 5


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:5006", "ws://127.0.0.1:5006/ws"),
        ("http://127.0.0.1:5006/", "ws://127.0.0.1:5006/ws"),
        ("http://127.0.0.1:5006/app", "ws://127.0.0.1:5006/ws"),
        ("https://kato.example/panel/app?tab=x", "wss://kato.example/panel/ws"),
        ("ws://127.0.0.1:5006/ws", "ws://127.0.0.1:5006/ws"),
    ],
)
def test_address_of_the_page_will_do(url, expected):
    """Or that of the service, or of the socket itself."""
    assert clients._ws_url(url) == expected
