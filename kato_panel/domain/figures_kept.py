"""The newest of what upstream and its Redis say of themselves."""

from dataclasses import replace

from kato_panel.domain.events import CountObserved, Service
from kato_panel.domain.measuring import Evictions
from kato_panel.domain.upstream_figures import MetricsSeen, RedisSeen, UpstreamFigures


class FiguresKept:
    """Keeps the newest of each part."""

    def __init__(self) -> None:
        self.figures = UpstreamFigures()
        self._evictions = Evictions()

    def observe(self, observation: object) -> None:
        """Take one observation; what it does not say leaves what was known."""
        match observation:
            case CountObserved(service=Service() as health, arrived_at=at):
                self.figures = replace(self.figures, health=health, health_at=at)
            case MetricsSeen(metrics=metrics, at=at):
                self.figures = replace(self.figures, metrics=metrics, metrics_at=at)
            case RedisSeen(figures=redis, at=at):
                self._evictions.observe(at, redis.evicted_keys)
                self.figures = replace(
                    self.figures,
                    redis=redis,
                    redis_at=at,
                    evictions_per_minute=self._evictions.measured.value,
                )
