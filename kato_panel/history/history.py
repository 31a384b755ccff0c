"""
The durable record: items go in without waiting, one thread writes them in groups.

A disk that does not let us, or a file that is not ours, costs the record and nothing else: the
items wait in memory up to a bound, what does not fit is counted, and the status says so in words.
See ``docs/decisions/0013-the-history.md``.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final, Self

from sqlalchemy import Connection

from kato_panel.domain.events import Clock, Moment
from kato_panel.domain.recorded import Note
from kato_panel.errors import HistoryError
from kato_panel.history.backlog import MAX_BUFFERED, MAX_WAITING, Backlog
from kato_panel.history.engines import ERRORS, Fault, fault, words
from kato_panel.history.file import Owner
from kato_panel.history.parts import Corrupt, Refused
from kato_panel.history.place import place_of, without_login
from kato_panel.history.reader import Reader
from kato_panel.history.retention import Retention
from kato_panel.history.store import Store
from kato_panel.history.writer import Item

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
RETENTION_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 4.0
STORAGE_ERRORS: Final = (*ERRORS, OSError)
ITEM_ERRORS: Final = (*STORAGE_ERRORS, ValueError, TypeError, ArithmeticError, AttributeError)
CLOSED: Final = "the history is closed"


def _now() -> Moment:
    return Moment(datetime.now(UTC), monotonic())


@dataclass(frozen=True, slots=True)
class Status:
    """
    How it is with a history.

    Parameters
    ----------
    path
        Its file; ``None`` in memory.
    trouble
        Why nothing is recorded now, in words; ``None`` while all is well.
    notice
        What the user has to be told of the start, or of a file that was moved aside.
    buffered
        Items that wait.
    lost
        Items that were not recorded and will not be.
    written
        Items that were recorded since the start, and would survive this process.
    size_bytes
        Of the file with its log.
    """

    path: Path | None
    trouble: str | None
    notice: str | None
    buffered: int
    lost: int
    written: int
    size_bytes: int


class History:
    """
    Records what it is given; `History.open` makes it.

    Parameters
    ----------
    store
        Where it is kept.
    epoch
        Of this start, as the hub has it.
    clock
        Gives the time, for retention and for the names of what is moved aside.

    Attributes
    ----------
    reader
        The reading side. Where another process writes the file, that one's record is what it
        reads. Another takes its place when the file is begun anew: ask for it each time.
    """

    def __init__(self, store: Store, epoch: str, clock: Clock) -> None:
        self._store = store
        self._epoch = epoch
        self._clock = clock
        self._began = clock()
        self._backlog = Backlog()
        self._told = threading.Lock()
        self._refusal: str | None = None
        self._trouble: str | None = None
        self._notice: str | None = None
        self._is_open = False
        self._opened = 0
        self._thread: threading.Thread | None = None
        self.reader = Reader(None, "the history is not open")

    @classmethod
    def open(
        cls,
        url: str | None,
        upstream: str,
        *,
        is_demo: bool,
        epoch: str | None = None,
        retention: Retention | None = None,
        clock: Clock = _now,
    ) -> Self:
        """
        Open or begin the history of an upstream, and begin to write.

        Whatever stands in the way, this returns a history; `status` says whether it records.

        Parameters
        ----------
        url
            An SQLAlchemy URL: ``sqlite:///path``, or ``sqlite://`` for one that ends with its
            process. ``None`` for the usual place.
        upstream
            Address of what is watched; a password in it is not kept.
        is_demo
            Whether that is the demo, whose history begins anew with each start.
        epoch
            Within which events are numbered; a random one if it is not given.
        retention
            How much is kept.
        clock
            Gives the time.
        """
        refusal, path = None, None
        try:
            path = place_of(url, upstream, is_demo=is_demo)
        except HistoryError as error:
            refusal = str(error)
        owner = Owner(without_login(upstream), is_demo)
        history = cls(
            Store(path, owner, retention or Retention()), epoch or secrets.token_hex(8), clock
        )
        history.start(refusal)
        return history

    def start(self, refusal: str | None = None) -> None:
        """Open the file, and begin to write unless that is refused; `open` calls this."""
        if refusal is None:
            self._open()
        else:
            self._refuse(refusal)
        if self._refusal is None:
            self._thread = threading.Thread(
                target=self._run, name="kato-panel-history", daemon=True
            )
            self._thread.start()

    @property
    def status(self) -> Status:
        """How it is now."""
        tally = self._backlog.tally
        with self._told:
            return Status(
                path=self._store.path,
                trouble=self._refusal or self._trouble,
                notice=self._notice,
                buffered=tally.waiting,
                lost=tally.lost,
                written=tally.written,
                size_bytes=self._store.size_bytes,
            )

    @property
    def generation(self) -> int | None:
        """
        Moves whenever the record may have a hole: it was begun anew, opened late, or lost items.

        Who told everything so far has to tell what is so now, once this has moved; a `Note` of
        another generation is not written. ``None`` while nothing is recorded: each item that is
        lost then would make one more hole, and nobody need fill it before that is over.
        """
        if self._refusal is not None or self._trouble is not None:
            return None
        return self._holes

    @property
    def _holes(self) -> int:
        return self._opened + self._backlog.tally.lost

    def record(self, items: Item | Iterable[Item]) -> None:
        """
        Take items, from any thread; returns at once.

        Parameters
        ----------
        items
            One or several. They are on disk within 0.1 s, or wait while `Status.trouble` says
            why they cannot be.
        """
        self._backlog.put(items if isinstance(items, Iterable) else (items,))

    def fill(self, past: Callable[[Connection], None]) -> None:
        """
        Let somebody write what was before this start; nothing may have been recorded yet.

        Parameters
        ----------
        past
            Is given a connection within a transaction.

        Raises
        ------
        OSError
            If the history is not open.
        """
        self._store.fill(past, self._epoch, self._clock().wall)

    def flush(self, timeout_seconds: float = CLOSE_SECONDS) -> bool:
        """
        Wait until everything that was recorded before is on disk.

        Parameters
        ----------
        timeout_seconds
            For how long at most.

        Returns
        -------
        bool
            Whether it is, all of it.
        """
        is_written = self._backlog.flush(timeout_seconds)
        return is_written and self._refusal in {None, CLOSED}

    def close(self) -> None:
        """Write what waits, if that can be done soon, and end. Closing twice is allowed."""
        self.reader.close()  # first, so that the writer, who is last, can empty the log
        self._backlog.stop()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
            self._thread = None
        self.reader.close()
        if self._store.path is None:
            self.reader = Reader(None, CLOSED)

    # What follows runs in the thread that writes, but for the first `_open`.

    def _open(self) -> None:
        """Open the file; a refusal is for good, any other trouble is tried again."""
        try:
            notice = self._store.open(self._epoch, self._clock().wall)
        except Refused as error:
            self._refuse(str(error))
            return
        except (Corrupt, *STORAGE_ERRORS) as error:
            self._tell_trouble(f"the history cannot be opened: {words(error)}")
            return
        former, self.reader = self.reader, self._store.reader()
        former.close()
        self._is_open = True
        self._opened += 1
        if notice is not None:
            self._tell_notice(notice)
        self._tell_trouble(None)

    def _refuse(self, refusal: str) -> None:
        logger.warning("no history is recorded: %s", refusal)
        former, self.reader = self.reader, self._store.reader(refusal)
        former.close()
        with self._told:
            self._refusal = refusal
        self._backlog.bound(0)

    def _tell_notice(self, notice: str) -> None:
        logger.warning("%s", notice)
        with self._told:
            self._notice = notice

    def _tell_trouble(self, trouble: str | None) -> None:
        with self._told:
            before, self._trouble = self._trouble, trouble
        if trouble is None and before is not None:
            self._backlog.bound(MAX_WAITING)
            lost = self._backlog.tally.lost
            logger.info("the history is recorded again; %d items were lost so far", lost)
        elif trouble is not None and before is None:
            self._backlog.bound(MAX_BUFFERED)
            logger.warning("%s; up to %d items wait", trouble, MAX_BUFFERED)

    def _run(self) -> None:
        """Write until the end; then give the file back."""
        try:
            self._loop()
        finally:
            self._store.close()
            with self._told:
                self._refusal = self._refusal or CLOSED
            self._backlog.bound(0)
            lost = self._backlog.tally.lost
            if lost:
                logger.warning("%d items were not recorded", lost)

    def _loop(self) -> None:
        kept_tick = monotonic()
        while self._refusal is None:
            if self._trouble is not None:
                self._backlog.rest(RETRY_SECONDS)
            group, is_stopping = self._backlog.next_group()
            if not self._is_open or not self._store.is_in_place:
                self._open_again()
            if group and self._is_open:
                self._write(group)
            if is_stopping and (self._trouble is not None or not self._backlog.tally.waiting):
                return
            if self._is_open and monotonic() - kept_tick >= RETENTION_SECONDS and self._keep():
                kept_tick = monotonic()

    def _open_again(self) -> None:
        if self._is_open:
            self._tell_notice(f"the history's file is gone; {self._store.path} is begun anew")
        self._is_open = False
        self._store.close()
        self._open()

    def _write(self, group: Sequence[Item]) -> None:
        holes = self._holes
        try:
            self._store.write([item for item in group if not _is_of_another(item, holes)])
        except ITEM_ERRORS as error:
            self._weigh(error, group)
            return
        self._backlog.settle(group, is_written=True)
        self._tell_trouble(None)

    def _weigh(self, error: Exception, group: Sequence[Item]) -> None:
        """Find out whether the disk, the file or an item is at fault, and act."""
        match fault(error):
            case Fault.STORAGE:
                self._tell_trouble(f"the history cannot be written: {words(error)}")
                self._store.reconnect()
            case Fault.CORRUPT:
                self._set_aside(words(error))
            case Fault.DOUBT if self._is_damaged():
                self._set_aside(words(error))
            case _ if len(group) > 1:
                for item in group:
                    if self._is_open and self._trouble is None:
                        self._write([item])
            case _ if group:
                logger.warning("an item cannot be recorded: %s", words(error))
                self._backlog.settle(group, is_written=False)
            case _:
                logger.warning("the history cannot be kept to its size: %s", words(error))

    def _is_damaged(self) -> bool:
        try:
            return not self._store.is_sound()
        except STORAGE_ERRORS as error:
            self._tell_trouble(f"the history cannot be read: {words(error)}")
            return False

    def _set_aside(self, reason: str) -> None:
        self._is_open = False
        self._tell_trouble(f"the history is damaged: {reason}")
        try:
            self._tell_notice(self._store.set_aside(self._clock().wall, reason))
        except OSError as error:
            self._tell_trouble(f"the history is damaged, and cannot be moved: {words(error)}")

    def _keep(self) -> bool:
        """Give up what is too old or too much; return whether nothing is left to do."""
        began, now = self._began, self._clock()
        # A clock that is set ahead gives nothing up: time since the start is measured.
        wall = began.wall + timedelta(seconds=now.tick - began.tick)
        try:
            return not self._store.keep(wall)
        except ITEM_ERRORS as error:
            self._weigh(error, ())
            return True


def _is_of_another(item: Item, generation: int) -> bool:
    return isinstance(item, Note) and item.generation not in {None, generation}
