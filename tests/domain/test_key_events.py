"""Whether each change of a key is told at once."""

import pytest

from kato_panel.domain.key_events import KeyEvents
from kato_panel.domain.keys import KeyChange

BORN, DELETED, EXPIRED, EVICTED = KeyChange
COMMAND = "redis-cli config set notify-keyspace-events"


@pytest.mark.parametrize("flags", ["Egxen", "nexgE", "AEn", "KEAn", "gxeKEn"])
def test_complete_setting_is_on(flags):
    """In any order, and with more than is needed."""
    judged = KeyEvents()
    judged.begin(flags)
    assert (judged.are_on, judged.remark) == (True, "")


@pytest.mark.parametrize(
    ("flags", "wanted"), [("", "Egxen"), ("Ex", "Exgen"), ("KEA", "KEAn"), ("K$", "'K$Egxen'")]
)
def test_incomplete_setting_is_off_and_the_command_keeps_it(flags, wanted):
    """Somebody else may need what is set."""
    judged = KeyEvents()
    judged.begin(flags)
    assert not judged.are_on
    assert judged.remark == f"key events are off: scanning; to turn them on: {COMMAND} {wanted}"


def test_unreadable_setting_is_on_once_one_has_come():
    """Of any kind."""
    judged = KeyEvents()
    judged.begin(None)
    assert not judged.are_on
    assert judged.remark.startswith("no key event seen yet: ")
    judged.tell(EXPIRED, 1.0)
    assert judged.are_on


def test_unreadable_setting_is_off_when_a_scan_finds_more():
    """Then a birth, told a minute later or more, is needed to believe again."""
    judged = KeyEvents()
    judged.begin(None)
    judged.miss(0.0)
    assert judged.remark.startswith("key events are off: ")
    judged.tell(DELETED, 1.0)
    judged.tell(BORN, 1.0)
    assert not judged.are_on
    judged.tell(BORN, 61.0)
    assert judged.are_on
    judged.miss(62.0)
    assert not judged.are_on
    assert judged.remark.startswith("key events miss changes: ")


def test_setting_that_was_turned_on_since_is_noticed_by_a_birth():
    """Which none of the usual settings tells; a scan's finds before that say nothing new."""
    judged = KeyEvents()
    judged.begin("Ex")
    judged.miss(0.0)
    judged.tell(EXPIRED, 1.0)
    assert not judged.are_on
    judged.tell(BORN, 2.0)
    assert judged.are_on


def test_command_that_would_change_nothing_is_not_told():
    """The setting is as it should be, and something was missed all the same."""
    judged = KeyEvents()
    judged.begin("Egxen")
    judged.miss(0.0)
    assert judged.remark == "key events miss changes: scanning"


def test_setting_that_was_turned_off_since_is_noticed_by_a_scan():
    """Until a new connection reads it again."""
    judged = KeyEvents()
    judged.begin("Egxen")
    judged.miss(0.0)
    assert not judged.are_on
    judged.begin("Egxen")
    assert judged.are_on
