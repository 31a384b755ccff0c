"""
The roster: every container that was seen, with the look before, and what follows from both.

An engine that is asked for one sample at once has no earlier one to compare with; so the roster
keeps its own. See ``docs/decisions/0019-containers.md``.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from kato_panel.domain.container_readings import ContainerReading, Counters
from kato_panel.domain.containers import (
    ContainerFigures,
    ContainersSeen,
    ContainerState,
    Of,
    share,
    total,
)
from kato_panel.domain.events import Moment

RECENT_SECONDS: Final = 600.0
"""Restarts within so long are recent."""
MAX_GONE: Final = 50
"""Vanished containers that are remembered."""
CLOCK_TOLERANCE_SECONDS: Final = 2.5
"""By so much the engine's clock and ours may disagree about the time between two looks: an
answer may be 2 s on its way. Beyond it one of them was set, and no rate can be told."""
MIN_SPAN_SECONDS: Final = 1.0
"""Looks nearer to one another give no rate worth showing; an older one is taken then."""


@dataclass(slots=True)
class _Entry:
    """
    What is remembered of one container.

    Parameters
    ----------
    reading
        The newest look.
    counted
        Looks at which its counters could be read: the newest that is old enough to compare with,
        and those after it.
    restarts
        When it was seen to have started again, by monotonic time.
    oom_kills
        So many were told.
    """

    reading: ContainerReading
    counted: tuple[ContainerReading, ...] = ()
    restarts: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))
    oom_kills: int = 0


class Roster:
    """
    Follows containers from look to look.

    Parameters
    ----------
    source
        The name of the source that looks.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._entries: dict[str, _Entry] = {}
        self._gone: dict[str, ContainerFigures] = {}
        self._hears_events = False

    def knows(self, container_id: str) -> bool:
        """Say whether a container was there at the newest look."""
        return container_id in self._entries

    def begin_events(self) -> None:
        """Note that the engine's events are followed: from now on OOM kills are counted."""
        self._hears_events = True

    def note_oom_kill(self, container_id: str) -> None:
        """Count a process that was killed for want of memory."""
        if container_id in self._entries:
            self._entries[container_id].oom_kills += 1

    def look(
        self, at: Moment, readings: Iterable[ContainerReading], remark: str = ""
    ) -> ContainersSeen:
        """
        Take one look at all of them.

        Parameters
        ----------
        at
            When it was over.
        readings
            One for each watched container that is there.
        remark
            What is to be said about it.
        """
        before, self._entries = self._entries, {}
        figures = [
            self._take(reading, before.pop(reading.container_id, None), at) for reading in readings
        ]
        for entry in before.values():
            self._gone[entry.reading.container_id] = self._bury(entry, at)
        names = {one.name for one in figures}
        # One that was made anew under the same name is not gone, and one that came back is there.
        kept = [
            one
            for one in self._gone.values()
            if one.name not in names and one.container_id not in self._entries
        ]
        self._gone = {one.container_id: one for one in kept[-MAX_GONE:]}
        figures += self._gone.values()
        containers = tuple(sorted(figures, key=lambda one: (one.name, one.container_id)))
        return ContainersSeen(self._source, at, containers, total(containers), remark)

    def _take(
        self, reading: ContainerReading, before: _Entry | None, at: Moment
    ) -> ContainerFigures:
        entry = _Entry(reading) if before is None else _follow(before, reading, at)
        while entry.restarts and entry.restarts[0] <= at.tick - RECENT_SECONDS:
            entry.restarts.popleft()
        self._entries[reading.container_id] = entry
        figures = self._describe(entry)
        if reading.counters is None:
            return figures
        newest_tick = reading.at.tick - MIN_SPAN_SECONDS
        old = [one for one in entry.counted if one.at.tick <= newest_tick][-1:]
        young = [one for one in entry.counted if one.at.tick > newest_tick]
        entry.counted = (*old, *young, reading)
        return _count(figures, old[0] if old else None, reading, reading.counters)

    def _bury(self, entry: _Entry, at: Moment) -> ContainerFigures:
        return replace(
            self._describe(entry), state=ContainerState.GONE, health=None, gone_since=at, trouble=""
        )

    def _describe(self, entry: _Entry) -> ContainerFigures:
        """Say what is known of a container without its counters."""
        reading = entry.reading
        return ContainerFigures(
            name=reading.name,
            container_id=reading.container_id,
            at=reading.at,
            image=reading.image,
            state=reading.state,
            health=reading.health,
            restarts=reading.restarts,
            recent_restarts=len(entry.restarts),
            started=reading.started,
            finished=reading.finished,
            exit_code=reading.exit_code,
            was_oom_killed=reading.was_oom_killed,
            oom_kills=entry.oom_kills if self._hears_events else None,
            trouble=reading.trouble,
        )


def _follow(before: _Entry, reading: ContainerReading, at: Moment) -> _Entry:
    """Go on from an earlier look at the same container."""
    past = before.reading
    if reading.started is None:
        # A look that could not read it does not make the next one forget.
        reading = replace(
            reading,
            started=past.started,
            restarts=past.restarts if reading.restarts is None else reading.restarts,
        )
    entry = replace(before, reading=reading)
    if past.started is not None and reading.started != past.started:
        grown = (reading.restarts or 0) - (past.restarts or 0)
        entry.restarts.extend([at.tick] * max(1, min(grown, 1_000)))
    return entry


def _count(
    figures: ContainerFigures,
    past: ContainerReading | None,
    reading: ContainerReading,
    now: Counters,
) -> ContainerFigures:
    """Add what the counters come to."""
    before = (past and past.counters) or Counters()
    span_seconds = None if past is None else _span_seconds(past, before, reading, now)
    cpu = _rate(before.cpu_seconds, now.cpu_seconds, span_seconds)
    cpu_percent = None if cpu is None else 100 * cpu
    cpus = now.cpus or None
    is_limited = reading.cpu_limit is not None and (cpus is None or reading.cpu_limit < cpus)
    allowed = reading.cpu_limit if is_limited else cpus
    memory_of = {True: Of.LIMIT, False: Of.HOST, None: None}[reading.has_memory_limit]
    return replace(
        figures,
        cpu_percent=cpu_percent,
        cpu_share_percent=cpu_percent / allowed if cpu_percent is not None and allowed else None,
        cpu_of=None if allowed is None else Of.LIMIT if is_limited else Of.HOST,
        cpus=allowed,
        memory_bytes=now.memory_bytes,
        memory_limit_bytes=now.memory_limit_bytes,
        memory_of=None if now.memory_limit_bytes is None else memory_of,
        memory_percent=share(now.memory_bytes, now.memory_limit_bytes),
        rx_bytes=now.rx_bytes,
        tx_bytes=now.tx_bytes,
        rx_rate=_rate(before.rx_bytes, now.rx_bytes, span_seconds),
        tx_rate=_rate(before.tx_bytes, now.tx_bytes, span_seconds),
        read_bytes=now.read_bytes,
        written_bytes=now.written_bytes,
        read_rate=_rate(before.read_bytes, now.read_bytes, span_seconds),
        written_rate=_rate(before.written_bytes, now.written_bytes, span_seconds),
    )


def _span_seconds(
    past: ContainerReading, before: Counters, reading: ContainerReading, now: Counters
) -> float | None:
    """Say how long the counters of one run counted between two looks, if that can be known."""
    if past.started != reading.started or before.read_seconds is None or now.read_seconds is None:
        return None
    by_engine = now.read_seconds - before.read_seconds
    by_us = reading.at.tick - past.at.tick
    if by_engine < MIN_SPAN_SECONDS / 2 or abs(by_engine - by_us) > CLOCK_TOLERANCE_SECONDS:
        return None
    return by_engine


def _rate(before: float | None, now: float | None, span_seconds: float | None) -> float | None:
    """Divide by the time; a counter that has fallen began anew, and tells nothing."""
    if before is None or now is None or span_seconds is None or now < before:
        return None
    return (now - before) / span_seconds
