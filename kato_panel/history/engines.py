"""Connections to SQLite, and what its errors mean."""

import sqlite3
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    Pool,
    QueuePool,
    StaticPool,
    create_engine,
    event,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kato_panel.history.parts import part

BUSY_SECONDS: Final = 5.0
JOURNAL_BYTES: Final = 16 * 2**20
TRIES: Final = 3
"""Of having several connections begin in one state."""
_TOUCH: Final = text("SELECT 1 FROM sqlite_master LIMIT 1")
"""Fixes the state that is read from then on."""
LOGS: Final = ("-wal", "-journal")
"""Ends of the names of what stands beside a file while somebody writes it, or was cut off."""
_WRITING: Final = "BEGIN IMMEDIATE"


class Fault(Enum):
    """What to do about an error."""

    STORAGE = auto()
    """The disk is full, read-only or failing: wait, and try again."""
    CORRUPT = auto()
    """The file is not what was written: set it aside."""
    DOUBT = auto()
    """That, or a fault of ours: have the file checked."""
    ITEM = auto()
    """What was to be written cannot be: leave it out."""


_STORAGE: Final = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DOUBT: Final = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,  # a number came twice, and all numbers are ours
        sqlite3.SQLITE_CONSTRAINT_ROWID,
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        sqlite3.SQLITE_ERROR,  # a table or column is not there
    }
)
ERRORS: Final = (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError)
"""What the database raises: the driver cannot even decode what is said of a damaged schema."""


def fault(error: BaseException) -> Fault:
    """Judge an error of SQLAlchemy, of SQLite, or of the system."""
    if isinstance(error, DBAPIError):
        return Fault.ITEM if error.orig is None else fault(error.orig)
    if isinstance(error, OSError):
        return Fault.STORAGE
    code = getattr(error, "sqlite_errorcode", None) or 0
    if code & 0xFF in _STORAGE:
        return Fault.STORAGE
    if code & 0xFF in _CORRUPT or isinstance(error, UnicodeDecodeError):
        return Fault.CORRUPT
    return Fault.DOUBT if code in _DOUBT else Fault.ITEM


def words(error: BaseException) -> str:
    """Say what is wrong, without the statement and its values."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return str(error.orig)
    return (isinstance(error, OSError) and error.strerror) or str(error)


def memory() -> Engine:
    """Begin a history that ends with its process: one connection, to be used by turns."""
    return _engine(
        lambda: _prepared(sqlite3.connect(":memory:", check_same_thread=False)),
        StaticPool,
        _WRITING,
    )


def writing(path: Path, *, is_new: bool = False) -> Engine:
    """
    Open a file to write: one connection, each commit on disk when it returns.

    Parameters
    ----------
    path
        Of a file that is there, if only with nothing in it.
    is_new
        Whether nothing is in it.
    """

    def connect() -> sqlite3.Connection:
        connection = _connect(path, "rw")
        try:
            if is_new:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    return _engine(connect, StaticPool, _WRITING)


def reading(path: Path, *, is_ours: bool = False) -> Engine:
    """
    Open a file to read, from any thread or process, while another writes it.

    Nothing is made beside a file that nobody writes, and so it can be read where nothing may be
    written. A writer that begins is noticed at the next read, for each has a connection of its own;
    one that begins in the midst of a read, is not.

    Parameters
    ----------
    path
        Of the file.
    is_ours
        Whether this process writes it: connections are then kept, which saves a millisecond a read.
    """

    def connect() -> sqlite3.Connection:
        is_still = not is_ours and not any(part(path, one).exists() for one in LOGS)
        return _connect(path, "ro&immutable=1" if is_still else "ro")

    return _engine(connect, QueuePool if is_ours else NullPool, "BEGIN")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return _prepared(
        sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            check_same_thread=False,
        )
    )


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    # Transactions begin where SQLAlchemy says so; the driver's own begin later than that.
    connection.isolation_level = None
    # A flipped bit may leave a text that is none.
    connection.text_factory = _decode
    return connection


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _engine(connect: Any, pool: type[Pool], begin: str) -> Engine:
    engine = create_engine("sqlite://", creator=connect, poolclass=pool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def begin_together(first: Connection, others: Sequence[Connection]) -> bool:
    """
    Have connections begin to read one state, and say whether they do.

    SQLite has no way to begin where another began, but it numbers the states.

    Parameters
    ----------
    first, others
        Of one file, each opened by `reading`.
    """
    for _ in range(TRIES):
        for connection in (first, *others):
            connection.rollback()
        before = _state(first)
        for connection in (*others, first):
            connection.execute(_TOUCH)
        if _state(first) == before:  # nobody wrote while they began
            return True
    return False


def _state(connection: Connection) -> int:
    """Give a number of the state that a connection reads: another after each change of others."""
    driver: Any = connection.connection.driver_connection  # SQLAlchemy would begin to read
    (number,) = driver.execute("PRAGMA data_version").fetchone()
    return int(number)
