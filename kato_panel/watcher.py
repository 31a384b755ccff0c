"""
The loop: observe, detect, publish. One per process, in its own thread, browser or not.

It owns all mutable state about upstream and touches it on one loop only; everyone else gets
frozen values through the hub. See ``docs/decisions/0001-one-watcher.md``.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Protocol

from kato_panel.domain.detection import Detector
from kato_panel.domain.events import (
    ChangesMissed,
    ChangesNamed,
    Clock,
    CountObserved,
    LookFailed,
    Moment,
    Observation,
    SessionEvent,
    SourceConnected,
    SourceHeard,
)
from kato_panel.domain.health import STALE_AFTER_INTERVALS, Health, SourceState
from kato_panel.domain.recent import Recent
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.timeline import Range, Timeline
from kato_panel.hub import Charts, Hub

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 3.0
STALLED_SECONDS: Final = 9.0
"""Without a tick for this long, the watcher counts as stalled."""
LARGE_DELTA: Final = 10
MAX_RESTART_SECONDS: Final = 10.0
STOP_SECONDS: Final = 3.0


def now() -> Moment:
    """Read both clocks of this machine."""
    return Moment(datetime.now(UTC), monotonic())


class Source(Protocol):
    """What the watcher expects of an object that observes one thing."""

    @property
    def name(self) -> str:
        """Its name in the code."""

    @property
    def label(self) -> str:
        """Its name on the page."""

    def prompt(self) -> None:
        """Look at once, if that is possible."""

    async def run(self, tell: Callable[[Observation], None]) -> None:
        """Observe for ever, and tell."""


class Watcher:
    """
    Runs the sources, and publishes what follows from their observations.

    Parameters
    ----------
    sources
        What observes; each runs as a task of its own.
    hub
        Where to publish.
    interval_seconds
        Between two polls of the count; older than three of them, it is stale.
    tells_events
        Whether events are published; if not, only the count is.
    off
        Sources that do not run, with the reason, to be shown beside the others.
    clock
        Gives the time.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        hub: Hub,
        *,
        interval_seconds: float,
        tells_events: bool = True,
        off: Iterable[SourceState] = (),
        clock: Clock = now,
    ) -> None:
        self._sources = tuple(sources)
        self._hub = hub
        self._interval_seconds = interval_seconds
        self._tells_events = tells_events
        self._clock = clock
        self._detector = Detector()
        self._recent = Recent()
        self._timeline = Timeline(STALE_AFTER_INTERVALS * interval_seconds)
        self._counted: CountObserved | None = None
        self._newest_tick = 0.0
        self._logged_seq = 0
        self._states = {
            **{source.name: SourceState(source.name, source.label) for source in self._sources},
            **{state.name: state for state in off},
        }
        self._ticked = 0.0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()

    def start(self) -> None:
        """
        Begin to watch; returns once the loop runs.

        Raises
        ------
        RuntimeError
            If it does not run in time, as where this process may open no more files.
        """
        self._ticked = monotonic()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._watch()), name="kato-panel-watcher", daemon=True
        )
        self._thread.start()
        if not self._started.wait(STOP_SECONDS):
            raise RuntimeError(f"the watcher's loop did not start within {STOP_SECONDS:g} s")

    def stop(self) -> None:
        """End it, and wait for its end. Stopping twice is allowed."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(STOP_SECONDS)
        self._thread = None

    @property
    def trouble(self) -> str | None:
        """Why this watcher does not watch; ``None`` while it does."""
        if self._thread is None or not self._thread.is_alive():
            return "the watcher is not running"
        silent_seconds = monotonic() - self._ticked
        if silent_seconds > STALLED_SECONDS:
            return f"the watcher has not ticked for {silent_seconds:.0f} s"
        return None

    def observe(self, observation: Observation) -> None:
        """
        Take one observation: the only place where the state changes.

        Parameters
        ----------
        observation
            From one of the sources, on this watcher's loop.
        """
        events: list[SessionEvent] = []
        match observation:
            case CountObserved():
                events = self._count(observation)
            case ChangesNamed(source=source, changes=changes):
                self._succeed(source, changes[-1].at)
                events = self._detector.changes(observation)
            case SourceConnected(source=source, at=at):
                self._succeed(source, at)
                self._prompt(except_source=source)
            case SourceHeard(source=source, at=at):
                self._succeed(source, at)
            case LookFailed(source=source, reason=reason):
                self._set_state(self._states[source].fail(reason))
                if source == "http":
                    self._detector.fail()
            case ChangesMissed(source=source, missed=missed):
                logger.warning("source %s: %d changes were dropped unread", source, missed)
                self._prompt(except_source=source)
        self._publish(events)

    def _count(self, observed: CountObserved) -> list[SessionEvent]:
        was_failing = self._states[observed.source].failures > 0
        remark = "asked at /sessions/count: up to 5 s old" if observed.is_cached else ""
        self._succeed(observed.source, observed.arrived_at, remark)
        self._counted = observed
        had_suspect = self._detector.suspect is not None
        events = self._detector.count(observed)
        self._recent.begin(observed.arrived_at.tick)
        if not events and self._detector.shown is not None:
            self._timeline.observe(observed.arrived_at, self._detector.shown)
        self._newest_tick = max(self._newest_tick, observed.arrived_at.tick)
        if self._detector.suspect is not None and not had_suspect:
            logger.warning(
                "suspect: the count fell from %s to %d, waiting for the next poll to confirm",
                self._detector.shown,
                observed.count,
            )
        if was_failing:
            self._prompt(except_source=observed.source)
        return events

    def _succeed(self, source: str, at: Moment, remark: str = "") -> None:
        self._set_state(self._states[source].succeed(at, remark))

    def _set_state(self, state: SourceState) -> None:
        before = self._states[state.name].health
        self._states[state.name] = state
        if state.health is before:
            return
        if state.health is Health.UP:
            logger.info("source %s is up", state.name)
        else:
            logger.warning("source %s is %s: %s", state.name, state.health, state.reason)

    def _prompt(self, except_source: str) -> None:
        for source in self._sources:
            if source.name != except_source:
                source.prompt()

    def _publish(self, events: list[SessionEvent]) -> None:
        for event in events:
            self._log(event)
        # Who waited for the first count has the first line of the chart with it.
        charts = None if self._hub.charts else self._charts()
        self._hub.publish(self._snapshot(), tuple(events) if self._tells_events else (), charts)

    def _log(self, event: SessionEvent) -> None:
        if event.seq <= self._logged_seq:
            return  # told again with its names: logged and summed up before
        self._logged_seq = event.seq
        at = self._clock()
        self._newest_tick = max(self._newest_tick, at.tick)
        self._recent.add(event, self._newest_tick)
        self._timeline.add(event, at)
        level = logging.WARNING if event.delta > LARGE_DELTA else logging.INFO
        logger.log(
            level,
            "event %d: %s, delta %d, %d to %d, from %s",
            event.seq,
            event.kind.value,
            event.delta,
            event.previous,
            event.current,
            event.source,
        )

    def _snapshot(self) -> SessionSnapshot:
        made_at = self._clock()
        counted = self._counted
        at = counted.arrived_at if counted else None
        return SessionSnapshot(
            made_at=made_at,
            active=self._detector.shown,
            reported=counted.count if counted else None,
            at=at,
            stale_after_seconds=STALE_AFTER_INTERVALS * self._interval_seconds,
            suspect=self._detector.suspect,
            is_cached=counted is not None and counted.is_cached,
            rates=self._recent.rates(self._newest_tick),
            sources=tuple(self._states.values()),
        )

    async def _watch(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._started.set()
        tasks = [
            asyncio.create_task(self._supervise(f"source {source.name}", self._run(source)))
            for source in self._sources
        ]
        tasks.append(asyncio.create_task(self._supervise("the tick", self._tick)))
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, source: Source) -> Callable[[], Coroutine[None, None, None]]:
        """Make one run of a source, which ends by breaking only; that is a failed look."""

        async def run() -> None:
            try:
                await source.run(self.observe)
            finally:
                if self._stopping is not None and not self._stopping.is_set():
                    self.observe(LookFailed(source.name, "broke, restarting", self._clock()))

        return run

    async def _supervise(self, name: str, run: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run a task for ever; an exception costs it a restart, and nobody else anything."""
        restarts = 0
        while True:
            try:
                await run()
            except Exception:
                logger.exception("%s broke, restarting it", name)
            restarts += 1
            longest = min(MAX_RESTART_SECONDS, 0.5 * 2 ** min(restarts, 10))
            await asyncio.sleep(longest * random.random())  # noqa: S311 - jitter, no secret

    async def _tick(self) -> None:
        """Show that the loop turns, and tell the state when time alone has changed it."""
        told_tick, told = 0.0, (False, 0)
        while True:
            self._ticked = monotonic()
            snapshot = self._snapshot()
            is_due = snapshot.made_at.tick - told_tick >= HEARTBEAT_SECONDS
            if is_due or told != (snapshot.is_stale, self._logged_seq):
                told_tick, told = snapshot.made_at.tick, (snapshot.is_stale, self._logged_seq)
                self._hub.publish(snapshot, (), self._charts())
            await asyncio.sleep(TICK_SECONDS)

    def _charts(self) -> Charts:
        series = {span: self._timeline.series(span) for span in Range}
        return {span: one for span, one in series.items() if one is not None}
