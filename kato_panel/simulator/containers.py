"""
The containers that the simulated upstream runs in: what an engine counts of them, seeded.

Their work follows the simulated load: the sessions that live, and those that were created.
"""

import dataclasses
import math
import random
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from .world import World

NANOSECONDS = 1_000_000_000
MEBIBYTE = 1 << 20
HOST_CPUS = 8
HOST_BYTES = 16 << 30
KEPT_EVENTS = 200
UP_SECONDS = 3 * 86_400
"""So long before the simulator they were started."""


@dataclasses.dataclass(frozen=True, slots=True)
class Make:
    """
    How one kind of container works.

    ``cpu`` is of one processor at rest, ``cpu_each`` more for each live session, and
    ``cpu_new`` in seconds for each that is created. Memory is in MiB; traffic in bytes.
    ``bursts`` is the height of the work that it does by itself now and then.
    """

    name: str
    image: str
    cpu: float
    cpu_each: float
    cpu_new: float
    memory: float
    memory_each: float
    traffic_each: float
    traffic_new: float
    writes_new: float
    bursts: float = 0.0
    cpus: float = 0.0
    limit: int = 0


MAKES = (
    Make("kato", "kato:3.10.1", 0.04, 0.0016, 0.09, 310, 0.32, 90, 9_000, 700, 0.06, 2.0, 1024),
    Make("kato-redis", "redis:7.4", 0.012, 0.0002, 0.01, 42, 0.05, 60, 5_200, 2_400, 0.01, 0, 256),
    Make(
        *("kato-clickhouse", "clickhouse:24.8", 0.07, 0.0004, 0.02, 780, 0.2, 30, 2_600, 61_000),
        bursts=0.45,
    ),
    Make("kato-qdrant", "qdrant:1.11", 0.02, 0.0003, 0.015, 205, 0.1, 25, 1_900, 9_000, 0.05),
)


class Container:
    """
    One container, and what was counted of it so far.

    Parameters
    ----------
    make
        How it works.
    number
        Which of them it is.
    seed
        Draws its id and its moods.
    now
        Epoch seconds.
    """

    def __init__(self, make: Make, number: int, seed: int, now: float) -> None:
        drawn = random.Random(f"{seed}/containers/{number}")
        self.make = make
        self.name = make.name
        self.container_id = f"{drawn.getrandbits(256):064x}"
        self.address = f"172.18.0.{number + 2}"
        self.phase = drawn.random() * 100
        self.status = "running"
        self.health = "healthy"
        self.restarts = 0
        self.exit_code = 0
        self.was_oom_killed = False
        self.finished_at = 0.0
        self.created_at = now - UP_SECONDS
        self.begin(self.created_at)
        self.counted_at = now
        self.cpu_seconds = UP_SECONDS * make.cpu
        self.rx, self.written = float(UP_SECONDS * 40), float(UP_SECONDS * 200)

    def begin(self, now: float) -> None:
        """Start it (anew): its counters begin at zero."""
        self.status, self.started_at, self.counted_at = "running", now, now
        self.cpu_seconds = self.rx = self.written = 0.0
        self.was_oom_killed = False

    def end(self, now: float, exit_code: int) -> None:
        """Let its process end."""
        self.status, self.finished_at, self.exit_code = "exited", now, exit_code

    def count(self, now: float, live: int, created: int) -> None:
        """Count what it did since it was counted last."""
        seconds = now - self.counted_at
        if seconds <= 0 or self.status != "running":
            return
        make = self.make
        work = make.cpu + make.cpu_each * live + make.bursts * self._mood(now, 47) ** 4
        self.cpu_seconds += seconds * work * (0.85 + 0.3 * self._mood(now, 9)) + created * (
            make.cpu_new
        )
        self.rx += seconds * make.traffic_each * live + created * make.traffic_new
        self.written += created * make.writes_new + seconds * 900 * make.bursts
        self.counted_at = now

    def memory_bytes(self, live: int, now: float) -> int:
        """Tell what it uses now, without page cache."""
        warm = 1 - math.exp(-(now - self.started_at) / 30)  # fresh ones have not filled up
        grown = self.make.memory * (0.6 + 0.4 * warm) + self.make.memory_each * live
        return int(grown * (1 + 0.02 * self._mood(now, 180)) * MEBIBYTE)

    def _mood(self, now: float, period_seconds: float) -> float:
        """Give a number from 0 to 1 that comes and goes."""
        return 0.5 + 0.5 * math.sin(2 * math.pi * now / period_seconds + self.phase)


class Fleet:
    """
    All containers of the simulated upstream.

    Parameters
    ----------
    seed
        Same seed, same ids and moods.
    clock
        Returns the present in epoch seconds.
    world
        Whose load they have.
    makes
        Which there are.
    """

    def __init__(
        self, seed: int, clock: Callable[[], float], world: World, makes: Iterable[Make] = MAKES
    ) -> None:
        self.clock = clock
        self._world = world
        now = clock()
        made = [Container(make, at, seed, now) for at, make in enumerate(makes)]
        self.containers = {one.container_id: one for one in made}
        self.events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self.on_event: Callable[[dict[str, Any]], None] | None = None
        self._created = world.created_total

    def count(self) -> int:
        """Let all of them have worked until now; return how many sessions live."""
        now, live = self.clock(), len(self._world.sessions)
        created, self._created = (
            self._world.created_total - self._created,
            self._world.created_total,
        )
        for one in self.containers.values():
            one.count(now, live, created)
        return live

    def find(self, name: str) -> Container | None:
        """Find one by its name or its id."""
        known = self.containers.values()
        return next((one for one in known if name in (one.name, one.container_id)), None)

    def order(self, one: Container, what: str, name: str | None) -> None:
        """Do something to one of them, and tell it."""
        now = self.clock()
        if what in ("stop", "kill", "restart", "oom") and one.status == "running":
            if what == "oom":
                self._tell(one, "oom")
            one.end(now, 0 if what == "stop" else 137)
            one.was_oom_killed = what == "oom"
            self._tell(one, "die", exitCode=str(one.exit_code))
        if what in ("start", "restart", "oom") and one.status != "running":
            killed = one.was_oom_killed
            one.begin(now)
            one.was_oom_killed = killed
            one.restarts += what == "oom"  # the engine's own policy
            self._tell(one, "start")
        if what == "restart":
            self._tell(one, "restart")
        if what in ("healthy", "unhealthy"):
            one.health = what
            self._tell(one, f"health_status: {what}")
        if what == "rename" and name is not None:
            one.name = name
            self._tell(one, "rename")
        if what == "remove":
            del self.containers[one.container_id]
            self._tell(one, "destroy")

    def _tell(self, one: Container, action: str, **attributes: str) -> None:
        nanoseconds = int(self.clock() * NANOSECONDS)
        event = {
            "Type": "container",
            "Action": action,
            "Actor": {
                "ID": one.container_id,
                "Attributes": {"name": one.name, "image": one.make.image, **attributes},
            },
            "time": nanoseconds // NANOSECONDS,
            "timeNano": nanoseconds,
        }
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    def row(self, one: Container) -> dict[str, Any]:
        """Tell one as the engine's list does."""
        return {
            "Id": one.container_id,
            "Names": [f"/{one.name}"],
            "Image": one.make.image,
            "State": one.status,
            "Labels": {"com.docker.compose.project": "kato"},
        }

    def describe(self, one: Container) -> dict[str, Any]:
        """Tell all of one."""
        return {
            "Id": one.container_id,
            "Name": f"/{one.name}",
            "Created": instant(one.created_at),
            "RestartCount": one.restarts,
            "State": {
                "Status": one.status,
                "OOMKilled": one.was_oom_killed,
                "ExitCode": one.exit_code,
                "StartedAt": instant(one.started_at),
                "FinishedAt": instant(one.finished_at),
                "Health": {"Status": one.health if one.status == "running" else "none"},
            },
            "HostConfig": {
                "NetworkMode": "kato_default",
                "NanoCpus": int(one.make.cpus * NANOSECONDS),
                "Memory": one.make.limit * MEBIBYTE,
            },
        }

    def stats(self, one: Container, live: int) -> dict[str, Any]:
        """Tell what was counted of one."""
        used, cache = one.memory_bytes(live, one.counted_at), 24 * MEBIBYTE
        blocks = [
            {"major": 8, "minor": 0, "op": "read", "value": int(one.written / 9)},
            {"major": 8, "minor": 0, "op": "write", "value": int(one.written)},
        ]
        return {
            "read": instant(one.counted_at),
            "cpu_stats": {
                "cpu_usage": {"total_usage": int(one.cpu_seconds * NANOSECONDS)},
                "online_cpus": HOST_CPUS,
            },
            "memory_stats": {
                "usage": used + cache,
                "limit": one.make.limit * MEBIBYTE or HOST_BYTES,
                "stats": {"inactive_file": cache},
            },
            "networks": {
                "eth0": {"rx_bytes": int(one.rx), "tx_bytes": int(one.rx * 1.4)},
            },
            "blkio_stats": {"io_service_bytes_recursive": blocks},
        }


def instant(epoch_seconds: float) -> str:
    """Write a time as an engine does; its word for *never* is the year 1."""
    if not epoch_seconds:
        return "0001-01-01T00:00:00Z"
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat().replace("+00:00", "Z")
