"""``GET /api/v1/events``: what is recorded, as JSON a page at a time, or as CSV in one stream."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from kato_panel import bodies, messages
from kato_panel.csv_text import write_line
from kato_panel.domain.event_query import DEFAULT_EVENTS, MAX_EVENTS, EventQuery
from kato_panel.errors import HistoryError, KatoPanelError
from kato_panel.history import Page, RecordedEvent
from kato_panel.server.asked import read_question
from kato_panel.server.reading import ReadingRequest
from kato_panel.watcher import now


class EventsRequest(ReadingRequest):
    """``GET /api/v1/events?since&until&type&node&limit&cursor&format``."""

    async def get(self) -> None:
        """Answer."""
        try:
            query = EventQuery.read(read_question(self.request), now().wall)
            if query.form == "csv":
                await self._export(query)
            else:
                self.finish(await self.desk.read(partial(self._page, query)))
        except KatoPanelError as error:
            self.refuse(error)

    async def _export(self, query: EventQuery) -> None:
        """Send lines as they are read, without a limit all that there are."""
        page = await self.desk.read(partial(self._find, query, MAX_EVENTS))
        if query.limit is not None and page.next is not None:
            self.set_header("X-Next-Cursor", page.next)
        await self.send_file("events", query.form, self._lines(query, page))

    def _lines(self, query: EventQuery, page: Page[RecordedEvent]) -> Iterator[str]:
        is_demo = self.runtime.settings.is_demo
        head = write_line(messages.EVENT_COLUMNS)
        while True:
            cells = (messages.event_cells(one, is_demo=is_demo) for one in _told(page))
            yield head + "".join(map(write_line, cells))
            if query.limit is not None or page.next is None:
                return
            head, page = "", self._find(replace(query, cursor=page.next), MAX_EVENTS)

    def _page(self, query: EventQuery) -> str:
        page = self._find(query, DEFAULT_EVENTS)
        is_demo = self.runtime.settings.is_demo
        return messages.recorded_events(_told(page), page.next, is_demo=is_demo).model_dump_json()

    def _find(self, query: EventQuery, usual: int) -> Page[RecordedEvent]:
        record = self.runtime.record
        if record is None:
            raise HistoryError("no history is kept here")
        return record.reader.events(
            query.since,
            query.until,
            kind=query.kind,
            node=query.node,
            newest_first=False,
            limit=query.limit or usual,
            cursor=query.cursor,
        )


def _told(page: Page[RecordedEvent]) -> list[bodies.RecordedEvent]:
    return [messages.recorded_event(row.id, row.epoch, row.event) for row in page.rows]
