import httpx
import pytest

from .conftest import WAIT_SECONDS, receive, recording


def test_count_is_cached_and_health_is_not(peer):
    """A create shows in /health at once, in /sessions/count when 5.1 s are over."""
    assert peer.http.get("/sessions/count").json() == {"active_session_count": 0}
    peer.create()
    begun = peer.clock.now
    rows = recording("count_cache")["rows"]
    base = recording("count_cache")["base"]
    for elapsed, count, _, health in rows:
        peer.clock.now = begun + elapsed
        assert peer.http.get("/sessions/count").json()["active_session_count"] == count - base
        assert peer.health() == health - base


def test_metrics_are_cached_for_five_seconds(peer):
    """The count in /metrics lags, too, but not by more than 5 s."""
    peer.http.get("/metrics")
    peer.create()
    assert peer.http.get("/metrics").json()["sessions"]["active"] == 0
    peer.clock.now += 5.0
    assert peer.http.get("/metrics").json()["sessions"]["active"] == 1


def test_expired_sessions_stay_in_the_count_without_an_event(peer):
    """Ten sessions end by TTL: no frame, the count stays ten, and deleting them is 404."""
    with peer.stream() as stream:
        assert receive(stream)["event_type"] == "state.snapshot"
        ids = [peer.create(ttl_seconds=3) for _ in range(10)]
        for _ in ids:
            assert receive(stream)["event_type"] == "session.created"
        peer.clock.now += 10
        answers = [peer.http.delete(f"/sessions/{one}") for one in ids[:3]]
        stream.send("ping")
        assert stream.recv(timeout=WAIT_SECONDS) == "pong"
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].json()["error"]["code"] == "SESSION_NOT_FOUND"
    assert peer.http.get(f"/sessions/{ids[4]}").status_code == 404
    assert peer.http.get(f"/sessions/{ids[5]}/exists").json()["exists"] is False
    assert peer.health() == 10
    truth = peer.truth()
    assert (truth["live_size"], truth["index_size"]) == (0, 10)
    assert {one["how"] for one in truth["ended"]} == {"expired"}


@pytest.mark.parametrize("path", ["", "/stm", "/config"])
def test_reading_a_session_moves_its_ttl(path, peer):
    """A session that is looked at lives on; one that is asked for with /exists does not."""
    read, asked = peer.create(ttl_seconds=4), peer.create(ttl_seconds=4)
    peer.clock.now += 3
    assert peer.http.get(f"/sessions/{read}{path}").status_code == 200
    assert peer.http.get(f"/sessions/{asked}/exists").json()["exists"]
    peer.clock.now += 2
    truth = peer.truth()
    assert [one["session_id"] for one in truth["live"]] == [read]


def test_read_after_the_stored_expiry_deletes_without_an_event(peer):
    """The key slides, the stored expiry does not: the late read removes key and index entry."""
    with peer.stream() as stream:
        receive(stream)
        session_id = peer.create(ttl_seconds=4)
        receive(stream)
        begun = peer.clock.now
        for row in recording("slide_bug")["rows"]:
            peer.clock.now = begun + row["t"]
            assert peer.http.get(f"/sessions/{session_id}").status_code == row["GET"]
        stream.send("ping")
        assert stream.recv(timeout=WAIT_SECONDS) == "pong"
    assert peer.health() == 0
    assert peer.http.delete(f"/sessions/{session_id}").status_code == 404


def test_exists_after_the_stored_expiry_says_expired_once(peer):
    """The first question after a slide finds, and removes, the expired session."""
    session_id = peer.create(ttl_seconds=4)
    peer.clock.now += 3
    peer.http.get(f"/sessions/{session_id}")
    peer.clock.now += 2
    path = f"/sessions/{session_id}/exists"
    assert [peer.http.get(path).json()["expired"] for _ in "12"] == [True, False]


def test_extending_is_undone_by_the_next_read(peer):
    """A session extended to 600 s and then read ends after its own 60 s."""
    session_id = peer.create(ttl_seconds=60)
    answer = peer.http.post(f"/sessions/{session_id}/extend", params={"ttl_seconds": 600})
    assert answer.json()["ttl_seconds"] == 600
    peer.http.get(f"/sessions/{session_id}/stm")
    peer.clock.now += 61
    assert peer.truth()["live_size"] == 0


def test_extended_session_that_nobody_reads_lives_on(peer):
    """Without a read the extension holds."""
    session_id = peer.create(ttl_seconds=60)
    peer.http.post(f"/sessions/{session_id}/extend", params={"ttl_seconds": 600})
    peer.clock.now += 61
    assert peer.truth()["live_size"] == 1


def test_negative_ttl_takes_the_connection_along(peer):
    """After the 500 the kept-alive connection is closed, and nothing was created."""
    body = b'{"node_id": "n", "ttl_seconds": -5}'
    head = f"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with peer.connect_raw() as raw:
        raw.sendall(head.encode() + body)
        answer = b""
        while chunk := raw.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 500")
    assert answer.endswith(b"Internal Server Error")
    assert b"connection: close" not in answer.lower()
    assert peer.truth()["created_total"] == 0


def test_reader_that_does_not_read_holds_up_creation(peer):
    """KATO waits for each stream inside the create call; other calls go on."""
    peer.open_deaf_stream()
    frame_nobody_reads = "n" * 16_000_000
    with pytest.raises(httpx.ReadTimeout):
        peer.http.post("/sessions", json={"node_id": frame_nobody_reads}, timeout=0.7)
    assert peer.health() == 1
    peer.order("streams", {"drop": True})
    assert peer.create()


def test_full_worker_answers_503(peer):
    """With 98 streams calls are answered, with 99 none is; upgrades are still accepted."""
    for _ in range(98):
        peer.open_stream()
    assert peer.http.get("/health").status_code == 200
    peer.open_stream()
    answer = peer.http.get("/health")
    assert (answer.status_code, answer.text) == (503, "Service Unavailable")
    assert peer.http.post("/sessions", json={"node_id": "n"}).status_code == 503
    peer.open_stream()
    assert peer.truth()["created_total"] == 0


def test_unknown_path_below_a_session_has_both_404_shapes(peer):
    """The middleware answers first; only for a live session the router does."""
    live = peer.http.get(f"/sessions/{peer.create()}/no-such").json()
    gone = peer.http.get("/sessions/session-nope/no-such").json()
    assert (list(live), list(gone)) == (["detail"], ["error"])


def test_speed_shortens_lives_and_not_the_cache(begin):
    """At speed 100 a TTL of 100 s is over in one; the count is still cached for 5.1 s."""
    peer = begin(speed=100)
    session_id = peer.create(ttl_seconds=100)
    peer.http.get("/sessions/count")
    peer.clock.now += 1.5
    assert peer.truth()["live_size"] == 0
    peer.create()
    assert peer.http.get("/sessions/count").json() == {"active_session_count": 1}
    assert peer.health() == 2
    assert session_id != peer.truth()["live"][0]["session_id"]


def test_hostile_names_come_back_unchanged(peer):
    """A node id is free text, and upstream passes it on as it is."""
    name = "<script>\u202e\x00 ünï 💥"
    with peer.stream() as stream:
        receive(stream)
        session_id = peer.create(node_id=name)
        assert receive(stream)["data"]["node_id"] == name
    assert peer.http.get(f"/sessions/{session_id}").json()["node_id"] == name
