"""Items between those who record and the one thread that writes."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from kato_panel.domain.recorded import AuditEntry, Looked, Sample
from kato_panel.history.writer import Item

GROUP_SECONDS: Final = 0.05
"""How long a group waits for more; with the commit itself, below 0.1 s."""
MAX_GROUP: Final = 5_000
MAX_WAITING: Final = 1_000_000
"""Items that wait for a disk that works."""
MAX_BUFFERED: Final = 10_000
"""Items that wait for one that does not."""
LOOKED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Tally:
    """How many items wait, were given up, and were written."""

    waiting: int
    lost: int
    written: int


class Backlog:
    """
    A queue with a bound that depends on whether it is being emptied.

    Whoever puts never waits: above the bound the oldest items are given up, and counted.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[Item] = deque()
        self._writing: deque[Item] = deque()
        """The group that was handed out; never given up for want of room."""
        self._looked: Looked | None = None
        self._looked_tick = monotonic() - LOOKED_SECONDS
        self._accepted = self._written = self._lost = self._asked = 0
        self._most = MAX_WAITING
        self._is_stopping = False

    @property
    def tally(self) -> Tally:
        """How it stands."""
        with self._changed:
            waiting = len(self._writing) + len(self._items)
            return Tally(waiting, self._lost, self._written)

    def put(self, items: Iterable[Item]) -> None:
        """Add items, from any thread. Of looks only the newest is kept."""
        with self._changed:
            for item in items:
                if isinstance(item, Looked):
                    self._looked = item
                else:
                    if isinstance(item, Sample):
                        self._looked = None  # it is older, and would be written after this one
                    self._items.append(item)
                    self._accepted += 1
            self._trim()
            self._changed.notify_all()

    def bound(self, most: int) -> None:
        """Let no more than so many items wait."""
        with self._changed:
            self._most = most
            self._trim()
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all items put before are settled; return whether they are written."""
        with self._changed:
            goal, lost = self._accepted, self._lost
            self._asked = max(self._asked, goal)
            self._changed.notify_all()
            settled = self._changed.wait_for(lambda: self._settled >= goal, timeout_seconds)
            return settled and self._lost == lost

    def next_group(self) -> tuple[list[Item], bool]:
        """
        Wait for items: until there are many, somebody asks, or the first has waited long enough.

        Returns
        -------
        tuple of list and bool
            The oldest items, which stay until they are settled, perhaps none; and whether the
            end was asked for before.
        """
        with self._changed:
            if not self._writing:
                if not self._items and not self._is_stopping:
                    self._changed.wait(LOOKED_SECONDS)
                if self._items:
                    self._changed.wait_for(self._is_group, GROUP_SECONDS)
                while self._items and len(self._writing) < MAX_GROUP:
                    self._writing.append(self._items.popleft())
            group = list(self._writing)
            is_due = monotonic() - self._looked_tick >= LOOKED_SECONDS
            if self._looked is not None and (group or is_due or self._is_stopping):
                group.append(self._looked)
                self._looked, self._looked_tick = None, monotonic()
            return group, self._is_stopping

    def rest(self, timeout_seconds: float) -> None:
        """Wait for a time, or for the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, timeout_seconds)

    def settle(self, group: Sequence[Item], *, is_written: bool) -> None:
        """Take a group away, or a part of it from its beginning."""
        with self._changed:
            for item in group:
                if self._writing and self._writing[0] is item:
                    self._writing.popleft()
                    self._written += is_written
                    self._lost += not is_written
            self._changed.notify_all()

    @property
    def _settled(self) -> int:
        return self._written + self._lost

    def _is_group(self) -> bool:
        is_full = len(self._items) >= MAX_GROUP
        return is_full or self._is_stopping or self._asked > self._settled

    def _trim(self) -> None:
        """Give up the oldest; what people did only if nothing at all is kept."""
        if self._most == 0:
            self._lost += len(self._writing) + len(self._items)
            self._writing.clear()
            self._items.clear()
        spared: list[Item] = []
        while self._items and len(self._writing) + len(self._items) + len(spared) > self._most:
            item = self._items.popleft()
            if isinstance(item, AuditEntry):
                spared.append(item)
            else:
                self._lost += 1
        self._items.extendleft(reversed(spared))
