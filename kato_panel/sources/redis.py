"""
The `redis` source: each session's key, by key events and by scans. It only reads.

Two connections: one asks, one listens. A ping on the listening one is a fence: once its answer is
here, every change from before it has been told. So a scan that ends with a fence, and whatever is
told after it, follow one another without overlap and without a hole.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from kato_panel.domain.detail import Reading
from kato_panel.domain.events import Clock, LookFailed
from kato_panel.domain.listing import Row
from kato_panel.errors import PayloadError, SourceError, SourceUnavailable
from kato_panel.sources.redis_keys import SessionKeys
from kato_panel.sources.redis_listener import ANSWER_SECONDS, Listener
from kato_panel.sources.redis_rows import RowReader
from kato_panel.sources.redis_visit import SCAN_SHARE, Tell, Visit
from kato_panel.sources.words import describe_failure

RETRY_SECONDS: Final = 1.0
MAX_REST_SECONDS: Final = 600.0


class RedisSource:
    """
    Observes the sessions' keys in upstream's Redis, and comes back to it for ever.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://``; may hold a user and a password.
    clock
        Gives the time.
    interval_seconds
        Between two scans where key events are off.
    enables_events
        Whether to turn key events on. Nothing else is ever written.
    """

    name = "redis"
    label = "Redis"

    def __init__(
        self, url: str, clock: Clock, *, interval_seconds: float = 3.0, enables_events: bool = False
    ) -> None:
        self._url = url
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._enables_events = enables_events
        self._asked = asyncio.Event()
        self._rows: RowReader | None = None
        self._trouble = "not connected yet"

    def prompt(self) -> None:
        """Scan at once."""
        self._asked.set()

    async def read_rows(self, session_ids: Sequence[str]) -> tuple[datetime, dict[str, Row]]:
        """
        Read what the list shows of some sessions; on the loop that `run` runs on.

        Returns
        -------
        tuple of datetime and dict
            When it was read, UTC; and a row for each id.

        Raises
        ------
        SourceUnavailable
            If Redis is not connected, or does not answer.
        """
        with self._translated():
            return await self._reader.read_rows(session_ids)

    async def read_session(self, session_id: str) -> tuple[datetime, Reading | None]:
        """
        Read everything of one session, as `read_rows` does.

        Returns
        -------
        tuple of datetime and Reading or None
            When it was read, UTC; ``None`` if there is no such key.
        """
        with self._translated():
            return await self._reader.read_session(session_id)

    @property
    def _reader(self) -> RowReader:
        if self._rows is None:
            raise SourceUnavailable(f"Redis is away: {self._trouble}")
        return self._rows

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            raise SourceUnavailable(f"Redis is away: {_describe(error)}") from error

    async def run(self, tell: Tell) -> None:
        """
        Observe for ever.

        Parameters
        ----------
        tell
            Takes what is observed; see `kato_panel.domain.keys`.
        """
        while True:
            began_tick, share = self._clock().tick, 0.0
            try:
                await self._visit(tell)
            except (SourceError, RedisError, OSError, TimeoutError) as error:
                # What is too much to be read now will be at once, and takes long to read.
                share = SCAN_SHARE if isinstance(error, PayloadError) else 0.0
                self._trouble = _describe(error)
                tell(LookFailed(self.name, self._trouble, self._clock()))
            spent_seconds = self._clock().tick - began_tick
            rest_seconds = max(0.1, RETRY_SECONDS - spent_seconds, share * spent_seconds)
            await asyncio.sleep(min(rest_seconds, MAX_REST_SECONDS))

    async def _visit(self, tell: Tell) -> None:
        """Keep both connections until one of them fails, and raise why."""
        options: dict[str, Any] = {
            "protocol": 2,
            "client_name": "kato-panel",
            "socket_timeout": None,  # whoever asks or fences has a limit of its own
            "socket_connect_timeout": ANSWER_SECONDS,
            "retry": Retry(NoBackoff(), 0),  # `run` tries again, and says so
        }
        if self._url.startswith("rediss:"):
            options["ssl_check_hostname"] = True
        asking = BlockingConnectionPool.from_url(
            self._url, max_connections=1, timeout=60, **options
        )
        listening = ConnectionPool.from_url(self._url, **options).make_connection()
        redis = Redis(connection_pool=asking)
        keys = SessionKeys(redis, self._clock)
        visit = Visit(
            self.name,
            keys,
            Listener(listening, self._clock),
            clock=self._clock,
            tell=tell,
            asked=self._asked,
            interval_seconds=self._interval_seconds,
        )
        try:
            self._rows = RowReader(redis, self._clock, keys.wait)
            await visit.last(enables_events=self._enables_events)
        finally:
            self._rows = None
            with contextlib.suppress(RedisError, OSError):
                await listening.disconnect(nowait=True)
                await asking.disconnect()


def _describe(error: Exception) -> str:
    """Say why Redis cannot be read, in words that hold no secret."""
    match error:
        case SourceError():
            return error.reason
        case BusyLoadingError():
            return "Redis is loading its data"
        case AuthenticationError():
            return "Redis refuses the user or the password"
        case NoPermissionError():
            return f"Redis refuses a command: {str(error)[:120]}"
        case RedisTimeoutError() | TimeoutError():
            return f"no answer within {ANSWER_SECONDS:g} s"
        case _:
            return describe_failure(error)
