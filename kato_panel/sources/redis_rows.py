"""What is read of single sessions in Redis, for a page of the list and for one session's detail."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from redis.asyncio import Redis

from kato_panel.domain.detail import Reading, bound_value
from kato_panel.domain.events import Clock
from kato_panel.domain.listing import Row
from kato_panel.errors import PayloadError
from kato_panel.sources import payloads
from kato_panel.sources.redis_keys import MAX_LEFT

MAX_ROW_BYTES: Final = 1 << 18
"""A longer value is left out of the list: its row has only what the key and the ledger know."""
MAX_PAGE_BYTES: Final = 4 << 20
"""All values of one page together; what is beyond is left out as well."""
MGET_BYTES: Final = 1 << 20
"""Asked for at once."""
GONE: Final = -2
"""Redis' answer to PTTL where there is no key."""

Wait = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


class RowReader:
    """
    Reads sessions without moving their lives: STRLEN and PTTL first, then only what is short.

    Parameters
    ----------
    redis
        The connection that the scan asks on, too.
    clock
        Gives the time.
    wait
        Waits for one's turn on it, asks, and waits for the answer: a scan delays no page by more
        than a part.
    """

    def __init__(self, redis: Redis, clock: Clock, wait: Wait) -> None:
        self._redis = redis
        self._clock = clock
        self._wait = wait

    async def read_rows(self, session_ids: Sequence[str]) -> tuple[datetime, dict[str, Row]]:
        """
        Read what the list shows.

        Returns
        -------
        tuple of datetime and dict
            When it was read, UTC; and a row for each id.
        """
        at, measures = await self._measure(session_ids)
        bodies: dict[str, bytes] = {}
        for batch in _batches(measures):
            keys = [payloads.session_key(who) for who in batch]
            values = await self._wait(partial(self._redis.mget, keys))
            bodies |= {who: body for who, body in zip(batch, values, strict=True) if body}
        return at, await asyncio.to_thread(_rows, at, measures, bodies)

    async def read_session(self, session_id: str) -> tuple[datetime, Reading | None]:
        """
        Read everything of one session.

        Returns
        -------
        tuple of datetime and Reading or None
            When it was read, UTC; ``None`` if there is no such key.
        """
        at, measures = await self._measure([session_id])
        length, left = measures[session_id]
        row = _place(Row(session_id, created_at=payloads.created_in(session_id)), at, left)
        if row.is_gone:
            return at, None
        if not isinstance(length, int):
            return at, Reading(row, trouble="its key does not hold a text")
        if length > payloads.MAX_BODY_BYTES:
            trouble = f"its value is {length} bytes long, must be at most {payloads.MAX_BODY_BYTES}"
            return at, Reading(row, value_bytes=length, trouble=trouble)
        body = await self._wait(partial(self._redis.get, payloads.session_key(session_id)))
        if body is None:
            return at, None
        try:
            payload = await asyncio.to_thread(payloads.decode, body)
        except PayloadError as error:
            trouble = error.reason.replace("answer", "its value", 1)
            return at, Reading(row, value_bytes=length, trouble=trouble)
        value, is_cut = await asyncio.to_thread(bound_value, payload)
        row = _place(payloads.session_row(session_id, payload), at, left)
        return at, Reading(row, value, len(body), is_cut)

    async def _measure(
        self, session_ids: Sequence[str]
    ) -> tuple[datetime, dict[str, tuple[Any, int]]]:
        """Ask how long each value is, and how many milliseconds each key has left."""
        pipeline = self._redis.pipeline(transaction=False)
        for key in map(payloads.session_key, session_ids):
            pipeline.execute_command("STRLEN", key)
            pipeline.execute_command("PTTL", key)
        if not session_ids:
            return self._clock().wall, {}
        answers = await self._wait(partial(pipeline.execute, raise_on_error=False))
        lengths, lefts = answers[::2], answers[1::2]
        for refusal in lefts:
            if isinstance(refusal, Exception):
                raise refusal
        pairs = zip(lengths, lefts, strict=True)
        return self._clock().wall, dict(zip(session_ids, pairs, strict=True))


def _rows(
    at: datetime, measures: Mapping[str, tuple[Any, int]], bodies: Mapping[str, bytes]
) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for who, (_, left) in measures.items():
        row = Row(who, created_at=payloads.created_in(who))
        body = bodies.get(who, b"")
        if 0 < len(body) <= MAX_ROW_BYTES:
            with contextlib.suppress(PayloadError):
                row = payloads.session_row(who, payloads.decode(body))
        rows[who] = _place(row, at, left)
    return rows


def _place(row: Row, at: datetime, left: int) -> Row:
    """Add what the key tells: whether the session is there, and until when."""
    if not 0 <= left <= MAX_LEFT:
        return replace(row, is_gone=left == GONE)
    return replace(
        row,
        expires_at=at + timedelta(milliseconds=left),
        ttl_remaining_seconds=left / 1_000,
    )


def _batches(measures: Mapping[str, tuple[Any, int]]) -> list[list[str]]:
    """Group sessions by the length of their values; those that are too long are left out."""
    batches: list[list[str]] = [[]]
    room, rest = MGET_BYTES, MAX_PAGE_BYTES
    for who, (length, _) in measures.items():
        if not isinstance(length, int) or not 0 < length <= min(MAX_ROW_BYTES, rest):
            continue
        if length > room:
            batches.append([])
            room = MGET_BYTES
        batches[-1].append(who)
        room -= length
        rest -= length
    return [batch for batch in batches if batch]
