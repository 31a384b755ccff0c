"""What the page is told of alerts and rules: the JSON text that the API tells, in two parts."""

from collections.abc import Callable
from typing import Any

from kato_panel import messages
from kato_panel.domain.alert_book import AlertBoard


class _Written:
    """
    Writes parts of a board once, for all visits that show it.

    Parameters
    ----------
    parts
        Of the message.
    key
        Says what of a board these parts tell: while that stays, so does the text.
    """

    def __init__(self, parts: set[str], key: Callable[[AlertBoard], Any]) -> None:
        self._parts = parts
        self._key = key
        self._last: tuple[Any, str] = (None, "")

    def __call__(self, board: AlertBoard | None) -> str:
        """Write a board; nothing, where there is none."""
        if board is None:
            return ""
        key = self._key(board)
        known, text = self._last
        if key != known:
            told = messages.alerts(board, board.recent, None, is_demo=False)
            text = told.model_dump_json(include=self._parts)
            self._last = key, text
        return text


write_alerts = _Written({"alerts", "silences"}, lambda board: (board.recent, board.silences))
"""What fires and what did, the newest first."""
write_rules = _Written(
    {"rules", "silences", "problems"},
    lambda board: (board.states, board.rules, board.silences, board.problems),
)
"""Each rule with its subjects, and how it is with them."""
