"""The clients of ``/ws``: what each is subscribed to, and how far it has got."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, Final

from kato_panel.server.outlet import Outlet
from kato_panel.server.ring import Ring
from kato_panel.wire import ALL_TOPICS, Topic

CHUNK_FRAMES: Final = 32
"""Missed frames written at once; what is in a socket's buffer cannot be taken back."""

Answer = tuple[str, Mapping[str, Any]]


class Receiver:
    """
    One client.

    Parameters
    ----------
    stream
        Tornado's, of its open WebSocket.
    address
        Where it comes from.
    close
        Closes its WebSocket, with a code and a reason.

    Attributes
    ----------
    topics
        What it is subscribed to; `Receivers.subscribe` sets it.
    place
        While it gets what it missed: where in the ring that goes on. ``None`` otherwise.
    seq
        The newest published frame that it has got, or that does not concern it, while it gets
        what it missed.
    answers
        Frames for it alone that wait until it has what it missed: were they sent before, their
        number would tell it that it has all.
    """

    def __init__(self, stream: Any, address: str, close: Callable[[int, str], None]) -> None:
        self.outlet = Outlet(stream, self._drained)
        self.address = address
        self.close = close
        self.topics = ALL_TOPICS
        self.place: int | None = None
        self.seq = 0
        self.answers: list[Answer] = []
        self.on_drained: Callable[[Receiver], None] | None = None

    def send_missed(self, ring: Ring) -> bool:
        """Send of what it missed as much as its socket takes; say whether that was all."""
        while self.place is not None and self.outlet.is_idle:
            kept = ring.read(self.place, CHUNK_FRAMES)
            if not kept:
                self.place = None
                break
            self.place += len(kept)
            self.seq = kept[-1].seq
            frames = [one.frame for one in kept if one.topic in self.topics]
            if frames:
                self.outlet.send(b"".join(frames), len(frames), monotonic())
        return self.place is None

    def _drained(self) -> None:
        if self.on_drained is not None:
            self.on_drained(self)


class Receivers:
    """All clients, by what they are subscribed to."""

    def __init__(self) -> None:
        self._all: dict[Receiver, None] = {}
        self._by_topic: dict[Topic, dict[Receiver, None]] = {topic: {} for topic in Topic}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Receiver]:
        return iter(tuple(self._all))

    def __contains__(self, receiver: Receiver) -> bool:
        return receiver in self._all

    def count_from(self, address: str) -> int:
        """Count those that come from one address."""
        return sum(receiver.address == address for receiver in self._all)

    def add(self, receiver: Receiver) -> None:
        """Begin to send to one."""
        self._all[receiver] = None
        self.subscribe(receiver, receiver.topics)

    def remove(self, receiver: Receiver) -> bool:
        """Send nothing more to one, and give back its memory; say whether it was there."""
        if receiver not in self._all:
            return False
        del self._all[receiver]
        for group in self._by_topic.values():
            group.pop(receiver, None)
        receiver.on_drained = None
        receiver.outlet.clear()
        receiver.answers.clear()
        return True

    def subscribe(self, receiver: Receiver, topics: frozenset[Topic]) -> None:
        """Send it these from now on, and nothing else."""
        receiver.topics = topics
        for topic, group in self._by_topic.items():
            if topic in topics:
                group[receiver] = None
            else:
                group.pop(receiver, None)

    def wanting(self, topic: Topic) -> Iterable[Receiver]:
        """List those that a frame published now goes to; those still catching up come later."""
        return self._by_topic[topic]
