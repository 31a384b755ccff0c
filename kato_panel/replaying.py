"""
A history told again: the watcher's loop follows a record as it follows upstream.

Nothing is decided anew: counts, events and alerts are the recorded ones. See
``docs/decisions/0026-replay.md``.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from time import monotonic
from typing import Final

from kato_panel.domain.alert_book import MAX_RECENT, AlertBoard
from kato_panel.domain.events import (
    CountObserved,
    EventReplayed,
    Moment,
    Observation,
    SessionEvent,
)
from kato_panel.domain.keys import KeyObservation
from kato_panel.domain.playback import Playback
from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import SideObservation, Surroundings
from kato_panel.domain.telling import Standing, Told
from kato_panel.history import Reader

PAGE: Final = timedelta(minutes=5)
"""Read at once; so short that a busy time's single observations are not summed up."""
EVENTS_PER_PAGE: Final = 1_000
ALERTS_PER_PAGE: Final = 1_000
BEAT_SECONDS: Final = 0.1
TURN: Final = 200
"""Rows told before others have their turn on the loop."""
INTERVAL_SECONDS: Final = 60.0
"""Between two counts, where only their minutes are kept."""

Row = tuple[datetime, SessionEvent | int]


class ReplaySource:
    """
    Tells what a history holds, each thing when its time has come.

    Parameters
    ----------
    reader
        Of the history.
    playback
        From where on, and how fast.
    tick
        Reads this machine's monotonic seconds.

    Attributes
    ----------
    name, label
        In the code, and on the page.
    """

    name: Final = "replay"
    label: Final = "Replay"

    def __init__(
        self, reader: Reader, playback: Playback, tick: Callable[[], float] = monotonic
    ) -> None:
        self._reader = reader
        self._playback = playback
        self._tick = tick
        self._now = playback.position
        self._seq = 0
        self._is_over = asyncio.Event()

    def prompt(self) -> None:
        """Do nothing: what is recorded comes when it comes."""

    def clock(self) -> Moment:
        """Give the time that is replayed, on both clocks."""
        return Moment(self._now, self._now.timestamp())

    @property
    def playback(self) -> Playback:
        """Where it stands."""
        return self._playback.at(self._tick())

    async def run(
        self, tell: Callable[[Observation | KeyObservation | SideObservation], None]
    ) -> None:
        """Tell until the end of the record, and be silent from there on."""
        pages = read_pages(self._reader, self._now, self._playback.ended)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            for place, (at, row) in enumerate(page):
                while (position := self.playback.position) < at:
                    self._now = max(self._now, position)
                    await asyncio.sleep(BEAT_SECONDS)
                if place % TURN == 0:
                    await asyncio.sleep(0)
                self._now = max(self._now, at)
                tell(self._observation(row))
        while not (played := self.playback).is_over:
            self._now = max(self._now, played.position)
            await asyncio.sleep(BEAT_SECONDS)
        self._now = self._playback.ended
        self._is_over.set()
        await asyncio.Event().wait()

    async def wait(self) -> None:
        """Wait for the end of the record, on the watcher's loop."""
        await self._is_over.wait()

    def _observation(self, row: SessionEvent | int) -> Observation:
        at = self.clock()
        if isinstance(row, int):
            return CountObserved(self.name, row, at, at)
        # Those of several starts count on, as they do after a start that recalls them.
        self._seq += 1
        return EventReplayed(self.name, replace(row, seq=self._seq), at)


class RecordedCount:
    """The count and the events as they were recorded; a `roles.Teller` that decides nothing."""

    counted_by: Final = ReplaySource.name

    def __init__(self) -> None:
        self._standing = Standing(interval_seconds=INTERVAL_SECONDS, wants_stream=False)

    @property
    def standing(self) -> Standing:
        """What was known then."""
        return self._standing

    def observe(self, observation: Observation | KeyObservation) -> Told:
        """Take one row of the record."""
        match observation:
            case CountObserved(count=count, arrived_at=at):
                self._standing = replace(self._standing, shown=count, at=at)
            case EventReplayed(event=event, at=at):
                self._standing = replace(self._standing, shown=event.current, at=at)
                return Told([event])
        return Told()


class RecordedAlerts:
    """
    The alerts as they stood at each moment; a `roles.Overseer` that judges and tells nobody.

    Parameters
    ----------
    reader
        Of the history.
    ended
        The end of the record; UTC.
    """

    def __init__(self, reader: Reader, ended: datetime) -> None:
        self._entries = _read_alerts(reader, ended)

    def observe(self, observation: SideObservation | CountObserved) -> None:
        """Do nothing: what followed from it is recorded."""

    def look(self, snapshot: SessionSnapshot, lag_seconds: float | None) -> Surroundings:  # noqa: ARG002 - the loop's own lag is not the record's
        """Say how it was with them."""
        at = snapshot.made_at.wall
        known = [_as_of(one, at) for one in self._entries if one.alert.fired_at.wall <= at]
        firing = sum(one.alert.resolved_at is None for one in known)
        # Each firing and each end moves it.
        revision = 2 * len(known) - firing
        return Surroundings(alerts=AlertBoard(revision, recent=tuple(known[:MAX_RECENT])))

    async def run(self) -> None:
        """Do nothing, for ever."""
        await asyncio.Event().wait()


def read_pages(reader: Reader, since: datetime, until: datetime) -> Iterator[list[Row]]:
    """
    Read a record in the order of its time, in pages.

    Parameters
    ----------
    reader
        Of the history.
    since, until
        From the first to the last moment, both included; UTC.

    Yields
    ------
    list of tuple
        What was recorded, with when: an event, or the count at a good look.
    """
    end = until + timedelta(microseconds=1)
    while since < end:
        # A page begins with a minute, so that none is told in halves.
        to = min(end, since + PAGE - (since - _EPOCH) % PAGE)
        # Where both were recorded for one moment, the count is what followed.
        yield [
            *heapq.merge(_events(reader, since, to), _counts(reader, since, to, until), key=_TIME)
        ]
        since = to


_TIME: Final = itemgetter(0)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _events(reader: Reader, since: datetime, until: datetime) -> Iterator[Row]:
    cursor: str | None = None
    newest = since  # a clock that was set back is read as the order says
    while True:
        page = reader.events(since, until, newest_first=False, limit=EVENTS_PER_PAGE, cursor=cursor)
        for one in page.rows:
            newest = max(newest, one.event.at)
            yield newest, one.event
        cursor = page.next
        if cursor is None:
            return


def _counts(reader: Reader, since: datetime, until: datetime, last: datetime) -> Iterator[Row]:
    counts = reader.counts(since, until)
    is_raw = counts.width_seconds == 0
    # A minute's count is the one at its end, before what comes with the next.
    width = timedelta(seconds=counts.width_seconds, microseconds=0 if is_raw else -1)
    for row in counts.rows:
        if not (is_raw and (row.created or row.ended)):  # an event's, which is told as one
            yield min(row.start + width, last), row.last


def _read_alerts(reader: Reader, ended: datetime) -> list[AlertEntry]:
    """Read them by when they fired, the newest first."""
    found: list[AlertEntry] = []
    cursor: str | None = None
    while True:
        page = reader.alerts(
            until=ended + timedelta(microseconds=1), limit=ALERTS_PER_PAGE, cursor=cursor
        )
        found += page.rows
        cursor = page.next
        if cursor is None:
            return found


def _as_of(entry: AlertEntry, at: datetime) -> AlertEntry:
    """Give an alert without what came later."""
    resolved, seen = entry.alert.resolved_at, entry.acknowledged_at
    if resolved is not None and resolved.wall > at:
        entry = replace(entry, alert=replace(entry.alert, resolved_at=None, reason=""))
    if seen is not None and seen > at:
        entry = replace(entry, acknowledged_at=None, acknowledged_by="")
    return entry
