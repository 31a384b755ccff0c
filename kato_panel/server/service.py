"""The full service: the page, our routes, and their end, in one process on one port."""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any

from panel.io.server import get_server
from tornado.ioloop import IOLoop

from kato_panel import runtime as runtimes
from kato_panel.errors import ConfigError
from kato_panel.runtime import Runtime
from kato_panel.server.api import routes

logger = logging.getLogger(__name__)

PAGE = "app"
TOKEN_SECONDS = 86_400
"""A page that was asleep for a day may still come back."""


class Service:
    """
    Panel's server with our routes, and the watcher behind it.

    Parameters
    ----------
    runtime
        Not yet started; this service starts and stops it.
    page
        Builds the page for one visit.

    Raises
    ------
    ConfigError
        If the port is taken, or the address is none of this machine's.
    """

    def __init__(self, runtime: Runtime, page: Callable[[], Any]) -> None:
        settings = runtime.settings
        self.runtime = runtime
        self.is_ending = False
        try:
            self._server = get_server(
                {PAGE: page},
                port=settings.port,
                address=settings.host,
                title="KATO sessions",
                extra_patterns=list(routes(runtime)),
                session_token_expiration=TOKEN_SECONDS,
                websocket_origin=[f"{name}:{settings.port}" for name in _names(settings.host)]
                if settings.port
                else None,
            )
        except OSError as error:
            place = f"{settings.port} on {settings.host}"
            raise ConfigError(
                [f"KATO_PANEL_PORT is {place}, which cannot be listened on: {error.strerror}"]
            ) from error

    @property
    def url(self) -> str:
        """Address of the page."""
        host = self.runtime.settings.host
        return f"http://{host}:{self._server.port}/{PAGE}"

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        self.runtime.start()
        runtimes.install(self.runtime)
        loop = IOLoop.current()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_event_loop().add_signal_handler(number, self.end)
        self._server.start()
        logger.info("serving at %s", self.url)
        try:
            loop.start()
        finally:
            self._server.unlisten()
            self.runtime.stop()

    def end(self) -> None:
        """Stop serving; `run` then returns."""
        self._server.stop(wait=False)
        IOLoop.current().stop()


def _names(host: str) -> list[str]:
    """List under which names a page may be asked for."""
    return [host, "localhost"] if host in {"127.0.0.1", "::1"} else [host]
