"""The connection on which Redis tells changes of keys, and the fence in their stream."""

import asyncio
from collections import deque
from typing import Final

from redis.asyncio.connection import AbstractConnection

from kato_panel.domain.events import Clock
from kato_panel.domain.keys import KeyChange, KeyChanged
from kato_panel.errors import SourceUnavailable
from kato_panel.sources import payloads

ANSWER_SECONDS: Final = 2.0
MAX_QUEUE: Final = 100_000
MAX_BATCH: Final = 500

_CHANGES: Final = {
    b"new": KeyChange.BORN,
    b"del": KeyChange.DELETED,
    b"expired": KeyChange.EXPIRED,
    b"evicted": KeyChange.EVICTED,
}


class Listener:
    """
    Receives key events in their order.

    Parameters
    ----------
    connection
        Nobody else's.
    clock
        Gives the time.
    """

    def __init__(self, connection: AbstractConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._queue: deque[KeyChanged | asyncio.Future[None]] = deque()
        self._filled = asyncio.Event()
        self._fences: deque[asyncio.Future[None]] = deque()

    async def begin(self) -> None:
        """Connect and subscribe, in time; whatever changes after this is told."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._connection.connect()
            database = self._connection.db
            channels = [f"__keyevent@{database}__:{change.decode()}" for change in _CHANGES]
            await self._connection.send_command("SUBSCRIBE", *channels)
            for _ in channels:
                await self._connection.read_response()

    async def receive(self) -> None:
        """
        Receive for ever, and nothing else.

        Raises
        ------
        SourceUnavailable
            If nobody takes what was received.
        """
        while True:
            kind, *words = await self._connection.read_response()
            if kind == b"pong":
                self._queue.append(self._fences.popleft())
            elif kind == b"message":
                self._put(*words)
            if len(self._queue) > MAX_QUEUE:
                raise SourceUnavailable("key events come faster than they can be read")
            self._filled.set()

    async def take(self) -> tuple[list[KeyChanged], asyncio.Future[None] | None]:
        """
        Wait for changes, and take at most `MAX_BATCH`.

        Returns
        -------
        tuple of list and Future
            The changes, and the fence that follows them, if one does: it is to be opened once
            they have been told.
        """
        await self._filled.wait()
        changes: list[KeyChanged] = []
        fence: asyncio.Future[None] | None = None
        while self._queue and fence is None and len(changes) < MAX_BATCH:
            item = self._queue.popleft()
            if isinstance(item, KeyChanged):
                changes.append(item)
            else:
                fence = item
        if not self._queue:
            self._filled.clear()
        return changes, fence

    async def wait_for_fence(self) -> None:
        """Wait until every change from before now has been told."""
        fence: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fences.append(fence)
        await self._connection.send_command("PING")
        async with asyncio.timeout(ANSWER_SECONDS):
            await fence

    def _put(self, channel: bytes, key: bytes) -> None:
        change = _CHANGES.get(channel.rpartition(b":")[2])
        session_id = payloads.session_id(key) if key.startswith(payloads.KEY_PREFIX) else None
        if change is not None and session_id is not None:
            self._queue.append(KeyChanged(change, session_id, self._clock()))
