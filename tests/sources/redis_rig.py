"""A real Redis for a test, and a writer of sessions as KATO writes them."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import redis as redis_py

from kato_panel.sources import payloads


class RedisRig:
    """
    Debian's ``redis-server`` on a free port of loopback, whose data survive a restart.

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
        path = shutil.which("redis-server")
        assert path, "these tests need Debian's package redis-server"
        with socket.create_server(("127.0.0.1", 0)) as place:
            self.port = place.getsockname()[1]
        self._command = [path, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--dir", str(folder), "--save", "", "--appendonly", "yes"]
        self._command += ["--appendfsync", "always", "--notify-keyspace-events", flags]
        self._command += more
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                with self.client() as client:
                    client.ping()
                    return
            except redis_py.exceptions.RedisError:
                assert time.monotonic() < deadline, "redis-server did not start in 10 s"

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, database: int = 0) -> redis_py.Redis:
        return redis_py.Redis(port=self.port, db=database)


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
