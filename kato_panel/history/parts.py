"""Names of files beside a file, and the two ways in which one is not ours to write."""

import os
from pathlib import Path
from typing import Final

from kato_panel.errors import HistoryError

PARTS: Final = ("", "-wal", "-shm")


class Refused(HistoryError):  # noqa: N818 - reads as what it says in `except`
    """What is there is not to be written, now or later."""


class Corrupt(HistoryError):  # noqa: N818 - the same
    """What is there is one of ours, and damaged."""


def size(path: Path) -> int:
    """Return the bytes of a file; 0 if there is none, or it cannot be looked up."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def part(path: Path, suffix: str) -> Path:
    """Name a file that belongs to another."""
    return path.with_name(path.name + suffix)


def free(path: Path, suffix: str) -> Path:
    """Find a name beside a file that nothing has."""
    unused, number = part(path, f".{suffix}"), 1
    while any(part(unused, suffix).exists() for suffix in PARTS):
        number += 1
        unused = part(path, f".{suffix}-{number}")
    return unused


def remove(path: Path) -> None:
    """Remove a file with its log, if it is there."""
    for suffix in (*PARTS, "-journal"):
        part(path, suffix).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
