"""
Trends: what each container used over the last minutes, for the small pictures beside its figures.

Each is cut into slices of equal length, of which the highest figure is kept: a peak of one look
stays to be seen.
"""

from dataclasses import dataclass
from typing import Final

from kato_panel.domain.containers import ContainersSeen

SLICE_SECONDS: Final = 10.0
MAX_SLICES: Final = 60
"""Ten minutes."""

Figures = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """
    What one container used, oldest first; the last slice is that of the newest look.

    Parameters
    ----------
    name
        Of the container; one that was made anew under its name goes on with it.
    cpu_percent
        Of one processor, the highest of each slice; ``None`` where it is not known.
    memory_bytes
        The same of its memory.
    """

    name: str
    cpu_percent: Figures
    memory_bytes: Figures


class Trends:
    """Remembers what each container used."""

    def __init__(self) -> None:
        self._first = 0
        self._known: dict[str, dict[int, tuple[float | None, float | None]]] = {}

    def add(self, seen: ContainersSeen) -> tuple[Trend, ...]:
        """
        Take a look, and give the trends of those that it knows, by name.

        Parameters
        ----------
        seen
            Not older than the one before.
        """
        newest = int(seen.at.tick // SLICE_SECONDS)
        self._first = max(self._first, newest - MAX_SLICES + 1) if self._known else newest
        for one in seen.containers:
            if one.gone_since is None:
                slices = self._known.setdefault(one.name, {})
                cpu, memory = slices.get(newest, (None, None))
                slices[newest] = (_higher(cpu, one.cpu_percent), _higher(memory, one.memory_bytes))
        names = {one.name for one in seen.containers}
        for name in list(self._known):
            kept = {at: both for at, both in self._known[name].items() if at >= self._first}
            self._known[name] = kept
            if not kept or name not in names:
                del self._known[name]
        span = range(self._first, newest + 1)
        return tuple(
            Trend(
                name,
                tuple(slices.get(at, (None, None))[0] for at in span),
                tuple(slices.get(at, (None, None))[1] for at in span),
            )
            for name, slices in sorted(self._known.items())
        )


def _higher(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
