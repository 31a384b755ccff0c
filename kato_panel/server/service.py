"""The full service: the page, our routes, and their end, in one process on one port."""

import asyncio
import gc
import logging
import secrets
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from panel.io.server import get_server
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClosedError

from kato_panel import runtime as runtimes
from kato_panel.errors import ConfigError
from kato_panel.runtime import Runtime
from kato_panel.server.api import StartPageRequest, make_feed, routes
from kato_panel.server.static import static_routes

logger = logging.getLogger(__name__)

PAGE = "app"
TOKEN_SECONDS = 86_400
"""A page that was asleep for a day may still come back."""
UNUSED_SECONDS = 15.0
FIRST_LOOK_SECONDS = 30.0


class Service:
    """
    Panel's server with our routes, and the watcher behind it.

    Parameters
    ----------
    runtime
        Not yet started; this service starts and stops it.
    page
        Builds the page for one visit.
    unused_seconds
        How long a visit without a socket is kept for its return.

    Attributes
    ----------
    feed
        What the clients of ``/ws`` are told by; ``None`` where that is switched off.

    Raises
    ------
    ConfigError
        If it cannot listen where it should.
    """

    def __init__(
        self, runtime: Runtime, page: Callable[[], Any], *, unused_seconds: float = UNUSED_SECONDS
    ) -> None:
        self.runtime = runtime
        self.feed = make_feed(runtime)
        host, port = runtime.settings.host, runtime.settings.port
        try:
            port = _probe_port(host, port)
            addresses = _addresses(host, port)
            self._server = get_server(
                {PAGE: page},
                port=port,
                address=host,
                title="KATO sessions",
                extra_patterns=[
                    (r"/", StartPageRequest, {"runtime": runtime}),
                    *routes(runtime, self.feed),
                    *static_routes(),
                ],
                session_token_expiration=TOKEN_SECONDS,
                unused_session_lifetime_milliseconds=int(1000 * unused_seconds),
                check_unused_sessions_milliseconds=int(1000 * unused_seconds),
                websocket_origin=_origins(host, port),
                # Where deletes are allowed, a page's token says for sure how the page was asked
                # for; a restart makes the tokens of before worthless, and pages load anew.
                sign_sessions=runtime.settings.allow_actions,
                secret_key=secrets.token_bytes(32),
            )
        except OSError as error:
            # Bokeh's error and the resolver's have no `strerror` of their own in all cases.
            why = error.strerror or str(error)
            problem = f"KATO_PANEL_PORT is {port} on {host}, which cannot be used: {why}"
            way_out = "choose another with --port, or PORT= for make"
            raise ConfigError([f"{problem}; {way_out}"]) from error
        runtime.listens_on = addresses
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/{PAGE}"

    def start(self) -> None:
        """Begin to watch and to serve, on the loop of this thread."""
        self.runtime.start()
        runtimes.install(self.runtime)
        self._server.start()
        logger.info("serving at %s", self.url)

    def stop(self) -> None:
        """End what `start` began."""
        if self.feed is not None:
            self.feed.stop()
        self._server.stop(wait=False)
        self._server.unlisten()
        self.runtime.stop()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = IOLoop.current()
        asyncio.get_event_loop().set_exception_handler(_pass_over_closed_pages)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_event_loop().add_signal_handler(number, loop.stop)
        gc.collect()
        self.start()
        _search_no_garbage_before_the_first_look(self.runtime, loop)
        try:
            loop.start()
        finally:
            self.stop()


def _search_no_garbage_before_the_first_look(runtime: Runtime, loop: IOLoop) -> None:
    """
    Keep out of every search for garbage what stays: all that is loaded, and all that is found.

    Panel has all garbage collected after visits end, on this loop, and looking through what stays
    is most of what that takes. A first look at 100,000 sessions makes as many records; searching
    them all, again and again while they come, stands both loops still for 0.1 s each time.
    """
    gc.freeze()
    gc.disable()

    def settle() -> None:
        subscription.close()
        if not gc.isenabled():
            gc.freeze()
            gc.enable()

    def look() -> None:
        snapshot = subscription.take().snapshot
        if snapshot is not None and snapshot.active is not None:
            settle()

    with_loop = partial(loop.add_callback, look)
    subscription, before = runtime.hub.subscribe(with_loop)
    if before.snapshot is not None and before.snapshot.active is not None:
        settle()
    loop.call_later(FIRST_LOOK_SECONDS, settle)  # whatever became of it


def _pass_over_closed_pages(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave unsaid that a page was closed while Panel wrote to it: that is how pages end."""
    if not isinstance(context.get("exception"), WebSocketClosedError):
        loop.default_exception_handler(context)


def _origins(host: str, port: int) -> list[str]:
    """
    List from which addresses a page may open its socket, beside the one it was loaded from.

    Bokeh's list takes no IPv6 addresses; Tornado lets a page's own address pass in any case.
    """
    names = {host, "localhost"} if host in {"127.0.0.1", "::1"} else {host}
    return [f"{name}:{port}" for name in sorted(names) if ":" not in name] or [f"localhost:{port}"]


def _addresses(host: str, port: int) -> tuple[str, ...]:
    """List the addresses that a name stands for, as Tornado asks for them when it listens."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return tuple(str(place[0]) for *_, place in found)


def _probe_port(host: str, port: int) -> int:
    """
    Find out whether a port can be listened on, and which one 0 stands for.

    Bokeh wants to know its port before it listens, and leaves sockets open where it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])
