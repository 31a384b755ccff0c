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
    """With its message, its times, and who has seen it."""
    (alert,) = json.loads(write_alerts(book.board))["alerts"]
    assert (alert["rule"], alert["subject"], alert["severity"]) == ("cpu", "a", "warning")
    assert (alert["message"], alert["value"]) == ("CPU 91 %, a", 91)
    assert alert["fired_at"] == "2026-11-22T12:00:00.000+00:00"
    assert (alert["resolved_at"], alert["acknowledged_at"], alert["silenced_until"]) == (None,) * 3
    book.acknowledge(alert["id"], "page, ann", moment(5).wall)
    book.look([Measured("container_cpu_percent", 5, "a")], moment(9))
    (later,) = json.loads(write_alerts(book.board))["alerts"]
    assert later["id"] == alert["id"]
    assert later["resolved_at"] == "2026-11-22T12:00:09.000+00:00"
    assert (later["acknowledged_by"], later["reason"]) == ("page, ann", "")


def test_every_rule_is_told_with_how_it_is(book):
    """One that nobody could measure, too: it has no value, and says so."""
    told = json.loads(write_rules(book.board))
    states = [
        (one["rule"], one["subject"], one["stage"], one.get("value")) for one in told["rules"]
    ]
    assert states == [
        ("cpu", "a", "firing", 91),
        ("cpu", "b", "inactive", 3),
        ("disk", "", "no data", None),
    ]
    assert [one["is_built_in"] for one in told["rules"]] == [False, False, True]
    assert (told["rules"][2]["threshold"], told["rules"][2]["for_seconds"]) == (90, 300)
    assert (told["count"], told["problems"]) == (2, [])


def test_what_fires_and_is_not_seen_any_more_still_fires(book):
    """And says that there is no data."""
    book.look([], moment(5))
    first = json.loads(write_rules(book.board))["rules"][0]
    assert (first["stage"], first["is_firing"], first["value"]) == ("no data", True, None)


def test_longest_silence_is_told(book):
    """Of the subject, or of the whole rule; ended is the one that is named."""
    book.silence(silence("a", 900))
    book.silence(silence("", 3_600))
    cpu_a, cpu_b, disk = json.loads(write_rules(book.board))["rules"]
    assert cpu_a["silenced_until"] == cpu_b["silenced_until"] == "2026-11-22T13:00:00.000+00:00"
    assert (cpu_a["silenced_for"], cpu_a["silenced_by"]) == ("", "page, ann")
    assert disk["silenced_until"] is None
    (alert,) = json.loads(write_alerts(book.board))["alerts"]
    assert alert["silenced_until"] == cpu_a["silenced_until"]


def test_problems_of_the_file_are_told(book):
    """In its words."""
    book.refuse_rules(["line 7: no such metric"])
    assert json.loads(write_rules(book.board))["problems"] == ["line 7: no such metric"]


def test_board_is_written_once_for_all_visits(book):
    """Each gets the same text."""
    board = book.board
    assert write_alerts(board) is write_alerts(board)
    other = book.board
    assert write_alerts(other) is not write_alerts(board)
