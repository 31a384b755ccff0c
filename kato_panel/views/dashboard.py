"""The page: one set of models and one view for each visit, gone when the visit ends."""

import asyncio
import contextlib
import html
from typing import Any

import panel as pn
from panel.io.resources import BASE_TEMPLATE, get_dist_path

from kato_panel import runtime as runtimes
from kato_panel.errors import ConfigError
from kato_panel.models import Models
from kato_panel.runtime import Runtime
from kato_panel.views.live import ASSETS, LiveView

TITLE = "KATO sessions"
TEMPLATE = BASE_TEMPLATE.environment.from_string((ASSETS / "page.html").read_text(encoding="utf-8"))


class Visit:
    """
    One open page: follows the hub on the page's behalf.

    Parameters
    ----------
    runtime
        What is followed.
    doc
        The visit's document.

    Attributes
    ----------
    view
        What the visit shows.
    """

    def __init__(self, runtime: Runtime, doc: Any) -> None:
        self._doc = doc
        self._loop = asyncio.get_running_loop()
        self._models = Models()
        self.view = LiveView(
            self._models,
            runtime.settings,
            upstream=runtime.upstream,
            epoch=runtime.hub.epoch,
            has_api=runtime.has_routes,
        )
        self._subscription, before = runtime.hub.subscribe(self._wake)
        doc.on_session_destroyed(self._end)
        self._models.begin(before)
        pn.state.onload(self.view.show_chart)

    def _wake(self) -> None:
        """
        Ask for the document's turn, from the watcher's thread.

        The hub does so once until the subscription is taken, so at most one callback is pending
        for each document, however slow its browser.
        """
        with contextlib.suppress(RuntimeError):  # the server's loop is over, and all visits
            self._loop.call_soon_threadsafe(self._ask_turn)

    def _ask_turn(self) -> None:
        # On the server's loop, which also ends visits: between its end and `_end` no turn is left.
        context = self._doc.session_context
        if context is not None and not context.destroyed:
            self._doc.add_next_tick_callback(self._apply)

    def _apply(self) -> None:
        self._models.apply(self._subscription.take())

    def _end(self, _: Any) -> None:
        self._subscription.close()
        self.view.close()


def page() -> Any:
    """
    Build the page for the visit that is current, and let it follow the hub until it ends.

    Returns
    -------
    LiveView
        To be served; where the settings are wrong, what is wrong with them.
    """
    doc = pn.state.curdoc
    doc.title = TITLE
    doc.template = TEMPLATE
    # Panel takes this from the request of the page; a visit that a browser brings back after the
    # server's restart has none, and would ask Panel's content network for its stylesheets.
    doc.template_variables["dist_url"] = get_dist_path()
    pn.config.reconnect = True
    try:
        runtime = runtimes.current()
    except ConfigError as error:
        return pn.pane.HTML(f"<pre>{html.escape(str(error))}</pre>")
    return Visit(runtime, doc).view
