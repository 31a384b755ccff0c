"""Data frames of what is known; their columns have the same types when they are empty."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from kato_panel.domain.events import SessionEvent
from kato_panel.domain.series import SPAN_SECONDS, Range, Series

KINDS: Final = ["session_created", "session_destroyed"]
SOURCES: Final = ["http", "stream", "redis"]
REASONS: Final = ["deleted", "expired", "evicted", "unknown"]

Since = datetime | timedelta | None
"""A time with a zone, or how long ago."""


def event_frame(events: Sequence[SessionEvent], since: Since) -> pd.DataFrame:
    """
    Lay out events; see `kato_panel.Monitor.events`.

    Raises
    ------
    ValueError
        If `since` is a time without a zone.
    """
    first = _first_time(since)
    told = [event for event in events if first is None or event.at >= first]
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical([event.kind.value for event in told], KINDS),
            "delta": pd.array([event.delta for event in told], dtype="Int64"),
            "previous": pd.array([event.previous for event in told], dtype="Int64"),
            "current": pd.array([event.current for event in told], dtype="Int64"),
            "source": pd.Categorical([event.source for event in told], SOURCES),
            "reason": pd.Categorical([event.reason for event in told], REASONS),
            "session_ids": _objects([[name.session_id for name in e.names] for e in told]),
            "node_ids": _objects([[name.node_id for name in e.names] for e in told]),
            "after_gap_seconds": pd.array(
                [event.after_gap_seconds for event in told], dtype="Float64"
            ),
        },
    )
    frame.index = _utc_index([event.at for event in told])
    return frame


def count_frame(known: Mapping[Range, Series], since: Since) -> pd.DataFrame:
    """
    Lay out the count over time; see `kato_panel.Monitor.counts`.

    Raises
    ------
    ValueError
        If `since` is a time without a zone.
    """
    first = _first_time(since)
    wanted = timedelta() if first is None else pd.Timestamp.now(tz="UTC") - first
    spans = (Range.HOUR, Range.DAY, Range.WEEK)
    span = next((s for s in spans if wanted <= timedelta(seconds=SPAN_SECONDS[s])), Range.WEEK)
    series = known.get(span)
    times, active = (series.times, series.active) if series else ((), ())
    frame = pd.DataFrame({"active": pd.array(list(active), dtype="Int64")})
    frame.index = _utc_index([pd.Timestamp(time, unit="s", tz="UTC") for time in times])
    return frame if first is None else frame[frame.index >= first]


def _first_time(since: Since) -> pd.Timestamp | None:
    if since is None:
        return None
    if isinstance(since, timedelta):
        return pd.Timestamp.now(tz="UTC") - since
    if since.tzinfo is None:
        raise ValueError(f"since is {since!r}, must have a time zone")
    return pd.Timestamp(since).tz_convert("UTC")


def _utc_index(times: list[Any]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(times, utc=True), name="time").as_unit("us")


def _objects(lists: list[list[Any]]) -> Any:
    column = np.empty(len(lists), dtype=object)
    column[:] = lists
    return column
