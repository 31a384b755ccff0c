"""The full service: the page, our routes, and their end, in one process on one port."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from panel.io.server import get_server
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClosedError

from kato_panel import runtime as runtimes
from kato_panel.domain.actions import FORWARDED, VISITOR
from kato_panel.errors import ConfigError
from kato_panel.ports import find_place, say_taken
from kato_panel.runtime import Runtime
from kato_panel.server import discretion
from kato_panel.server.addresses import origin_host
from kato_panel.server.api import StartPageRequest, make_feed, routes
from kato_panel.server.endpoint import PING_SECONDS
from kato_panel.server.guard import PAGES_PER_SECOND, guard_of
from kato_panel.server.headers import transform
from kato_panel.server.login import login_routes
from kato_panel.server.oauth import oauth_routes
from kato_panel.server.sockets import SOCKET_LIMITS, Sockets, allow_many_files
from kato_panel.server.static import static_routes
from kato_panel.server.widgets import check_widget
from kato_panel.views.widgets import show_widget

logger = logging.getLogger(__name__)

PAGE = "app"
WIDGET = "widget/{name}"
TOKEN_SECONDS = 86_400
"""A page that was asleep for a day may still come back."""
UNUSED_SECONDS = 15.0
FIRST_LOOK_SECONDS = 30.0
MAX_MESSAGE_BYTES = 1_048_576
"""Of one that a page sends."""
MAX_BODY_BYTES = 65_536
MAX_HEADER_BYTES = 65_536
KEPT_HEADERS: Final = ["Host", VISITOR, *sorted(name.title() for name in FORWARDED)]
"""What a page's token keeps of the request: its scripts can read that, and must not a login."""


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
    has_policy
        Whether pages have a content security policy.
    pages_per_second
        How many pages may be opened in the long run.

    Attributes
    ----------
    feed
        What the clients of ``/ws`` are told by; ``None`` where that is switched off.

    Raises
    ------
    ConfigError
        If it cannot listen where it should, or must not.
    """

    def __init__(
        self,
        runtime: Runtime,
        page: Callable[[], Any],
        *,
        unused_seconds: float = UNUSED_SECONDS,
        has_policy: bool = True,
        pages_per_second: float = PAGES_PER_SECOND,
    ) -> None:
        self.runtime = runtime
        self.feed = make_feed(runtime)
        host = runtime.settings.host
        guard = guard_of(runtime)
        port, addresses = find_place(runtime.settings)
        try:
            self._server = get_server(
                {PAGE: page, WIDGET: show_widget},
                port=port,
                address=host,
                title="KATO sessions",
                extra_patterns=[
                    (r"/", StartPageRequest, {"runtime": runtime}),
                    *login_routes(guard),
                    *oauth_routes(guard),
                    *routes(runtime, self.feed),
                    *static_routes(),
                ],
                session_token_expiration=TOKEN_SECONDS,
                unused_session_lifetime_milliseconds=int(1000 * unused_seconds),
                check_unused_sessions_milliseconds=int(1000 * unused_seconds),
                websocket_origin=[
                    *_origins(host, port),
                    *map(origin_host, sorted(runtime.settings.origins)),
                ],
                # A page's token then says for sure how the page was asked for, and nobody chooses
                # a page's session. The secret is kept, so that pages live on over a restart.
                sign_sessions=True,
                secret_key=guard.page_key,
                include_headers=KEPT_HEADERS,
                include_cookies=[],
                websocket_max_message_size=MAX_MESSAGE_BYTES,
                websocket_ping_interval=PING_SECONDS,
                websocket_ping_timeout=PING_SECONDS,
                cross_origin_protection=True,
                trusted_origins=sorted(runtime.settings.origins),
                http_server_kwargs={
                    "max_body_size": MAX_BODY_BYTES,
                    "max_header_size": MAX_HEADER_BYTES,
                    **SOCKET_LIMITS,
                },
            )
        except OSError as error:
            raise ConfigError([say_taken(host, port, error)]) from error
        application = self._server._tornado  # noqa: SLF001 - Bokeh has no other way to it
        settings = runtime.settings
        application.add_transform(
            transform(has_policy=has_policy, prefix=application.prefix, framers=settings.framers)
        )
        guard.install(
            application,
            pages_per_second=pages_per_second,
            check_widget=partial(check_widget, runtime),
        )
        discretion.install(application)
        Sockets(runtime.settings.proxies).install(self._server._http)  # noqa: SLF001 - the same
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

    def run(self, tell_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGTERM or SIGINT; tell as soon as both are heeded."""
        loop = IOLoop.current()
        asyncio.get_event_loop().set_exception_handler(_pass_over_closed_pages)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_event_loop().add_signal_handler(number, loop.stop)
        allow_many_files()
        gc.collect()
        self.start()
        tell_ready()
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
