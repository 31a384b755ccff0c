"""
The list of sessions over 100,000 of them in a real Redis, beside raw redis-py.

``python -m benchmarks.sessions [--sessions 100000]`` starts a ``redis-server``, fills it, watches
it, and prints a table: pages of the list, the same reads by a bare pipeline, and for how long the
watcher's loop stood still meanwhile. Times are in milliseconds: the median and the worst of all.
"""

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from uuid import uuid4

from redis.asyncio import Redis as AsyncRedis

from kato_panel.config import load
from kato_panel.domain.listing import Query
from kato_panel.runtime import Runtime
from kato_panel.sources import payloads, redis_visit
from tests.following import Reader
from tests.sources.redis_rig import RedisRig

FIRST_MS, NEXT_MS = 300, 100
SCANS, SCAN_TIMES = 3, 1.5
SCAN_SECONDS = 4
PAGE = 50
BATCH = 2_000
CALLS = 20
BEAT_SECONDS = 0.001


def fill(redis, count):
    """Write sessions as KATO does, each with a value of about 1.4 kB."""
    body = {
        "created_at": "2026-11-22T21:00:21.106758+00:00",
        "last_accessed": "2026-11-22T21:00:21.106758+00:00",
        "ttl_seconds": 36_000,
        "stm": [["a", "b"], ["c"]],
        "access_count": 7,
        "metadata": {"team": "demo", "fill": "x" * 1_100},
    }
    began_ms = int(time.time() * 1_000)
    ids = [f"session-{uuid4().hex}-{began_ms + number}" for number in range(count)]
    for begin in range(0, count, BATCH):
        pipe = redis.pipeline(transaction=False)
        for number, session_id in enumerate(ids[begin : begin + BATCH], begin):
            value = {"session_id": session_id, "node_id": f"node-{number % 997}", **body}
            pipe.set(
                payloads.session_key(session_id), json.dumps(value), ex=36_000 + number % 3_600
            )
        pipe.sadd(payloads.INDEX_KEY, *ids[begin : begin + BATCH])
        pipe.execute()
    return ids


def read_page(redis, ids):
    """Read one page as directly as can be."""
    pipe = redis.pipeline(transaction=False)
    keys = [payloads.session_key(session_id) for session_id in ids]
    for key in keys:
        pipe.strlen(key)
        pipe.pttl(key)
    pipe.execute()
    return [json.loads(value) for value in redis.mget(keys)]


def read_all(redis):
    """Read index, keys and times to live as directly as can be, by the client that blocks."""
    members, cursor = [], None
    while cursor != 0:
        cursor, part = redis.sscan(payloads.INDEX_KEY, cursor or 0, count=1_000)
        members += part
    cursor = None
    while cursor != 0:
        cursor, _ = redis.scan(cursor or 0, match=payloads.KEY_PATTERN, count=1_000)
    for begin in range(0, len(members), 500):
        pipe = redis.pipeline(transaction=False)
        for member in members[begin : begin + 500]:
            pipe.pttl(payloads.KEY_PREFIX + member)
        pipe.execute()


async def read_all_beside_a_loop(url):
    """Read the same with the client that a loop needs."""
    redis = AsyncRedis.from_url(url, protocol=2)
    members, cursor = [], None
    while cursor != 0:
        cursor, part = await redis.sscan(payloads.INDEX_KEY, cursor or 0, count=1_000)
        members += part
    cursor = None
    while cursor != 0:
        cursor, _ = await redis.scan(cursor or 0, match=payloads.KEY_PATTERN, count=1_000)
    for begin in range(0, len(members), 500):
        pipe = redis.pipeline(transaction=False)
        for member in members[begin : begin + 500]:
            pipe.pttl(payloads.KEY_PREFIX + member)
        await pipe.execute()
    await redis.aclose()


class Pulse:
    """Notes for how long a loop stands still."""

    def __init__(self, watcher):
        self.gaps = [0.0]
        self._beating = watcher.submit(self._beat())

    async def _beat(self):
        before = time.perf_counter()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = time.perf_counter()
            self.gaps.append(now - before - BEAT_SECONDS)
            before = now

    def take(self):
        """Give the longest since the last time, in milliseconds."""
        gaps, self.gaps = self.gaps, [0.0]
        return 1_000 * max(gaps)

    def stop(self):
        """End it."""
        self._beating.cancel()


def timed(call, times=1):
    """Call so often; give each duration in milliseconds."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(1_000 * (time.perf_counter() - began))
    return spent


class Bench:
    """Asks as pages do, and prints what it took."""

    def __init__(self, runtime, redis, ids, raw_ms, blocking_ms):
        self.runtime, self.redis, self.ids = runtime, redis, ids
        self.directory = runtime.sessions
        self.reader = Reader(runtime.hub)
        self.pulse = Pulse(runtime.watcher)
        self.loop = asyncio.new_event_loop()
        self.raw_page_ms = statistics.median(timed(lambda: read_page(redis, ids[:PAGE]), CALLS))
        self.raw_ms = raw_ms
        self.beside = f"{raw_ms:.0f} raw, {blocking_ms:.0f} raw and blocking"

    def run(self):
        """Print the table."""
        print("| what | median | worst | limit | | loop stood still | beside |")
        print("|---|---|---|---|---|---|---|")
        self.look()
        self.reconcile()
        self.make_indexes()
        self.turn_pages()
        self.change()
        self.look_again()
        self.pulse.stop()
        self.reader.close()
        self.loop.close()

    def ask(self, **query):
        """Ask for a page, and check its size."""
        query = Query(**query)
        page = self.loop.run_until_complete(self.directory.list(query))
        assert len(page.rows) == min(query.limit, max(0, page.total - query.skip))

    def tell(self, what, spent, limit, beside=""):
        """Print a row of the table."""
        median, worst = statistics.median(spent), max(spent)
        allowed = "" if limit is None else f"≤ {limit:.0f}"
        mark = "" if limit is None else ("met" if median <= limit else "MISSED")
        lag = self.pulse.take()
        print(
            f"| {what} | {median:.1f} | {worst:.1f} | {allowed} | {mark} | {lag:.0f} | {beside} |"
        )

    def look(self):
        """Wait for the first look at all keys, and do the same by hand."""
        began, count = time.perf_counter(), len(self.ids)
        self.reader.until(lambda seen: seen.active == count, timeout_seconds=120)
        spent = 1_000 * (time.perf_counter() - began)
        gc.freeze()  # as the service does
        gc.enable()
        self.tell("first look at all keys", [spent], None, self.beside)

    def reconcile(self):
        """Have all keys looked at again while nobody asks for anything."""
        spent, scan = [], redis_visit.Visit._scan  # noqa: SLF001 - nothing else has its duration

        async def timed_scan(visit, *, is_full):
            while visit._unread:  # noqa: ASYNC110, SLF001 - values of the first look
                await asyncio.sleep(0.1)
            if not spent:
                self.pulse.take()
            began = time.perf_counter()
            await scan(visit, is_full=is_full)
            spent.append(1_000 * (time.perf_counter() - began))

        rest_seconds, redis_visit.RECONCILE_SECONDS = redis_visit.RECONCILE_SECONDS, 1.0
        redis_visit.Visit._scan = timed_scan  # noqa: SLF001 - as above
        self.prompt()
        self.reader.until(lambda _: len(spent) >= SCANS, timeout_seconds=120)
        redis_visit.RECONCILE_SECONDS, redis_visit.Visit._scan = rest_seconds, scan  # noqa: SLF001
        limit = SCAN_TIMES * self.raw_ms
        self.tell(f"reconciliation, {SCANS} times", spent, limit, self.beside)

    def make_indexes(self):
        """Ask for pages that nothing is prepared for."""
        for name, query in {
            "first page": {},
            "first page by node": {"sort": "node"},
            "first page by id": {"sort": "session"},
            "first page by expiry": {"sort": "expires"},
            "first page of a search": {"search": "node-77"},
        }.items():
            spent = []
            for _ in range(5):
                self.directory._indexing._index = None  # noqa: SLF001 - as if it had never been made
                spent += timed(lambda query=query: self.ask(**query))
            self.tell(f"{name}, index made", spent, FIRST_MS)

    def turn_pages(self):
        """Ask for further pages."""
        count = len(self.ids)
        steps = {
            "next page": [{"skip": PAGE * number} for number in range(1, CALLS)],
            "last pages": [{"skip": count - PAGE * number} for number in range(1, CALLS)],
            "page of 200": [{"limit": 200}] * CALLS,
            "next page of a search": [{"search": "node-77", "skip": PAGE}] * CALLS,
            "next page of a node": [{"node": "node-77", "skip": PAGE}] * CALLS,
        }
        for name, queries in steps.items():
            spent = [timed(lambda query=query: self.ask(**query))[0] for query in queries]
            self.tell(name, spent, NEXT_MS, f"{self.raw_page_ms:.1f} raw page of {PAGE}")
        detail = self.directory.detail
        asked = timed(lambda: self.loop.run_until_complete(detail(self.ids[-1])), CALLS)
        self.tell("detail", asked, None)

    def change(self):
        """Ask while sessions go."""
        spent, count = [], len(self.ids)
        for number in range(10):
            self.redis.delete(payloads.session_key(self.ids[number]))
            self.reader.until(lambda seen, left=count - number - 1: seen.active == left)
            spent += timed(lambda: self.ask(skip=PAGE))
        self.tell("next page after an end", spent, NEXT_MS)

    def prompt(self):
        """Have the source look at once."""
        sources = self.runtime.watcher._sources  # noqa: SLF001 - nobody else can prompt it
        next(one for one in sources if one.name == "redis").prompt()

    def look_again(self):
        """Ask while all keys are looked at."""
        self.prompt()
        began, spent = time.perf_counter(), []
        while time.perf_counter() - began < SCAN_SECONDS:
            spent += timed(self.ask)
        self.tell("page while all keys are looked at", spent, NEXT_MS)


def main():
    """Fill, watch, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    count = parser.parse_args().sessions
    with tempfile.TemporaryDirectory() as folder:
        rig = RedisRig(Path(folder))
        try:
            redis = rig.client()
            redis.config_set("appendonly", "no")
            ids = fill(redis, count)
            settings = {
                "KATO_API_URL": "http://127.0.0.1:1",
                "REDIS_URL": rig.url,
                "KATO_PANEL_HISTORY_URL": f"sqlite:///{folder}/history.db",
            }
            asked = partial(read_all_beside_a_loop, rig.url)
            raw_ms = statistics.median(timed(lambda: asyncio.run(asked()), SCANS))
            blocking_ms = statistics.median(timed(lambda: read_all(redis), SCANS))
            runtime = Runtime(load({**settings, "KATO_PANEL_POLL_INTERVAL_SECONDS": 60}))
            gc.freeze()
            gc.disable()
            runtime.start()
            try:
                Bench(runtime, redis, ids, raw_ms, blocking_ms).run()
            finally:
                runtime.stop()
                redis.close()
        finally:
            rig.kill()


if __name__ == "__main__":
    main()
