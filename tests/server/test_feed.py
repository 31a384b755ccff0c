"""What the clients are told: each sentence of the protocol about the service's frames."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime

import pytest

from kato_panel.domain import alert_book as alert_books
from kato_panel.domain import upstream_figures
from kato_panel.domain.alert_book import AlertBook
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.rules import Measured, Rule
from kato_panel.domain.surroundings import Surroundings
from kato_panel.server import feed as feeds
from kato_panel.server import holding, outlet, ring
from kato_panel.wire import read_message
from tests.conftest import NOON, moment
from tests.feed_rig import Counter, created, serving

ALL_FIVE = ["metrics", "containers", "sessions", "session_events", "system_alerts"]


@pytest.fixture(autouse=True)
def only_what_is_told(monkeypatch):
    """No regular update comes between, however slow the machine."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 3600)


def counts(frames):
    """The counts after each event."""
    return [one["data"]["current_count"] for one in frames if one["type"] == "session_event"]


async def test_client_is_greeted_with_who_is_there_and_the_present_state():
    """`connected` first, then one `realtime_update`; neither takes a number."""
    async with serving() as rig:
        rig.show(7)
        async with rig.client() as peer:
            connected, update = await peer.greeted()
    assert (connected["type"], update["type"]) == ("connected", "realtime_update")
    assert connected["seq"] == update["seq"] == 0
    assert connected["epoch"] == rig.hub.epoch
    assert set(connected["data"]) == {"version", "subscriptions", "feature_flags"}
    assert connected["data"]["subscriptions"] == ALL_FIVE
    assert all(connected["data"]["feature_flags"].values())
    sessions = update["data"].pop("sessions")
    assert update["data"].keys() == {"containers"}
    assert sessions.pop("age_seconds") >= 0
    assert sessions == {
        "active_count": 7,
        "total_count": 7,
        "reported_count": 7,
        "drift": None,
        "source": "http",
        "stale": False,
    }


async def test_what_is_not_known_is_null():
    """Before the first observation."""
    async with serving() as rig, rig.client() as peer:
        _, update = await peer.greeted()
    assert update["data"]["sessions"]["active_count"] is None
    assert update["data"]["sessions"]["total_count"] is None


async def test_every_frame_has_type_time_epoch_and_number():
    """And is one that the published models read."""
    async with serving() as rig, rig.client() as peer:
        frames = list(await peer.greeted())
        rig.show(1)
        rig.tell(created(1))
        frames += [await peer.until("session_event")]
        for asked in ("ping", {"type": "subscribe", "subscriptions": []}, "?"):
            await peer.send(asked)
            frames.append(await peer.next())
    for frame in frames:
        assert {"type", "timestamp", "epoch", "seq"} <= set(frame)
        assert frame["timestamp"].endswith("+00:00")
        assert read_message(json.dumps(frame)).type == frame["type"]


async def test_published_frames_are_numbered_alike_for_all():
    """Each takes the next number; what only one client gets takes none."""
    async with serving() as rig, rig.client() as one, rig.client() as other:
        await one.greeted()
        await other.greeted()
        await one.send("ping")
        await one.until("heartbeat")
        rig.tell(created(1), created(2))
        frames = [await one.next(), await one.next()]
        assert [frame["seq"] for frame in frames] == [1, 2]
        assert [await other.next(), await other.next()] == frames
        await other.send("ping")
        assert (await other.next())["seq"] == 2


async def test_change_of_the_count_is_told_at_once():
    """Long before the next regular update."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        rig.show(4)
        update = await peer.next()
    assert (update["type"], update["data"]["sessions"]["active_count"]) == ("realtime_update", 4)


async def test_many_changes_are_told_together():
    """At most every 250 ms, and the newest is always told."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        rig.show(1)
        first = await peer.next()
        for active in range(2, 50):
            rig.show(active)
        second = await peer.next()
    assert second["data"]["sessions"]["active_count"] == 49
    first_at, second_at = (datetime.fromisoformat(one["timestamp"]) for one in (first, second))
    assert 0.2 < (second_at - first_at).total_seconds() < 5


async def test_present_state_is_told_regularly(monkeypatch):
    """Though nothing changes, as its age does."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 0.05)
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        assert [(await peer.next())["seq"] for _ in range(3)] == [1, 2, 3]


async def test_idle_client_hears_a_heartbeat(monkeypatch):
    """If there was nothing else; it takes no number."""
    monkeypatch.setattr(feeds, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(feeds, "SWEEP_SECONDS", 0.01)
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        await peer.send({"type": "subscribe", "subscriptions": ["metrics"]})
        await peer.until("subscribed")
        assert [(await peer.next())["type"] for _ in range(2)] == ["heartbeat", "heartbeat"]


async def test_client_with_other_traffic_hears_no_heartbeat(monkeypatch):
    """It is only there to say what else would be silence."""
    monkeypatch.setattr(feeds, "HEARTBEAT_SECONDS", 5)
    monkeypatch.setattr(feeds, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 0.02)
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        assert {(await peer.next())["type"] for _ in range(10)} == {"realtime_update"}


@pytest.mark.parametrize("topic", ["metrics", "metrics_update"])
async def test_subscription_to_what_does_not_exist_brings_nothing(monkeypatch, topic):
    """It is accepted: the feature may come with a later version."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 0.02)
    async with serving() as rig, rig.client() as peer, rig.client() as other:
        await peer.greeted()
        await other.greeted()
        await peer.send({"type": "subscribe", "subscriptions": [topic]})
        assert (await peer.until("subscribed"))["data"]["subscriptions"] == [topic]
        rig.tell(created(1))
        await other.until("session_event")
        await other.until("realtime_update")
        assert await peer.settled() == []


async def test_event_is_told_with_the_documents_fields():
    """Apart from the updates; a positive delta in both directions."""
    ended = SessionEvent(
        1, Kind.DESTROYED, NOON, 9, 7, 2, "redis", (Name("a", "n"), Name("b")), "expired", 4.0, 2.0
    )
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        rig.tell(ended)
        event = await peer.next()
    assert event["event_type"] == "session_destroyed"
    assert event["timestamp"] == "2026-11-22T12:00:00.000+00:00"
    assert event["data"] == {
        "current_count": 7,
        "previous_count": 9,
        "delta": 2,
        "time_since_last_event": 2.0,
        "session_ids": ["a", "b"],
        "node_ids": ["n", None],
        "reason": "expired",
        "source": "redis",
        "after_gap_seconds": 4.0,
    }


async def test_event_that_gets_its_name_in_time_is_told_once_with_it(monkeypatch):
    """The hub tells it twice; who follows waits for the second, up to a bound."""
    monkeypatch.setattr(holding, "NAMING_SECONDS", 30.0)
    nameless = created(1, names=())
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        rig.tell(nameless, created(2))
        assert await peer.settled() == []
        rig.tell(replace(nameless, names=(Name("late"),)))
        first, second = await peer.next(), await peer.next()
        assert (first["data"]["session_ids"], counts([first, second])) == (["late"], [1, 2])
        rig.tell(replace(nameless, names=(Name("again"),)))
        assert await peer.settled() == []


async def test_event_whose_name_does_not_come_is_told_without_it():
    """Those after it wait with it, and keep their order."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        loop = asyncio.get_running_loop()
        began = loop.time()
        rig.tell(created(1, names=()), created(2))
        assert counts([await peer.next(), await peer.next()]) == [1, 2]
        assert 0.3 < loop.time() - began < 5
        rig.tell(replace(created(1), names=(Name("too late"),)))
        assert await peer.settled() == []


async def test_event_that_nobody_can_name_does_not_wait():
    """Without KATO's stream, there is nothing to wait for."""
    async with serving(KATO_PANEL_STREAM="off") as rig, rig.client() as peer:
        await peer.greeted()
        rig.tell(created(1, names=()))
        assert counts(await peer.settled()) == [1]


async def test_events_from_before_the_first_client_are_not_told():
    """They happened before anybody could hear of them; their names come too late as well."""
    nameless = created(1, names=())
    async with serving() as rig:
        rig.tell(nameless)
        async with rig.client() as peer:
            await peer.greeted()
            rig.tell(replace(nameless, names=(Name("late"),)))
            rig.tell(created(2))
            assert counts(await peer.settled() or [await peer.next()]) == [2]


async def test_client_that_resumes_gets_exactly_what_it_missed():
    """`connected` and the update carry the number resumed from; nothing comes twice."""
    async with serving() as rig:
        async with rig.client() as peer:
            await peer.greeted()
            rig.tell(created(1), created(2))
            await peer.next()
            seen = (await peer.next())["seq"]
        rig.tell(*(created(seq) for seq in range(3, 300)))
        async with rig.client(f"?since={rig.hub.epoch}:{seen}") as peer:
            connected, update = await peer.greeted()
            assert connected["seq"] == update["seq"] == seen
            frames = [await peer.next() for _ in range(297)]
            rig.tell(created(300))
            frames.append(await peer.until("session_event"))
    assert counts(frames) == list(range(3, 301))
    assert [frame["seq"] for frame in frames] == sorted({frame["seq"] for frame in frames})


async def test_answers_wait_for_what_was_missed():
    """Their number would say that nothing is missing."""
    async with serving() as rig:
        async with rig.client() as peer:
            await peer.greeted()
        rig.tell(*(created(seq) for seq in range(1, 3001)))
        counter = await Counter.open(rig.port, query=f"?since={rig.hub.epoch}:0", small_buffer=True)
        counter.transport.pause_reading()
        counter.send(b"ping")
        other = await Counter.open(rig.port)
        other.send(b"ping")  # when it is answered, the first one was read
        await other.until(lambda seen: seen.beats)
        other.transport.abort()
        counter.transport.resume_reading()
        await counter.until(lambda seen: seen.beats)
        counter.transport.abort()
    assert (counter.events, counter.beats) == (list(range(1, 3001)), [3000])


async def test_resuming_from_too_far_back_is_a_gap(monkeypatch):
    """It says which are missing; the rest follows."""
    monkeypatch.setattr(ring, "MAX_FRAMES", 10)
    async with serving() as rig:
        async with rig.client() as peer:
            await peer.greeted()
        rig.tell(*(created(seq) for seq in range(1, 31)))
        async with rig.client(f"?since={rig.hub.epoch}:5") as peer:
            await peer.greeted()
            gap = await peer.next()
            assert gap["data"] == {"from_seq": 6, "to_seq": 20, "reason": "too far back"}
            assert gap["seq"] == 30
            assert counts(await peer.settled()) == list(range(21, 31))


async def test_ring_is_bounded_in_bytes_too(monkeypatch):
    """Frames differ in length."""
    monkeypatch.setattr(ring, "MAX_BYTES", 2000)
    async with serving() as rig:
        async with rig.client() as peer:
            await peer.greeted()
            rig.tell(*(created(seq) for seq in range(1, 31)))
            assert len([await peer.next() for _ in range(30)]) == 30
        async with rig.client(f"?since={rig.hub.epoch}:0") as peer:
            await peer.greeted()
            gap = await peer.next()
            missed = counts(await peer.settled())
    assert 1 <= len(missed) < 6
    assert gap["data"]["to_seq"] == missed[0] - 1


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ("elsewhere:3", "anew"),
        ("{epoch}:99", "anew"),
        ("elsewhere", "not understood"),
        ("{epoch}:-1", "not understood"),
        ("{epoch}:1e3", "not understood"),
        ("{epoch}:" + 5000 * "9", "not understood"),
        ("%FF%00:x", "not understood"),
        ("", "not understood"),
    ],
)
async def test_resuming_from_what_nobody_knows_is_a_gap(since, reason):
    """Another start's numbers say nothing here; nor do those that never were."""
    async with serving() as rig:
        async with rig.client() as peer:
            await peer.greeted()
        rig.tell(created(1))
        async with rig.client("?since=" + since.format(epoch=rig.hub.epoch)) as peer:
            connected, _ = await peer.greeted()
            gap = await peer.next()
            assert connected["seq"] == gap["seq"] == 1
            assert (gap["data"]["from_seq"], gap["data"]["to_seq"]) == (0, 1)
            assert reason in gap["data"]["reason"]
            rig.tell(created(2))
            assert counts([await peer.next()]) == [2]


async def test_events_that_the_hub_has_no_room_for_are_a_gap(monkeypatch):
    """Nothing is lost in silence, whether a client was there or resumes."""
    monkeypatch.setattr(feeds, "MAX_WAITING_EVENTS", 5)
    async with serving() as rig:
        async with rig.client() as peer:
            await peer.greeted()
            rig.tell(created(1))
            rig.tell(*(created(seq) for seq in range(2, 21)))
            frames = [await peer.next() for _ in range(6)]
        assert (frames[0]["data"]["from_seq"], frames[0]["data"]["to_seq"]) == (0 + 1, 15)
        assert counts(frames) == [16, 17, 18, 19, 20]
        assert [frame["seq"] for frame in frames] == [15, 16, 17, 18, 19, 20]
        async with rig.client(f"?since={rig.hub.epoch}:0") as peer:
            await peer.greeted()
            assert await peer.settled() == frames


async def test_feed_that_is_behind_leaves_the_rest_in_the_hub(monkeypatch):
    """Whose queue is bounded, and says what it had no room for."""
    monkeypatch.setattr(feeds, "MAX_TURN_FRAMES", 2)
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        monkeypatch.setattr(feeds, "MAX_WAITING_EVENTS", 5)
        rig.tell(*(created(seq) for seq in range(1, 41)))
        await peer.until("session_event")
        rig.tell(*(created(seq) for seq in range(41, 61)))
        frames = [await peer.until("session_event") for _ in range(59)]
        assert counts(frames) == list(range(2, 61))


async def test_half_a_surrogate_pair_in_a_name_reaches_clients_as_text():
    """As a question mark: no reader of JSON takes it as it is."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        rig.tell(created(1, names=(Name("a\ud800b", "\udfff"),)))
        event = await peer.next()
    assert event["data"]["session_ids"] == ["a?b"]
    assert event["data"]["node_ids"] == ["?"]


async def test_events_switched_off_tells_no_sessions():
    """No event, and no part of an update; the greeting stays."""
    off = {"WEBSOCKET_SESSION_EVENTS": "false", "WEBSOCKET_CONTAINER_STATS": "false"}
    async with serving(**off) as rig, rig.client() as peer:
        connected, update = await peer.greeted()
        rig.show(3)
        rig.feed._update()
        assert await peer.settled() == []
    assert update["data"] == {}
    assert connected["data"]["feature_flags"]["websocket_container_stats"] is False
    assert connected["data"]["feature_flags"]["websocket_session_events"] is False


async def test_without_selective_subscriptions_everybody_gets_all_five():
    """Whatever is asked for, that is the answer."""
    async with serving(WEBSOCKET_SELECTIVE_SUBSCRIPTIONS="false") as rig, rig.client() as peer:
        await peer.greeted()
        for kind in ("subscribe", "unsubscribe"):
            await peer.send({"type": kind, "subscriptions": ["sessions"]})
            assert (await peer.next())["data"]["subscriptions"] == ALL_FIVE
        rig.tell(created(1))
        assert counts([await peer.next()]) == [1]


async def test_feed_subscribes_once_and_with_its_first_client_only():
    """However many come; it ends with the service."""
    async with serving() as rig:
        assert rig.hub.readers == 0
        async with rig.client() as one, rig.client() as other:
            await one.greeted()
            await other.greeted()
            assert (rig.hub.readers, rig.feed.clients) == (1, 2)
            rig.feed.stop()
            assert rig.hub.readers == 0
            assert await one.closed() == 1001
            assert await other.closed() == 1001
        rig.feed.stop()
        async with rig.client() as late:
            assert await late.closed() == 1001


async def stall(rig, events):
    """Open a client that stops reading, and another one; tell so many events."""
    slow = await Counter.open(rig.port, small_buffer=True)
    quick = await Counter.open(rig.port)
    for one in (slow, quick):
        await one.until(lambda seen: seen.since is not None)
    slow.transport.pause_reading()
    for start in range(1, events + 1, 50):
        rig.tell(*(created(seq) for seq in range(start, start + 50)))
        await quick.until(lambda seen: len(seen.events) >= start + 49)  # noqa: B023
    return slow, quick


async def test_client_that_does_not_read_is_cut_and_counted():
    """By the number of its frames; its memory is given back, and nobody else notices."""
    async with serving() as rig:
        slow, quick = await stall(rig, 50)
        both = list(rig.feed._receivers)
        for start in range(51, 3000, 50):
            rig.tell(*(created(seq) for seq in range(start, start + 50)))
            await quick.until(lambda seen: len(seen.events) >= start + 49)  # noqa: B023
        (cut,) = [one for one in both if one not in rig.feed._receivers]
        assert not cut.outlet._waiting
        assert quick.events == list(range(1, 3001))
        assert (rig.feed.dropped, rig.feed.clients) == (1, 1)
        slow.transport.abort()
        quick.transport.abort()


async def test_client_that_is_slow_for_a_while_gets_all_in_order():
    """What its socket did not take is kept, up to the bounds."""
    async with serving() as rig:
        slow, quick = await stall(rig, 400)
        (lagging,) = [one for one in rig.feed._receivers if not one.outlet.is_idle]
        slow.transport.resume_reading()
        await slow.until(lambda seen: len(seen.events) == 400)
        assert slow.events == quick.events == list(range(1, 401))
        rig.tell(created(401))
        await slow.until(lambda seen: len(seen.events) == 401)
        assert lagging.outlet.is_idle
        assert rig.feed.dropped == 0
        slow.transport.abort()
        quick.transport.abort()


async def test_client_that_takes_nothing_for_long_is_cut(monkeypatch):
    """However little waits for it: 10 s, less here."""
    monkeypatch.setattr(outlet, "MAX_UNSENT_SECONDS", 0.1)
    monkeypatch.setattr(feeds, "SWEEP_SECONDS", 0.01)
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        await peer.send({"type": "subscribe", "subscriptions": ["sessions"]})
        await peer.until("subscribed")
        slow, quick = await stall(rig, 400)
        active = 0
        while not rig.feed.dropped:
            rig.show(active := active + 1)
            await peer.until("realtime_update")
        assert rig.feed.clients == 2
        slow.transport.abort()
        quick.transport.abort()


@pytest.mark.parametrize(
    ("frames", "size", "seconds", "is_overfull"),
    [
        (257, 1, 0.0, True),
        (256, 1, 0.0, False),
        (2, 1024 * 1024, 0.0, True),
        (2, 1000, 10.1, True),
        (2, 1000, 9.9, False),
    ],
)
async def test_bounds_of_what_waits(frames, size, seconds, is_overfull):
    """More than 256 frames, more than 1 MiB, or more than 10 s."""

    class Stuck:
        def closed(self):
            return False

        def writing(self):
            return True

        def write(self, data):
            return asyncio.get_running_loop().create_future()

    out = outlet.Outlet(Stuck(), lambda: None)
    assert not out.is_overfull(moment(1e9).tick)
    out.send(b"x", 1, 0.0)
    if frames > 2:
        for _ in range(frames - 1):
            out.send(b"x", 1, 0.0)
    else:
        out.send(size * b"x", 1, 0.0)
    assert out.is_overfull(seconds) is is_overfull


class Odd:
    """A stream that takes nothing, or breaks."""

    def __init__(self, error):
        self.error, self.written, self.is_closed = error, [], False

    def closed(self):
        return self.is_closed

    def writing(self):
        return False

    def write_to_fd(self, data):
        raise self.error

    def write(self, data):
        self.written.append(data)
        return asyncio.get_running_loop().create_future()

    def close(self, exc_info):
        self.is_closed = exc_info


async def test_socket_that_takes_nothing_now_is_left_to_tornado():
    """Which writes on when there is room."""
    stream = Odd(BlockingIOError())
    out = outlet.Outlet(stream, lambda: None)
    out.send(b"abc", 1, 0.0)
    assert (stream.written, out.is_idle) == ([b"abc"], False)


async def test_socket_that_breaks_is_closed():
    """As Tornado would; its handler hears of that. Nothing more is written."""
    stream = Odd(ConnectionResetError())
    out = outlet.Outlet(stream, lambda: None)
    out.send(b"abc", 1, 0.0)
    out.send(b"def", 1, 0.0)
    assert (stream.written, out.is_idle, stream.is_closed) == ([], True, True)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_frames_are_as_the_websocket_protocol_has_them(size):
    """A text of any length, unmasked; read by another implementation."""
    from websockets.frames import Frame
    from websockets.streams import StreamReader

    reader = StreamReader()
    reader.feed_data(outlet.seal(size * b"x"))
    parsing = Frame.parse(reader.read_exact, mask=False, max_size=None)
    with pytest.raises(StopIteration) as ended:
        next(parsing)
    assert (ended.value.value.data, ended.value.value.fin) == (size * b"x", True)


class Alerts:
    """A book whose board a test publishes."""

    def __init__(self, rig):
        self.rig = rig
        self.book = AlertBook([Rule("busy", "sessions_active", ">", 10, cooldown_seconds=0)])
        self.seconds = 0

    def look(self, *values):
        for value in values:
            self.seconds += 1
            self.book.look([Measured("sessions_active", value)], moment(self.seconds))
        self.rig.hub.publish(None, (), None, Surroundings(alerts=self.book.board))


async def test_alert_is_told_when_it_begins_and_when_it_is_over():
    """Once each, under one id; also where both came before the client's turn."""
    async with serving() as rig, rig.client() as peer:
        await peer.greeted()
        alerts = Alerts(rig)
        alerts.look(11)
        begun = await peer.until("system_alert")
        assert begun["timestamp"] == "2026-11-22T12:00:01.000+00:00"
        (told,) = begun["alerts"]
        assert (told["type"], told["state"], told["value"]) == ("busy", "firing", 11)
        alerts.look(12)
        alerts.look(1, 13, 2)
        rest = [await peer.until("system_alert") for _ in range(3)]
        assert [one["alerts"][0]["state"] for one in rest] == ["resolved", "firing", "resolved"]
        assert begun["id"] == rest[0]["id"] != rest[1]["id"] == rest[2]["id"]
        assert [one["seq"] - begun["seq"] for one in rest] == [1, 2, 3]
        assert [one for one in await peer.settled() if one["type"] == "system_alert"] == []


async def test_who_resumes_gets_missed_alerts_and_events_in_their_order():
    """Exactly those, by what it is subscribed to."""
    async with serving() as rig, rig.client() as other:
        await other.greeted()
        alerts = Alerts(rig)
        async with rig.client() as peer:
            connected, _ = await peer.greeted()
            alerts.look(11)
            first = await peer.until("system_alert")
        rig.tell(created(1))
        await other.until("session_event")
        alerts.look(1)
        await other.until("system_alert")
        rig.tell(created(2))
        await other.until("session_event")
        since = f"?since={connected['epoch']}:{first['seq']}"
        async with rig.client(since) as peer:
            await peer.greeted()
            missed = [one for one in await peer.settled() if one["type"] != "realtime_update"]
        assert [one["type"] for one in missed] == ["session_event", "system_alert", "session_event"]
        assert missed[1]["alerts"][0]["state"] == "resolved"
        assert {one["seq"] for one in missed} == {first["seq"] + n for n in (1, 2, 3)}


async def test_alerts_of_before_are_not_told_and_lost_ones_are_a_gap(monkeypatch):
    """Their numbers say how many there were."""
    monkeypatch.setattr(alert_books, "MAX_NOTICES", 2)
    async with serving() as rig:
        alerts = Alerts(rig)
        alerts.look(11, 1)
        async with rig.client() as peer:
            await peer.greeted()
            alerts.look(*[11, 1] * 3)
            frames = [one for one in await peer.settled() if one["type"] != "realtime_update"]
        assert [one["type"] for one in frames] == ["gap", "system_alert", "system_alert"]
        gap = frames[0]["data"]
        assert gap["to_seq"] - gap["from_seq"] + 1 == 4


async def test_flag_that_is_off_is_told():
    """There is nothing to follow then."""
    async with serving(WEBSOCKET_SYSTEM_ALERTS=False) as rig, rig.client() as peer:
        connected, _ = await peer.greeted()
        assert connected["data"]["feature_flags"]["websocket_system_alerts"] is False


async def until_metrics(peer):
    """Give the data of the next update that has them."""
    while "metrics" not in (frame := await peer.until("realtime_update"))["data"]:
        pass
    return frame["data"]


async def test_metrics_are_told_when_they_are_read_anew(monkeypatch):
    """In the first update, and then once for each reading; null once there are none."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 0.05)
    async with serving(WEBSOCKET_CONTAINER_STATS=False) as rig:
        rig.show(7)
        rig.report({"timestamp": 1.0})
        async with rig.client() as peer:
            _, first = await peer.greeted()
            assert first["data"]["metrics"] == {"timestamp": 1.0}
            rig.report({"timestamp": 2.0})
            told = await until_metrics(peer)
            assert (told["metrics"], told["sessions"]["active_count"]) == ({"timestamp": 2.0}, 7)
            later = [await peer.until("realtime_update") for _ in range(3)]
            assert {*map(tuple, (one["data"] for one in later))} == {("sessions",)}
            rig.report(None)
            assert (await until_metrics(peer))["metrics"] is None


async def test_everybody_gets_the_parts_of_his_subscription(monkeypatch):
    """Under the same number, whatever the events' flag."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 0.05)
    async with serving() as rig, rig.client() as all_, rig.client() as one:
        await one.send({"type": "subscribe", "subscriptions": ["metrics"]})
        await one.until("subscribed")
        rig.show(3)
        rig.report({"timestamp": 1.0})
        every, only = await until_metrics(all_), await one.until("realtime_update")
        assert {*every} == {"sessions", "metrics", "containers"}
        assert only["data"] == {"metrics": {"timestamp": 1.0}}
    off = {"WEBSOCKET_SESSION_EVENTS": False, "WEBSOCKET_CONTAINER_STATS": False}
    async with serving(**off) as rig, rig.client() as peer:
        rig.report({"timestamp": 1.0})
        assert (await until_metrics(peer)) == {"metrics": {"timestamp": 1.0}}


async def test_older_form_comes_to_those_who_ask_by_name(monkeypatch):
    """And to nobody else; it takes no number."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 0.05)
    async with serving() as rig, rig.client() as old, rig.client() as other:
        await old.send({"type": "subscribe", "subscriptions": ["metrics_update"]})
        await old.until("subscribed")
        rig.report({"timestamp": 1.0})
        frame = await old.until("metrics_update")
        assert frame["data"] == {"timestamp": 1.0}
        await until_metrics(other)
        rig.report(None)
        await until_metrics(other)
        rig.report({"timestamp": 2.0})
        frame = await old.until("metrics_update")
        assert (frame["data"], read_message(json.dumps(frame)).type) == (
            {"timestamp": 2.0},
            "metrics_update",
        )
        kinds = {one["type"] for one in await other.settled()}
        assert "metrics_update" not in kinds


async def test_old_metrics_are_not_known_any_more(monkeypatch):
    """After 45 s without a new reading."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 0.05)
    async with serving() as rig:
        rig.report({"timestamp": 1.0})
        async with rig.client() as peer:
            await peer.greeted()
            assert (await until_metrics(peer))["metrics"] == {"timestamp": 1.0}
            monkeypatch.setattr(upstream_figures, "OLD_SECONDS", 0.0)
            assert (await until_metrics(peer))["metrics"] is None
