"""A feed over real sockets whose hub a test drives, and clients that count what they get."""

import asyncio
import json
import re
import socket
import struct
from contextlib import asynccontextmanager
from datetime import timedelta

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from websockets.asyncio.client import connect

from kato_panel.config import load
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.domain.upstream_figures import UpstreamFigures, WorkerMetrics
from kato_panel.runtime import Runtime
from kato_panel.server.api import make_feed, routes
from kato_panel.watcher import now
from tests.conftest import NOON

WAIT_SECONDS = 20


def created(seq, *, names=None, delta=1):
    """Build the event after which so many sessions are open; named, unless told otherwise."""
    known = (Name(f"session-{seq:032x}-1795442350941", "triage"),) if names is None else names
    return SessionEvent(
        seq,
        Kind.CREATED,
        NOON + timedelta(seconds=seq),
        seq - delta,
        seq,
        delta,
        "stream" if known else "http",
        known,
        since_last_event_seconds=1.0,
    )


class Rig:
    """A service of `/ws` alone."""

    def __init__(self, runtime, feed, port):
        self.runtime, self.hub, self.feed, self.port = runtime, runtime.hub, feed, port
        self.url = f"http://127.0.0.1:{port}"
        self.ws = f"ws://127.0.0.1:{port}/ws"

    def show(self, active):
        """Publish a state."""
        at = now()
        self.hub.publish(SessionSnapshot(at, active, reported=active, at=at), ())

    def report(self, body):
        """Publish what KATO says in ``/metrics``; ``None`` for no such thing."""
        read = None if body is None else WorkerMetrics(body=body)
        figures = UpstreamFigures(metrics=read, metrics_at=now())
        self.hub.publish(None, (), surroundings=Surroundings(figures=figures))

    def tell(self, *events):
        """Publish events."""
        self.hub.publish(None, events)

    @asynccontextmanager
    async def client(self, query="", **options):
        """Open a client that has read its first two frames."""
        async with connect(self.ws + query, proxy=None, **options) as socket_:
            yield Peer(socket_)


class Peer:
    """A client of the design document's kind."""

    def __init__(self, connection):
        self.connection = connection

    async def next(self):
        """Give the next frame."""
        async with asyncio.timeout(WAIT_SECONDS):
            return json.loads(await self.connection.recv())

    async def until(self, kind):
        """Give the next frame of a type, and pass over the others."""
        while (frame := await self.next())["type"] != kind:
            pass
        return frame

    async def greeted(self):
        """Read the first two frames."""
        return await self.next(), await self.next()

    async def send(self, frame):
        """Send JSON, or text as it is."""
        await self.connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def settled(self):
        """Give all frames up to the answer of a ping."""
        await self.send("ping")
        frames = []
        while (frame := await self.next())["type"] != "heartbeat":
            frames.append(frame)
        return frames

    async def closed(self):
        """Wait for the end; give its code."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self.connection.wait_closed()
        return self.connection.close_code


@asynccontextmanager
async def serving(**settings):
    """Serve `/ws` of a hub that nobody but the test publishes to."""
    runtime = Runtime(load({"KATO_PANEL_HISTORY_URL": "off", **settings}))
    feed = make_feed(runtime)
    server = HTTPServer(Application(routes(runtime, feed)))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([listening])
    try:
        yield Rig(runtime, feed, listening.getsockname()[1])
    finally:
        if feed is not None:
            feed.stop()
        server.stop()
        await server.close_all_connections()


EVENT = re.compile(rb'"type":"session_event".*?"seq":(\d+),.*?"current_count":(\d+)')
GAP = re.compile(rb'"from_seq":(\d+),"to_seq":(\d+)')
EPOCH = re.compile(rb'"epoch":"(\w+)","seq":(\d+)')


class Counter(asyncio.Protocol):
    """A client that reads frames as fast as Python can, and notes events and gaps."""

    def __init__(self, path="/ws", *, is_mute=False):
        self._path, self._buffer, self._is_open = path, b"", False
        self._is_mute = is_mute  # and answers no ping
        self.events, self.gaps, self.since = [], [], None
        self.beats = []  # how many events came before each heartbeat
        self.moved, self.ended = asyncio.Event(), asyncio.Event()

    @classmethod
    async def open(cls, port, *, address="127.0.0.1", query="", small_buffer=False, is_mute=False):
        """Connect from an address of this machine."""
        sock = socket.socket()
        if small_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind((address, 0))
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", port))
        _, counter = await loop.create_connection(
            lambda: cls("/ws" + query, is_mute=is_mute), sock=sock
        )
        return counter

    def connection_made(self, transport):
        self.transport = transport
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def connection_lost(self, exc):
        self.ended.set()
        self.moved.set()

    def send(self, text, opcode=0x81):
        """Send one masked frame of less than 64 KiB."""
        self.transport.write(masked(text, opcode))

    def data_received(self, data):
        self._buffer += data
        if not self._is_open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self._is_open, self._buffer = True, rest
        self._buffer = self._buffer[self._read(self._buffer) :]
        self.moved.set()

    def _read(self, buffer):
        """Read whole frames; give where the rest begins."""
        at, end = 0, len(buffer)
        while at + 2 <= end:
            size, begin = buffer[at + 1], at + 2
            if size == 126:
                size, begin = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, begin = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if begin + size > end:
                break
            if buffer[at] == 0x81:
                self._note(buffer[begin : begin + size])
            elif buffer[at] == 0x89 and not self._is_mute:
                self.send(buffer[begin : begin + size], 0x8A)
            at = begin + size
        return at

    def _note(self, text):
        event = EVENT.search(text)
        if event:
            self.since = int(event[1])
            self.events.append(int(event[2]))
        elif b'"type":"gap"' in text:
            gap = GAP.search(text)
            self.gaps.append((int(gap[1]), int(gap[2])))
            self.since = int(gap[2])
        elif b'"type":"heartbeat"' in text:
            self.beats.append(len(self.events))
        elif number := EPOCH.search(text):
            self.since = int(number[2])

    async def until(self, is_enough):
        """Wait until a condition holds, or the connection ends."""
        async with asyncio.timeout(60):
            while not is_enough(self) and not self.ended.is_set():
                self.moved.clear()
                await self.moved.wait()


def masked(text, opcode=0x81):
    """Make a frame as clients send it."""
    mask, size = b"\x15\xa3\x07\xfe", len(text)
    head = bytes((opcode, 0x80 | size)) if size < 126 else struct.pack("!BBH", opcode, 254, size)
    stretched = (mask * (size // 4 + 1))[:size]
    body = (int.from_bytes(text) ^ int.from_bytes(stretched)).to_bytes(size)
    return head + mask + body
