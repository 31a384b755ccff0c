"""What upstream and its Redis say of themselves, beside the sessions, labelled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from kato_panel.domain.events import Moment, Service

SOURCE: Final = "figures"
"""Name of the source that asks for ``/metrics``."""
INTERVAL_SECONDS: Final = 15.0
"""Between two questions for ``/metrics``, and between two for Redis' ``INFO``."""
OLD_SECONDS: Final = 3 * INTERVAL_SECONDS
"""From this age on, a figure counts as not known any more."""

OF_ONE_WORKER: Final = "of one worker"
ALWAYS_0: Final = "always 0 in KATO 3.10"


class Part(StrEnum):
    """Which answer a figure is read in."""

    HEALTH = "health"
    METRICS = "metrics"
    REDIS = "redis"


@dataclass(frozen=True, slots=True)
class WorkerMetrics:
    """
    What one of upstream's worker processes says in ``GET /metrics``; ``None`` if it does not.

    Parameters
    ----------
    requests
        Answered since that worker began. Of one worker.
    errors
        Failed requests among them. Of one worker, and always 0 in KATO 3.10.
    requests_per_second
        Over the last minute. Of one worker.
    response_seconds
        Mean time to an answer over the last minute. Of one worker.
    cpu_percent
        Of the machine's processors together, as that worker sees it; mostly 0 in KATO 3.10.
    memory_percent
        Of the machine's memory, that of other programs included.
    disk_percent
        Of the disk that upstream runs on.
    body
        All that it said, less what looks like a secret; see `kato_panel.domain.relaying`.
    """

    requests: float | None = None
    errors: float | None = None
    requests_per_second: float | None = None
    response_seconds: float | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    body: Mapping[str, Any] | None = None

    @property
    def error_ratio(self) -> float | None:
        """Failed requests of all; not known before there was one."""
        if self.errors is None or not self.requests:
            return None
        return min(1.0, self.errors / self.requests)


@dataclass(frozen=True, slots=True)
class RedisFigures:
    """
    What upstream's Redis says in ``INFO``; ``None`` if it does not.

    Parameters
    ----------
    memory_bytes
        Used for all that it holds.
    memory_limit_bytes
        ``maxmemory``; ``None`` also where there is no limit.
    evicted_keys
        Given up for lack of memory, since it began.
    clients
        That are connected, this service among them.
    version
        Of Redis.
    """

    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    evicted_keys: int | None = None
    clients: int | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class MetricsSeen:
    """
    ``/metrics`` was asked for, and answered.

    Parameters
    ----------
    source
        The source's name.
    at
        When the answer was here.
    metrics
        What it says; ``None`` where upstream has no such thing.
    remark
        What there is to say about it.
    """

    source: str
    at: Moment
    metrics: WorkerMetrics | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """Redis told how it is."""

    source: str
    at: Moment
    figures: RedisFigures


@dataclass(frozen=True, slots=True)
class UpstreamFigures:
    """
    The newest that is known of each part, and from when it is.

    Parameters
    ----------
    health, health_at
        Beside the count in ``/health``, where the count is polled anyway.
    metrics, metrics_at
        ``/metrics``.
    redis, redis_at
        ``INFO``.
    evictions_per_minute
        Keys that Redis gave up, over the last five minutes.
    """

    health: Service | None = None
    health_at: Moment | None = None
    metrics: WorkerMetrics | None = None
    metrics_at: Moment | None = None
    redis: RedisFigures | None = None
    redis_at: Moment | None = None
    evictions_per_minute: float | None = None

    def seen_at(self, part: Part) -> Moment | None:
        """Say from when a part is."""
        return {
            Part.HEALTH: self.health_at,
            Part.METRICS: self.metrics_at,
            Part.REDIS: self.redis_at,
        }[part]

    def age_seconds(self, part: Part, now: Moment) -> float | None:
        """Seconds since a part was read; ``None`` if it never was."""
        at = self.seen_at(part)
        return None if at is None else max(0.0, now.tick - at.tick)

    def is_fresh(self, part: Part, now: Moment) -> bool:
        """Whether a part is known, and not old."""
        age_seconds = self.age_seconds(part, now)
        return age_seconds is not None and age_seconds < OLD_SECONDS

    def body(self, now: Moment) -> Mapping[str, Any] | None:
        """Return the body of ``/metrics``, unless it is old."""
        if self.metrics is None or not self.is_fresh(Part.METRICS, now):
            return None
        return self.metrics.body


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One figure, and what has to be said beside it.

    Parameters
    ----------
    name
        For programs.
    unit
        Of its value.
    part
        Where it is read.
    read
        Finds its value.
    label
        On the page; empty where the page does not show it by itself.
    remark
        What is not as one would think.
    """

    name: str
    unit: str
    part: Part
    read: Callable[[UpstreamFigures], float | None]
    label: str = ""
    remark: str = ""


def _of(part: Part, field: str) -> Callable[[UpstreamFigures], float | None]:
    def read(figures: UpstreamFigures) -> float | None:
        value: float | None = getattr(getattr(figures, part.value), field, None)
        return value

    return read


def _metric(name: str, unit: str, label: str, remark: str) -> Figure:
    return Figure(name, unit, Part.METRICS, _of(Part.METRICS, name), label, remark)


def _redis(field: str, unit: str, label: str = "", remark: str = "") -> Figure:
    return Figure(f"redis_{field}", unit, Part.REDIS, _of(Part.REDIS, field), label, remark)


FIGURES: Final = (
    _metric("requests_per_second", "1/s", "Requests", OF_ONE_WORKER),
    _metric("response_seconds", "seconds", "Mean latency", OF_ONE_WORKER),
    _metric("error_ratio", "ratio", "Errors", ALWAYS_0),
    _metric("cpu_percent", "percent", "CPU", "mostly 0 in KATO 3.10"),
    _metric("memory_percent", "percent", "Memory", "of the machine"),
    _metric("disk_percent", "percent", "Disk", "of KATO's disk"),
    Figure(
        "uptime_seconds",
        "seconds",
        Part.HEALTH,
        _of(Part.HEALTH, "uptime_seconds"),
        "Uptime",
        OF_ONE_WORKER,
    ),
    _redis("memory_bytes", "bytes", "Redis memory"),
    _redis("evicted_keys", "keys", "Redis evictions", "since Redis began"),
    _metric("requests", "requests", "", f"{OF_ONE_WORKER}, since it began"),
    _metric("errors", "requests", "", ALWAYS_0),
    _redis("memory_limit_bytes", "bytes"),
    _redis("clients", "connections"),
    Figure(
        "redis_evictions_per_minute",
        "keys/min",
        Part.REDIS,
        lambda figures: figures.evictions_per_minute,
        remark="over the last five minutes",
    ),
)
"""All of them; those with a label in the order of the page."""
