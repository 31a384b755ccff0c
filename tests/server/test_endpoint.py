"""``/ws`` itself: what clients may send, how many there may be, and what becomes of bad ones."""

import asyncio
import json
import logging
import random
import time

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from kato_panel.server import endpoint
from kato_panel.server import feed as feeds
from tests.feed_rig import Counter, created, masked, serving

FEW = ["sessions", "session_events"]


@pytest.fixture(autouse=True)
def only_what_is_told(monkeypatch):
    """No regular update comes between, however slow the machine."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 3600)


async def subscribed(peer, kind, names, **more):
    """Order, and give the resulting set."""
    await peer.send({"type": kind, "subscriptions": names, **more})
    return (await peer.until("subscribed"))["data"]["subscriptions"]


async def test_subscriptions_are_replaced_added_to_and_taken_away():
    """Without a reconnect; each order is answered by the resulting set."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        assert await subscribed(peer, "subscribe", FEW) == FEW
        assert await subscribed(peer, "subscribe", ["metrics"], mode="add") == ["metrics", *FEW]
        assert await subscribed(peer, "unsubscribe", ["sessions", "containers"]) == [
            "metrics",
            "session_events",
        ]
        assert await subscribed(peer, "subscribe", ["sessions"], mode="replace") == ["sessions"]
        assert await subscribed(peer, "subscribe", ["sessions"] * 32) == ["sessions"]
        assert await subscribed(peer, "unsubscribe", ["sessions"]) == []
        rig.tell(created(1))
        assert await peer.settled() == []


async def test_unknown_fields_are_passed_over():
    """A later client may say more."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        assert await subscribed(peer, "subscribe", FEW, client="later", filters={"a": [1]}) == FEW


async def test_ping_is_answered_by_a_heartbeat():
    """The text alone, as the design document's clients send it."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        await peer.send("ping")
        assert (await peer.next())["type"] == "heartbeat"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("pong", "not_json"),
        ("", "not_json"),
        ("{", "not_json"),
        ("[" * 4000, "not_json"),
        ('{"type":"subscribe","subscriptions":["\\ud800"]}', "not_json"),
        ("[]", "not_an_object"),
        ("7", "not_an_object"),
        ("null", "not_an_object"),
        ("{}", "unknown_type"),
        ('{"type": "shout"}', "unknown_type"),
        ('{"type": 5}', "unknown_type"),
        ('{"type": ["subscribe"]}', "unknown_type"),
        ('{"type": "subscribe"}', "invalid"),
        ('{"type": "subscribe", "subscriptions": 5}', "invalid"),
        ('{"type": "subscribe", "subscriptions": "sessions"}', "invalid"),
        ('{"type": "subscribe", "subscriptions": {"sessions": 1}}', "invalid"),
        ('{"type": "subscribe", "subscriptions": [5]}', "invalid"),
        ('{"type": "subscribe", "subscriptions": [null]}', "invalid"),
        ('{"type": "subscribe", "subscriptions": ["tea"]}', "invalid"),
        ('{"type": "subscribe", "subscriptions": ["sessions"], "mode": "x"}', "invalid"),
        (json.dumps({"type": "subscribe", "subscriptions": ["sessions"] * 33}), "invalid"),
        ('{"type": "unsubscribe", "subscriptions": [[]]}', "invalid"),
        (b'{"type": "subscribe", "subscriptions": []}', "binary"),
    ],
)
async def test_frame_that_is_not_understood_is_answered(sent, code):
    """The connection stays open, and nothing else comes of it."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        await peer.send(sent)
        error = await peer.next()
        assert (error["type"], error["data"]["code"]) == ("error", code)
        assert 0 < len(error["data"]["message"]) <= 200
        rig.tell(created(1))
        assert (await peer.next())["type"] == "session_event"


async def test_long_frame_ends_the_connection():
    """With 1009, above 4 KiB; in one piece or in several."""
    async with serving() as rig:
        async with rig.client() as peer:
            await peer.greeted()
            await peer.send(4096 * " ")
            assert (await peer.next())["type"] == "error"
            await peer.send(4097 * " ")
            assert await peer.closed() == 1009
        async with rig.client() as peer:
            await peer.greeted()
            await peer.connection.send([3000 * " ", 3000 * " "])
            assert await peer.closed() == 1009
        assert rig.feed.clients == 0


async def test_ten_errors_in_a_minute_end_the_connection():
    """With 1008; each of them was answered."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        for _ in range(10):
            await peer.send("?")
            assert (await peer.next())["type"] == "error"
        assert await peer.closed() == 1008
        assert rig.feed.clients == 0


async def test_more_than_ten_frames_a_second_are_errors():
    """The ten before are answered as ever."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        for _ in range(13):
            await peer.send("ping")
        kinds = [(await peer.next())["type"] for _ in range(13)]
        assert kinds == 10 * ["heartbeat"] + 3 * ["error"]
        for _ in range(7):
            await peer.send("ping")
        assert await peer.closed() == 1008


async def test_clients_from_one_address_are_bounded(monkeypatch):
    """Before the upgrade, with 503; one that leaves makes room."""
    monkeypatch.setattr(endpoint, "MAX_CLIENTS_PER_ADDRESS", 2)
    async with serving() as rig, rig.client() as one, rig.client() as two:
        await one.greeted()
        await two.greeted()
        with pytest.raises(InvalidStatus) as refused:
            await connect(rig.ws, proxy=None)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
        assert json.loads(refused.value.response.body)["error"]["code"] == "too_many_clients"
        async with rig.client(local_addr=("127.0.0.2", 0)) as elsewhere:
            await elsewhere.greeted()
        await one.connection.close()
        async with rig.client() as three:
            await three.greeted()


async def test_clients_are_bounded_in_all(monkeypatch):
    """Wherever they come from."""
    monkeypatch.setattr(endpoint, "MAX_CLIENTS", 1)
    async with serving() as rig, rig.client() as one:
        await one.greeted()
        with pytest.raises(InvalidStatus) as refused:
            await connect(rig.ws, proxy=None, local_addr=("127.0.0.9", 0))
        assert refused.value.response.status_code == 503


async def test_client_that_is_one_too_many_after_all_is_closed(monkeypatch):
    """If others came between its question and its socket: 1013."""
    seen = iter([False, True])
    monkeypatch.setattr(endpoint.Endpoint, "_is_full", lambda self: next(seen))
    async with serving() as rig, rig.client() as late:
        assert await late.closed() == 1013


def test_bounds_are_those_of_the_protocol():
    """As published."""
    assert (endpoint.MAX_CLIENTS, endpoint.MAX_CLIENTS_PER_ADDRESS) == (500, 20)


async def test_plain_request_is_refused_in_json():
    """A browser's address line, say."""
    async with serving() as rig, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(rig.url + "/ws")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
        refused = await client.post(rig.url + "/ws")
        assert (refused.status_code, refused.json()["error"]["code"]) == (405, "method_not_allowed")


async def test_endpoint_that_is_switched_off_is_no_route():
    """And nobody follows the hub for it."""
    async with serving(WEBSOCKET_ENABLED="false") as rig:
        assert rig.feed is None
        with pytest.raises(InvalidStatus) as refused:
            await connect(rig.ws, proxy=None)
        assert refused.value.response.status_code == 404
        assert rig.hub.readers == 0


async def test_nothing_is_compressed():
    """The same bytes go to all, whatever a client can do."""
    async with serving() as rig, rig.client(compression="deflate") as peer:
        await peer.greeted()
        assert peer.connection.protocol.extensions == []


async def test_client_that_vanishes_is_forgotten():
    """Without a word, while something is told to it."""
    async with serving() as rig, rig.client() as other:
        await other.greeted()
        gone = await Counter.open(rig.port)
        await gone.until(lambda seen: seen.since is not None)
        gone.transport.abort()
        rig.tell(created(1))
        await other.until("session_event")
        rig.tell(created(2))
        await other.until("session_event")
        assert rig.feed.clients == 1


JSON_PIECES = ['"type"', '"subscribe"', '"subscriptions"', "[", "]", "{", "}", ":", ",", "1e9"]


def order_of(draw):
    """Give an order, right or wrong."""
    names = draw.choices(["sessions", "metrics", "x", 5, None, ["sessions"]], k=3)
    kind = draw.choice(["subscribe", "unsubscribe", "ping", None])
    return json.dumps({"type": kind, "subscriptions": names}).encode()


MAKERS = [
    lambda draw: masked(draw.randbytes(draw.randrange(200)), 0x81),
    lambda draw: masked(draw.randbytes(draw.randrange(200)), 0x82),
    lambda draw: masked("".join(draw.choices(JSON_PIECES, k=draw.randrange(40))).encode()),
    lambda draw: masked(order_of(draw)),
    lambda draw: masked(b"x" * draw.choice([4096, 4097])),
    lambda draw: masked(draw.randbytes(draw.randrange(126)), draw.randrange(256)),
    lambda draw: draw.randbytes(draw.randrange(1, 60)),
    lambda _: masked(b"ping"),
]
"""Each makes a frame, or what looks like one, as it goes over the wire."""


async def test_fuzzed_frames_harm_nobody_else(size, caplog):
    """No exception, no closed loop; a client beside them gets all its events in time."""
    frames, sent = size.n(5_000, 100_000), 0
    draw = random.Random(5)
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with serving() as rig, rig.client() as peer, httpx.AsyncClient(trust_env=False) as http:
        await peer.greeted()
        caplog.set_level(logging.WARNING)
        events, slowest_seconds = 0, 0.0
        while sent < frames:
            bad = [await Counter.open(rig.port, address=f"127.0.0.{2 + i}") for i in range(8)]
            for one in bad:
                for _ in range(25):
                    one.transport.write(draw.choice(MAKERS)(draw))
                    sent += 1
                one.transport.write_eof()
            for one in bad:
                await one.until(lambda _: False)
            events += 1
            began = time.monotonic()
            rig.tell(created(events))
            event = await peer.until("session_event")
            slowest_seconds = max(slowest_seconds, time.monotonic() - began)
            assert event["data"]["current_count"] == events
        async with asyncio.timeout(10):
            while rig.feed.clients > 1:
                rig.show(events)
                await peer.until("realtime_update")
        assert (await http.get(rig.url + "/api/v1/sessions/count")).status_code == 200
    assert faults == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    size.record(
        "fuzzed frames on `/ws`: unhandled exceptions",
        seed="5",
        n=sent,
        result=f"0; {events} of {events} events reached a client beside them, "
        f"the slowest in {1000 * slowest_seconds:.0f} ms",
    )
