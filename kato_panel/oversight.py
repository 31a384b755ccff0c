"""Keeps an eye on what is beside the sessions: KATO's containers, and its own figures."""

import asyncio

from kato_panel.domain.containers import ContainersSeen
from kato_panel.domain.events import CountObserved
from kato_panel.domain.figures_kept import FiguresKept
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import SideObservation, Surroundings
from kato_panel.domain.trends import Trend, Trends


class Oversight:
    """Takes what is observed beside the sessions; all on the watcher's loop."""

    def __init__(self) -> None:
        self._containers: ContainersSeen | None = None
        self._trends = Trends()
        self._drawn: tuple[Trend, ...] = ()
        self._kept = FiguresKept()

    def observe(self, observation: SideObservation | CountObserved) -> None:
        """Take one observation; of a poll, what it says beside the count."""
        self._kept.observe(observation)
        if isinstance(observation, ContainersSeen):
            self._containers = observation
            self._drawn = self._trends.add(observation)

    def look(self, snapshot: SessionSnapshot, lag_seconds: float | None) -> Surroundings:
        """
        Say how it is.

        Parameters
        ----------
        snapshot
            What is known of the sessions.
        lag_seconds
            How late the watcher's loop was, at worst.
        """
        del snapshot, lag_seconds
        return Surroundings(self._containers, trends=self._drawn, figures=self._kept.figures)

    async def run(self) -> None:
        """Wait for ever: nothing takes time."""
        await asyncio.Event().wait()
