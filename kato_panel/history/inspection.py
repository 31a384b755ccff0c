"""Whether a history could be kept where it is to be; nothing of it is changed."""

import os
from pathlib import Path

from kato_panel.errors import HistoryError
from kato_panel.history import engines, file
from kato_panel.history.parts import Corrupt, size
from kato_panel.history.place import place_of, without_login


def inspect_place(url: str | None, upstream: str, *, is_demo: bool) -> str:
    """
    Look at the place of a history.

    Parameters
    ----------
    url, upstream, is_demo
        As for `kato_panel.history.History.open`.

    Returns
    -------
    str
        What is there, in words.

    Raises
    ------
    HistoryError
        If nothing could be recorded there.
    """
    path = place_of(url, upstream, is_demo=is_demo)
    if path is None:
        return "in memory: it ends with the service"
    try:
        if size(path):
            _check_file(path, file.Owner(without_login(upstream), is_demo))
            return f"{path}, {size(path) / 1_000_000:.1f} MB"
        _check_folder(path)
    except Corrupt as error:
        return f"{path} is damaged ({error}); the next start moves it aside"
    except OSError as error:
        raise HistoryError(f"{path} cannot be read: {engines.words(error)}") from error
    return f"{path}, not there yet"


def _check_file(path: Path, owner: file.Owner) -> None:
    for place in (path, path.parent):
        if not os.access(place, os.W_OK):
            raise HistoryError(f"{place} may not be written")
    file.judge(path)
    engine = engines.reading(path)
    try:
        with engine.connect() as connection:
            file.version(connection, path)
            file.check_owner(connection, path, owner)
    except engines.ERRORS as error:
        raise HistoryError(f"{path} cannot be read: {engines.words(error)}") from error
    finally:
        engine.dispose()


def _check_folder(path: Path) -> None:
    folder = next(one for one in path.absolute().parents if one.exists())
    if not folder.is_dir():
        raise HistoryError(f"{folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise HistoryError(f"{folder} may not be written")
