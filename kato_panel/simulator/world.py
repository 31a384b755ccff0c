"""
The simulated store: sessions, the index, and the truth about both.

No I/O and no clock: time comes in as epoch seconds, and each change is told to a journal
before it is made, so that what was told survives a crash.
"""

import contextlib
import dataclasses
import heapq
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from .session import DEFAULT_TTL_SECONDS, Ended, How, Session

ENDED_KEPT = 100_000

Entry = dict[str, Any]
Journal = Callable[[Entry], None]
Found = Literal["there", "late", "gone"]


class World:
    """
    All sessions of one simulated upstream.

    ``index`` holds every id created and not explicitly deleted: an expired id stays in it,
    as in KATO, whose counts are its size.

    Parameters
    ----------
    seed
        Draws the session ids.
    speed
        How many simulated seconds pass in one second; it divides the TTLs.
    journal
        Hears of each change before it is made; if it raises, nothing changes.
    """

    is_kept = False
    """Whether the sessions live elsewhere."""

    def __init__(self, seed: int = 1, speed: float = 1.0, journal: Journal | None = None) -> None:
        self.seed = seed
        self.speed = speed
        self.journal = journal
        self.sessions: dict[str, Session] = {}
        self.index: dict[str, None] = {}
        self.ended: deque[Ended] = deque(maxlen=ENDED_KEPT)
        self.created_total = 0
        self._random = random.Random(f"{seed}/ids")
        self._expiries: list[tuple[float, str]] = []

    def create(
        self,
        node_id: str,
        now: float,
        *,
        ttl_seconds: int = DEFAULT_TTL_SECONDS,
        metadata: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        delete_at: float | None = None,
        stm: Sequence[Sequence[str]] = (),
        access_count: int = 0,
        accessed_at: float | None = None,
    ) -> Session:
        """
        Begin a session.

        Parameters
        ----------
        now
            When it begins; may lie in the past for sessions older than the world.
        ttl_seconds
            In simulated seconds, above 0.
        """
        unique = uuid.UUID(int=self._random.getrandbits(128), version=4).hex
        expires_at = now + ttl_seconds / self.speed
        session = Session(
            session_id=f"session-{unique}-{int(now * 1000)}",
            node_id=node_id,
            created_at=now,
            expires_at=expires_at,
            key_expires_at=expires_at,
            ttl_seconds=ttl_seconds,
            metadata=dict(metadata or {}),
            config=dict(config or {}),
            delete_at=delete_at,
            stm=[list(one) for one in stm],
            access_count=access_count,
            accessed_at=accessed_at,
        )
        self._begin(session)
        return session

    def take_over(self, session: Session) -> None:
        """Go on with a session that began elsewhere."""
        self._begin(session)

    def advance(self, now: float) -> None:
        """End every session whose key is due; the index keeps their ids and nobody is told."""
        while self._expiries and self._expiries[0][0] <= now:
            due, session_id = self._expiries[0]
            session = self.sessions.get(session_id)
            is_due = session is not None and session.key_expires_at == due
            left_seconds = self._left_seconds(session_id) if is_due else None
            heapq.heappop(self._expiries)
            if session is None or not is_due:
                continue
            if left_seconds is None:
                self._end(session, due, "expired")
            else:
                self._place(session, now + left_seconds)

    def read(self, session_id: str, now: float) -> Session | None:
        """
        Look a session up as KATO does: the key's TTL starts anew.

        A read after the stored ``expires_at`` removes the session, from the index too.

        Returns
        -------
        Session | None
            ``None`` if there is none; ``expires_at`` is the stored one.
        """
        if self.look(session_id, now) != "there":
            return None
        session = self.sessions[session_id]
        self._move(session, now + session.ttl_seconds / self.speed)
        return self.sessions[session_id]

    def exists(self, session_id: str, now: float) -> bool:
        """Say whether a session can be read, without moving its TTL."""
        return self.look(session_id, now) == "there"

    def look(self, session_id: str, now: float) -> Found:
        """
        Look for a session without moving its TTL; one past its stored ``expires_at`` is removed.

        Returns
        -------
        Found
            ``late`` for one that was just removed.
        """
        return self._find(session_id, now)

    def extend(self, session_id: str, ttl_seconds: int, now: float) -> None:
        """Give the key of a live session another TTL, which its next read undoes."""
        self._move(self.sessions[session_id], now + ttl_seconds / self.speed)

    def use(self, session_id: str, stm: Sequence[Sequence[str]], now: float) -> Session | None:
        """
        Work in a session, as its client does: an access is written, and the key's TTL starts anew.

        Parameters
        ----------
        stm
            The short-term memory, as it is then.

        Returns
        -------
        Session | None
            ``None`` if it cannot be read (any more).
        """
        if self.look(session_id, now) != "there":
            return None
        session = self.sessions[session_id]
        used = dataclasses.replace(
            session,
            stm=[list(one) for one in stm],
            access_count=session.access_count + 1,
            accessed_at=now,
            key_expires_at=now + session.ttl_seconds / self.speed,
        )
        self._use(used)
        return used

    def delete(self, session_id: str, now: float) -> Session | None:
        """End a session on request; ``None`` if it cannot be read (any more)."""
        if self._find(session_id, now) != "there":
            return None
        session = self.sessions[session_id]
        self._remove(session, now, "deleted")
        return session

    def count(self) -> int:
        """Return the index's size, which is what upstream reports."""
        return len(self.index)

    def reconcile(self, clock: Callable[[], float]) -> None:
        """Bring what is known up to date; ``clock`` tells the present, as the look takes time."""
        self.advance(clock())

    def together(self) -> contextlib.AbstractContextManager[None]:
        """Take all that begins in here as one change, where that is quicker."""
        return contextlib.nullcontext()

    def lose_all(self, now: float) -> None:
        """Forget every session and the index, as a store without persistence does."""
        self.advance(now)
        self._tell({"op": "lose", "at": now})
        self._lose(now)

    def restore(self, entries: Iterable[Entry], now: float) -> None:
        """
        Take over what a journal was told, and let expire what is overdue by ``now``.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an entry is not one of this journal's.
        """
        for entry in entries:
            self._replay(entry)
        self.reseed()
        self.advance(now)

    def reseed(self) -> None:
        """Let the ids that follow repeat none of those drawn before a restart."""
        self._random = random.Random(f"{self.seed}/ids/{self.created_total}")

    def entries(self) -> Iterable[Entry]:
        """Yield the shortest journal from which this world can be restored."""
        yield {"op": "total", "created": self.created_total - len(self.sessions)}
        for ended in self.ended:
            yield {"op": "ended", "ended": dataclasses.asdict(ended)}
        for session_id in self.index:
            if session_id not in self.sessions:
                yield {"op": "index", "session_id": session_id}
        for session in self.sessions.values():
            yield {"op": "create", "session": dataclasses.asdict(session)}

    def _replay(self, entry: Entry) -> None:
        match entry["op"]:
            case "total":
                self.created_total = int(entry["created"])
            case "ended":
                self.ended.append(Ended(**entry["ended"]))
            case "index":
                self.index[entry["session_id"]] = None
            case "create":
                self._add(Session(**entry["session"]))
            case "move":
                # a move or removal that was told came before the expiry it prevented
                self._place(self.sessions[entry["session_id"]], float(entry["key_expires_at"]))
            case "use":
                used = Session(**entry["session"])
                self._place(used, used.key_expires_at)
            case "remove":
                self._drop(self.sessions[entry["session_id"]], float(entry["at"]), entry["how"])
            case "vanish":
                self._end(self.sessions[entry["session_id"]], float(entry["at"]), entry["how"])
            case "lose":
                self.advance(float(entry["at"]))
                self._lose(float(entry["at"]))
            case other:
                raise ValueError(f"op is {other!r}")

    def _tell(self, entry: Entry) -> None:
        if self.journal is not None:
            self.journal(entry)

    def _find(self, session_id: str, now: float) -> Found:
        self.advance(now)
        session = self._ask(session_id, now)
        if session is None:
            return "gone"
        if session.expires_at <= now:
            self._remove(session, now, "expired")
            return "late"
        return "there"

    def _ask(self, session_id: str, now: float) -> Session | None:  # noqa: ARG002  # for who keeps sessions elsewhere
        """Return a session that lives."""
        return self.sessions.get(session_id)

    def _left_seconds(self, session_id: str) -> float | None:  # noqa: ARG002  # the same
        """Say how long a key lives on that should be gone by now."""
        return None

    def _begin(self, session: Session) -> None:
        if self.journal is not None:
            self.journal({"op": "create", "session": dataclasses.asdict(session)})
        self._add(session)

    def _add(self, session: Session) -> None:
        self.created_total += 1
        self.sessions[session.session_id] = session
        self.index[session.session_id] = None
        heapq.heappush(self._expiries, (session.key_expires_at, session.session_id))

    def _move(self, session: Session, key_expires_at: float) -> None:
        told = {"op": "move", "session_id": session.session_id, "key_expires_at": key_expires_at}
        self._tell(told)
        self._place(session, key_expires_at)

    def _use(self, used: Session) -> None:
        if self.journal is not None:
            self.journal({"op": "use", "session": dataclasses.asdict(used)})
        self._place(used, used.key_expires_at)

    def _place(self, session: Session, key_expires_at: float) -> None:
        moved = dataclasses.replace(session, key_expires_at=key_expires_at)
        self.sessions[session.session_id] = moved
        heapq.heappush(self._expiries, (key_expires_at, session.session_id))
        self._sweep()

    def _remove(self, session: Session, now: float, how: How) -> None:
        self._tell({"op": "remove", "session_id": session.session_id, "at": now, "how": how})
        self._drop(session, now, how)

    def _drop(self, session: Session, now: float, how: How) -> None:
        self._end(session, now, how)
        self.index.pop(session.session_id, None)
        self._sweep()

    def _end(self, session: Session, at: float, how: How) -> None:
        del self.sessions[session.session_id]
        self.ended.append(Ended(session.session_id, session.node_id, session.created_at, at, how))

    def _lose(self, now: float) -> None:
        for session in list(self.sessions.values()):
            self._end(session, now, "lost")
        self.index.clear()
        self._expiries.clear()

    def _sweep(self) -> None:
        """Keep the heap within bounds: every read leaves an outdated entry in it."""
        if len(self._expiries) > 2 * len(self.sessions) + 1000:
            self._expiries = [(s.key_expires_at, s.session_id) for s in self.sessions.values()]
            heapq.heapify(self._expiries)
