"""From an older version of the file to ours, with a copy first."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from kato_panel.history import engines, schema
from kato_panel.history.engines import Fault, fault, words
from kato_panel.history.parts import Refused, free, part, remove, sync


def migrate(path: Path, found: int, at: datetime) -> None:
    """
    Copy a file, then bring it to our version: all the way, or not at all.

    Parameters
    ----------
    path
        The file; its copy is beside it.
    found
        Its version.
    at
        Now; UTC. Names a second copy of the same version.

    Raises
    ------
    Refused
        If a step fails; the file is as it was.
    OSError, engines.ERRORS
        If the disk does not let us.
    """
    copy = part(path, f".backup-v{found}")
    if copy.exists():
        copy = free(path, f"backup-v{found}-{at:%Y%m%dT%H%M%SZ}")
    engine = engines.writing(path)
    try:
        with engine.connect() as connection:
            _copy(connection, copy)
        with engine.begin() as connection:
            for step in range(found, schema.VERSION):
                schema.MIGRATIONS[step](connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")
    except engines.ERRORS as error:
        if fault(error) is Fault.STORAGE:
            raise
        raise Refused(
            f"{path} could not be brought from version {found} to {schema.VERSION} "
            f"({words(error)}); it is left as it was, with a copy at {copy}"
        ) from error
    finally:
        engine.dispose()


def _copy(connection: Connection, copy: Path) -> None:
    """Copy a database; an unfinished copy never has the name of a finished one."""
    unfinished = part(copy, ".unfinished")
    remove(unfinished)
    driver = connection.connection.driver_connection
    if driver is None:
        raise OSError("the connection is closed")
    driver.execute("VACUUM INTO ?", (str(unfinished),))
    sync(unfinished)
    unfinished.rename(copy)
