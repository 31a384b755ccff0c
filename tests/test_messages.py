"""Our JSON."""

from kato_panel import composing, messages
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.listing import Row
from kato_panel.domain.snapshot import SessionSnapshot
from tests.conftest import NOON, moment


def test_count_before_the_first_observation_is_null():
    """Unknown is not zero."""
    count = messages.session_count(None, moment(0))
    assert (count.active_count, count.age_seconds, count.stale) == (None, None, False)


def test_count_speaks_the_document_s_names_too():
    """Clients written for it read `total_count` or `active_sessions`."""
    count = messages.session_count(
        SessionSnapshot(moment(4), 7, reported=7, at=moment(3.5)), moment(5)
    )
    assert count.model_dump() == {
        "active_count": 7,
        "total_count": 7,
        "active_sessions": 7,
        "reported_count": 7,
        "drift": None,
        "source": "http",
        "age_seconds": 1.5,
        "stale": False,
    }


def test_count_of_keys_names_its_source_and_drift():
    """KATO's own number stands beside it."""
    snapshot = SessionSnapshot(
        moment(0), active=7, reported=9, drift=2, at=moment(0), counted_by="redis"
    )
    count = messages.session_count(snapshot, moment(0))
    assert (count.active_count, count.reported_count, count.drift) == (7, 9, 2)
    assert count.source == "redis"


def test_session_event_has_the_document_s_fields():
    """Type, direction, counts and a positive delta; names and gap beside them."""
    event = SessionEvent(
        seq=4,
        kind=Kind.DESTROYED,
        at=NOON,
        previous=9,
        current=8,
        delta=1,
        source="stream",
        names=(Name("s1", "n1"),),
        reason="deleted",
        since_last_event_seconds=2.0,
    )
    assert messages.session_event(event) == {
        "type": "session_event",
        "event_type": "session_destroyed",
        "timestamp": "2026-11-22T12:00:00.000+00:00",
        "seq": 4,
        "data": {
            "current_count": 8,
            "previous_count": 9,
            "delta": 1,
            "time_since_last_event": 2.0,
            "session_ids": ["s1"],
            "node_ids": ["n1"],
            "reason": "deleted",
            "source": "stream",
            "after_gap_seconds": None,
        },
    }


def test_recorded_event_is_found_by_what_its_frame_tells():
    """Epoch and number of the event are the same in both; the frame's own number is another."""
    event = SessionEvent(4, Kind.CREATED, NOON, 8, 9, 1, "http")
    frame = composing.compose_session_event(event, "e", 7)
    recorded = messages.recorded_event(20, "e", event).model_dump()
    assert (frame["epoch"], frame["event_seq"], frame["seq"]) == ("e", 4, 7)
    assert (recorded["epoch"], recorded["event_seq"]) == ("e", 4)
    assert "seq" not in recorded


def test_error_names_its_field_where_it_has_one():
    """For programs and for people."""
    assert messages.error("x", "y") == {"error": {"code": "x", "message": "y"}}
    assert messages.error("x", "y", "limit")["error"]["field"] == "limit"


def test_row_of_which_nothing_is_known_is_null():
    """But for its id, and that nobody has seen it gone."""
    told = messages.session_row(Row("s")).model_dump()
    assert {key for key, value in told.items() if value is not None} == {"session_id", "is_gone"}
