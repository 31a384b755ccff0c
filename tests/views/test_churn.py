"""The answers of the Churn tab, without a page."""

import asyncio
import json
from types import SimpleNamespace

import param

from kato_panel.churn_desk import ChurnDesk
from kato_panel.errors import HistoryError
from kato_panel.views.churn import UNEXPECTED, ChurnView


def test_any_error_is_answered(caplog):
    """A page that waits hears of it in a sentence, and the log of what nobody expected."""

    class Broken:
        error = RuntimeError("<secret>")

        def __getattr__(self, name):
            raise self.error

    desk = ChurnDesk(Broken, has_records=True)
    view = ChurnView(desk)
    board = view.__panel__()

    def ask(number):
        query = json.dumps({"id": number, "node": f"n{number}"})
        with param.discard_events(board):
            board.query = query
        asyncio.run(view._ask(SimpleNamespace(new=query)))
        return json.loads(board.answer)

    try:
        assert ask(1) == {"id": 1, "error": UNEXPECTED}
        assert "cannot be answered" in caplog.text
        caplog.clear()
        Broken.error = HistoryError("the disk is away")
        assert ask(2) == {"id": 2, "error": "The disk is away."}
        assert caplog.text == ""
    finally:
        desk.close()
