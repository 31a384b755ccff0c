"""The `figures` source: asks upstream for what it measures of itself, four times a minute."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import httpx

from kato_panel.domain.events import Clock, LookFailed
from kato_panel.domain.upstream_figures import INTERVAL_SECONDS, SOURCE, MetricsSeen
from kato_panel.errors import SourceError
from kato_panel.sources import figure_payloads, payloads
from kato_panel.sources.calls import NOT_FOUND, OK, KatoCalls

DEADLINE_SECONDS: Final = 5.0
MAX_REST_SECONDS: Final = 300.0
"""The longest that upstream may ask us to wait; and between questions where it has no answer."""
NOT_OFFERED: Final = "not offered by this KATO"


class MetricsSource:
    """
    Asks for ``GET /metrics``, on one connection that upstream may keep.

    Which of upstream's workers answers is the connection's luck; each knows its own figures only.

    Parameters
    ----------
    base_url
        Where upstream answers, without a path of its own calls.
    clock
        Gives the time.
    headers
        Sent along, as for a login.
    interval_seconds
        Between the starts of two questions.
    transport
        Stands in for the network in tests.
    """

    name = SOURCE
    label = "KATO's figures"

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        interval_seconds: float = INTERVAL_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url
        self._clock = clock
        self._headers = headers
        self._interval_seconds = interval_seconds
        self._transport = transport

    def prompt(self) -> None:
        """Do nothing: upstream is asked four times a minute, and never oftener."""

    async def run(self, tell: Callable[[MetricsSeen | LookFailed], None]) -> None:
        """
        Ask for ever, one question after the other.

        Parameters
        ----------
        tell
            Takes a `MetricsSeen` or a `LookFailed` for each question.
        """
        async with KatoCalls(
            self._base_url, DEADLINE_SECONDS, headers=self._headers, transport=self._transport
        ) as calls:
            while True:
                began_tick, rest_seconds = self._clock().tick, self._interval_seconds
                try:
                    seen = await self._ask(calls)
                    tell(seen)
                    if seen.metrics is None:
                        rest_seconds = MAX_REST_SECONDS
                except SourceError as error:
                    tell(LookFailed(self.name, error.reason, self._clock()))
                    patience_seconds = min(error.retry_after_seconds, MAX_REST_SECONDS)
                    rest_seconds = max(rest_seconds, patience_seconds)
                spent_seconds = self._clock().tick - began_tick
                await asyncio.sleep(max(0.0, rest_seconds - spent_seconds))

    async def _ask(self, calls: KatoCalls) -> MetricsSeen:
        # A connection that died silently costs this one answer: asked again at once, it would be
        # asked for oftener than was promised.
        answer = await calls.call("GET", "/metrics", expected=frozenset({OK, NOT_FOUND}))
        at = self._clock()
        if answer.status == NOT_FOUND:
            return MetricsSeen(self.name, at, None, NOT_OFFERED)
        return MetricsSeen(self.name, at, figure_payloads.metrics(payloads.decode(answer.body)))
