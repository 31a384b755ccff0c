"""How well each source sees: its health, followed from observation to observation."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from kato_panel.domain.containers import ContainerChanged, ContainersSeen, NoEngine
from kato_panel.domain.events import (
    ChangesMissed,
    ChangesNamed,
    CountObserved,
    LookFailed,
    Moment,
    Observation,
    Replayed,
    SourceConnected,
    SourceHeard,
)
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.keys import (
    KeyEventsJudged,
    KeyObservation,
    KeysChanged,
    KeysSeen,
    ScanBegan,
    ScanEnded,
    SessionsRead,
)
from kato_panel.domain.surroundings import SideObservation
from kato_panel.domain.upstream_figures import MetricsSeen

logger = logging.getLogger(__name__)

CACHED_REMARK: Final = "asked at /sessions/count: up to 5 s old"


class Sightings:
    """
    The state of every source; a change of health is logged once.

    Parameters
    ----------
    states
        One for each source, as they are at the beginning.
    """

    def __init__(self, states: Iterable[SourceState]) -> None:
        self._states = {state.name: state for state in states}
        self._remarks: dict[str, str] = {}
        self._closed: set[str] = set()

    @property
    def states(self) -> tuple[SourceState, ...]:
        """All of them, in the order of the beginning."""
        return tuple(self._states.values())

    def is_failing(self, source: str) -> bool:
        """Say whether a source failed when it looked last."""
        return self._states[source].failures > 0

    def is_closed(self, source: str) -> bool:
        """Say whether a source is not needed at present."""
        return source in self._closed

    def close(self, source: str, reason: str) -> None:
        """Note that a source is not needed from now on."""
        self._closed.add(source)
        self._states[source] = replace(self._begin(source), health=Health.OFF, reason=reason)

    def open(self, source: str) -> None:
        """Note that a source is needed again."""
        self._closed.discard(source)
        self._states[source] = self._begin(source)

    def note(self, observation: Observation | KeyObservation | SideObservation) -> None:
        """Take one observation."""
        source = observation.source
        match observation:
            case CountObserved(arrived_at=at, is_cached=is_cached):
                self._succeed(source, at, CACHED_REMARK if is_cached else "")
            case ChangesNamed(changes=changes) | KeysChanged(changes=changes):
                self._succeed(source, changes[-1].at)
            case (
                KeyEventsJudged(at=at, remark=remark)
                | ContainersSeen(at=at, remark=remark)
                | MetricsSeen(at=at, remark=remark)
            ):
                self._succeed(source, at, remark)
            case LookFailed(reason=reason):
                self._set(self._states[source].fail(reason))
            case NoEngine(reason=reason):
                self._set(replace(self._begin(source), health=Health.OFF, reason=reason))
            case ChangesMissed(missed=missed):
                logger.warning("source %s: %d changes were dropped unread", source, missed)
            case (
                SourceConnected(at=at)
                | SourceHeard(at=at)
                | ScanBegan(at=at)
                | KeysSeen(at=at)
                | ScanEnded(at=at)
                | SessionsRead(at=at)
                | ContainerChanged(at=at)
                | Replayed(at=at)
            ):
                self._succeed(source, at)

    def _succeed(self, source: str, at: Moment, remark: str | None = None) -> None:
        """Note that a source has seen; without a remark, the one before holds."""
        if remark is not None:
            self._remarks[source] = remark
        self._set(self._states[source].succeed(at, self._remarks.get(source, "")))

    def _set(self, state: SourceState) -> None:
        before = self._states[state.name].health
        self._states[state.name] = state
        if state.health is before:
            return
        if state.health is Health.UP:
            logger.info("source %s is up", state.name)
        elif state.health is Health.OFF:
            logger.info("source %s is off: %s", state.name, state.reason)
        else:
            logger.warning("source %s is %s: %s", state.name, state.health, state.reason)

    def _begin(self, source: str) -> SourceState:
        return SourceState(source, self._states[source].label)
