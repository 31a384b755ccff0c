"""
A recorded history, told again: a source, a teller and an overseer for the watcher.

Events, counts, containers and alerts are those of the recording; nothing is judged anew, nothing is
written, and nobody is asked. See ``docs/decisions/0026-replay.md``.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, Self

import numpy as np

from kato_panel.domain.alert_book import MAX_RECENT, AlertBoard, Notice
from kato_panel.domain.containers import ContainerFigures, ContainersSeen, ContainerState
from kato_panel.domain.event_query import read_time
from kato_panel.domain.events import CountObserved, Moment, Observation, Replayed, SessionEvent
from kato_panel.domain.keys import KeyObservation
from kato_panel.domain.metrics import CONTAINER_METRICS
from kato_panel.domain.playing import Player
from kato_panel.domain.recorded import AlertEntry, Gap
from kato_panel.domain.rules import Turn, Turned
from kato_panel.domain.series import MINUTE_SECONDS, SPAN_SECONDS, Minute, Range
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import SideObservation, Surroundings
from kato_panel.domain.telling import Standing, Told
from kato_panel.domain.trends import Trend, Trends
from kato_panel.errors import HistoryError, QueryError
from kato_panel.history import Reader
from kato_panel.history.file import Owner
from kato_panel.history.pages import walk
from kato_panel.history.rows import moment
from kato_panel.recording import minutes_of

NAME: Final = "replay"
LABEL: Final = "Replay"
STEP_SECONDS: Final = 0.25
"""Of the clock, between two steps."""
LOOK_SECONDS: Final = 2.5
"""Of the recording: while it was watched, the count is told at least so often."""
EVENTS_BEFORE: Final = 1_000
"""Of those before a position, so many are told with it."""
ROWS: Final = 1_000
AHEAD: Final = timedelta(minutes=30)
"""Of containers' figures, so much is read at once."""
ABSENT_SECONDS: Final = 60.0
"""A container without a figure for so long was not there."""
MAX_NOTICES: Final = 100
MICROSECOND: Final = timedelta(microseconds=1)

Tell = Callable[[Observation | KeyObservation | SideObservation], None]


@dataclass(frozen=True, slots=True)
class Before:
    """
    What was known when a replay goes on at some position.

    Parameters
    ----------
    at
        The position.
    events
        The newest, oldest first, as they were numbered there.
    minutes, gaps
        Of the day before, oldest first.
    """

    at: datetime
    events: tuple[SessionEvent, ...]
    minutes: tuple[Minute, ...]
    gaps: tuple[Gap, ...]


class Recording:
    """
    A history that is read in the order of its time.

    Parameters
    ----------
    reader
        Of the history; closed with the recording.

    Attributes
    ----------
    first, last
        From when to when it was watched; UTC.
    owner
        Whom it records.
    alerts
        All alerts, by when they fired.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        first, last = reader.first_seen(), reader.last_seen()
        if first is None or last is None:
            raise HistoryError("nothing was ever observed in it: there is nothing to replay")
        newest = reader.events(limit=1).rows
        self.first = first
        # The last events may have been written without a look after them.
        self.last = max([last, *(one.event.at for one in newest)]) + MICROSECOND
        self.owner: Owner = reader.owner()
        alerts = walk(lambda cursor: reader.alerts(limit=ROWS, cursor=cursor))
        self.alerts = tuple(sorted(alerts, key=_fired))
        self._gaps = sorted(reader.gaps(first, self.last, limit=None), key=_began)
        self._active: int | None = None
        self._figures: dict[datetime, dict[str, dict[str, float]]] = {}
        self._figures_until = first
        self._containers: dict[str, tuple[datetime, dict[str, float]]] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """
        Open a file, which is only read.

        Raises
        ------
        HistoryError
            If it is no history, or nothing is in it.
        """
        reader = Reader.open(path)
        try:
            return cls(reader)
        except HistoryError:
            reader.close()
            raise

    def close(self) -> None:
        """End it. Closing twice is allowed."""
        self.reader.close()

    def begin(self, at: datetime) -> Before:
        """Go to a position, and give what was known there."""
        self._active = self._active_at(at)
        self._figures, self._figures_until, self._containers = {}, at, {}
        page = self.reader.events(until=at, limit=EVENTS_BEFORE)
        since = at - timedelta(seconds=SPAN_SECONDS[Range.DAY])
        return Before(
            at,
            tuple(one.event for one in reversed(page.rows)),
            minutes_of(self.reader.counts(since, at)),
            tuple(_until(gap, at) for gap in self._gaps_in(since, at)),
        )

    def read(self, since: datetime, until: datetime) -> list[Replayed | ContainersSeen]:
        """
        Read what happened from `since` to before `until`, in its order.

        Moments carry no ticks: who tells them knows those.
        """
        gaps = self._gaps_in(since, until)
        looks: list[datetime] = []
        after_gap: dict[datetime, int | None] = {}
        for begin, end in _watched(since, until, gaps):
            if any(gap.ended == begin for gap in gaps):
                after_gap[begin] = self._active_at(begin)
            looks += _looks(begin, end)
        told: list[Replayed | ContainersSeen] = []
        for event in self._events(since, until):
            told += self._look(looks, after_gap, event.at + MICROSECOND)
            self._active = event.current
            told.append(Replayed(NAME, Moment(event.at, 0.0), self._active, event))
        told += self._look(looks, after_gap, until)
        told += self._tell_containers(since, until)
        return sorted(told, key=lambda one: one.at.wall)  # stable: events keep their order

    def _look(
        self, looks: list[datetime], after_gap: dict[datetime, int | None], until: datetime
    ) -> Iterator[Replayed]:
        """Take the looks before a moment out of those that are left."""
        while looks and looks[0] < until:
            at = looks.pop(0)
            self._active = after_gap.get(at, self._active)
            yield Replayed(NAME, Moment(at, 0.0), self._active)

    def _events(self, since: datetime, until: datetime) -> Iterator[SessionEvent]:
        read = partial(self.reader.events, since, until, newest_first=False, limit=ROWS)
        return (one.event for one in walk(lambda cursor: read(cursor=cursor)))

    def _gaps_in(self, since: datetime, until: datetime) -> list[Gap]:
        return [gap for gap in self._gaps if gap.ended > since and gap.began < until]

    def _active_at(self, at: datetime) -> int | None:
        """Say what the count was: as the next event begins with, or as the last one left it."""
        follows = self.reader.events(at, newest_first=False, limit=1).rows
        later = bisect_right(self._gaps, at, key=_began)
        ends = self._gaps[later].began if later < len(self._gaps) else self.last
        if follows and follows[0].event.at <= ends:
            return follows[0].event.previous
        seen = self.reader.counts(at - timedelta(seconds=MINUTE_SECONDS), ends).rows
        if seen:
            return seen[-1].last
        before = self.reader.events(until=at, limit=1).rows
        return before[0].event.current if before else None

    def _tell_containers(self, since: datetime, until: datetime) -> Iterator[ContainersSeen]:
        if until > self._figures_until:
            self._read_figures(self._figures_until, max(until, self._figures_until + AHEAD))
        for at in sorted(one for one in self._figures if since <= one < until):
            for name, values in self._figures.pop(at).items():
                _, known = self._containers.get(name, (at, {}))
                self._containers[name] = at, known | values
            oldest = at - timedelta(seconds=ABSENT_SECONDS)
            there = {name: one for name, one in self._containers.items() if one[0] >= oldest}
            self._containers = there
            figures = (_figures(name, at, one[1]) for name, one in sorted(there.items()))
            yield ContainersSeen(NAME, Moment(at, 0.0), tuple(figures))

    def _read_figures(self, since: datetime, until: datetime) -> None:
        self._figures_until = until
        for looks in self.reader.looks(CONTAINER_METRICS, since, until):
            for (metric, name), values in looks.series.items():
                for at, value in zip(looks.times.tolist(), values.tolist(), strict=True):
                    of_all = self._figures.setdefault(moment(at), {})
                    if not np.isnan(value):
                        of_all.setdefault(name, {})[metric] = value


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
        began = self._alerts[: bisect_right(self._alerts, at, key=_fired)]
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


def _watched(
    since: datetime, until: datetime, gaps: Iterable[Gap]
) -> Iterator[tuple[datetime, datetime]]:
    """Cut what was not watched out of a range; what is left are the pieces."""
    for gap in gaps:
        if gap.began > since:
            yield since, gap.began
        since = max(since, gap.ended)
    if since < until:
        yield since, until


def _looks(since: datetime, until: datetime) -> list[datetime]:
    """Say when the count is told: as a stretch begins, as it ends, and often enough between."""
    seconds = (until - since).total_seconds()
    steps = int(seconds // LOOK_SECONDS)
    return [since + timedelta(seconds=LOOK_SECONDS * step) for step in range(steps + 1)]


def _figures(name: str, at: datetime, values: dict[str, float]) -> ContainerFigures:
    """Give what was recorded of a container; the rest is not known."""
    down = values.get("container_not_running")
    state = ContainerState.UNKNOWN
    if down is not None:
        state = ContainerState.EXITED if down else ContainerState.RUNNING
    return ContainerFigures(
        name=name,
        container_id=name,
        at=Moment(at, 0.0),
        state=state,
        recent_restarts=int(values.get("container_restarts", 0)),
        cpu_share_percent=values.get("container_cpu_percent"),
        memory_percent=values.get("container_memory_percent"),
    )


def _fired(entry: AlertEntry) -> datetime:
    return entry.alert.fired_at.wall


def _turns(entries: Iterable[AlertEntry]) -> Iterator[tuple[datetime, Turned | None]]:
    """List the moments at which alerts change, with what others were told then."""
    for entry in entries:
        alert = entry.alert
        begun = replace(alert, resolved_at=None, reason="")
        yield _fired(entry), Turned(Turn.FIRING, begun) if entry.told else None
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


def _began(gap: Gap) -> datetime:
    return gap.began


def _until(gap: Gap, at: datetime) -> Gap:
    return replace(gap, ended=min(gap.ended, at))
