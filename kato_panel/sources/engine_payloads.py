"""
The container engine's own words, read strictly. No other module knows them.

Source: Docker Engine API 1.41 to 1.47, and Podman 4.3.1's service for it, as in ``tests/recorded``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from kato_panel.domain.container_readings import ContainerReading, Counters
from kato_panel.domain.containers import ContainerState
from kato_panel.domain.events import Moment
from kato_panel.errors import PayloadError
from kato_panel.sources.engine_words import (
    MAX_NAME,
    NANOSECONDS,
    decode,
    make_sound,
    read_health,
    read_instant,
    read_labels,
    read_object,
    read_seconds,
    read_state,
    read_text,
    read_whole,
)

MAX_CPUS: Final = 1 << 16
NO_LIMIT_BYTES: Final = 1 << 60
"""cgroup v1 writes a number near 2⁶³ where there is no limit."""
USUAL_PERIOD: Final = 100_000
"""Microseconds of a scheduling period, where none is told."""

LIST_PATH: Final = "/containers/json"
LIST_QUERY: Final = {"all": "true"}
STATS_QUERY: Final = {"stream": "false", "one-shot": "true"}


@dataclass(frozen=True, slots=True)
class Listed:
    """
    One container in the engine's list.

    Parameters
    ----------
    container_id, name, image, labels
        Who it is.
    state
        What it does.
    """

    container_id: str
    name: str
    image: str | None
    labels: Mapping[str, str]
    state: ContainerState


def stats_path(container_id: str) -> str:
    """Name the address of a container's counters."""
    return f"/containers/{quote(container_id, safe='')}/stats"


def container_path(container_id: str) -> str:
    """Name the address of a container."""
    return f"/containers/{quote(container_id, safe='')}/json"


def containers(answer: object) -> list[Listed]:
    """
    Read the answer of ``GET /containers/json``.

    Returns
    -------
    list of Listed
        Without those that have no id or no name.

    Raises
    ------
    PayloadError
        If it is no array.
    """
    if not isinstance(answer, list):
        raise PayloadError(f"the list of containers is a JSON {type(answer).__name__}")
    return [*_listed(answer)]


def _listed(rows: list[object]) -> Iterator[Listed]:
    for row in rows:
        if not isinstance(row, dict):
            continue
        container_id, name = row.get("Id"), _own_name(row.get("Names"))
        if not isinstance(container_id, str) or not container_id or not name:
            continue
        yield Listed(
            container_id[:MAX_NAME],
            name,
            read_text(row.get("Image")),
            read_labels(row.get("Labels")),
            read_state(row.get("State")),
        )


def reading(listed: Listed, answer: object, at: Moment) -> ContainerReading:
    """
    Read the answer of ``GET /containers/{id}/json``.

    Parameters
    ----------
    listed
        What the list says of it; stands where the answer says nothing.
    answer
        The decoded answer.
    at
        When it was here.

    Raises
    ------
    PayloadError
        If it is no object with a ``State``.

    Notes
    -----
    ``RestartCount`` counts the restarts by the engine's own policy. An instant of the year 1 is
    Go's word for *never*.
    """
    told = read_object(answer)
    state = told.get("State")
    if not isinstance(state, dict):
        raise PayloadError("the description of a container has no State")
    host = read_object(told.get("HostConfig"))
    status = read_state(state.get("Status"))
    is_over = status in {ContainerState.EXITED, ContainerState.DEAD}
    memory = read_whole(host.get("Memory"))
    name = told.get("Name")
    return ContainerReading(
        at=at,
        container_id=listed.container_id,
        name=make_sound(name.removeprefix("/")) if name and isinstance(name, str) else listed.name,
        image=listed.image,
        state=listed.state if status is ContainerState.UNKNOWN else status,
        health=read_health(read_object(state.get("Health")).get("Status")),
        restarts=read_whole(told.get("RestartCount")),
        started=read_instant(state.get("StartedAt")),
        finished=read_instant(state.get("FinishedAt")),
        exit_code=_exit_code(state.get("ExitCode")) if is_over else None,
        was_oom_killed=killed if isinstance(killed := state.get("OOMKilled"), bool) else None,
        cpu_limit=_cpu_limit(host),
        has_memory_limit=None if memory is None else memory > 0,
    )


def has_own_network(answer: object) -> bool:
    """Say whether a described container's network figures are its own, and not the host's."""
    host = read_object(read_object(answer).get("HostConfig"))
    return host.get("NetworkMode") not in ("host", "none")


def counters(answer: object, *, has_network: bool = True) -> Counters:
    """
    Read the answer of ``GET /containers/{id}/stats``.

    Parameters
    ----------
    answer
        The decoded answer.
    has_network
        Whether the container has a network of its own; Podman tells zeros where it has none.

    Returns
    -------
    Counters
        A field that is missing or odd is ``None``; the others still count.

    Raises
    ------
    PayloadError
        If it is no object.

    Notes
    -----
    ``system_cpu_usage`` is not used: Podman 4.3.1 counts another time there than Docker does. What
    two looks have between them is told by ``read`` in both engines.
    """
    if not isinstance(answer, dict):
        raise PayloadError(f"the figures of a container are a JSON {type(answer).__name__}")
    cpu, memory = read_object(answer.get("cpu_stats")), read_object(answer.get("memory_stats"))
    usage = read_object(cpu.get("cpu_usage"))
    nanoseconds, limit = read_whole(usage.get("total_usage")), read_whole(memory.get("limit"))
    networks = read_object(answer.get("networks")) if has_network else {}
    blocks = read_object(answer.get("blkio_stats")).get("io_service_bytes_recursive")
    return Counters(
        read_seconds=read_seconds(answer.get("read")),
        cpu_seconds=None if nanoseconds is None else nanoseconds / NANOSECONDS,
        cpus=_cpus(cpu.get("online_cpus"), usage.get("percpu_usage")),
        memory_bytes=_memory(memory),
        memory_limit_bytes=limit if limit and limit < NO_LIMIT_BYTES else None,
        rx_bytes=_over_networks(networks, "rx_bytes"),
        tx_bytes=_over_networks(networks, "tx_bytes"),
        read_bytes=_over_devices(blocks, "read"),
        written_bytes=_over_devices(blocks, "write"),
    )


def refusal(body: bytes) -> str:
    """Read why the engine refuses: the ``message`` of its answer, or an empty text."""
    try:
        answer = decode(body)
    except PayloadError:
        return ""
    return ascii(read_text(read_object(answer).get("message")) or "")[1:-1][:120]


def _own_name(names: object) -> str | None:
    """Choose the name of its own: links to it are told as ``/other/alias``."""
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    own = [name for name in texts if "/" not in name.removeprefix("/")] or texts
    return read_text(own[0].removeprefix("/")) if own else None


def _cpu_limit(host: Mapping[str, Any]) -> float | None:
    """Read how many processors a container may use: by share of time, and by which ones."""
    limits: list[float] = []
    if nano := read_whole(host.get("NanoCpus")):
        limits.append(nano / NANOSECONDS)
    elif quota := read_whole(host.get("CpuQuota")):
        limits.append(quota / (read_whole(host.get("CpuPeriod")) or USUAL_PERIOD))
    if chosen := _cpu_set(host.get("CpusetCpus")):
        limits.append(chosen)
    return min(limits, default=None)


def _cpu_set(value: object) -> int:
    """Count the processors of ``0-2,7``; 0 if it names none."""
    if not isinstance(value, str) or not re.fullmatch(
        r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?){0,99}", value, re.ASCII
    ):
        return 0
    chosen: set[int] = set()
    for part in value.split(","):
        first, _, last = part.partition("-")
        chosen.update(range(int(first), int(last or first) + 1))
    return len(chosen)


def _cpus(online: object, each: object) -> int | None:
    """Read how many processors are on: cgroup v2 lists none, older engines count none."""
    told = read_whole(online) or (len(each) if isinstance(each, list) else 0)
    return told if 0 < told <= MAX_CPUS else None


def _memory(memory: Mapping[str, Any]) -> int | None:
    """Take the page cache off, as the command ``docker stats`` does."""
    usage, parts = read_whole(memory.get("usage")), read_object(memory.get("stats"))
    if usage is None:
        return None
    # cgroup v1 has both words, of which only the first counts the groups below, too.
    for word in ("total_inactive_file", "inactive_file"):
        cache = read_whole(parts.get(word))
        if cache is not None and cache < usage:
            return usage - cache
    return usage


def _over_networks(networks: Mapping[str, Any], word: str) -> int | None:
    counts = [read_whole(read_object(network).get(word)) for network in networks.values()]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _over_devices(entries: object, word: str) -> int | None:
    """Sum up one operation: ``Read`` under cgroup v1, ``read`` under v2."""
    rows = entries if isinstance(entries, list) else []
    counts = [
        read_whole(row.get("value"))
        for row in rows
        if isinstance(row, dict) and str(row.get("op")).lower() == word
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _exit_code(value: object) -> int | None:
    return value if type(value) is int and abs(value) < 1 << 32 else None
