"""When an index of the open sessions is made: beside the loop, and not more often than is worth."""

import asyncio
from collections.abc import Sequence
from time import thread_time
from typing import Final

from kato_panel.domain.events import Clock
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.listing import Index, Listed
from kato_panel.domain.named import NamedSessions
from kato_panel.errors import SourceUnavailable

INDEX_SHARE: Final = 10.0
"""An index is used for so many times as long as it took to make, whatever changes meanwhile."""
MAX_INDEX_SECONDS: Final = 5.0


class Indexing:
    """
    Keeps the index of the open sessions; used on the watcher's loop only.

    Parameters
    ----------
    kept
        Who is open: the ledger where Redis is watched, else those that the stream names;
        ``None`` where neither is followed.
    clock
        Gives the time.
    """

    def __init__(self, kept: Ledger | NamedSessions | None, clock: Clock) -> None:
        self._kept = kept
        self._clock = clock
        self._index: Index | None = None
        self._revision = self._amendments = -1
        self._good_tick = 0.0
        self._making = asyncio.Lock()
        self._renewing: asyncio.Task[Index] | None = None

    def expire(self) -> None:
        """Have the next one made anew, if anything changed."""
        self._good_tick = 0.0

    async def give(self) -> Index:
        """
        Give an index.

        Raises
        ------
        SourceUnavailable
            If nobody knows who is open.
        """
        kept = self._kept
        if kept is None:
            raise SourceUnavailable("neither Redis nor the stream is followed: nobody is known")
        if isinstance(kept, Ledger) and kept.count is None:
            raise SourceUnavailable("the first look at all keys has not ended yet")
        async with self._making:
            index, is_good = self._index, self._clock().tick <= self._good_tick
            if index is None or (kept.revision != self._revision and not is_good):
                return await self._make(kept)
            is_renewing = self._renewing is not None and not self._renewing.done()
            if kept.amendments != self._amendments and not is_good and not is_renewing:
                # Nobody came or went: what more is known may follow with the next question.
                self._renewing = asyncio.create_task(self._make(kept))
            return index

    async def _make(self, kept: Ledger | NamedSessions) -> Index:
        tick, revision, amendments = self._clock().tick, kept.revision, kept.amendments
        index, spent_seconds = await asyncio.to_thread(_index, kept.open_lives())
        self._index, self._revision, self._amendments = index, revision, amendments
        self._good_tick = tick + min(MAX_INDEX_SECONDS, INDEX_SHARE * spent_seconds)
        return index


def _index(lives: Sequence[Listed]) -> tuple[Index, float]:
    """Make an index, and say how many seconds of work that was."""
    began = thread_time()
    index = Index(lives)
    return index, thread_time() - began
