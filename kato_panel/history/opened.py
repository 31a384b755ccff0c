"""A history that is open to be read: its connections."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine

from kato_panel.errors import HistoryError
from kato_panel.history import engines, file

MAX_SPARE: Final = 6
"""Connections of one reader that read beside others, all together."""


class Opened:
    """
    Gives connections to one history, which another thread or process may be writing.

    Parameters
    ----------
    engine
        Where to read; ``None`` if there is nothing to read.
    trouble
        Why there is nothing to read.
    lock
        Held while reading, where reader and writer share a connection.
    """

    def __init__(
        self,
        engine: Engine | None,
        trouble: str = "",
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._engine = engine
        self._trouble = trouble
        self._is_shared = lock is not None
        self._lock = lock or nullcontext()
        # Whoever reads has one connection; of those beside it none waits for another to be free.
        self._spare = threading.Semaphore(MAX_SPARE if lock is None else 0)

    @classmethod
    def open(cls, path: Path, owner: file.Owner | None = None) -> Self:
        """
        Open a file that another process may be writing; see `kato_panel.history.engines.reading`.

        Parameters
        ----------
        path
            Where it is.
        owner
            Whose record it has to be, if that matters.

        Raises
        ------
        HistoryError
            If it is not one of ours, not that owner's, or of another version.
        """
        try:
            file.judge(path)
        except OSError as error:
            raise HistoryError(f"{path} cannot be read: {engines.words(error)}") from error
        reader = cls(engines.reading(path))
        try:
            with reader.reading() as connection:
                file.check_readable(connection, path, owner)
        except HistoryError:
            reader.close()
            raise
        return reader

    def close(self) -> None:
        """End it. Closing twice is allowed."""
        if self._engine is not None and not self._is_shared:
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for several reads of one state."""
        if self._engine is None:
            raise HistoryError(self._trouble)
        try:
            with self._lock, self._engine.connect() as connection:
                yield connection
        except engines.ERRORS as error:
            raise HistoryError(f"the history cannot be read: {engines.words(error)}") from error

    @contextmanager
    def reading_at_once(self, most: int) -> Iterator[tuple[Connection, ...]]:
        """
        Give connections that read one state, each for a thread of its own.

        Parameters
        ----------
        most
            How many, at most. There are fewer if others read like that as well, and there is one if
            the file cannot be opened twice, or is written so often that no two of them meet in
            one state.
        """
        with self.reading() as first, ExitStack() as opened:
            others: list[Connection] = []
            try:
                while len(others) < most - 1 and self._spare.acquire(blocking=False):
                    opened.callback(self._spare.release)
                    others.append(opened.enter_context(self.reading()))
                is_one_state = engines.begin_together(first, others)
            except (HistoryError, *engines.ERRORS):
                is_one_state = False
            yield (first, *others) if is_one_state else (first,)
