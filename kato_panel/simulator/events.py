"""``/ws/events``: what one worker does, told while it does it."""

from collections.abc import Awaitable

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from . import wire
from .call import Call


class Events(WebSocketHandler, Call):
    """``/ws/events``: a snapshot, then what this connection's worker does."""

    route = "/ws/events"
    exempt = True  # upgrades are accepted beyond the limit

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002  # upstream asks nobody
        """Let everybody in."""
        return True

    async def open(self, *_args: str, **_kwargs: str) -> None:
        """Send the snapshot, before any event."""
        snapshot = wire.snapshot_frame(self.upstream.active(self.worker), self.upstream.clock())
        self.worker.streams[self] = None
        await self.deliver(snapshot)

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Answer ``ping`` with ``pong``, and nothing else."""
        return self.deliver("pong") if message == "ping" else None

    def on_close(self) -> None:
        """Leave the worker's streams."""
        self.worker.streams.pop(self, None)

    async def deliver(self, text: str | bytes) -> None:
        """Send one frame and wait until the socket has taken it; a closed stream is no error."""
        try:
            await self.write_message(text, binary=isinstance(text, bytes))
        except WebSocketClosedError:
            return

    async def repeat(self, text: str | bytes, times: int) -> None:
        """Send the same frame so many times."""
        for _ in range(times):
            await self.deliver(text)

    def on_connection_close(self) -> None:
        """Wake whatever waits, and let Tornado clean up."""
        self.gone.set()
        super().on_connection_close()

    def drop(self) -> None:
        """Cut the connection without a close frame."""
        self.tcp.close()
