"""One way to call upstream over HTTP, for all who do: bounded, and led astray by nobody."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

import httpx

from kato_panel.errors import PayloadError, SourceUnavailable
from kato_panel.sources import payloads
from kato_panel.sources.words import describe_failure

OK: Final = 200
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Answer:
    """What upstream answered, of at most 1 MiB."""

    status: int
    body: bytes


class KatoCalls:
    """
    Calls upstream, on one connection at a time; usable as an asynchronous context manager.

    Parameters
    ----------
    base_url
        Where upstream answers, without a path of its own calls.
    deadline_seconds
        For one call in all; httpx's own time-outs begin anew with each byte.
    headers
        Sent along, as for a login.
    keeps_alive
        Whether the connection is kept for the next call.
    transport
        Stands in for the network in tests.
    """

    def __init__(
        self,
        base_url: str,
        deadline_seconds: float,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        keeps_alive: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._deadline_seconds = deadline_seconds
        self._client = httpx.AsyncClient(
            # The environment's proxies are not asked: KATO is a neighbour, and its address must
            # not be sent elsewhere.
            trust_env=False,
            verify=_tls(),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=int(keeps_alive)),
            timeout=deadline_seconds,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", **headers},
            transport=transport,
        )

    async def get(self, path: str) -> dict[str, Any]:
        """
        Ask for one JSON object; once more, if the connection had died silently.

        Raises
        ------
        SourceUnavailable
            If nobody answers, or not in time.
        PayloadError
            If the answer is no such object, or not a 200.
        """
        answer = await self.call("GET", path, retries=True)
        return payloads.decode(answer.body)

    async def call(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        expected: frozenset[int] = frozenset({OK}),
        retries: bool = False,
    ) -> Answer:
        """
        Make one call.

        Parameters
        ----------
        method, path
            What is called.
        form
            Sent as the body, if there is one.
        expected
            The statuses that are answers; any other is a failure.
        retries
            Whether to call once more where a connection broke before the answer.

        Raises
        ------
        SourceUnavailable, PayloadError
            As `get` does.
        """
        late = f"no answer within {self._deadline_seconds:g} s"
        try:
            async with asyncio.timeout(self._deadline_seconds):
                try:
                    return await self._read(method, path, form, expected)
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    if not retries:
                        raise
                    # A kept-alive connection may have died silently (KATO's does after a 500); a
                    # question on a connection of its own tells whether upstream is really away.
                    return await self._read(method, path, form, expected)
        except httpx.ConnectError as error:
            raise SourceUnavailable(describe_failure(error)) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise SourceUnavailable(late) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceUnavailable(f"connection failed: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _read(
        self, method: str, path: str, form: Mapping[str, str] | None, expected: frozenset[int]
    ) -> Answer:
        """Read one answer, of at most 1 MiB."""
        async with self._client.stream(method, self._base_url + path, data=form) as response:
            if response.is_redirect:
                raise PayloadError(f"answered {response.status_code}, a redirect: not followed")
            if response.status_code not in expected:
                raise PayloadError(
                    f"answered {response.status_code} to {method} {path}",
                    retry_after_seconds=retry_after(response),
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
            return Answer(response.status_code, bytes(body))


def retry_after(response: httpx.Response) -> float:
    """Read ``Retry-After`` in seconds; its other form, a date, is not honoured."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0


@cache
def _tls() -> ssl.SSLContext:
    """Trust this machine's certificates, and those that SSL_CERT_FILE names, as the stream does."""
    return ssl.create_default_context()
