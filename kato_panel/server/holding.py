"""Events on their way from the hub to the clients: each once, in order, and named if possible."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from kato_panel.domain.events import MAX_NAMES, SessionEvent

NAMING_SECONDS: Final = 0.4
"""How long an event waits for its names; it may be told 0.5 s after its detection."""


class Holding:
    """
    Holds back events without names for a moment.

    The hub tells an event again under its number once it is known whose it was, mostly within
    0.5 s; a client is told each event once. So one that names are missing of waits a little, and
    those after it wait with it. Names that come later yet are not told.

    Parameters
    ----------
    after_seq
        The newest event that is not to be told any more.
    is_named_later
        Whether anybody can still name an event; if not, none waits.
    """

    def __init__(self, after_seq: int, *, is_named_later: bool) -> None:
        self._told_seq = after_seq
        self._wait_seconds = NAMING_SECONDS if is_named_later else 0.0
        self._held: OrderedDict[int, tuple[SessionEvent, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, events: Iterable[SessionEvent], tick: float) -> None:
        """Take events, oldest first; one told again gets its names, unless it is gone already."""
        for event in events:
            if event.seq in self._held:
                self._held[event.seq] = (event, self._held[event.seq][1])
            elif event.seq > self._told_seq:
                self._held[event.seq] = (event, tick + self._wait_seconds)

    def rest_seconds(self, tick: float) -> float | None:
        """Say how long the next one has still to wait; ``None`` if there is none."""
        if not self._held:
            return None
        event, until_tick = next(iter(self._held.values()))
        is_named = len(event.names) >= min(event.delta, MAX_NAMES)
        return 0.0 if is_named else max(0.0, until_tick - tick)

    def pop(self) -> tuple[SessionEvent, int]:
        """Take out the next one; and say how many before it never came, as the hub lost them."""
        seq, (event, _) = self._held.popitem(last=False)
        skipped, self._told_seq = seq - self._told_seq - 1, seq
        return event, skipped
