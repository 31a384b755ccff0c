"""
``/ws``: one client's WebSocket. What it is told comes from the `Feed`; what it asks, from here.

Whatever a client sends is answered or ends its own connection, and touches nobody else.
"""

import socket
from collections import deque
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

from tornado.websocket import WebSocketHandler

from kato_panel import messages, wire
from kato_panel.errors import MessageError
from kato_panel.runtime import Runtime
from kato_panel.server.feed import Feed
from kato_panel.server.limits import household
from kato_panel.server.receivers import Receiver

MAX_FRAME_BYTES: Final = 4096
MAX_FRAMES_PER_SECOND: Final = 10
MAX_ERRORS_PER_MINUTE: Final = 10
MINUTE_SECONDS: Final = 60.0
MAX_CLIENTS: Final = 500
MAX_CLIENTS_PER_ADDRESS: Final = 20
MAX_SINCE: Final = 100
RETRY_AFTER_SECONDS: Final = 5
PING_SECONDS: Final = 15
"""Between two pings, and at most until the answer."""
SOCKET_BUFFER_BYTES: Final = 64 * 1024
"""
What the kernel keeps for one client that does not read. Left alone it takes some MiB on loopback,
and a client is hours late before anybody notices.
"""
RUDE: Final = (1008, "too many frames that were not understood")
TOO_MANY: Final = (1013, "too many clients")


class Endpoint(WebSocketHandler):
    """
    ``/ws``.

    Parameters
    ----------
    runtime
        What is watched; given with the route, as to all of them.
    feed
        By what the client is told.
    """

    def initialize(self, runtime: Runtime, feed: Feed) -> None:
        """Take what the route was made with."""
        self.runtime = runtime
        self._feed = feed
        self._receiver: Receiver | None = None
        self._frames: deque[float] = deque(maxlen=MAX_FRAMES_PER_SECOND)
        self._errors: deque[float] = deque(maxlen=MAX_ERRORS_PER_MINUTE)

    @property
    def _address(self) -> str:
        """Where the client comes from, as it is counted: the guard has looked behind proxies."""
        return household(self.request.remote_ip or "")

    @property
    def ping_interval(self) -> float:
        """Who does not answer is gone; wherever this is mounted."""
        return PING_SECONDS

    @property
    def ping_timeout(self) -> float:
        """The same."""
        return PING_SECONDS

    def check_origin(self, origin: str) -> bool:
        """Let the guard judge, which knows whom to believe, and has by now."""
        del origin
        return True

    def finish(self, chunk: Any = None) -> Any:
        """Answer; what Tornado says of an upgrade that is none becomes JSON."""
        if self.get_status() >= HTTPStatus.BAD_REQUEST and not isinstance(chunk, dict):
            code = self._reason.lower().replace(" ", "_")
            chunk = messages.error(code, chunk or self._reason)
        return super().finish(chunk)

    @property
    def max_message_size(self) -> int:
        """A longer frame is refused with 1009."""
        return MAX_FRAME_BYTES

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket, or say why not."""
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            self._refuse(400, "bad_request", "this is a WebSocket, to be asked for as one")
        elif self._is_full():
            self.set_header("Retry-After", str(RETRY_AFTER_SECONDS))
            self._refuse(503, "too_many_clients", "as many clients are connected as may be")
        else:
            await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin to tell the client."""
        del args, kwargs
        connection = self.ws_connection
        if connection is None or self._is_full():  # others may have come since it asked
            self.close(*TOO_MANY)
            return
        stream: Any = connection.stream
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        self.set_nodelay(True)
        self._receiver = Receiver(stream, self._address, self.close)
        given = self.request.query_arguments.get("since")
        since = given[-1][:MAX_SINCE].decode("latin-1") if given else None
        self._feed.join(self._receiver, since)

    def on_message(self, message: str | bytes) -> None:
        """Do as the client asks, or say why not."""
        receiver = self._receiver
        if receiver is None or self.ws_connection is None:
            return  # it was closed, and what it sent before it heard of that still comes
        tick = monotonic()
        is_hasty = len(self._frames) == MAX_FRAMES_PER_SECOND and tick - self._frames[0] < 1.0
        if is_hasty:
            text = f"at most {MAX_FRAMES_PER_SECOND} frames a second"
            self._complain(receiver, "too_many_frames", text)
            return
        self._frames.append(tick)
        if isinstance(message, bytes):
            self._complain(receiver, "binary", "frames have to be text")
        elif message == "ping":
            self._feed.tell(receiver, "heartbeat")
        else:
            try:
                order = wire.read_order(message)
            except MessageError as error:
                self._complain(receiver, error.code, error.message)
            else:
                self._feed.order(receiver, order)

    def on_close(self) -> None:
        """Forget the client."""
        if self._receiver is not None:
            self._feed.leave(self._receiver)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say in JSON what went wrong, before the socket is open; never with a traceback."""
        del status_code, kwargs
        self.finish(messages.error(self._reason.lower().replace(" ", "_"), self._reason))

    def _is_full(self) -> bool:
        return (
            self._feed.clients >= MAX_CLIENTS
            or self._feed.count_from(self._address) >= MAX_CLIENTS_PER_ADDRESS
        )

    def _complain(self, receiver: Receiver, code: str, text: str) -> None:
        """Say that a frame was not understood; end a connection that goes on so."""
        tick = monotonic()
        self._errors.append(tick)
        self._feed.tell(receiver, "error", data={"code": code, "message": text})
        if len(self._errors) == MAX_ERRORS_PER_MINUTE and tick - self._errors[0] < MINUTE_SECONDS:
            self._feed.leave(receiver)
            self.close(*RUDE)

    def _refuse(self, status: int, code: str, text: str) -> None:
        self.set_status(status)
        self.finish(messages.error(code, text))
