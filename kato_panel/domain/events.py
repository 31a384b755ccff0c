"""The words of the domain: moments, what sources observe, and the events that follow."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

MAX_NAMES: Final = 20
"""Names that one event carries; the others are counted only."""
SESSION_SOURCES: Final = frozenset({"http", "redis", "replay", "stream"})
"""The sources that observe sessions, by name; others observe what is beside them."""


@dataclass(frozen=True, slots=True)
class Moment:
    """
    One instant on two clocks.

    Parameters
    ----------
    wall
        What the calendar says; UTC. Shown and recorded, never subtracted.
    tick
        Monotonic seconds. Ages, windows and deadlines are measured with it, so a clock that is
        set back makes nothing negative.
    """

    wall: datetime
    tick: float


Clock = Callable[[], Moment]
"""Whoever needs the time is given one of these."""


class Kind(StrEnum):
    """What happened to sessions; the values are the wire's words."""

    CREATED = "session_created"
    DESTROYED = "session_destroyed"


@dataclass(frozen=True, slots=True)
class Name:
    """Who it happened to: a session and, where it was told, its node."""

    session_id: str
    node_id: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """
    What upstream says of itself beside the count; ``None`` for what it does not say.

    Parameters
    ----------
    status
        In its own word.
    uptime_seconds
        Of the worker process that answered.
    issues
        What it finds wrong, in its own words.
    """

    status: str | None = None
    uptime_seconds: float | None = None
    issues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CountObserved:
    """
    A source read the number of sessions.

    Parameters
    ----------
    source
        The source's name.
    count
        Sessions, as upstream reports them.
    sent_at, arrived_at
        When the question left and when its answer was here.
    is_cached
        Whether upstream may have answered from its cache, which is up to 5.1 s old.
    service
        What else the same answer says.
    """

    source: str
    count: int
    sent_at: Moment
    arrived_at: Moment
    is_cached: bool = False
    service: Service | None = None


@dataclass(frozen=True, slots=True)
class ChangeNamed:
    """A source told of one session that came or went, with its name."""

    kind: Kind
    name: Name
    at: Moment
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ChangesNamed:
    """Changes that were found together, in the order of their arrival."""

    source: str
    changes: tuple[ChangeNamed, ...]


@dataclass(frozen=True, slots=True)
class SourceConnected:
    """A source that keeps a connection has it."""

    source: str
    at: Moment


@dataclass(frozen=True, slots=True)
class SourceHeard:
    """A source that keeps a connection was heard over it, without any news."""

    source: str
    at: Moment


@dataclass(frozen=True, slots=True)
class LookFailed:
    """A source could not look. That is not an event."""

    source: str
    reason: str
    at: Moment


@dataclass(frozen=True, slots=True)
class ChangesMissed:
    """A source lost changes that it was told; the count has to be asked for."""

    source: str
    missed: int
    at: Moment


@dataclass(frozen=True, slots=True)
class Replayed:
    """
    What a recording tells of one instant.

    Parameters
    ----------
    source
        The source's name.
    at
        When that was.
    active
        The shown count, then; ``None`` if it is not known.
    event
        What was told; ``None`` if nothing was.
    """

    source: str
    at: Moment
    active: int | None
    event: "SessionEvent | None" = None


Observation = (
    CountObserved
    | ChangesNamed
    | SourceConnected
    | SourceHeard
    | LookFailed
    | ChangesMissed
    | Replayed
)


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """
    Sessions came, or sessions went.

    Parameters
    ----------
    seq
        Place in the order of events since the start, from 1. An event whose names became known
        later is told again under the same number.
    kind
        Created or destroyed.
    at
        When it was detected; UTC.
    previous, current
        The shown count before and after; they differ by `delta`.
    delta
        Sessions, at least 1, in both directions.
    source
        Which source it is known from.
    names
        Who, as far as known; at most `MAX_NAMES`.
    reason
        Why they ended, where it was told.
    after_gap_seconds
        For how long nobody could look before, if that is how it was found.
    since_last_event_seconds
        Time since the event before, unless it is the first.
    """

    seq: int
    kind: Kind
    at: datetime
    previous: int
    current: int
    delta: int
    source: str
    names: tuple[Name, ...] = ()
    reason: str | None = None
    after_gap_seconds: float | None = None
    since_last_event_seconds: float | None = None

    @property
    def signed_delta(self) -> int:
        """The change of the count: positive for created, negative for destroyed."""
        return self.delta if self.kind is Kind.CREATED else -self.delta
