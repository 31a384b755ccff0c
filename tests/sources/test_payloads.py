"""Upstream's own words, read strictly."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_panel.domain.events import Kind, Name
from kato_panel.errors import PayloadError
from kato_panel.sources import payloads
from tests.conftest import Size, moment

NOW = moment(0)
ODD_COUNTS = [None, True, "7", 3.7, 7.0, -5, 10**18, [3], {"n": 3}, float("inf")]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def frame(event_type, **data):
    return {"event_type": event_type, "timestamp": "2026-11-22T20:25:23+00:00", "data": data}


def test_health_count_is_read():
    """The field of the uncached call."""
    assert payloads.health_count({"active_sessions": 3, "status": "healthy"}) == 3


def test_missing_health_count_asks_for_the_other_call():
    """Older versions of KATO lack the field."""
    assert payloads.health_count({"status": "healthy"}) is None


def test_sessions_count_is_read_under_upstream_s_key():
    """Which is not the one of the design document."""
    assert payloads.sessions_count({"active_session_count": 3}) == 3


@pytest.mark.parametrize("payload", [{}, {"active_sessions": 3}])
def test_missing_sessions_count_is_an_error(payload):
    """A missing field is never an empty service."""
    with pytest.raises(PayloadError, match="active_session_count is missing"):
        payloads.sessions_count(payload)


@pytest.mark.parametrize("value", ODD_COUNTS)
def test_strange_count_is_never_read_as_a_number(value):
    """Only a whole number from 0 to 10⁹ is a count."""
    with pytest.raises(PayloadError, match=r"active_sessions is .*, must be a whole number"):
        payloads.health_count({"active_sessions": value})
    with pytest.raises(PayloadError, match="active_session_count is"):
        payloads.sessions_count({"active_session_count": value})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ("{}".encode("utf-16"), "not JSON"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": ' + b"[" * 100_000, "not JSON"),
        (b"[1]", "a JSON list"),
        (b"7", "a JSON int"),
        ("[1]", "a JSON list"),
    ],
)
def test_odd_body_is_refused_with_its_reason(body, reason):
    """What is no plain JSON object is nobody's count."""
    with pytest.raises(PayloadError, match=reason):
        payloads.decode(body)


def test_created_frame_names_a_session_and_its_node():
    """Both as upstream writes them."""
    change = payloads.stream_change(frame("session.created", session_id="s1", node_id="n1"), NOW)
    assert (change.kind, change.name, change.at) == (Kind.CREATED, Name("s1", "n1"), NOW)


@pytest.mark.parametrize(
    ("told", "reason"), [("explicit_delete", "deleted"), ("because", None), (None, None), (3, None)]
)
def test_destroyed_frame_says_why_where_it_is_known(told, reason):
    """Reasons are ours; a word that is not known is none."""
    change = payloads.stream_change(frame("session.destroyed", session_id="s1", reason=told), NOW)
    assert (change.kind, change.name, change.reason) == (Kind.DESTROYED, Name("s1"), reason)


@pytest.mark.parametrize("event_type", ["state.snapshot", "session.updated", "something.else"])
def test_other_frames_tell_of_no_change(event_type):
    """They are legal, and not ours."""
    assert payloads.stream_change(frame(event_type, active_sessions=3), NOW) is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, "event_type is None"),
        ({"event_type": 3}, "event_type is 3"),
        ({"event_type": "session.created"}, "data of session.created is None"),
        ({"event_type": "session.created", "data": [1]}, "is a JSON list"),
        (frame("session.created"), "session_id is None"),
        (frame("session.created", session_id=""), "session_id is ''"),
        (frame("session.created", session_id="x" * 300), "must be 1 to 256 long"),
    ],
)
def test_malformed_frame_is_an_error(payload, reason):
    """It is counted and passed over by whoever reads the stream."""
    with pytest.raises(PayloadError, match=reason):
        payloads.stream_change(payload, NOW)


def test_texts_from_outside_are_bounded_and_can_be_encoded():
    """A lone surrogate is legal in JSON and would break UTF-8 later."""
    odd = json.loads('"\\ud800x"')
    created = frame("session.created", session_id=odd, node_id="n" * 999)
    change = payloads.stream_change(created, NOW)
    assert change.name.session_id == "\ufffdx"
    assert len(change.name.node_id) == 256
    change.name.session_id.encode()


def test_no_body_breaks_the_reader(size: Size):
    """Every text is read, or refused with a `PayloadError`."""
    n = size.n(500, 100_000)

    @settings(max_examples=n)
    @given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
    def check(body):
        with contextlib.suppress(PayloadError):
            decoded = payloads.decode(body)
            payloads.health_count(decoded)
            payloads.stream_change(decoded, NOW)
            payloads.sessions_count(decoded)

    check()
    size.record("fuzzed bodies", seed="derandomised", n=n, result="0 unhandled exceptions")


SESSION = "session-770af5aa4d354b33b04193c6aba6e57c-1795381221106"
RECORDED = Path(__file__).parents[1] / "recorded"


def test_value_of_a_session_is_read():
    """As KATO writes it."""
    (path,) = RECORDED.glob("*-redis_session_value.json")
    value = json.loads(path.read_text(encoding="utf-8"))["value"]
    details = payloads.session_value(SESSION, json.dumps(value).encode(), NOW.wall)
    created = datetime(2026, 11, 22, 21, 0, 21, 106758, tzinfo=UTC)
    assert (details.session_id, details.node_id) == (SESSION, "node-a")
    assert (details.created, details.last_accessed) == (created, created)
    assert (details.ttl_seconds, details.expires) == (3600.0, NOW.wall)


@pytest.mark.parametrize("odd", [None, True, 7, "", [], {}, "yesterday", "9999-99-99", -1, 10**400])
def test_odd_field_of_a_value_is_not_known(odd):
    """The others still count."""
    value = {"node_id": "n", "created_at": odd, "last_accessed": odd, "ttl_seconds": odd}
    details = payloads.session_value(SESSION, json.dumps(value).encode())
    assert (details.node_id, details.created, details.last_accessed) == ("n", None, None)
    assert details.ttl_seconds in {None, 7.0}
    nameless = payloads.session_value(SESSION, json.dumps({"node_id": odd}).encode())
    assert nameless.node_id in {None, "yesterday", "9999-99-99"}


def test_times_of_a_value_become_utc():
    """Also at the ends of the calendar, where they cannot."""
    west = json.dumps({"created_at": "2026-11-22T12:00:00-05:00", "last_accessed": "2026-11-22"})
    details = payloads.session_value(SESSION, west.encode())
    assert details.created == datetime(2026, 11, 22, 17, tzinfo=UTC)
    assert details.last_accessed == datetime(2026, 11, 22, tzinfo=UTC)
    first = payloads.session_value(SESSION, b'{"created_at": "0001-01-01T00:00:00+05:00"}')
    assert first.created is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a": NaN}', b"null"])
def test_value_that_is_no_object_is_an_error(body):
    """Whose session lives all the same."""
    with pytest.raises(PayloadError):
        payloads.session_value(SESSION, body)


def test_key_and_id_of_a_session_belong_together():
    """As it stands in the index, too."""
    assert payloads.session_id(payloads.session_key(SESSION)) == SESSION
    assert payloads.session_id(SESSION.encode()) == SESSION


@pytest.mark.parametrize(
    "text",
    [
        payloads.INDEX_KEY,
        b"kato:session:lock",
        b"session-",
        b"session-\x00",
        b"session-\xff",
        b"session-a b",
        b"session-" + b"a" * 249,
        "session-ä".encode(),
    ],
)
def test_what_only_looks_like_a_session_is_none(text):
    """The count is one of sessions."""
    assert payloads.session_id(text) is None


def test_id_tells_when_a_session_was_created():
    """Where it ends in KATO's milliseconds."""
    assert payloads.created_in(SESSION) == datetime(
        2026, 11, 22, 21, 0, 21, tzinfo=UTC
    ) + timedelta(milliseconds=106)
    assert payloads.created_in("session-abc") is None
    assert payloads.created_in("session-abc-99999999999999") is not None


@pytest.mark.parametrize(
    ("info", "evicted"), [({"evicted_keys": 3}, 3), ({}, None), ({"evicted_keys": "many"}, None)]
)
def test_evictions_are_read_or_not_known(info, evicted):
    """From `INFO stats`."""
    assert payloads.evicted_keys(info) == evicted


@pytest.mark.parametrize(
    ("odd", "field"),
    [
        ({"node_id": 7}, "node_id"),
        ({"node_id": ""}, "node_id"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"last_accessed": 5}, "last_accessed"),
        ({"ttl_seconds": -1}, "ttl_seconds"),
        ({"ttl_seconds": True}, "ttl_seconds"),
        ({"stm": {"a": 1}}, "stm_length"),
        ({"access_count": -1}, "access_count"),
        ({"access_count": True}, "access_count"),
        ({"access_count": 1.5}, "access_count"),
        ({"access_count": 10**16}, "access_count"),
    ],
)
def test_odd_field_of_a_value_is_unknown_in_its_row(odd, field):
    """And the others still count."""
    row = payloads.session_row("session-x", {"node_id": "n", "access_count": 3, **odd})
    assert getattr(row, field) is None
    assert (row.node_id, row.access_count) != (None, None)


def test_row_knows_creation_from_the_id_at_least():
    """Where the value does not say."""
    session_id = "session-" + "ab" * 16 + "-1795381221106"
    row = payloads.session_row(session_id, {})
    assert row.created_at == payloads.created_in(session_id)


@pytest.mark.parametrize(
    ("payload", "is_missing"),
    [
        ({"detail": "Session x not found or expired"}, True),
        ({"error": {"code": "SESSION_NOT_FOUND"}}, True),
        ({"detail": "Not Found"}, False),
        ({"detail": ["Session"]}, False),
        ({"error": {"code": "OTHER"}}, False),
        ({}, False),
    ],
)
def test_missing_session_is_told_in_two_shapes(payload, is_missing):
    """And any other 404 is about something else."""
    assert payloads.is_session_missing(payload) is is_missing


@pytest.mark.parametrize("odd", [{}, {"exists": None}, {"exists": 1}, {"exists": "yes"}])
def test_existence_is_yes_or_no(odd):
    """Whatever is neither is no answer, and no end of a session."""
    assert payloads.session_exists({"exists": True}) is True
    with pytest.raises(PayloadError, match="exists is"):
        payloads.session_exists(odd)
