"""A scripted container engine on a socket of its own, which can misbehave call by call."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

NANOSECONDS = 1_000_000_000
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FakeContainer:
    """
    What the fake tells of one container.

    Parameters
    ----------
    name, state, labels
        As in the list.
    started
        As the description has it.
    cpu_share
        Of one processor; its counter grows by it.
    rx_bytes
        As counted now.
    host
        Its ``HostConfig``.
    """

    name: str
    state: str = "running"
    labels: dict[str, str] = field(default_factory=dict)
    started: str = "2026-11-22T11:00:00Z"
    cpu_share: float = 0.5
    rx_bytes: int = 0
    host: dict[str, Any] = field(default_factory=dict)


class FakeEngine:
    """
    Answers as Docker does, unless told otherwise; on the running loop.

    Parameters
    ----------
    path
        Where its socket is.
    clock
        Seconds since 1970, as it counts with.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.path = path
        self.containers: dict[str, FakeContainer] = {}
        self.calls: list[str] = []
        self.listeners: list[asyncio.StreamWriter] = []
        self._odd: list[tuple[str, Answer]] = []
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._callers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._listening = asyncio.Event()

    @property
    def environment(self) -> dict[str, str]:
        """What names it to a client."""
        return {"DOCKER_HOST": f"unix://{self.path}"}

    @contextmanager
    def odd(self, part: str, answer: Answer) -> Iterator[None]:
        """Answer calls otherwise whose address has this part."""
        self._odd.append((part, answer))
        try:
            yield
        finally:
            self._odd.remove((part, answer))

    async def tell(self, event: dict[str, Any]) -> None:
        """Tell an event to everyone who listens."""
        line = json.dumps(event).encode() + b"\n"
        for writer in self.listeners:
            writer.write(b"%x\r\n%b\r\n" % (len(line), line))
            await writer.drain()

    async def wait_for_listener(self) -> None:
        """Wait until somebody follows the events."""
        async with asyncio.timeout(10):
            await self._listening.wait()

    def hang_up(self) -> None:
        """Drop all connections."""
        self._listening.clear()
        self.listeners.clear()
        for task, writer in self._callers.items():
            writer.transport.abort()
            task.cancel()

    async def start(self) -> Self:
        """Listen from now on."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def stop(self) -> None:
        """Be away from now on, and leave no socket."""
        assert self._server is not None
        self._server.close()
        self.hang_up()
        self.path.unlink(missing_ok=True)
        await asyncio.gather(*self._callers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers[task] = writer
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
                self.calls.append(f"{method} {target}")
                odd = next((answer for part, answer in self._odd if part in target), None)
                await (odd(writer) if odd else self._answer(target, writer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the caller has gone, or this engine has
        finally:
            del self._callers[task]
            writer.close()

    async def _answer(self, target: str, writer: asyncio.StreamWriter) -> None:
        path = target.partition("?")[0]
        if path == "/events":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.listeners.append(writer)
            self._listening.set()
            return
        if path == "/containers/json":
            body: Any = [self._row(container_id) for container_id in self.containers]
        else:
            _, _, container_id, what = path.split("/")
            container = self.containers.get(container_id)
            if container is None:
                await answering(404, {"message": f"No such container: {container_id}"})(writer)
                return
            body = self._describe(container) if what == "json" else self._count(container)
        await answering(200, body)(writer)

    def _row(self, container_id: str) -> dict[str, Any]:
        one = self.containers[container_id]
        row = {"Id": container_id, "Names": [f"/{one.name}"], "Image": "kato:1"}
        return row | {"State": one.state, "Labels": one.labels}

    def _describe(self, one: FakeContainer) -> dict[str, Any]:
        state = {"Status": one.state, "StartedAt": one.started, "OOMKilled": False}
        host = {"Memory": 0, "NetworkMode": "bridge"} | one.host
        return {"Name": f"/{one.name}", "State": state, "RestartCount": 0, "HostConfig": host}

    def _count(self, one: FakeContainer) -> dict[str, Any]:
        now = self._clock()
        read = datetime.fromtimestamp(now, UTC).isoformat()
        usage = {"total_usage": int(now * one.cpu_share * NANOSECONDS)}
        return {
            "read": read,
            "cpu_stats": {"cpu_usage": usage, "online_cpus": 2},
            "memory_stats": {"usage": 5_000, "limit": 10_000, "stats": {"inactive_file": 1_000}},
            "networks": {"eth0": {"rx_bytes": one.rx_bytes, "tx_bytes": 0}},
        }


def answering(code: int, body: Any, headers: str = "") -> Answer:
    """Make an answer: JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {code} X\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        writer.write(head.encode() + content)

    return answer


async def hang(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def trickling(interval_seconds: float) -> Answer:
    """Make an answer whose body comes byte by byte, and has no end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(interval_seconds)

    return answer


def late(seconds: float, then: Answer) -> Answer:
    """Make an answer that comes after so long."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await then(writer)

    return answer
