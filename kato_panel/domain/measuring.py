"""What rules are held against: the figures of one instant, from what the watcher knows."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Final

from kato_panel.domain.containers import ContainersSeen, ContainerState
from kato_panel.domain.events import Moment
from kato_panel.domain.health import Health
from kato_panel.domain.metrics import CONTAINER_METRICS
from kato_panel.domain.rules import Measured
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.upstream_figures import SOURCE, Part, UpstreamFigures

EVICTION_WINDOW_SECONDS: Final = 300.0
MIN_DAYS: Final = 3
"""With fewer, nobody knows what is usual."""


def measure_sessions(snapshot: SessionSnapshot) -> Iterator[Measured]:
    """
    Give the figures of sessions and sources.

    Parameters
    ----------
    snapshot
        What is known; what is stale is not known any more.
    """
    is_fresh = not snapshot.is_stale and snapshot.suspect is None
    rates = snapshot.rates if is_fresh else None
    yield Measured("sessions_active", snapshot.active if is_fresh else None)
    yield Measured("sessions_drift", snapshot.drift if is_fresh else None)
    created, ended = (rates.created_per_minute, rates.ended_per_minute) if rates else (None, None)
    yield Measured("sessions_created_per_minute", created)
    yield Measured("sessions_ended_per_minute", ended)
    states = {source.name: source for source in snapshot.sources}
    counting, asking = states.get(snapshot.counted_by), states.get("http")
    # One trouble is told once: where a source is down, that is the one.
    is_lost = counting is not None and counting.health is Health.DOWN
    yield Measured("sessions_age_seconds", None if is_lost else snapshot.age_seconds)
    is_away = asking is not None and asking.failures > 0
    for source in snapshot.sources:
        if source.name == SOURCE:
            continue  # it asks the same service as `http`
        if source.health not in {Health.STARTING, Health.OFF}:
            is_down = float(source.health is Health.DOWN)
            # So does `stream`, which may well fail alone: then nobody knows whether it does.
            value = None if source.name == "stream" and is_away else is_down
            yield Measured("source_down", value, source.name)


def measure_containers(seen: ContainersSeen) -> Iterator[Measured]:
    """
    Give the figures of containers.

    Parameters
    ----------
    seen
        A look that is new; of an old one nothing is known any more.
    """
    for one in seen.containers:
        is_known = one.state is not ContainerState.UNKNOWN
        yield Measured("container_cpu_percent", one.cpu_share_percent, one.name)
        yield Measured("container_memory_percent", one.memory_percent, one.name)
        restarts = float(one.recent_restarts) if is_known else None
        yield Measured("container_restarts", restarts, one.name)
        is_down = float(not one.is_running) if is_known else None
        yield Measured("container_not_running", is_down, one.name)


def subjects_of(
    snapshot: SessionSnapshot, seen: ContainersSeen | None
) -> dict[str, frozenset[str]]:
    """
    List the subjects that there are, by metric; whoever is not among them is gone.

    Parameters
    ----------
    snapshot
        Its sources are those that are watched, but for those that are off.
    seen
        A look at the containers that is new; ``None`` where nobody knows which there are.
    """
    sources = frozenset(one.name for one in snapshot.sources if one.health is not Health.OFF)
    found = {"source_down": sources}
    if seen is not None:
        names = frozenset(one.name for one in seen.containers)
        found |= dict.fromkeys(CONTAINER_METRICS, names)
    return found


def usual_of(days: Iterable[Sequence[int]]) -> tuple[float | None, int]:
    """
    Say how many sessions are usual at an hour.

    Parameters
    ----------
    days
        Counts around that hour, of each of the days before; empty where nobody looked.

    Returns
    -------
    tuple of float and int
        The median of the days' medians, and of how many days; not known with fewer than
        `MIN_DAYS`.
    """
    known = [median(counts) for counts in days if counts]
    return (median(known) if len(known) >= MIN_DAYS else None), len(known)


def measure_usual(active: int | None, usual: float | None, days: int) -> Measured:
    """
    Hold the count against what is usual.

    Parameters
    ----------
    active
        Sessions alive; ``None`` if that is not known.
    usual, days
        See `usual_of`. Of nothing there is no share.
    """
    value = None if active is None or not usual else active / usual
    return Measured("sessions_active_of_usual", value, samples=days)


def measure_upstream(figures: UpstreamFigures, now: Moment) -> Iterator[Measured]:
    """
    Give the figures that upstream and its Redis report of themselves.

    Parameters
    ----------
    figures
        What is known; what is old is not known any more.
    now
        When that is judged.
    """
    metrics = figures.metrics if figures.is_fresh(Part.METRICS, now) else None
    yield Measured("disk_percent", None if metrics is None else metrics.disk_percent)
    error_ratio, requests = None, 0
    if metrics is not None and metrics.error_ratio is not None:
        error_ratio, requests = metrics.error_ratio, int(metrics.requests or 0)
    yield Measured("error_ratio", error_ratio, samples=requests)
    is_fresh = figures.is_fresh(Part.REDIS, now)
    evictions = figures.evictions_per_minute if is_fresh else None
    yield Measured("redis_evictions_per_minute", evictions)


class Evictions:
    """Keys that were evicted lately, from a counter that a restart of its store sets to 0."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()

    def observe(self, at: Moment, count: int | None) -> None:
        """Take the counter; ``None`` if it is not known."""
        if count is None or (self._counts and count < self._counts[-1][1]):
            self._counts.clear()
        if count is not None:
            self._counts.append((at.tick, count))
        while len(self._counts) > 1 and self._counts[1][0] <= at.tick - EVICTION_WINDOW_SECONDS:
            self._counts.popleft()

    @property
    def measured(self) -> Measured:
        """Keys a minute, since the window began; not known until the counter was read twice."""
        value = None
        if len(self._counts) > 1:
            (first_tick, first), (last_tick, last) = self._counts[0], self._counts[-1]
            seconds = last_tick - first_tick
            value = 60 * (last - first) / seconds if seconds > 0 else None
        return Measured("redis_evictions_per_minute", value)
