"""Our routes on a socket of their own, for tests that ask them."""

from contextlib import asynccontextmanager

import httpx
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from kato_panel.config import load
from kato_panel.runtime import Runtime
from kato_panel.server.api import routes


class StillRuntime(Runtime):
    """One that does not run, and whose trouble a test says."""

    trouble = None


def still_runtime(**parts):
    """A runtime that watches nothing, with the parts that a test gives it."""
    runtime = StillRuntime(load({"KATO_API_URL": "http://127.0.0.1:1"}))
    for name, part in parts.items():
        setattr(runtime, name, part)
    return runtime


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
