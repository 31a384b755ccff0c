import socket
from datetime import UTC, datetime

from .conftest import WAIT_SECONDS, receive, recording

FRAMES = [frame["json"] for frame in recording("ws_events_frames")["frames"] if "json" in frame]


def recorded(event_type):
    return next(frame for frame in FRAMES if frame["event_type"] == event_type)


def test_frames_are_as_recorded(peer):
    """Snapshot, birth and deletion have KATO's keys, in KATO's order."""
    with peer.stream() as stream:
        frames = [receive(stream)]
        peer.http.delete(f"/sessions/{peer.create()}")
        frames += [receive(stream), receive(stream)]
    assert [one["event_type"] for one in frames] == [
        "state.snapshot",
        "session.created",
        "session.destroyed",
    ]
    for frame in frames:
        expected = recorded(frame["event_type"])
        assert list(frame) == list(expected)
        assert list(frame["data"]) == list(expected["data"])
    assert frames[2]["data"]["reason"] == "explicit_delete"


def test_times_are_as_odd_as_upstreams(peer):
    """The snapshot's time is naive and local, the others are UTC and say so."""
    with peer.stream() as stream:
        snapshot = datetime.fromisoformat(receive(stream)["timestamp"])
        peer.create()
        created = receive(stream)
    now = datetime.fromtimestamp(peer.clock.now, UTC)
    assert snapshot.tzinfo is None
    assert snapshot == now.astimezone().replace(tzinfo=None)
    assert created["timestamp"].endswith("+00:00")
    assert datetime.fromisoformat(created["data"]["created_at"]) == now


def test_snapshot_tells_the_count(begin):
    """A stream opened later begins with what is counted then."""
    peer = begin(initial=7)
    with peer.stream() as stream:
        assert receive(stream)["data"] == {"active_sessions": 7, "system_status": "healthy"}


def test_frame_arrives_before_the_reply(peer):
    """KATO tells its streams inside the call: the frame is there when the reply is."""
    with peer.stream() as stream:
        receive(stream)
        for _ in range(50):
            session_id = peer.create()
            assert receive(stream)["data"]["session_id"] == session_id


def test_only_ping_is_answered(peer):
    """Text ``ping`` gives text ``pong``; everything else is ignored."""
    with peer.stream() as stream:
        receive(stream)
        stream.send("hello")
        stream.send('{"type": "subscribe"}')
        stream.send(b"ping")
        stream.send("ping")
        assert stream.recv(timeout=WAIT_SECONDS) == "pong"
        stream.send("ping")
        assert stream.recv(timeout=WAIT_SECONDS) == "pong"


def test_closed_stream_leaves_the_worker(peer):
    """A stream that went away without a word does not harm the next call."""
    stream = peer.open_stream()
    stream.socket.shutdown(socket.SHUT_RDWR)
    assert peer.create()
