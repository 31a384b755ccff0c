"""What is found at the start: ours or another's, whole or damaged, older or newer."""

import sqlite3
from pathlib import Path

import platformdirs
import pytest
from sqlalchemy.exc import OperationalError

from kato_panel.errors import HistoryError
from kato_panel.history import History, Reader, file, migration, schema, store
from tests.history.making import KATO, at, event, open_history, record, wait_until

VERSION = schema.VERSION
BACKUP = f"h.db.backup-v{VERSION}"


def filled(path, upstream=KATO, *, n=50, **more):
    """Make a history with events, and close it."""
    history = open_history(path, upstream, **more)
    history.record([event(seq, seq) for seq in range(1, n + 1)])
    history.record([record(f"s{seq}", seq) for seq in range(n)])
    assert history.flush()
    history.close()
    return path


def execute(path, *statements):
    with sqlite3.connect(path) as connection:
        found = [connection.execute(statement).fetchall() for statement in statements]
    connection.close()
    return found


def count(path):
    return execute(path, "SELECT count(*) FROM events")[0][0][0]


def beside(path):
    """Names beside a file, but for those of its lock and its log."""
    own = {path, *(Path(f"{path}{suffix}") for suffix in (".lock", "-wal", "-shm"))}
    return sorted(p.name for p in path.parent.iterdir() if p not in own)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "h.db"


def assert_refused(path, words, **more):
    """Refused in words; the file is as it was, and nothing of it is told."""
    before = path.read_bytes()
    history = open_history(path, **more)
    assert words in history.status.trouble
    history.record([event(1), event(2)])
    assert not history.flush()
    assert history.status.lost == 2
    with pytest.raises(HistoryError, match=str(path)):
        history.reader.events()
    history.close()
    assert words in history.status.trouble
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello", b"x" * 5_000, b"SQLite format 3\0", b"\0"])
def test_what_is_no_database_is_refused(path, content):
    """Somebody's file, which the setting names by mistake."""
    path.write_bytes(content)
    assert_refused(path, "it is left as it is")
    assert beside(path) == []


def test_another_applications_database_is_refused(path):
    """Even if its tables have our names."""
    execute(path, "CREATE TABLE events (id)", "PRAGMA user_version = 1")
    assert_refused(path, "is another application's database")


def test_folder_in_the_files_place_is_trouble(path):
    """It is told, and tried again, in case it goes away."""
    path.mkdir()
    history = open_history(path)
    assert "cannot be opened" in history.status.trouble
    history.record(event(1))
    path.rmdir()
    wait_until(lambda: history.status.trouble is None)
    assert history.flush()
    history.close()


def test_newer_file_is_refused(path):
    """A newer program wrote it, and will want it back."""
    filled(path)
    execute(path, f"PRAGMA user_version = {schema.VERSION + 1}")
    assert_refused(path, f"is of version {schema.VERSION + 1}, must be at most {schema.VERSION}")


def test_file_of_another_upstream_is_refused(path):
    """Two services in one record would be neither's."""
    filled(path, "http://user:hunter2@kato:8000")
    assert_refused(path, "records http://kato:8000, not http://other", upstream="http://other")
    assert b"hunter2" not in path.read_bytes()
    history = open_history(path, "http://somebody:else@kato:8000")
    assert history.status.trouble is None
    history.close()


def test_demo_and_real_are_never_in_one_file(path, tmp_path):
    """Neither way round."""
    filled(path)
    assert_refused(path, "records a real KATO, not the demo", is_demo=True)
    demo = filled(tmp_path / "demo.db", is_demo=True)
    assert_refused(demo, "records the demo, not a real KATO")


def test_demo_begins_anew(path):
    """At each start, whatever its address is this time."""
    filled(path, "http://127.0.0.1:1", is_demo=True)
    history = open_history(path, "http://127.0.0.1:2", is_demo=True)
    assert history.status.trouble is None
    assert history.reader.events().rows == ()
    history.close()


def test_usual_place_is_a_file_for_each_upstream(monkeypatch, tmp_path):
    """The demo's is its own; a password is in no name."""
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path)
    paths = []
    for upstream, is_demo in [
        ("http://u:hunter2@kato:8000", False),
        ("http://kato:8000/a", False),
        ("http://127.0.0.1:1", True),
    ]:
        history = History.open(None, upstream, is_demo=is_demo)
        assert history.status.trouble is None
        paths.append(history.status.path)
        history.close()
    assert {path.parent for path in paths} == {tmp_path / "history"}
    assert len(set(paths)) == 3
    assert paths[2].name == "demo.db"
    assert paths[0].name.startswith("kato_8000-")
    assert "hunter2" not in str(paths)


@pytest.mark.parametrize("url", ["postgresql://u:pw@h/d", "nonsense", "sqlite:///a?mode=ro", ""])
def test_other_engines_are_refused_in_words(url):
    """Without the password that may be in their address."""
    history = History.open(url, KATO, is_demo=False)
    assert "must be sqlite:///path, sqlite:// for one in memory, or off" in history.status.trouble
    assert "pw" not in history.status.trouble
    with pytest.raises(HistoryError, match="must be"):
        history.reader.last_seen()
    history.close()


def damage(path, how):
    content = bytearray(path.read_bytes())
    match how:
        case "header":
            content[0:8] = b"\0" * 8
        case "format":
            content[18] = 9
        case "schema":
            place = content.index(b"CREATE TABLE gaps")
            content[place : place + 12] = b"CREATE \xff\xe3\xff\xe3\xff"
        case "page":
            content[4096:8192] = b"\xff" * 4096
        case "all pages":
            content[100:] = b"\0" * (len(content) - 100)
        case "cut":
            del content[len(content) // 2 :]
        case "cut short":
            del content[200:]
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "how", ["header", "format", "schema", "page", "all pages", "cut", "cut short"]
)
def test_damaged_file_is_moved_aside(path, how):
    """It is kept, another is begun, and the user is told."""
    filled(path)
    damage(path, how)
    damaged = path.read_bytes()
    history = open_history(path)
    aside = path.with_name("h.db.corrupt-20261122T120000Z")
    assert str(aside) in history.status.notice
    assert history.status.trouble is None
    assert aside.read_bytes() == damaged
    history.record(event(1))
    assert history.flush()
    history.close()
    assert count(path) == 1


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TABLE gaps"],
        ["ALTER TABLE gaps DROP COLUMN began"],
        ["DELETE FROM meta"],
        ["UPDATE meta SET value = 'maybe' WHERE key = 'is_demo'"],
        ["PRAGMA user_version = 0"],
        [
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = 'CREATE TABLE' WHERE name = 'gaps'",
        ],
    ],
)
def test_file_that_lost_what_we_wrote_is_moved_aside(path, statements):
    """SQLite alone would find nothing wrong with most of these."""
    filled(path)
    execute(path, *statements)
    history = open_history(path)
    assert "was moved to" in history.status.notice
    assert history.status.trouble is None
    history.record(event(1))
    assert history.flush()
    history.close()


def test_index_that_names_what_is_gone_is_moved_aside(path):
    """SQLite's quick check does not see it; the start's first question would meet it."""
    filled(path)
    connection = sqlite3.connect(path, isolation_level=None)
    name = "WHERE name = 'records_by_end'"
    row = connection.execute(f"SELECT * FROM sqlite_master {name}").fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(f"DELETE FROM sqlite_master {name}")
    connection.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM records WHERE id = 7")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    connection.close()
    assert execute(path, "PRAGMA quick_check") == [[("ok",)]]
    history = open_history(path)
    assert "was moved to" in history.status.notice
    assert history.status.trouble is None
    history.close()


def test_rows_that_nobody_wrote_are_passed_over(path):
    """A flipped bit in a value is nothing that SQLite notices."""
    filled(path, n=10)
    execute(
        path,
        "UPDATE events SET source = CAST(x'68ff70' AS TEXT) WHERE seq = 1",
        "UPDATE events SET kind = 'session_creates' WHERE seq = 2",
        "UPDATE events SET names = '[[1' WHERE seq = 3",
        "UPDATE events SET at = 9e18 WHERE seq = 4",
        "UPDATE events SET at = 'noon' WHERE seq = 5",
        "UPDATE events SET current = 'five' WHERE seq = 6",
        "UPDATE records SET born_by = 'nobody' WHERE session_id = 's1'",
        "UPDATE records SET seen = x'00' WHERE session_id = 's2'",
        "UPDATE minutes SET last = 'many'",
        "INSERT INTO notes VALUES ('looked', 'noon')",
    )
    history = open_history(path)
    assert (history.status.trouble, history.status.notice) == (None, None)
    rows = history.reader.events(newest_first=False).rows
    assert [row.event.seq for row in rows] == [1, 7, 8, 9, 10]
    assert rows[0].event.source == "h\ufffdp"
    assert len(history.reader.open_records()) == len(history.reader.records().rows) == 8
    assert history.reader.counts(at(-7200), at(7200)).width_seconds == 3_600
    assert history.reader.last_seen() is None
    history.close()


def test_fault_of_ours_moves_no_sound_file_aside(path, monkeypatch):
    """What SQLite refuses is an item's fault if the file is sound; it is counted."""
    history = open_history(path)
    write, seen = history._store.write, []

    def fail_once(items):
        seen.append(len(items))
        if any(item.seq == 2 for item in items):
            with history._store._engine.begin() as connection:
                connection.exec_driver_sql("SELECT * FROM nowhere")
        write(items)

    monkeypatch.setattr(history._store, "write", fail_once)
    history.record([event(1), event(2), event(3)])
    assert not history.flush()
    assert (history.status.lost, history.status.written) == (1, 2)
    assert (history.status.trouble, history.status.notice) == (None, None)
    assert seen == [3, 1, 1, 1]
    history.close()
    assert beside(path) == []


def test_fault_of_ours_at_the_start_moves_no_sound_file_aside(path, monkeypatch):
    """It is told as a trouble, and tried again."""
    filled(path)
    with monkeypatch.context() as patched:
        patched.setattr(
            store, "probe", lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere")
        )
        history = open_history(path)
        assert "cannot be opened: no such table" in history.status.trouble
    wait_until(lambda: history.status.trouble is None)
    assert len(history.reader.events().rows) == 50
    history.close()
    assert beside(path) == []


def test_damage_moves_the_log_too_and_names_are_never_reused(path):
    """Two damages in one second are two files."""
    for suffix in ("", "-2"):
        filled(path)
        damage(path, "page")
        Path(f"{path}-wal").write_bytes(b"log" + suffix.encode())
        history = open_history(path)
        history.close()
        aside = f"{path}.corrupt-20261122T120000Z{suffix}"
        assert Path(aside).exists()
        assert Path(f"{aside}-wal").read_bytes() == b"log" + suffix.encode()


def test_log_without_its_file_is_kept(path):
    """Somebody removed one of the two."""
    Path(f"{path}-wal").write_bytes(b"log")
    history = open_history(path)
    assert "its log was found without it" in history.status.notice
    assert history.status.trouble is None
    history.close()
    assert Path(f"{path}.corrupt-20261122T120000Z-wal").read_bytes() == b"log"


def test_unfinished_beginning_is_begun_anew(path):
    """A process that is killed while it begins leaves no file that another would refuse."""
    Path(f"{path}.begun").write_bytes(b"half")
    path.touch()
    filled(path)
    assert count(path) == 50
    assert beside(path) == []


def test_damage_found_while_writing_costs_only_what_it_hit(path):
    """The file is moved aside, another is begun, and what waited goes there."""
    filled(path, n=500)
    history = open_history(path)
    history._store._engine.dispose()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    history.record([event(1), record("s1")])
    wait_until(lambda: history.status.written == 2)
    assert "was moved to" in history.status.notice
    assert history.status.trouble is None
    assert len(history.reader.events().rows) == 1
    history.close()


def test_file_that_was_removed_is_begun_anew(path):
    """Writing on into a file that nobody can find would record nothing."""
    history = open_history(path)
    history.record(event(1))
    assert history.flush()
    for name in ("h.db", "h.db-wal", "h.db-shm"):
        (path.parent / name).unlink()
    history.record(event(2))
    assert history.flush()
    assert [row.event.seq for row in history.reader.events().rows] == [2]
    history.close()
    assert count(path) == 1


def add_column(connection):
    connection.exec_driver_sql("ALTER TABLE gaps ADD COLUMN why TEXT")


def fail(connection):
    add_column(connection)
    connection.exec_driver_sql("ALTER TABLE nothing ADD COLUMN why TEXT")


def fail_for_want_of_room(connection):
    add_column(connection)
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise OperationalError("", {}, full)


@pytest.fixture
def next_version(monkeypatch):
    """Let this program be of the next version, with a step to it."""

    def set_step(step):
        monkeypatch.setattr(schema, "VERSION", VERSION + 1)
        monkeypatch.setattr(schema, "MIGRATIONS", {VERSION: step})

    return set_step


def test_older_file_is_copied_then_brought_to_the_version(path, next_version):
    """The copy is the whole of what was there, and opens by itself."""
    filled(path)
    next_version(add_column)
    with pytest.raises(HistoryError, match=f"is of version {VERSION}, must be {VERSION + 1}"):
        Reader.open(path)
    history = open_history(path)
    assert (history.status.trouble, history.status.notice) == (None, None)
    history.record(event(1))
    assert history.flush()
    history.close()
    assert execute(path, "PRAGMA user_version", "SELECT why FROM gaps") == [[(VERSION + 1,)], []]
    assert count(path) == 51
    assert beside(path) == [BACKUP]
    copy = path.with_name(BACKUP)
    assert count(copy) == 50
    assert execute(copy, "PRAGMA user_version") == [[(VERSION,)]]
    filled(path)
    assert beside(path) == [BACKUP]


def test_copy_is_a_history(path, next_version, monkeypatch):
    """Whoever goes back to the older program can go on with it."""
    filled(path)
    next_version(add_column)
    open_history(path).close()
    monkeypatch.undo()
    history = open_history(path.with_name(BACKUP))
    assert history.status.trouble is None
    assert len(history.reader.events().rows) == 50
    history.close()


def test_step_that_fails_changes_nothing(path, next_version):
    """The record is refused, with the copy's place; a second try keeps the first copy."""
    filled(path)
    next_version(fail)
    for copies in (1, 2):
        history = open_history(path)
        assert (
            f"could not be brought from version {VERSION} to {VERSION + 1}"
            in history.status.trouble
        )
        history.close()
        assert len(beside(path)) == copies
    found = execute(path, "PRAGMA user_version", "SELECT * FROM pragma_table_info('gaps')")
    assert found[0] == [(VERSION,)]
    assert "why" not in [column[1] for column in found[1]]
    assert count(path) == 50


def test_step_without_room_is_tried_again(path, next_version, monkeypatch):
    """That is no fault of the file."""
    filled(path)
    next_version(fail_for_want_of_room)
    history = open_history(path)
    assert "disk is full" in history.status.trouble
    history.record(event(1))
    monkeypatch.setattr(schema, "MIGRATIONS", {VERSION: add_column})
    wait_until(lambda: history.status.trouble is None)
    assert history.flush()
    history.close()
    assert count(path) == 51


def test_copy_without_room_is_tried_again(path, next_version, monkeypatch):
    """Nothing is changed before there is a copy; what the driver raises by itself is told too."""
    filled(path)
    next_version(add_column)
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def refuse(_):
        raise full

    with monkeypatch.context() as patched:
        patched.setattr(migration, "sync", refuse)
        history = open_history(path)
        assert "cannot be opened: database or disk is full" in history.status.trouble
        assert execute(path, "PRAGMA user_version") == [[(VERSION,)]]
    wait_until(lambda: history.status.trouble is None)
    history.close()
    assert beside(path) == [BACKUP]


def test_unfinished_copy_is_not_taken_for_one(path, next_version):
    """A process that is killed while it copies leaves no backup that is none."""
    filled(path)
    path.with_name(f"{BACKUP}.unfinished").write_bytes(b"half")
    next_version(add_column)
    open_history(path).close()
    assert count(path.with_name(BACKUP)) == 50
    assert beside(path) == [BACKUP]


def test_reader_refuses_what_is_not_a_history(path):
    """In words, for scripts and other processes."""
    with pytest.raises(HistoryError, match="cannot be read: No such file"):
        Reader.open(path)
    path.write_bytes(b"x" * 1_000)
    with pytest.raises(HistoryError, match="is no SQLite database"):
        Reader.open(path)
    path.unlink()
    filled(path)
    with pytest.raises(HistoryError, match="records http://kato:8000, not http://b"):
        Reader.open(path, file.Owner("http://b", is_demo=False))


def there(path):
    """What stands in its folder, and when each was written."""
    return {one.name: one.stat().st_mtime_ns for one in path.parent.iterdir()}


def test_reading_leaves_nothing_beside_a_file_that_nobody_writes(path):
    """While it is open, and after."""
    before = there(filled(path))
    with Reader.open(path) as reader:
        assert len(reader.events().rows) == 50
        assert there(path) == before
    assert there(path) == before


def test_reader_notices_who_begins_to_write_and_lets_them_end(path):
    """A notebook that was there before the service, and after."""
    filled(path)
    with Reader.open(path) as reader:
        for number in (51, 52):
            history = open_history(path)
            history.record(event(number, number))
            assert history.flush()
            assert len(reader.events(limit=100).rows) == number
            assert {"h.db-wal", "h.db-shm"} < {*there(path)}
            history.close()
            assert len(reader.events(limit=100).rows) == number
            assert {*there(path)} == {"h.db", "h.db.lock"}
