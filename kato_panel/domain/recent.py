"""The last minutes, in memory: the change of the count and the rates, each with its window."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from kato_panel.domain.events import Kind, SessionEvent

WINDOW_SECONDS: Final = 300.0
SHORTEST_WINDOW_SECONDS: Final = 10.0
"""Below this, a rate says more about chance than about sessions."""
MAX_CHANGES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Rates:
    """
    What happened in one window.

    Parameters
    ----------
    window_seconds
        How long it was; shorter than `WINDOW_SECONDS` soon after the start.
    created, ended
        Sessions in the window; a lower bound unless every change is told.
    change
        Shown count at its end less the one at its beginning.
    """

    window_seconds: float
    created: int
    ended: int
    change: int

    @property
    def created_per_minute(self) -> float:
        """Sessions created, per minute of the window."""
        return 60 * self.created / self.window_seconds

    @property
    def ended_per_minute(self) -> float:
        """Sessions ended, per minute of the window."""
        return 60 * self.ended / self.window_seconds


class Recent:
    """Events of the last `WINDOW_SECONDS`; older ones are forgotten."""

    def __init__(self) -> None:
        self._began_tick: float | None = None
        self._changes: deque[tuple[float, Kind, int]] = deque()
        self._sums = dict.fromkeys(Kind, 0)

    def begin(self, tick: float) -> None:
        """Note that the count is known from this moment on; only the first call counts."""
        if self._began_tick is None:
            self._began_tick = tick

    def add(self, event: SessionEvent, tick: float) -> None:
        """Take one event, found at `tick`."""
        self._changes.append((tick, event.kind, event.delta))
        self._sums[event.kind] += event.delta
        if len(self._changes) > MAX_CHANGES:
            self._began_tick = self._changes[0][0]  # the window gets shorter, and says so
            self._forget()

    def _forget(self) -> None:
        _, kind, delta = self._changes.popleft()
        self._sums[kind] -= delta

    def rates(self, until_tick: float) -> Rates | None:
        """
        Sum up the window that ends at `until_tick`.

        Parameters
        ----------
        until_tick
            The newest good observation: what was not looked at is no quiet time.

        Returns
        -------
        Rates or None
            ``None`` until `SHORTEST_WINDOW_SECONDS` have been watched.
        """
        if self._began_tick is None:
            return None
        first_tick = max(self._began_tick, until_tick - WINDOW_SECONDS)
        window_seconds = until_tick - first_tick
        if window_seconds < SHORTEST_WINDOW_SECONDS:
            return None
        while self._changes and self._changes[0][0] < first_tick:
            self._forget()
        created, ended = self._sums[Kind.CREATED], self._sums[Kind.DESTROYED]
        return Rates(window_seconds, created, ended, created - ended)
