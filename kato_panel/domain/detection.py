"""
From counts and named changes to events: the settlement of stream and poll.

The poll is the truth for the number; the stream tells early, with names, and is a sample. Each
named event moves the shown count at once. Each poll that answers is held against the shown count
with an allowance for the named events that were under way while it was asked; only what is left
over becomes an event without names. See ``docs/decisions/0002-settlement.md``.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from kato_panel.domain.events import (
    MAX_NAMES,
    ChangeNamed,
    ChangesNamed,
    CountObserved,
    Kind,
    Moment,
    SessionEvent,
)

POLL_ALLOWANCE_SECONDS: Final = 0.05
"""How much earlier than a poll's question a named event may come and still be missing in it."""
NAMING_SECONDS: Final = 0.5
"""How long after an event without names a named one may still name it."""
CACHE_SECONDS: Final = 5.2
"""Both of the above where upstream answers from its cache of 5.1 s."""
SUSPECT_FALL: Final = 10
"""A fall of more than this, and of more than half, waits for the next poll."""
SUSPECT_RATIO: Final = 0.1
"""How far that next poll may be from it, and still agree: this part, or `SUSPECT_FALL`."""
UNDER_WAY_SECONDS: Final = 10.0
"""Longer than a poll and its allowance: no poll asks for named events from before."""
MAX_SEEN: Final = 100_000
"""Named changes remembered against repetition."""


@dataclass(slots=True)
class _Unnamed:
    """An event that may still get names."""

    event: SessionEvent
    missing: int
    until_tick: float


class Detector:
    """
    The shown count, and how it moves.

    Time comes in with the observations; nothing here reads a clock. Observations are expected in
    the order in which they were received.

    Parameters
    ----------
    after_seq
        Events are numbered from the one after it.
    """

    def __init__(self, after_seq: int = 0) -> None:
        self._shown: int | None = None
        self._suspect: int | None = None
        self._good_tick: float | None = None
        self._is_blind = False
        self._seq = after_seq
        self._last_event_tick: float | None = None
        self._baseline_until_tick = 0.0
        self._under_way: deque[tuple[float, Kind]] = deque()
        self._unnamed: list[_Unnamed] = []
        self._seen: OrderedDict[tuple[Kind, str], str | None] = OrderedDict()

    @property
    def shown(self) -> int | None:
        """Sessions, as shown; ``None`` until the first answer."""
        return self._shown

    @property
    def suspect(self) -> int | None:
        """The count that waits for confirmation, if one does."""
        return self._suspect

    def fail(self) -> None:
        """Note that a poll failed: whatever the next one finds, it is found after a gap."""
        self._is_blind = True

    def count(self, observed: CountObserved) -> list[SessionEvent]:
        """
        Hold one answered poll against the shown count.

        Parameters
        ----------
        observed
            The answer. The first one ever is the baseline.

        Returns
        -------
        list of SessionEvent
            Empty, or the one event that the named ones do not explain.
        """
        value, arrived = observed.count, observed.arrived_at
        if self._shown is None:
            self._shown = value
            naming = CACHE_SECONDS if observed.is_cached else NAMING_SECONDS
            self._baseline_until_tick = arrived.tick + naming
            self._see(arrived)
            return []
        allowance = CACHE_SECONDS if observed.is_cached else POLL_ALLOWANCE_SECONDS
        while self._under_way and self._under_way[0][0] < observed.sent_at.tick - allowance:
            self._under_way.popleft()
        kinds = [kind for _, kind in self._under_way]
        lowest = self._shown - kinds.count(Kind.CREATED)
        highest = self._shown + kinds.count(Kind.DESTROYED)
        fall = lowest - value
        is_steep = fall > SUSPECT_FALL and 2 * fall > self._shown
        if is_steep and not self._agrees(value):
            self._suspect = value
            return []
        self._suspect = None
        gap_seconds = self._see(arrived)
        if lowest <= value <= highest:
            return []
        kind = Kind.CREATED if value > highest else Kind.DESTROYED
        event = self._emit(
            kind,
            max(value - highest, fall),
            arrived,
            observed.source,
            after_gap_seconds=gap_seconds,
        )
        naming = CACHE_SECONDS if observed.is_cached else NAMING_SECONDS
        self._unnamed.append(_Unnamed(event, event.delta, arrived.tick + naming))
        return [event]

    def changes(self, named: ChangesNamed) -> list[SessionEvent]:
        """
        Take changes that a source named.

        Parameters
        ----------
        named
            Changes found together. Repetitions are passed over; before the baseline, and just
            after it, they are only remembered.

        Returns
        -------
        list of SessionEvent
            Earlier events told again with their names, then at most two events: all created,
            then all destroyed.
        """
        news = [self._with_node(change) for change in named.changes if self._is_news(change)]
        if self._shown is None:
            return []
        latest_tick = max((change.at.tick for change in news), default=0.0)
        while self._under_way and self._under_way[0][0] < latest_tick - UNDER_WAY_SECONDS:
            self._under_way.popleft()
        # What is told just after the baseline may be in it: the next poll will tell.
        news = [change for change in news if change.at.tick > self._baseline_until_tick]
        amended: dict[int, SessionEvent] = {}
        counted: dict[Kind, list[ChangeNamed]] = {Kind.CREATED: [], Kind.DESTROYED: []}
        for change in news:
            known = self._name(change)
            if known is None:
                counted[change.kind].append(change)
                self._under_way.append((change.at.tick, change.kind))
            else:
                amended[known.seq] = known
        events = list(amended.values())
        created, destroyed = counted[Kind.CREATED], counted[Kind.DESTROYED]
        # More ends than sessions: some began unseen, or the count would fall below nothing.
        unseen = max(0, len(destroyed) - len(created) - self._shown)
        deltas = {Kind.CREATED: len(created) + unseen, Kind.DESTROYED: len(destroyed)}
        for kind, delta in deltas.items():
            if delta:
                at, changes = named.changes[-1].at, counted[kind]
                events.append(self._emit(kind, delta, at, named.source, changes=changes))
        return events

    def _agrees(self, value: int) -> bool:
        """Say whether a steep fall is about the one that waits for confirmation."""
        if self._suspect is None:
            return False
        return abs(value - self._suspect) <= max(SUSPECT_FALL, SUSPECT_RATIO * self._suspect)

    def _see(self, at: Moment) -> float | None:
        """Note a good look; return for how long there was none, if any failed since."""
        gap_seconds = None
        if self._is_blind and self._good_tick is not None:
            gap_seconds = at.tick - self._good_tick
        self._good_tick, self._is_blind = at.tick, False
        return gap_seconds

    def _is_news(self, change: ChangeNamed) -> bool:
        key = (change.kind, change.name.session_id)
        if key in self._seen:
            self._seen.move_to_end(key)
            return False
        self._seen[key] = change.name.node_id
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        # A beginning told after its end is late: it was counted, or the next poll will tell.
        is_late = change.kind is Kind.CREATED and (Kind.DESTROYED, key[1]) in self._seen
        return not is_late

    def _with_node(self, change: ChangeNamed) -> ChangeNamed:
        """Add the node that an end lacks, if its session was seen to begin."""
        name = change.name
        node_id = name.node_id or self._seen.get((Kind.CREATED, name.session_id))
        return replace(change, name=replace(name, node_id=node_id))

    def _name(self, change: ChangeNamed) -> SessionEvent | None:
        """Give an earlier event without names this one, if it is not too late."""
        self._unnamed = [
            open_ for open_ in self._unnamed if open_.missing and change.at.tick <= open_.until_tick
        ]
        for open_ in self._unnamed:
            if open_.event.kind is change.kind:
                open_.missing -= 1
                event = open_.event
                open_.event = replace(
                    event,
                    names=(*event.names, change.name)[:MAX_NAMES],
                    reason=event.reason or change.reason,
                )
                return open_.event
        return None

    def _emit(
        self,
        kind: Kind,
        delta: int,
        at: Moment,
        source: str,
        *,
        changes: Sequence[ChangeNamed] = (),
        after_gap_seconds: float | None = None,
    ) -> SessionEvent:
        """Move the shown count by `delta` and say so."""
        previous = self._shown or 0
        self._shown = previous + (delta if kind is Kind.CREATED else -delta)
        since = None if self._last_event_tick is None else at.tick - self._last_event_tick
        self._last_event_tick = at.tick
        self._seq += 1
        reasons = {change.reason for change in changes}
        return SessionEvent(
            seq=self._seq,
            kind=kind,
            at=at.wall,
            previous=previous,
            current=self._shown,
            delta=delta,
            source=source,
            names=tuple(change.name for change in changes)[:MAX_NAMES],
            reason=reasons.pop() if len(reasons) == 1 else None,
            after_gap_seconds=after_gap_seconds,
            since_last_event_seconds=None if since is None else max(0.0, since),
        )
