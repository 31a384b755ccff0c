"""Where a replay stands: how fast it goes, whether it waits, and that it ends with its record."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

MAX_SPEED: Final = 100_000.0


@dataclass(frozen=True, slots=True)
class Playback:
    """
    A position in a recorded time, which moves on as this machine's time does.

    Parameters
    ----------
    began, ended
        Of the record; UTC.
    position
        Where it stood at `tick`, within them.
    tick
        Monotonic seconds of this machine.
    speed
        Recorded seconds per second.
    is_paused
        Whether it waits.
    """

    began: datetime
    ended: datetime
    position: datetime
    tick: float
    speed: float = 1.0
    is_paused: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be played; raises ValueError."""
        if not self.began <= self.position <= self.ended:
            raise ValueError(
                f"position is {self.position.isoformat()}, must be from "
                f"{self.began.isoformat()} to {self.ended.isoformat()}"
            )
        if not 0 < self.speed <= MAX_SPEED:
            raise ValueError(f"speed is {self.speed:g}, must be above 0 and at most {MAX_SPEED:g}")

    def at(self, tick: float) -> "Playback":
        """Return it as it stands at a later tick; at its end it is paused."""
        passed_seconds = 0.0 if self.is_paused else max(0.0, tick - self.tick)
        left_seconds = (self.ended - self.position).total_seconds()
        if passed_seconds * self.speed >= left_seconds:
            return replace(self, position=self.ended, tick=tick, is_paused=True)
        position = self.position + timedelta(seconds=passed_seconds * self.speed)
        return replace(self, position=position, tick=tick)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to come."""
        return self.position == self.ended
