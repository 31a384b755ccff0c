"""
Our routes on Panel's port.

``panel serve app.py --plugins kato_panel.server`` asks this module for ``ROUTES``; that is when
the watcher of the process starts, before any browser.
"""

from typing import Any

from kato_panel import runtime
from kato_panel.server.api import make_feed, routes
from kato_panel.server.static import static_routes


def __getattr__(name: str) -> Any:
    if name == "ROUTES":
        watching = runtime.current()
        return [*routes(watching, make_feed(watching)), *static_routes()]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
