"""Which history the command line reads, and which range of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kato_panel import config
from kato_panel.config import split_login
from kato_panel.domain.event_query import read_time
from kato_panel.errors import HistoryError, QueryError
from kato_panel.history import OFF
from kato_panel.history.place import place_of
from kato_panel.history_frames import HistoryFrames, open_history

SETTING: Final = "KATO_PANEL_HISTORY_URL"


def find_history(place: str | None) -> HistoryFrames:
    """
    Open the history that is named, or else the one that the service keeps; read-only.

    Raises
    ------
    ConfigError
        If a setting is wrong.
    HistoryError
        If there is none, or it cannot be read.
    """
    if place is not None:
        return open_history(place)
    path = usual_history()
    try:
        return open_history(path)
    except HistoryError as error:
        raise HistoryError(
            f"{error}; set {SETTING} and KATO_API_URL as the service has them, "
            "or name a file with --history"
        ) from error


def usual_history() -> Path:
    """Find the history of the service that has these settings."""
    settings = config.load()
    if settings.history_url == OFF:
        raise HistoryError("no history is kept: name one by --history")
    upstream = split_login(settings.kato_api_url or "")[0]
    path = place_of(settings.history_url, upstream, is_demo=settings.is_demo)
    if path is None:
        raise HistoryError("the history is in memory: name a file by --history")
    return path


def read_range(
    frames: HistoryFrames, since: str, until: str | None
) -> tuple[datetime, datetime | None]:
    """
    Read a range; how long ago is counted from the newest look.

    Raises
    ------
    QueryError
        If one is no time, or the range is empty.
    """
    newest = frames.origin().looked or datetime.now(UTC)
    first, after = read_time("since", since, newest), read_time("until", until, newest)
    if first is None or (after is not None and first >= after):
        raise QueryError("until", until, f"later than since, {since}")
    return first, after
