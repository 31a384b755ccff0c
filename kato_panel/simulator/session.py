"""What a session is, and what the world asks of a place outside that keeps sessions."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

DEFAULT_TTL_SECONDS = 3600

How = Literal["deleted", "expired", "lost"]


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """
    One live session; all times are epoch seconds.

    ``expires_at`` is what the session's own JSON says and never moves; ``key_expires_at`` is
    when its key really goes, and moves with every read. ``delete_at`` is the churn's plan,
    ``None`` if nobody planned a deletion. ``accessed_at`` is ``None`` for a session that was
    only created: upstream writes no access into a session that is merely read.
    """

    session_id: str
    node_id: str
    created_at: float
    expires_at: float
    key_expires_at: float
    ttl_seconds: int
    metadata: Mapping[str, Any]
    config: Mapping[str, Any]
    delete_at: float | None = None
    stm: Sequence[Sequence[str]] = ()
    access_count: int = 0
    accessed_at: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """One session that is gone, when it went (epoch seconds) and how."""

    session_id: str
    node_id: str
    created_at: float
    ended_at: float
    how: How


class KeysAwayError(Exception):
    """What keeps the sessions does not answer, in words for whoever named it."""


class Keys(Protocol):
    """
    Where the sessions really live, if not in the world alone: it decides who is there.

    Each method raises :class:`KeysAwayError` if it cannot be asked. Times are epoch seconds.
    """

    def write(self, sessions: Iterable[Session]) -> None:
        """Write sessions with the deadlines of their keys, and enter them into the index."""

    def move(self, session_id: str, key_expires_at: float) -> None:
        """Give a key another deadline."""

    def remove(self, session_id: str) -> None:
        """Delete a key, and its id from the index."""

    def left_seconds(self, session_id: str) -> float | None:
        """Say how long a key has to live; ``None`` if there is none, infinity if for ever."""

    def read(self, session_ids: Iterable[str]) -> Iterator[Session]:
        """Yield those of the sessions that are there and can be read."""

    def ids(self) -> set[str]:
        """Find everyone who lives."""

    def index(self) -> set[str]:
        """Read the index."""

    def size(self) -> int:
        """Return the index's size."""
