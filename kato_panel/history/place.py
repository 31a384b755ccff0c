"""Where a history is, from the setting or from whom it records."""

import hashlib
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import platformdirs
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from kato_panel.errors import HistoryError

OFF: Final = "off"
MEMORY: Final = "sqlite://"
ALLOWED: Final = "must be sqlite:///path, sqlite:// for one in memory, or off"


def place_of(url: str | None, upstream: str, *, is_demo: bool) -> Path | None:
    """
    Find the file of a history.

    Parameters
    ----------
    url
        An SQLAlchemy URL; ``None`` for the usual place, a file for each upstream.
    upstream
        Its address.
    is_demo
        Whether it is the demo's.

    Returns
    -------
    Path or None
        ``None`` for a history in memory.

    Raises
    ------
    HistoryError
        If the URL is none of SQLite's.
    """
    if url is None:
        folder = platformdirs.user_data_path("kato-panel", appauthor=False)
        return folder / "history" / _name(upstream, is_demo=is_demo)
    try:
        parsed = make_url(url)
    except SQLAlchemyError as error:
        raise HistoryError(f"the history's address cannot be read, {ALLOWED}") from error
    if parsed.get_backend_name() != "sqlite" or parsed.host or parsed.query:
        raise HistoryError(f"the history's address begins with {parsed.drivername}, {ALLOWED}")
    if parsed.database in {None, "", ":memory:"}:
        return None
    return Path(str(parsed.database)).expanduser()


def without_login(upstream: str) -> str:
    """Take user and password out of an address."""
    parts = urlsplit(upstream)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _name(upstream: str, *, is_demo: bool) -> str:
    if is_demo:
        return "demo.db"
    address = without_login(upstream)
    word = re.sub(r"[^a-z0-9.-]+", "_", urlsplit(address).netloc.lower()).strip("_.")[:60]
    return f"{word}-{hashlib.sha256(address.encode()).hexdigest()[:8]}.db"
