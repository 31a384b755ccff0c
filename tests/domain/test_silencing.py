"""Until when there is to be silence."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kato_panel.domain.silencing import read_until
from kato_panel.errors import QueryError

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 10, 24, 12, tzinfo=UTC)
"""The day before clocks go back there."""


@pytest.mark.parametrize(
    ("wanted", "seconds"), [("0s", 0), ("15m", 900), ("1h", 3_600), ("4h", 14_400)]
)
def test_while_is_from_now_on(wanted, seconds):
    """Whatever the zone."""
    assert read_until(wanted, BERLIN, NOON) == NOON + timedelta(seconds=seconds)


def test_tomorrow_is_at_eight_where_one_is():
    """Also where a clock is put back in that night, and where it is tomorrow already."""
    assert read_until("tomorrow", BERLIN, NOON) == datetime(2026, 10, 25, 7, tzinfo=UTC)
    late = datetime(2026, 10, 24, 23, tzinfo=UTC)
    assert read_until("tomorrow", BERLIN, late) == datetime(2026, 10, 26, 7, tzinfo=UTC)
    assert read_until("tomorrow", UTC, late) == datetime(2026, 10, 25, 8, tzinfo=UTC)


def test_time_without_a_zone_is_one_of_the_page():
    """One with a zone says so itself."""
    wanted = datetime(2026, 10, 24, 16, 30, tzinfo=UTC)
    assert read_until("2026-10-24T18:30", BERLIN, NOON) == wanted
    assert read_until("2026-10-24T16:30+00:00", BERLIN, NOON) == wanted


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        ("", "how long"),
        ("soon", "how long"),
        ("15", "how long"),
        ("9" * 99, "how long"),
        ("2026-10-24T12:00+00:00", "a time to come"),
        ("0001-01-01T00:00", "a time to come"),
        ("2028-12-24T12:00", "at most 366d from now"),
    ],
)
def test_anything_else_is_refused_in_words(wanted, allowed):
    """Among it what is past, or so far away that nobody would remember."""
    with pytest.raises(QueryError, match=f"must be .*{allowed}"):
        read_until(wanted, BERLIN, NOON)
