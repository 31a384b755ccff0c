"""What other services are told of an alert: Alertmanager's body, Slack's, and plain JSON."""

import html
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from kato_panel.domain.rules import Turn, Turned
from kato_panel.domain.times import iso

VERSION: Final = "4"
NOT_YET: Final = datetime(1, 1, 1, tzinfo=UTC)
"""How Alertmanager writes an end that has not come."""


class Form(StrEnum):
    """Of a body."""

    ALERTMANAGER = "alertmanager"
    SLACK = "slack"
    JSON = "json"


def write_notice(form: Form, turned: Turned, notice_id: str, panel_url: str) -> dict[str, Any]:
    """
    Write the body of one notice.

    Parameters
    ----------
    form
        See `Form`.
    turned
        What happened.
    notice_id
        The same whenever this notice is sent again.
    panel_url
        Where this service is; may be empty.

    Returns
    -------
    dict
        JSON.
    """
    return _FORMS[form](turned, notice_id, panel_url)


def _alertmanager(turned: Turned, notice_id: str, panel_url: str) -> dict[str, Any]:
    alert, rule = turned.alert, turned.alert.rule
    labels = {"alertname": rule.name, "severity": rule.severity.value}
    if alert.subject:
        labels["subject"] = alert.subject
    annotations = {"summary": alert.message, "value": f"{alert.value:g}"}
    if alert.reason:
        annotations["reason"] = alert.reason
    ended = NOT_YET if alert.resolved_at is None else alert.resolved_at.wall
    return {
        "version": VERSION,
        "groupKey": f"{{}}:{{alertname={rule.name!r}, subject={alert.subject!r}}}",
        "truncatedAlerts": 0,
        "status": turned.turn.value,
        "receiver": "kato_panel",
        "groupLabels": {"alertname": rule.name},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": panel_url,
        "noticeId": notice_id,
        "alerts": [
            {
                "status": turned.turn.value,
                "labels": labels,
                "annotations": annotations,
                "startsAt": iso(alert.fired_at.wall),
                "endsAt": iso(ended),
                "generatorURL": panel_url,
                "fingerprint": alert.id,
            }
        ],
    }


def _slack(turned: Turned, notice_id: str, panel_url: str) -> dict[str, Any]:
    alert = turned.alert
    is_over = turned.turn is Turn.RESOLVED
    sign = "\N{WHITE HEAVY CHECK MARK}" if is_over else "\N{WARNING SIGN}"
    what = "resolved" if is_over else alert.rule.severity.value
    why = f" ({alert.reason})" if alert.reason else ""
    text = f"{sign} {what}: {_plain(alert.message)}{_plain(why)}"
    link = f"\n{panel_url}" if panel_url else ""
    return {"text": text + link, "notice_id": notice_id}


def _json(turned: Turned, notice_id: str, panel_url: str) -> dict[str, Any]:
    alert, rule = turned.alert, turned.alert.rule
    return {
        "id": notice_id,
        "alert_id": alert.id,
        "rule": rule.name,
        "subject": alert.subject or None,
        "severity": rule.severity.value,
        "state": turned.turn.value,
        "message": alert.message,
        "metric": rule.metric,
        "value": alert.value,
        "threshold": rule.threshold,
        "since": iso(alert.fired_at.wall),
        "resolved_at": None if alert.resolved_at is None else iso(alert.resolved_at.wall),
        "reason": alert.reason or None,
        "url": panel_url or None,
    }


_FORMS: Final[dict[Form, Callable[[Turned, str, str], dict[str, Any]]]] = {
    Form.ALERTMANAGER: _alertmanager,
    Form.SLACK: _slack,
    Form.JSON: _json,
}


def _plain(text: str) -> str:
    """Write text so that Slack reads no link, no mention and no form in it."""
    return html.escape(text, quote=False)
