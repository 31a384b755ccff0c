"""
The sessions as KATO keeps them in Redis: one key each, and the set of all ids.

Every shape is one of KATO 3.10.1's, as recorded. The connection is called ``kato-simulator``.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from . import wire
from .session import KeysAwayError, Session

CLIENT_NAME = "kato-simulator"
KEY_PREFIX = "kato:session:"
INDEX_KEY = "kato:session:_active_index"
ID_PREFIX = "session-"
TIMEOUT_SECONDS = 1.0
AT_A_TIME = 1000
LEAST_MS = 1

Thing = TypeVar("Thing")

SETTINGS = (
    "max_pattern_length",
    "persistence",
    "recall_threshold",
    "stm_mode",
    "indexer_type",
    "max_predictions",
    "sort_symbols",
    "process_predictions",
    "use_token_matching",
    "fuzzy_token_threshold",
    "rank_sort_algo",
    "affinity_emotive",
    "filter_pipeline",
    "length_min_ratio",
    "length_max_ratio",
    "jaccard_threshold",
    "jaccard_min_overlap",
    "minhash_threshold",
    "minhash_bands",
    "minhash_rows",
    "minhash_num_hashes",
    "bloom_false_positive_rate",
    "max_candidates_per_stage",
    "enable_filter_metrics",
)


class RedisKeys:
    """
    KATO's keys in a real Redis, whose own expiry ends them.

    One connection, and no second try: a call that fails raises :class:`KeysAwayError`. After a
    Redis that did not answer in time, calls fail at once for as long as that took.

    Parameters
    ----------
    url
        With the database's number, and a user and password if need be.
    clock
        Returns the present in epoch seconds; deadlines are told to Redis from there.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._silent_until = -math.inf
        try:
            self._redis: Any = redis.Redis.from_url(
                url,
                client_name=CLIENT_NAME,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise KeysAwayError(f"this is no address of a Redis: {error}") from error
        wanted = self._redis.connection_pool.connection_kwargs
        place = wanted.get("path") or f"{wanted.get('host')}:{wanted.get('port')}"
        self.place = f"{place}/{wanted.get('db') or 0}"

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def write(self, sessions: Iterable[Session]) -> None:
        """Write sessions with the deadlines of their keys, and enter them into the index."""
        for some in parts(sessions, AT_A_TIME):
            now = self.clock()
            batch = self._redis.pipeline(transaction=False)
            for session in some:
                left_ms = milliseconds(session.key_expires_at - now)
                batch.set(key(session.session_id), value(session), px=left_ms)
            batch.sadd(INDEX_KEY, *(session.session_id for session in some))
            self._call(batch.execute)

    def move(self, session_id: str, key_expires_at: float) -> None:
        """Give a key another deadline."""
        left_ms = milliseconds(key_expires_at - self.clock())
        self._call(lambda: self._redis.pexpire(key(session_id), left_ms))

    def remove(self, session_id: str) -> None:
        """Delete a key, and its id from the index."""
        batch = self._redis.pipeline(transaction=False)
        batch.delete(key(session_id))
        batch.srem(INDEX_KEY, session_id)
        self._call(batch.execute)

    def left_seconds(self, session_id: str) -> float | None:
        """Say how long a key has to live; ``None`` if there is none, infinity if for ever."""
        return seconds(self._call(lambda: self._redis.pttl(key(session_id))))

    def read(self, session_ids: Iterable[str]) -> Iterator[Session]:
        """Yield those of the sessions that are there and whose value is one."""
        own = (one for one in session_ids if one.startswith(ID_PREFIX))
        for some in parts(own, AT_A_TIME):
            batch = self._redis.pipeline(transaction=False)
            for session_id in some:
                batch.get(key(session_id))
                batch.pttl(key(session_id))
            answers = self._call(partial(batch.execute, raise_on_error=False))
            now = self.clock()
            for body, left_ms in parts(answers, 2):
                left_seconds = seconds(left_ms) if isinstance(left_ms, int) else None
                if not isinstance(body, bytes) or left_seconds is None:
                    continue
                try:
                    session = read_value(body, now + left_seconds)
                except (KeyError, TypeError, ValueError):
                    continue
                yield session

    def ids(self) -> set[str]:
        """Find everyone who lives."""
        found = self._call(
            lambda: set(self._redis.scan_iter(match=f"{KEY_PREFIX}{ID_PREFIX}*", count=AT_A_TIME))
        )
        return {one.decode(errors="replace").removeprefix(KEY_PREFIX) for one in found}

    def index(self) -> set[str]:
        """Read the index."""
        found = self._call(lambda: self._redis.smembers(INDEX_KEY))
        return {one.decode(errors="replace") for one in found}

    def size(self) -> int:
        """Return the index's size."""
        return int(self._call(lambda: self._redis.scard(INDEX_KEY)))

    def _call(self, call: Callable[[], Any]) -> Any:
        if time.monotonic() < self._silent_until:
            raise KeysAwayError(
                f"the Redis at {self.place} did not answer in {TIMEOUT_SECONDS:g} s"
            )
        try:
            return call()
        except redis.exceptions.TimeoutError as error:
            self._silent_until = time.monotonic() + TIMEOUT_SECONDS
            raise KeysAwayError(f"the Redis at {self.place} is silent: {error}") from error
        except redis.exceptions.RedisError as error:
            raise KeysAwayError(f"the Redis at {self.place} cannot be used: {error}") from error


def key(session_id: str) -> str:
    """Name the key of a session."""
    return KEY_PREFIX + session_id


def milliseconds(left_seconds: float) -> int:
    """Write a time to live; Redis takes 0 for an error."""
    return max(LEAST_MS, int(left_seconds * 1000))


def seconds(left_ms: int) -> float | None:
    """Read the answer of ``PTTL``."""
    if left_ms < 0:
        return math.inf if left_ms == -1 else None
    return left_ms / 1000


def value(session: Session) -> str:
    """Write a session's value."""
    created = wire.utc(session.created_at)
    accessed = session.created_at if session.accessed_at is None else session.accessed_at
    settings = {name: session.config.get(name) for name in SETTINGS}
    return json.dumps(
        {
            "session_id": session.session_id,
            "node_id": session.node_id,
            "created_at": created,
            "last_accessed": wire.utc(accessed),
            "expires_at": wire.utc(session.expires_at),
            "ttl_seconds": session.ttl_seconds,
            "stm": [list(one) for one in session.stm],
            "emotives_accumulator": [],
            "metadata_accumulator": [],
            "time": len(session.stm),
            "percept_data": {},
            "predictions": [],
            "metadata": dict(session.metadata),
            "access_count": session.access_count,
            "max_stm_size": 1000,
            "max_emotives_size": 1000,
            "max_metadata_size": 1000,
            "session_config": {
                **settings,
                "session_id": session.session_id,
                "node_id": session.node_id,
                "created_at": created,
                "updated_at": created,
                "version": 1,
            },
        }
    )


def read_value(body: bytes, key_expires_at: float) -> Session:
    """
    Read a session's value.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is not one of upstream's.
    """
    written = json.loads(body)
    config = written["session_config"]
    return Session(
        session_id=written["session_id"],
        node_id=written["node_id"],
        created_at=epoch(written["created_at"]),
        expires_at=epoch(written["expires_at"]),
        key_expires_at=key_expires_at,
        ttl_seconds=int(written["ttl_seconds"]),
        metadata=dict(written["metadata"]),
        config={name: config[name] for name in SETTINGS if config[name] is not None},
        stm=[list(one) for one in written["stm"]],
        access_count=int(written["access_count"]),
        accessed_at=epoch(written["last_accessed"]),
    )


def epoch(written: str) -> float:
    """Read a time as the values have it."""
    return datetime.fromisoformat(written).timestamp()


def parts(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    """Cut into lists of so many; the last may be shorter."""
    rest = iter(things)
    while some := list(islice(rest, size)):
        yield some
