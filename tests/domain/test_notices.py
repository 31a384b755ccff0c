"""What other services are told of an alert."""

import json
from dataclasses import replace

import pytest

from kato_panel.domain.notices import Form, write_notice
from kato_panel.domain.rules import Alert, Rule, Severity, Turn, Turned
from tests.conftest import moment

RULE = Rule("cpu", "container_cpu_percent", ">", 80, message="{subject} <b> needs {value:.0f}")
ALERT = Alert(RULE, "kato", moment(0), moment(60), 91.4)
FIRING = Turned(Turn.FIRING, ALERT)
OVER = Turned(Turn.RESOLVED, replace(ALERT, resolved_at=moment(90), reason="its rule was removed"))


def test_alertmanager_reads_what_its_own_webhooks_say():
    """Version 4: the rule's name is the alert's, and an end that has not come is the year 1."""
    told = write_notice(Form.ALERTMANAGER, FIRING, "n1", "http://panel/app")
    assert (told["version"], told["status"], told["noticeId"]) == ("4", "firing", "n1")
    (alert,) = told["alerts"]
    assert alert["labels"] == {"alertname": "cpu", "severity": "warning", "subject": "kato"}
    assert alert["annotations"] == {"summary": "kato <b> needs 91", "value": "91.4"}
    assert alert["startsAt"] == "2026-11-22T12:01:00.000+00:00"
    assert alert["endsAt"].startswith("0001-01-01T00:00:00")
    over = write_notice(Form.ALERTMANAGER, OVER, "n2", "")["alerts"][0]
    assert (over["status"], over["fingerprint"]) == ("resolved", alert["fingerprint"])
    assert over["endsAt"] == "2026-11-22T12:01:30.000+00:00"
    assert over["annotations"]["reason"] == "its rule was removed"


def test_slack_is_told_in_a_line_that_holds_no_markup():
    """And a link to the page, where it is known."""
    text = write_notice(Form.SLACK, FIRING, "n1", "http://panel/app")["text"]
    assert text == "\u26a0 warning: kato &lt;b&gt; needs 91\nhttp://panel/app"
    assert write_notice(Form.SLACK, OVER, "n2", "")["text"] == (
        "\u2705 resolved: kato &lt;b&gt; needs 91 (its rule was removed)"
    )


def test_plain_json_says_everything():
    """What is not known is null."""
    told = write_notice(Form.JSON, FIRING, "n1", "")
    assert told["resolved_at"] is told["reason"] is told["url"] is None
    assert (told["id"], told["since"]) == ("n1", "2026-11-22T12:01:00.000+00:00")
    assert (told["value"], told["threshold"], told["state"]) == (91.4, 80, "firing")
    alone = replace(FIRING, alert=replace(ALERT, subject=""))
    assert write_notice(Form.JSON, alone, "n1", "")["subject"] is None
    assert "subject" not in write_notice(Form.ALERTMANAGER, alone, "n", "")["commonLabels"]


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("severity", Severity)
def test_every_notice_is_json(form, severity):
    """And the same for the same alert."""
    turned = Turned(Turn.FIRING, replace(ALERT, rule=replace(RULE, severity=severity)))
    body = write_notice(form, turned, "n", "")
    assert json.loads(json.dumps(body)) == body == write_notice(form, turned, "n", "")
