"""The words of the ledger: what is known of one session, and how that changes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from kato_panel.domain.events import Moment


class Reason(StrEnum):
    """Why a session ended."""

    DELETED = "deleted"
    EXPIRED = "expired"
    EVICTED = "evicted"
    UNKNOWN = "unknown"


class Witness(StrEnum):
    """Which observation a birth or an end is known from."""

    KEY_EVENT = "key event"
    STREAM = "stream"
    SCAN = "scan"


@dataclass(frozen=True, slots=True)
class Ending:
    """
    How a session ended.

    Parameters
    ----------
    earliest, latest
        It ended between these; UTC. They are equal where the moment is known.
    reason
        Why.
    witness
        How that is known.
    """

    earliest: datetime
    latest: datetime
    reason: Reason
    witness: Witness

    @property
    def is_exact(self) -> bool:
        """Whether the moment is known."""
        return self.earliest == self.latest


@dataclass(frozen=True, slots=True)
class Record:
    """
    What is known of one session; ``None`` means not known.

    Parameters
    ----------
    session_id, node_id
        Who.
    created
        From its value, or from its id; UTC.
    last_accessed, ttl_seconds
        From its value, when that was read last.
    seen
        The newest moment at which it was known to live.
    expires
        When it was going to expire, as of then.
    born_by
        How its birth is known; ``None`` if it was there before anybody looked.
    ending
        How it ended; ``None`` while it lives.
    """

    session_id: str
    seen: datetime
    node_id: str | None = None
    created: datetime | None = None
    last_accessed: datetime | None = None
    ttl_seconds: float | None = None
    expires: datetime | None = None
    born_by: Witness | None = None
    ending: Ending | None = None


class Step(StrEnum):
    """What a transition does to a record."""

    FOUND = "found"
    """It was there when somebody looked for the first time: no event."""
    BORN = "born"
    ENDED = "ended"
    AMENDED = "amended"
    """More is known of it than before: no event."""


class Transition(NamedTuple):
    """A record as it is from now on, and what changed. A session's id may be born again."""

    step: Step
    record: Record
    at: Moment
