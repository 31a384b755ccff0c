"""One session's value, bounded, and the marks of its life."""

import json
from datetime import timedelta

import pytest

from kato_panel.domain.detail import (
    CUT,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TEXT,
    Mark,
    bound_value,
    tell_life,
)
from kato_panel.domain.listing import Row
from kato_panel.domain.records import Ending, Reason, Record, Witness
from tests.conftest import NOON


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def nested(depth, inside):
    value = {"x": 1}
    for _ in range(depth):
        value = {"inside": value} if inside == "object" else {"inside": [value]}
    return value


def test_ordinary_value_stays_as_it_is():
    """Whatever JSON can hold."""
    value = {"a": [1, 2.5, None, True, "é😀\0\u202e<img onerror=x>"], "b": {"c": {}}}
    assert bound_value(value) == (value, False)


@pytest.mark.parametrize("inside", ["object", "list"])
def test_depth_is_bounded(inside):
    """No encoder of ours runs out of stack."""
    bounded, is_cut = bound_value(nested(900, inside))
    assert is_cut
    assert json.dumps(bounded).count("{") <= MAX_DEPTH


@pytest.mark.parametrize("value", [{"x": [0] * 20_000}, {str(n): 0 for n in range(20_000)}])
def test_items_are_bounded(value):
    """With a mark where some are left out."""
    bounded, is_cut = bound_value(value)
    assert is_cut
    assert CUT in json.dumps(bounded, ensure_ascii=False)
    assert len(json.dumps(bounded)) < 20 * MAX_ITEMS


def test_texts_are_bounded_and_can_be_written():
    """Lone surrogates, which UTF-8 cannot carry, are replaced; ten thousand letters stay."""
    value = {"\ud800key": "\udfff", "long": "x" * 10_000, "longer": "y" * (MAX_TEXT + 1)}
    bounded, is_cut = bound_value(value)
    assert is_cut
    assert bounded["long"] == "x" * 10_000
    assert bounded["longer"] == "y" * MAX_TEXT + CUT
    json.dumps(bounded, ensure_ascii=False).encode()


def test_numbers_that_readers_cannot_take_become_texts():
    """A browser would round them, and infinity is no JSON."""
    bounded, is_cut = bound_value({"n": json.loads("[1e999, 9007199254740993, 12]")})
    assert bounded == {"n": ["inf", "9007199254740993", 12]}
    assert not is_cut


def test_life_of_an_open_session():
    """Created, accessed, and when it will expire."""
    row = Row("s", created_at=at(0), last_accessed=at(5), expires_at=at(65))
    record = Record("s", at(6), born_by=Witness.KEY_EVENT)
    assert tell_life(row, record) == (
        Mark("created", at(0), at(0), "key event"),
        Mark("accessed", at(5), at(5), "value"),
        Mark("expires", at(65), at(65), "value"),
    )
    assert tell_life(row, None)[0].how is None


def test_life_of_an_ended_session():
    """From the ledger alone; it no longer expires."""
    ending = Ending(at(9), at(10), Reason.EXPIRED, Witness.SCAN)
    record = Record("s", at(9), created=at(0), last_accessed=at(3), ending=ending)
    assert tell_life(Row("s", is_gone=True), record) == (
        Mark("created", at(0), at(0)),
        Mark("accessed", at(3), at(3), "value"),
        Mark("ended", at(9), at(10), "scan", "expired"),
    )


def test_life_of_a_session_whose_end_is_not_told_yet():
    """It was seen, and is gone."""
    record = Record("s", at(9), expires=at(60))
    row = Row("s", expires_at=at(60), is_gone=True)
    assert tell_life(row, record) == (Mark("seen", at(9), at(9)),)
    assert tell_life(Row("s"), None) == ()
