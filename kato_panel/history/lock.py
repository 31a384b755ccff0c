"""One writer for each file: whoever comes second learns who was first."""

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

HELD: Final = {errno.EWOULDBLOCK, errno.EACCES}
_FAR: Final = 1 << 30
"""Windows locks bytes against reading too: far from the pid that others are to read."""


class WriterLock:
    """
    The right to write one file, held until `release` or the end of the process.

    Parameters
    ----------
    path
        Of the lock's own file. It stays behind: to remove it would let two hold it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> int | None:
        """
        Take it, if nobody has it.

        Returns
        -------
        int or None
            ``None`` if it was taken; else the process that holds it, 0 if it does not say.

        Raises
        ------
        OSError
            If the file cannot be made, or its disk knows no locks.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(file)
        except OSError as error:
            try:
                if error.errno not in HELD:
                    raise
                return _pid(os.read(file, 32))
            finally:
                os.close(file)
        self._file = file
        with contextlib.suppress(OSError):  # a full disk: it is held all the same, by nobody's name
            os.ftruncate(file, 0)
            os.write(file, str(os.getpid()).encode())
        return None

    def release(self) -> None:
        """Give it back. Doing so twice is allowed."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def _lock(file: int) -> None:
    if sys.platform == "win32":
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _pid(text: bytes) -> int:
    return int(text) if text.isdigit() else 0
