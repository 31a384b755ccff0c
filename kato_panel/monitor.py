"""The object of notebooks and scripts: watcher, models and views in one."""

import asyncio
import contextlib
import logging
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kato_panel import runtime as runtimes
from kato_panel.cells import drop_what_cells_showed
from kato_panel.config import load, split_login
from kato_panel.domain.text import safe
from kato_panel.frames import Origin
from kato_panel.history import MEMORY, OFF, History
from kato_panel.hub import Subscription
from kato_panel.models import (
    Connection,
    ContainerList,
    EventLog,
    Models,
    SessionSeries,
    SessionSummary,
)
from kato_panel.monitor_frames import MonitorFrames
from kato_panel.runtime import Runtime

logger = logging.getLogger(__name__)

_running: "weakref.WeakValueDictionary[Any, Monitor]" = weakref.WeakValueDictionary()
"""By address and visit; there are no visits in a notebook."""


class Monitor(MonitorFrames):
    """
    Watches one KATO for a notebook or a script.

    Its models are attributes and change by themselves while it runs: use them with
    `param.watch`, ``.rx`` or ``pn.bind`` like any Param object. In a notebook they change between
    cells, on the kernel's loop; in a script without a loop, on a thread of their own; in an app
    that Panel serves, in the turns of its visit, with which the monitor ends.

    Starting another monitor of the same address ends the former: a cell that is run again leaves
    nothing behind. Monitors with the same settings share one watcher, however many visits an app
    has.

    Parameters
    ----------
    url
        Where KATO answers; without it ``KATO_API_URL``, and without that the embedded simulator.
    stream
        Whether to follow KATO's event stream, for names and for events at once. KATO has room for
        few such connections, so it is off unless asked for.
    interval_seconds
        Between two polls, from 0.5 to 60.
    history
        Where to keep a history that outlives this monitor: a path, or an address such as
        ``sqlite:///history.db``. Without it one is kept in memory.

    Raises
    ------
    ConfigError
        If an argument or a setting is wrong.

    Examples
    --------
    >>> with Monitor() as monitor:
    ...     monitor.wait()
    ...     monitor.summary.active > 100
    True
    True
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        stream: bool = False,
        interval_seconds: float = 3.0,
        history: str | Path | None = None,
    ) -> None:
        settings = load(
            {
                "KATO_API_URL": url,
                "KATO_PANEL_STREAM": "on" if stream else "off",
                "KATO_PANEL_POLL_INTERVAL_SECONDS": interval_seconds,
                "KATO_PANEL_HISTORY_URL": _history_url(history),
            }
        )
        self._settings = settings
        self._runtime: Runtime | None = None
        self._models = Models()
        self._changing = threading.RLock()
        self._subscription: Subscription | None = None
        self._applier: _Applier | None = None
        self._view: Any = None

    @property
    def models(self) -> Models:
        """All models in one, as the cards take them."""
        return self._models

    @property
    def summary(self) -> SessionSummary:
        """The present count and its rates."""
        return self._models.summary

    @property
    def event_log(self) -> EventLog:
        """The newest events."""
        return self._models.event_log

    @property
    def connection(self) -> Connection:
        """How upstream is seen."""
        return self._models.connection

    @property
    def chart(self) -> SessionSeries:
        """What charts of the last day show."""
        return self._models.chart

    @property
    def container_list(self) -> ContainerList:
        """What KATO runs in."""
        return self._models.container_list

    @property
    def is_running(self) -> bool:
        """Whether it watches."""
        return self._subscription is not None

    def start(self) -> Self:
        """
        Begin to watch; a monitor that runs goes on.

        Raises
        ------
        RuntimeError
            If it was stopped before: make another one.
        """
        if self.is_running:
            return self
        if self._applier is not None:
            raise RuntimeError("this monitor was stopped; make another one")
        visit = _current_visit()
        key = (self._settings.kato_api_url, id(visit))
        former = _running.get(key)
        self._runtime = runtimes.share(self._settings)
        if former is not None:
            former.stop()
        _running[key] = self
        self._applier = _Applier(self._apply, visit)
        with self._changing:  # what is published meanwhile is taken after it
            self._subscription = self._models.follow(self._runtime, self._applier.ask)
        if visit is None:
            drop_what_cells_showed()
        else:
            visit.on_session_destroyed(lambda _: self.stop())
        return self

    def stop(self) -> None:
        """End it and its threads; its views say so. Stopping twice is allowed."""
        with self._changing:
            if self._subscription is None or self._applier is None or self._runtime is None:
                return
            self._subscription.close()
            self._subscription = None
        runtimes.leave(self._runtime)
        self._applier.end()
        self._models.end()

    def wait(self, timeout_seconds: float = 10.0) -> bool:
        """
        Wait for the first observation.

        Returns
        -------
        bool
            Whether there was one; the count is known then.

        Raises
        ------
        RuntimeError
            If it is not running.
        """
        if not self.is_running or self._runtime is None:
            raise RuntimeError("this monitor is not running: .start() it first")
        known = threading.Event()
        waiting, before = self._runtime.hub.subscribe(known.set)
        deadline = time.monotonic() + timeout_seconds
        snapshot = before.snapshot
        while (snapshot is None or snapshot.active is None) and known.wait(
            max(0.0, deadline - time.monotonic())
        ):
            known.clear()
            snapshot = waiting.take().snapshot or snapshot
        waiting.close()
        # Who waits may hold the loop on which the models would change.
        self._apply()
        return self.summary.active is not None

    def _origin(self) -> Origin:
        is_demo = self._settings.is_demo
        upstream = "" if is_demo else self._upstream
        looked: Any = self.summary.observed_at
        return Origin(upstream, is_demo, looked)

    def _history(self) -> History | None:
        return None if self._runtime is None or not self.is_running else self._runtime.history

    def view(self) -> Any:
        """
        Give the live view; the one given before ends, and says so.

        Returns
        -------
        LiveView
            To be shown in a cell, a page or a layout.
        """
        # Panel is loaded by who shows something, not by who only watches.
        from kato_panel.views.live import LiveView  # noqa: PLC0415

        if self._view is not None:
            self._view.end()
        self._view = LiveView(self)
        return self._view

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        upstream = self._upstream
        active = "—" if self.summary.active is None else self.summary.active
        state = self.connection.state if self.is_running else "not running"
        return f"<Monitor of {upstream}: {active} sessions, {state}>"

    def _repr_html_(self) -> str:
        summary = self.summary
        rows = {
            "upstream": self._upstream,
            "state": self.connection.state if self.is_running else "not running: .start()",
            "active sessions": "—" if summary.active is None else summary.active,
            "events": len(self.event_log.events),
            "models": ".summary, .event_log, .connection, .chart, .container_list",
            "frames": ".sessions(since=…), .events, .counts, .alerts, .containers, .gaps",
            "live view": ".view()",
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td>{safe(value)}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table>{cells}</table>"

    @property
    def _upstream(self) -> str:
        """Where KATO is, for the eye: without a password."""
        if self._runtime is not None:
            return self._runtime.upstream
        url = self._settings.kato_api_url
        return "the demo" if url is None else split_login(url)[0]

    def _apply(self) -> None:
        with self._changing:
            if self._subscription is not None:
                self._models.apply(self._subscription.take())


class _Applier:
    """
    Changes the models where their user expects it, never on the watcher's thread.

    A watcher's exception reaches whoever sets the value; on the watcher's thread it would break
    the watching.
    """

    def __init__(self, apply: Callable[[], None], visit: Any) -> None:
        self._apply = apply
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.ask = self._choose_turns(visit)

    def _choose_turns(self, visit: Any) -> Callable[[], None]:
        """Choose where to change them; the result is called from the watcher's thread."""
        if visit is not None:
            # Where there is a visit, Panel is loaded.
            from kato_panel.views.turns import in_turns_of  # noqa: PLC0415

            return in_turns_of(visit, self._apply)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._thread = threading.Thread(
                target=self._serve, name="kato-panel-models", daemon=True
            )
            self._thread.start()
            return partial(self._asked.put, True)

        def ask() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is over, and nobody looks
                loop.call_soon_threadsafe(self._apply)

        return ask

    def end(self) -> None:
        """End the thread, if there is one."""
        if self._thread is not None:
            self._asked.put(False)
            if self._thread is not threading.current_thread():
                self._thread.join()

    def _serve(self) -> None:
        while self._asked.get():
            try:
                self._apply()
            except Exception:
                # A supervisor, as a loop is one for its callbacks: what broke is the user's.
                logger.exception("a callback on the models broke")


def _current_visit() -> Any:
    """Return the document of the visit for which this code runs, if Panel serves it to one."""
    panel = sys.modules.get("panel")  # who has not loaded it serves nothing
    doc = panel.state.curdoc if panel else None
    return None if doc is None or doc.session_context is None else doc


def _history_url(history: str | Path | None) -> str:
    if history is None:
        return MEMORY
    is_address = isinstance(history, str) and (history == OFF or "://" in history)
    return str(history) if is_address else f"sqlite:///{history}"
