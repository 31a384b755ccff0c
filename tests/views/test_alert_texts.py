"""What the page is told of alerts and rules."""

import json
from datetime import timedelta

import pytest

from kato_panel.domain.alert_book import AlertBook
from kato_panel.domain.recorded import Silence
from kato_panel.domain.rules import Measured, Rule, Severity
from kato_panel.views.alert_texts import write_alerts, write_rules
from tests.conftest import moment

RULES = (
    Rule("cpu", "container_cpu_percent", ">", 80, message="CPU {value:.0f} %, {subject}"),
    Rule("disk", "disk_percent", ">", 90, 300, severity=Severity.ERROR, is_built_in=True),
)


@pytest.fixture
def book():
    """One container is too busy, another is not; nobody has seen the disk."""
    book = AlertBook(RULES)
    book.look(
        [Measured("container_cpu_percent", v, of) for of, v in (("a", 91), ("b", 3))], moment(0)
    )
    return book


def silence(subject, seconds):
    at = moment(0).wall
    return Silence("cpu", subject, at + timedelta(seconds=seconds), at, "page, ann")


def test_nothing_is_told_where_nothing_is_known():
    """Which is not that nothing fires."""
    assert (write_alerts(None), write_rules(None)) == ("", "")


def test_alert_is_told_from_its_beginning_to_its_end(book):
    """As the API tells it."""
    (alert,) = json.loads(write_alerts(book.board))["alerts"]
    assert (alert["message"], alert["resolved_at"]) == ("CPU 91 %, a", None)
    book.acknowledge(alert["id"], "page, ann", moment(5).wall)
    book.look([Measured("container_cpu_percent", 5, "a")], moment(9))
    (later,) = json.loads(write_alerts(book.board))["alerts"]
    assert later["id"] == alert["id"]
    assert later["resolved_at"] == "2026-11-22T12:00:09.000+00:00"
    assert later["acknowledged_by"] == "page, ann"


def test_every_rule_is_told_with_how_it_is(book):
    """And what is wrong with the file of rules; but no alert again."""
    book.refuse_rules(["line 7: no such metric"])
    told = json.loads(write_rules(book.board))
    assert set(told) == {"rules", "silences", "problems"}
    cpu, disk = told["rules"]
    assert [(one["subject"], one["state"]) for one in cpu["states"]] == [
        ("a", "firing"),
        ("b", "inactive"),
    ]
    assert (disk["states"], disk["built_in"]) == ([], True)
    assert told["problems"] == ["line 7: no such metric"]


def test_silences_are_told_with_both(book):
    """The page says so beside each alert and each rule."""
    book.silence(silence("a", 900))
    for write in (write_alerts, write_rules):
        (told,) = json.loads(write(book.board))["silences"]
        assert (told["subject"], told["until"]) == ("a", "2026-11-22T12:15:00.000+00:00")


def test_what_stays_is_written_once_for_all_visits(book):
    """New values of the rules are no reason to write all alerts again."""
    before = write_alerts(book.board), write_rules(book.board)
    assert write_alerts(book.board) is before[0]
    assert write_rules(book.board) is before[1]
    book.look([Measured("container_cpu_percent", 92, "a")], moment(9))
    assert write_alerts(book.board) is before[0]
    assert '"value":92.0' in write_rules(book.board)
    book.look([Measured("container_cpu_percent", 5, "a")], moment(12))
    assert write_alerts(book.board) != before[0]
