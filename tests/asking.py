"""Our routes on a socket of their own, for tests that ask them."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from kato_panel.hub import Hub
from kato_panel.server.api import routes


def still_runtime(**parts):
    """A runtime that watches nothing, with the parts that a test gives it."""
    settings = SimpleNamespace(is_demo=False)
    return SimpleNamespace(
        **{"trouble": None, "hub": Hub(), "sessions": None, "history": None, "settings": settings}
        | parts
    )


@asynccontextmanager
async def asking(runtime, feed=None):
    """Routes of a runtime; yields a client that knows where they are."""
    server = HTTPServer(Application(routes(runtime, feed)))
    listening, port = bind_unused_port()
    server.add_socket(listening)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20
        ) as client:
            yield client
    finally:
        server.stop()
        await server.close_all_connections()
