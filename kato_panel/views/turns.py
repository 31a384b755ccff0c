"""How a visit gets to change what it shows: in its document's turn, asked for from any thread."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any


def in_turns_of(doc: Any, act: Callable[[], None]) -> Callable[[], None]:
    """
    Make a call that lets `act` run in the next turn of a visit's document.

    The hub wakes a reader once until it has taken what there is; so at most one turn is pending
    for each document, however slow its browser.

    Parameters
    ----------
    doc
        The visit's document; this is called on its server's loop.
    act
        Runs on that loop while it holds the document; not at all once the visit has ended.

    Returns
    -------
    Callable
        To be called from any thread; returns at once.
    """
    loop = asyncio.get_running_loop()

    def ask_turn() -> None:
        # On the server's loop, which also ends visits: nothing can end this one in between.
        context = doc.session_context
        if context is not None and not context.destroyed:
            doc.add_next_tick_callback(act)

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the server's loop is over, and all visits
            loop.call_soon_threadsafe(ask_turn)

    return wake
