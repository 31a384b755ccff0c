"""
Follow the sessions from a program: ``/ws``, read as typed messages, across reconnects.

>>> import asyncio
>>> from kato_panel.client import connect
>>> async def follow():
...     async with connect("http://127.0.0.1:5006", subscriptions=["session_events"]) as client:
...         async for message in client:
...             print(message.type, message.data)
>>> asyncio.run(follow())  # doctest: +SKIP
"""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)

from kato_panel.errors import FeedRefused, MessageError
from kato_panel.wire import (
    ALL_TOPICS,
    Connected,
    Gap,
    Message,
    MetricsUpdate,
    RealtimeUpdate,
    SessionEventFrame,
    Subscribe,
    SystemAlert,
    Topic,
    read_message,
)

logger = logging.getLogger(__name__)

MAX_BACKOFF_SECONDS: Final = 30.0
OPEN_SECONDS: Final = 10.0
HEALTHY_SECONDS: Final = 10.0
"""A connection that held so long was no failure."""
MAX_FRAME_BYTES: Final = 1024 * 1024
REFUSED: Final = range(400, 500)
TOO_MANY_REQUESTS: Final = 429

_TOPICS: Final[dict[type[Message], frozenset[Topic]]] = {
    SessionEventFrame: frozenset({Topic.SESSION_EVENTS}),
    SystemAlert: frozenset({Topic.SYSTEM_ALERTS}),
    MetricsUpdate: frozenset({Topic.METRICS_UPDATE}),
    RealtimeUpdate: frozenset({Topic.METRICS, Topic.CONTAINERS, Topic.SESSIONS}),
}
"""Which subscriptions a message comes by; what is not named here comes by itself."""
_NUMBERED: Final = (Connected, RealtimeUpdate, SessionEventFrame, SystemAlert)
"""After these, everything up to their number has come; a heartbeat may overtake what was missed."""


class Client:
    """
    A client of ``/ws``; `connect` makes one.

    Iterating over it gives each message once, in order, and goes on after a lost connection where
    it stopped. What could not be had again is a `kato_panel.wire.Gap`. It never ends by itself.

    Parameters
    ----------
    url, subscriptions, token, since
        As for `connect`.
    draw
        A number from 0 to 1, for the jitter of the backoff.

    Attributes
    ----------
    since
        Where the next connection resumes: the epoch and number of the newest message; to be kept
        by whoever wants to go on there after an end of this program.
    reconnects
        Connections after the first one.
    """

    def __init__(
        self,
        url: str,
        *,
        subscriptions: Iterable[str] | None = None,
        token: str | None = None,
        since: str | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._url = _ws_url(url)
        token = None if token is None else _check_token(token)
        self._topics = None if subscriptions is None else frozenset(map(Topic, subscriptions))
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._draw = draw
        self._connection: ClientConnection | None = None
        self._failures = 0
        self.since = since
        self.reconnects = 0

    async def __aenter__(self) -> Self:
        """Connect; as often as it takes."""
        await self._connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Give each message, for ever."""
        while True:
            opened_tick = monotonic()
            async for message in self._receive():
                self._note(message)
                wanted = _TOPICS.get(type(message))
                if self._topics is None or wanted is None or wanted & self._topics:
                    yield message
            if monotonic() - opened_tick > HEALTHY_SECONDS:
                self._failures = 0
            self.reconnects += 1
            await self._pause()
            await self._connect()

    async def subscribe(self, *names: str, mode: Literal["replace", "add"] = "replace") -> None:
        """
        Say what to be told; it holds for later connections too.

        Parameters
        ----------
        *names
            Of `kato_panel.wire.Topic`; those of before are replaced.
        mode
            ``add`` keeps those of before.
        """
        topics = frozenset(map(Topic, names))
        if mode == "add":
            topics |= self._topics if self._topics is not None else ALL_TOPICS
        self._topics = topics
        await self._send_topics()

    async def ping(self) -> None:
        """Ask for a heartbeat."""
        await self._send("ping")

    async def _connect(self) -> None:
        """
        Open a connection, however long that takes.

        Raises
        ------
        FeedRefused
            If to try again is no use.
        ssl.SSLCertVerificationError
            If the service's certificate is not trusted: nor is to try again then.
        """
        has_said = False
        while True:
            query = "" if self.since is None else "?" + urlencode({"since": self.since})
            try:
                self._connection = await connect_websocket(
                    self._url + query,
                    additional_headers=self._headers,
                    user_agent_header="kato-panel",
                    compression=None,
                    max_size=MAX_FRAME_BYTES,
                    open_timeout=OPEN_SECONDS,
                    close_timeout=1.0,
                    proxy=None,
                )
            except InvalidStatus as error:
                status = error.response.status_code
                if status in REFUSED and status != TOO_MANY_REQUESTS:
                    raise FeedRefused(status) from None
                why = f"it answers {status}"
            except (InvalidURI, ssl.SSLCertVerificationError):
                raise
            except (OSError, TimeoutError, WebSocketException) as error:
                why = type(error).__name__
            else:
                await self._send_topics()
                return
            level = logging.DEBUG if has_said else logging.WARNING
            logger.log(level, "/ws cannot be opened, and is tried again until it can: %s", why)
            has_said = True
            await self._pause()

    async def _pause(self) -> None:
        """Wait before the next try, with full jitter."""
        longest: float = 0.5 * 2.0 ** min(self._failures, 10)
        self._failures += 1
        await asyncio.sleep(min(MAX_BACKOFF_SECONDS, longest) * self._draw())

    async def _receive(self) -> AsyncIterator[Message]:
        """Give the messages of one connection."""
        if self._connection is None:
            raise RuntimeError("a client has to be entered: async with connect(…) as client")
        with suppress(ConnectionClosed):
            while True:
                frame = await self._connection.recv()
                try:
                    message = read_message(frame)
                except MessageError as error:
                    logger.warning("a frame of /ws was passed over: %s", error)
                    continue
                if message is not None:
                    yield message

    def _note(self, message: Message) -> None:
        """Note where to resume. A service that was started anew says first what is lost."""
        is_anew = self.since is not None and self.since.rpartition(":")[0] != message.epoch
        if isinstance(message, Gap):
            self.since = f"{message.epoch}:{message.data.to_seq}"
        elif isinstance(message, _NUMBERED) and not is_anew:
            self.since = f"{message.epoch}:{message.seq}"

    async def _send_topics(self) -> None:
        if self._topics is not None:
            names = [topic for topic in Topic if topic in self._topics]
            await self._send(Subscribe(type="subscribe", subscriptions=names).model_dump_json())

    async def _send(self, text: str) -> None:
        if self._connection is not None:
            with suppress(ConnectionClosed):  # reading notices, and connects again
                await self._connection.send(text)


def connect(
    url: str,
    *,
    subscriptions: Iterable[str] | None = None,
    token: str | None = None,
    since: str | None = None,
) -> Client:
    """
    Follow the sessions that a service shows.

    Parameters
    ----------
    url
        Of the service, as ``http://127.0.0.1:5006``.
    subscriptions
        Names of `kato_panel.wire.Topic`; without them, all but ``metrics_update``.
    token
        What the service is set to ask for.
    since
        Where an earlier client stopped: its `Client.since`.

    Returns
    -------
    Client
        To be entered with ``async with`` and iterated over with ``async for``.

    Raises
    ------
    ValueError
        If the address is none of a service, a name is not known, or no header can hold the token.
    FeedRefused
        On entering and while iterating, if the service does not let this program in.
    ssl.SSLCertVerificationError
        The same, if its certificate is not trusted.
    """
    return Client(url, subscriptions=subscriptions, token=token, since=since)


def _ws_url(url: str) -> str:
    """Make of a service's address the one of its ``/ws``."""
    parts = urlsplit(url.strip())
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in {"ws", "wss"} or not parts.hostname or parts.port == 0:
        # What it is may hold a password.
        raise ValueError("url must begin with http://, https://, ws:// or wss://, and name a host")
    path = parts.path.rstrip("/").removesuffix("/app")
    path = path if path.endswith("/ws") else path + "/ws"
    return parts._replace(scheme=scheme, path=path, query="", fragment="").geturl()


def _check_token(token: str) -> str:
    """Take a token without its line's end; refuse what no header can hold."""
    token = token.strip()
    if not token or not all("!" <= sign <= "~" for sign in token):
        raise ValueError("token must be printable ASCII characters without blanks")
    return token
