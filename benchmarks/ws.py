"""
What `/ws` costs: latency of a frame and CPU of a send, beside the limit taken in the same run.

``python -m benchmarks.ws [--frames 40]``. The limit is `websockets.broadcast` sending the same
bytes, which is about the least that Python can do. Server and clients are processes of their own,
both servers get the same frames at the same pace, in turns, and the clients are not counted: the
middle one of three rounds stands in the table, as others use the same cores. Also prints
the bytes of an idle minute, for each subscription.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from websockets.asyncio.server import broadcast, serve

from kato_panel import composing
from kato_panel.config import load
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.runtime import Runtime
from kato_panel.server import endpoint
from kato_panel.server.api import make_feed, routes
from kato_panel.watcher import now

CLIENTS = (1, 50, 200, 500)
FRAMES_PER_SECOND = 20
AIM_RATIO = 1.5
AIM_P95_SECONDS = 0.05
AIM_IDLE_BYTES = 8_000
IDLE_SECONDS = 60.0
WARM_UP_FRAMES = 10
ROUNDS = 3


def build_event(seq):
    """Build one that tells when it was made, in the name of its node."""
    name = Name(f"session-{seq:032x}-1795442350941", f"{time.time():.6f}")
    return SessionEvent(
        seq, Kind.CREATED, datetime.now(UTC), seq - 1, seq, 1, "stream", (name,), None, None, 0.05
    )


class Client(asyncio.Protocol):
    """Reads frames, and notes how late each is."""

    def __init__(self):
        self._buffer, self._is_open, self.late, self.bytes = b"", False, [], 0

    def connection_made(self, transport):
        """Ask for the socket."""
        self.transport = transport
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data):
        """Read whole frames."""
        at_second = time.time()
        self._buffer += data
        if not self._is_open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self._is_open, self._buffer = True, rest
            data = rest
        self.bytes += len(data)
        for part in data.split(b'"node_ids":["')[1:]:
            self.late.append(at_second - float(part.partition(b'"')[0]))

    def subscribe(self, names):
        """Send a masked frame; the mask is nought."""
        text = json.dumps({"type": "subscribe", "subscriptions": names}).encode()
        self.transport.write(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)


async def be_clients(port, count, topics):
    """Hold so many connections open; report for each line of standard input."""
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(Client, "127.0.0.1", port) for _ in range(count)]
    clients = [client for _, client in pairs]
    for client in clients:
        if topics is not None:
            client.subscribe(topics)
    await asyncio.sleep(0.5)
    print("ready", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        late = [one for client in clients for one in client.late]
        size = sum(client.bytes for client in clients)
        print(json.dumps({"late": late, "bytes": size}), flush=True)
        for client in clients:
            client.late, client.bytes = [], 0


class Clients:
    """The clients' process."""

    def __init__(self, port, count, topics=None):
        command = [sys.executable, "-m", "benchmarks.ws", "--clients", str(port), str(count)]
        self._process = subprocess.Popen(
            [*command, json.dumps(topics)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    async def line(self):
        """Wait for its next line."""
        loop = asyncio.get_running_loop()
        line = await loop.run_in_executor(None, self._process.stdout.readline)
        assert line, "the clients' process has ended"
        return line

    async def report(self):
        """Ask for what it saw since the last time."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(await self.line())

    def end(self):
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextlib.asynccontextmanager
async def serving_ours(events="true"):
    """Give a port, and how an event is sent to all."""
    endpoint.MAX_CLIENTS_PER_ADDRESS = endpoint.MAX_CLIENTS
    runtime = Runtime(load({"KATO_PANEL_HISTORY_URL": "off", "WEBSOCKET_SESSION_EVENTS": events}))
    feed = make_feed(runtime)
    server = HTTPServer(Application(routes(runtime, feed)))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([listening])
    at = now()
    runtime.hub.publish(SessionSnapshot(at, 127, reported=127, at=at), ())
    yield listening.getsockname()[1], lambda event: runtime.hub.publish(None, (event,))
    feed.stop()
    server.stop()
    await server.close_all_connections()


@contextlib.asynccontextmanager
async def serving_limit():
    """Do the same with `websockets`, encoding each frame once too."""

    async def hold(connection):
        await connection.wait_closed()

    def send(event):
        frame = composing.encode(
            composing.compose_session_event(event, "0123456789abcdef", event.seq)
        )
        broadcast(server.connections, frame, text=True)

    async with serve(hold, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        yield server.sockets[0].getsockname()[1], send
        for connection in list(server.connections):
            connection.transport.abort()


def cpu_seconds():
    """Read the CPU time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def send_frames(send, frames, first):
    """Send so many, evenly; return the CPU seconds that took."""
    await asyncio.sleep(0.3)
    before, began = cpu_seconds(), time.monotonic()
    for i in range(frames):
        send(build_event(first + i))
        await asyncio.sleep(max(0.0, began + (i + 1) / FRAMES_PER_SECOND - time.monotonic()))
    return cpu_seconds() - before


async def measure(serving, count, frames):
    """Return CPU seconds of a send to one client, and how late frames were: p50 and p95."""
    async with serving() as (port, send):
        clients = Clients(port, count)
        try:
            await clients.line()
            await send_frames(send, WARM_UP_FRAMES, 1)
            await clients.report()
            idle_seconds = await send_frames(lambda _: None, frames, 1)
            used_seconds = await send_frames(send, frames, 1 + WARM_UP_FRAMES)
            await asyncio.sleep(0.3)
            late = (await clients.report())["late"]
        finally:
            clients.end()
    assert len(late) == count * frames, f"{len(late)} of {count * frames} frames came"
    return (used_seconds - idle_seconds) / len(late), (percentile(late, 50), percentile(late, 95))


async def measure_idle(topics, events="true"):
    """Return the bytes that one client is sent in an idle minute."""
    async with serving_ours(events) as (port, _):
        clients = Clients(port, 1, topics)
        try:
            await clients.line()
            await clients.report()
            began = time.monotonic()
            await asyncio.sleep(IDLE_SECONDS + 0.1)
            size = (await clients.report())["bytes"]
        finally:
            clients.end()
    return 60 * size / (time.monotonic() - began)


def percentile(values, part):
    """Give one, from 0 to 100."""
    return statistics.quantiles(values, n=100)[part - 1]


async def run(frames):
    """Measure and print."""
    print("| clients | µs of CPU a send: ours / limit | ratio | p50 / p95 ms: ours | limit | aim |")
    print("|---|---|---|---|---|---|")
    for count in CLIENTS:
        rounds = {serving_ours: [], serving_limit: []}
        for _ in range(ROUNDS):
            for serving, measured in rounds.items():
                measured.append(await measure(serving, count, frames))
        ours, limit = (statistics.median(one[0] for one in each) for each in rounds.values())
        late, limit_late = (sorted(one[1] for one in each)[ROUNDS // 2] for each in rounds.values())
        p95 = late[1]
        is_met = ours <= AIM_RATIO * limit and p95 <= AIM_P95_SECONDS
        print(
            f"| {count} | {1e6 * ours:.1f} / {1e6 * limit:.1f} | {ours / limit:.2f} "
            f"| {1000 * late[0]:.2f} / {1000 * p95:.2f} "
            f"| {1000 * limit_late[0]:.2f} / {1000 * limit_late[1]:.2f} "
            f"| {AIM_RATIO} x, {1000 * AIM_P95_SECONDS:.0f} ms: {'met' if is_met else 'missed'} |",
            flush=True,
        )
    print("\n| subscribed to | bytes of an idle minute | aim |\n|---|---|---|")
    idle = {
        "sessions": measure_idle(["sessions"]),
        "session_events": measure_idle(["session_events"]),
        "all": measure_idle(None),
        "all, without events": measure_idle(None, "false"),
    }
    for names, size in zip(idle, await asyncio.gather(*idle.values()), strict=True):
        verdict = f"{AIM_IDLE_BYTES}: {'met' if size <= AIM_IDLE_BYTES else 'missed'}"
        print(f"| {names} | {size:.0f} | {verdict} |")


def main():
    """Measure, or be the clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--clients", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clients:
        port, count, topics = options.clients
        asyncio.run(be_clients(int(port), int(count), json.loads(topics)))
    else:
        asyncio.run(run(options.frames))


if __name__ == "__main__":
    main()
