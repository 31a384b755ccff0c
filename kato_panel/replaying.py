"""
A recorded history, told again: a source, a teller and an overseer for the watcher.

Events, counts, containers and alerts are those of the recording; nothing is judged anew, nothing is
written, and nobody is asked. See ``docs/decisions/0026-replay.md``.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Final, Self

from kato_panel.domain.alert_book import MAX_RECENT, AlertBoard, Notice
from kato_panel.domain.containers import ContainersSeen
from kato_panel.domain.event_query import read_time
from kato_panel.domain.events import CountObserved, Observation, Replayed, SessionEvent
from kato_panel.domain.keys import KeyObservation
from kato_panel.domain.playing import Player
from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.rules import Turn, Turned
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import SideObservation, Surroundings
from kato_panel.domain.telling import Standing, Told
from kato_panel.domain.trends import Trend, Trends
from kato_panel.errors import QueryError
from kato_panel.rereading import LOOK_SECONDS, NAME, Before, Recording, fired_at

LABEL: Final = "Replay"
STEP_SECONDS: Final = 0.25
"""Of the clock, between two steps."""
MAX_NOTICES: Final = 100

Tell = Callable[[Observation | KeyObservation | SideObservation], None]


@dataclass(frozen=True, slots=True)
class Replay:
    """
    What is replayed, and how.

    Parameters
    ----------
    recording, player
        What is told, and how fast.
    """

    recording: Recording
    player: Player

    @classmethod
    def open(cls, path: Path, *, since: str | None = None, speed: float = 1.0) -> Self:
        """
        Open a file, which is only read.

        Parameters
        ----------
        path
            Of a history.
        since
            Where to begin: a time with a zone, or how long before the recording's end; by
            default its beginning.
        speed
            Seconds of the recording in one of the clock.

        Raises
        ------
        HistoryError
            If it is no history, or nothing is in it.
        QueryError
            If `since` or `speed` is none that can be.
        """
        recording = Recording.open(path)
        try:
            position = _find(recording, since)
            player = Player(
                recording.first, recording.last, position=position, speed=speed, clock=monotonic
            )
        except QueryError:
            recording.close()
            raise
        return cls(recording, player)


class ReplaySource:
    """
    Tells a recording as fast as its player goes; a source of the watcher.

    Parameters
    ----------
    replay
        What is told, and how fast.
    begin
        Takes what was known before, wherever it goes on at a position that was chosen; on the
        watcher's loop.
    """

    name: Final = NAME
    label: Final = LABEL

    def __init__(self, replay: Replay, begin: Callable[[Before], None]) -> None:
        self._recording = replay.recording
        self._player = replay.player
        self._begin = begin
        self._has_begun = False

    def prompt(self) -> None:
        """There is nothing to be seen sooner."""

    async def run(self, tell: Tell) -> None:
        """Tell all, at the player's speed; then wait for orders."""
        player = self._player
        while True:
            wanted = player.take_jump()
            if wanted is not None or not self._has_begun:
                at = player.now().wall
                self._begin(await asyncio.to_thread(self._recording.begin, at))
                self._has_begun = True
            position, until = player.now().wall, player.aim()
            if until > position:
                for one in await asyncio.to_thread(self._recording.read, position, until):
                    tell(replace(one, at=player.reach(one.at.wall)))
                player.reach(until)
            await asyncio.sleep(STEP_SECONDS)


class RecordedCount:
    """
    The count and the events as they were recorded; a teller of the watcher.

    Events are numbered as they come, for a recording may hold several starts.
    """

    counted_by: Final = NAME

    def __init__(self) -> None:
        self._seq = 0
        self.standing = Standing(interval_seconds=LOOK_SECONDS)
        """What is known now."""

    def number(self, events: Iterable[SessionEvent]) -> tuple[SessionEvent, ...]:
        """Give numbers to what was told before."""
        return tuple(map(self._number, events))

    def observe(self, observation: Observation | KeyObservation) -> Told:
        """Take one observation."""
        if not isinstance(observation, Replayed):
            return Told()
        self.standing = replace(self.standing, shown=observation.active, at=observation.at)
        event = observation.event
        return Told() if event is None else Told((self._number(event),))

    def _number(self, event: SessionEvent) -> SessionEvent:
        self._seq += 1
        return replace(event, seq=self._seq)


class RecordedSurroundings:
    """
    Containers and alerts as they were recorded; an overseer of the watcher.

    Parameters
    ----------
    alerts
        All alerts, by when they fired.
    """

    def __init__(self, alerts: Iterable[AlertEntry]) -> None:
        self._alerts = tuple(alerts)
        self._turns = sorted(_turns(self._alerts), key=lambda turn: turn[0])
        self._passed = -1
        self._board = AlertBoard()
        self._containers: ContainersSeen | None = None
        self._trends = Trends()
        self._drawn: tuple[Trend, ...] = ()

    def begin(self) -> None:
        """Forget what was at another time."""
        self._passed = -1
        self._containers, self._trends, self._drawn = None, Trends(), ()

    def observe(self, observation: SideObservation | CountObserved) -> None:
        """Take a look at containers."""
        if isinstance(observation, ContainersSeen):
            self._containers = observation
            self._drawn = self._trends.add(observation)

    def look(self, snapshot: SessionSnapshot, lag_seconds: float | None) -> Surroundings:
        """Say how it was."""
        del lag_seconds  # of this service, and not of the recorded one
        at = snapshot.made_at.wall
        passed = bisect_right(self._turns, at, key=lambda turn: turn[0])
        if passed != self._passed:
            self._turn(at, passed)
        return Surroundings(self._containers, alerts=self._board, trends=self._drawn)

    def _turn(self, at: datetime, passed: int) -> None:
        fresh = self._turns[self._passed : passed] if 0 <= self._passed < passed else []
        self._passed = passed
        began = self._alerts[: bisect_right(self._alerts, at, key=fired_at)]
        known = [_as_of(entry, at) for entry in reversed(began)]
        recent = [
            entry
            for place, entry in enumerate(known)
            if place < MAX_RECENT or entry.alert.resolved_at is None
        ]
        notices = self._board.notices
        number = notices[-1].number if notices else 0
        told = [turned for _, turned in fresh if turned is not None]
        new = (Notice(number + place, turned) for place, turned in enumerate(told, 1))
        self._board = AlertBoard(
            revision=self._board.revision + 1,
            recent=tuple(recent),
            notices=(*notices, *new)[-MAX_NOTICES:],
        )

    async def run(self) -> None:
        """Nothing takes time."""
        await asyncio.Event().wait()


def _find(recording: Recording, since: str | None) -> datetime | None:
    position = read_time("from", since, recording.last)
    if position is not None and not recording.first <= position <= recording.last:
        bounds = f"{recording.first.isoformat()} to {recording.last.isoformat()}"
        raise QueryError("from", since, f"within the recording: {bounds}")
    return position


def _turns(entries: Iterable[AlertEntry]) -> Iterator[tuple[datetime, Turned | None]]:
    """List the moments at which alerts change, with what others were told then."""
    for entry in entries:
        alert = entry.alert
        begun = replace(alert, resolved_at=None, reason="")
        yield fired_at(entry), Turned(Turn.FIRING, begun) if entry.told else None
        if alert.resolved_at is not None:
            yield alert.resolved_at.wall, Turned(Turn.RESOLVED, alert) if entry.told else None
        if entry.acknowledged_at is not None:
            yield entry.acknowledged_at, None


def _as_of(entry: AlertEntry, at: datetime) -> AlertEntry:
    """Leave out what was not known yet."""
    alert = entry.alert
    if alert.resolved_at is not None and alert.resolved_at.wall > at:
        entry = replace(entry, alert=replace(alert, resolved_at=None, reason=""))
    if entry.acknowledged_at is not None and entry.acknowledged_at > at:
        entry = replace(entry, acknowledged_at=None, acknowledged_by="")
    return entry
