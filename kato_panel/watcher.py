"""
The loop: observe, detect, publish. One per process, in its own thread, browser or not.

It owns all mutable state about upstream and touches it on one loop only; everyone else gets
frozen values through the hub. See ``docs/decisions/0001-one-watcher.md``.
"""

import asyncio
import contextvars
import logging
import random
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, Final, TypeVar

from kato_panel.domain.events import (
    ChangesMissed,
    Clock,
    CountObserved,
    LookFailed,
    Moment,
    Observation,
    SessionEvent,
    SourceConnected,
)
from kato_panel.domain.health import STALE_AFTER_INTERVALS, SourceState
from kato_panel.domain.keys import KeyObservation, KeysSeen, ScanBegan, SessionsRead
from kato_panel.domain.recent import Recent
from kato_panel.domain.recorded import Gap
from kato_panel.domain.series import Range, Series
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import SideObservation, Surroundings
from kato_panel.domain.tally import Tally
from kato_panel.domain.telling import PolledCount, Standing, Told
from kato_panel.domain.timeline import Timeline
from kato_panel.hub import Charts, Hub
from kato_panel.roles import Overseer, Recorder, Source, Teller
from kato_panel.sightings import Sightings

logger = logging.getLogger(__name__)
T = TypeVar("T")

TICK_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 3.0
STALLED_SECONDS: Final = 9.0
"""Without a tick for this long, the watcher counts as stalled."""
LARGE_DELTA: Final = 10
WEEK_SECONDS: Final = 60.0
"""Between two drawings of the week, where a point is 1,000 s wide."""
MAX_RESTART_SECONDS: Final = 10.0
STOP_SECONDS: Final = 3.0
NOT_NEEDED: Final = "not needed: Redis is followed"


def now() -> Moment:
    """Read both clocks of this machine."""
    return Moment(datetime.now(UTC), monotonic())


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
    teller
        What makes events of observations; by default, KATO's number and its stream count.
    recorder
        Keeps what is known; without one, nothing outlives this watcher.
    timeline
        Remembers the last day, perhaps with what an earlier run knew; by default an empty one.
    tally
        Counts what is learned, for whoever asks how it went.
    overseer
        Keeps an eye on what is beside the sessions; without one, nobody does.
    overhear
        Hears every observation, on this watcher's loop; has to return at once.
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
        teller: Teller | None = None,
        recorder: Recorder | None = None,
        timeline: Timeline | None = None,
        tally: Tally | None = None,
        overseer: Overseer | None = None,
        overhear: Callable[[Observation | KeyObservation], None] | None = None,
        tells_events: bool = True,
        off: Iterable[SourceState] = (),
        clock: Clock = now,
    ) -> None:
        self._sources = tuple(sources)
        self._hub = hub
        self._interval_seconds = interval_seconds
        self._tells_events = tells_events
        self._clock = clock
        self._teller: Teller = PolledCount() if teller is None else teller
        self._recorder = recorder
        self._record_state = () if recorder is None else (recorder.state(clock()),)
        self._week: Series | None = None
        self._tally = Tally() if tally is None else tally
        self._overseer = overseer
        self._overhear = overhear
        self._surroundings = Surroundings()
        self._recent = Recent()
        self._timeline = Timeline(0.0) if timeline is None else timeline
        self._timeline.gap_seconds = STALE_AFTER_INTERVALS * interval_seconds
        self._newest_tick = 0.0
        self._logged_seq = 0
        running = (SourceState(source.name, source.label) for source in self._sources)
        self._sightings = Sightings([*running, *off])
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ticked = 0.0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._arrange_stream()

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

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """
        Run something on this watcher's loop, from any thread.

        Raises
        ------
        RuntimeError
            If the loop does not run.
        """
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("the watcher is not running")
        try:
            # In a context of its own: a page's context would keep the page alive.
            context = contextvars.Context()
            return context.run(asyncio.run_coroutine_threadsafe, coroutine, self._loop)
        except RuntimeError:  # asyncio's own, once the loop has ended
            coroutine.close()
            raise

    @property
    def trouble(self) -> str | None:
        """Why this watcher does not watch; ``None`` while it does."""
        if self._thread is None or not self._thread.is_alive():
            return "the watcher is not running"
        silent_seconds = monotonic() - self._ticked
        if silent_seconds > STALLED_SECONDS:
            return f"the watcher has not ticked for {silent_seconds:.0f} s"
        return None

    def observe(self, observation: Observation | KeyObservation | SideObservation) -> None:
        """
        Take one observation: the only place where the state changes.

        Parameters
        ----------
        observation
            From one of the sources, on this watcher's loop.
        """
        if self._sightings.is_closed(observation.source):
            return  # its last words
        if isinstance(observation, SideObservation):
            self._observe_beside(observation)
            return
        was_failing = self._sightings.is_failing(observation.source)
        before = self._teller.standing
        told = self._teller.observe(observation)
        self._tally.add(observation, told)
        self._sightings.note(observation)
        self._note_count(before, told)
        self._ask(observation, was_failing=was_failing)
        if self._recorder is not None:
            self._recorder.record(told, self._teller.standing)
        if self._overhear is not None:
            self._overhear(observation)
        self._arrange_stream()
        if told.events or not isinstance(observation, ScanBegan | KeysSeen | SessionsRead):
            is_first = before.at is None and self._teller.standing.at is not None
            self._publish(told.events, with_charts=is_first)
        if self._overseer is not None and isinstance(observation, CountObserved):
            self._overseer.observe(observation)  # the same answer says more than the count
            self._look_around(self._snapshot())

    def _observe_beside(self, observation: SideObservation) -> None:
        """Take one observation that says nothing of sessions."""
        self._sightings.note(observation)
        if self._overseer is not None:
            self._overseer.observe(observation)
            self.look_around()

    def begin_anew(self, timeline: Timeline) -> None:
        """Go on at another time, with what charts show of it; on this loop."""
        self._timeline = timeline
        self._timeline.gap_seconds = self._stale_after_seconds
        self._recent = Recent()

    def look_around(self) -> None:
        """Publish what is beside the sessions, if that is not as it was; on this loop."""
        self._look_around(self._snapshot())

    def _look_around(self, snapshot: SessionSnapshot) -> None:
        if self._overseer is None:
            return
        surroundings = self._overseer.look(snapshot, self._tally.tallied.lag_seconds)
        if surroundings != self._surroundings:
            self._surroundings = surroundings
            self._hub.publish(None, (), None, surroundings)

    def _note_count(self, before: Standing, told: Told) -> None:
        """Note what is known of the count after a good observation of it."""
        standing = self._teller.standing
        if standing.suspect is not None and before.suspect is None:
            logger.warning(
                "suspect: the count fell from %s to %d, waiting for the next poll to confirm",
                standing.shown,
                standing.suspect,
            )
        if standing.at is None or standing.at is before.at:
            return
        self._recent.begin(standing.at.tick)
        self._timeline.gap_seconds = self._stale_after_seconds
        if not told.events and standing.shown is not None:
            self._miss(self._timeline.observe(standing.at, standing.shown))
        self._newest_tick = max(self._newest_tick, standing.at.tick)

    def _miss(self, gap: Gap | None) -> None:
        if gap is not None and self._recorder is not None:
            self._recorder.miss(gap)

    def _ask(self, observation: Observation | KeyObservation, *, was_failing: bool) -> None:
        """Have others look where an observation says that there is more to be seen."""
        match observation:
            case SourceConnected(source=source) | ChangesMissed(source=source):
                self._prompt(except_source=source)
            case CountObserved(source=source) if was_failing:
                self._prompt(except_source=source)
        if self._teller.standing.wants_look:
            for counting in self._sources:
                if counting.name == self._teller.counted_by:
                    counting.prompt()

    def _arrange_stream(self) -> None:
        """Follow the stream where it is needed, and only there."""
        stream = next((source for source in self._sources if source.name == "stream"), None)
        if stream is None:
            return
        is_open = not self._sightings.is_closed(stream.name)
        if is_open == self._teller.standing.wants_stream:
            return
        if not is_open:
            self._sightings.open(stream.name)
            self._begin(stream)
            return
        self._sightings.close(stream.name, NOT_NEEDED)
        if (task := self._tasks.pop(stream.name, None)) is not None:
            task.cancel()

    def _prompt(self, except_source: str) -> None:
        for source in self._sources:
            if source.name != except_source:
                source.prompt()

    def _publish(self, events: Sequence[SessionEvent], *, with_charts: bool) -> None:
        for event in events:
            self._log(event)
        # Who waited for the first count has the first line of the chart with it.
        charts = self._charts() if with_charts else None
        self._hub.publish(self._snapshot(), tuple(events) if self._tells_events else (), charts)

    def _log(self, event: SessionEvent) -> None:
        if event.seq <= self._logged_seq:
            return  # told again with its names: logged and summed up before
        self._logged_seq = event.seq
        at = self._clock()
        self._newest_tick = max(self._newest_tick, at.tick)
        self._recent.add(event, self._newest_tick)
        self._miss(self._timeline.add(event, at))
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
        standing = self._teller.standing
        return SessionSnapshot(
            made_at=self._clock(),
            active=standing.shown,
            reported=standing.reported,
            drift=standing.drift,
            counted_by=self._teller.counted_by,
            has_key_events=standing.has_key_events and self._tells_events,
            at=standing.at,
            stale_after_seconds=self._stale_after_seconds,
            suspect=standing.suspect,
            is_cached=standing.is_cached,
            rates=self._recent.rates(self._newest_tick),
            sources=(*self._sightings.states, *self._record_state),
            gaps=self._timeline.gaps,
        )

    @property
    def _stale_after_seconds(self) -> float:
        interval_seconds = max(self._interval_seconds, self._teller.standing.interval_seconds)
        return STALE_AFTER_INTERVALS * interval_seconds

    async def _watch(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._started.set()
        for source in self._sources:
            if not self._sightings.is_closed(source.name):
                self._begin(source)
        tasks = [asyncio.create_task(self._supervise("the tick", self._tick))]
        if self._overseer is not None:
            overseeing = self._supervise("what is beside the sessions", self._overseer.run)
            tasks.append(asyncio.create_task(overseeing))
        if self._recorder is not None:
            drawing = self._supervise("the week's chart", partial(self._draw_weeks, self._recorder))
            tasks.append(asyncio.create_task(drawing))
        await self._stopping.wait()
        tasks += self._tasks.values()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, source: Source) -> None:
        """Run a source from now on, if the loop runs."""
        if self._loop is not None:
            run = self._supervise(f"source {source.name}", self._run(source))
            self._tasks[source.name] = self._loop.create_task(run)

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
            if self._recorder is not None:
                self._record_state = (self._recorder.state(self._clock()),)
            snapshot = self._snapshot()
            # By this machine's clock: that of a replay may stand.
            is_due = self._ticked - told_tick >= HEARTBEAT_SECONDS
            if is_due or told != (snapshot.is_stale, self._logged_seq):
                told_tick, told = self._ticked, (snapshot.is_stale, self._logged_seq)
                self._hub.publish(snapshot, (), self._charts())
            self._look_around(snapshot)
            began_tick = monotonic()
            await asyncio.sleep(TICK_SECONDS)
            self._tally.add_lag(monotonic() - began_tick - TICK_SECONDS)

    async def _draw_weeks(self, recorder: Recorder) -> None:
        """Draw the week from the record, beside this loop: it may be long."""
        while True:
            at = self._teller.standing.at
            self._week = await asyncio.to_thread(recorder.week, (at or self._clock()).wall)
            # What was known at the start stands until the first count has its place beside it.
            await asyncio.sleep(TICK_SECONDS if at is None else WEEK_SECONDS)

    def _charts(self) -> Charts:
        series = {span: self._timeline.series(span) for span in Range}
        known, recorded = series[Range.WEEK], self._week
        if known is not None and recorded is not None and recorded.times[0] < known.times[0]:
            series[Range.WEEK] = recorded
        return {span: one for span, one in series.items() if one is not None}
