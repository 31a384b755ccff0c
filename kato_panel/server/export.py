"""``GET /api/v1/export/<kind>``: rows of the history as a file, as ``kato-panel export`` has it."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from kato_panel.churn_desk import NO_HISTORY
from kato_panel.domain.event_query import (
    USUAL_RANGE,
    Form,
    check_fields,
    read_form,
    read_node,
)
from kato_panel.errors import HistoryError, KatoPanelError
from kato_panel.server.asked import read_question
from kato_panel.server.reading import ReadingRequest

FIELDS: Final = ("since", "until", "node", "format")


class ExportRequest(ReadingRequest):
    """``GET /api/v1/export/<kind>?since&until&node&format``."""

    async def get(self, kind: str) -> None:
        """Answer."""
        try:
            given = read_question(self.request)
            check_fields(given, FIELDS)
            form = read_form(given.get("format"), "csv")
            node = read_node(given.get("node"))
            parts = await self.desk.read(partial(self._begin, kind, given, node, form))
            await self.send_file(kind, form, parts)
        except KatoPanelError as error:
            self.refuse(error)

    def _begin(
        self, kind: str, given: dict[str, str], node: str | None, form: Form
    ) -> Iterator[str]:
        # Loads pandas, on the desk's thread and for who asks first.
        from kato_panel import asking_history, exporting  # noqa: PLC0415

        frames = self.runtime.frames()
        if frames is None:
            raise HistoryError(NO_HISTORY)
        since, until = asking_history.read_range(
            frames, given.get("since") or USUAL_RANGE, given.get("until")
        )
        parts = exporting.export_parts(frames, kind, since, until, node=node, form=form)
        return (text for text, _ in parts)
