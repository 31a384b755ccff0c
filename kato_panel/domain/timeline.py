"""
The last day, in memory: what charts show.

Each change of the last hour is kept, and for every minute of the last day the last, lowest and
highest count, and how many sessions were created and ended. What was not observed is a gap, and
stays one.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from kato_panel.domain.events import Kind, Moment, SessionEvent
from kato_panel.domain.recorded import Gap
from kato_panel.domain.series import (
    MINUTE_SECONDS,
    SPAN_SECONDS,
    Minute,
    Range,
    Series,
    Step,
    Sums,
    draw,
    list_steps,
)

MAX_CHANGES: Final = 20_000
CHANGES_SECONDS: Final = 3_600
MINUTES: Final = 1_440
MAX_GAPS: Final = 500
TOLD_GAPS: Final = 20


@dataclass(frozen=True, slots=True)
class _Change:
    at: float
    active: int
    created: int
    ended: int


class Timeline:
    """
    Remembers the shown count over the last day.

    Parameters
    ----------
    gap_seconds
        Observations further apart than this have a gap between them; may be changed.
    """

    def __init__(self, gap_seconds: float) -> None:
        self.gap_seconds = gap_seconds
        self._changes: deque[_Change] = deque()
        self._minutes: dict[int, Minute] = {}
        self._gaps: deque[tuple[float, float]] = deque(maxlen=MAX_GAPS)
        self._seen_tick: float | None = None
        self._until: float | None = None

    def restore(
        self,
        minutes: Iterable[Minute],
        events: Iterable[SessionEvent],
        gaps: Iterable[Gap],
        seen_at: datetime,
    ) -> None:
        """
        Take over what an earlier run observed, before the first observation.

        Parameters
        ----------
        minutes
            The last day's, oldest first; nothing is taken over where there are none.
        events
            The newest, oldest first.
        gaps
            Oldest first.
        seen_at
            Its newest good observation: from then to the next one is a gap.
        """
        self._minutes = {minute.start: minute for minute in minutes}
        if not self._minutes:
            return
        until = self._until = seen_at.timestamp()
        self._gaps.extend((gap.began.timestamp(), gap.ended.timestamp()) for gap in gaps)
        # What a clock that was ahead has written beyond it has no place.
        since = until - CHANGES_SECONDS
        told = [event for event in events if since < event.at.timestamp() <= until]
        first = told[0].at.timestamp() if told else until
        # Where single events are not known any more, their minutes stand for them.
        whole = [one for one in self._minutes.values() if one.start + MINUTE_SECONDS <= first]
        if told and not whole:
            self._remember(
                _Change(first // MINUTE_SECONDS * MINUTE_SECONDS, told[0].previous, 0, 0)
            )
        elif not whole:
            whole = list(self._minutes.values())[-1:]
        for minute in whole:
            self._remember(_Change(minute.start, minute.last, minute.created, minute.ended))
        for event in told:
            self._remember(_change(event, event.at.timestamp()))

    def observe(self, at: Moment, active: int) -> Gap | None:
        """
        Note a good observation.

        Parameters
        ----------
        at
            When.
        active
            The shown count after it.

        Returns
        -------
        Gap or None
            The gap that it ends, if there was one.
        """
        is_first = self._seen_tick is None
        gap, now = self._see(at)
        if is_first and (not self._changes or self._changes[-1].active != active):
            self._remember(_Change(now, active, 0, 0))
        self._note_minute(_Change(now, active, 0, 0))
        return gap

    def add(self, event: SessionEvent, at: Moment) -> Gap | None:
        """
        Note an event, found `at` this moment.

        Parameters
        ----------
        event
            Told for the first time; the count is the event's.
        at
            When it was found.

        Returns
        -------
        Gap or None
            As `observe` does.
        """
        gap, now = self._see(at)
        change = _change(event, now)
        self._remember(change)
        self._note_minute(change)
        return gap

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The newest gaps, oldest first."""
        return tuple(_gap(*gap) for gap in list(self._gaps)[-TOLD_GAPS:])

    def series(self, span: Range) -> Series | None:
        """
        Sum up the range that ends with the newest good observation.

        Returns
        -------
        Series or None
            ``None`` before the first observation.
        """
        if self._until is None:
            return None
        since = self._until - SPAN_SECONDS[span]
        is_long = span in {Range.DAY, Range.WEEK}
        return draw(
            span,
            self._until,
            self._minute_steps(since) if is_long else self._change_steps(since),
            self._sums,
            self._gaps,
            narrowest_seconds=MINUTE_SECONDS if is_long else 1,
        )

    def minutes(self) -> tuple[Minute, ...]:
        """List the observed minutes of the last day, oldest first."""
        return tuple(self._minutes.values())

    def _see(self, at: Moment) -> tuple[Gap | None, float]:
        """Move the newest time: with the clock, but never less than time has passed."""
        before, seen_tick = self._until, self._seen_tick
        passed_seconds = 0.0 if seen_tick is None else max(0.0, at.tick - seen_tick)
        wall = at.wall.timestamp()
        now = self._until = wall if before is None else max(wall, before + passed_seconds)
        self._seen_tick = at.tick
        if before is None or before == now:
            return None, now
        if seen_tick is not None and passed_seconds <= self.gap_seconds:
            return None, now
        self._gaps.append((before, now))
        return _gap(before, now), now

    def _remember(self, change: _Change) -> None:
        self._changes.append(change)
        oldest = change.at - CHANGES_SECONDS
        # The last change before the hour stays: it says where the line begins.
        while len(self._changes) > MAX_CHANGES or (
            len(self._changes) > 1 and self._changes[1].at < oldest
        ):
            self._changes.popleft()

    def _note_minute(self, change: _Change) -> None:
        start = int(change.at // MINUTE_SECONDS) * MINUTE_SECONDS
        active = change.active
        known = self._minutes.get(start) or Minute(start, active, active, active)
        self._minutes[start] = Minute(
            start=start,
            last=active,
            lowest=min(known.lowest, active),
            highest=max(known.highest, active),
            created=known.created + change.created,
            ended=known.ended + change.ended,
        )
        while len(self._minutes) > MINUTES:
            del self._minutes[next(iter(self._minutes))]

    def _change_steps(self, since: float) -> list[Step]:
        """List the changes of a range, and the last one before it."""
        changes = list(self._changes)
        first = max(0, bisect_right(changes, since, key=lambda change: change.at) - 1)
        return [(change.at, change.active) for change in changes[first:]]

    def _minute_steps(self, since: float) -> list[Step]:
        """List the steps of the minutes of a range."""
        minutes = (m for m in self._minutes.values() if m.start >= since - MINUTE_SECONDS)
        return list(list_steps(minutes, MINUTE_SECONDS))

    def _sums(self, width: int) -> Iterable[Sums]:
        if width < MINUTE_SECONDS:
            return ((change.at, change.created, change.ended) for change in self._changes)
        return ((m.start, m.created, m.ended) for m in self._minutes.values())


def _change(event: SessionEvent, at: float) -> _Change:
    created = event.delta if event.kind is Kind.CREATED else 0
    return _Change(at, event.current, created, event.delta - created)


def _gap(began: float, ended: float) -> Gap:
    return Gap(datetime.fromtimestamp(began, UTC), datetime.fromtimestamp(ended, UTC))
