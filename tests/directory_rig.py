"""What tests of the directory share: a runtime that watches, and hostile sessions."""

import json
from contextlib import contextmanager

from kato_panel.config import load
from kato_panel.runtime import Runtime
from kato_panel.sources import payloads
from tests.following import Reader

KATO_AWAY = "http://127.0.0.1:1"
HOSTILE = {
    "markup": "<img src=x onerror=window.__x=1>",
    "rtl": "\u202egnp.exe\u2066",
    "emoji": "😀👩‍👩‍👧",
    "nul": "a\0b",
    "lines": "a\r\nlevel=ERROR forged\x1b[31m",
    "surrogate": "x\ud800y",
    "long": "n" * 10_000,
}


@contextmanager
def running(url=KATO_AWAY, redis_url="", **settings):
    """A runtime that watches, and a reader that follows it."""
    runtime = Runtime(load({"KATO_API_URL": url, "REDIS_URL": redis_url or None, **settings}))
    runtime.start()
    reader = Reader(runtime.hub)
    runtime.reader = reader
    try:
        yield runtime
    finally:
        reader.close()
        runtime.stop()


@contextmanager
def keyed(rig, sessions=0, **settings):
    """The same on a Redis, once the first look at its keys is over."""
    with running(redis_url=rig.url, **settings) as runtime:
        runtime.reader.until(lambda seen: seen.active is not None)
        assert runtime.reader.active == sessions
        yield runtime


def value(node="node-a", **fields):
    """A session's value as KATO writes it, as far as we read it."""
    body = {
        "node_id": node,
        "created_at": "2026-11-22T21:00:21.106758+00:00",
        "last_accessed": "2026-11-22T21:05:00+00:00",
        "expires_at": "2026-11-22T22:00:21.106758+00:00",
        "ttl_seconds": 3600,
        "stm": [["a"], ["b"]],
        "metadata": {"team": "demo"},
        "access_count": 4,
        **fields,
    }
    return json.dumps(body)


def lefts(writer, session_ids):
    """How many milliseconds each key has left."""
    pipe = writer.redis.pipeline()
    for session_id in session_ids:
        pipe.pttl(payloads.session_key(session_id))
    return pipe.execute()
