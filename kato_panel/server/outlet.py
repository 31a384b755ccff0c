"""What one client has still to be sent: bounded, so that a slow one costs nobody anything."""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

MAX_UNSENT_FRAMES: Final = 256
MAX_UNSENT_BYTES: Final = 1024 * 1024
MAX_UNSENT_SECONDS: Final = 10.0
MAX_WRITE_BYTES: Final = 64 * 1024
"""At once, of what had to wait: what the socket took of it cannot be taken back."""
_SHORT_BYTES: Final = 126
_LONG_BYTES: Final = 65_536


def seal(text: bytes) -> bytes:
    """
    Make a text a WebSocket frame, as servers send it.

    A server's frames are not masked and ours are not compressed, so the same bytes go to every
    client. `WebSocketHandler.write_message` would make them anew for each, in a task of its own.
    """
    size = len(text)
    if size < _SHORT_BYTES:
        return bytes((0x81, size)) + text
    if size < _LONG_BYTES:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class Outlet:
    """
    Writes to one client's stream what it takes, and keeps the rest in order.

    Parameters
    ----------
    stream
        Tornado's, of an open WebSocket. It gets whole frames only, as Tornado itself writes pings
        and the closing frame between them.
    drained
        Called when everything that had to wait was taken.
    """

    def __init__(self, stream: Any, drained: Callable[[], None]) -> None:
        self._stream = stream
        self._drained = drained
        self._waiting: deque[tuple[bytes, int, float]] = deque()
        self._writing: tuple[int, int, float] | None = None
        self._frames = 0
        self._bytes = 0
        self.sent_tick = monotonic()
        """When something was last given to this outlet."""

    @property
    def is_idle(self) -> bool:
        """Whether the socket took all that there was."""
        return self._writing is None

    def is_overfull(self, tick: float) -> bool:
        """Say whether this client is too slow: in frames, in bytes, or in seconds."""
        if self._writing is None:
            return False
        frames, size, since = self._writing
        return (
            self._frames + frames > MAX_UNSENT_FRAMES
            or self._bytes + size > MAX_UNSENT_BYTES
            or tick - since > MAX_UNSENT_SECONDS
        )

    def send(self, data: bytes, frames: int, tick: float) -> None:
        """
        Send whole frames, now or when there is room.

        Parameters
        ----------
        data
            One frame or several.
        frames
            How many.
        tick
            Now, in monotonic seconds.
        """
        self.sent_tick = tick
        if self._writing is None:
            self._write(data, frames, tick)
        else:
            self._waiting.append((data, frames, tick))
            self._frames += frames
            self._bytes += len(data)

    def clear(self) -> None:
        """Give back the memory of what waits."""
        self._waiting.clear()
        self._frames = self._bytes = 0

    def _write(self, data: bytes, frames: int, since: float) -> None:
        """
        Write through, as long as the socket takes all.

        Tornado's own `write` makes a future for each; the half of a send's time, mostly for
        nothing.
        """
        stream = self._stream
        if stream.closed():
            return  # the handler hears of it too
        rest = data
        if not stream.writing():
            try:
                rest = data[stream.write_to_fd(memoryview(data)) :]
            except BlockingIOError:
                pass
            except OSError:
                stream.close(exc_info=True)
                return
        if not rest:
            return
        written = stream.write(rest)
        if not written.done():
            self._writing = (frames, len(rest), since)
            written.add_done_callback(self._go_on)

    def _go_on(self, written: Any) -> None:
        """Write of what waits as much as is sensible at once."""
        self._writing = None
        if written.cancelled() or written.exception() is not None:
            self.clear()
            return
        while self._waiting and self._writing is None:
            batch, frames = [], 0
            since = self._waiting[0][2]
            size = 0
            while self._waiting and size < MAX_WRITE_BYTES:
                data, count, _ = self._waiting.popleft()
                batch.append(data)
                size += len(data)
                frames += count
            self._frames -= frames
            self._bytes -= size
            self._write(b"".join(batch), frames, since)
        if self._writing is None:
            self._drained()
