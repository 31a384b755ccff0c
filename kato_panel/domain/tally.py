"""
What is counted since the start: arrivals, departures with their reasons, lifetimes, polls, lag.

One writer, the watcher; whoever else reads gets `Tally.tallied`, a frozen value.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Self

from kato_panel.domain.events import CountObserved, Kind, Observation, SessionEvent
from kato_panel.domain.keys import KeyObservation
from kato_panel.domain.records import Reason, Record, Step, Transition
from kato_panel.domain.telling import Told

LIFETIME_SECONDS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
POLL_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
MAX_DOUBT: Final = timedelta(seconds=60)
"""Who ended within a longer time than this, nobody knows for how long it lived."""
LAGS: Final = 60
"""Turns of a loop that are remembered: the largest lag of the last minute is told."""


@dataclass(frozen=True, slots=True)
class Spread:
    """
    How some durations are spread.

    Parameters
    ----------
    bounds
        Upper bounds, in seconds, ascending; beyond the last there is one more part.
    counts
        How many durations fell into each part.
    sum_seconds
        All together.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum_seconds: float = 0.0

    @classmethod
    def within(cls, bounds: tuple[float, ...]) -> Self:
        """Begin with none."""
        return cls(bounds, (0,) * (len(bounds) + 1))

    def add(self, durations: Iterable[float]) -> "Spread":
        """Return it with more durations, in seconds; a bound belongs to the part below it."""
        counts, sum_seconds = [*self.counts], self.sum_seconds
        for seconds in durations:
            counts[bisect_left(self.bounds, seconds)] += 1
            sum_seconds += seconds
        return replace(self, counts=tuple(counts), sum_seconds=sum_seconds)


@dataclass(frozen=True, slots=True)
class Tallied:
    """
    What was counted; ``None`` is not known.

    Parameters
    ----------
    created
        Sessions that came.
    ended
        Sessions that went, by reason.
    lifetimes
        How long those lived whose birth and end are known; ``None`` where no records tell.
    polls
        How long the answers to polls took.
    lag_seconds
        The largest lag of the watcher's loop in the last minute.
    """

    created: int
    ended: Mapping[Reason, int]
    lifetimes: Spread | None
    polls: Spread
    lag_seconds: float | None = None


class Lag:
    """The largest of the last lags of a loop."""

    def __init__(self) -> None:
        self._lags: deque[float] = deque(maxlen=LAGS)

    def add(self, seconds: float) -> None:
        """Take one; a clock that was ahead is no lag."""
        self._lags.append(max(0.0, seconds))

    @property
    def seconds(self) -> float | None:
        """The largest; ``None`` before there is one."""
        return max(self._lags, default=None)


class Tally:
    """
    Counts what the watcher learns.

    Parameters
    ----------
    has_records
        Whether the ledger's records tell each birth and end; else the events are counted.
    """

    def __init__(self, *, has_records: bool = False) -> None:
        self._has_records = has_records
        self._seq = 0
        self._lag = Lag()
        # Without records a reason counts once it was told: that nobody expired is not known then.
        reasons = Reason if has_records else (Reason.UNKNOWN,)
        self.tallied = Tallied(
            created=0,
            ended=MappingProxyType(dict.fromkeys(reasons, 0)),
            lifetimes=Spread.within(LIFETIME_SECONDS) if has_records else None,
            polls=Spread.within(POLL_SECONDS),
        )

    def begin(self, after_seq: int) -> None:
        """Pass over events up to this number: an earlier run told them."""
        self._seq = after_seq

    def add(self, observation: Observation | KeyObservation, told: Told) -> None:
        """Take an observation, and what follows from it."""
        if isinstance(observation, CountObserved):
            seconds = observation.arrived_at.tick - observation.sent_at.tick
            self.tallied = replace(self.tallied, polls=self.tallied.polls.add([max(0.0, seconds)]))
        if self._has_records and told.transitions:
            self._add_steps(told.transitions)
        elif told.events and not self._has_records:
            self._add_events(told.events)

    def add_lag(self, seconds: float) -> None:
        """Take the lag of one turn of the watcher's loop."""
        self._lag.add(seconds)
        self.tallied = replace(self.tallied, lag_seconds=self._lag.seconds)

    def _add_events(self, events: Iterable[SessionEvent]) -> None:
        created, ended = 0, dict(self.tallied.ended)
        for event in events:
            if event.seq <= self._seq:
                continue  # told again with its names: counted before
            self._seq = event.seq
            if event.kind is Kind.CREATED:
                created += event.delta
            else:
                reason = _reason(event.reason)
                ended[reason] = ended.get(reason, 0) + event.delta
        self.tallied = replace(
            self.tallied,
            created=self.tallied.created + created,
            ended=MappingProxyType(ended),
        )

    def _add_steps(self, steps: Iterable[Transition]) -> None:
        # A first look may find 100,000 that neither came nor went, while the loop stands still.
        born, ended = Step.BORN, Step.ENDED
        moved = [step for step in steps if step.step is born or step.step is ended]
        if not moved:
            return
        gone = [step.record for step in moved if step.step is ended]
        sums = dict(self.tallied.ended)
        for record in gone:
            if record.ending is not None:
                sums[record.ending.reason] += 1
        lifetimes = self.tallied.lifetimes
        if lifetimes is not None and gone:
            lived = map(_lifetime_seconds, gone)
            lifetimes = lifetimes.add(seconds for seconds in lived if seconds is not None)
        self.tallied = replace(
            self.tallied,
            created=self.tallied.created + len(moved) - len(gone),
            ended=MappingProxyType(sums),
            lifetimes=lifetimes,
        )


def _reason(told: str | None) -> Reason:
    return next((reason for reason in Reason if reason.value == told), Reason.UNKNOWN)


def _lifetime_seconds(record: Record) -> float | None:
    """Say for how long a session lived: up to the middle of the time within which it ended."""
    ending, created = record.ending, record.created
    if ending is None or created is None or ending.latest - ending.earliest > MAX_DOUBT:
        return None
    end = ending.earliest + (ending.latest - ending.earliest) / 2
    return max(0.0, (end - created).total_seconds())
