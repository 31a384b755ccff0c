"""What goes in comes out, whoever asks."""

import errno
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from kato_panel.domain.events import Kind, Name
from kato_panel.domain.recorded import AuditEntry, Gap, Looked, Note, Sample
from kato_panel.domain.records import Reason, Witness
from kato_panel.errors import HistoryError
from kato_panel.history import Reader
from kato_panel.history import history as history_module
from kato_panel.history.lock import WriterLock
from tests.conftest import NOON
from tests.history.making import at, event, open_history, record, wait_until, writing_process

HOSTILE = ["<img onerror=x>", "a\x00b", "\u202egnp.exe", "🙂" * 50, "x" * 10_000, "'; DROP --"]


@pytest.fixture
def patient(monkeypatch):
    """Close waits as long as writing takes here."""
    monkeypatch.setattr(history_module, "CLOSE_SECONDS", 30)


@pytest.fixture(params=["file", "memory"])
def history(request, tmp_path):
    history = open_history(tmp_path / "h.db" if request.param == "file" else None, epoch="e1")
    yield history
    history.close()


def all_pages(ask, **more):
    """Follow the cursors to the end."""
    rows, cursor = [], None
    while True:
        page = ask(cursor=cursor, **more)
        rows += page.rows
        cursor = page.next
        if cursor is None:
            return rows


def test_events_come_back_as_they_were(history):
    """With names, reason and every field that was not known."""
    names = [Name("s1", "n1"), Name("s2"), *(Name("s3", word) for word in HOSTILE)]
    told = [
        event(1, 0, names=names, reason="explicit_delete"),
        event(2, 1.000001, kind=Kind.DESTROYED, delta=3, after_gap_seconds=12.5),
        event(3, 2, since_last_event_seconds=0.25),
    ]
    history.record(told)
    assert history.flush()
    rows = history.reader.events(newest_first=False).rows
    assert [row.event for row in rows] == told
    assert [(row.id, row.epoch) for row in rows] == [(1, "e1"), (2, "e1"), (3, "e1")]
    assert history.status.written == 3
    assert history.status.trouble is None


def test_event_told_again_is_filled_in_and_counted_once(history):
    """In the same group, and in a later one."""
    history.record([event(1), event(1, names=[Name("s1", "n1")])])
    assert history.flush()
    history.record([event(1, names=[Name("s1", "n2")]), event(2, 1)])
    assert history.flush()
    rows = history.reader.events(newest_first=False).rows
    assert [row.event for row in rows] == [event(1, names=[Name("s1", "n2")]), event(2, 1)]
    assert history.reader.events(node="n2").rows == rows[:1]
    (minute,) = history.reader.counts(at(-7200), at(7200)).rows
    assert minute.created == 2


def test_records_are_kept_by_session(history):
    """The newest state of each; what has ended is no longer open."""
    history.record([record("s1", 1), record("s2", 2, node="n2"), record("s3", None, node=None)])
    history.record(record("s1", 1, ended=30, ttl_seconds=29.5, born_by=Witness.SCAN))
    assert history.flush()
    assert {found.session_id for found in history.reader.open_records()} == {"s2", "s3"}
    ended = history.reader.record("s1")
    assert ended == record("s1", 1, ended=30, ttl_seconds=29.5, born_by=Witness.SCAN)
    assert [found.session_id for found in history.reader.records().rows] == ["s2", "s1", "s3"]
    assert history.reader.records(node="n2").rows == (record("s2", 2, node="n2"),)
    assert history.reader.records(at(2), at(3)).rows == (record("s2", 2, node="n2"),)
    assert history.reader.record("s4") is None


def test_id_that_is_born_again_keeps_its_first_life(history):
    """An end may be corrected; a birth after it is another session."""
    history.record([record("s1", 1, ended=5), record("s1", 1, ended=6, reason=Reason.DELETED)])
    assert history.flush()
    history.record([record("s1", 10), record("s1", 10, ended=20)])
    history.record(record("s1", 30, ended=31))
    assert history.flush()
    lives = history.reader.records().rows
    assert lives == (
        record("s1", 30, ended=31),
        record("s1", 10, ended=20),
        record("s1", 1, ended=6, reason=Reason.DELETED),
    )
    assert history.reader.record("s1") == lives[0]


def test_the_rest_comes_back_too(history):
    """Gaps, audit, notes, and the newest look."""
    entries = [AuditEntry(at(n), "me", "delete", f"s{n}", "deleted") for n in range(5)]
    gaps = [Gap(at(0), at(9)), Gap(at(20), at(30)), Gap(at(40), at(50))]
    assert history.reader.last_seen() is None
    history.record([*entries, *gaps, Note("evictions", 7)])
    history.record([Looked(at(3)), Sample(at(4), 12, 13, 1), Looked(at(5)), Note("evictions", 8)])
    assert history.flush()
    assert all_pages(history.reader.audit, limit=2) == entries[::-1]
    assert history.reader.gaps(at(9), at(41)) == (gaps[1], gaps[2])
    assert history.reader.note("evictions") == 8
    assert history.reader.last_seen() == at(5)


def test_looks_are_kept_within_seconds_without_anything_else(tmp_path):
    """Else a start after a kill would call a quiet time a gap."""
    history = open_history(tmp_path / "h.db")
    for seconds in range(50):
        history.record(Looked(at(seconds)))
    wait_until(lambda: history.reader.last_seen() == at(49))
    assert history.status.written == 0
    history.close()


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_follow_one_another(history, newest_first):
    """Nothing twice, nothing left out, whatever is asked for and added meanwhile."""
    told = [
        event(n, n, kind=Kind.DESTROYED if n % 3 else Kind.CREATED, names=[Name("s", f"n{n % 5}")])
        for n in range(1, 101)
    ]
    history.record(told)
    assert history.flush()

    def asked(**more):
        rows = all_pages(history.reader.events, limit=7, newest_first=newest_first, **more)
        return [row.event for row in rows][:: -1 if newest_first else 1]

    assert asked() == told
    assert asked(kind=Kind.CREATED) == told[2::3]
    assert asked(node="n4") == told[3::5]
    assert asked(node="n4", kind=Kind.DESTROYED, since=at(30), until=at(60)) == [
        one for one in told[29:59] if one.names[0].node_id == "n4" and one.kind is Kind.DESTROYED
    ]
    assert asked(since=at(30), until=at(60)) == told[29:59]
    assert asked(since=at(1000)) == asked(until=at(-1)) == []


def test_pages_of_sessions_follow_one_another(history):
    """Also where many were created at once."""
    history.record([record(f"s{n:02}", n // 10, node=f"n{n % 2}") for n in range(50)])
    assert history.flush()
    found = all_pages(history.reader.records, limit=7)
    assert [one.session_id for one in found] == [f"s{n:02}" for n in range(49, -1, -1)]
    assert len(all_pages(history.reader.records, limit=7, node="n1")) == 25


def test_odd_limits_and_cursors_are_refused_in_words(history):
    """They come from an address that anybody may write."""
    for cursor in ("x", "1:2:3", "1" * 30, "", "1:", "🙂"):
        with pytest.raises(HistoryError, match="cursor is"):
            history.reader.records(cursor=cursor)
        with pytest.raises(HistoryError, match="cursor is"):
            history.reader.events(cursor=cursor + ":")
    for limit in (0, -1, 1_001):
        with pytest.raises(HistoryError, match=r"limit is .*, must be from 1 to 1000"):
            history.reader.events(limit=limit)


def test_clock_that_jumps_changes_no_order(history):
    """Events are sorted as they came; a range of time finds all of its own, and no others."""
    seconds = [0, 10, 3_610, 3_620, 20, 30, -7_200, -7_190, 40, 3_700]
    told = [event(seq, second) for seq, second in enumerate(seconds, 1)]
    for one in told:
        history.record(one)
        assert history.flush()
    rows = all_pages(history.reader.events, limit=3)
    assert [row.event for row in rows] == told[::-1]
    for since, until in [(0, 60), (3_600, 3_660), (-8_000, -7_190), (25, 3_701), (-9_000, 9_000)]:
        found = all_pages(history.reader.events, since=at(since), until=at(until), limit=2)
        assert [row.event for row in found] == [
            one for one in told[::-1] if at(since) <= one.at < at(until)
        ]
    assert sum(row.created for row in history.reader.counts(at(-9_000), at(9_000)).rows) == 10


def test_order_goes_on_after_a_start_with_an_earlier_clock(tmp_path):
    """Numbers of events never come twice."""
    for start, second in enumerate([0, -3_600, 50]):
        history = open_history(tmp_path / "h.db", epoch=f"e{start}")
        history.record([event(1, second), event(2, second + 1)])
        assert history.flush()
        rows = history.reader.events(newest_first=False).rows
        assert [row.id for row in rows] == list(range(1, 3 + 2 * start))
        assert len(history.reader.events(at(-3_600), at(-3_598)).rows) == (2 if start else 0)
        history.close()


def test_text_that_no_encoding_can_say_is_kept_all_the_same(history):
    """Half a surrogate pair is a question mark, and loses nobody an event."""
    history.record([event(1, names=[Name("s\ud800", "n\udfff")]), record("s\ud800", node="\ud800")])
    assert history.flush()
    assert history.reader.events(node="n?").rows[0].event.names == (Name("s?", "n?"),)
    assert history.reader.record("s?").node_id == "?"


def test_item_that_cannot_be_written_costs_only_itself(history):
    """It is counted; those beside it are on disk."""
    history.record([event(1), Sample(NOON, 2**70), event(2), Sample(NOON, None), event(3)])
    assert not history.flush()
    assert len(history.reader.events().rows) == 3
    assert (history.status.lost, history.status.written) == (2, 3)
    assert history.status.trouble is None
    history.record(event(4))
    assert history.flush()


def test_another_process_reads_while_one_writes(tmp_path):
    """Whatever was acknowledged; it sees more as more is written."""
    path = tmp_path / "h.db"
    child = writing_process(path)
    try:
        assert child.stdout.readline() == "recording\n"
        reader = None
        for _ in range(20):
            acknowledged = int(child.stdout.readline())
            reader = reader or Reader.open(path)
            newest = reader.events(limit=1).rows[0]
            assert newest.event.seq >= acknowledged
        reader.close()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_second_writer_is_refused_with_the_first_ones_pid(tmp_path):
    """It runs on, says so, and reads what the first one writes."""
    path = tmp_path / "h.db"
    child = writing_process(path)
    try:
        assert child.stdout.readline() == "recording\n"
        acknowledged = int(child.stdout.readline())
        second = open_history(path)
        assert f"is being written by process {child.pid}" in second.status.trouble
        second.record([event(1), Looked(NOON)])
        assert not second.flush()
        assert second.status.lost == 1
        assert second.reader.events(limit=1).rows[0].event.seq >= acknowledged
        second.close()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    third = open_history(path)
    assert third.status.trouble is None
    third.close()


def test_full_disk_leaves_no_lock_behind(tmp_path, monkeypatch):
    """Whoever has the right has it, though the disk does not let them write their name."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    lock = WriterLock(tmp_path / "h.db.lock")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        assert lock.take() is None
    assert WriterLock(tmp_path / "h.db.lock").take() == 0
    lock.release()
    assert WriterLock(tmp_path / "h.db.lock").take() is None


def test_disk_that_knows_no_locks_is_no_other_writer(tmp_path, monkeypatch):
    """It is a disk that does not let us."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("kato_panel.history.lock._lock", refuse)
    with pytest.raises(OSError, match="No locks"):
        WriterLock(tmp_path / "h.db.lock").take()


def test_path_that_cannot_be_looked_up_costs_the_record_only(tmp_path):
    """Its status says why."""
    history = open_history(tmp_path / ("x" * 300))
    assert "File name too long" in history.status.trouble
    assert history.status.size_bytes == 0
    history.close()


def test_second_writer_in_one_process_is_refused(tmp_path):
    """By whatever name the file is called."""
    (tmp_path / "link.db").symlink_to(tmp_path / "h.db")
    first = open_history(tmp_path / "h.db")
    second = open_history(tmp_path / "link.db")
    assert "is being written by process" in second.status.trouble
    second.close()
    first.close()


def test_close_leaves_one_file_and_no_log(tmp_path):
    """So that who copies it copies all of it."""
    history = open_history(tmp_path / "h.db")
    history.record(event(1))
    assert history.flush()
    history.reader.events()
    history.close()
    history.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.db", "h.db.lock"]
    assert (tmp_path / "h.db").stat().st_mode & 0o777 == 0o600
    assert history.status.trouble == "the history is closed"
    with Reader.open(tmp_path / "h.db") as reader:
        assert len(reader.events().rows) == 1


def test_history_in_memory_ends_with_its_close(caplog, patient):
    """In words, and without a warning."""
    history = open_history(None)
    history.record([event(n, n) for n in range(1, 7_001)])
    history.close()
    assert (history.status.written, history.status.lost) == (7_000, 0)
    with pytest.raises(HistoryError, match="the history is closed"):
        history.reader.events()
    assert caplog.records == []


def test_close_writes_what_waits(tmp_path, patient):
    """Without anybody asking."""
    history = open_history(tmp_path / "h.db")
    history.record([event(n, n) for n in range(1, 20_001)])
    history.close()
    assert history.status.written == 20_000
    with Reader.open(tmp_path / "h.db") as reader:
        assert reader.events().rows[0].event.seq == 20_000


def test_group_is_on_disk_within_a_tenth_of_a_second(tmp_path):
    """Without anybody asking; the median of 20, for others use this disk too."""
    history = open_history(tmp_path / "h.db")
    took = []
    for seq in range(1, 21):
        began = monotonic()
        history.record(event(seq))
        wait_until(lambda: history.status.written == seq)  # noqa: B023 - called at once
        took.append(monotonic() - began)
    assert sorted(took)[10] < 0.1
    history.close()


def test_importing_the_history_loads_no_panel():
    """Scripts read it too."""
    code = "import sys, kato_panel.history; print('panel' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.lower()) is False


def test_many_open_sessions_are_there_at_the_next_start(tmp_path):
    """The ledger begins with them."""
    path = tmp_path / "h.db"
    first = open_history(path, epoch="e1")
    first.record([record(f"s{n}", n) for n in range(10_000)])
    first.record([event(1), event(2)])
    assert first.flush(30)
    first.close()
    second = open_history(path, epoch="e1")
    assert (second.status.trouble, second.status.notice) == (None, None)
    assert len(second.reader.open_records()) == 10_000
    second.record(event(2, names=[Name("s1", "n1")]))
    assert second.flush()
    assert [row.id for row in second.reader.events().rows] == [2, 1]
    second.close()


def test_newest_first_is_the_order_of_the_feed(history):
    """Without a range, the newest page is the last that was recorded."""
    history.record([event(n, n) for n in range(1, 200)])
    assert history.flush()
    page = history.reader.events(limit=3)
    assert [row.event.seq for row in page.rows] == [199, 198, 197]
    assert page.next == "197"
    until = NOON + timedelta(seconds=100)
    assert history.reader.events(until=until, limit=1).rows[0].event.seq == 99
