"""
A recorded history, read in the order of its time, for `kato_panel.replaying`.

What is not in the record is not known; see ``docs/decisions/0026-replay.md``.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Self

import numpy as np

from kato_panel.domain.containers import ContainerFigures, ContainersSeen, ContainerState
from kato_panel.domain.events import Moment, Replayed, SessionEvent
from kato_panel.domain.metrics import CONTAINER_METRICS
from kato_panel.domain.recorded import AlertEntry, Gap
from kato_panel.domain.series import MINUTE_SECONDS, SPAN_SECONDS, Minute, Range
from kato_panel.errors import HistoryError
from kato_panel.history import Reader
from kato_panel.history.file import Owner
from kato_panel.history.pages import walk
from kato_panel.history.rows import moment
from kato_panel.recording import minutes_of

NAME: Final = "replay"
LOOK_SECONDS: Final = 2.5
"""Of the recording: while it was watched, the count is told at least so often."""
EVENTS_BEFORE: Final = 1_000
"""Of those before a position, so many are told with it."""
ROWS: Final = 1_000
AHEAD: Final = timedelta(minutes=30)
"""Of containers' figures, so much is read at once."""
ABSENT_SECONDS: Final = 60.0
"""A container without a figure for so long was not there."""
MICROSECOND: Final = timedelta(microseconds=1)


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
        self.alerts = tuple(sorted(alerts, key=fired_at))
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
        return [gap for gap in self._gaps if gap.ended >= since and gap.began < until]

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


def _watched(
    since: datetime, until: datetime, gaps: Iterable[Gap]
) -> Iterator[tuple[datetime, datetime]]:
    """Cut what was not watched out of a range; what is left are the pieces."""
    for gap in gaps:
        if gap.began >= since:
            yield since, gap.began
        since = max(since, gap.ended)
    if since < until:
        yield since, until


def _looks(since: datetime, until: datetime) -> list[datetime]:
    """Say when the count is told: as a stretch begins, as it ends, and often enough between."""
    seconds = (until - since).total_seconds()
    steps = int(seconds // LOOK_SECONDS)
    looks = [since + timedelta(seconds=LOOK_SECONDS * step) for step in range(steps + 1)]
    return looks if looks[-1] == until else [*looks, until]


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


def fired_at(entry: AlertEntry) -> datetime:
    """Say when an alert fired."""
    return entry.alert.fired_at.wall


def _began(gap: Gap) -> datetime:
    return gap.began


def _until(gap: Gap, at: datetime) -> Gap:
    return replace(gap, ended=min(gap.ended, at))
