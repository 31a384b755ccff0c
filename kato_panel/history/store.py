"""One history as its writer holds it: lock, connection, and where the record goes on."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from kato_panel.errors import HistoryError
from kato_panel.history import engines, file
from kato_panel.history.engines import Fault, fault, words
from kato_panel.history.file import Owner
from kato_panel.history.lock import WriterLock
from kato_panel.history.parts import Corrupt, Refused, part, size
from kato_panel.history.reader import Reader, probe
from kato_panel.history.retention import Retention, shorten, turn
from kato_panel.history.rows import micros
from kato_panel.history.writer import Item, Tail, begin_epoch, write


class Store:
    """
    What a history is written to.

    Parameters
    ----------
    path
        Its file; ``None`` for memory.
    owner
        Whom it records.
    retention
        How much is kept.
    """

    def __init__(self, path: Path | None, owner: Owner, retention: Retention) -> None:
        self.path = path
        self._owner = owner
        self._retention = retention
        self._lock: WriterLock | None = None
        self._held = threading.RLock()
        self._engine: Engine | None = None
        self._tail: Tail | None = None
        self._inode = 0

    def open(self, epoch: str, at: datetime) -> str | None:
        """
        Open it, or begin it.

        Returns
        -------
        str or None
            What the user has to be told.

        Raises
        ------
        Refused
            If it is not to be written, now or later.
        OSError, engines.ERRORS
            If the disk does not let us.
        """
        if self.path is None:
            if self._engine is None:
                self._engine = engines.memory()
                with self._engine.begin() as connection:
                    file.fill(connection, self._owner)
                    self._tail = begin_epoch(connection, epoch, at)
            return None
        self.path = self.path.absolute()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path = self.path.resolve()
        self._take_lock(self.path)
        try:
            return self._open_file(self.path, epoch, at)
        except BaseException:
            self.close()
            raise

    def _take_lock(self, path: Path) -> None:
        lock = WriterLock(path.with_name(f"{path.name}.lock"))
        holder = lock.take()
        if holder is not None:
            raise Refused(f"{path} is being written by process {holder or 'of unknown number'}")
        self._lock = lock

    def _open_file(self, path: Path, epoch: str, at: datetime) -> str | None:
        notice = file.prepare(path, self._owner, at)
        reason = self._try(path, epoch, at)
        if reason is not None:
            notice = self.set_aside(at, reason)
            self._take_lock(path)
            file.prepare(path, self._owner, at)
            reason = self._try(path, epoch, at)
            if reason is not None:
                raise Corrupt(reason)
        return notice

    def _try(self, path: Path, epoch: str, at: datetime) -> str | None:
        """Do what a start does; return what is damaged, which the check did not see."""
        self._engine = engines.writing(path)
        self._inode = path.stat().st_ino
        try:
            with self._engine.begin() as connection:
                self._tail = begin_epoch(connection, epoch, at)
                probe(connection)
        except engines.ERRORS as error:
            kind = fault(error)
            if kind is Fault.CORRUPT or (kind is Fault.DOUBT and not self.is_sound()):
                return words(error)
            raise
        return None

    @property
    def is_in_place(self) -> bool:
        """Whether the file that is written is the one that its path names."""
        if self.path is None:
            return True
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    @property
    def size_bytes(self) -> int:
        """Of the file with its log; 0 in memory."""
        if self.path is None:
            return 0
        return size(self.path) + size(part(self.path, "-wal"))

    def write(self, items: Sequence[Item]) -> None:
        """Write items in one transaction; they are on disk when this returns."""
        if self._engine is None or self._tail is None:
            raise OSError("the history is not open")
        with self._held, self._engine.begin() as connection:
            tail = write(connection, items, self._tail)
        self._tail = tail

    def fill(self, past: Callable[[Connection], None], epoch: str, at: datetime) -> None:
        """Let somebody write what was before this start, in one transaction."""
        if self._engine is None:
            raise OSError("the history is not open")
        with self._held, self._engine.begin() as connection:
            past(connection)
            self._tail = begin_epoch(connection, epoch, at)

    def keep(self, now: datetime) -> bool:
        """Give up some of what is too old or too much; return whether there may be more."""
        if self._engine is None:
            raise OSError("the history is not open")
        with self._held:
            with self._engine.begin() as connection:
                done = turn(connection, self._retention, micros(now))
            if done.pages:
                with self._engine.connect() as connection:
                    shorten(connection, done.pages)
        return done.has_more

    def is_sound(self) -> bool:
        """
        Hold the whole file against itself.

        Raises
        ------
        OSError, engines.ERRORS
            If the disk does not let us.
        """
        if self._engine is None:
            raise OSError("the history is not open")
        try:
            with self._held, file.judged(), self._engine.connect() as connection:
                file.check_columns(connection)
                file.check_pages(connection, "integrity_check")
        except Corrupt:
            return False
        return True

    def set_aside(self, at: datetime, reason: str) -> str:
        """Move a damaged file out of the way; return what the user has to be told."""
        self._drop_engine()
        try:
            if self.path is None:
                return f"the history in memory was damaged ({reason}); it is begun anew"
            aside = file.set_aside(self.path, at)
        finally:
            self._release()
        return f"the history was damaged ({reason}); it was moved to {aside}, and begun anew"

    def reader(self, refusal: str = "") -> Reader:
        """Make the reading side; what it reads outlives the writer only in a file."""
        if self.path is None:
            return Reader(self._engine, refusal, self._held)
        if refusal:
            try:
                return Reader.open(self.path, self._owner)
            except HistoryError:
                return Reader(None, refusal)
        return Reader(engines.reading(self.path, is_ours=True))

    def reconnect(self) -> None:
        """Let the next write begin with another connection, as a disk that is back may need."""
        if self._engine is not None and self.path is not None:
            self._engine.dispose()

    def close(self) -> None:
        """Give everything back. Closing twice is allowed."""
        self._drop_engine()
        self._release()

    def _drop_engine(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
