"""What the page is told of alerts and rules, as JSON text."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.recorded import AlertEntry, Silence
from kato_panel.domain.rules import Rule, RuleState, Stage
from kato_panel.domain.times import iso


class _Written:
    """Writes a board once, for all visits that show it."""

    def __init__(self, write: Callable[[AlertBoard], dict[str, Any]]) -> None:
        self._write = write
        self._last: tuple[AlertBoard | None, str] = (None, "")

    def __call__(self, board: AlertBoard | None) -> str:
        """Write a board; nothing, where there is none."""
        known, text = self._last
        if board is not known:
            text = "" if board is None else json.dumps(self._write(board))
            self._last = board, text
        return text


def _list_alerts(board: AlertBoard) -> dict[str, Any]:
    return {"alerts": [_tell_alert(entry, board.silences) for entry in board.recent]}


def _list_rules(board: AlertBoard) -> dict[str, Any]:
    measured = {state.rule.name for state in board.states}
    rows = [_tell_state(state, board.silences) for state in board.states]
    rows += [
        {**_tell_rule(rule, "", board.silences), "stage": Stage.NO_DATA.value}
        for rule in board.rules
        if rule.name not in measured
    ]
    return {"rules": rows, "count": len(board.rules), "problems": list(board.problems)}


def _tell_alert(entry: AlertEntry, silences: Iterable[Silence]) -> dict[str, Any]:
    alert = entry.alert
    ended, seen = alert.resolved_at, entry.acknowledged_at
    return {
        **_tell_rule(alert.rule, alert.subject, silences),
        "id": alert.id,
        "message": alert.message,
        "value": alert.value,
        "fired_at": iso(alert.fired_at.wall),
        "resolved_at": iso(ended.wall) if ended else None,
        "reason": alert.reason,
        "acknowledged_at": iso(seen) if seen else None,
        "acknowledged_by": entry.acknowledged_by,
    }


def _tell_state(state: RuleState, silences: Iterable[Silence]) -> dict[str, Any]:
    return {
        **_tell_rule(state.rule, state.subject, silences),
        "stage": state.stage.value,
        "value": state.value,
        "since": iso(state.since.wall),
        "is_firing": state.alert is not None,
    }


def _tell_rule(rule: Rule, subject: str, silences: Iterable[Silence]) -> dict[str, Any]:
    silent = [one for one in silences if one.rule == rule.name and one.subject in {"", subject}]
    longest = max(silent, key=lambda one: one.until, default=None)
    return {
        "rule": rule.name,
        "subject": subject,
        "severity": rule.severity.value,
        "metric": rule.metric,
        "op": rule.op,
        "threshold": rule.threshold,
        "for_seconds": rule.for_seconds,
        "is_built_in": rule.is_built_in,
        "silenced_until": iso(longest.until) if longest else None,
        "silenced_by": longest.who if longest else "",
        "silenced_for": longest.subject if longest else "",
    }


write_alerts = _Written(_list_alerts)
"""What fires and what did, the newest first."""
write_rules = _Written(_list_rules)
"""Each rule and subject, and how it is with it."""
