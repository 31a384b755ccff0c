"""Lives are read in bulk, and are the sessions that are read one by one."""

import sqlite3
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from kato_panel import history_frames
from kato_panel.domain.events import Kind
from kato_panel.domain.recorded import AllOpen, Gap, Note
from kato_panel.domain.records import Ending, Reason, Record, Witness
from kato_panel.history import Reader, bulk, engines, retention, schema, writer
from kato_panel.history.opened import MAX_SPARE
from kato_panel.history.rows import micros
from kato_panel.history.writer import RECORDS_SINCE
from kato_panel.history_frames import HistoryFrames
from kato_panel.recording import KEYS_SEEN
from tests.history.making import at, event

NODES = ("n1", "n2", "a,b", "", None, "ü" * 3, "node-of-more-than-eight-bytes", "n" * 70, "n1\0")
TTLS = (None, 60.0, 3_600.0, 0.1 + 0.2, 1e9 / 3)
SPAN_SECONDS = 100
EDITS = (
    "UPDATE records SET began = 'x' WHERE id % 7 = 1",
    "UPDATE records SET ended_latest = 12, ended_earliest = 3 WHERE id % 5 = 2",
    "UPDATE records SET reason = 'tea' WHERE id % 3 = 1",
    "UPDATE records SET reason = 'expired,expired' WHERE id % 4 = 1",
    "UPDATE records SET node_id = x'ff' WHERE id % 3 = 2",
    "UPDATE records SET born_by = NULL, ttl_seconds = -1.5 WHERE id % 2 = 1",
    "DELETE FROM records WHERE id = (SELECT max(id) FROM records)",
    "DELETE FROM records WHERE id % 3 = 0",
)

seconds = st.integers(0, SPAN_SECONDS * 1_000).map(lambda number: number / 1_000)


@st.composite
def records(draw):
    """A session; the same one may come again, changed, ended or reborn."""
    born, lasted = draw(seconds), draw(seconds)
    is_known, is_ended = draw(st.booleans()), draw(st.booleans())
    width = draw(st.sampled_from([0, 0, 0.25, 7]))
    over = Ending(
        at(born + lasted - width),
        at(born + lasted),
        draw(st.sampled_from(Reason)),
        draw(st.sampled_from(Witness)),
    )
    return Record(
        f"s{draw(st.integers(0, 12))}",
        at(born + lasted),
        draw(st.sampled_from(NODES)),
        at(born) if is_known else None,
        ttl_seconds=draw(st.sampled_from(TTLS)),
        born_by=draw(st.sampled_from([None, *Witness])),
        ending=over if is_ended else None,
    )


gaps = st.tuples(seconds, seconds).map(lambda two: Gap(at(min(two)), at(max(two) + 1)))
notes = st.one_of(
    st.builds(lambda second: Note(RECORDS_SINCE, micros(at(second))), seconds),
    st.builds(lambda second: Note(KEYS_SEEN, micros(at(second))), seconds),
)
restarts = st.lists(records(), max_size=3).map(
    lambda found: AllOpen(at(SPAN_SECONDS), tuple(one for one in found if one.ending is None))
)
items = st.lists(st.one_of(records(), records(), records(), gaps, notes, restarts), max_size=12)
happenings = st.lists(
    st.one_of(
        items,
        st.sampled_from(EDITS),
        st.builds(retention.Retention, minute_days=seconds.map(lambda late: late / 86_400)),
    ),
    min_size=1,
    max_size=6,
)
bounds = st.none() | seconds.map(at)


@contextmanager
def kept(path=None):
    """A history in memory, or a file, written without its thread."""
    engine = engines.memory() if path is None else engines.writing(path, is_new=True)
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
        tail = writer.begin_epoch(connection, "epoch", at(0))
    yield engine, tail
    engine.dispose()


def happen(engine, tail, what):
    """Write items, change rows by a statement, or give up what is old."""
    with engine.begin() as connection:
        match what:
            case str():
                connection.execute(text(what))
            case retention.Retention():
                retention.turn(connection, what, micros(at(SPAN_SECONDS)))
            case _:
                writer.write(connection, what, tail)


def assert_lives_are_sessions(frames, since=None, until=None, node=None):
    """Row by row, whatever the order of those that were born together."""
    sessions = frames.sessions(since, until, node=node)
    lives = frames.lives(since, until, node=node, with_ttl=True)
    is_over = sessions["ended_latest"].notna()
    sessions["last_seen"] = sessions["last_seen"].mask(is_over, sessions["ended_latest"])
    assert lives.index.is_monotonic_increasing
    shown = [
        frame[lives.columns].reset_index().astype(object).map(str).to_numpy().tolist()
        for frame in (lives, sessions)
    ]
    assert sorted(shown[0]) == sorted(shown[1])
    assert lives.dtypes.drop("node").equals(sessions[lives.columns].dtypes.drop("node"))
    assert {*lives["node"].dropna()} == {*sessions["node"].dropna()}


@settings(max_examples=10)
@given(happenings, bounds, bounds, st.integers(1, 9))
def test_lives_are_the_sessions_whatever_happened_to_them(happened, since, until, rows):
    """Open, late, in gaps, ended twice, reborn, given up, damaged: read in blocks of a few."""
    with kept() as (engine, tail), pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "BLOCK_ROWS", rows)
        frames = HistoryFrames(lambda: Reader(engine, lock=nullcontext()))
        for what in happened:
            happen(engine, tail, what)
            assert_lives_are_sessions(frames, since, until)
        assert_lives_are_sessions(frames)
        assert_lives_are_sessions(frames, since, until, node="n1")


def many(count=300):
    """Sessions of every sort that is usual, each of its own time."""
    random = np.random.default_rng(3)
    for number in range(count):
        born, lived = random.uniform(0, 80, 2)
        width = 0 if number % 3 else min(1.5, lived)
        over = Ending(
            at(born + lived - width),
            at(born + lived),
            [*Reason][number % 4],
            [*Witness][number % 3],
        )
        yield Record(
            f"s{number}",
            at(born + lived),
            ("n1", "", None, "node-of-more-than-eight-bytes", "node-of-more-than-sixteen")[
                number % 5
            ],
            None if number % 7 == 0 else at(born),
            ttl_seconds=(3_600.0, None, 0.1 + 0.2)[number % 3] if number > 100 else 3_600.0,
            born_by=(None, *Witness)[number % 4],
            ending=None if number % 10 == 0 else over,
        )


@pytest.fixture
def frames(monkeypatch, tmp_path):
    """Many sessions in a file, three connections read six blocks; with what changes the file."""
    monkeypatch.setattr(bulk, "BLOCK_ROWS", 50)
    monkeypatch.setattr(history_frames, "READERS", 3)
    path = tmp_path / "h.db"
    path.touch()
    with kept(path) as (engine, tail), Reader(engines.reading(path)) as reader:
        happen(engine, tail, [Note(RECORDS_SINCE, micros(at(5))), Gap(at(30), at(40)), *many()])
        frames = HistoryFrames(lambda: reader)
        frames.change = lambda words: happen(engine, tail, words)
        yield frames


@pytest.fixture
def usual(monkeypatch):
    """How many rows were read as usual, each time."""
    counts, read = [], bulk.read_sessions

    def count(*args):
        found = read(*args)
        counts.append(len(found["began"]))
        return found

    monkeypatch.setattr(bulk, "read_sessions", count)
    return counts


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (since, until)
        for since in (None, 0, 40, 120)
        for until in (None, 1, 60, 200)
        if since is None or until is None or since <= until
    ],
)
def test_only_open_sessions_are_read_one_by_one(frames, usual, since, until):
    """Unknown births, ends that are intervals, any range: all of it in bulk."""
    since, until = (None if bound is None else at(bound) for bound in (since, until))
    assert_lives_are_sessions(frames, since, until)
    assert_lives_are_sessions(frames, since, until, node="n1")
    assert len(usual) == 2
    assert max(usual) <= 30


@pytest.mark.parametrize(
    "words",
    [
        "UPDATE records SET created = began - id WHERE id % 2",
        "UPDATE records SET node_id = iif(id % 2, 'a,b', NULL)",
        f"UPDATE records SET node_id = iif(id % 2, '{'n' * 65}', 'm')",
        "UPDATE records SET node_id = x'ff' WHERE id % 2",
        "UPDATE records SET began = iif(id % 2, 999999999999999, 10000000000000000)",
        "UPDATE records SET began = began + 0.5 WHERE id = 70",
        "UPDATE records SET began = substr(began, 1, 8) || ':' || substr(began, 10) WHERE id = 70",
        "UPDATE records SET reason = NULL WHERE id = 70",
        "UPDATE records SET born_by = 'tea' WHERE id = 70",
        "UPDATE records SET ttl_seconds = iif(id % 2, NULL, 60.0)",
        "UPDATE records SET ttl_seconds = -1.0",
        "UPDATE records SET id = 1000 - id",
    ],
)
def test_what_does_not_fit_is_read_as_usual(frames, words):
    """The answer is the same."""
    frames.change(words)
    assert_lives_are_sessions(frames)
    assert_lives_are_sessions(frames, at(60), at(100))


@pytest.mark.parametrize(("writes", "readers"), [(0, 3), (1, 3), (2, 3), (3, 1)])
def test_all_connections_read_one_state(frames, monkeypatch, writes, readers):
    """Somebody may write just while they begin; who does so each time leaves one to read."""
    written, asked = [], engines._state

    def write_after(connection):
        state = asked(connection)
        if len(written) < writes and not connection.in_transaction():
            written.append(state)
            frames.change("DELETE FROM records WHERE id = (SELECT max(id) FROM records)")
        return state

    monkeypatch.setattr(engines, "_state", write_after)
    with frames.reader.reading_at_once(3) as connections:
        assert len(connections) == readers
        frames.change("DELETE FROM records")
        sessions = select(func.count()).select_from(schema.records)
        assert [one.scalar(sessions) for one in connections] == [300 - writes] * readers
    assert len(written) == writes


def test_connection_that_cannot_be_opened_is_done_without(frames, monkeypatch):
    """Where a process may open no more files, one reads alone; and others may have taken them."""
    reader, opened = frames.reader, []
    connect = reader._engine.connect

    def refuse_others():
        opened.append(1)
        if len(opened) > 1:
            raise OperationalError("BEGIN", {}, sqlite3.OperationalError("unable to open"))
        return connect()

    monkeypatch.setattr(reader._engine, "connect", refuse_others)
    with reader.reading_at_once(3) as connections:
        assert len(connections) == 1
    assert len(opened) == 2
    monkeypatch.undo()
    with reader.reading_at_once(99) as all_, reader.reading_at_once(3) as left:
        assert (len(all_), len(left)) == (MAX_SPARE + 1, 1)
    with reader.reading_at_once(3) as again:
        assert len(again) == 3


CHANGED = [
    "UPDATE events SET at = at + 0.5 WHERE id = 70",
    "UPDATE events SET source = iif(id % 2, 'redis', 'stream')",
    "UPDATE events SET delta = 10000 - id",
    "UPDATE events SET kind = 'tea' WHERE id % 2",
    "UPDATE events SET after_gap_seconds = -1.5 WHERE id % 2",
    "DELETE FROM events",
]


@pytest.mark.parametrize("words", [None, *CHANGED])
@pytest.mark.parametrize("bounds", [(None, None), (20, 40), (150, None)])
def test_changes_are_the_events(frames, words, bounds):
    """In their order, as far as rates need them; damaged ones are passed over."""
    kinds = (Kind.CREATED, Kind.DESTROYED)
    events = [
        event(
            number,
            number // 2 % 100 if number % 9 else 5,
            kind=kinds[number % 2],
            delta=number % 3 + 1,
            after_gap_seconds=(None, 0.1 + 0.2)[number % 5 == 0],
        )
        for number in range(1, 220)
    ]
    frames.change(events)
    if words is not None:
        frames.change(words)
    since, until = (None if bound is None else at(bound) for bound in bounds)
    told = frames.changes(since, until)
    assert_frame_equal(told, frames.events(since, until)[[*told.columns]], check_exact=True)
    assert list(told.columns) == ["kind", "delta", "source", "after_gap_seconds"]
    assert len(told) or words == CHANGED[-1] or bounds[0] == 150
