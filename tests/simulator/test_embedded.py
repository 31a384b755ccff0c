import contextlib
import threading
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from kato_panel.simulator import EmbeddedSimulator, StateFileError

from .conftest import receive


def test_it_starts_listens_and_stops(tmp_path):
    """It answers once started; stopped, its thread is gone and stopping again is harmless."""
    before = threading.active_count()
    simulator = EmbeddedSimulator(rate=0, initial=120, state=tmp_path / "state")
    url = simulator.start()
    assert url == simulator.url
    assert httpx.get(f"{url}/health").json()["active_sessions"] == 120
    assert simulator.truth()["live_size"] == 120
    simulator.stop()
    simulator.stop()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="not running"):
        simulator.truth()
    with pytest.raises(RuntimeError, match="started before"):
        simulator.start()


def test_never_started_is_stopped_without_harm():
    """Stopping what never ran does nothing."""
    simulator = EmbeddedSimulator()
    simulator.stop()
    with pytest.raises(RuntimeError, match="not running"):
        simulator.truth()


def test_taken_port_reaches_the_caller():
    """The error comes out of start()."""
    with EmbeddedSimulator(rate=0) as first:
        second = EmbeddedSimulator(rate=0, port=int(first.url.rsplit(":", 1)[1]))
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            second.start()


def test_bad_state_file_reaches_the_caller(tmp_path):
    """The error comes out of start(), and no socket is left open."""
    path = tmp_path / "state"
    path.write_text("mine")
    with pytest.raises(StateFileError, match="not a state file"):
        EmbeddedSimulator(state=path).start()


def test_it_stops_at_once_whatever_goes_on(begin):
    """Delayed calls, open streams and a reader that does not read do not hold it up."""
    peer = begin()
    peer.open_deaf_stream()
    with pytest.raises(httpx.ReadTimeout):
        peer.http.post("/sessions", json={"node_id": "n" * 16_000_000}, timeout=0.5)
    peer.order("faults", {"path": "/", "delay_seconds": 3600})
    waiting = threading.Thread(target=hung_call, args=(peer.url,))
    waiting.start()
    while "GET /" not in peer.http.get("/_simulator/requests").json()["requests"]:
        pass
    begun = time.monotonic()
    peer.simulator.stop()
    assert time.monotonic() - begun < 2
    waiting.join()


def hung_call(url):
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/", timeout=60)


def test_its_own_clients_are_heard_on_the_stream(begin):
    """With churn running, frames of the simulator's own sessions arrive."""
    peer = begin(rate=50, initial=5000, clock=time.time)
    with peer.stream() as stream:
        kinds = {receive(stream)["event_type"]}
        while kinds != {"state.snapshot", "session.created", "session.destroyed"}:
            kinds.add(receive(stream)["event_type"])
    assert peer.truth()["created_total"] > 5000


def test_churn_reaches_the_streams_of_every_worker_alone(begin):
    """Frames heard on one of four workers' streams are a part of what happened."""
    peer = begin(rate=300, workers=4, clock=time.time)
    with peer.stream() as stream:
        receive(stream)
        begun = peer.truth()["created_total"]
        for _ in range(40):
            receive(stream)
        assert peer.truth()["created_total"] - begun > 60


def test_churn_pauses_while_away(begin):
    """Nobody can create a session at an upstream that is not there."""
    peer = begin(rate=200, clock=time.time)
    with peer.stream() as stream:
        receive(stream)
        peer.order("restart", {"away_seconds": 3600})
        with contextlib.suppress(ConnectionClosed):
            while True:
                receive(stream)
    before = peer.truth()
    while (after := peer.truth())["at"] < before["at"] + 0.1:
        pass
    assert after["created_total"] == before["created_total"]
