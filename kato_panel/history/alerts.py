"""Rows of alerts, silences, figures and notices."""

import json
from dataclasses import asdict
from typing import Any

from kato_panel.domain.events import Moment
from kato_panel.domain.recorded import AlertEntry, Figure, Lapse, OutboxEntry, Silence
from kato_panel.domain.rules import Alert, Rule, Severity
from kato_panel.domain.text import sayable
from kato_panel.history.rows import Row, maybe, micros, moment


def alert_row(entry: AlertEntry) -> dict[str, Any]:
    """Write an alert."""
    alert = entry.alert
    return {
        "alert_id": sayable(alert.id),
        "rule": sayable(alert.rule.name),
        "rule_body": sayable(json.dumps(asdict(alert.rule))),
        "subject": sayable(alert.subject),
        "severity": alert.rule.severity.value,
        "value": alert.value,
        "pending_at": micros(alert.pending_at.wall),
        "fired_at": micros(alert.fired_at.wall),
        "resolved_at": None if alert.resolved_at is None else micros(alert.resolved_at.wall),
        "reason": sayable(alert.reason),
        "acknowledged_at": maybe(micros, entry.acknowledged_at),
        "acknowledged_by": sayable(entry.acknowledged_by),
        "told": int(entry.told),
    }


def read_alert(row: Row) -> AlertEntry:
    """Read an alert; its ticks are 0, for another run's are of no use."""
    body = json.loads(row["rule_body"])
    rule = Rule(**{**body, "severity": Severity(body["severity"])})
    resolved_at = row["resolved_at"]
    return AlertEntry(
        Alert(
            rule,
            row["subject"],
            Moment(moment(row["pending_at"]), 0.0),
            Moment(moment(row["fired_at"]), 0.0),
            float(row["value"]),
            None if resolved_at is None else Moment(moment(resolved_at), 0.0),
            row["reason"],
        ),
        maybe(moment, row["acknowledged_at"]),
        row["acknowledged_by"],
        row["told"] is None or bool(row["told"]),
    )


def silence_row(silence: Silence) -> dict[str, Any]:
    """Write a silence."""
    return {
        "rule": sayable(silence.rule),
        "subject": sayable(silence.subject),
        "until": micros(silence.until),
        "at": micros(silence.at),
        "who": sayable(silence.who),
    }


def read_silence(row: Row) -> Silence:
    """Read a silence."""
    return Silence(row["rule"], row["subject"], moment(row["until"]), moment(row["at"]), row["who"])


def figure_row(figure: Figure) -> dict[str, Any]:
    """Write a value."""
    return {
        "at": micros(figure.at),
        "metric": sayable(figure.metric),
        "subject": sayable(figure.subject),
        "value": figure.value,
    }


def read_figure(row: Row) -> Figure:
    """Read a value."""
    return Figure(moment(row["at"]), row["metric"], row["subject"], float(row["value"]))


def lapse_row(lapse: Lapse) -> dict[str, Any]:
    """Write since when a value is not known."""
    return {
        "at": micros(lapse.at),
        "metric": sayable(lapse.metric),
        "subject": sayable(lapse.subject),
        "is_gone": int(lapse.is_gone),
    }


def outbox_row(entry: OutboxEntry) -> dict[str, Any]:
    """Write a notice."""
    return {
        "entry_id": sayable(entry.id),
        "at": micros(entry.at),
        "target": sayable(entry.target),
        "body": sayable(entry.body),
        "attempts": entry.attempts,
        "sent_at": maybe(micros, entry.sent_at),
        "given_up": sayable(entry.given_up),
    }


def read_outbox(row: Row) -> OutboxEntry:
    """Read a notice."""
    return OutboxEntry(
        row["entry_id"],
        moment(row["at"]),
        row["target"],
        row["body"],
        row["attempts"],
        maybe(moment, row["sent_at"]),
        row["given_up"],
    )
