"""The `http` source: asks upstream for its number of sessions, and for nothing else."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import httpx

from kato_panel.domain.events import Clock, CountObserved, LookFailed, Observation
from kato_panel.errors import SourceError, SourceUnavailable
from kato_panel.sources import figure_payloads, payloads
from kato_panel.sources.calls import KatoCalls

DEADLINE_SECONDS: Final = 2.0
"""For one poll in all, whether it takes one call or two."""
MAX_BACKOFF_SECONDS: Final = 10.0
MAX_RETRY_AFTER_SECONDS: Final = 60.0
PROMPTED_SECONDS: Final = 1.0
"""At least between two polls, however often somebody prompts."""


class HttpSource:
    """
    Polls ``GET /health`` on one kept-alive connection.

    Where ``active_sessions`` is missing there, ``GET /sessions/count`` is asked instead, whose
    answer upstream caches for 5.1 s; the observations then say so.

    Parameters
    ----------
    base_url
        Where upstream answers, without a path of its own calls.
    interval_seconds
        Between the starts of two polls, while they succeed.
    clock
        Gives the time.
    headers
        Sent along, as for a login.
    draw
        A number from 0 to 1, for the jitter of the backoff.
    transport
        Stands in for the network in tests.
    """

    name = "http"
    label = "KATO"

    def __init__(
        self,
        base_url: str,
        interval_seconds: float,
        clock: Clock,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        draw: Callable[[], float] = random.random,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._headers = headers
        self._draw = draw
        self._transport = transport
        self._asked = asyncio.Event()
        self._failures = 0

    def prompt(self) -> None:
        """Ask for a poll at once instead of at the end of the interval."""
        self._asked.set()

    async def run(self, tell: Callable[[Observation], None]) -> None:
        """
        Poll for ever, one poll after the other.

        Parameters
        ----------
        tell
            Takes a `CountObserved` or a `LookFailed` for each poll.
        """
        async with self._calls() as calls:
            while True:
                began = self._clock()
                self._asked.clear()
                try:
                    observed = await self._poll(calls)
                except SourceError as error:
                    self._failures += 1
                    tell(LookFailed(self.name, error.reason, self._clock()))
                    # Who asks for patience gets it, whoever prompts; but never less than others.
                    patience_seconds = min(error.retry_after_seconds, MAX_RETRY_AFTER_SECONDS)
                    await self._rest(patience_seconds, self._backoff_seconds())
                    continue
                self._failures = 0
                tell(observed)
                spent_seconds = self._clock().tick - began.tick
                await self._rest(
                    min(PROMPTED_SECONDS, self._interval_seconds) - spent_seconds,
                    self._interval_seconds - spent_seconds,
                )

    async def _rest(self, least_seconds: float, seconds: float) -> None:
        """Wait so long; `prompt` shortens it, but not below the least."""
        await asyncio.sleep(max(0.0, least_seconds))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds - max(0.0, least_seconds))):
                await self._asked.wait()

    def _calls(self) -> KatoCalls:
        return KatoCalls(
            self._base_url, DEADLINE_SECONDS, headers=self._headers, transport=self._transport
        )

    def _backoff_seconds(self) -> float:
        """Draw the wait after a failure, with full jitter."""
        longest: float = self._interval_seconds * 2 ** min(self._failures, 10)
        return min(MAX_BACKOFF_SECONDS, longest) * self._draw()

    async def _poll(self, calls: KatoCalls) -> CountObserved:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                sent_at = self._clock()
                answer = await calls.get("/health")
                service = figure_payloads.service(answer)
                count = payloads.health_count(answer)
                if count is not None:
                    return CountObserved(self.name, count, sent_at, self._clock(), service=service)
                sent_at = self._clock()
                count = payloads.sessions_count(await calls.get("/sessions/count"))
                return CountObserved(
                    self.name, count, sent_at, self._clock(), is_cached=True, service=service
                )
        except TimeoutError as error:
            raise SourceUnavailable(f"no answer within {DEADLINE_SECONDS:g} s") from error
