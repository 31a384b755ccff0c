"""Every event reaches every client once, or a gap says which did not; slow ones harm nobody."""

import asyncio
import json
import random
import statistics
import time
from datetime import timedelta

import pytest
from websockets.asyncio.client import connect

from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.server import endpoint
from kato_panel.server import feed as feeds
from kato_panel.simulator.churn import DAY_SECONDS, Churn
from kato_panel.simulator.world import World
from tests.conftest import NOON
from tests.feed_rig import Counter, created, serving

CHUNK = 100


@pytest.fixture
def only_events(monkeypatch):
    """No regular update takes a number."""
    monkeypatch.setattr(feeds, "UPDATE_SECONDS", 3600)


class Returning:
    """A client that loses its connection at times, and resumes."""

    def __init__(self, rig, address):
        self._rig, self._address = rig, address
        self.events, self.gaps, self.since, self.counter = [], [], None, None

    async def connect(self):
        """Connect, and resume where it stopped."""
        query = "" if self.since is None else f"?since={self._rig.hub.epoch}:{self.since}"
        self.counter = await Counter.open(self._rig.port, address=self._address, query=query)
        await self.counter.until(lambda seen: seen.since is not None)

    async def lose(self):
        """Lose the connection, whatever is under way."""
        self.counter.transport.abort()
        await self.counter.ended.wait()
        self.note()

    def note(self):
        """Take over what came by the last connection."""
        self.events += self.counter.events
        self.gaps += self.counter.gaps
        self.since = self.counter.since
        self.counter.events, self.counter.gaps = [], []

    def is_exact(self, count):
        """Whether each event came once and in order, or is covered by a gap."""
        # Only events are published in these tests: an event's count is its frame's number.
        missing = {seq for first, last in self.gaps for seq in range(first, last + 1)}
        return self.events == [seq for seq in range(1, count + 1) if seq not in missing]


async def test_each_event_reaches_each_client_once_across_reconnects(
    size, only_events, monkeypatch
):
    """What was received is what was published, or a gap says which are missing."""
    count, clients = size.n(10_000, 100_000), size.n(30, 200)
    reconnects, draw = size.n(50, 100), random.Random(7)
    monkeypatch.setattr(endpoint, "MAX_CLIENTS_PER_ADDRESS", 500)
    async with serving(WEBSOCKET_SELECTIVE_SUBSCRIPTIONS="false") as rig:
        all_ = [Returning(rig, f"127.0.0.{2 + i % 20}") for i in range(clients)]
        for one in all_:
            await one.connect()
        due = sorted(draw.randrange(count) for _ in range(reconnects))
        away = []
        for start in range(1, count + 1, CHUNK):
            rig.tell(*(created(seq) for seq in range(start, min(start + CHUNK, count + 1))))
            while due and due[0] < start + CHUNK:
                due.pop(0)
                away.append((start + draw.randrange(20 * CHUNK), lost := draw.choice(all_)))
                await lost.lose()
            for back_at, one in list(away):
                if back_at <= start:
                    away.remove((back_at, one))
                    await one.connect()
            for one in all_:
                await one.counter.until(lambda seen: seen.since >= start + CHUNK - 1)  # noqa: B023
        for one in all_:
            if one.counter.ended.is_set():
                one.note()
                await one.connect()
            await one.counter.until(lambda seen: seen.since >= count)
        for one in all_:
            one.note()
            one.counter.transport.abort()
        assert [one for one in all_ if not one.is_exact(count)] == []
        gaps = sum(len(one.gaps) for one in all_)
    size.record(
        f"events to {clients} clients with {reconnects} reconnects: lost or doubled",
        seed="7",
        n=count,
        result=f"0; {gaps} gaps, {rig.feed.dropped} clients cut",
    )


async def test_events_at_full_speed_arrive_or_are_a_gap(size, only_events):
    """Though nobody waits for anybody: the hub loses the oldest, and the feed says which."""
    count = size.n(20_000, 100_000)
    async with serving() as rig:
        one = Returning(rig, "127.0.0.1")
        await one.connect()
        publishing = asyncio.to_thread(
            lambda: [rig.tell(created(seq)) for seq in range(1, count + 1)]
        )
        task = asyncio.create_task(publishing)
        while not task.done() or (one.since or 0) < count:
            if one.counter.ended.is_set():  # cut, as it could not keep up either
                one.note()
                await one.connect()
            await one.counter.until(lambda seen: (seen.since or 0) >= count)
            one.note()
        one.counter.transport.abort()
        assert one.is_exact(count)
        told, gaps = len(one.events), len(one.gaps)
    size.record(
        "events at full speed to one client: lost in silence, or doubled",
        seed="none",
        n=count,
        result=f"0; {told} told, {gaps} gaps, cut and resumed {rig.feed.dropped} times",
    )


async def tell_one_by_one(rig, readers, first, count):
    """Publish one event after the other; say how late each reader had each."""
    late = []
    for seq in range(first, first + count):
        began = time.monotonic()
        rig.tell(created(seq))
        for one in readers:
            await one.until(lambda seen: len(seen.events) >= seq)  # noqa: B023
            late.append(time.monotonic() - began)
    return late


async def test_clients_that_do_not_read_are_cut_and_change_nobody_else(size, monkeypatch):
    """One in ten: gone within 30 s, while the others get every event as fast as before."""
    clients, rounds, count = size.n(40, 200), size.n(2, 6), 800
    monkeypatch.setattr(endpoint, "MAX_CLIENTS_PER_ADDRESS", 500)
    alone, among, cut, longest_seconds = [], [], 0, 0.0
    async with serving() as rig:
        readers = [await Counter.open(rig.port) for _ in range(clients * 9 // 10)]
        for one in readers:
            await one.until(lambda seen: seen.since is not None)
        for first in range(1, 2 * rounds * count, 2 * count):
            alone += await tell_one_by_one(rig, readers, first, count)
            slow = [await Counter.open(rig.port, small_buffer=True) for _ in range(clients // 10)]
            for one in slow:
                await one.until(lambda seen: seen.since is not None)
                one.transport.pause_reading()
            began, cut = time.monotonic(), cut + len(slow)
            among += await tell_one_by_one(rig, readers, first + count, count)
            async with asyncio.timeout(30):
                while rig.feed.dropped < cut:  # noqa: ASYNC110 - the feed counts, and tells nobody
                    await asyncio.sleep(0.01)
            longest_seconds = max(longest_seconds, time.monotonic() - began)
            assert (rig.feed.dropped, rig.feed.clients) == (cut, len(readers))
            for one in slow:
                one.transport.abort()
        assert all(one.events == list(range(1, 2 * rounds * count + 1)) for one in readers)
        for one in readers:
            one.transport.abort()
    assert longest_seconds < 30
    alone_p99, among_p99 = (statistics.quantiles(late, n=100)[98] for late in (alone, among))
    size.record(
        f"{clients // 10} of {clients} clients do not read: p99 of the others without and with",
        seed="none",
        n=len(among),
        result=f"{1000 * alone_p99:.1f} and {1000 * among_p99:.1f} ms; "
        f"{cut} of {cut} cut, within {longest_seconds:.0f} s; 0 of the others' events lost",
    )


def day_of_events(rate):
    """Give a day of the simulator's own churn, as events; its expiries are told by nobody."""
    world, count = World(3), 0
    for seq, change in enumerate(Churn(3, rate, 1.0, 0.0).advance(world, DAY_SECONDS), 1):
        kind = Kind(f"session_{change.what}")
        step = 1 if kind is Kind.CREATED else -1
        name = Name(change.session.session_id, change.session.node_id)
        at = NOON + timedelta(seconds=change.at)
        yield SessionEvent(seq, kind, at, count, count + step, 1, "stream", (name,))
        count += step


async def test_client_of_the_design_documents_kind_works_through_a_day(size):
    """It subscribes by name, counts events, says ping, and knows only the fields it was told of."""
    events = list(day_of_events(size.n(5, 50) / 100))
    count, counted = 0, 0
    async with serving() as rig, connect(rig.ws, proxy=None) as socket:
        names = ["sessions", "session_events"]
        await socket.send(json.dumps({"type": "subscribe", "subscriptions": names}))
        while json.loads(await socket.recv())["type"] != "subscribed":
            pass
        for start in range(0, len(events), CHUNK):
            chunk = events[start : start + CHUNK]
            rig.tell(*chunk)
            rig.show(chunk[-1].current)
            while counted < start + len(chunk):
                frame = json.loads(await socket.recv())
                if frame["type"] == "session_event":
                    delta = frame["data"]["delta"]
                    count += delta if frame["event_type"] == "session_created" else -delta
                    counted += 1
                    assert frame["data"]["current_count"] == count
        await socket.send("ping")
        while (frame := json.loads(await socket.recv()))["type"] != "heartbeat":
            pass
        while (
            frame["type"] != "realtime_update" or frame["data"]["sessions"]["total_count"] != count
        ):
            frame = json.loads(await socket.recv())
    assert (counted, count) == (len(events), events[-1].current)
    size.record(
        "a day of simulated churn, read by a client of the design document's kind: miscounted",
        seed="3",
        n=counted,
        result="0 of them; the count in the end as published",
    )
