"""How well a source sees: starting, up, degraded (1-2 failures in a row), down (3), or off."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from kato_panel.domain.events import Moment

DOWN_AFTER_FAILURES: Final = 3
STALE_AFTER_INTERVALS: Final = 3


class Health(StrEnum):
    """Of a source."""

    STARTING = "starting"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class SourceState:
    """
    What is known of one source.

    Parameters
    ----------
    name, label
        Its name in the code, and on the page.
    health
        See `Health`.
    good_at
        Its newest good observation.
    failures
        Failures in a row.
    reason
        Why it failed last, or why it is off; empty when it is up.
    """

    name: str
    label: str
    health: Health = Health.STARTING
    good_at: Moment | None = None
    failures: int = 0
    reason: str = ""

    def succeed(self, at: Moment, reason: str = "") -> "SourceState":
        """Return the state after a good observation; `reason` is a remark, not a failure."""
        return replace(self, health=Health.UP, good_at=at, failures=0, reason=reason)

    def fail(self, reason: str) -> "SourceState":
        """Return the state after one more failure."""
        failures = self.failures + 1
        health = Health.DOWN if failures >= DOWN_AFTER_FAILURES else Health.DEGRADED
        return replace(self, health=health, failures=failures, reason=reason)

    def age_seconds(self, now: Moment) -> float | None:
        """Seconds since the newest good observation; ``None`` if there was none."""
        return None if self.good_at is None else max(0.0, now.tick - self.good_at.tick)
