"""Files that are there whole, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def writing_whole(path: str | Path) -> Iterator[IO[str]]:
    """
    Write a file of text beside its place, and put it there when all of it is written.

    Parameters
    ----------
    path
        One that is there is replaced; it stays as it was if something fails.
    """
    path = Path(path)
    begun = path.with_name(f".{path.name}.begun")
    try:
        with begun.open("w", encoding="utf-8", newline="") as file:
            yield file
        begun.replace(path)
    finally:
        begun.unlink(missing_ok=True)
