"""
The `redis` source: each session's key, by key events and by scans. It only reads.

Two connections: one asks, one listens. A ping on the listening one is a fence: once its answer is
here, every change from before it has been told. So a scan that ends with a fence, and whatever is
told after it, follow one another without overlap and without a hole.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    RedisError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from kato_panel.domain.detail import Reading
from kato_panel.domain.events import Clock, LookFailed, Observation, SourceConnected, SourceHeard
from kato_panel.domain.key_events import KeyEvents
from kato_panel.domain.keys import (
    KeyChange,
    KeyChanged,
    KeyEventsJudged,
    KeyObservation,
    KeysChanged,
    KeysSeen,
    ScanBegan,
    ScanEnded,
    SessionDetails,
    SessionsRead,
)
from kato_panel.domain.ledger import MAX_OPEN
from kato_panel.domain.listing import Row
from kato_panel.errors import PayloadError, SourceError, SourceUnavailable
from kato_panel.sources.redis_keys import SessionKeys
from kato_panel.sources.redis_listener import ANSWER_SECONDS, Listener
from kato_panel.sources.redis_rows import RowReader
from kato_panel.sources.words import describe_failure

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 2.0
RECONCILE_SECONDS: Final = 60.0
SCAN_SHARE: Final = 10.0
"""Where scans alone tell changes, they rest for so many times their own duration."""
PROMPTED_SECONDS: Final = 1.0
"""At least between two scans, however often somebody prompts."""
PART: Final = 500
"""Keys asked for at once: a few milliseconds for Redis and for this loop."""
VALUES: Final = 50
VALUES_PAUSE_SECONDS: Final = 0.01
MAX_NAMED: Final = 200
"""Sessions found by a scan whose values are read before it is told; the others follow."""

Tell = Callable[[Observation | KeyObservation], None]


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
            began_tick = self._clock().tick
            try:
                await self._visit(tell)
            except (SourceError, RedisError, OSError, TimeoutError) as error:
                self._trouble = _describe(error)
                tell(LookFailed(self.name, self._trouble, self._clock()))
            rest_seconds = RETRY_SECONDS - (self._clock().tick - began_tick)
            await asyncio.sleep(max(0.1, rest_seconds))

    async def _visit(self, tell: Tell) -> None:
        """Keep both connections until one of them fails, and raise why."""
        options: dict[str, Any] = {
            "protocol": 2,
            "client_name": "kato-panel",
            "socket_connect_timeout": ANSWER_SECONDS,
            "retry": Retry(NoBackoff(), 0),  # `run` tries again, and says so
        }
        if self._url.startswith("rediss:"):
            options["ssl_check_hostname"] = True
        asking = BlockingConnectionPool.from_url(
            self._url, max_connections=1, timeout=60, socket_timeout=ANSWER_SECONDS, **options
        )
        listening = ConnectionPool.from_url(self._url, **options).make_connection()
        redis = Redis(connection_pool=asking)
        visit = _Visit(
            SessionKeys(redis, self._clock),
            Listener(listening, self._clock),
            clock=self._clock,
            tell=tell,
            asked=self._asked,
            interval_seconds=self._interval_seconds,
        )
        try:
            await visit.begin(enables_events=self._enables_events)
            self._rows = RowReader(redis, self._clock)
            await _first_failure(visit.runs())
        finally:
            self._rows = None
            with contextlib.suppress(RedisError, OSError):
                await listening.disconnect(nowait=True)
                await asking.disconnect()


class _Visit:
    """What is done and remembered while the two connections last."""

    name = RedisSource.name

    def __init__(
        self,
        keys: SessionKeys,
        listener: Listener,
        *,
        clock: Clock,
        tell: Tell,
        asked: asyncio.Event,
        interval_seconds: float,
    ) -> None:
        self._keys = keys
        self._listener = listener
        self._clock = clock
        self._tell = tell
        self._asked = asked
        self._interval_seconds = interval_seconds
        self._key_events = KeyEvents()
        self._live: set[str] = set()
        """As told so far: what a scan finds beside it, nobody has told."""
        self._has_scanned = False
        self._touched: set[str] = set()
        """Who was told of since the scan began."""
        self._unread: dict[str, None] = {}
        self._unread_filled = asyncio.Event()

    async def begin(self, *, enables_events: bool) -> None:
        """Connect, and listen before the first look."""
        flags = await self._keys.read_flags()
        self._key_events.begin(flags)
        if enables_events and flags is not None and not self._key_events.are_on:
            flags = self._key_events.wanted_flags
            await self._keys.set_flags(flags)
            logger.info("source redis: key events were turned on")
            self._key_events.begin(flags)
        await self._listener.begin()
        self._tell(SourceConnected(self.name, self._clock()))
        self._tell_judgement()

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """List what has to run side by side."""
        return [
            self._listener.receive(),
            self._digest(),
            self._look(),
            self._keep_alive(),
            self._read_rest(),
        ]

    def _tell_judgement(self) -> None:
        judged = self._key_events
        self._tell(KeyEventsJudged(self.name, self._clock(), judged.are_on, judged.remark))

    async def _digest(self) -> None:
        """Tell what was received, in its order, births with what their values say."""
        while True:
            changes, fence = await self._listener.take()
            if changes:
                await self._tell_changes(changes)
            if fence is not None and not fence.done():
                fence.set_result(None)
            await asyncio.sleep(0)

    async def _tell_changes(self, changes: list[KeyChanged]) -> None:
        born = [change.session_id for change in changes if change.change is KeyChange.BORN]
        details: dict[str, SessionDetails] = {}
        try:
            for part in _parts(born, VALUES):
                details |= {one.session_id: one for one in await self._keys.read_values(part)}
        finally:
            were_on = self._key_events.are_on
            for change in changes:
                self._note(change)
            if self._key_events.are_on and not were_on:
                self._tell_judgement()
                self._asked.set()
            described = (replace(one, details=details.get(one.session_id)) for one in changes)
            self._tell(KeysChanged(self.name, tuple(described)))

    def _note(self, changed: KeyChanged) -> None:
        session_id = changed.session_id
        self._key_events.tell(changed.change, changed.at.tick)
        self._touched.add(session_id)
        if changed.change is KeyChange.BORN:
            self._live.add(session_id)
        else:
            self._live.discard(session_id)
            self._unread.pop(session_id, None)

    async def _look(self) -> None:
        """Scan: at once, then as often as it is needed."""
        full_tick = float("-inf")
        while True:
            began_tick = self._clock().tick
            self._asked.clear()
            is_full = began_tick - full_tick >= RECONCILE_SECONDS
            if is_full:
                full_tick = began_tick
            await self._scan(is_full=is_full)
            spent_seconds = self._clock().tick - began_tick
            least_seconds = max(0.0, PROMPTED_SECONDS - spent_seconds)
            await asyncio.sleep(least_seconds)
            pace_seconds = self._pace_seconds(spent_seconds) or RECONCILE_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pace_seconds - spent_seconds - least_seconds)):
                    await self._asked.wait()

    def _pace_seconds(self, spent_seconds: float) -> float:
        """Say how far apart scans are begun where they have to tell changes; else 0."""
        if self._key_events.are_on:
            return 0.0
        return max(self._interval_seconds, SCAN_SHARE * spent_seconds)

    async def _scan(self, *, is_full: bool) -> None:
        """Look at every key of the index, of those that are known, and, if full, of all."""
        began = self._clock()
        self._touched = set()
        self._tell(ScanBegan(self.name, began))
        index = await self._keys.read_index()
        looked_at = index | self._live
        if is_full:
            looked_at |= await self._keys.find()
        live: set[str] = set()
        for part in _parts(looked_at, PART):
            at, expiries = await self._keys.see(part)
            live.update(expiries)
            self._tell(KeysSeen(self.name, at, expiries))
        if len(live) > MAX_OPEN:
            raise PayloadError(f"more than {MAX_OPEN} sessions are alive")
        await self._read_news(live)
        evictions = await self._keys.read_evictions()
        at = self._clock()
        await self._listener.wait_for_fence()
        self._compare(live)
        pace_seconds = self._pace_seconds(at.tick - began.tick)
        self._tell(ScanEnded(self.name, at, index, evictions, pace_seconds))

    async def _read_news(self, live: set[str]) -> None:
        """Read values of sessions that nobody has told: some now, the rest by and by."""
        news = live - self._live - self._touched
        named = list(islice(news, MAX_NAMED))
        for part in _parts(named, VALUES):
            self._tell_values(await self._keys.read_values(part))
        for gone in self._unread.keys() - live:
            del self._unread[gone]
        self._unread |= dict.fromkeys(news.difference(named))
        if self._unread:
            self._unread_filled.set()

    def _compare(self, live: set[str]) -> None:
        """Take over what is alive, and judge the key events by what they have not told."""
        if self._has_scanned and (live ^ self._live) - self._touched:
            if self._key_events.are_on:
                logger.warning("source redis: a scan found what no key event has told")
            self._key_events.miss(self._clock().tick)
            self._tell_judgement()
        self._live = (live - self._touched) | (self._live & self._touched)
        self._has_scanned = True

    async def _read_rest(self) -> None:
        """Read the values that are still unread, in small parts."""
        while True:
            await self._unread_filled.wait()
            part = list(islice(self._unread, VALUES))
            for who in part:
                del self._unread[who]
            if not self._unread:
                self._unread_filled.clear()
            self._tell_values(await self._keys.read_values(part))
            await asyncio.sleep(VALUES_PAUSE_SECONDS)

    def _tell_values(self, details: list[SessionDetails]) -> None:
        if details:
            self._tell(SessionsRead(self.name, self._clock(), tuple(details)))

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._listener.wait_for_fence()
            self._tell(SourceHeard(self.name, self._clock()))


async def _first_failure(runs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run side by side until one fails, end the others, and raise what it raised."""
    tasks = [asyncio.create_task(run) for run in runs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _parts(items: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


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
