"""
The `stream` source: upstream's ``/ws/events``, one connection, and a reader that never waits.

KATO awaits each connected client inside the call that creates a session: a client that does not
read hangs it. So the reader does nothing but receive; what it receives goes through a bounded
queue, and rather than let that stay full the connection is closed.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from kato_panel.domain.events import (
    ChangeNamed,
    ChangesMissed,
    ChangesNamed,
    Clock,
    LookFailed,
    Moment,
    Observation,
    SourceConnected,
    SourceHeard,
)
from kato_panel.errors import PayloadError
from kato_panel.sources import payloads
from kato_panel.sources.words import describe_failure

logger = logging.getLogger(__name__)

MAX_QUEUE: Final = 10_000
MAX_FULL_SECONDS: Final = 1.0
MAX_BATCH: Final = 500
"""Frames read from the queue before other tasks get their turn."""
PING_SECONDS: Final = 10.0
"""Between pings, and until a pong is missed: without a pong the stream ends after 20 s."""
MAX_BACKOFF_SECONDS: Final = 30.0


_SILENT: Final = logging.Logger("websockets", logging.CRITICAL)  # noqa: LOG001 - nobody's child
"""The library would log each frame and header, a login's among them."""


@dataclass(slots=True)
class _Queue:
    """What was received and not yet read: bounded, and it counts what did not fit."""

    frames: deque[tuple[str | bytes, Moment]] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    missed: int = 0
    full_since_tick: float | None = None

    def put(self, frame: str | bytes, at: Moment) -> None:
        if len(self.frames) < MAX_QUEUE:
            self.frames.append((frame, at))
        else:
            self.missed += 1
            self.full_since_tick = self.full_since_tick or at.tick
        self.filled.set()

    def is_stuck(self, now: Moment) -> bool:
        since = self.full_since_tick
        return since is not None and now.tick - since > MAX_FULL_SECONDS

    def take(self) -> tuple[list[tuple[str | bytes, Moment]], int]:
        batch = [self.frames.popleft() for _ in range(min(MAX_BATCH, len(self.frames)))]
        batch_missed, self.missed = self.missed, 0
        if not self.frames:
            self.filled.clear()
            self.full_since_tick = None
        return batch, batch_missed


class _Connect(connect):
    """A connection that follows no redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class StreamSource:
    """
    Follows upstream's events on one connection, and comes back to it for ever.

    Its events are a sample: each of upstream's processes tells only its own.

    Parameters
    ----------
    base_url
        Where upstream answers, ``http`` or ``https``, without a path of its own calls.
    clock
        Gives the time.
    headers
        Sent along, as for a login.
    draw
        A number from 0 to 1, for the jitter of the backoff.
    """

    name = "stream"
    label = "Stream"

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._url = "ws" + base_url.removeprefix("http").rstrip("/") + "/ws/events"
        self._clock = clock
        self._headers = dict(headers)
        self._draw = draw
        self._asked = asyncio.Event()
        self._failures = 0
        self._odd_frames = 0

    def prompt(self) -> None:
        """Reconnect at once, if the connection is waited for."""
        self._asked.set()

    async def run(self, tell: Callable[[Observation], None]) -> None:
        """
        Follow the stream for ever.

        Parameters
        ----------
        tell
            Takes what is observed: connected, changes, changes missed, heard, and lost.
        """
        while True:
            reason = await self._visit(tell)
            self._failures += 1
            tell(LookFailed(self.name, reason, self._clock()))
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._backoff_seconds()):
                    await self._asked.wait()

    def _backoff_seconds(self) -> float:
        """Draw the wait before the next try, with full jitter."""
        longest: float = 2.0 ** min(self._failures, 10)
        return min(MAX_BACKOFF_SECONDS, longest) * self._draw()

    async def _visit(self, tell: Callable[[Observation], None]) -> str:
        """Keep one connection for as long as it is healthy; return why it ended."""
        connected_at: Moment | None = None
        try:
            async with _Connect(
                self._url,
                additional_headers=self._headers,
                logger=_SILENT,
                proxy=None,  # as for `http`: the environment's proxies are not asked
                compression=None,
                max_size=payloads.MAX_BODY_BYTES,
                max_queue=None,  # ours is the bound, and it counts what it drops
                ping_interval=None,  # `_keep_alive` pings, and tells of the pong
                open_timeout=5.0,
                close_timeout=1.0,
            ) as connection:
                connected_at = self._clock()
                self._odd_frames = 0
                tell(SourceConnected(self.name, connected_at))
                return await self._follow(connection, tell)
        except InvalidStatus as error:
            return f"refused with status {error.response.status_code}"
        except TimeoutError:
            return "no answer within 5 s"
        except OSError as error:
            return describe_failure(error)
        except WebSocketException as error:
            return f"handshake failed: {type(error).__name__}"
        finally:
            if self._odd_frames > 1:
                logger.warning("source stream: %d frames were passed over", self._odd_frames)
            if connected_at and self._clock().tick - connected_at.tick > MAX_BACKOFF_SECONDS:
                self._failures = 0

    async def _follow(
        self, connection: ClientConnection, tell: Callable[[Observation], None]
    ) -> str:
        queue = _Queue()
        async with asyncio.TaskGroup() as group:
            digesting = group.create_task(self._digest(queue, tell))
            pinging = group.create_task(self._keep_alive(connection, tell))
            reason = await self._receive(connection, queue)
            digesting.cancel()
            pinging.cancel()
        while queue.frames or queue.missed:
            self._read_batch(queue, tell)
        return reason

    async def _receive(self, connection: ClientConnection, queue: _Queue) -> str:
        """Receive, and nothing else."""
        try:
            while True:
                frame = await connection.recv()
                now = self._clock()
                queue.put(frame, now)
                if queue.is_stuck(now):
                    return "closed by us: frames come faster than they can be read"
        except ConnectionClosed as error:
            closing = error.rcvd or error.sent
            return "connection lost" if closing is None else f"closed with code {closing.code}"

    async def _digest(self, queue: _Queue, tell: Callable[[Observation], None]) -> None:
        while True:
            await queue.filled.wait()
            self._read_batch(queue, tell)
            await asyncio.sleep(0)

    def _read_batch(self, queue: _Queue, tell: Callable[[Observation], None]) -> None:
        """Read what is waiting; what is no frame of upstream's is counted and passed over."""
        frames, missed = queue.take()
        changes: list[ChangeNamed] = []
        odd: list[str] = []
        for frame, at in frames:
            try:
                change = payloads.stream_change(payloads.decode(frame), at)
            except PayloadError as error:
                odd.append(error.reason)
                continue
            if change is not None:
                changes.append(change)
        if odd and not self._odd_frames:
            logger.warning("source stream: a frame was passed over: %s", odd[0])
        self._odd_frames += len(odd)
        if changes:
            tell(ChangesNamed(self.name, tuple(changes)))
        if missed:
            tell(ChangesMissed(self.name, missed, self._clock()))

    async def _keep_alive(
        self, connection: ClientConnection, tell: Callable[[Observation], None]
    ) -> None:
        """Ping, and end the connection when no pong comes back."""
        try:
            while True:
                await asyncio.sleep(PING_SECONDS)
                async with asyncio.timeout(PING_SECONDS):
                    await (await connection.ping())
                tell(SourceHeard(self.name, self._clock()))
        except TimeoutError:
            connection.transport.abort()
        except ConnectionClosed:
            pass  # `_receive` says so
