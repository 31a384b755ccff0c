"""A real Redis for a test, and a writer of sessions as KATO writes them."""

import json
import time
from pathlib import Path
from uuid import uuid4

from kato_panel.sources import payloads
from tests.redis_server import RedisServer


class RedisRig(RedisServer):
    """
    A running Redis whose data survive a restart.

    Parameters
    ----------
    folder
        For its data.
    flags
        Its setting of key events.
    *more
        Further options of its command line.
    """

    def __init__(self, folder: Path, flags: str = "Egxen", *more: str) -> None:
        super().__init__({"notify-keyspace-events": flags}, keeps=True, folder=folder)
        self._command += more
        self.start()


class Writer:
    """Creates and deletes sessions in a Redis as KATO does."""

    def __init__(self, rig: RedisRig, database: int = 0) -> None:
        self.redis = rig.client(database)

    def create(self, node: str = "node-a", ttl_seconds: float = 3_600, value: object = None) -> str:
        """Create a session; return its id."""
        session_id = f"session-{uuid4().hex}-{int(time.time() * 1_000)}"
        body = {"session_id": session_id, "node_id": node, "ttl_seconds": ttl_seconds}
        text = json.dumps(body) if value is None else value
        key = payloads.session_key(session_id)
        self.redis.set(key, text, px=int(ttl_seconds * 1_000))
        self.redis.sadd(payloads.INDEX_KEY, session_id)
        return session_id

    def delete(self, session_id: str) -> None:
        """Delete a session."""
        self.redis.delete(payloads.session_key(session_id))
        self.redis.srem(payloads.INDEX_KEY, session_id)

    def live(self) -> int:
        """Count the keys that are there."""
        return sum(1 for _ in self.redis.scan_iter(match=payloads.KEY_PATTERN, count=1_000))

    def close(self) -> None:
        self.redis.close()
