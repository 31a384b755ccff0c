"""Kills, flipped bits, full and read-only disks: the service runs on, and says what is lost."""

import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from kato_panel.domain.recorded import AuditEntry, Gap, Looked, Sample
from kato_panel.errors import HistoryError
from kato_panel.history import backlog, engines, history
from tests.history.making import at, event, open_history, record, wait_until, writing_process

SEED = 4


def test_kill_loses_nothing_that_was_acknowledged(tmp_path, size):
    """At random moments, also of the start; the file is sound and goes on each time."""
    path, random_ = tmp_path / "h.db", random.Random(SEED)
    trials, acknowledged_rows = size.n(20, 200), 0
    for trial in range(trials):
        acknowledged = kill_at_random(path, f"t{trial}", random_)
        acknowledged_rows += acknowledged
        started = open_history(path, epoch="check")
        status = started.status
        assert (status.trouble, status.notice) == (None, None)
        started.record(event(1))  # told again in each trial, so written once
        assert started.flush()
        started.close()
        with sqlite3.connect(path) as connection:
            of_trial = (
                "FROM events JOIN epochs ON epochs.id = epoch_id "
                f"WHERE epoch = 't{trial}' AND seq <= {acknowledged}"
            )
            count = connection.execute(f"SELECT count(*) {of_trial}").fetchone()
            of_records = f"FROM records WHERE session_id LIKE 'session-t{trial}-%'"
            records = connection.execute(f"SELECT count(*) {of_records}").fetchone()
        connection.close()
        assert count == (acknowledged,)
        assert records[0] >= acknowledged // 3
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    size.record(
        "the writer of the history killed at random moments",
        seed=str(SEED),
        n=trials,
        result=f"0 of {acknowledged_rows} acknowledged events lost; each start succeeded",
    )


def kill_at_random(path, epoch, random_):
    """Let a process write, kill it, and return the newest number that it acknowledged."""
    child = writing_process(path, epoch)
    is_at_start = random_.random() < 0.3
    delay = random_.uniform(0, 1.0 if is_at_start else 0.4)
    if not is_at_start:
        assert child.stdout.readline() == "recording\n"
    threading.Event().wait(delay)
    child.send_signal(signal.SIGKILL)
    child.wait()
    lines = [line for line in child.stdout.read().splitlines() if line.isdigit()]
    child.stdout.close()
    return int(lines[-1]) if lines else 0


def whole_history(path):
    """Make a history with something in each table, and copy it while its log is full."""
    made = open_history(path)
    for start in range(1, 301, 100):
        made.record([event(n, n) for n in range(start, start + 100)])
        made.record([record(f"s{n}", n, ended=n + 9 if n % 2 else None) for n in range(start)])
        made.record([Sample(at(start), 5), Gap(at(start), at(start + 9)), Looked(at(start))])
        made.record(AuditEntry(at(start), "me", "delete", "s1", "deleted"))
        assert made.flush()
        if start == 1:
            made.close()
            made = open_history(path)
    whole = path.with_name("whole")
    whole.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", whole / f"h.db{suffix}")
    made.close()
    return whole


def flip_bits(folder, random_):
    """Flip up to eight bits, of the file more often than of its log."""
    for _ in range(random_.randint(1, 8)):
        flipped = folder / ("h.db" if random_.random() < 0.8 else "h.db-wal")
        content = bytearray(flipped.read_bytes())
        far = len(content) if random_.random() < 0.7 else 100
        content[random_.randrange(far)] ^= 1 << random_.randrange(8)
        flipped.write_bytes(content)


def test_flipped_bits_never_stop_a_start(tmp_path, size):
    """It records, or says why not; what cannot be read is said in words."""
    whole, random_ = whole_history(tmp_path / "h.db"), random.Random(SEED)
    trials = size.n(20, 200)
    outcomes = dict.fromkeys(("went on", "moved aside", "refused", "of which unreadable"), 0)
    for trial in range(trials):
        folder = tmp_path / f"t{trial}"
        shutil.copytree(whole, folder)
        flip_bits(folder, random_)
        started = open_history(folder / "h.db")
        started.record([event(1000), record("s1000"), Sample(at(0), 5)])
        is_written = started.flush()
        status = started.status
        if status.trouble is None:
            started.reader.last_seen()
            started.reader.open_records()
            assert is_written
            outcomes["moved aside" if status.notice else "went on"] += 1
        else:
            assert "it is left as it is" in status.trouble
            outcomes["refused"] += 1
        outcomes["of which unreadable"] += not is_readable(started.reader)
        started.close()
        shutil.rmtree(folder)
    size.record(
        "1 to 8 bits of the history flipped before a start",
        seed=str(SEED),
        n=trials,
        result="0 starts failed; " + ", ".join(f"{n} {word}" for word, n in outcomes.items()),
    )


def is_readable(reader):
    """Ask for everything; what cannot be read is a HistoryError and nothing else."""
    try:
        reader.events(at(0), at(500), limit=1000)
        reader.events(node="n1", newest_first=False)
        reader.records(limit=1000)
        reader.counts(at(0), at(500))
        reader.counts(at(-90_000), at(500))
        reader.gaps(at(0), at(500))
        reader.audit()
    except HistoryError:
        return False
    return True


@contextmanager
def failing(monkeypatch, pragma):
    """Let each connection that is opened meanwhile be limited."""
    connect = engines._connect

    def limited(path, mode):
        connection = connect(path, mode)
        if mode == "rw":
            connection.execute(pragma)
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(engines, "_connect", limited)
        yield


@pytest.mark.parametrize(
    ("pragma", "words"),
    [
        ("PRAGMA max_page_count = 1", "database or disk is full"),
        ("PRAGMA query_only = ON", "attempt to write a readonly database"),
    ],
)
def test_disk_that_refuses_costs_the_record_only(tmp_path, monkeypatch, pragma, words, caplog):
    """10,000 items wait, more are counted as lost, and those that waited are written at last."""
    monkeypatch.setattr(history, "RETRY_SECONDS", 0.05)
    caplog.set_level("INFO")
    recording = open_history(tmp_path / "h.db")
    recording.record([event(n, n) for n in range(1, 11)])
    assert recording.flush()
    with failing(monkeypatch, pragma):
        recording._store.reconnect()
        recording.record([event(n, n) for n in range(11, 5_011)])
        wait_until(lambda: recording.status.trouble)
        assert words in recording.status.trouble
        assert not recording.flush(0.1)
        began = monotonic()
        recording.record([event(n, n) for n in range(5_011, 12_011)])
        assert monotonic() - began < 1
        status = recording.status
        assert (status.buffered, status.lost, status.written) == (10_000, 2_000, 10)
        assert len(recording.reader.events(limit=100).rows) == 10
    wait_until(lambda: recording.status.buffered == 0)
    status = recording.status
    assert (status.trouble, status.lost, status.written) == (None, 2_000, 10_010)
    recording.record(event(12_011, 12_011))
    assert recording.flush()
    numbers = [row.event.seq for row in recording.reader.events(limit=1_000).rows]
    assert numbers == list(range(12_011, 11_011, -1))
    recording.close()
    told = [one.getMessage() for one in caplog.records if one.name.startswith("kato_panel.history")]
    assert len(told) == 3  # trouble, recovery, and the loss at the end: once each
    assert "2000 items were lost" in told[1]


LIMITED = """
import resource, sys
from kato_panel.history import history
from tests.history.making import at, event, open_history, wait_until
history.RETRY_SECONDS = 0.05
recording = open_history(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
recording.record([event(n, n) for n in range(1, 9_001)])
wait_until(lambda: recording.status.trouble)
print(recording.status.trouble, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(recording.flush(20), recording.status.written, recording.status.lost, flush=True)
recording.close()
"""


def test_system_that_refuses_to_write_is_outlasted(tmp_path):
    """A limit of the system hits the log in the middle of a group."""
    assert resource.RLIM_INFINITY in resource.getrlimit(resource.RLIMIT_FSIZE)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "h.db")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    trouble, end = done.stdout.splitlines()
    assert "the history cannot be written: disk I/O error" in trouble
    assert end == "True 9000 0"
    started = open_history(tmp_path / "h.db")
    assert (started.status.trouble, started.status.notice) == (None, None)
    assert started.reader.events().rows[0].event.seq == 9_000
    started.close()


def test_place_that_cannot_be_written_costs_the_record_only():
    """From the start on; the end does not wait for it."""
    started = open_history("/proc/no-such-place/h.db")
    assert "cannot be opened" in started.status.trouble
    started.record([event(n) for n in range(1, 11_000)])
    wait_until(lambda: started.status.lost == 999)
    assert started.status.buffered == 10_000
    with pytest.raises(HistoryError, match="not open"):
        started.reader.last_seen()
    began = monotonic()
    started.close()
    assert monotonic() - began < 3
    assert started.status.lost == 10_999


def test_put_never_waits_for_the_disk(tmp_path):
    """Not even while another program holds the file."""
    recording = open_history(tmp_path / "h.db")
    with sqlite3.connect(tmp_path / "h.db", isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        recording.record(event(1))
        began = monotonic()
        for n in range(2, 2_000):
            recording.record(event(n))
        took = monotonic() - began
        connection.execute("ROLLBACK")
    connection.close()
    assert took < 0.5
    assert recording.flush(20)
    recording.close()


def test_healthy_disk_takes_more_than_a_failing_one(tmp_path):
    """A first scan may find 100,000 sessions at once: none of them is lost."""
    recording = open_history(tmp_path / "h.db")
    recording.record([record(f"s{n}", n) for n in range(3 * backlog.MAX_BUFFERED)])
    assert recording.flush(30)
    assert len(recording.reader.open_records()) == 30_000
    recording.close()
