"""The file behind ``--state``: a journal of the world, one JSON line for each change."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .world import World

MARK = "kato_panel.simulator"
VERSION = 1
LINES_BEFORE_COMPACTION = 200_000


class StateFileError(Exception):
    """A state file that cannot be used, in words for whoever named it."""


class Store:
    """
    An append-only journal; every line has left the process before the change is answered.

    Parameters
    ----------
    path
        The file. It is made if absent, and refused if it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: io.FileIO | None = None
        self._lines = 0

    def open(self, world: World, now: float) -> bool:
        """
        Restore ``world`` from the file, rewrite it without history, and journal from here on.

        Returns
        -------
        bool
            Whether the file held a world; false if it is new.

        Raises
        ------
        StateFileError
            If the file is not a simulator's, is damaged, or cannot be read or written.
        """
        try:
            # An empty file, such as `mktemp` makes, holds nothing that could be lost.
            known = self.path.exists() and self.path.stat().st_size > 0
            if known:
                self._restore(world, now)
            self._compact(world)
        except OSError as error:
            raise StateFileError(f"{self.path}: {error.strerror or error}") from error
        world.journal = lambda entry: self._append(world, entry)
        return known

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _restore(self, world: World, now: float) -> None:
        try:
            world.restore(self._read(), now)
        except (KeyError, TypeError, ValueError) as error:
            raise StateFileError(f"{self.path} is damaged: {error}") from error

    def _read(self) -> Iterator[dict[str, Any]]:
        whole = self.path.read_bytes()
        lines = whole.split(b"\n")
        lines.pop()  # empty, or torn by a kill: a change that was never answered for
        if not lines or not is_header(lines[0]):
            raise StateFileError(f"{self.path} is not a state file of the simulator")
        for number, line in enumerate(lines[1:], start=2):
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise StateFileError(f"{self.path}, line {number}, is not JSON") from error
            if not isinstance(entry, dict):
                raise StateFileError(f"{self.path}, line {number}, is not a JSON object")
            yield entry

    def _compact(self, world: World) -> None:
        """Write the world anew beside the file and put it in its place in one step."""
        self.close()
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        try:
            with beside.open("wb") as new:
                new.write(encode({"file": MARK, "version": VERSION}))
                new.writelines(encode(entry) for entry in world.entries())
                new.flush()
                os.fsync(new.fileno())
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)
        self._file = self.path.open("ab", buffering=0)
        self._lines = 0

    def _append(self, world: World, entry: dict[str, Any]) -> None:
        if self._lines >= LINES_BEFORE_COMPACTION:
            self._compact(world)
        if self._file is None:
            raise StateFileError(f"{self.path} is closed")
        line = encode(entry)
        before = self._file.tell()
        try:
            written = self._file.write(line)
            if written != len(line):
                self._file.truncate(before)  # half a line would spoil the one after it
                raise StateFileError(f"{self.path}: no room for another line")
        except OSError as error:
            raise StateFileError(f"{self.path}: {error.strerror or error}") from error
        self._lines += 1


def encode(entry: dict[str, Any]) -> bytes:
    """Encode one line, its end included."""
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def is_header(line: bytes) -> bool:
    """Say whether a file's first line is a simulator's, of a version that can be read."""
    try:
        header = json.loads(line)
    except ValueError:
        return False
    return bool(header == {"file": MARK, "version": VERSION})
