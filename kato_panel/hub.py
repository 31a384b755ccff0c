"""
Fan-out: the newest state and the events, from the watcher's thread to any number of readers.

State coalesces: a reader that is late gets only the newest. Events queue up to a bound; what does
not fit is counted. So a slow reader costs memory that does not grow, and delays nobody.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from kato_panel.domain.events import SessionEvent
from kato_panel.domain.series import Range, Series
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings

Charts = Mapping[Range, Series]

MAX_QUEUED_EVENTS: Final = 256
MAX_KEPT_EVENTS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Update:
    """
    What a reader gets at once.

    Parameters
    ----------
    snapshot
        The newest state; ``None`` if it was taken before.
    events
        By `SessionEvent.seq`, oldest first. One that was taken before comes again when its names
        became known.
    skipped
        Events that did not fit the reader's queue since it took last.
    charts
        What charts show, by how far back they look; ``None`` if it was taken before.
    surroundings
        What is known beside the sessions; ``None`` if it was taken before.
    """

    snapshot: SessionSnapshot | None
    events: tuple[SessionEvent, ...]
    skipped: int
    charts: Charts | None = None
    surroundings: Surroundings | None = None


class Subscription:
    """
    One reader's bounded queue; `Hub.subscribe` makes it.

    Parameters
    ----------
    hub
        Where it belongs.
    wake
        Called from the publisher's thread when there is something to take after there was
        nothing; has to return at once.
    max_events
        How many events may wait for the reader.
    """

    def __init__(self, hub: "Hub", wake: Callable[[], None], max_events: int) -> None:
        self._hub = hub
        self._wake = wake
        self._max_events = max_events
        self._snapshot: SessionSnapshot | None = None
        self._charts: Charts | None = None
        self._surroundings: Surroundings | None = None
        self._events: OrderedDict[int, SessionEvent] = OrderedDict()
        self._skipped = 0
        self._is_awake = False

    def take(self) -> Update:
        """Take all there is; the next publication wakes the reader again."""
        with self._hub.lock:
            events = tuple(self._events[seq] for seq in sorted(self._events))
            update = Update(self._snapshot, events, self._skipped, self._charts, self._surroundings)
            self._snapshot, self._events, self._skipped = None, OrderedDict(), 0
            self._charts = self._surroundings = None
            self._is_awake = False
            return update

    def close(self) -> None:
        """End it. Closing twice is allowed."""
        self._hub.drop(self)

    def put(
        self,
        snapshot: SessionSnapshot | None,
        events: tuple[SessionEvent, ...],
        charts: Charts | None,
        surroundings: Surroundings | None,
    ) -> Callable[[], None] | None:
        """Queue a publication (under the hub's lock); return whom to wake, if anybody."""
        self._snapshot = snapshot or self._snapshot
        self._charts = charts or self._charts
        self._surroundings = surroundings or self._surroundings
        for event in events:
            self._events[event.seq] = event
        while len(self._events) > self._max_events:
            self._events.popitem(last=False)  # the one that waits longest
            self._skipped += 1
        if self._is_awake:
            return None
        self._is_awake = True
        return self._wake


class Hub:
    """
    What the watcher publishes, and who reads it.

    Attributes
    ----------
    epoch
        Random per start: sequence numbers count within it.
    lock
        Held for moments only; guards every subscription's queue.
    """

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(8)
        self.lock = threading.Lock()
        self._subscriptions: list[Subscription] = []
        self._snapshot: SessionSnapshot | None = None
        self._charts: Charts | None = None
        self._surroundings: Surroundings | None = None
        self._events: OrderedDict[int, SessionEvent] = OrderedDict()

    @property
    def snapshot(self) -> SessionSnapshot | None:
        """The newest state."""
        with self.lock:
            return self._snapshot

    @property
    def charts(self) -> Charts | None:
        """What charts show; ``None`` until that was told."""
        with self.lock:
            return self._charts

    @property
    def surroundings(self) -> Surroundings | None:
        """What is known beside the sessions; ``None`` until that was told."""
        with self.lock:
            return self._surroundings

    @property
    def readers(self) -> int:
        """Open subscriptions."""
        with self.lock:
            return len(self._subscriptions)

    def publish(
        self,
        snapshot: SessionSnapshot | None,
        events: tuple[SessionEvent, ...],
        charts: Charts | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        """
        Hand a state and events to every reader.

        Parameters
        ----------
        snapshot
            The newest state, if it is to be told.
        events
            New ones, or earlier ones again under their number.
        charts
            What charts show, if that is to be told.
        surroundings
            What is known beside the sessions, if that is to be told.
        """
        with self.lock:
            self._snapshot = snapshot or self._snapshot
            self._charts = charts or self._charts
            self._surroundings = surroundings or self._surroundings
            for event in events:
                self._events[event.seq] = event
            while len(self._events) > MAX_KEPT_EVENTS:
                self._events.popitem(last=False)
            wakes = [
                reader.put(snapshot, events, charts, surroundings) for reader in self._subscriptions
            ]
        with ExitStack() as all_are_woken:  # also those after one that fails
            for wake in reversed(wakes):
                if wake is not None:
                    all_are_woken.callback(wake)

    def forget_events(self) -> None:
        """Forget those that are kept for who begins to read: they are not of the present."""
        with self.lock:
            self._events.clear()

    def subscribe(
        self, wake: Callable[[], None], max_events: int | None = None
    ) -> tuple[Subscription, Update]:
        """
        Begin to read.

        Parameters
        ----------
        wake, max_events
            See `Subscription`; by default, as many as a page needs.

        Returns
        -------
        tuple of Subscription and Update
            The update holds the present state and the kept events; everything published after it
            reaches the subscription.
        """
        subscription = Subscription(self, wake, max_events or MAX_QUEUED_EVENTS)
        with self.lock:
            self._subscriptions.append(subscription)
            events = tuple(self._events.values())
            return subscription, Update(self._snapshot, events, 0, self._charts, self._surroundings)

    def drop(self, subscription: Subscription) -> None:
        """Forget a reader, if it is known."""
        with self.lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
