"""
What is observed of containers: their figures, and what happened to them.

``None`` is *not known*, never zero. Each percentage says of what it is one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kato_panel.domain.events import LookFailed, Moment


class ContainerState(StrEnum):
    """What a container does; the values are the engine's words, but for the last two."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"
    UNKNOWN = "unknown"
    GONE = "gone"


class ContainerHealth(StrEnum):
    """What a container's own health check says, where it has one."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Of(StrEnum):
    """What a percentage is one of."""

    LIMIT = "limit"
    HOST = "host"


class ContainerChange(StrEnum):
    """What happened to a container; the values are the engine's words."""

    STARTED = "start"
    DIED = "die"
    OOM_KILLED = "oom"
    RESTARTED = "restart"
    RENAMED = "rename"
    REMOVED = "destroy"
    PAUSED = "pause"
    UNPAUSED = "unpause"
    HEALTH_TOLD = "health_status"


@dataclass(frozen=True, slots=True)
class ContainerFigures:
    """
    What is known of one container at one instant.

    Parameters
    ----------
    name, container_id, image
        Who it is. Name and image are free text from outside.
    at
        The newest look that saw it.
    state, health, restarts, started, finished, exit_code, was_oom_killed
        As in `ContainerReading`.
    recent_restarts
        Starts again, whoever asked for them, seen in the last ten minutes.
    oom_kills
        Processes of it killed for want of memory, as told since the engine's events are followed;
        ``None`` while they never were.
    cpu_percent
        Of one processor: 200 are two of them. Since the look before.
    cpu_share_percent
        Of its limit or of all processors of the host; `cpu_of` says which.
    cpu_of, cpus
        What the share is one of, and how many processors that are.
    memory_bytes
        Used, without page cache, as ``docker stats`` shows it.
    memory_limit_bytes, memory_of
        Of the container or the host, and which of them.
    memory_percent
        Of `memory_limit_bytes`.
    rx_bytes, tx_bytes, read_bytes, written_bytes
        Since it was started.
    rx_rate, tx_rate, read_rate, written_rate
        Bytes per second since the look before; unknown once a counter began anew.
    gone_since
        When it was first missed; ``None`` while it is there.
    trouble
        Why something is not known; empty if all is well.
    """

    name: str
    container_id: str
    at: Moment
    image: str | None = None
    state: ContainerState = ContainerState.UNKNOWN
    health: ContainerHealth | None = None
    restarts: int | None = None
    recent_restarts: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    exit_code: int | None = None
    was_oom_killed: bool | None = None
    oom_kills: int | None = None
    cpu_percent: float | None = None
    cpu_share_percent: float | None = None
    cpu_of: Of | None = None
    cpus: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_of: Of | None = None
    memory_percent: float | None = None
    rx_bytes: int | None = None
    tx_bytes: int | None = None
    rx_rate: float | None = None
    tx_rate: float | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    read_rate: float | None = None
    written_rate: float | None = None
    gone_since: Moment | None = None
    trouble: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it runs, as far as is known."""
        return self.state is ContainerState.RUNNING


@dataclass(frozen=True, slots=True)
class ContainerTotals:
    """
    The running containers together; ``None`` where one of them is not known.

    Parameters
    ----------
    count
        Containers that run.
    cpu_percent
        Of one processor.
    memory_bytes
        Used, without page cache.
    memory_limit_bytes
        All limits together; where one has none, the host's memory, as more there is not.
    memory_percent
        Of `memory_limit_bytes`.
    """

    count: int = 0
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_percent: float | None = None


@dataclass(frozen=True, slots=True)
class ContainersSeen:
    """
    A look at all watched containers.

    Parameters
    ----------
    source
        The source's name.
    at
        When it was over.
    containers
        By name; those that vanished too.
    totals
        Of those that run.
    remark
        What is to be said about the look; empty when all is well.
    """

    source: str
    at: Moment
    containers: tuple[ContainerFigures, ...]
    totals: ContainerTotals = field(default_factory=ContainerTotals)
    remark: str = ""


@dataclass(frozen=True, slots=True)
class ContainerChanged:
    """
    The engine told of something that happened to a watched container.

    Parameters
    ----------
    source
        The source's name.
    at
        When it was told here.
    change
        What happened.
    container_id, name
        To whom; after a rename, the name it has now.
    happened
        When, by the engine's clock; UTC.
    exit_code
        Of a death, where it was told.
    health
        What the health check said, where it was told.
    """

    source: str
    at: Moment
    change: ContainerChange
    container_id: str
    name: str
    happened: datetime | None = None
    exit_code: int | None = None
    health: ContainerHealth | None = None


@dataclass(frozen=True, slots=True)
class NoEngine:
    """
    There is no container engine here, and nobody has said that there is one.

    Parameters
    ----------
    source
        The source's name.
    at
        When that was found.
    reason
        In words.
    """

    source: str
    at: Moment
    reason: str


ContainerObservation = ContainersSeen | ContainerChanged | NoEngine | LookFailed


def total(containers: Iterable[ContainerFigures]) -> ContainerTotals:
    """
    Sum up the containers that run.

    Parameters
    ----------
    containers
        Figures of one look.
    """
    running = [one for one in containers if one.is_running]
    cpu = [one.cpu_percent for one in running if one.cpu_percent is not None]
    used = [one.memory_bytes for one in running if one.memory_bytes is not None]
    memory_bytes = sum(used) if len(used) == len(running) else None
    limit_bytes = _total_limit(running)
    return ContainerTotals(
        count=len(running),
        cpu_percent=sum(cpu) if running and len(cpu) == len(running) else None,
        memory_bytes=memory_bytes if running else None,
        memory_limit_bytes=limit_bytes,
        memory_percent=share(memory_bytes, limit_bytes) if running else None,
    )


def _total_limit(running: list[ContainerFigures]) -> int | None:
    limits = [one.memory_limit_bytes for one in running if one.memory_limit_bytes is not None]
    if not running or len(limits) < len(running):
        return None
    hosts = [one.memory_limit_bytes for one in running if one.memory_of is not Of.LIMIT]
    known_hosts = [limit for limit in hosts if limit is not None]
    return max(known_hosts) if known_hosts else sum(limits)


def share(part: float | None, whole: float | None) -> float | None:
    """Say what percentage a part is; ``None`` where either is not known, or the whole is 0."""
    return None if part is None or not whole else 100 * part / whole
