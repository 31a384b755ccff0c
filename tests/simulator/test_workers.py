import itertools

import httpx

from .conftest import WAIT_SECONDS

WORKERS = 4


def streams_of(peer, count):
    """Open streams until every worker has one; they are told by the worker's number."""
    by_worker = {}
    while len(by_worker) < count:
        before = peer.http.get("/_simulator/requests").json()["open_streams_by_worker"]
        stream = peer.open_stream()
        after = peer.http.get("/_simulator/requests").json()["open_streams_by_worker"]
        changed = [b - a for a, b in zip(before, after, strict=True)].index(1)
        by_worker.setdefault(changed, stream)
    return by_worker


def drain(stream):
    """All frames that came before the answer to a ping."""
    stream.send("ping")
    frames = []
    while (frame := stream.recv(timeout=WAIT_SECONDS)) != "pong":
        frames.append(frame)
    return frames


def test_connections_are_spread_over_the_workers(begin):
    """Calls on new connections reach all four workers, about equally often."""
    peer = begin(workers=WORKERS)
    by_worker = streams_of(peer, WORKERS)
    for number in range(80):
        httpx.post(f"{peer.url}/sessions", json={"node_id": f"n{number}"})
    heard = [len(drain(stream)) for _, stream in sorted(by_worker.items())]
    assert sum(heard) == 80
    assert min(heard) >= 8


def test_a_kept_connection_belongs_to_one_worker(begin):
    """All frames of one connection's calls go to one worker's streams, as recorded."""
    peer = begin(workers=WORKERS)
    by_worker = streams_of(peer, WORKERS)
    for _ in range(12):
        peer.http.delete(f"/sessions/{peer.create()}")
    heard = sorted(len(drain(stream)) for stream in by_worker.values())
    assert heard == [0, 0, 0, 24]


def test_each_worker_caches_its_own_count(begin):
    """Counts asked on different connections may go backwards; /health may not."""
    peer = begin(workers=2)
    clients = [httpx.Client(base_url=peer.url, timeout=WAIT_SECONDS) for _ in range(12)]
    counts, healths = [], []
    for client in clients:
        counts.append(client.get("/sessions/count").json()["active_session_count"])
        healths.append(client.get("/health").json()["active_sessions"])
        peer.create()
    for client in clients:
        client.close()
    assert any(later < earlier for earlier, later in itertools.pairwise(counts))
    assert healths == sorted(healths)


def test_workers_are_drawn_by_the_seed(begin):
    """The same seed gives the same workers to the same connections."""
    drawn = []
    for _ in range(2):
        peer = begin(workers=WORKERS, seed=5)
        for _ in range(10):
            peer.open_stream()
        drawn.append(peer.http.get("/_simulator/requests").json()["open_streams_by_worker"])
    assert drawn[0] == drawn[1]


def test_status_counts_a_workers_own_sessions(peer):
    """Sessions that expired stay in /status, as recorded."""
    peer.create(ttl_seconds=3)
    peer.http.delete(f"/sessions/{peer.create()}")
    peer.clock.now += 10
    assert peer.http.get("/status").json()["sessions"]["active_sessions"] == 1
