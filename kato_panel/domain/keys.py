"""What is observed of sessions one by one, where their keys can be seen."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from kato_panel.domain.events import Moment


class KeyChange(StrEnum):
    """What happened to a session's key."""

    BORN = "born"
    DELETED = "deleted"
    EXPIRED = "expired"
    EVICTED = "evicted"


@dataclass(frozen=True, slots=True)
class SessionDetails:
    """
    What a session's value says; ``None`` for what it does not say.

    Parameters
    ----------
    session_id
        Whose value it is.
    node_id
        Who works in it.
    created, last_accessed
        UTC.
    ttl_seconds
        How long it lives after each access.
    expires
        When it will expire if nobody accesses it; from its key.
    """

    session_id: str
    node_id: str | None = None
    created: datetime | None = None
    last_accessed: datetime | None = None
    ttl_seconds: float | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """
    One key came or went.

    Parameters
    ----------
    change, session_id
        What happened, and to whom.
    at
        When it was told.
    details
        What the value says, where it could be read.
    """

    change: KeyChange
    session_id: str
    at: Moment
    details: SessionDetails | None = None


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """Changes that were told together, in the order of their arrival."""

    source: str
    changes: tuple[KeyChanged, ...]


@dataclass(frozen=True, slots=True)
class ScanBegan:
    """From now on all keys are looked at, part by part."""

    source: str
    at: Moment


@dataclass(frozen=True, slots=True)
class KeysSeen:
    """
    One part of a scan: keys that are there.

    Parameters
    ----------
    source
        The source's name.
    at
        When the part was read.
    expiries
        When each session will expire if nobody accesses it; ``None`` for never.
    """

    source: str
    at: Moment
    expiries: Mapping[str, datetime | None]


HEARTBEAT_SECONDS: Final = 2.0
"""Between two signs of life of a source that tells each change."""


@dataclass(frozen=True, slots=True)
class ScanEnded:
    """
    All keys were looked at, and every change from before this moment was told before it.

    Parameters
    ----------
    source
        The source's name.
    at
        When the last part was read.
    lapsed
        Sessions that upstream counts, but whose keys are not there.
    evictions
        Keys evicted since upstream's store began; ``None`` if it does not say.
    is_index_lost
        Whether upstream counts none of the keys that are there, or nothing at all is there.
    interval_seconds
        Until the next scan, where nothing but scans tells all changes; else 0.
    """

    source: str
    at: Moment
    lapsed: AbstractSet[str]
    evictions: int | None = None
    is_index_lost: bool = False
    interval_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionsRead:
    """Values were read."""

    source: str
    at: Moment
    details: tuple[SessionDetails, ...]


@dataclass(frozen=True, slots=True)
class KeyEventsJudged:
    """
    It is known whether each change of a key is told at once.

    Parameters
    ----------
    source
        The source's name.
    at
        When that was found.
    are_on
        Whether they are told.
    remark
        What is to be said about it; empty when all is well.
    """

    source: str
    at: Moment
    are_on: bool
    remark: str = ""


KeyObservation = KeysChanged | ScanBegan | KeysSeen | ScanEnded | SessionsRead | KeyEventsJudged
