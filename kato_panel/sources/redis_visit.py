"""
One visit of the `redis` source: listen, scan, compare, and read values, while connections last.

Whoever is told of a change during a scan is believed over it, for the scan may have read the
state from before.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from kato_panel.domain.events import Clock, Observation, SourceConnected, SourceHeard
from kato_panel.domain.key_events import KeyEvents
from kato_panel.domain.keys import (
    HEARTBEAT_SECONDS,
    KeyChange,
    KeyChanged,
    KeyEventsJudged,
    KeyObservation,
    KeysChanged,
    KeysSeen,
    ScanBegan,
    ScanEnded,
    SessionDetails,
    SessionsRead,
)
from kato_panel.domain.ledger import MAX_OPEN
from kato_panel.domain.upstream_figures import INTERVAL_SECONDS, RedisSeen
from kato_panel.errors import PayloadError
from kato_panel.sources.redis_keys import SessionKeys
from kato_panel.sources.redis_listener import Listener

logger = logging.getLogger(__name__)

RECONCILE_SECONDS: Final = 60.0
SCAN_SHARE: Final = 10.0
"""Scans rest for so many times their own duration."""
PROMPTED_SECONDS: Final = 1.0
"""At least between two scans, however often somebody prompts."""
PART: Final = 500
"""Keys asked for at once: a few milliseconds for Redis and for this loop."""
VALUES: Final = 50
VALUES_PAUSE_SECONDS: Final = 0.01
MAX_NAMED: Final = 200
"""Sessions found by a scan whose values are read before it is told; the others follow."""

Tell = Callable[[Observation | KeyObservation | RedisSeen], None]


class Visit:
    """
    What is done and remembered while the two connections last.

    Parameters
    ----------
    source
        The source's name.
    keys
        Asks on the one connection.
    listener
        Listens on the other one.
    clock
        Gives the time.
    tell
        Takes what is observed.
    asked
        Set by whoever wants a scan at once.
    interval_seconds
        Between two scans where key events are off.
    """

    def __init__(
        self,
        source: str,
        keys: SessionKeys,
        listener: Listener,
        *,
        clock: Clock,
        tell: Tell,
        asked: asyncio.Event,
        interval_seconds: float,
    ) -> None:
        self._source = source
        self._keys = keys
        self._listener = listener
        self._clock = clock
        self._tell = tell
        self._asked = asked
        self._interval_seconds = interval_seconds
        self._key_events = KeyEvents()
        self._live: set[str] = set()
        """As told so far: what a scan finds beside it, nobody has told."""
        self._has_scanned = False
        self._touched: set[str] = set()
        """Who was told of since the scan began."""
        self._unread: dict[str, None] = {}
        self._unread_filled = asyncio.Event()

    async def last(self, *, enables_events: bool) -> None:
        """Keep on until a connection fails, and raise why."""
        await self._begin(enables_events=enables_events)
        await _first_failure(self._runs())

    async def _begin(self, *, enables_events: bool) -> None:
        """Connect, and listen before the first look."""
        flags = await self._keys.read_flags()
        self._key_events.begin(flags)
        if enables_events and flags is not None and not self._key_events.are_on:
            flags = self._key_events.wanted_flags
            await self._keys.set_flags(flags)
            logger.info("source redis: key events were turned on")
            self._key_events.begin(flags)
        await self._listener.begin()
        self._tell(SourceConnected(self._source, self._clock()))
        self._tell_judgement()

    def _runs(self) -> list[Coroutine[Any, Any, None]]:
        """List what has to run side by side."""
        return [
            self._listener.receive(),
            self._digest(),
            self._look(),
            self._keep_alive(),
            self._read_rest(),
            self._read_figures(),
        ]

    def _tell_judgement(self) -> None:
        judged = self._key_events
        self._tell(KeyEventsJudged(self._source, self._clock(), judged.are_on, judged.remark))

    async def _digest(self) -> None:
        """Tell what was received, in its order, births with what their values say."""
        while True:
            changes, fence = await self._listener.take()
            if changes:
                await self._tell_changes(changes)
            if fence is not None and not fence.done():
                fence.set_result(None)
            await asyncio.sleep(0)

    async def _tell_changes(self, changes: list[KeyChanged]) -> None:
        born = [change.session_id for change in changes if change.change is KeyChange.BORN]
        details: dict[str, SessionDetails] = {}
        try:
            for part in _parts(born, VALUES):
                details |= {one.session_id: one for one in await self._keys.read_values(part)}
        finally:
            were_on = self._key_events.are_on
            for change in changes:
                self._note(change)
            if self._key_events.are_on and not were_on:
                self._tell_judgement()
                self._asked.set()
            described = (replace(one, details=details.get(one.session_id)) for one in changes)
            self._tell(KeysChanged(self._source, tuple(described)))

    def _note(self, changed: KeyChanged) -> None:
        session_id = changed.session_id
        self._key_events.tell(changed.change, changed.at.tick)
        self._touched.add(session_id)
        if changed.change is KeyChange.BORN:
            self._live.add(session_id)
        else:
            self._live.discard(session_id)
            self._unread.pop(session_id, None)

    async def _look(self) -> None:
        """Scan: at once, then as often as it is needed."""
        full_tick = float("-inf")
        while True:
            began_tick = self._clock().tick
            self._asked.clear()
            is_full = began_tick - full_tick >= RECONCILE_SECONDS
            if is_full:
                full_tick = began_tick
            await self._scan(is_full=is_full)
            spent_seconds = self._clock().tick - began_tick
            least_seconds = max(0.0, PROMPTED_SECONDS - spent_seconds)
            await asyncio.sleep(least_seconds)
            rest_seconds = max(RECONCILE_SECONDS, SCAN_SHARE * spent_seconds)
            pace_seconds = self._pace_seconds(spent_seconds) or rest_seconds
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pace_seconds - spent_seconds - least_seconds)):
                    await self._asked.wait()

    def _pace_seconds(self, spent_seconds: float) -> float:
        """Say how far apart scans are begun where they have to tell changes; else 0."""
        if self._key_events.are_on:
            return 0.0
        return max(self._interval_seconds, SCAN_SHARE * spent_seconds)

    async def _scan(self, *, is_full: bool) -> None:
        """Look at every key of the index, of those that are known, and, if full, of all."""
        began = self._clock()
        self._touched = set()
        self._tell(ScanBegan(self._source, began))
        index = await self._keys.read_index()
        looked_at = index | self._live
        if is_full:
            looked_at |= await self._keys.find()
        live: set[str] = set()
        lapsed: set[str] = set()
        for part in _parts(looked_at, PART):
            at, expiries = await self._keys.see(part)
            live.update(expiries)
            lapsed.update(who for who in part if who not in expiries and who in index)
            self._tell(KeysSeen(self._source, at, expiries))
        if len(live) > MAX_OPEN:
            raise PayloadError(f"more than {MAX_OPEN} sessions are alive")
        await self._read_news(live)
        evictions = await self._keys.read_evictions()
        at = self._clock()
        await self._listener.wait_for_fence()
        found = live - self._touched if self._touched else live
        is_index_lost = index.isdisjoint(found) if found else not index
        self._compare(live)
        await asyncio.sleep(0)  # comparing and concluding each take their time
        pace_seconds = self._pace_seconds(at.tick - began.tick)
        self._tell(ScanEnded(self._source, at, lapsed, evictions, is_index_lost, pace_seconds))

    async def _read_news(self, live: set[str]) -> None:
        """Read values of sessions that nobody has told: some now, the rest by and by."""
        news = live - self._live - self._touched
        named = list(islice(news, MAX_NAMED))
        for part in _parts(named, VALUES):
            self._tell_values(await self._keys.read_values(part))
        for gone in self._unread.keys() - live:
            del self._unread[gone]
        self._unread |= dict.fromkeys(news.difference(named))
        if self._unread:
            self._unread_filled.set()

    def _compare(self, live: set[str]) -> None:
        """Take over what is alive, and judge the key events by what they have not told."""
        untold = live ^ self._live
        untold -= self._touched
        if self._has_scanned and untold:
            if self._key_events.are_on:
                logger.warning("source redis: a scan found what no key event has told")
            self._key_events.miss(self._clock().tick)
            self._tell_judgement()
        for who in self._touched:
            (live.add if who in self._live else live.discard)(who)
        self._live = live
        self._has_scanned = True

    async def _read_rest(self) -> None:
        """Read the values that are still unread, in small parts."""
        while True:
            await self._unread_filled.wait()
            part = list(islice(self._unread, VALUES))
            for who in part:
                del self._unread[who]
            if not self._unread:
                self._unread_filled.clear()
            self._tell_values(await self._keys.read_values(part))
            await asyncio.sleep(VALUES_PAUSE_SECONDS)

    def _tell_values(self, details: list[SessionDetails]) -> None:
        if details:
            self._tell(SessionsRead(self._source, self._clock(), tuple(details)))

    async def _read_figures(self) -> None:
        """Ask Redis how it is, beside all else."""
        while True:
            figures = await self._keys.read_figures()
            if figures is not None:
                self._tell(RedisSeen(self._source, self._clock(), figures))
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._listener.wait_for_fence()
            self._tell(SourceHeard(self._source, self._clock()))


async def _first_failure(runs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run side by side until one fails, end the others, and raise what it raised."""
    tasks = [asyncio.create_task(run) for run in runs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _parts(items: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
