"""The newest events as frames, for clients that resume; bounded in number and in bytes."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from kato_panel.wire import Topic

MAX_FRAMES: Final = 10_000
MAX_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """One published frame, as it goes over the socket."""

    seq: int
    topic: Topic
    frame: bytes


class Ring:
    """
    Keeps published frames in their order, and gives up the oldest.

    A place in it is the number of frames that were ever put before: it stays valid, whatever is
    given up.
    """

    def __init__(self) -> None:
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self.first = 0
        """Place of the oldest frame that is still here."""
        self.lost_seq = 0
        """The newest frame that was given up; 0 while none was."""

    @property
    def end(self) -> int:
        """The place that the next frame will have."""
        return self.first + len(self._kept)

    def put(self, kept: Kept) -> None:
        """Keep one more."""
        self._kept.append(kept)
        self._bytes += len(kept.frame)
        while len(self._kept) > MAX_FRAMES or self._bytes > MAX_BYTES:
            oldest = self._kept.popleft()
            self._bytes -= len(oldest.frame)
            self.first += 1
            self.lost_seq = oldest.seq

    def find(self, seq: int) -> int:
        """Find the place of the first frame after this number."""
        low, high = 0, len(self._kept)
        while low < high:
            middle = (low + high) // 2
            if self._kept[middle].seq > seq:
                high = middle
            else:
                low = middle + 1
        return self.first + low

    def read(self, place: int, count: int) -> list[Kept]:
        """Read so many frames, from a place that is still here."""
        start = place - self.first
        return [self._kept[i] for i in range(start, min(start + count, len(self._kept)))]
