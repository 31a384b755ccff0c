"""``GET /api/v1/events``: what is recorded, as JSON a page at a time, or as CSV in one stream."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from tornado.iostream import StreamClosedError

from kato_panel import bodies, messages
from kato_panel.csv_text import write_line
from kato_panel.domain.event_query import DEFAULT_EVENTS, MAX_EVENTS, EventQuery
from kato_panel.errors import HistoryError, KatoPanelError, SourceUnavailable
from kato_panel.history import Page, RecordedEvent
from kato_panel.runtime import Runtime
from kato_panel.server.answers import JsonRequest
from kato_panel.server.asked import read_question
from kato_panel.watcher import now

T = TypeVar("T")

CSV_TYPE: Final = "text/csv; charset=utf-8; header=present"
READS: Final = 2
"""At once: a read keeps a thread busy, and the disk."""
MAX_WAITING: Final = 16


class Desk:
    """Reads the history for requests, beside the server's loop, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(READS)
        self._waiting = 0

    async def read(self, read: Callable[[], T]) -> T:
        """
        Read on a thread, when it is this request's turn.

        Raises
        ------
        SourceUnavailable
            If too many others wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise SourceUnavailable(f"{MAX_WAITING} others wait for the history; ask again later")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(read)
        finally:
            self._waiting -= 1


@dataclass(frozen=True, slots=True)
class _Part:
    """Some events as they go out, and the cursor of those after them."""

    text: str
    following: str | None


class EventsRequest(JsonRequest):
    """``GET /api/v1/events?since&until&type&node&limit&cursor&format``."""

    def initialize(self, runtime: Runtime, desk: Desk | None = None) -> None:
        """Take what the route was made with."""
        super().initialize(runtime)
        self._desk = desk or Desk()

    async def get(self) -> None:
        """Answer."""
        try:
            query = EventQuery.read(read_question(self.request), now().wall)
            if query.form == "csv":
                await self._export(query)
            else:
                self.finish((await self._desk.read(partial(self._page, query))).text)
        except KatoPanelError as error:
            self.refuse(error)

    async def _export(self, query: EventQuery) -> None:
        """
        Send lines as they are read, without a limit all that there are.

        Once lines have gone out, only a connection that breaks off can say that some are missing.
        """
        part = await self._desk.read(partial(self._lines, query))
        self.set_header("Content-Type", CSV_TYPE)
        whose = "-demo" if self.runtime.settings.is_demo else ""
        self.set_header("Content-Disposition", f'attachment; filename="kato-events{whose}.csv"')
        if query.limit is not None and part.following is not None:
            self.set_header("X-Next-Cursor", part.following)
        self.write(write_line(messages.EVENT_COLUMNS))
        self.write(part.text)
        try:
            while query.limit is None and part.following and self.request.method != "HEAD":
                await self.flush()
                query = replace(query, cursor=part.following)
                part = await self._desk.read(partial(self._lines, query))
                self.write(part.text)
        except StreamClosedError:
            return  # nobody reads any more
        except KatoPanelError:
            self.detach().close()
            return
        self.finish()

    def _lines(self, query: EventQuery) -> _Part:
        is_demo = self.runtime.settings.is_demo
        page = self._find(query, query.limit or MAX_EVENTS)
        cells = (messages.event_cells(one, is_demo=is_demo) for one in _told(page))
        return _Part("".join(map(write_line, cells)), page.next)

    def _page(self, query: EventQuery) -> _Part:
        page = self._find(query, query.limit or DEFAULT_EVENTS)
        is_demo = self.runtime.settings.is_demo
        body = messages.recorded_events(_told(page), page.next, is_demo=is_demo)
        return _Part(body.model_dump_json(), page.next)

    def _find(self, query: EventQuery, limit: int) -> Page[RecordedEvent]:
        record = self.runtime.record
        if record is None:
            raise HistoryError("no history is kept here")
        return record.reader.events(
            query.since,
            query.until,
            kind=query.kind,
            node=query.node,
            newest_first=False,
            limit=limit,
            cursor=query.cursor,
        )


def _told(page: Page[RecordedEvent]) -> list[bodies.RecordedEvent]:
    return [messages.recorded_event(row.id, row.epoch, row.event) for row in page.rows]
