"""
What the clients of ``/ws`` are told: one feed per process, however many there are.

Each published frame is numbered and encoded once; the same bytes go to all. Everything here
happens on the server's loop and waits for no client: what a socket does not take is kept by its
`Outlet`, up to a bound. See ``docs/decisions/0016-the-feed.md``.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from time import monotonic
from typing import Any, Final

from kato_panel import composing, wire
from kato_panel.domain.alert_book import Notice
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.hub import Subscription
from kato_panel.runtime import Runtime
from kato_panel.server.containers import tell_containers
from kato_panel.server.holding import Holding
from kato_panel.server.outlet import seal
from kato_panel.server.receivers import CHUNK_FRAMES, Receiver, Receivers
from kato_panel.server.ring import Kept, Ring
from kato_panel.watcher import now
from kato_panel.wire import Topic

logger = logging.getLogger(__name__)

UPDATE_SECONDS: Final = 3.0
CHANGE_SECONDS: Final = 0.25
"""At least between two updates, however often the count changes."""
HEARTBEAT_SECONDS: Final = 30.0
SWEEP_SECONDS: Final = 1.0
MAX_WAITING_EVENTS: Final = 10_000
MAX_TURN_FRAMES: Final = 64
"""Published before others on this loop have their turn."""
MAX_DIGITS: Final = 15
TOO_SLOW: Final = (1013, "slow consumer")
GOING_AWAY: Final = (1001, "the service stops")


class Feed:
    """
    Follows the hub, and tells the clients of ``/ws``.

    It begins with the first client: before there is one, nobody can have missed anything, and
    the routes are made before there is a loop. All methods belong to the server's loop.

    Parameters
    ----------
    runtime
        What is followed.

    Attributes
    ----------
    dropped
        Clients that were cut because they were too slow.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = runtime.settings
        self.epoch = runtime.hub.epoch
        self.dropped = 0
        self._seq = 0
        self._receivers = Receivers()
        self._ring = Ring()
        self._subscription: Subscription | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._snapshot: SessionSnapshot | None = None
        self._told_active: int | None = None
        self._told_metrics: Mapping[str, Any] | None = None
        self._told_tick = float("-inf")
        self._holding = Holding(0, is_named_later=False)
        self._timers: dict[Any, asyncio.TimerHandle] = {}
        self._has_more = False
        self._noticed = 0
        self._is_over = False

    @property
    def clients(self) -> int:
        """Clients that are connected."""
        return len(self._receivers)

    @property
    def seq(self) -> int:
        """Number of the newest published frame."""
        return self._seq

    def count_from(self, address: str) -> int:
        """Count the clients from one address."""
        return self._receivers.count_from(address)

    def join(self, receiver: Receiver, since: str | None) -> None:
        """
        Begin to tell a client.

        Parameters
        ----------
        receiver
            The client; it gets ``connected`` and the present state at once.
        since
            What it gave as ``?since=``.
        """
        if self._is_over:
            receiver.close(*GOING_AWAY)
            return
        self._start()
        receiver.on_drained = self._catch_up
        gap, resumed_seq = self._resume(receiver, since)
        data = {
            "version": version("kato-panel"),
            "subscriptions": wire.list_topics(receiver.topics),
            "feature_flags": {
                "websocket_enabled": True,
                "websocket_session_events": self._settings.session_events,
                "websocket_system_alerts": self._settings.system_alerts,
                "websocket_container_stats": self._settings.container_stats,
                "websocket_selective_subscriptions": self._settings.selective_subscriptions,
            },
        }
        self._send(receiver, "connected", resumed_seq, data=data)
        parts = self._parts()
        if (metrics := self._metrics()) is not None:
            parts[Topic.METRICS] = metrics
        parts = {topic: part for topic, part in parts.items() if topic in receiver.topics}
        self._send(receiver, "realtime_update", resumed_seq, data=parts)
        self._receivers.add(receiver)
        if gap is not None:
            self._send(receiver, "gap", self._seq, data=gap)
        self._catch_up(receiver)

    def leave(self, receiver: Receiver) -> None:
        """Forget a client; leaving twice is allowed."""
        self._receivers.remove(receiver)

    def order(self, receiver: Receiver, order: wire.Order) -> None:
        """Do as a client asks, and tell it what it is subscribed to now."""
        if self._settings.selective_subscriptions:
            self._receivers.subscribe(receiver, wire.apply_order(receiver.topics, order))
        data = {"subscriptions": wire.list_topics(receiver.topics)}
        self.tell(receiver, "subscribed", data=data)

    def tell(self, receiver: Receiver, kind: str, **payload: Any) -> None:
        """Send a frame to one client, after all that it has to get before."""
        if receiver in self._receivers:
            if receiver.place is not None:
                receiver.answers.append((kind, payload))
            else:
                self._send(receiver, kind, self._seq, **payload)
                self._cut_slow([receiver])

    def stop(self) -> None:
        """Follow no more, and say so to everybody. Stopping twice is allowed."""
        self._is_over = True
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        for timer in self._timers.values():
            timer.cancel()
        for receiver in self._receivers:
            self._receivers.remove(receiver)
            receiver.close(*GOING_AWAY)

    def _start(self) -> None:
        if self._subscription is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._subscription, before = self._runtime.hub.subscribe(
            self._wake, max_events=MAX_WAITING_EVENTS
        )
        self._snapshot = before.snapshot
        self._holding = Holding(
            max((event.seq for event in before.events), default=0),
            is_named_later=self._settings.follows_stream,
        )
        self._told_active = None if before.snapshot is None else before.snapshot.active
        notices = _notices(before.surroundings)
        self._noticed = notices[-1].number if notices else 0
        self._arrange(self._update, UPDATE_SECONDS)
        self._arrange(self._sweep, SWEEP_SECONDS)

    def _wake(self) -> None:
        """Have a turn on this loop; called from the watcher's thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # asyncio's own, once the loop has ended
                self._loop.call_soon_threadsafe(self._take)

    def _arrange(self, what: Any, seconds: float) -> None:
        """Have something done so much later; it is arranged once at a time."""
        earlier = self._timers.get(what)
        if earlier is not None:
            earlier.cancel()
        self._timers[what] = asyncio.get_running_loop().call_later(seconds, what)

    def _take(self) -> None:
        """Take what the hub has: the newest state, and events."""
        if self._subscription is None:
            return
        if len(self._holding) > MAX_WAITING_EVENTS:
            self._has_more = True  # the hub's own queue is bounded, and loses the oldest
            return
        update = self._subscription.take()
        self._snapshot = update.snapshot or self._snapshot
        self._holding.put(update.events, monotonic())
        if self._snapshot is not None and self._snapshot.active != self._told_active:
            self._arrange(self._update, max(0.0, self._told_tick + CHANGE_SECONDS - monotonic()))
        self._publish_alerts(_notices(update.surroundings))
        self._publish_events()

    def _publish_alerts(self, notices: Sequence[Notice]) -> None:
        """Publish what others are told of alerts, each once."""
        frames: list[bytes] = []
        for notice in notices:
            if notice.number <= self._noticed:
                continue
            if (skipped := notice.number - self._noticed - 1) > 0:
                frames.append(self._skip(skipped, Topic.SYSTEM_ALERTS))
            self._noticed = notice.number
            self._seq += 1
            frame = composing.compose_system_alert(notice.turned, self.epoch, self._seq)
            frames.append(self._keep(frame, self._seq, Topic.SYSTEM_ALERTS))
        if frames:
            self._spread(frames, Topic.SYSTEM_ALERTS)

    def _publish_events(self) -> None:
        """Publish the events that need not wait any more, some at a time."""
        tick = monotonic()
        frames: list[bytes] = []
        while (rest_seconds := self._holding.rest_seconds(tick)) == 0.0:
            if len(frames) >= MAX_TURN_FRAMES:
                break
            event, skipped = self._holding.pop()
            if skipped:
                frames.append(self._skip(skipped, Topic.SESSION_EVENTS))
            self._seq += 1
            frame = composing.compose_session_event(event, self.epoch, self._seq)
            frames.append(self._keep(frame, self._seq, Topic.SESSION_EVENTS))
        if rest_seconds is not None:
            self._arrange(self._publish_events, rest_seconds)
        self._spread(frames, Topic.SESSION_EVENTS)
        if self._has_more and len(self._holding) <= MAX_WAITING_EVENTS:
            self._has_more = False
            self._arrange(self._take, 0.0)

    def _skip(self, count: int, topic: Topic) -> bytes:
        """Say to all that there was no room for some of a topic, each of which has a number."""
        first = self._seq + 1
        self._seq += count
        data = {"from_seq": first, "to_seq": self._seq, "reason": "the service was too slow"}
        return self._keep(self._compose("gap", self._seq, data=data), self._seq, topic)

    def _keep(self, frame: dict[str, Any], seq: int, topic: Topic) -> bytes:
        """Encode a frame and keep it for those who resume."""
        sealed = seal(composing.encode(frame))
        self._ring.put(Kept(seq, topic, sealed))
        return sealed

    def _spread(self, frames: list[bytes], topic: Topic) -> None:
        """Send the newest frames of the ring to those who want them and have all before."""
        live = [one for one in self._receivers.wanting(topic) if one.place is None]
        tick = monotonic()
        for start in range(0, len(frames), CHUNK_FRAMES):
            chunk = frames[start : start + CHUNK_FRAMES]
            data = b"".join(chunk)
            for receiver in live:
                receiver.outlet.send(data, len(chunk), tick)
        self._cut_slow(live)

    def _update(self) -> None:
        """Publish the present state to whoever wants a part of it."""
        self._arrange(self._update, UPDATE_SECONDS)
        self._told_tick = monotonic()
        self._told_active = None if self._snapshot is None else self._snapshot.active
        parts = self._parts()
        metrics = self._metrics()
        if metrics is not self._told_metrics:
            # It is read four times a minute, and need not be told oftener.
            self._told_metrics = parts[Topic.METRICS] = metrics
            self._update_metrics(metrics)
        wanting: dict[frozenset[Topic], list[Receiver]] = {}
        for receiver in self._receivers:
            wanted = receiver.topics.intersection(parts)
            if wanted and receiver.place is None:
                wanting.setdefault(wanted, []).append(receiver)
        if not wanting:
            return
        self._seq += 1
        tick = monotonic()
        for topics, receivers in wanting.items():
            told = {topic: part for topic, part in parts.items() if topic in topics}
            data = seal(composing.encode(self._compose("realtime_update", self._seq, data=told)))
            for receiver in receivers:
                receiver.outlet.send(data, 1, tick)
            self._cut_slow(receivers)

    def _update_metrics(self, metrics: Mapping[str, Any] | None) -> None:
        """Tell them in the older form to those who asked for that by its name."""
        wanting = self._receivers.wanting(Topic.METRICS_UPDATE)
        if metrics is None or not wanting:
            return
        data = seal(composing.encode(self._compose("metrics_update", self._seq, data=metrics)))
        tick = monotonic()
        receivers = [one for one in wanting if one.place is None]
        for receiver in receivers:
            receiver.outlet.send(data, 1, tick)
        self._cut_slow(receivers)

    def _metrics(self) -> Mapping[str, Any] | None:
        """Return KATO's own metrics, unless they are old."""
        surroundings = self._runtime.hub.surroundings
        if surroundings is None or surroundings.figures is None:
            return None
        return surroundings.figures.body(now())

    def _parts(self) -> dict[Topic, Any]:
        """Say how it is, as far as the flags allow."""
        parts: dict[Topic, Any] = {}
        if self._settings.session_events:
            parts[Topic.SESSIONS] = composing.compose_sessions(self._snapshot, now())
        if self._settings.container_stats:
            parts[Topic.CONTAINERS] = tell_containers(self._runtime).model_dump(mode="json")
        return parts

    def _sweep(self) -> None:
        """Cut who takes nothing any more, and show who has heard nothing that we are there."""
        self._arrange(self._sweep, SWEEP_SECONDS)
        self._cut_slow(self._receivers)
        tick = monotonic()
        for receiver in self._receivers:
            if tick - receiver.outlet.sent_tick >= HEARTBEAT_SECONDS - SWEEP_SECONDS:
                self.tell(receiver, "heartbeat")

    def _cut_slow(self, receivers: Iterable[Receiver]) -> None:
        tick = monotonic()
        for receiver in [one for one in receivers if one.outlet.is_overfull(tick)]:
            if self._receivers.remove(receiver):
                self.dropped += 1
                receiver.close(*TOO_SLOW)

    def _resume(self, receiver: Receiver, since: str | None) -> tuple[dict[str, Any] | None, int]:
        """Find what a client missed; return what of that nobody can tell, and where it resumes."""
        if since is None:
            return None, self._seq
        epoch, _, number = since.rpartition(":")
        is_number = number.isascii() and number.isdecimal() and len(number) <= MAX_DIGITS
        if not is_number or epoch != self.epoch or int(number) > self._seq:
            reason = "the service was started anew" if is_number else "since is not understood"
            return {"from_seq": 0, "to_seq": self._seq, "reason": reason}, self._seq
        receiver.seq = int(number)
        receiver.place = self._ring.find(receiver.seq)
        return None, receiver.seq

    def _catch_up(self, receiver: Receiver) -> None:
        """Send on what a client missed, as fast as it takes it; then its answers."""
        if receiver.place is None:
            return
        lost_seq = self._ring.lost_seq
        if lost_seq > receiver.seq:
            data = {"from_seq": receiver.seq + 1, "to_seq": lost_seq, "reason": "too far back"}
            receiver.seq, receiver.place = lost_seq, self._ring.first
            self._send(receiver, "gap", self._seq, data=data)
        if receiver.send_missed(self._ring):
            answers, receiver.answers = receiver.answers, []
            for kind, payload in answers:
                self._send(receiver, kind, self._seq, **payload)

    def _send(self, receiver: Receiver, kind: str, seq: int, **payload: Any) -> None:
        data = seal(composing.encode(self._compose(kind, seq, **payload)))
        receiver.outlet.send(data, 1, monotonic())

    def _compose(self, kind: str, seq: int, **payload: Any) -> dict[str, Any]:
        return composing.compose(kind, now().wall, self.epoch, seq, **payload)


def _notices(surroundings: Surroundings | None) -> Sequence[Notice]:
    """List what others were told of alerts, the oldest first."""
    alerts = None if surroundings is None else surroundings.alerts
    return () if alerts is None else alerts.notices
