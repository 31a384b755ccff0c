"""What charts show: the count over a range as a step line, and what came and went in it."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Range(StrEnum):
    """How far back a chart looks."""

    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"


SPAN_SECONDS: Final = {
    Range.FIVE_MINUTES: 300,
    Range.HOUR: 3_600,
    Range.DAY: 86_400,
    Range.WEEK: 604_800,
}
MAX_BUCKETS: Final = {Range.FIVE_MINUTES: 30, Range.HOUR: 60, Range.DAY: 48, Range.WEEK: 56}
BUCKETS_SECONDS: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800),
    *(3_600, 7_200, 10_800),
)
MAX_POINTS: Final = 600
MINUTE_SECONDS: Final = 60

Step = tuple[float, int]
"""The count from a time on; epoch seconds."""
Sums = tuple[float, int, int]
"""Sessions created and ended at a time, or in the stretch that begins there."""


@dataclass(frozen=True, slots=True)
class Minute:
    """
    One minute, or a longer stretch, that was observed, if only in part.

    Parameters
    ----------
    start
        Epoch seconds; a multiple of its width.
    last, lowest, highest
        Shown count at its end, and its bounds.
    created, ended
        Sessions in it.
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


def draw(
    span: Range,
    until: float,
    steps: Sequence[Step],
    sums: Callable[[int], Iterable[Sums]],
    gaps: Iterable[tuple[float, float]],
    *,
    narrowest_seconds: int = BUCKETS_SECONDS[0],
) -> Series:
    """
    Draw a range.

    Parameters
    ----------
    span
        How far back it looks.
    until
        The newest good observation; epoch seconds.
    steps
        At least one, oldest first; the first may be older than the range.
    sums
        Gives what came and went, for buckets of a width in seconds.
    gaps
        When nothing was observed, from and until, oldest first.
    narrowest_seconds
        Width of the narrowest bucket that `sums` can tell.
    """
    since = until - SPAN_SECONDS[span]
    kept = _thin([(max(since, min(at, until)), active) for at, active in steps], since, until)
    times, active = _cut(kept, gaps, since, until, SPAN_SECONDS[span] / MAX_POINTS)
    width = _bucket_seconds(span, until - times[0], narrowest_seconds)
    starts, created, ended = _buckets(sums(width), since, width)
    return Series(
        range=span,
        since=since,
        until=until,
        times=times,
        active=active,
        bucket_seconds=width,
        starts=starts,
        created=created,
        ended=ended,
    )


def draw_week(
    minutes: Sequence[Minute], width_seconds: int, gaps: Iterable[tuple[float, float]], until: float
) -> Series | None:
    """
    Draw the last week from what was recorded of it.

    Parameters
    ----------
    minutes
        Stretches of `width_seconds`, oldest first.
    width_seconds
        Of each.
    gaps, until
        As for `draw`.

    Returns
    -------
    Series or None
        ``None`` where nothing was recorded.
    """
    if not minutes:
        return None
    return draw(
        Range.WEEK,
        until,
        list(list_steps(minutes, width_seconds)),
        lambda _: ((one.start, one.created, one.ended) for one in minutes),
        gaps,
        narrowest_seconds=max(MINUTE_SECONDS, width_seconds),
    )


def list_steps(minutes: Iterable[Minute], width_seconds: int) -> Iterable[Step]:
    """Give the steps of stretches: the bounds of each, then where it ended."""
    before: int | None = None
    for minute in minutes:
        for offset, active in enumerate((minute.lowest, minute.highest, minute.last)):
            if active != before:
                yield minute.start + width_seconds * offset / 3, active
                before = active


def _cut(
    steps: Sequence[Step],
    gaps: Iterable[tuple[float, float]],
    since: float,
    until: float,
    shortest_seconds: float,
) -> tuple[tuple[float, ...], tuple[int | None, ...]]:
    """Cut the gaps out of a step line, and let it reach the newest observation."""
    line: list[tuple[float, int | None]] = list(steps)
    for began, ended in gaps:
        if ended <= since or ended - began < shortest_seconds:
            continue  # over, or narrower than anything that this range can show
        times = [time for time, _ in line]
        first, after = bisect_right(times, began), bisect_left(times, ended)
        resumed = next((value for _, value in reversed(line[:after]) if value is not None), None)
        line[first:after] = [(max(since, began), None), (ended, resumed)]
    if line[-1][0] < until:
        line.append((until, line[-1][1]))
    return tuple(time for time, _ in line), tuple(value for _, value in line)


def _buckets(
    counted: Iterable[Sums], since: float, width: int
) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
    """Sum up created and ended over the whole buckets that the range touches."""
    sums: dict[int, list[int]] = {}
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


def _bucket_seconds(span: Range, known_seconds: float, narrowest_seconds: int) -> int:
    """Choose the narrowest width with which the buckets are not too many."""
    known_seconds = min(known_seconds, SPAN_SECONDS[span])
    return next(
        width
        for width in BUCKETS_SECONDS
        if width >= narrowest_seconds and known_seconds <= width * MAX_BUCKETS[span]
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
