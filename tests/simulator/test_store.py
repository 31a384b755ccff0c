import io
import json
import signal
import subprocess
import sys

import httpx
import pytest

from kato_panel.simulator import EmbeddedSimulator, StateFileError, store
from kato_panel.simulator.store import Store
from kato_panel.simulator.world import World

from .conftest import WAIT_SECONDS

NOON = 1_795_000_000.0


def opened(path, now=NOON):
    world, journal = World(), Store(path)
    known = journal.open(world, now)
    return world, journal, known


def test_everything_survives_a_reopening(tmp_path):
    """Live sessions, index and truth are the same after it."""
    path = tmp_path / "state"
    world, journal, known = opened(path)
    assert not known
    ids = [world.create("n", NOON, metadata={"a": "ü"}).session_id for _ in range(5)]
    world.delete(ids[0], NOON + 1)
    journal.close()
    other, journal, known = opened(path, NOON + 2)
    journal.close()
    assert known
    assert (other.sessions, other.index) == (world.sessions, world.index)
    assert list(other.ended) == list(world.ended)


def test_torn_last_line_is_a_change_that_never_was(tmp_path):
    """A kill in the middle of a write loses that write alone."""
    path = tmp_path / "state"
    world, journal, _ = opened(path)
    world.create("n", NOON)
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"op":"create","sess')
    other, journal, _ = opened(path)
    other.create("n", NOON)
    journal.close()
    third, journal, _ = opened(path)
    journal.close()
    assert len(third.sessions) == 2


@pytest.mark.parametrize(
    "content",
    [b"hello", b"hello\n", b'{"a": 1}\n', b"\xff\xfe\n", b'{"file":"kato_panel.simulator"'],
)
def test_foreign_file_is_refused_and_left_alone(content, tmp_path):
    """A file that is not a simulator's is named and not touched."""
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(StateFileError, match=r"mine\.txt is not a state file of the simulator"):
        opened(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "line", [b"{broken", b"7", b'{"op":"walk"}', b'{"op":"remove","session_id":"x"}', b"{}"]
)
def test_damaged_file_is_refused_and_left_alone(line, tmp_path):
    """A bad line in the middle is damage, not the trace of a kill."""
    path = tmp_path / "state"
    opened(path)[1].close()
    content = path.read_bytes() + line + b"\n"
    path.write_bytes(content)
    with pytest.raises(StateFileError, match="state"):
        opened(path)
    assert path.read_bytes() == content


def test_directory_or_missing_folder_is_refused_in_words(tmp_path):
    """What the system refuses is said with the file's name."""
    for path in (tmp_path, tmp_path / "absent" / "state"):
        with pytest.raises(StateFileError, match=str(path)):
            opened(path)


def test_long_journal_is_rewritten_while_running(tmp_path, monkeypatch):
    """The file does not grow without bound."""
    monkeypatch.setattr(store, "LINES_BEFORE_COMPACTION", 50)
    path = tmp_path / "state"
    world, journal, _ = opened(path)
    session_id = world.create("n", NOON).session_id
    for second in range(500):
        world.read(session_id, NOON + second)
    journal.close()
    assert len(path.read_bytes().splitlines()) < 60
    other, journal, _ = opened(path)
    journal.close()
    assert other.sessions == world.sessions


class FullDisk(io.FileIO):
    def write(self, line):
        """Take the first bytes only, as a disk does that runs full."""
        return super().write(line[:10])


def test_full_disk_makes_no_change_and_leaves_no_half_line(tmp_path):
    """What could not be written did not happen, and the file stays readable."""
    path = tmp_path / "state"
    world, journal, _ = opened(path)
    kept = world.create("n", NOON).session_id
    roomy, journal._file = journal._file, FullDisk(path, "ab")
    with pytest.raises(StateFileError, match="no room"):
        world.create("n", NOON)
    journal._file.close()
    journal._file = roomy
    world.create("n", NOON)
    journal.close()
    other, journal, _ = opened(path)
    journal.close()
    assert other.sessions == world.sessions
    assert len(world.sessions) == 2
    assert kept in world.sessions


def launch(path, *options):
    command = [sys.executable, "-m", "kato_panel.simulator", "--port=0", f"--state={path}"]
    simulator = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    return simulator, simulator.stdout.readline().split()[-1]


def test_sessions_survive_kill_9(tmp_path):
    """What was answered is there after the process was killed, and what was deleted is not."""
    path = tmp_path / "state"
    first, url = launch(path, "--rate=0", "--initial=5")
    with first:
        with httpx.Client(base_url=url, timeout=WAIT_SECONDS) as client:
            ids = [
                client.post("/sessions", json={"node_id": "n"}).json()["session_id"]
                for _ in range(20)
            ]
            client.delete(f"/sessions/{ids[0]}")
            before = client.get("/_simulator/truth").json()
        first.send_signal(signal.SIGKILL)
    second, url = launch(path, "--rate=0", "--initial=5")
    with second:
        after = httpx.get(f"{url}/_simulator/truth").json()
        second.terminate()
        assert second.wait(WAIT_SECONDS) == 0
    for key in ("live", "ended", "index_size", "created_total"):
        assert after[key] == before[key], key
    assert len(after["live"]) == 24


def test_planned_deletions_survive_too(tmp_path):
    """A session of the simulator's own is still deleted after a restart."""
    path = tmp_path / "state"
    with EmbeddedSimulator(rate=0, initial=10, state=path) as simulator:
        planned = simulator.truth()["live_size"]
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    plans = [line["session"]["delete_at"] for line in lines if line.get("op") == "create"]
    late = max(plan for plan in plans if plan) + 4000
    with EmbeddedSimulator(rate=0, state=path, clock=lambda: late) as simulator:
        truth = simulator.truth()
    assert planned == 10
    assert truth["live_size"] == 0


def test_empty_file_is_taken_as_new(tmp_path):
    """What `mktemp` makes holds nothing that could be lost."""
    path = tmp_path / "fresh"
    path.touch()
    store = Store(path)
    assert store.open(World(), 0.0) is False
    store.close()
