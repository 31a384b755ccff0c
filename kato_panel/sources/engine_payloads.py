"""
The container engine's own words, read strictly. No other module knows them.

Source: Docker Engine API 1.41 to 1.47, and Podman 4.3.1's service for it, as in ``tests/recorded``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Never
from urllib.parse import quote

from kato_panel.domain.containers import (
    ContainerChange,
    ContainerChanged,
    ContainerHealth,
    ContainerReading,
    ContainerState,
    Counters,
)
from kato_panel.domain.events import Moment
from kato_panel.errors import PayloadError

MAX_NAME: Final = 256
MAX_COUNT: Final = 1 << 63
MAX_CPUS: Final = 1 << 16
NO_LIMIT_BYTES: Final = 1 << 60
"""cgroup v1 writes a number near 2⁶³ where there is no limit."""
NANOSECONDS: Final = 1_000_000_000
USUAL_PERIOD: Final = 100_000
"""Microseconds of a scheduling period, where none is told."""

LIST_PATH: Final = "/containers/json"
LIST_QUERY: Final = {"all": "true"}
STATS_QUERY: Final = {"stream": "false", "one-shot": "true"}
EVENTS_PATH: Final = "/events"
EVENTS_QUERY: Final = {"filters": '{"type":["container"]}'}

_STATES: Final = {
    **{state.value: state for state in ContainerState},
    "configured": ContainerState.CREATED,  # Podman's words
    "initialized": ContainerState.CREATED,
    "stopped": ContainerState.EXITED,
    "stopping": ContainerState.RUNNING,
    "gone": ContainerState.UNKNOWN,
}
_CHANGES: Final = {
    **{change.value: change for change in ContainerChange},
    "remove": ContainerChange.REMOVED,  # Podman's words
    "died": ContainerChange.DIED,
}
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)


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


def decode(body: bytes) -> Any:
    """
    Read JSON.

    Parameters
    ----------
    body
        UTF-8.

    Raises
    ------
    PayloadError
        If it is none; holds NaN or an infinity; or nests too deep.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"answer is not JSON: {ascii(str(error))[1:81]}") from error


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
            _text(row.get("Image")),
            _labels(row.get("Labels")),
            _state(row.get("State")),
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
    told = _object(answer)
    state = told.get("State")
    if not isinstance(state, dict):
        raise PayloadError("the description of a container has no State")
    host = _object(told.get("HostConfig"))
    status = _state(state.get("Status"))
    is_over = status in {ContainerState.EXITED, ContainerState.DEAD}
    memory = _whole(host.get("Memory"))
    name = _text(told.get("Name"))
    return ContainerReading(
        at=at,
        container_id=listed.container_id,
        name=name.removeprefix("/") if name else listed.name,
        image=listed.image,
        state=listed.state if status is ContainerState.UNKNOWN else status,
        health=_health(_object(state.get("Health")).get("Status")),
        restarts=_whole(told.get("RestartCount")),
        started=_instant(state.get("StartedAt")),
        finished=_instant(state.get("FinishedAt")),
        exit_code=_exit_code(state.get("ExitCode")) if is_over else None,
        was_oom_killed=killed if isinstance(killed := state.get("OOMKilled"), bool) else None,
        cpu_limit=_cpu_limit(host),
        has_memory_limit=None if memory is None else memory > 0,
    )


def has_own_network(answer: object) -> bool:
    """Say whether a described container's network figures are its own, and not the host's."""
    return _object(_object(answer).get("HostConfig")).get("NetworkMode") not in {"host", "none"}


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
    cpu, memory = _object(answer.get("cpu_stats")), _object(answer.get("memory_stats"))
    usage = _object(cpu.get("cpu_usage"))
    nanoseconds, limit = _whole(usage.get("total_usage")), _whole(memory.get("limit"))
    networks = _object(answer.get("networks")) if has_network else {}
    blocks = _object(answer.get("blkio_stats")).get("io_service_bytes_recursive")
    return Counters(
        read_seconds=_seconds(answer.get("read")),
        cpu_seconds=None if nanoseconds is None else nanoseconds / NANOSECONDS,
        cpus=_cpus(cpu.get("online_cpus"), usage.get("percpu_usage")),
        memory_bytes=_memory(memory),
        memory_limit_bytes=limit if limit and limit < NO_LIMIT_BYTES else None,
        rx_bytes=_over_networks(networks, "rx_bytes"),
        tx_bytes=_over_networks(networks, "tx_bytes"),
        read_bytes=_over_devices(blocks, "read"),
        written_bytes=_over_devices(blocks, "write"),
    )


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """
    One event of the engine.

    Parameters
    ----------
    changed
        What happened.
    labels
        Of the container.
    since
        When, as ``since`` of a later call takes it; empty where it was not told.
    """

    changed: ContainerChanged
    labels: Mapping[str, str]
    since: str


def event(source: str, answer: object, at: Moment) -> EngineEvent | None:
    """
    Read one object of ``GET /events``.

    Parameters
    ----------
    source
        Who heard it.
    answer
        The decoded object.
    at
        When it was heard.

    Returns
    -------
    EngineEvent or None
        ``None`` for whatever tells nothing that concerns us.
    """
    told = _object(answer)
    actor = _object(told.get("Actor"))
    attributes = _labels(actor.get("Attributes"))
    word, _, detail = str(told.get("Action") or told.get("status") or "").partition(":")
    change = _CHANGES.get(word)
    container_id, name = actor.get("ID") or told.get("id"), attributes.get("name")
    if change is None or told.get("Type", "container") != "container":
        return None
    if not isinstance(container_id, str) or not container_id or not name:
        return None
    nanoseconds = _whole(told.get("timeNano"))
    code = attributes.get("exitCode", "")
    changed = ContainerChanged(
        source,
        at,
        change,
        container_id[:MAX_NAME],
        name.removeprefix("/"),
        happened=_from_epoch(nanoseconds),
        exit_code=int(code) if re.fullmatch(r"\d{1,3}", code, re.ASCII) else None,
        health=_health(detail.strip() or attributes.get("health_status")),
    )
    since = f"{nanoseconds // NANOSECONDS}.{nanoseconds % NANOSECONDS:09}" if nanoseconds else ""
    return EngineEvent(changed, attributes, since)


def refusal(body: bytes) -> str:
    """Read why the engine refuses: the ``message`` of its answer, or an empty text."""
    try:
        answer = decode(body)
    except PayloadError:
        return ""
    return ascii(_text(_object(answer).get("message")) or "")[1:-1][:120]


def _own_name(names: object) -> str | None:
    """Choose the name of its own: links to it are told as ``/other/alias``."""
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    own = [name for name in texts if "/" not in name.removeprefix("/")] or texts
    return _text(own[0].removeprefix("/")) if own else None


def _labels(value: object) -> dict[str, str]:
    return {key: _sound(text) for key, text in _object(value).items() if isinstance(text, str)}


def _state(value: object) -> ContainerState:
    known = value.lower() if isinstance(value, str) else ""
    return _STATES.get(known, ContainerState.UNKNOWN)


def _health(value: object) -> ContainerHealth | None:
    """Read what a health check says; engines write none in three ways."""
    is_known = value in {health.value for health in ContainerHealth}
    return ContainerHealth(str(value)) if is_known else None


def _cpu_limit(host: Mapping[str, Any]) -> float | None:
    """Read how many processors a container may use: by share of time, and by which ones."""
    limits: list[float] = []
    if nano := _whole(host.get("NanoCpus")):
        limits.append(nano / NANOSECONDS)
    elif quota := _whole(host.get("CpuQuota")):
        limits.append(quota / (_whole(host.get("CpuPeriod")) or USUAL_PERIOD))
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
    told = _whole(online) or (len(each) if isinstance(each, list) else 0)
    return told if 0 < told <= MAX_CPUS else None


def _memory(memory: Mapping[str, Any]) -> int | None:
    """Take the page cache off, as the command ``docker stats`` does."""
    usage, parts = _whole(memory.get("usage")), _object(memory.get("stats"))
    if usage is None:
        return None
    # cgroup v1 has both words, of which only the first counts the groups below, too.
    for word in ("total_inactive_file", "inactive_file"):
        cache = _whole(parts.get(word))
        if cache is not None and cache < usage:
            return usage - cache
    return usage


def _over_networks(networks: Mapping[str, Any], word: str) -> int | None:
    counts = [_whole(_object(network).get(word)) for network in networks.values()]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _over_devices(entries: object, word: str) -> int | None:
    """Sum up one operation: ``Read`` under cgroup v1, ``read`` under v2."""
    rows = entries if isinstance(entries, list) else []
    counts = [
        _whole(row.get("value"))
        for row in rows
        if isinstance(row, dict) and str(row.get("op")).lower() == word
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int | None:
    # `type(...) is int`: True is an int for isinstance, and is no count.
    return value if type(value) is int and 0 <= value < MAX_COUNT else None


def _exit_code(value: object) -> int | None:
    return value if type(value) is int and abs(value) < 1 << 32 else None


def _text(value: object) -> str | None:
    return _sound(value) if isinstance(value, str) and value else None


def _sound(text: str) -> str:
    """Bound a text from outside, and make it encodable as UTF-8."""
    return _LONE_SURROGATE.sub("\ufffd", text[:MAX_NAME])


def _seconds(value: object) -> float | None:
    """Read an instant with up to nine digits of a second, since 1970; ``None`` for *never*."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    whole, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(whole + zone)
    except ValueError:
        return None
    seconds = at.timestamp() + int((fraction or "").ljust(9, "0")) / NANOSECONDS
    return seconds if seconds > 0 else None


def _instant(value: object) -> datetime | None:
    seconds = _seconds(value)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _from_epoch(nanoseconds: int | None) -> datetime | None:
    if not nanoseconds:
        return None
    return datetime.fromtimestamp(nanoseconds / NANOSECONDS, UTC)  # 2⁶³ ns are the year 2262


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")
