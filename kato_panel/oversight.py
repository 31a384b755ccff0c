"""Keeps an eye on what is beside the sessions: containers, KATO's own figures, and alerts."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from typing import Any, Final

from kato_panel.alarms import Alarms
from kato_panel.domain.containers import ContainersSeen
from kato_panel.domain.events import Clock, CountObserved
from kato_panel.domain.figures_kept import FiguresKept
from kato_panel.domain.health import STALE_AFTER_INTERVALS
from kato_panel.domain.measuring import (
    measure_containers,
    measure_sessions,
    measure_upstream,
    measure_usual,
    subjects_of,
)
from kato_panel.domain.rules import Measured
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import SideObservation, Surroundings
from kato_panel.domain.trends import Trend, Trends
from kato_panel.rule_files import RuleFiles, RulesRead

USUAL_SECONDS: Final = 300.0
"""Between two readings of what is usual at this hour."""
RULES_SECONDS: Final = 2.0
"""Between two looks at whether the rules' files have changed."""

Usual = Callable[[datetime], tuple[float | None, int]]


class Oversight:
    """
    Takes what is observed beside the sessions; all on the watcher's loop.

    Parameters
    ----------
    clock
        Gives the time.
    alarms
        What judges; ``None`` where nothing is judged.
    rule_files
        Where the rules stand, which may change.
    usual
        Says what is usual at an hour, on a thread of its own; see
        `kato_panel.domain.measuring.usual_of`.
    container_interval_seconds
        Between two looks at the containers.
    median_lifetime_seconds
        Gives the median lifetime as it was measured last.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        alarms: Alarms | None = None,
        rule_files: RuleFiles | None = None,
        usual: Usual | None = None,
        container_interval_seconds: float = 3.0,
        median_lifetime_seconds: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._alarms = alarms
        self._rule_files = rule_files
        self._usual_of = usual
        self._usual: tuple[float | None, int] = (None, 0)
        self._containers: ContainersSeen | None = None
        self._stale_after_seconds = STALE_AFTER_INTERVALS * container_interval_seconds
        self._trends = Trends()
        self._drawn: tuple[Trend, ...] = ()
        self._kept = FiguresKept()
        self._median_of = median_lifetime_seconds

    def observe(self, observation: SideObservation | CountObserved) -> None:
        """Take one observation; of a poll, what it says beside the count."""
        self._kept.observe(observation)
        if isinstance(observation, ContainersSeen):
            self._containers = observation
            self._drawn = self._trends.add(observation)

    def look(self, snapshot: SessionSnapshot, lag_seconds: float | None) -> Surroundings:
        """
        Judge, and say how it is.

        Parameters
        ----------
        snapshot
            What is known of the sessions.
        lag_seconds
            How late the watcher's loop was, at worst.
        """
        figures = self._kept.figures
        if self._alarms is None:
            return Surroundings(self._containers, trends=self._drawn, figures=figures)
        measured = [*self._measure(snapshot), Measured("loop_lag_seconds", lag_seconds)]
        seen = self._containers
        if seen is not None and not self._sees_containers(seen, snapshot):
            seen = None
        measured += () if seen is None else measure_containers(seen)
        alerts = self._alarms.look(measured, snapshot.made_at, subjects_of(snapshot, seen))
        return Surroundings(self._containers, alerts=alerts, trends=self._drawn, figures=figures)

    def _measure(self, snapshot: SessionSnapshot) -> Iterator[Measured]:
        """Give what rules are held against beside the containers, each from where it is known."""
        yield from measure_sessions(snapshot)
        yield from measure_upstream(self._kept.figures, snapshot.made_at)
        is_known = not snapshot.is_stale and snapshot.suspect is None
        yield measure_usual(snapshot.active if is_known else None, *self._usual)
        yield Measured("median_lifetime_seconds", self._median_of())

    def _sees_containers(self, seen: ContainersSeen, snapshot: SessionSnapshot) -> bool:
        """Say whether the newest look is one: failing to look is no data."""
        state = next((one for one in snapshot.sources if one.name == seen.source), None)
        has_failed = state is not None and state.failures > 0
        age_seconds = snapshot.made_at.tick - seen.at.tick
        return not has_failed and age_seconds <= self._stale_after_seconds

    async def run(self) -> None:
        """Send notices, follow the rules' files, and read what is usual, for ever."""
        jobs: list[Coroutine[Any, Any, None]] = []
        if self._alarms is not None:
            jobs.append(self._alarms.run())
            if self._rule_files is not None:
                jobs.append(self._follow_rules(self._alarms, self._rule_files))
            if self._usual_of is not None:
                jobs.append(self._follow_usual(self._usual_of))
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
            await asyncio.Event().wait()

    async def _follow_rules(self, alarms: Alarms, files: RuleFiles) -> None:
        """Take over changes of the rules' files; what is wrong changes nothing."""
        while True:
            await asyncio.sleep(RULES_SECONDS)
            match await asyncio.to_thread(files.read_changed):
                case RulesRead(rules=rules, problems=()):
                    alarms.change_rules(rules)
                case RulesRead(problems=problems):
                    alarms.refuse_rules(problems)

    async def _follow_usual(self, usual_of: Usual) -> None:
        """Read what is usual beside this loop: it takes its time."""
        while True:
            self._usual = await asyncio.to_thread(usual_of, self._clock().wall)
            await asyncio.sleep(USUAL_SECONDS)
