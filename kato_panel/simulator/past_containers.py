"""What the containers of an upstream with a past need, then and now: parts of what they may use."""

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .containers import MAKES, Make

USUAL_ALIVE: Final = 130
USUAL_PER_MINUTE: Final = 9.0
"""Creates; both are those of a working day."""
BY_CREATES: Final = 0.6
"""So much of the load is made by who comes, the rest by who is there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Needs:
    """
    What one container needs, in percent of its limits.

    ``cpu`` and ``memory`` are without load; ``cpu_load`` and ``memory_load`` what the usual load
    adds. ``cpus`` are processors, ``limit`` is in MiB.
    """

    cpus: float
    limit: int
    cpu: float
    cpu_load: float
    memory: float
    memory_load: float


NEEDS: Final = {
    "kato": Needs(2, 1_024, 7, 45, 34, 9),
    "kato-redis": Needs(1, 256, 2, 7, 31, 8),
    "kato-clickhouse": Needs(4, 4_096, 6, 9, 52, 0),
    "kato-qdrant": Needs(2, 1_024, 4, 14, 69, 2),
}


def load(created_per_minute: NDArray[np.float64], alive: NDArray[np.int64]) -> NDArray[np.float64]:
    """Say how much is to be done; 1 is usual."""
    by_creates = BY_CREATES * created_per_minute / USUAL_PER_MINUTE
    return by_creates + (1 - BY_CREATES) * alive / USUAL_ALIVE


def make_containers() -> tuple[Make, ...]:
    """Give the containers as they go on: with the needs that they had before."""
    return tuple(_with_needs(make, NEEDS[make.name]) for make in MAKES)


def _with_needs(make: Make, needs: Needs) -> Make:
    one_percent, mebibytes = needs.cpus / 100, needs.limit / 100
    by_load = one_percent * needs.cpu_load
    return dataclasses.replace(
        make,
        cpu=one_percent * needs.cpu,
        cpu_each=by_load * (1 - BY_CREATES) / USUAL_ALIVE,
        cpu_new=by_load * BY_CREATES / (USUAL_PER_MINUTE / 60),
        memory=mebibytes * needs.memory,
        memory_each=mebibytes * needs.memory_load / USUAL_ALIVE,
        cpus=needs.cpus,
        limit=needs.limit,
        bursts=0.0,
    )
