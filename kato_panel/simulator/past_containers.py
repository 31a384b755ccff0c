"""What the containers of an upstream with a past need, then and now: parts of what they may use."""

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .containers import MAKES, Make

USUAL_ALIVE: Final = 130
"""Sessions at the middle of a working day."""


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


def load(alive: NDArray[np.int64]) -> NDArray[np.float64]:
    """Say how much is to be done; 1 is usual."""
    return alive / USUAL_ALIVE


def make_containers() -> tuple[Make, ...]:
    """Give the containers as they go on: with the needs that they had before."""
    return tuple(_with_needs(make, NEEDS[make.name]) for make in MAKES)


def _with_needs(make: Make, needs: Needs) -> Make:
    one_percent, mebibytes = needs.cpus / 100, needs.limit / 100
    return dataclasses.replace(
        make,
        cpu=one_percent * needs.cpu,
        cpu_each=one_percent * needs.cpu_load / USUAL_ALIVE,
        memory=mebibytes * needs.memory,
        memory_each=mebibytes * needs.memory_load / USUAL_ALIVE,
        cpus=needs.cpus,
        limit=needs.limit,
        bursts=0.0,
    )
