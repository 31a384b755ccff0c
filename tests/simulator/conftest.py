import contextlib
import json
import socket
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from kato_panel.simulator import EmbeddedSimulator

RECORDED = Path(__file__).parents[1] / "recorded"
PREFIX = "kato-3.10.1-2026-11-22-c584167-"
WAIT_SECONDS = 5.0


class Clock:
    """A clock that moves only when told to."""

    def __init__(self):
        self.now = 1_795_000_000.25

    def __call__(self):
        """Return the present."""
        return self.now


class Peer:
    """What a test sees of one running simulator."""

    def __init__(self, simulator, clock):
        self.simulator = simulator
        self.clock = clock
        self.url = simulator.url
        self.streams = contextlib.ExitStack()
        self.http = httpx.Client(base_url=self.url, timeout=WAIT_SECONDS)

    def open_stream(self):
        """Open a stream that lasts as long as the test, and take its snapshot."""
        stream = self.streams.enter_context(self.stream())
        assert receive(stream)["event_type"] == "state.snapshot"
        return stream

    def close(self):
        """End the streams, the client and the simulator."""
        self.streams.close()
        self.http.close()
        self.simulator.stop()

    def create(self, **body):
        """Create a session and return its id."""
        answer = self.http.post("/sessions", json={"node_id": "n"} | body)
        assert answer.status_code == 200, answer.text
        return answer.json()["session_id"]

    def stream(self):
        """Return a context manager around one stream; it never stalls and closes promptly."""
        url = self.url.replace("http", "ws") + "/ws/events"
        return connect(url, proxy=None, max_queue=None, close_timeout=0.5)

    def connect_raw(self):
        """Open a TCP connection; the test closes it."""
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=WAIT_SECONDS)

    def open_deaf_stream(self):
        """Open a stream that never reads on, and takes little before that shows."""
        raw = self.streams.enter_context(self.connect_raw())
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(
            b"GET /ws/events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert raw.recv(12) == b"HTTP/1.1 101"

    def order(self, route, body, status=200):
        """Send a control order and return the answer."""
        answer = self.http.post(f"/_simulator/{route}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def truth(self):
        """Return what is really so."""
        return self.simulator.truth()

    def health(self):
        """Return the count that upstream's health tells."""
        return self.http.get("/health").json()["active_sessions"]


def recording(name):
    return json.loads((RECORDED / f"{PREFIX}{name}.json").read_text())


def receive(stream):
    return json.loads(stream.recv(timeout=WAIT_SECONDS))


@pytest.fixture
def begin():
    """Start simulators that are gone when the test is."""
    running = []

    def begin_one(**options):
        clock = options.pop("clock", None) or Clock()
        simulator = EmbeddedSimulator(**({"rate": 0, "initial": 0, "clock": clock} | options))
        simulator.start()
        peer = Peer(simulator, clock)
        running.append(peer)
        return peer

    yield begin_one
    for one in running:
        one.close()


@pytest.fixture
def peer(begin):
    return begin()
