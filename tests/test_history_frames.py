"""Data frames of a history."""

import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import kato_panel
from kato_panel import open_history, read_frame, write_frame
from kato_panel.domain.events import Kind, Name
from kato_panel.domain.recorded import AlertEntry, Figure, Gap, Looked, Note, Sample
from kato_panel.domain.records import Ending, Reason, Record, Witness
from kato_panel.errors import HistoryError
from kato_panel.frames import LAYOUTS, LISTS, NAMES
from kato_panel.history.rows import micros
from kato_panel.history.writer import RECORDS_SINCE
from kato_panel.recording import KEYS_SEEN
from tests.history.making import alert, at, event, record
from tests.history.making import open_history as keep_history

EMPTY = ("sessions", "events", "counts", "alerts", "containers", "gaps")


@pytest.fixture
def history(tmp_path):
    """A history that is being written, with its path."""
    history = keep_history(tmp_path / "h.db")
    history.where = tmp_path / "h.db"
    yield history
    history.close()


def put(history, *items):
    history.record(items)
    assert history.flush()


def kinds_of(frame):
    return {name: str(kind) for name, kind in frame.dtypes.items()}


def expected_kinds(kind):
    """What the layout promises, in pandas' words."""
    named = {NAMES: "category", LISTS: "object"}
    return {
        name: "category" if isinstance(type_, tuple) else named.get(type_, type_)
        for name, type_ in LAYOUTS[kind].items()
    }


def fill(history):
    """Something in each frame."""
    cut_off = Ending(at(50), at(60), Reason.EVICTED, Witness.SCAN)
    put(
        history,
        Note(RECORDS_SINCE, micros(at(0)), keeps_first=True),
        record("a", -30, 45, node="n1"),
        Record("b", at(10), "n2", at(10), ttl_seconds=60.0, born_by=Witness.KEY_EVENT),
        Record("c", at(40), None, None, ending=cut_off),
        event(1, 5, names=[Name("a", "n1")], current=3),
        event(2, 20, kind=Kind.DESTROYED, current=2, reason="deleted", after_gap_seconds=4.0),
        Sample(at(1), 2),
        Sample(at(30), 2),
        Gap(at(32), at(35)),
        Sample(at(36), 4),
        AlertEntry(alert(10, ended=25, reason="over"), at(12), "ann"),
        AlertEntry(alert(20)),
        Figure(at(3), "container_cpu_percent", "kato", 12.5),
        Figure(at(4), "sessions_active", "", 2.0),
        Note(KEYS_SEEN, micros(at(70))),
        Looked(at(70)),
    )


def test_sessions_are_told_with_their_lifetimes(history):
    """As intervals, with what is not known left out."""
    fill(history)
    with open_history(history.where) as opened:
        told = opened.sessions()
        assert opened.watched() == (at(0), at(70))
    assert kinds_of(told) == expected_kinds("sessions")
    assert list(told["session_id"]) == ["a", "b", "c"]
    assert list(told.index) == [at(-30), at(10), at(40)]
    assert list(told["entered"]) == [at(0), at(10), at(40)]
    assert list(told["last_seen"]) == [at(-30), at(70), at(40)]
    assert list(told["node"].cat.categories) == ["n1", "n2"]
    assert list(told["lifetime"].isna()) == [False, True, True]
    assert told["lifetime"].iloc[0] == timedelta(seconds=75)
    assert told["lifetime_width"].iloc[2] == timedelta(seconds=10)
    assert list(told["reason"].astype(object).fillna("")) == ["expired", "", "evicted"]
    assert told["ttl_seconds"].tolist() == [pd.NA, 60.0, pd.NA]
    assert told["ended_by"].iloc[0] == "key event"


def test_sessions_of_a_range_are_those_alive_in_it(history):
    """And of one node, those of it."""
    fill(history)
    with open_history(history.where) as opened:
        assert list(opened.sessions(at(46), at(48))["session_id"]) == ["b", "c"]
        assert list(opened.sessions(until=at(10))["session_id"]) == ["a"]
        assert list(opened.sessions(timedelta(seconds=15))["session_id"]) == ["b", "c"]
        assert list(opened.sessions(node="n2")["session_id"]) == ["b"]


def test_who_was_born_in_a_gap_enters_at_its_end(history):
    """Had they ended in it, nobody would know them."""
    put(
        history,
        Note(RECORDS_SINCE, micros(at(0))),
        Gap(at(0), at(90)),
        Gap(at(10), at(20)),
        *(record(f"s{born}", born) for born in (5, 15, 50, 90, 95)),
    )
    with open_history(history.where) as opened:
        assert list(opened.sessions()["entered"]) == [at(s) for s in (90, 90, 90, 90, 95)]


def test_without_a_note_records_begin_with_the_first_birth_that_was_seen(history):
    """As in a file from before it was noted."""
    put(history, record("a", -30), record("b", 10, born_by=Witness.SCAN), record("c", 20))
    with open_history(history.where) as opened:
        assert list(opened.sessions()["entered"]) == [at(10), at(10), at(20)]
        assert opened.watched() == (at(10), None)


def test_events_are_told_in_their_order(history):
    """With names and nodes as lists."""
    fill(history)
    with open_history(history.where) as opened:
        told = opened.events()
        assert list(opened.events(at(6))["delta"]) == [1]
        assert list(opened.events(until=at(6))["kind"]) == ["session_created"]
        assert list(opened.events(node="n1").index) == [at(5)]
    assert kinds_of(told) == expected_kinds("events")
    assert list(told["kind"]) == ["session_created", "session_destroyed"]
    assert told["session_ids"].tolist() == [["a"], []]
    assert told["node_ids"].tolist() == [["n1"], []]
    assert told["reason"].iloc[1] == "deleted"
    assert told["after_gap_seconds"].tolist() == [pd.NA, 4.0]


def test_counts_are_steps_with_gaps_cut_out(history):
    """To the newest look."""
    fill(history)
    with open_history(history.where) as opened:
        told = opened.counts()
        assert opened.counts(at(30), at(34))["active"].tolist() == [2, pd.NA]
    assert kinds_of(told) == expected_kinds("counts")
    seconds = [(when - at(0)).total_seconds() for when in told.index]
    assert list(zip(seconds, told["active"].tolist(), strict=True)) == [
        (1, 2),
        (5, 3),
        (20, 2),
        (32, pd.NA),
        (35, 2),
        (36, 4),
        (70, 4),
    ]


def test_counts_reach_back_as_far_as_minutes_and_hours_do(history):
    """Each with its lowest, highest and last, before the first single observation."""
    put(
        history, Sample(at(-7_200), 5), Sample(at(-7_190), 9), Sample(at(-60), 4), Sample(at(60), 7)
    )
    with sqlite3.connect(history.where) as connection:
        connection.execute("DELETE FROM samples WHERE at < ?", (micros(at(60)),))
        connection.execute("DELETE FROM minutes WHERE start < ?", (micros(at(-60)),))
    with open_history(history.where) as opened:
        told = opened.counts()
    seconds = [(when - at(0)).total_seconds() for when in told.index]
    hours = [(-7_200, 5), (-6_000, 9)]
    assert list(zip(seconds, told["active"], strict=True)) == [*hours, (-60, 4), (60, 7)]


def test_alerts_are_told_oldest_first(history):
    """With who has seen them."""
    fill(history)
    with open_history(history.where) as opened:
        told = opened.alerts()
        assert len(opened.alerts(at(15))) == len(opened.alerts(until=at(15))) == 1
    assert kinds_of(told) == expected_kinds("alerts")
    assert list(told.index) == [at(10), at(20)]
    assert list(told["lasted"]) == [timedelta(seconds=15), pd.NaT]
    assert list(told["acknowledged_by"]) == ["ann", ""]
    assert told["metric"].iloc[0] == "container_cpu_percent"
    assert told["severity"].iloc[0] == "error"
    assert told["threshold"].iloc[0] == 80.0


def test_subject_that_an_alert_does_not_have_is_not_known(history, tmp_path):
    """A file has no other empty cell."""
    put(history, AlertEntry(alert(10, subject="")), AlertEntry(alert(20, subject="http")))
    with open_history(history.where) as opened:
        told = opened.alerts()
    assert list(told["subject"].cat.categories) == ["http"]
    write_frame(told, tmp_path / "a.csv")
    pd.testing.assert_frame_equal(read_frame(tmp_path / "a.csv"), told, check_freq=False)


def test_many_alerts_are_read_page_by_page(history):
    """None is left out."""
    put(history, *(AlertEntry(alert(n, ended=n + 1)) for n in range(1_100)))
    with open_history(history.where) as opened:
        assert len(opened.alerts()) == 1_100


def test_containers_are_told_and_before_single_values_by_the_minute(history):
    """Other figures are not theirs."""
    fill(history)
    put(history, *(Figure(at(s), "container_memory_percent", "kato", s) for s in (61, 70, 125)))
    with sqlite3.connect(history.where) as connection:
        connection.execute("DELETE FROM figures WHERE at < ?", (micros(at(120)),))
    with open_history(history.where) as opened:
        told = opened.containers()
        assert list(opened.containers(at(61))["value"]) == [125]
    assert kinds_of(told) == expected_kinds("containers")
    assert list(told["value"]) == [12.5, 70, 125]
    assert list(told.index) == [at(0), at(60), at(125)]
    assert set(told["container"]) == {"kato"}


def test_gaps_are_told_where_they_touch_a_range(history):
    """Whole."""
    fill(history)
    with open_history(history.where) as opened:
        assert list(opened.gaps(at(34), at(40))["ended"]) == [at(35)]
        assert opened.gaps(at(35)).empty
        assert opened.gaps(until=at(32)).empty
        assert kinds_of(opened.gaps()) == expected_kinds("gaps")


def test_frames_of_an_empty_history_have_their_columns_and_kinds(history):
    """So that code written on them works before anything happened."""
    put(history, Note("nothing", 1))
    with open_history(history.where) as opened:
        for kind in EMPTY:
            frame = getattr(opened, kind)()
            assert frame.empty
            assert kinds_of(frame) == expected_kinds(kind), kind
            assert frame.index.name == "time"
            assert str(frame.index.dtype) == "datetime64[us, UTC]"


def test_time_without_a_zone_is_refused(history):
    """Which hour it means, nobody knows."""
    with open_history(history.where) as opened:
        with pytest.raises(ValueError, match=r"since is .* must have a time zone"):
            opened.counts(datetime(2026, 1, 1))  # noqa: DTZ001 - the point
        with pytest.raises(ValueError, match="until is"):
            opened.events(until=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize("kind", ["sessions", "events", "counts", "containers", "alerts"])
def test_range_that_ends_before_it_begins_is_refused(history, kind):
    """An empty frame would say that nothing happened."""
    put(history, record("a", 0))
    late, early = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    with open_history(history.where) as opened:
        with pytest.raises(
            ValueError, match=r"until is 2026-01-01 .* later than since, 2026-01-02"
        ):
            getattr(opened, kind)(late, early)
        with pytest.raises(ValueError, match="must be later than since"):
            getattr(opened, kind)(late, late)


def test_file_is_read_while_it_is_written_and_never_changed(history):
    """By address as by path; each frame is of the moment it is asked for."""
    put(history, record("a", 0))
    with open_history(f"sqlite:///{history.where}") as opened:
        assert len(opened.sessions()) == 1
        put(history, record("b", 0))
        assert len(opened.sessions()) == 2
    history.close()
    before = hashlib.sha256(history.where.read_bytes()).hexdigest()
    with open_history(history.where) as opened:
        for kind in EMPTY:
            getattr(opened, kind)()
    assert hashlib.sha256(history.where.read_bytes()).hexdigest() == before


def test_what_is_no_history_of_ours_is_refused_in_words(tmp_path, history):
    """Whatever it is."""
    put(history, record("a", 0))
    history.close()
    newer, damaged = tmp_path / "newer.db", tmp_path / "damaged.db"
    newer.write_bytes(history.where.read_bytes())
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    damaged.write_bytes(history.where.read_bytes()[:18] + b"\7\7" + history.where.read_bytes()[20:])
    text = tmp_path / "notes.txt"
    text.write_text("no database")
    for place, words in (
        (tmp_path / "none.db", "none.db cannot be read: No such file"),
        (text, "is no SQLite database; it is left as it is"),
        (newer, "is of version 99, must be at most"),
        (damaged, r"damaged.db is damaged: its header"),
        ("sqlite://", "in memory, and known to its own process only"),
        ("postgresql://here/db", "must be sqlite"),
    ):
        with pytest.raises(HistoryError, match=words):
            open_history(place)


def test_rows_in_which_a_bit_flipped_are_passed_over(history):
    """The others are told."""
    fill(history)
    with sqlite3.connect(history.where) as connection:
        connection.execute("UPDATE records SET began = 'x' WHERE session_id = 'a'")
        connection.execute("UPDATE records SET seen = ? WHERE session_id = 'c'", (2**62,))
        connection.execute(
            "UPDATE records SET reason = 'x', node_id = x'ff' WHERE session_id = 'b'"
        )
        connection.execute("UPDATE events SET names = '{' WHERE seq = 1")
        connection.execute("UPDATE events SET kind = 'x' WHERE seq = 2")
    with open_history(history.where) as opened:
        told = opened.sessions()
        assert list(told["session_id"]) == ["b"]
        assert opened.events()["session_ids"].tolist() == [[]]


def test_importing_the_package_loads_neither_panel_nor_pandas():
    """Nor does asking for a history load Panel."""
    import subprocess
    import sys

    code = (
        "import sys, kato_panel\n"
        "assert not {'panel', 'bokeh', 'pandas', 'numpy'} & {*sys.modules}\n"
        "kato_panel.churn, kato_panel.open_history, kato_panel.read_frame, kato_panel.Monitor\n"
        "assert not {'panel', 'bokeh'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"churn", "open_history", "read_frame", "write_frame"} <= {*dir(kato_panel)}
