"""Where a replay stands, and how it goes on: from moments of a clock to moments of a recording."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kato_panel.domain.events import Moment
from kato_panel.errors import QueryError

SLOWEST: Final = 0.1
FASTEST: Final = 3_600.0
SPEEDS: Final = (1.0, 10.0, 60.0, 600.0)
"""Those that the page offers."""
MAX_STEP_SECONDS: Final = 1.0
"""Of the clock: what takes longer to tell makes the replay slower, and never skips anything."""
JUMP_SECONDS: Final = 86_400.0
"""A jump passes for at least so long a time, so that nothing from before it counts as recent."""


@dataclass(frozen=True, slots=True)
class Playing:
    """
    How a replay goes at one instant.

    Parameters
    ----------
    first, last
        Bounds of the recording; UTC.
    position
        All before it was told.
    speed
        Seconds of the recording in one of the clock.
    is_paused
        Whether it stands.
    jumps
        How often the position was chosen since the start.
    """

    first: datetime
    last: datetime
    position: datetime
    speed: float
    is_paused: bool
    jumps: int

    @property
    def is_over(self) -> bool:
        """Whether all was told."""
        return self.position >= self.last


class Player:
    """
    Plays a recording; asked and ordered from any thread.

    Parameters
    ----------
    first, last
        Bounds of the recording; UTC.
    position
        Where to begin; by default at its beginning.
    speed
        Seconds of the recording in one of the clock.
    clock
        Gives seconds that never go back.

    Raises
    ------
    QueryError
        If position or speed is none that can be.
    """

    def __init__(
        self,
        first: datetime,
        last: datetime,
        *,
        position: datetime | None = None,
        speed: float = 1.0,
        clock: Callable[[], float],
    ) -> None:
        self._first, self._last = first, last
        self._clock = clock
        self._lock = threading.Lock()
        self._position = first
        self._speed = 1.0
        self._is_paused = False
        self._jumps = 0
        self._wanted: datetime | None = None
        self._before_seconds = 0.0
        self._aimed = clock()
        self.order(position=first if position is None else position, speed=speed)
        self.take_jump()
        self._jumps, self._before_seconds = 0, 0.0

    @property
    def playing(self) -> Playing:
        """How it goes now."""
        with self._lock:
            return Playing(
                self._first,
                self._last,
                self._position,
                self._speed,
                self._is_paused,
                self._jumps,
            )

    def now(self) -> Moment:
        """Give the moment that was told last, on the calendar of the recording."""
        with self._lock:
            return self._moment()

    def _moment(self) -> Moment:
        passed = self._position - self._first
        return Moment(self._position, self._before_seconds + passed.total_seconds())

    def order(
        self,
        *,
        is_paused: bool | None = None,
        speed: float | None = None,
        position: datetime | None = None,
    ) -> None:
        """
        Have it go on otherwise; what is not given stays. To go on at the end begins anew.

        Raises
        ------
        QueryError
            If position or speed is none that can be; nothing is changed then.
        """
        if speed is not None and not SLOWEST <= speed <= FASTEST:
            raise QueryError("speed", speed, f"{SLOWEST:g} to {FASTEST:g}")
        if position is not None and not self._first <= position <= self._last:
            raise QueryError(
                "position",
                position.isoformat(),
                f"within the recording: {self._first.isoformat()} to {self._last.isoformat()}",
            )
        with self._lock:
            if is_paused is False and position is None and self._position >= self._last:
                position = self._first
            if is_paused is not None:
                self._is_paused = is_paused
            self._speed = speed or self._speed
            self._wanted = self._wanted if position is None else position

    def take_jump(self) -> datetime | None:
        """Go where somebody wants it to go on, if anywhere; nothing before counts from then on."""
        with self._lock:
            wanted, self._wanted = self._wanted, None
            if wanted is not None:
                before = self._moment().tick
                self._position = wanted
                self._before_seconds += before - self._moment().tick + JUMP_SECONDS
                self._jumps += 1
                self._aimed = self._clock()
            return wanted

    def aim(self) -> datetime:
        """Say until when to tell now."""
        with self._lock:
            clock, before = self._clock(), self._aimed
            self._aimed = clock
            if self._is_paused:
                return self._position
            step_seconds = self._speed * min(MAX_STEP_SECONDS, clock - before)
            return min(self._last, self._position + timedelta(seconds=step_seconds))

    def reach(self, position: datetime) -> Moment:
        """Note that all before a moment was told."""
        with self._lock:
            self._position = max(self._position, position)
            return self._moment()
