"""Which recorded events are asked for."""

from datetime import UTC, datetime, timedelta

import pytest

from kato_panel.domain.event_query import EventQuery
from kato_panel.domain.events import Kind
from kato_panel.errors import QueryError
from tests.conftest import NOON


def read(**given):
    return EventQuery.read(given, NOON)


def test_nothing_given_asks_for_everything():
    """Empty fields too."""
    assert read() == read(since="", until="", type="", node="", limit="", format="", cursor="")
    assert read() == EventQuery()


def test_every_field_is_read():
    """Into the domain's words."""
    query = read(
        since="1h", until="2026-11-22T12:00:00Z", type="session_created", node="n", limit="7",
        format="csv", cursor="012",
    )  # fmt: skip
    assert query == EventQuery(
        NOON - timedelta(hours=1), NOON, Kind.CREATED, "n", 7, cursor="12", form="csv"
    )
    assert read(format="json").form == "json"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("2h", 7_200), ("1d", 86_400), ("0s", 0), ("1.5m", 90)],
)
def test_durations_count_back_from_now(text, seconds):
    """In seconds, minutes, hours or days."""
    assert read(since=text).since == NOON - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["2026-11-22T13:00:00+01:00", "2026-11-22T13:00:00 01:00", "2026-11-22T12:00:00.000Z",
     "2026-11-22 12:00Z"],
)  # fmt: skip
def test_times_are_taken_with_any_zone(text):
    """Also where the plus of an address became a blank."""
    assert read(until=text).until == NOON
    assert read(until=text).until.tzinfo is UTC


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("since", "2026-11-22T12:00:00"),
        ("since", "2026-11-22"),
        ("since", "yesterday"),
        ("since", "-5m"),
        ("since", "5 m"),
        ("since", "5w"),
        ("since", "٣s"),
        ("since", "999999999d"),
        ("until", "0001-01-01T00:00:00+14:00"),
        ("until", "2026-13-01T00:00:00Z"),
        ("type", "created"),
        ("node", "n" * 257),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", "٣"),
        ("limit", "9" * 30),
        ("cursor", "abc"),
        ("cursor", "-1"),
        ("cursor", str(2**62 + 1)),
        ("format", "xml"),
        ("colour", "red"),
    ],
)
def test_wrong_field_is_named(field, text):
    """With what was given and what is allowed."""
    with pytest.raises(QueryError, match="must be") as caught:
        read(**{field: text})
    assert caught.value.field == field


def test_far_times_are_times():
    """Nothing is recorded there, and that is no error."""
    assert read(since="9999-12-31T23:59:59Z").since == datetime(
        9999, 12, 31, 23, 59, 59, tzinfo=UTC
    )
