"""What may be asked of alerts, and until when a rule may be silent."""

from datetime import timedelta

import pytest

from kato_panel.domain.alert_query import DEFAULT_ALERTS, AlertQuery, read_end
from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.rules import Alert, Rule, Severity, Turn
from kato_panel.errors import QueryError
from tests.conftest import NOON, moment

RULE = Rule("busy", "sessions_active", ">", 10)
FIRING = AlertEntry(Alert(RULE, "", moment(0), moment(60), 11))
OVER = AlertEntry(Alert(RULE, "", moment(0), moment(60), 11, resolved_at=moment(90)))


def test_question_is_read_field_by_field():
    """What is missing or empty has its default."""
    assert AlertQuery.read({"state": "", "rule": ""}, NOON) == AlertQuery()
    assert AlertQuery().limit == DEFAULT_ALERTS
    given = {"state": "firing", "severity": "error", "rule": "busy", "since": "1m", "limit": "3"}
    query = AlertQuery.read({**given, "until": "2026-11-22T12:00:00Z", "cursor": "5:6"}, NOON)
    assert query == AlertQuery(
        Turn.FIRING, Severity.ERROR, "busy", NOON - timedelta(minutes=1), NOON, 3, "5:6"
    )


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("state", "pending"),
        ("severity", "fatal"),
        ("rule", "x" * 65),
        ("since", "yesterday"),
        ("until", "2026-11-22"),
        ("limit", "0"),
        ("limit", "1001"),
        ("cursor", "5"),
        ("cursor", "5:6:7"),
        ("type", "x"),
    ],
)
def test_what_is_wrong_is_named(field, text):
    """With what it may be."""
    with pytest.raises(QueryError, match="must be") as caught:
        AlertQuery.read({field: text}, NOON)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("query", "firing", "over"),
    [
        (AlertQuery(), True, True),
        (AlertQuery(state=Turn.FIRING), True, False),
        (AlertQuery(state=Turn.RESOLVED), False, True),
        (AlertQuery(severity=Severity.WARNING, rule="busy"), True, True),
        (AlertQuery(severity=Severity.ERROR), False, False),
        (AlertQuery(rule="idle"), False, False),
        (AlertQuery(since=NOON + timedelta(seconds=60)), True, True),
        (AlertQuery(since=NOON + timedelta(seconds=61)), False, False),
        (AlertQuery(until=NOON + timedelta(seconds=60)), False, False),
        (AlertQuery(until=NOON + timedelta(seconds=61)), True, True),
    ],
)
def test_only_what_is_asked_for_fits(query, firing, over):
    """As the history answers it."""
    assert (query.fits(FIRING), query.fits(OVER)) == (firing, over)


def test_end_of_a_silence_is_a_time_or_a_while_from_now():
    """One that is past is allowed: it ends the silence."""
    assert read_end("2h", NOON) == NOON + timedelta(hours=2)
    assert read_end("2026-11-22T11:00:00Z", NOON) == NOON - timedelta(hours=1)


@pytest.mark.parametrize("given", [None, "", 5, "soon", "400d", "999999999d", "9999-01-01T00:00Z"])
def test_other_ends_are_refused(given):
    """A year away is never."""
    with pytest.raises(QueryError, match="until is"):
        read_end(given, NOON)
