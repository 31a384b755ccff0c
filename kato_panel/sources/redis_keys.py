"""What is asked of Redis about sessions: bounded questions, and only such as change nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from kato_panel.domain.events import Clock, Moment
from kato_panel.domain.keys import SessionDetails
from kato_panel.domain.ledger import MAX_OPEN
from kato_panel.domain.upstream_figures import RedisFigures
from kato_panel.errors import PayloadError
from kato_panel.sources import figure_payloads, payloads
from kato_panel.sources.redis_listener import ANSWER_SECONDS

SCAN_COUNT: Final = 1_000
MAX_INDEX: Final = 5 * MAX_OPEN
MAX_LEFT: Final = 10**13
"""Milliseconds: 300 years; longer is as good as never."""
NEVER: Final = -1
"""Redis' answer for a key without a time to live; below it, there is no key."""
FLAGS: Final = "notify-keyspace-events"


class SessionKeys:
    """
    Reads upstream's keys.

    Parameters
    ----------
    redis
        One connection to ask on; one question at a time waits for it.
    clock
        Gives the time.
    """

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        # The library's pool is not fair: a scan would let nobody else ask until it is over.
        self._turn = asyncio.Lock()

    async def read_flags(self) -> str | None:
        """Read the setting of key events; ``None`` where that is refused."""
        try:
            answer = await self.wait(lambda: self._redis.config_get(FLAGS))
        except ResponseError:
            return None
        flags = answer.get(FLAGS, answer.get(FLAGS.encode()))
        return flags.decode("ascii", "replace") if isinstance(flags, bytes) else flags

    async def set_flags(self, flags: str) -> None:
        """Change the setting of key events: the only thing that is ever written."""
        await self.wait(lambda: self._redis.config_set(FLAGS, flags))

    async def read_index(self) -> set[str]:
        """
        Read which sessions upstream counts.

        Raises
        ------
        PayloadError
            If there are more than `MAX_INDEX`.
        """
        index: set[str] = set()
        cursor = 0
        while True:
            ask = partial(self._redis.sscan, payloads.INDEX_KEY, cursor, count=SCAN_COUNT)
            cursor, members = await self.wait(ask)
            index.update(filter(None, map(payloads.session_id, members)))
            if len(index) > MAX_INDEX:
                raise PayloadError(f"the index has more than {MAX_INDEX} sessions")
            if cursor == 0:
                return index

    async def find(self) -> set[str]:
        """Find the sessions that have a key, whether the index has them or not."""
        keys: set[str] = set()
        cursor = 0
        while True:
            ask = partial(self._redis.scan, cursor, match=payloads.KEY_PATTERN, count=SCAN_COUNT)
            cursor, found = await self.wait(ask)
            keys.update(filter(None, map(payloads.session_id, found)))
            if len(keys) > MAX_INDEX:
                raise PayloadError(f"more than {MAX_INDEX} sessions have keys")
            if cursor == 0:
                return keys

    async def see(self, part: list[str]) -> tuple[Moment, dict[str, datetime | None]]:
        """
        See which of some keys are there.

        Returns
        -------
        tuple of Moment and dict
            When they were seen, and when each that is there will expire; ``None`` for never.
        """
        answers = await self._ask(("PTTL", payloads.session_key(who)) for who in part)
        at = self._clock()
        # Not to have been answered is not to have seen that a key is gone.
        for refusal in answers:
            if isinstance(refusal, Exception):
                raise refusal
        pairs = zip(part, answers, strict=True)
        return at, {who: _expiry(at, left) for who, left in pairs if left >= NEVER}

    async def read_values(self, part: list[str]) -> list[SessionDetails]:
        """Read values and times to live; what is no session's value is passed over."""
        keys = {who: payloads.session_key(who) for who in part}
        lengths = await self._ask(("STRLEN", key) for key in keys.values())
        lefts = await self._ask(("PTTL", key) for key in keys.values())
        at = self._clock()
        details: list[SessionDetails] = []
        for batch in _batches(zip(keys, lengths, lefts, strict=True)):
            asked = [keys[who] for who, _ in batch]
            values = await self.wait(partial(self._redis.mget, asked))
            for (who, left), value in zip(batch, values, strict=True):
                # What is no text, or gone by now, comes as None.
                with contextlib.suppress(PayloadError):
                    if value is not None:
                        details.append(payloads.session_value(who, value, _expiry(at, left)))
        return details

    async def read_evictions(self) -> int | None:
        """Read how many keys were evicted since Redis began; ``None`` where that is refused."""
        try:
            return payloads.evicted_keys(await self.wait(lambda: self._redis.info("stats")))
        except NoPermissionError:
            return None

    async def read_figures(self) -> RedisFigures | None:
        """Read what Redis says of itself; ``None`` where that is refused."""
        try:
            return figure_payloads.redis_figures(await self.wait(self._redis.info))
        except ResponseError:
            return None

    async def _ask(self, commands: Iterable[tuple[str, bytes]]) -> list[Any]:
        """Ask for several things at once; a refusal of one is its answer."""
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = await self.wait(lambda: pipeline.execute(raise_on_error=False))
        return answers

    async def wait(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """
        Wait for one's turn, ask, and wait for the answer, but not longer than `ANSWER_SECONDS`.

        The library's own limit is set anew for each of a pipeline's answers, which takes a third
        of the time of a scan.
        """
        async with self._turn, asyncio.timeout(ANSWER_SECONDS):
            return await ask()


def _expiry(at: Moment, left: object) -> datetime | None:
    """Say when a key expires that has so many milliseconds left; ``None`` for never."""
    if isinstance(left, int) and 0 <= left <= MAX_LEFT:
        return at.wall + timedelta(milliseconds=left)
    return None


def _batches(lengths: Iterable[tuple[str, Any, Any]]) -> Iterator[list[tuple[str, Any]]]:
    """Group sessions so that their values together have at most 1 MiB; longer ones are left out."""
    batch: list[tuple[str, Any]] = []
    room = payloads.MAX_BODY_BYTES
    for who, length, left in lengths:
        if not isinstance(length, int) or not 0 < length <= payloads.MAX_BODY_BYTES:
            continue
        if length > room:
            yield batch
            batch, room = [], payloads.MAX_BODY_BYTES
        batch.append((who, left))
        room -= length
    if batch:
        yield batch
