"""
The directory of sessions: a page of the list, one session's detail, and deletes.

Whoever asks may be on any loop: what is asked runs on the watcher's, where the ledger and the
connections live. Nothing here moves a session's life but what says so.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from kato_panel.domain.actions import ActionsState, Outcome, Result, check_id, check_ids
from kato_panel.domain.detail import Detail, Reading, tell_life
from kato_panel.domain.events import Clock
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.listing import Index, Page, Query, Row
from kato_panel.domain.named import CHECK_SECONDS, NamedSessions
from kato_panel.domain.recorded import AuditEntry
from kato_panel.domain.records import Record
from kato_panel.errors import (
    ActionRefused,
    ReadWouldTouch,
    SessionUnknown,
    SourceError,
    SourceUnavailable,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")

ANSWER_SECONDS: Final = 10.0
"""For one question in all; connections have shorter deadlines of their own."""
AMENDED_SECONDS: Final = 2.0
"""So old an index may be where nobody came or went, and only more is known of some."""
MAX_WHO: Final = 200


class Keys(Protocol):
    """What is expected of the source that sees the sessions' keys."""

    async def read_rows(self, session_ids: Sequence[str]) -> tuple[datetime, Mapping[str, Row]]:
        """Read what the list shows."""

    async def read_session(self, session_id: str) -> tuple[datetime, Reading | None]:
        """Read everything of one session; ``None`` if there is no such key."""


class Kato(Protocol):
    """What is expected of KATO's own calls."""

    async def exists(self, session_id: str) -> bool:
        """Ask whether a session lives."""

    async def read(self, session_id: str) -> Reading | None:
        """Read a session, which moves its life; ``None`` if there is none."""

    async def delete(self, session_id: str) -> bool:
        """Delete a session, and say whether it was there."""

    async def close(self) -> None:
        """Close what is kept open between two checks of existence."""


Submit = Callable[[Coroutine[Any, Any, Any]], Future[Any]]


class SessionDirectory:
    """
    Lists, describes and deletes sessions.

    Parameters
    ----------
    submit
        Runs something on the watcher's loop; raises `RuntimeError` where that does not run.
    kato
        KATO's own calls.
    clock
        Gives the time.
    kept
        Who is open: the ledger where Redis is watched, else those that the stream names;
        ``None`` where neither is followed.
    keys
        Reads keys; given with a ledger.
    judge_actions
        Says whether deletes are allowed.
    audit
        Takes each delete, on the watcher's loop; has to return at once.
    """

    def __init__(
        self,
        submit: Submit,
        kato: Kato,
        clock: Clock,
        *,
        kept: Ledger | NamedSessions | None,
        keys: Keys | None = None,
        judge_actions: Callable[[], ActionsState],
        audit: Callable[[AuditEntry], None] | None = None,
    ) -> None:
        self._submit = submit
        self._kato = kato
        self._clock = clock
        self._kept = kept
        self._keys = keys
        self._judge_actions = judge_actions
        self._audit = audit
        self._index: Index | None = None
        self._indexed: tuple[int, int, float] = (-1, -1, 0.0)
        self._indexing = asyncio.Lock()
        self._checking: asyncio.Task[None] | None = None

    @property
    def actions(self) -> ActionsState:
        """Whether deletes are allowed at present, and why not."""
        return self._judge_actions()

    async def list(self, query: Query) -> Page:
        """
        List one page of sessions.

        Parameters
        ----------
        query
            Which, and in which order.

        Raises
        ------
        SourceError
            If they cannot be listed now; that is not an empty list.
        """
        return await self._ask(self._list(query))

    async def nodes(self) -> tuple[tuple[str, int], ...]:
        """
        List the 50 nodes with the most sessions, and how many each has.

        Raises
        ------
        SourceError
            If they cannot be listed now.
        """
        return await self._ask(self._nodes())

    async def detail(self, session_id: str, *, may_touch: bool = False) -> Detail:
        """
        Tell everything of one session.

        Parameters
        ----------
        session_id
            Which one.
        may_touch
            Whether KATO's own read may be used where there is no Redis; it moves the session's
            life.

        Raises
        ------
        QueryError
            If the id is not of KATO's form.
        SessionUnknown
            If nobody knows it.
        ReadWouldTouch
            If only KATO's own read is left, and it may not be used.
        SourceError
            If it cannot be read now.
        """
        return await self._ask(self._detail(check_id(session_id), may_touch=may_touch))

    async def delete(self, session_ids: Sequence[str], who: str) -> tuple[Outcome, ...]:
        """
        Delete sessions through KATO's own call, one after the other.

        Parameters
        ----------
        session_ids
            At most 20; each counts once.
        who
            Who asks for it, for the audit.

        Returns
        -------
        tuple of Outcome
            One for each session. Once KATO does not answer, the rest is not tried.

        Raises
        ------
        ActionRefused
            If deletes are not allowed; nothing was deleted then.
        QueryError
            If an id is not of KATO's form, or there are too many; nor then.
        SourceUnavailable
            If the watcher does not run; nor then.
        """
        if not self.actions.allowed:
            logger.warning("delete refused to %r: %s", who[:MAX_WHO], self.actions.reason)
            raise ActionRefused(self.actions.reason)
        deleting = self._start(self._delete(check_ids(session_ids), who[:MAX_WHO]))
        # Whoever goes away meanwhile does not leave a delete without its audit.
        return await asyncio.shield(deleting)

    async def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._start(question)
        except TimeoutError as error:
            raise SourceUnavailable(f"no answer within {ANSWER_SECONDS:g} s") from error

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        try:
            return asyncio.wrap_future(self._submit(coroutine))
        except RuntimeError as error:
            raise SourceUnavailable("the watcher is not running") from error

    async def _list(self, query: Query) -> Page:
        index = await self._make_index()
        session_ids, total = await asyncio.to_thread(index.choose, query)
        if self._keys is None:
            at = self._clock()
            self._look(session_ids, at.tick)
            rows = [Row(who) for who in session_ids]
            source, wall = "stream", at.wall
        else:
            wall, read = await self._keys.read_rows(session_ids)
            rows = [read[who] for who in session_ids]
            source = "redis"
        return Page(
            tuple(_fill(row, self._record(row.session_id)) for row in rows),
            total,
            query.skip,
            query.limit,
            complete=self._keys is not None,
            source=source,
            at=wall,
        )

    async def _nodes(self) -> tuple[tuple[str, int], ...]:
        index = await self._make_index()
        return await asyncio.to_thread(lambda: index.nodes)

    async def _make_index(self) -> Index:
        """Give the index; made anew, beside this loop, when somebody came or went."""
        kept = self._kept
        if kept is None:
            raise SourceUnavailable("neither Redis nor the stream is followed: nobody is known")
        if isinstance(kept, Ledger) and kept.count is None:
            raise SourceUnavailable("the first look at all keys has not ended yet")
        async with self._indexing:
            tick = self._clock().tick
            revision, amendments, indexed_tick = self._indexed
            is_amended = kept.amendments != amendments
            is_old = is_amended and tick - indexed_tick > AMENDED_SECONDS
            if self._index is None or kept.revision != revision or is_old:
                self._indexed = (kept.revision, kept.amendments, tick)
                self._index = await asyncio.to_thread(Index, kept.open_lives())
            return self._index

    def _record(self, session_id: str) -> Record | None:
        return None if self._kept is None else self._kept.record(session_id)

    def _look(self, session_ids: Sequence[str], tick: float) -> None:
        """Have the visible page checked for as long as somebody looks."""
        if isinstance(self._kept, NamedSessions):
            self._kept.look(session_ids, tick)
            if self._checking is None or self._checking.done():
                self._checking = asyncio.create_task(self._check(self._kept))

    async def _check(self, named: NamedSessions) -> None:
        """Ask who still exists, one at a time, until nobody looks any more."""
        try:
            while (rest_seconds := named.rest_seconds(self._clock().tick)) is not None:
                if rest_seconds > 0:
                    await asyncio.sleep(rest_seconds)
                elif (session_id := named.next_check(self._clock().tick)) is None:
                    await asyncio.sleep(CHECK_SECONDS)
                else:
                    await self._check_one(named, session_id)
        finally:
            await self._kato.close()

    async def _check_one(self, named: NamedSessions, session_id: str) -> None:
        try:
            exists = await self._kato.exists(session_id)
        except SourceError as error:
            # Failing to look says nothing of the session.
            logger.debug("session %r could not be checked: %s", session_id, error)
        else:
            named.settle(session_id, exists=exists)

    async def _detail(self, session_id: str, *, may_touch: bool) -> Detail:
        if self._keys is not None:
            at, reading = await self._keys.read_session(session_id)
        elif may_touch:
            reading, at = await self._kato.read(session_id), self._clock().wall
            if reading is None and isinstance(self._kept, NamedSessions):
                self._kept.settle(session_id, exists=False)
        else:
            raise ReadWouldTouch
        record = self._record(session_id)
        if reading is None and record is None:
            raise SessionUnknown(session_id)
        reading = reading or Reading(Row(session_id, is_gone=True))
        row = _fill(reading.row, record)
        return Detail(
            replace(reading, row=row),
            tell_life(row, record),
            source="http" if self._keys is None else "redis",
            has_touched=self._keys is None,
            at=at,
        )

    async def _delete(self, session_ids: Sequence[str], who: str) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        trouble = ""
        for session_id in session_ids:
            if trouble:
                outcome = Outcome(session_id, Result.FAILED, f"not tried: {trouble}")
            else:
                outcome, trouble = await self._delete_one(session_id, who)
            self._note(outcome, who)
            outcomes.append(outcome)
        return tuple(outcomes)

    async def _delete_one(self, session_id: str, who: str) -> tuple[Outcome, str]:
        """Delete one session; say how that ended, and why no other need be tried."""
        try:
            was_there = await self._kato.delete(session_id)
        except SourceUnavailable as error:
            reason = f"{error.reason}; it may have been deleted all the same"
            return Outcome(session_id, Result.FAILED, reason), error.reason
        except SourceError as error:
            return Outcome(session_id, Result.FAILED, error.reason), ""
        except asyncio.CancelledError:
            self._note(Outcome(session_id, Result.FAILED, "ended before the answer"), who)
            raise
        if isinstance(self._kept, NamedSessions):
            self._kept.settle(session_id, exists=False)
        return Outcome(session_id, Result.DELETED if was_there else Result.NOT_FOUND), ""

    def _note(self, outcome: Outcome, who: str) -> None:
        result = f"{outcome.result}: {outcome.reason}" if outcome.reason else str(outcome.result)
        logger.info("delete of %r by %r: %s", outcome.session_id, who, result)
        if self._audit is not None:
            self._audit(AuditEntry(self._clock().wall, who, "delete", outcome.session_id, result))


def _fill(row: Row, record: Record | None) -> Row:
    """Add what is known from before to what could not be read."""
    if record is None:
        return row
    return replace(
        row,
        node_id=row.node_id or record.node_id,
        created_at=row.created_at or record.created,
        last_accessed=row.last_accessed or record.last_accessed,
        ttl_seconds=row.ttl_seconds or record.ttl_seconds,
    )
