"""What the history keeps beside events and session records."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sample:
    """
    The count at one good observation.

    Parameters
    ----------
    at
        When; UTC.
    active
        The shown count.
    reported
        The count as upstream reported it, where it did.
    drift
        Sessions upstream still counts but that are gone, where that is known.
    """

    at: datetime
    active: int
    reported: int | None = None
    drift: int | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """Upstream was observed at this moment, UTC, whatever was seen."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Between these moments, UTC, nobody could look, or nobody was there to."""

    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """
    Something that a person did to upstream through this service.

    Parameters
    ----------
    at
        When; UTC.
    who
        Who asked for it.
    action, subject, result
        What was done, to what, and how it ended.
    """

    at: datetime
    who: str
    action: str
    subject: str
    result: str


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """
    Something to be sent to another service.

    Parameters
    ----------
    at
        When it was put there; UTC.
    kind
        What it is.
    body
        JSON text.
    attempts
        How often it was tried.
    sent_at
        When it was taken; ``None`` while it waits.
    """

    at: datetime
    kind: str
    body: str
    attempts: int = 0
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One value that has to outlive the process, by its key; a later one takes its place."""

    key: str
    value: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """
    A stretch of time that was observed, if only in part.

    Parameters
    ----------
    start
        When it began; UTC.
    last, lowest, highest
        Shown count at its end, and its bounds.
    created, ended
        Sessions in it.
    """

    start: datetime
    last: int
    lowest: int
    highest: int
    created: int = 0
    ended: int = 0
