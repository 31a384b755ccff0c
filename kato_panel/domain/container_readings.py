"""What one look at one container says, before anything is made of it; and who is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kato_panel.domain.containers import ContainerHealth, ContainerState
from kato_panel.domain.events import Moment

KATO_CONTAINERS: Final = ("kato", "kato-redis", "kato-clickhouse", "kato-qdrant")
"""Names in KATO's own compose file."""

PROJECT_LABEL: Final = "com.docker.compose.project"


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which containers are watched: those that any of these names.

    Parameters
    ----------
    names
        Of containers, in full.
    label
        ``key`` or ``key=value``; empty for none.
    project
        Of compose; empty for none.
    """

    names: tuple[str, ...] = ()
    label: str = ""
    project: str = ""

    def includes(self, name: str, labels: Mapping[str, str]) -> bool:
        """Say whether a container is one of them."""
        key, has_value, value = self.label.partition("=")
        is_labelled = bool(key) and key in labels and (not has_value or labels[key] == value)
        is_of_project = bool(self.project) and labels.get(PROJECT_LABEL) == self.project
        return name in self.names or is_labelled or is_of_project

    def __str__(self) -> str:
        ways = [
            f"named {' or '.join(self.names)}" * bool(self.names),
            f"with the label {self.label}" * bool(self.label),
            f"of the compose project {self.project}" * bool(self.project),
        ]
        return ", or ".join(way for way in ways if way)


@dataclass(frozen=True, slots=True)
class Counters:
    """
    What the engine has counted of one container since it was started.

    Parameters
    ----------
    read_seconds
        When it was counted, by the engine's clock, since 1970.
    cpu_seconds
        Processor time of all its processes, over all processors.
    cpus
        Processors that are on.
    memory_bytes
        Used, without page cache that can be given up.
    memory_limit_bytes
        Of the container, or where it has none, of the host.
    rx_bytes, tx_bytes
        Received and sent over all its networks.
    read_bytes, written_bytes
        From and to block devices.
    """

    read_seconds: float | None = None
    cpu_seconds: float | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    rx_bytes: int | None = None
    tx_bytes: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerReading:
    """
    One look at one container, as the engine tells it.

    Parameters
    ----------
    at
        When it was here.
    container_id, name, image
        Who it is. Name and image are free text from outside.
    state, health
        See `ContainerState` and `ContainerHealth`.
    restarts
        By the engine's own restart policy, since it was created.
    started, finished
        UTC; of the newest run.
    exit_code
        Of the newest run, where it is over.
    was_oom_killed
        Whether the newest run was ended for want of memory.
    cpu_limit
        Processors that it may use; ``None`` where it has no limit, or that is not known.
    has_memory_limit
        Whether it has a limit of its own; ``None`` where that is not known.
    counters
        What was counted; ``None`` where it does not run, or could not be asked.
    trouble
        Why something could not be read; empty if all could.
    """

    at: Moment
    container_id: str
    name: str
    image: str | None = None
    state: ContainerState = ContainerState.UNKNOWN
    health: ContainerHealth | None = None
    restarts: int | None = None
    started: datetime | None = None
    finished: datetime | None = None
    exit_code: int | None = None
    was_oom_killed: bool | None = None
    cpu_limit: float | None = None
    has_memory_limit: bool | None = None
    counters: Counters | None = None
    trouble: str = ""
