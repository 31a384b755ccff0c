"""
The `docker` source: the containers upstream runs in, as their engine tells of them. It only reads.

Every call to the engine runs on a short-lived thread of its own, and ends by its socket's
time-out. So an engine that hangs, or one container that does, holds up neither this loop nor any
other container.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Final, TypeVar

from kato_panel.domain.container_readings import ContainerReading, Wanted
from kato_panel.domain.containers import (
    ContainerChange,
    ContainerObservation,
    ContainersSeen,
    ContainerState,
    NoEngine,
)
from kato_panel.domain.events import Clock, LookFailed, Moment
from kato_panel.domain.roster import Roster
from kato_panel.errors import SourceError, SourceUnavailable
from kato_panel.sources import engine_events, engine_payloads
from kato_panel.sources.engine_calls import EngineCalls, NoSocket, NotThere
from kato_panel.sources.engine_events import EngineEvent
from kato_panel.sources.engine_payloads import Listed
from kato_panel.sources.errands import Errands

T = TypeVar("T")
Tell = Callable[[ContainerObservation], None]

GRACE_SECONDS: Final = 0.25
SLOW_SHARE: Final = 0.5
"""A container that takes more of its deadline is not waited for at the next look."""
MAX_CONTAINERS: Final = 32
"""That are watched, and so threads at a time, beside the one that hears events."""
MAX_BACKOFF_SECONDS: Final = 10.0
PROMPTED_SECONDS: Final = 0.5
"""At least between two looks, however often somebody prompts or the engine tells something."""
NO_ENGINE: Final = "no container engine here"
MAX_HEARD: Final = 1_000
"""Events that are remembered, so that none is told twice after a reconnect."""
_COUNTED: Final = {ContainerState.RUNNING, ContainerState.PAUSED}


class DockerSource:
    """
    Looks at the watched containers, follows their engine's events, and comes back to it for ever.

    Parameters
    ----------
    wanted
        Which containers.
    clock
        Gives the time.
    environment
        As ``docker`` reads it: ``DOCKER_HOST``, ``DOCKER_TLS_VERIFY``, ``DOCKER_CERT_PATH``.
    interval_seconds
        Between the starts of two looks, while they succeed.
    deadline_seconds
        For the list; and for all that is asked of one container in one look.
    is_expected
        Whether somebody said that there is an engine; if not, none at the usual place is no
        failure.
    draw
        A number from 0 to 1, for the jitter of the backoff.
    """

    name = "docker"
    label = "Containers"

    def __init__(
        self,
        wanted: Wanted,
        clock: Clock,
        environment: Mapping[str, str],
        *,
        interval_seconds: float = 3.0,
        deadline_seconds: float = 2.0,
        is_expected: bool = True,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._wanted = wanted
        self._clock = clock
        self._environment = environment
        self._interval_seconds = interval_seconds
        self._deadline_seconds = deadline_seconds
        self._is_expected = is_expected or bool(environment.get("DOCKER_HOST"))
        self._draw = draw
        self._asked = asyncio.Event()
        self._errands = Errands("kato-panel-docker")
        self._roster = Roster(self.name)
        self._late: dict[str, asyncio.Future[_Answer]] = {}
        self._heard: deque[tuple[str, str, ContainerChange]] = deque(maxlen=MAX_HEARD)
        self._since = ""
        self._deafness = ""
        self._failures = 0

    def prompt(self) -> None:
        """Look at once."""
        self._asked.set()

    async def run(self, tell: Tell) -> None:
        """
        Observe for ever.

        Parameters
        ----------
        tell
            Takes a `ContainersSeen` or a `LookFailed` for each look, or a `NoEngine`, and a
            `ContainerChanged` for each event of a watched container.
        """
        # What an earlier run of this source left on its way ends by itself.
        self._errands = Errands("kato-panel-docker")
        try:
            while True:
                await self._try_visit(tell)
                longest: float = self._interval_seconds * 2 ** min(self._failures, 10)
                wait_seconds = min(MAX_BACKOFF_SECONDS, longest) * self._draw()
                await self._rest(max(1.0, wait_seconds))
        finally:
            await self._errands.wait(self._patience_seconds)

    async def _try_visit(self, tell: Tell) -> None:
        try:
            # It reads certificates, so it is made anew after a failure, and on a thread.
            calls = await self._ask("engine", self._connect)
            await self._visit(calls, tell)
        except SourceError as error:
            self._failures += 1
            if isinstance(error, NoSocket) and not self._is_expected:
                tell(NoEngine(self.name, self._clock(), NO_ENGINE))
            else:
                tell(LookFailed(self.name, error.reason, self._clock()))

    @property
    def _patience_seconds(self) -> float:
        """For a thread, which ends by its own deadline, and says why."""
        return self._deadline_seconds + GRACE_SECONDS

    @property
    def _silence(self) -> str:
        return f"no answer within {self._deadline_seconds:g} s"

    async def _ask(self, key: str, work: Callable[[], T]) -> T:
        """Do what all else waits for; not longer than the deadline, whatever its thread does."""
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await self._errands.send(key, work)
        except TimeoutError as error:
            raise SourceUnavailable(self._silence) from error

    def _connect(self) -> EngineCalls:
        # One connection for each container, one for the list, and one for events.
        return EngineCalls(self._environment, self._deadline_seconds, MAX_CONTAINERS + 2)

    async def _visit(self, calls: EngineCalls, tell: Tell) -> None:
        """Look again and again, until the list cannot be had; then raise why."""
        self._late = {}
        listening = asyncio.create_task(self._listen(calls, tell))
        try:
            while True:
                began = self._clock()
                self._asked.clear()
                tell(await self._look(calls))
                self._failures = 0
                if listening.done():
                    listening.result()  # it never ends but by a mistake, which is to be known
                spent_seconds = self._clock().tick - began.tick
                await self._rest(self._interval_seconds - spent_seconds)
        finally:
            # Threads under way end by their own deadlines; a new visit need not wait for them.
            calls.close()
            listening.cancel()

    async def _rest(self, seconds: float) -> None:
        """Wait so long; `prompt` shortens it, but not below the least."""
        least_seconds = min(PROMPTED_SECONDS, self._interval_seconds)
        await asyncio.sleep(least_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds - least_seconds)):
                await self._asked.wait()

    async def _look(self, calls: EngineCalls) -> ContainersSeen:
        listed = await self._ask(
            "list",
            lambda: engine_payloads.containers(
                calls.get(engine_payloads.LIST_PATH, engine_payloads.LIST_QUERY)
            ),
        )
        chosen = [one for one in listed if self._wanted.includes(one.name, one.labels)]
        chosen.sort(key=lambda one: (one.name, one.container_id))
        readings = await self._read_all(calls, chosen[:MAX_CONTAINERS])
        return self._roster.look(self._clock(), readings, self._remark(len(chosen), readings))

    async def _read_all(self, calls: EngineCalls, chosen: list[Listed]) -> list[ContainerReading]:
        """
        Read all of them at the same time.

        One that was slow to answer is asked again, but not waited for: what it says is taken at
        the next look. So it makes the others late only once.
        """
        readings: list[ContainerReading | None] = []
        asked: list[tuple[Listed, asyncio.Future[_Answer]]] = []
        late, self._late = self._late, {}
        for one in chosen:
            before = late.get(one.container_id)
            if self._errands.is_under_way(one.container_id):
                if before is not None:
                    self._late[one.container_id] = before
                readings.append(self._give_up(one).reading)
                continue
            answer = self._errands.send(one.container_id, partial(self._read, calls, one))
            if before is not None and before.done() and before.result().is_slow:
                self._late[one.container_id] = answer
                readings.append(_renew(before.result().reading, one))
            else:
                asked.append((one, answer))
        if asked:
            answers = [answer for _, answer in asked]
            await asyncio.wait(answers, timeout=self._patience_seconds)
        for one, answer in asked:
            told = answer.result() if answer.done() else self._give_up(one)
            readings.append(told.reading)
            if told.is_slow:
                self._late[one.container_id] = answer
        return [reading for reading in readings if reading is not None]

    def _read(self, calls: EngineCalls, listed: Listed) -> "_Answer":
        """Ask for all of one container; on a thread of its own."""
        began = self._clock().tick
        until_tick = monotonic() + self._deadline_seconds
        reading: ContainerReading | None
        try:
            path = engine_payloads.container_path(listed.container_id)
            described = calls.get(path, until_tick=until_tick)
            reading = engine_payloads.reading(listed, described, self._clock())
            if reading.state in _COUNTED:
                reading = self._read_counters(calls, reading, described, until_tick)
        except NotThere:
            reading = None
        except SourceError as error:
            reading = _without_figures(listed, self._clock(), error.reason)
        spent_seconds = self._clock().tick - began
        return _Answer(reading, is_slow=spent_seconds > SLOW_SHARE * self._deadline_seconds)

    def _read_counters(
        self, calls: EngineCalls, reading: ContainerReading, described: object, until_tick: float
    ) -> ContainerReading:
        try:
            counters = engine_payloads.counters(
                calls.get(
                    engine_payloads.stats_path(reading.container_id),
                    engine_payloads.STATS_QUERY,
                    until_tick=until_tick,
                ),
                has_network=engine_payloads.has_own_network(described),
            )
        except NotThere:
            raise
        except SourceError as error:
            return replace(reading, trouble=error.reason)
        return replace(reading, at=self._clock(), counters=counters)

    def _give_up(self, listed: Listed) -> "_Answer":
        return _Answer(_without_figures(listed, self._clock(), self._silence), is_slow=True)

    def _remark(self, found: int, readings: Iterable[ContainerReading]) -> str:
        """Say what there is to say about a look that succeeded."""
        silent = sum(bool(reading.trouble) for reading in readings)
        remarks = [
            f"no container {self._wanted}" * (not found),
            f"{found} containers are wanted, {MAX_CONTAINERS} are watched"
            * (found > MAX_CONTAINERS),
            f"{silent} of {found} cannot be read" * (silent > 0),
            f"its events are not told: {self._deafness}" * bool(self._deafness),
        ]
        return "; ".join(remark for remark in remarks if remark)

    async def _listen(self, calls: EngineCalls, tell: Tell) -> None:
        """Follow the engine's events for ever; where it tells none, looks have to do."""
        loop = asyncio.get_running_loop()

        def hear(answer: object) -> None:
            event = engine_events.event(self.name, answer, self._clock())
            if event is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended before us
                    loop.call_soon_threadsafe(self._hear, event, calls, tell)

        def begin() -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._begin_events)

        failures = 0
        while True:
            try:
                await self._errands.send("events", partial(calls.listen, self._since, begin, hear))
                failures = 0
            except SourceError as error:
                failures += 1
                self._deafness = error.reason
            await asyncio.sleep(min(MAX_BACKOFF_SECONDS, 0.5 * 2 ** min(failures, 10)))

    def _begin_events(self) -> None:
        self._deafness = ""
        self._roster.begin_events()

    def _hear(self, event: EngineEvent, calls: EngineCalls, tell: Tell) -> None:
        if calls.is_closed:
            return  # it was on its way from the thread when this visit ended
        changed = event.changed
        mark = (event.since, changed.container_id, changed.change)
        is_known = self._roster.knows(changed.container_id)
        if event.since and mark in self._heard:
            return  # told again after a reconnect
        self._heard.append(mark)
        self._since = event.since or self._since
        if not is_known and not self._wanted.includes(changed.name, event.labels):
            return
        if changed.change is ContainerChange.OOM_KILLED:
            self._roster.note_oom_kill(changed.container_id)
        tell(changed)
        self._asked.set()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one container said, if it is still there, and whether it took long."""

    reading: ContainerReading | None
    is_slow: bool


def _without_figures(listed: Listed, at: Moment, trouble: str) -> ContainerReading:
    """Say what the list alone says of a container."""
    return ContainerReading(
        at, listed.container_id, listed.name, listed.image, listed.state, trouble=trouble
    )


def _renew(reading: ContainerReading | None, listed: Listed) -> ContainerReading | None:
    """Take what a slow container said after the look before; what it does, the list knows."""
    if reading is None or reading.state is listed.state:
        return reading
    return replace(reading, state=listed.state, health=None, counters=None)
