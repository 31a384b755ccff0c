import base64
import contextlib
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from .conftest import WAIT_SECONDS, receive


def fault(peer, **order):
    return peer.order("faults", order)


def test_truth_over_http_is_the_truth(peer):
    """The route says what the object says."""
    kept, gone = peer.create(node_id="a"), peer.create(node_id="b")
    peer.clock.now += 1
    peer.http.delete(f"/sessions/{gone}")
    truth = peer.http.get("/_simulator/truth").json()
    assert truth == peer.truth()
    assert [(one["session_id"], one["node_id"]) for one in truth["live"]] == [(kept, "a")]
    ended = truth["ended"][0]
    assert (ended["session_id"], ended["how"]) == (gone, "deleted")
    assert ended["ended_at"] - ended["created_at"] == 1
    assert (truth["index_size"], truth["created_total"]) == (1, 2)


def test_requests_are_counted_by_route(peer):
    """A test can see what was called, and that no stream was ever opened."""
    peer.http.get("/health")
    peer.http.get(f"/sessions/{peer.create()}/exists")
    seen = peer.http.get("/_simulator/requests").json()
    assert seen["requests"] == {
        "GET /health": 1,
        "POST /sessions": 1,
        "GET /sessions/{session_id}/exists": 1,
    }
    assert seen["open_streams"] == 0
    with peer.stream() as stream:
        receive(stream)
        seen = peer.http.get("/_simulator/requests").json()
    assert (seen["requests"]["GET /ws/events"], seen["open_streams"]) == (1, 1)


def test_fault_holds_for_its_times_and_its_path(peer):
    """Twice ordered is twice misbehaved, and other paths are not meant."""
    fault(peer, path="/health", times=2, status=503, body="busy", headers={"Retry-After": "7"})
    assert peer.http.get("/").status_code == 200
    answers = [peer.http.get("/health") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert (answers[0].text, answers[0].headers["retry-after"]) == ("busy", "7")


def test_fault_without_times_ends_when_cleared(peer):
    """Null is for ever, until DELETE."""
    fault(peer, path="/*", times=None, status=500)
    assert {peer.http.get("/health").status_code for _ in range(5)} == {500}
    assert peer.http.get("/_simulator/faults").json() == {"open": 1}
    peer.http.delete("/_simulator/faults")
    assert peer.http.get("/health").status_code == 200


def test_headers_alone_are_added_to_the_real_answer(peer):
    """The call is made, and its answer carries what was ordered."""
    fault(peer, path="/health", headers={"X-Odd": "1"})
    answer = peer.http.get("/health")
    assert (answer.headers["x-odd"], answer.json()["status"]) == ("1", "healthy")


def test_fault_of_another_method_does_not_count(peer):
    """An order for POST leaves GET alone."""
    fault(peer, path="/sessions", method="POST", status=429, times=1)
    assert peer.http.get("/sessions").status_code == 405
    assert peer.http.post("/sessions", json={"node_id": "n"}).status_code == 429
    assert peer.truth()["created_total"] == 0


def test_garbage_body_is_sent_as_given(peer):
    """Bytes that are no text go through base64."""
    garbage = b"\xff\xfe{\x00}\x00"
    fault(peer, path="/health", body_base64=base64.b64encode(garbage).decode())
    answer = peer.http.get("/health")
    assert (answer.status_code, answer.content) == (200, garbage)


def test_close_ends_the_connection_without_an_answer(peer):
    """The client sees the connection go."""
    fault(peer, path="/health", close=True)
    with pytest.raises(httpx.RemoteProtocolError):
        peer.http.get("/health")
    assert peer.health() == 0


def test_delay_holds_the_answer_back(peer):
    """The answer is the real one, later; a client that gives up harms nobody."""
    fault(peer, path="/health", delay_seconds=3600)
    with pytest.raises(httpx.ReadTimeout):
        peer.http.get("/health", timeout=0.2)
    fault(peer, path="/health", delay_seconds=0.01)
    assert peer.health() == 0


def test_trickle_sends_byte_by_byte(peer):
    """Headers at once, the real body in drops."""
    fault(peer, path="/sessions/count", trickle_seconds=0.001)
    assert peer.http.get("/sessions/count").json() == {"active_session_count": 0}
    fault(peer, path="/health", trickle_seconds=3600)
    with peer.http.stream("GET", "/health") as answer:
        assert answer.status_code == 200


def test_fault_refuses_the_stream(peer):
    """The upgrade can be made to fail, too."""
    fault(peer, path="/ws/events", status=503)
    with pytest.raises(Exception, match="503"), peer.stream():
        pass
    with peer.stream() as stream:
        receive(stream)


@pytest.mark.parametrize(
    ("route", "body", "words"),
    [
        ("faults", {"path": "health", "close": True}, "path is 'health', must be text that begins"),
        ("faults", {"close": True}, "path is absent"),
        ("faults", {"path": "/", "times": 0, "close": True}, "times is 0, must be from 1"),
        ("faults", {"path": "/", "times": True, "close": True}, "times is True"),
        ("faults", {"path": "/", "status": 99}, "status is 99, must be from 200 to 599"),
        ("faults", {"path": "/", "delay_seconds": -1}, "delay_seconds is -1, must be a number"),
        ("faults", {"path": "/", "delay_seconds": "1"}, "delay_seconds is '1'"),
        ("faults", {"path": "/", "body": 1}, "body is 1, must be text"),
        ("faults", {"path": "/", "body_base64": "?"}, "body_base64 is '?'"),
        ("faults", {"path": "/", "body": "", "body_base64": ""}, "must be one of them"),
        ("faults", {"path": "/", "status": 200, "headers": {"a": "b\n"}}, "headers is"),
        ("faults", {"path": "/", "method": "get", "close": True}, "method is 'get'"),
        ("faults", {"path": "/", "colour": 1}, "'colour' is unknown, must be one of path"),
        ("faults", {"path": "/"}, "would change nothing"),
        ("faults", [], "must be a JSON object"),
        ("streams", {}, "exactly one of"),
        ("streams", {"close": 1006}, "close is 1006"),
        ("streams", {"close": 1000, "drop": True}, "exactly one of"),
        ("streams", {"send": "x", "times": 0}, "times is 0"),
        ("restart", {"away_seconds": None}, "away_seconds is None"),
        ("restart", {"keep_state": 1}, "keep_state is 1"),
    ],
)
def test_bad_order_is_refused_in_words(route, body, words, peer):
    """The answer names the field, what was given and what is allowed."""
    assert words in peer.order(route, body, status=422)["detail"]


def test_order_that_is_no_json_is_refused(peer):
    """Not JSON is said, not crashed on."""
    answer = peer.http.post("/_simulator/faults", content=b'{"path": "/", "body": "\\ud800"}')
    assert (answer.status_code, "must be text" in answer.json()["detail"]) == (422, True)
    answer = peer.http.post("/_simulator/faults", content=b"{")
    assert (answer.status_code, answer.json()["detail"][:20]) == (422, "the body is not JSON")


def test_streams_are_closed_with_the_code(peer):
    """Every stream sees the ordered code."""
    with peer.stream() as one, peer.stream() as other:
        for stream in (one, other):
            receive(stream)
        assert peer.order("streams", {"close": 1012}) == {"streams": 2}
        for stream in (one, other):
            with pytest.raises(ConnectionClosed) as caught:
                stream.recv(timeout=WAIT_SECONDS)
            assert caught.value.rcvd.code == 1012


def test_streams_are_dropped_without_a_word(peer):
    """The client sees no close frame."""
    with peer.stream() as stream:
        receive(stream)
        peer.order("streams", {"drop": True})
        with pytest.raises(ConnectionClosed) as caught:
            stream.recv(timeout=WAIT_SECONDS)
        assert caught.value.rcvd is None


def test_streams_are_sent_what_is_ordered(peer):
    """Raw text and raw bytes, as often as said."""
    with peer.stream() as stream:
        receive(stream)
        peer.order("streams", {"send": "{not json", "times": 3})
        assert [stream.recv(timeout=WAIT_SECONDS) for _ in "123"] == ["{not json"] * 3
        peer.order("streams", {"send_base64": base64.b64encode(b"\x00").decode()})
        assert stream.recv(timeout=WAIT_SECONDS) == b"\x00"


def restarted(peer):
    """Knock until upstream is back, then ask on a new connection."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), peer.connect_raw():
            return httpx.get(f"{peer.url}/health", timeout=WAIT_SECONDS).json()
    raise TimeoutError("upstream did not come back")


@pytest.mark.parametrize(("keep_state", "left"), [(True, 3), (False, 0)])
def test_restart_drops_everybody_and_comes_back(keep_state, left, peer):
    """Connections and streams go, the port is the same, the sessions are as ordered."""
    for _ in range(3):
        peer.create()
    peer.clock.now += 30
    with peer.stream() as stream:
        receive(stream)
        peer.order("restart", {"away_seconds": 0.2, "keep_state": keep_state})
        with pytest.raises(ConnectionClosed):
            stream.recv(timeout=WAIT_SECONDS)
    health = restarted(peer)
    assert health["active_sessions"] == left
    assert health["uptime_seconds"] == 0
    assert [one["how"] for one in peer.truth()["ended"]] == ["lost"] * (3 - left)


def test_nobody_answers_while_away(peer):
    """During a restart the port is closed."""
    with peer.stream() as stream:
        receive(stream)
        peer.order("restart", {"away_seconds": 3600})
        with pytest.raises(ConnectionClosed):
            stream.recv(timeout=WAIT_SECONDS)
    with pytest.raises(ConnectionRefusedError):
        peer.connect_raw()
