"""
The file at the start: whose it is, whether it is sound, and of which version.

Nothing that is found is ever overwritten. What is not ours, or not this upstream's, is refused;
what is damaged is moved aside; what is older is copied before it is changed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, insert, select

from kato_panel.history import engines, schema
from kato_panel.history.engines import Fault, fault, words
from kato_panel.history.migration import migrate
from kato_panel.history.parts import PARTS, Corrupt, Refused, free, part, remove, size, sync

MAGIC: Final = b"SQLite format 3\0"
HEADER_BYTES: Final = 100


@dataclass(frozen=True, slots=True)
class Owner:
    """
    Whom a file records.

    Parameters
    ----------
    upstream
        Its address, without a password.
    is_demo
        Whether it is the demo's. All demos are one, for their address changes with each start.
    """

    upstream: str
    is_demo: bool


def prepare(path: Path, owner: Owner, at: datetime) -> str | None:
    """
    Make sure that a file of this owner is there, sound, and of this version.

    Parameters
    ----------
    path
        Where it is, or is to be; whoever calls holds its lock.
    owner
        Whom it is to record.
    at
        Now; UTC. Names what is moved aside.

    Returns
    -------
    str or None
        What the user has to be told, if anything.

    Raises
    ------
    Refused
        If what is there is not to be written.
    OSError, engines.ERRORS
        If the disk does not let us.
    """
    notice = None
    try:
        if size(path):
            _check(path, owner, at)
        else:
            _check_absence(path)
    except Corrupt as error:
        aside = set_aside(path, at)
        notice = f"the history was damaged ({error}); it was moved to {aside}, and begun anew"
    if not size(path):
        create(path, owner)
    return notice


def set_aside(path: Path, at: datetime) -> Path:
    """Move a file with its log out of the way, and return its place."""
    aside = free(path, f"corrupt-{at:%Y%m%dT%H%M%SZ}")
    for suffix in PARTS:
        if part(path, suffix).exists():
            part(path, suffix).rename(part(aside, suffix))
    return aside


def create(path: Path, owner: Owner) -> None:
    """Begin a file: it is there at once and whole, or not at all."""
    begun = path.with_name(f"{path.name}.begun")
    remove(begun)
    os.close(os.open(begun, os.O_CREAT | os.O_WRONLY, 0o600))
    engine = engines.writing(begun, is_new=True)
    try:
        with engine.begin() as connection:
            fill(connection, owner)
    finally:
        engine.dispose()
    sync(begun)
    begun.replace(path)
    if os.name == "posix":
        sync(path.parent)


def fill(connection: Connection, owner: Owner) -> None:
    """Make the tables of an empty database, and sign it."""
    schema.metadata.create_all(connection)
    signature = {"upstream": owner.upstream, "is_demo": str(owner.is_demo)}
    connection.execute(
        insert(schema.meta), [{"key": key, "value": value} for key, value in signature.items()]
    )
    connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")


def judge(path: Path) -> None:
    """
    Tell from its first bytes whether a file is one of ours.

    Raises
    ------
    Refused
        If it is another's.
    Corrupt
        If it is ours, and cannot be opened.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    is_ours = int.from_bytes(header[68:72], "big") == schema.APPLICATION_ID
    if not is_ours:
        is_sqlite = header.startswith(MAGIC)
        whose = "another application's database" if is_sqlite else "no SQLite database"
        raise Refused(f"{path} is {whose}; it is left as it is")
    if header[18:20] not in {b"\1\1", b"\2\2"}:  # SQLite would open it, but read-only
        raise Corrupt("its header names another format")


def version(connection: Connection, path: Path) -> int:
    """
    Read the version of a file.

    Raises
    ------
    Refused
        If it is newer than what we know.
    Corrupt
        If it is none.
    """
    found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if found > schema.VERSION:
        raise Refused(
            f"{path} is of version {found}, must be at most {schema.VERSION}: "
            "a newer program wrote it; it is left as it is"
        )
    if found < 1:
        raise Corrupt(f"its version is {found}")
    return int(found)


def check_readable(connection: Connection, path: Path, owner: Owner | None) -> None:
    """
    Make sure that a file can be read as it is.

    Parameters
    ----------
    connection, path
        The file.
    owner
        Whose record it has to be, if that matters.

    Raises
    ------
    HistoryError
        If it is of another version, or another's.
    """
    found = version(connection, path)
    if found < schema.VERSION:
        raise Refused(
            f"{path} is of version {found}, must be {schema.VERSION}: "
            "the service brings it there when it starts"
        )
    if owner is not None:
        check_owner(connection, path, owner)


def _check(path: Path, owner: Owner, at: datetime) -> None:
    judge(path)
    # Read-only: one that may write would empty the log into a file that is to be left as it is.
    engine = engines.reading(path)
    try:
        with judged(), engine.connect() as connection:
            found = version(connection, path)
            check_owner(connection, path, owner)
            if not owner.is_demo:
                check_pages(connection)
    finally:
        engine.dispose()
    if owner.is_demo:
        remove(path)
    else:
        if found < schema.VERSION:
            migrate(path, found, at)
        _check_columns(path)


def check_pages(connection: Connection, check: str = "quick_check") -> None:
    """Raise `Corrupt` if a check of SQLite's finds anything."""
    answers = connection.exec_driver_sql(f"PRAGMA {check}(1)").scalars().all()
    if answers != ["ok"]:
        raise Corrupt(" ".join(str(answers[0]).split()) if answers else "no answer")


def _check_absence(path: Path) -> None:
    if size(part(path, "-wal")):
        raise Corrupt("its log was found without it")


def read_owner(connection: Connection) -> Owner:
    """Read whom a file records; raises Corrupt if it does not say."""
    found = connection.execute(select(schema.meta.c.key, schema.meta.c.value))
    signature = {row.key: row.value for row in found}
    is_demo = {"True": True, "False": False}.get(signature.get("is_demo", ""))
    upstream = signature.get("upstream")
    if is_demo is None or upstream is None:
        raise Corrupt("it does not say whom it records")
    return Owner(str(upstream), is_demo)


def check_owner(connection: Connection, path: Path, owner: Owner) -> None:
    """Make sure that a file is this owner's; raises Refused or Corrupt if not."""
    found = read_owner(connection)
    if found.is_demo is not owner.is_demo:
        kinds = {True: "the demo", False: "a real KATO"}
        raise Refused(
            f"{path} records {kinds[found.is_demo]}, not {kinds[owner.is_demo]}; "
            "it is left as it is"
        )
    if not found.is_demo and found.upstream != owner.upstream:
        raise Refused(f"{path} records {found.upstream}, not {owner.upstream}; it is left as it is")


def _check_columns(path: Path) -> None:
    engine = engines.reading(path)
    try:
        with judged(), engine.connect() as connection:
            check_columns(connection)
    finally:
        engine.dispose()


def check_columns(connection: Connection) -> None:
    """Raise `Corrupt` if a table or column of ours is not there."""
    for table, columns in schema.columns().items():
        found = connection.exec_driver_sql("SELECT name FROM pragma_table_info(?)", (table,))
        if not columns <= {*found.scalars()}:
            raise Corrupt(f"its table {table} lacks a column, or all of them")


@contextmanager
def judged() -> Iterator[None]:
    """Tell damage from a disk that does not let us."""
    try:
        yield
    except engines.ERRORS as error:
        if fault(error) is Fault.STORAGE:
            raise
        raise Corrupt(words(error)) from error
