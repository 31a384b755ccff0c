"""
The list of sessions over 100,000 of them in a real Redis, beside raw redis-py.

``python benchmarks/sessions.py [--sessions 100000]`` starts a ``redis-server``, fills it, watches
it, and prints a table: pages of the list, the same reads by a bare pipeline, and for how long the
watcher's loop stood still meanwhile. Times are in milliseconds: the median and the worst of all.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from kato_panel.config import load
from kato_panel.domain.listing import Query
from kato_panel.runtime import Runtime
from kato_panel.sources import payloads
from tests.following import Reader
from tests.sources.redis_rig import RedisRig

FIRST_MS, NEXT_MS, LAG_MS, SCAN_RATIO = 300, 100, 50, 1.5
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
    """Read index and times to live as directly as can be."""
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


def row(what, spent, limit, lag=None, beside=""):
    """Print a row of the table."""
    median, worst = statistics.median(spent), max(spent)
    is_met = limit is None or median <= limit
    stood = "" if lag is None else f"{lag:.0f}"
    allowed = "" if limit is None else f"≤ {limit:.0f}"
    mark = "" if limit is None else ("met" if is_met else "MISSED")
    print(f"| {what} | {median:.1f} | {worst:.1f} | {allowed} | {mark} | {stood} | {beside} |")


def measure(runtime, rig, ids, count):
    """Ask as pages do, and print what it took."""
    reader = Reader(runtime.hub)
    pulse = Pulse(runtime.watcher)
    began = time.perf_counter()
    reader.until(lambda seen: seen.active == count, timeout_seconds=120)
    looked_ms, lag = 1_000 * (time.perf_counter() - began), pulse.take()
    directory = runtime.sessions

    async def ask(query):
        page = await directory.list(query)
        assert len(page.rows) == min(query.limit, max(0, page.total - query.skip))

    def call(**query):
        return lambda: loop.run_until_complete(ask(Query(**query)))

    loop = asyncio.new_event_loop()
    print("| what | median | worst | limit | | loop stood still | beside |")
    print("|---|---|---|---|---|---|---|")
    with rig.client() as redis:
        raw = timed(lambda: read_page(redis, ids[:PAGE]), CALLS)
        scan = timed(lambda: read_all(redis), 3)
        pulse.take()
        beside = f"{statistics.median(scan):.0f} raw, × {looked_ms / statistics.median(scan):.2f}"
        row("first look at all keys", [looked_ms], None, lag, beside)
        for name, query in {
            "first page, index made": {},
            "first page by node, index made": {"sort": "node"},
            "first page by id, index made": {"sort": "session"},
            "first page by expiry, index made": {"sort": "expires"},
            "first search, index made": {"search": "node-77"},
        }.items():
            spent = []
            for _ in range(5):
                directory._index = None
                spent += timed(call(**query))
            row(name, spent, FIRST_MS, pulse.take())
        beside = f"{statistics.median(raw):.1f} raw page"
        pages = [timed(call(skip=PAGE * number))[0] for number in range(1, CALLS)]
        row("next page", pages, NEXT_MS, pulse.take(), beside)
        pages = [timed(call(skip=count - PAGE * number))[0] for number in range(1, CALLS)]
        row("last pages", pages, NEXT_MS, pulse.take(), beside)
        row("page of 200", timed(call(limit=200), CALLS), NEXT_MS, pulse.take())
        row("same search again", timed(call(search="node-77"), CALLS), NEXT_MS, pulse.take())
        row("node's filter again", timed(call(node="node-77"), CALLS), NEXT_MS, pulse.take())
        spent = []
        for number in range(10):
            redis.delete(payloads.session_key(ids[number]))
            reader.until(lambda seen, left=count - number - 1: seen.active == left)
            spent += timed(call(skip=PAGE))
        row("next page after a delete", spent, NEXT_MS, pulse.take())
        spent = timed(lambda: loop.run_until_complete(directory.detail(ids[-1])), CALLS)
        row("detail", spent, None, pulse.take())
        redis_source = next(one for one in runtime.watcher._sources if one.name == "redis")
        began_tick = time.perf_counter()
        redis_source.prompt()
        spent = []
        with suppress(StopIteration):
            while time.perf_counter() - began_tick < 6:
                spent += timed(call())
                time.sleep(0.1)
        row("first page while all keys are looked at", spent, NEXT_MS, pulse.take())
    pulse.stop()
    reader.close()
    loop.close()


def main():
    """Fill, watch, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    count = parser.parse_args().sessions
    with tempfile.TemporaryDirectory() as folder:
        rig = RedisRig(Path(folder))
        try:
            with rig.client() as redis:
                redis.config_set("appendonly", "no")
                ids = fill(redis, count)
            settings = {"KATO_API_URL": "http://127.0.0.1:1", "REDIS_URL": rig.url}
            runtime = Runtime(load({**settings, "KATO_PANEL_POLL_INTERVAL_SECONDS": 60}))
            runtime.start()
            try:
                measure(runtime, rig, ids, count)
            finally:
                runtime.stop()
        finally:
            rig.kill()


if __name__ == "__main__":
    main()
