"""Sockets that say nothing: for how long, and how many."""

import logging
import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from ipaddress import ip_network
from types import SimpleNamespace

import httpx
import pytest
from websockets.sync.client import connect as websocket

from kato_panel.server import service as services
from kato_panel.server import sockets
from kato_panel.server.sockets import Sockets
from kato_panel.simulator import EmbeddedSimulator
from tests.server.test_service import service_in_thread

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def simulator():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


def port_of(box):
    return int(box["service"].url.rsplit(":", 1)[1].partition("/")[0])


@pytest.fixture
def say():
    """Opens a socket, and says something or nothing; it ends with the test."""
    links = []

    def open_one(port, words=b"", address="127.0.0.1"):
        links.append(socket.create_connection(("127.0.0.1", port), 10, source_address=(address, 0)))
        links[-1].sendall(words)
        return links[-1]

    yield open_one
    for link in links:
        link.close()


def is_closed(link, seconds=10):
    """Whether the service closes within that time; what it says before is passed over."""
    link.settimeout(seconds)
    try:
        while link.recv(65_536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize(
    "words",
    [b"", HEAD, b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nuser"],
    ids=["nothing", "half a head", "half a body"],
)
def test_who_does_not_finish_is_closed(simulator, monkeypatch, say, words):
    """Long before anybody else is held up by it."""
    short = {"idle_connection_timeout": 0.3, "body_timeout": 0.3}
    monkeypatch.setattr(services, "SOCKET_LIMITS", short)
    with service_in_thread(simulator.url, KATO_PANEL_AUTH_TOKEN="a-token-of-some-length") as box:
        assert is_closed(say(port_of(box), words))


def test_who_asks_again_later_is_answered(simulator, monkeypatch, say):
    """On the same socket while it is open, else on another, which no client notices."""
    monkeypatch.setattr(services, "SOCKET_LIMITS", {"idle_connection_timeout": 1.0})
    with service_in_thread(simulator.url) as box:
        link = say(port_of(box), HEAD + b"\r\n")
        assert b"200 OK" in link.recv(65_536)
        link.sendall(HEAD + b"\r\n")
        assert b"200 OK" in link.recv(65_536)
        with httpx.Client(base_url=f"http://127.0.0.1:{port_of(box)}", trust_env=False) as client:
            assert client.get("/healthz").status_code == 200
            last = say(port_of(box), HEAD + b"\r\n")
            assert is_closed(link)
            assert is_closed(last)  # and so is the client's, which was silent for longer
            assert client.get("/healthz").status_code == 200


def test_waits_are_as_published():
    """Longer than the 15 s after which much asks again; and all of them are limited."""
    limits = sockets.SOCKET_LIMITS
    assert limits == {"idle_connection_timeout": 20, "body_timeout": 10}
    assert services.SOCKET_LIMITS is limits


def test_sockets_from_one_address_are_bounded(simulator, monkeypatch, say, caplog):
    """One too many is closed at once, and said once; others come in, WebSockets do not count."""
    monkeypatch.setattr(sockets, "MAX_SOCKETS_PER_ADDRESS", 4)
    with service_in_thread(simulator.url) as box, caplog.at_level(logging.WARNING):
        port = port_of(box)
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(websocket(f"ws://127.0.0.1:{port}/ws", proxy=None))
            silent = [say(port) for _ in range(4)]
            assert is_closed(say(port))
            assert is_closed(say(port))
            assert b"200 OK" in say(port, HEAD + b"\r\n", "127.0.0.2").recv(65_536)
            for link in silent:
                link.close()
            until = time.monotonic() + 10
            while is_closed(say(port), 0.1):
                assert time.monotonic() < until
    assert caplog.text.count("too many sockets are open") == 1


class Server:
    """Takes sockets, and forgets them."""

    def __init__(self):
        self.taken = []

    def handle_stream(self, stream, address):
        self.taken.append(stream)

    def on_close(self, connection):
        self.taken.remove(connection.stream)


class Stream:
    is_closed = False

    def close(self):
        self.is_closed = True


def take(server, address):
    stream = Stream()
    server.handle_stream(stream, (address, 1))
    return stream


def test_proxy_that_is_named_speaks_for_many(monkeypatch):
    """Up to the bound of all; an address of IPv6 speaks for its whole network."""
    monkeypatch.setattr(sockets, "MAX_SOCKETS_PER_ADDRESS", 2)
    monkeypatch.setattr(sockets, "MAX_SOCKETS", 9)
    server = Server()
    Sockets([ip_network("10.0.0.0/8")]).install(server)
    assert not any(take(server, f"2001:db8::{number}").is_closed for number in range(2))
    assert take(server, "2001:db8::9").is_closed
    assert not any(take(server, "10.0.0.1").is_closed for _ in range(7))
    assert take(server, "10.0.0.1").is_closed
    assert take(server, "192.0.2.1").is_closed
    context = SimpleNamespace(address=("10.0.0.1", 1))
    server.on_close(SimpleNamespace(stream=server.taken[-1], context=context))
    assert not take(server, "192.0.2.1").is_closed


def test_service_may_open_as_many_files_as_its_user():
    """The usual bound is raised to the hard one, within reason."""
    code = (
        "import resource as r; from kato_panel.server.sockets import allow_many_files; "
        "r.setrlimit(r.RLIMIT_NOFILE, (256, r.getrlimit(r.RLIMIT_NOFILE)[1])); "
        "allow_many_files(); print(*r.getrlimit(r.RLIMIT_NOFILE))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    soft, hard = map(int, told.stdout.split())
    assert hard == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert soft == min(hard, sockets.MAX_FILES) if hard > 0 else sockets.MAX_FILES
