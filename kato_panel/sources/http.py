"""The `http` source: asks upstream for its number of sessions, and nothing else."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import httpx

from kato_panel.domain.events import Clock, CountObserved, LookFailed, Observation
from kato_panel.errors import PayloadError, SourceError, SourceUnavailable
from kato_panel.sources import payloads
from kato_panel.sources.words import describe_failure

DEADLINE_SECONDS: Final = 2.0
"""For one poll in all; httpx's own time-outs begin anew with each byte."""
MAX_BACKOFF_SECONDS: Final = 10.0
MAX_RETRY_AFTER_SECONDS: Final = 60.0
PROMPTED_SECONDS: Final = 1.0
"""At least between two polls, however often somebody prompts."""
_OK: Final = 200


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
        self._base_url = base_url.rstrip("/")
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **headers,
        }
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
        async with self._client() as client:
            while True:
                began = self._clock()
                self._asked.clear()
                try:
                    observed = await self._poll(client)
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

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            # The environment's proxies are not asked: KATO is a neighbour, and its address must
            # not be sent elsewhere.
            trust_env=False,
            # This machine's certificates, and those that SSL_CERT_FILE names, as for the stream.
            verify=ssl.create_default_context(),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            timeout=DEADLINE_SECONDS,
            headers=self._headers,
            transport=self._transport,
        )

    def _backoff_seconds(self) -> float:
        """Draw the wait after a failure, with full jitter."""
        longest: float = self._interval_seconds * 2 ** min(self._failures, 10)
        return min(MAX_BACKOFF_SECONDS, longest) * self._draw()

    async def _poll(self, client: httpx.AsyncClient) -> CountObserved:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                sent_at = self._clock()
                count = payloads.health_count(await self._get(client, "/health"))
                if count is not None:
                    return CountObserved(self.name, count, sent_at, self._clock())
                sent_at = self._clock()
                count = payloads.sessions_count(await self._get(client, "/sessions/count"))
                return CountObserved(self.name, count, sent_at, self._clock(), is_cached=True)
        except TimeoutError as error:
            raise SourceUnavailable(f"no answer within {DEADLINE_SECONDS:g} s") from error

    async def _get(self, client: httpx.AsyncClient, path: str) -> dict[str, Any]:
        try:
            try:
                body = await self._read(client, path)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                # A kept-alive connection may have died silently (KATO's does after a 500); a
                # question on a connection of its own tells whether upstream is really away.
                body = await self._read(client, path)
        except httpx.ConnectError as error:
            raise SourceUnavailable(describe_failure(error)) from error
        except httpx.TimeoutException as error:
            raise SourceUnavailable(f"no answer within {DEADLINE_SECONDS:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceUnavailable(f"connection failed: {type(error).__name__}") from error
        return payloads.decode(body)

    async def _read(self, client: httpx.AsyncClient, path: str) -> bytes:
        """Read one answer, of at most 1 MiB."""
        async with client.stream("GET", self._base_url + path) as response:
            if response.is_redirect:
                raise PayloadError(f"answered {response.status_code}, a redirect: not followed")
            if response.status_code != _OK:
                raise PayloadError(
                    f"answered {response.status_code} to GET {path}",
                    retry_after_seconds=_retry_after(response),
                )
            encoding = response.headers.get("content-encoding", "identity")
            if encoding != "identity":
                # Refused rather than decoded: half a megabyte of gzip can be half a gigabyte.
                raise PayloadError(f"content-encoding is {encoding[:40]!r}, must be identity")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > payloads.MAX_BODY_BYTES:
                    raise PayloadError("answer is longer than 1 MiB")
            return bytes(body)


def _retry_after(response: httpx.Response) -> float:
    """Read ``Retry-After`` in seconds; its other form, a date, is not honoured."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0
