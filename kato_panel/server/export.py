"""``GET /api/v1/export/<kind>``: rows of the history as a file, as ``kato-panel export`` has it."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from tornado.iostream import StreamClosedError

from kato_panel.churn_desk import NO_HISTORY
from kato_panel.domain.event_query import (
    USUAL_RANGE,
    Form,
    check_fields,
    read_form,
    read_node,
)
from kato_panel.errors import HistoryError, KatoPanelError
from kato_panel.runtime import Runtime
from kato_panel.server.answers import JsonRequest
from kato_panel.server.asked import read_question
from kato_panel.server.events import CSV_TYPE, Desk

FIELDS: Final = ("since", "until", "node", "format")
TYPES: Final = {"csv": CSV_TYPE, "json": "application/json; charset=utf-8"}

Parts = Iterator[tuple[str, int]]


class ExportRequest(JsonRequest):
    """``GET /api/v1/export/<kind>?since&until&node&format``."""

    def initialize(self, runtime: Runtime, desk: Desk | None = None) -> None:
        """Take what the route was made with."""
        super().initialize(runtime)
        self._desk = desk or Desk()

    async def get(self, kind: str) -> None:
        """
        Answer with a file, a part at a time: what others ask meanwhile comes between two parts.

        Once a part has gone out, only a connection that breaks off can say that some is missing.
        """
        try:
            given = read_question(self.request)
            check_fields(given, FIELDS)
            form = read_form(given.get("format"), "csv")
            node = read_node(given.get("node"))
            parts = await self._desk.read(partial(self._begin, kind, given, node, form))
            part = await self._desk.read(partial(next, parts, None))
        except KatoPanelError as error:
            self.refuse(error)
            return
        self.set_header("Content-Type", TYPES[form])
        whose = "-demo" if self.runtime.settings.is_demo else ""
        name = f"kato-{kind}{whose}.{form}"
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        try:
            while part is not None and self.request.method != "HEAD":
                self.write(part[0])
                await self.flush()
                part = await self._desk.read(partial(next, parts, None))
        except StreamClosedError:
            return  # nobody reads any more
        except KatoPanelError:
            self.detach().close()
            return
        self.finish()

    def _begin(self, kind: str, given: dict[str, str], node: str | None, form: Form) -> Parts:
        # Loads pandas, on the desk's thread and for who asks first.
        from kato_panel import asking_history, exporting  # noqa: PLC0415

        frames = self.runtime.frames()
        if frames is None:
            raise HistoryError(NO_HISTORY)
        since, until = asking_history.read_range(
            frames, given.get("since") or USUAL_RANGE, given.get("until")
        )
        return exporting.export_parts(frames, kind, since, until, node=node, form=form)
