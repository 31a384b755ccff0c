"""The frames of ``/ws``."""

import json

import pytest

from kato_panel import composing, wire
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.errors import MessageError
from kato_panel.wire import Subscribe, Topic, Unsubscribe
from tests.conftest import NOON, moment

BASE = {"timestamp": "2026-11-22T12:00:00.000+00:00", "epoch": "e", "seq": 1}
TWO = frozenset({Topic.SESSIONS, Topic.METRICS})


def test_frame_of_a_type_that_is_not_known_is_none():
    """A later service may say more."""
    assert wire.read_message(json.dumps({**BASE, "type": "weather"})) is None


def test_fields_that_are_not_known_are_passed_over():
    """The same, for what is known already."""
    read = wire.read_message(json.dumps({**BASE, "type": "heartbeat", "mood": "good"}))
    assert read.model_dump(mode="json") == {**BASE, "type": "heartbeat"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Invalid JSON"),
        ("[]", "object"),
        ("{}", "type"),
        (json.dumps({**BASE, "type": "heartbeat", "seq": -1}), "seq"),
        (json.dumps({"type": "heartbeat"}), "timestamp"),
        (json.dumps({**BASE, "type": "heartbeat", "timestamp": "2026-11-22T12:00:00"}), "timez"),
        (json.dumps({**BASE, "type": "gap", "data": {}}), "from_seq"),
    ],
)
def test_frame_that_is_none_of_ours_is_an_error(text, said):
    """Which says what is wrong with it."""
    with pytest.raises(MessageError, match=said) as error:
        wire.read_message(text)
    assert error.value.code == "not_understood"


def test_time_is_written_as_it_was_read():
    """UTC, with its offset in figures."""
    read = wire.read_message(json.dumps({**BASE, "type": "heartbeat"}))
    assert read.timestamp == NOON
    assert json.loads(read.model_dump_json())["timestamp"] == BASE["timestamp"]


@pytest.mark.parametrize(
    ("order", "result"),
    [
        (Subscribe(type="subscribe", subscriptions=["containers"]), ["containers"]),
        (
            Subscribe(type="subscribe", subscriptions=["containers"], mode="add"),
            ["metrics", "containers", "sessions"],
        ),
        (Unsubscribe(type="unsubscribe", subscriptions=["containers", "metrics"]), ["sessions"]),
    ],
)
def test_orders_replace_add_or_take_away(order, result):
    """In the order of the names' definition, whatever the order of the asking."""
    assert wire.list_topics(wire.apply_order(TWO, order)) == result


def test_sessions_are_the_documents_fields():
    """`total_count` has the document's meaning; the age is counted up to now."""
    snapshot = SessionSnapshot(moment(1), 7, reported=9, drift=2, at=moment(0), counted_by="redis")
    assert composing.compose_sessions(snapshot, moment(1.5)) == {
        "active_count": 7,
        "total_count": 7,
        "reported_count": 9,
        "drift": 2,
        "source": "redis",
        "age_seconds": 1.5,
        "stale": False,
    }


def test_frames_are_ascii():
    """So no text can be one that UTF-8 cannot say."""
    assert composing.encode({"a": "é\ud800"}) == b'{"a":"\\u00e9\\ud800"}'
