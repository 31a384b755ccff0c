"""The routes of alerts: what fires and what did, acknowledging, and silence."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from kato_panel import bodies, messages
from kato_panel.alarms import AlertDesk
from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.alert_query import AlertQuery, read_end
from kato_panel.errors import KatoPanelError, QueryError, SourceUnavailable
from kato_panel.server.answers import JsonRequest
from kato_panel.server.asked import read_question
from kato_panel.server.orders import check_visitor, read_order
from kato_panel.server.reading import ReadingRequest
from kato_panel.watcher import now


class _AlertsRequest(JsonRequest):
    """Asks about alerts, or orders something of them."""

    @property
    def alarms(self) -> AlertDesk:
        """What takes orders."""
        alarms: AlertDesk | None = self.runtime.alarms
        if alarms is None:
            raise SourceUnavailable("the watcher is not running")
        return alarms

    def check_allowed(self) -> str:
        """Refuse whoever may not change anything, before their order is read; say who it is."""
        return check_visitor(self.runtime, self.request, self.alarms.state)


class AlertsRequest(ReadingRequest, _AlertsRequest):
    """``GET /api/v1/alerts?state&severity&rule&since&until&limit&cursor``."""

    async def get(self) -> None:
        """Answer."""
        try:
            query = AlertQuery.read(read_question(self.request), self.runtime.now())
            surroundings = self.runtime.hub.surroundings
            board = None if surroundings is None else surroundings.alerts
            if board is None:
                raise SourceUnavailable("nothing was judged yet")
            self.finish(await self.desk.read(partial(self._answer, query, board)))
        except KatoPanelError as error:
            self.refuse(error)

    def _answer(self, query: AlertQuery, board: AlertBoard) -> str:
        """Answer from the history where one is kept, else from what is known."""
        history, replay = self.runtime.history, self.runtime.replay
        is_demo = self.runtime.settings.is_demo
        if replay is not None or history is None or history.status.trouble is not None:
            fitting = list(filter(query.fits, board.recent))[: query.limit]
            body = messages.alerts(board, fitting, None, is_demo=is_demo)
        else:
            page = history.reader.alerts(
                query.since,
                query.until,
                state=query.state,
                severity=query.severity,
                rule=query.rule,
                limit=query.limit,
                cursor=query.cursor,
            )
            body = messages.alerts(board, page.rows, page.next, is_demo=is_demo)
        return body.model_dump_json()


class _OrderRequest(_AlertsRequest):
    """Takes an order, and says that it was carried out."""

    async def post(self) -> None:
        """Carry it out."""
        try:
            await self.carry_out(self.check_allowed())
        except KatoPanelError as error:
            self.refuse(error)
        else:
            self.finish(bodies.Ordered().model_dump_json())

    async def carry_out(self, who: str) -> None:
        """Do what is ordered."""
        raise NotImplementedError


class AcknowledgeRequest(_OrderRequest):
    """``POST /api/v1/alerts/acknowledge`` with ``{"id": …}``."""

    async def carry_out(self, who: str) -> None:
        """Note that somebody has seen it."""
        order = read_order(self.request, "id")
        await self.alarms.acknowledge(_text(order, "id"), who)


class SilenceRequest(_OrderRequest):
    """``POST /api/v1/alerts/silences`` with ``{"rule": …, "subject": …, "until": …}``."""

    async def carry_out(self, who: str) -> None:
        """Let it be silent."""
        order = read_order(self.request, "rule, until and perhaps subject")
        until = read_end(order.get("until"), now().wall)
        subject = "" if order.get("subject") is None else _text(order, "subject")
        await self.alarms.silence(_text(order, "rule"), subject, until, who)


def _text(order: Mapping[str, Any], field: str) -> str:
    given = order.get(field)
    if not isinstance(given, str):
        raise QueryError(field, given, "a text")
    return given
