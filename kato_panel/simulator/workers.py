"""What each of upstream's worker processes keeps to itself: streams, caches, figures."""

from collections import deque
from typing import Protocol

from .wire import Payload

COUNT_CACHE_SECONDS = 5.1
METRICS_CACHE_SECONDS = 5.0
STREAM_LIMIT = 99
REQUESTS_KEPT = 200
SAMPLE_SECONDS = 10.3
SAMPLES_KEPT = 60
DISK_PERCENT = 24.4

Request = tuple[float, str, str, float, int]


class Stream(Protocol):
    """One open WebSocket of a worker."""

    async def deliver(self, text: str) -> None:
        """Send one frame and wait until the socket has taken it; a closed stream is no error."""


class Worker:
    """
    One worker; sees only the calls on its own connections.

    Parameters
    ----------
    number
        Which one, from 0.
    started_at
        Epoch seconds.
    """

    def __init__(self, number: int, started_at: float) -> None:
        self.number = number
        self.started_at = started_at
        self.streams: dict[Stream, None] = {}
        self.local: set[str] = set()
        self.requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)
        self.requests_total = 0
        self.requests_seconds = 0.0
        self._count: tuple[float, int] | None = None
        self._metrics: tuple[float, Payload] | None = None

    @property
    def is_full(self) -> bool:
        """Whether it answers every call with 503: streams count towards its connections."""
        return len(self.streams) >= STREAM_LIMIT

    async def announce(self, text: str) -> None:
        """Send a frame to each stream in turn; one that does not read holds up the rest."""
        for stream in list(self.streams):
            await stream.deliver(text)

    def note(self, at: float, method: str, path: str, seconds: float, status: int) -> None:
        """Count one answered request."""
        self.requests.append((at, method, path, seconds, status))
        self.requests_total += 1
        self.requests_seconds += seconds

    def count(self, now: float, active: int) -> Payload:
        """Answer ``GET /sessions/count``: ``active``, or what it was up to 5.1 s ago."""
        if self._count is None or not 0 <= now - self._count[0] < COUNT_CACHE_SECONDS:
            self._count = (now, active)
        return {"active_session_count": self._count[1]}

    def metrics(self, now: float, active: int) -> Payload:
        """Answer ``GET /metrics``: cached, and zero wherever upstream never counts."""
        if self._metrics is None or not 0 <= now - self._metrics[0] < METRICS_CACHE_SECONDS:
            uptime = max(now - self.started_at, 1.0)
            per_second = self.requests_total / uptime
            body: Payload = {"timestamp": now} | self._figures(active)
            body |= {
                "rates": {
                    "requests_per_second": per_second,
                    "requests_per_minute": 60 * per_second,
                    "errors_per_minute": 0,
                },
                "processor_manager": processors(),
                "uptime_seconds": None,
                "active_sessions": None,
                "error": None,
            }
            self._metrics = (now, body)
        return self._metrics[1]

    def stats(self, now: float, minutes: int) -> Payload:
        """Answer ``GET /stats``."""
        since = now - 60 * minutes
        seen = [request for request in self.requests if request[0] >= since]
        first = self.requests_total - len(self.requests) + 1
        numbered = zip(range(first, self.requests_total + 1), self.requests, strict=True)
        times = self._sample_times(now, since)
        series = {
            "kato_cpu_usage_percent": [point(at, self._cpu(at)) for at in times],
            "kato_memory_usage_percent": [point(at, 2.8) for at in times],
            "kato_memory_usage_bytes": [point(at, 706_084_864) for at in times],
            "kato_disk_usage_percent": [point(at, DISK_PERCENT) for at in times],
            "load_average_1m": [],
            "kato_requests_total": [
                point(at, float(number), method=method, path=path)
                for number, (at, method, path, _, _) in numbered
                if at >= since
            ],
            "kato_request_duration_seconds": [
                point(at, seconds, method=method, path=path, status=str(status))
                for at, method, path, seconds, status in seen
            ],
        }
        for name in NEVER_FILLED:
            series[name] = []
        return {
            "time_range_minutes": minutes,
            "timestamp": now,
            "processor_manager": processors(),
            "current_status": {
                "status": "healthy",
                "issues": [],
                "metrics": {
                    "cpu_percent": self._cpu(now),
                    "memory_percent": 2.8,
                    "error_rate_per_min": 0.0,
                },
            },
            "time_series": series,
            "summary": self._figures(0.0),
            "error": None,
        }

    def _figures(self, active: float) -> Payload:
        mean = self.requests_seconds / self.requests_total if self.requests_total else 0.0
        at = self.requests[-1][0] if self.requests else self.started_at
        idle = {"operations": 0.0, "errors": 0.0, "avg_response_time": 0.0}
        return {
            "sessions": {
                "total_created": 0.0,
                "total_deleted": 0.0,
                "active": active,
                "operations_total": 0.0,
            },
            "performance": {
                "total_requests": float(self.requests_total),
                "total_errors": 0.0,
                "error_rate": 0.0,
                "average_response_time": mean,
            },
            "resources": {
                "cpu_percent": self._cpu(at),
                "memory_percent": 2.8,
                "disk_percent": DISK_PERCENT,
            },
            "databases": {"clickhouse": idle, "qdrant": idle, "redis": idle},
        }

    def _sample_times(self, now: float, since: float) -> list[float]:
        newest = int((now - self.started_at) / SAMPLE_SECONDS)
        numbers = range(max(0, newest - SAMPLES_KEPT + 1), newest + 1)
        times = [self.started_at + number * SAMPLE_SECONDS for number in numbers]
        return [at for at in times if at >= since]

    def _cpu(self, at: float) -> float:
        """Make up a plausible figure from the requests of the last ten seconds before ``at``."""
        recent = sum(at - 10 <= request[0] <= at for request in self.requests)
        return round(min(100.0, 0.5 * recent), 1)


NEVER_FILLED = (
    "kato_errors_total",
    "sessions_created",
    "sessions_deleted",
    "session_operations",
    "clickhouse_operations",
    "clickhouse_response_time",
    "clickhouse_errors",
    "qdrant_operations",
    "qdrant_response_time",
    "qdrant_errors",
    "redis_operations",
    "redis_response_time",
    "redis_errors",
)


def processors() -> Payload:
    """Describe upstream's processors: the simulator computes nothing, so there are none."""
    return {
        "total_processors": 0,
        "max_processors": 100,
        "eviction_ttl_seconds": 3600,
        "processors": [],
    }


def point(at: float, value: float, **labels: str) -> Payload:
    """Write one point of a time series."""
    return {"timestamp": at, "value": value, "labels": labels}
