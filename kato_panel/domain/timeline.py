"""
The last day, in memory: what charts show.

Each change of the last hour is kept, and for every minute of the last day the last, lowest and
highest count, and how many sessions were created and ended. What was not observed is a gap, and
stays one.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kato_panel.domain.events import Kind, Moment, SessionEvent

MAX_CHANGES: Final = 20_000
CHANGES_SECONDS: Final = 3_600
MINUTES: Final = 1_440
MINUTE_SECONDS: Final = 60
MAX_POINTS: Final = 600
MAX_GAPS: Final = 500


class Range(StrEnum):
    """How far back a chart looks."""

    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "24h"


SPAN_SECONDS: Final = {Range.FIVE_MINUTES: 300, Range.HOUR: 3_600, Range.DAY: 86_400}
MAX_BUCKETS: Final = {Range.FIVE_MINUTES: 30, Range.HOUR: 60, Range.DAY: 48}
BUCKETS_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800)


@dataclass(frozen=True, slots=True)
class Minute:
    """
    One minute that was observed, if only in part.

    Parameters
    ----------
    start
        Epoch seconds; a multiple of 60.
    last, lowest, highest
        Shown count at its end, and its bounds.
    created, ended
        Sessions in this minute.
    """

    start: int
    last: int
    lowest: int
    highest: int
    created: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """
    What one bucket of a chart comes to.

    Parameters
    ----------
    start
        Epoch seconds.
    last, lowest, highest
        Shown count at its end, and its bounds; ``None`` where nothing was observed.
    created, ended
        Sessions in it.
    """

    start: float
    last: int | None
    lowest: int | None
    highest: int | None
    created: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """
    What one chart shows; all times in epoch seconds.

    Parameters
    ----------
    range
        How far back it looks.
    since, until
        Its bounds; `until` is the newest good observation.
    times, active
        The shown count from each time on, oldest first, of equal length, at most 602; ``None``
        where a gap begins.
    bucket_seconds
        Width of a bucket; narrower while little is known, so that there are always enough to see.
    starts, created, ended
        For each bucket that was observed at all: its beginning, and the sessions in it.
    """

    range: Range
    since: float
    until: float
    times: tuple[float, ...]
    active: tuple[int | None, ...]
    bucket_seconds: int
    starts: tuple[float, ...]
    created: tuple[int, ...]
    ended: tuple[int, ...]

    def slices(self) -> tuple[Slice, ...]:
        """List every bucket from what is known first to the newest observation, oldest first."""
        width = self.bucket_seconds
        sums = dict(zip(self.starts, zip(self.created, self.ended, strict=True), strict=True))
        slices = []
        start = self.times[0] // width * width
        while start <= self.until:
            # The step that holds when the bucket begins counts too.
            first = max(0, bisect_right(self.times, start) - 1)
            after = max(first + 1, bisect_left(self.times, start + width))
            seen = [value for value in self.active[first:after] if value is not None]
            created, ended = sums.get(start, (0, 0))
            slices.append(
                Slice(
                    start=start,
                    last=self.active[after - 1],
                    lowest=min(seen, default=None),
                    highest=max(seen, default=None),
                    created=created,
                    ended=ended,
                )
            )
            start += width
        return tuple(slices)


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
        Observations further apart than this have a gap between them.
    """

    def __init__(self, gap_seconds: float) -> None:
        self._gap_seconds = gap_seconds
        self._changes: deque[_Change] = deque()
        self._minutes: dict[int, Minute] = {}
        self._gaps: deque[tuple[float, float]] = deque(maxlen=MAX_GAPS)
        self._seen_tick = 0.0
        self._until: float | None = None

    def observe(self, at: Moment, active: int) -> None:
        """
        Note a good observation.

        Parameters
        ----------
        at
            When.
        active
            The shown count after it.
        """
        before, now = self._until, self._advance(at)
        if before is None:
            self._remember(_Change(now, active, 0, 0))
        elif at.tick - self._seen_tick > self._gap_seconds:
            self._gaps.append((before, now))
        self._seen_tick = at.tick
        self._note_minute(now, active, 0, 0)

    def add(self, event: SessionEvent, at: Moment) -> None:
        """
        Note an event, found `at` this moment.

        Parameters
        ----------
        event
            Told for the first time; the count is the event's.
        at
            When it was found.
        """
        self.observe(at, event.current)
        now = self._until or 0.0
        created = event.delta if event.kind is Kind.CREATED else 0
        ended = event.delta - created
        self._remember(_Change(now, event.current, created, ended))
        self._note_minute(now, event.current, created, ended)

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
        steps = self._minute_steps(since) if span is Range.DAY else self._change_steps(since)
        steps = _thin(steps, since, self._until)
        times, active = self._cut(steps, since, SPAN_SECONDS[span] / MAX_POINTS)
        width = _bucket_seconds(span, self._until - times[0])
        starts, created, ended = self._buckets(since, width)
        return Series(
            range=span,
            since=since,
            until=self._until,
            times=times,
            active=active,
            bucket_seconds=width,
            starts=starts,
            created=created,
            ended=ended,
        )

    def minutes(self) -> tuple[Minute, ...]:
        """List the observed minutes of the last day, oldest first."""
        return tuple(self._minutes.values())

    def _advance(self, at: Moment) -> float:
        """Move the newest time; a clock that is set back does not move it back."""
        self._until = max(at.wall.timestamp(), self._until or 0.0)
        return self._until

    def _remember(self, change: _Change) -> None:
        self._changes.append(change)
        oldest = change.at - CHANGES_SECONDS
        # The last change before the hour stays: it says where the line begins.
        while len(self._changes) > MAX_CHANGES or (
            len(self._changes) > 1 and self._changes[1].at < oldest
        ):
            self._changes.popleft()

    def _note_minute(self, now: float, active: int, created: int, ended: int) -> None:
        start = int(now // MINUTE_SECONDS) * MINUTE_SECONDS
        known = self._minutes.get(start) or Minute(start, active, active, active)
        self._minutes[start] = Minute(
            start=start,
            last=active,
            lowest=min(known.lowest, active),
            highest=max(known.highest, active),
            created=known.created + created,
            ended=known.ended + ended,
        )
        while len(self._minutes) > MINUTES:
            del self._minutes[next(iter(self._minutes))]

    def _change_steps(self, since: float) -> list[tuple[float, int]]:
        """List the changes of a range, the first moved to its beginning if it is older."""
        changes = list(self._changes)
        first = max(0, bisect_right(changes, since, key=lambda change: change.at) - 1)
        return [(max(since, change.at), change.active) for change in changes[first:]]

    def _minute_steps(self, since: float) -> list[tuple[float, int]]:
        """List the minutes of a range: the bounds of each, then where it ended."""
        steps: list[tuple[float, int]] = []
        for minute in self._minutes.values():
            if minute.start >= since - MINUTE_SECONDS:
                for offset, value in enumerate((minute.lowest, minute.highest, minute.last)):
                    if not steps or steps[-1][1] != value:
                        steps.append((max(since, minute.start + 20.0 * offset), value))
        return steps

    def _cut(
        self, steps: list[tuple[float, int]], since: float, shortest_seconds: float
    ) -> tuple[tuple[float, ...], tuple[int | None, ...]]:
        """Cut the gaps out of a step line, and let it reach the newest observation."""
        line: list[tuple[float, int | None]] = list(steps)
        for began, ended in self._gaps:
            if ended <= since or ended - began < shortest_seconds:
                continue  # over, or narrower than anything that this range can show
            times = [time for time, _ in line]
            first, after = bisect_right(times, began), bisect_left(times, ended)
            resumed = next(
                (value for _, value in reversed(line[:after]) if value is not None), None
            )
            line[first:after] = [(max(since, began), None), (ended, resumed)]
        if line and self._until is not None and line[-1][0] < self._until:
            line.append((self._until, line[-1][1]))
        return tuple(time for time, _ in line), tuple(value for _, value in line)

    def _buckets(
        self, since: float, width: int
    ) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
        """Sum up created and ended over the whole buckets that the range touches."""
        sums: dict[int, list[int]] = {}
        if width < MINUTE_SECONDS:
            counted = [(change.at, change.created, change.ended) for change in self._changes]
        else:
            counted = [(m.start, m.created, m.ended) for m in self._minutes.values()]
        for at, created, ended in counted:
            start = int(at // width) * width
            if start + width > since:
                bucket = sums.setdefault(start, [0, 0])
                bucket[0] += created
                bucket[1] += ended
        starts = sorted(sums)
        return (
            tuple(float(start) for start in starts),
            tuple(sums[start][0] for start in starts),
            tuple(sums[start][1] for start in starts),
        )


def _bucket_seconds(span: Range, known_seconds: float) -> int:
    """Choose the narrowest width with which the buckets are not too many."""
    narrowest = MINUTE_SECONDS if span is Range.DAY else BUCKETS_SECONDS[0]
    return next(
        (
            width
            for width in BUCKETS_SECONDS
            if width >= narrowest and known_seconds <= width * MAX_BUCKETS[span]
        ),
        BUCKETS_SECONDS[-1],
    )


def _thin(steps: list[tuple[float, int]], since: float, until: float) -> list[tuple[float, int]]:
    """Keep at most `MAX_POINTS` steps: of each slot the lowest, the highest and the last."""
    if len(steps) <= MAX_POINTS:
        return steps
    width = (until - since) / (MAX_POINTS // 3)
    slots: dict[int, list[tuple[float, int]]] = {}
    for step in steps:
        slots.setdefault(int((step[0] - since) / width), []).append(step)
    kept: list[tuple[float, int]] = []
    for slot in slots.values():
        chosen = {min(slot, key=lambda s: s[1]), max(slot, key=lambda s: s[1]), slot[-1]}
        kept += sorted(chosen)
    return kept[-MAX_POINTS:]
