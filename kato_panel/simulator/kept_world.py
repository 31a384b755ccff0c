"""A world whose sessions live in keys outside this process, and last longer than it."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

from .session import How, Keys, KeysAwayError, Session
from .world import Found, Journal, World

LEAST_SECONDS = 0.001
CLOSE_SECONDS = 0.5
"""A key that went so shortly before its deadline went by it: two clocks looked at it."""


class KeptWorld(World):
    """
    A world that follows its keys: each change is made there first, and they say who is there.

    A change raises :class:`KeysAwayError` if it cannot be made; nothing has changed then. Where
    keys cannot be read, nobody is found, as upstream takes what it cannot read for absent.

    Parameters
    ----------
    keys
        Where the sessions live.
    seed, speed, journal
        As of a world that keeps them itself.
    """

    is_kept = True

    def __init__(
        self, keys: Keys, seed: int = 1, speed: float = 1.0, journal: Journal | None = None
    ) -> None:
        super().__init__(seed, speed, journal)
        self.keys = keys
        self._together: list[Session] | None = None

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write all that begins in here at its end, and in one go."""
        self._together = []
        try:
            yield
            self.keys.write(self._together)
        finally:
            self._together = None

    def advance(self, now: float) -> None:
        """End whose key is due and gone; nobody while the keys are away."""
        with contextlib.suppress(KeysAwayError):
            super().advance(now)

    def read(self, session_id: str, now: float) -> Session | None:
        """Look a session up; its key lives on."""
        try:
            return super().read(session_id, now)
        except KeysAwayError:
            return None

    def look(self, session_id: str, now: float) -> Found:
        """Look for a session without moving its TTL."""
        try:
            return super().look(session_id, now)
        except KeysAwayError:
            return "gone"

    def extend(self, session_id: str, ttl_seconds: int, now: float) -> None:
        """Give the key another TTL; upstream writes the whole value anew."""
        session = self.sessions[session_id]
        moved_to = now + ttl_seconds / self.speed
        self.keys.write([dataclasses.replace(session, key_expires_at=moved_to)])
        super()._move(session, moved_to)

    def count(self) -> int:
        """Return the size of the keys' own index; raises :class:`KeysAwayError`."""
        return self.keys.size()

    def reconcile(self, clock: Callable[[], float]) -> None:
        """
        Take over from the keys who lives, and who is in the index.

        Raises
        ------
        KeysAwayError
            If they cannot be read; what was known stays.
        """
        there, index = self.keys.ids(), self.keys.index()
        now = clock()
        self.advance(now)
        for session in list(self.sessions.values()):
            if session.session_id not in there:
                self._vanish(session, now)
        for session in self.keys.read(there - self.sessions.keys()):
            super()._begin(session)
        self.index = {one: None for one in self.index if one in index}
        self.index |= dict.fromkeys(sorted(index - self.index.keys()))

    def _ask(self, session_id: str, now: float) -> Session | None:
        session = self.sessions.get(session_id)
        if session is None:
            for found in self.keys.read([session_id]):
                super()._begin(found)
        elif self.keys.left_seconds(session_id) is None:
            self._vanish(session, now)
        return self.sessions.get(session_id)

    def _left_seconds(self, session_id: str) -> float | None:
        left_seconds = self.keys.left_seconds(session_id)
        return None if left_seconds is None else max(left_seconds, LEAST_SECONDS)

    def _begin(self, session: Session) -> None:
        if self._together is None:
            self.keys.write([session])
        else:
            self._together.append(session)
        super()._begin(session)

    def _move(self, session: Session, key_expires_at: float) -> None:
        self.keys.move(session.session_id, key_expires_at)
        super()._move(session, key_expires_at)

    def _use(self, used: Session) -> None:
        self.keys.write([used])
        super()._use(used)

    def _remove(self, session: Session, now: float, how: How) -> None:
        self.keys.remove(session.session_id)
        super()._remove(session, now, how)

    def _vanish(self, session: Session, now: float) -> None:
        """Follow a key that went without us."""
        was_due = session.key_expires_at - now <= CLOSE_SECONDS
        how: How = "expired" if was_due else "lost"
        self._tell({"op": "vanish", "session_id": session.session_id, "at": now, "how": how})
        self._end(session, now, how)
