"""Data frames of a history, while a service may be writing it."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from kato_panel.domain.rules import Alert
from kato_panel.errors import HistoryError
from kato_panel.frames import (
    Origin,
    Since,
    complete_sessions,
    cut,
    lay_out,
    mark_range,
    time_range,
)
from kato_panel.history import Reader, columns
from kato_panel.history.bulk import bulk_columns, change_columns
from kato_panel.history.parts import Corrupt
from kato_panel.history.place import place_of
from kato_panel.history.reader import event_ids, read_note
from kato_panel.history.rows import maybe, micros, moment
from kato_panel.history.writer import EVENTS_SINCE, LOOKED, RECORDS_SINCE
from kato_panel.recording import KEYS_SEEN

CONTAINER_METRICS: Final = "container_"
ALERTS_PER_PAGE: Final = 1_000
READERS: Final = min(4, os.cpu_count() or 1)
"""Connections that read a range at once, where it may hold a million sessions."""


class HistoryFrames:
    """
    Reads a history as data frames; `kato_panel.open_history` makes it.

    All methods take a range: `since` and `until` are times with a zone, or how long before the
    newest look at upstream; without them everything is read. All frames have an index `time` in
    UTC, the oldest row first, and the same columns of the same types when they are empty.
    ``docs/churn.md`` explains the columns.

    Parameters
    ----------
    reader
        Gives the reading side; asked each time.
    """

    def __init__(self, reader: Callable[[], Reader]) -> None:
        self._reader = reader

    @property
    def reader(self) -> Reader:
        """The reading side."""
        return self._reader()

    def close(self) -> None:
        """End it. Closing twice is allowed."""
        self._reader().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def origin(self) -> Origin:
        """Say whom it records, and when that was observed last."""
        reader = self._reader()
        owner = reader.owner()
        upstream = "" if owner.is_demo else owner.upstream
        return Origin(upstream, owner.is_demo, reader.last_seen())

    def watched(self) -> tuple[datetime | None, datetime | None]:
        """
        Say from when to when sessions were watched one by one, which takes Redis.

        Returns
        -------
        tuple of datetime or None
            From the first on, every session that was alive is in ``sessions()``; at the second
            the keys were looked at last. UTC; ``None`` if they never were.
        """
        reader = self._reader()
        with reader.reading() as connection:
            since = _records_since(connection)
        until = reader.note(KEYS_SEEN)
        return (
            maybe(moment, since),
            maybe(moment, until),
        )

    def events_since(self) -> datetime | None:
        """
        Say from when on every event is in ``events()``; the count is known from longer ago.

        Returns
        -------
        datetime or None
            UTC; ``None`` if nothing was observed.
        """
        with self._reader().reading() as connection:
            noted = read_note(connection, EVENTS_SINCE)
            return maybe(moment, columns.first_single(connection) if noted is None else noted)

    def sessions(
        self, since: Since = None, until: Since = None, *, node: str | None = None
    ) -> pd.DataFrame:
        """
        List the sessions that were alive in a range.

        They are known one by one where upstream's Redis is watched, and nowhere else.

        Parameters
        ----------
        since, until
            From `since` to before `until`: times with a zone, or how long before the newest look.
        node
            Only those of this node.

        Returns
        -------
        pandas.DataFrame
            One row per session, oldest first; index `time`: when it was created, or else seen
            first; columns: `session_id` (string), `node` (category), `created` (when, or ``NaT``),
            `entered` (from when on its end would have been noticed), `last_seen` (the newest
            moment at which it was known to live), `ended_earliest`, `ended_latest` (it ended
            between these; ``NaT`` while it is open), `lifetime` (timedelta, to the middle of
            these), `lifetime_width` (timedelta, between these), `reason` (category),
            `ttl_seconds` (Float64), `born_by`, `ended_by` (category: how that is known).
        """
        began, found, mark = self._watched(
            since, until, lambda held, span: columns.session_columns(held[0], span, node)
        )
        return mark(complete_sessions(began, found))

    def lives(
        self,
        since: Since = None,
        until: Since = None,
        *,
        node: str | None = None,
        with_ttl: bool = False,
    ) -> pd.DataFrame:
        """
        List the sessions that were alive in a range, as far as lifetimes need them.

        Parameters
        ----------
        since, until, node
            See `sessions`.
        with_ttl
            Whether `ttl_seconds` is wanted.

        Returns
        -------
        pandas.DataFrame
            As of `sessions`, in a fraction of the time; without `session_id`, `lifetime`,
            `lifetime_width` and `ended_by`. `last_seen` of those that ended is their end.
        """
        began, found, mark = self._watched(
            since, until, lambda held, span: bulk_columns(held, span, with_ttl=with_ttl), READERS
        )
        names = pd.Categorical(pd.Index(found.pop("nodes"), dtype="str"))
        places = np.append(names.codes, -1)[found["node"]]
        found["node"] = pd.Categorical.from_codes(places, names.categories)
        lives = mark(lay_out("sessions", began, found))
        return lives if node is None else lives[lives["node"] == node]

    def _watched(
        self,
        since: Since,
        until: Since,
        read: Callable[[Sequence[Connection], columns.Range], columns.Columns],
        readers: int = 1,
    ) -> tuple[Any, dict[str, Any], Callable[[pd.DataFrame], pd.DataFrame]]:
        """Read sessions, say how each of them was watched, and how to mark a frame of them."""
        reader = self._reader()
        span = _span(reader, since, until)
        with reader.reading_at_once(readers) as connections:
            found: dict[str, Any] = read(connections, span)
            first = _records_since(connections[0])
            gaps = columns.gap_columns(connections[0], (None, span[1]))
        looked = reader.note(KEYS_SEEN)
        began = found.pop("began")
        found["entered"] = _entered(began, first, gaps)
        seen, is_open = found.pop("seen"), found["ended_latest"] == columns.UNKNOWN
        found["last_seen"] = (
            seen if looked is None else np.where(is_open, np.maximum(seen, looked), seen)
        )
        mark: Callable[[pd.DataFrame], pd.DataFrame] = partial(_mark, (first, looked), span, gaps)
        return began, found, mark

    def events(
        self, since: Since = None, until: Since = None, *, node: str | None = None
    ) -> pd.DataFrame:
        """
        List events, in the order in which they were recorded.

        Parameters
        ----------
        since, until
            When they were detected; see `sessions`.
        node
            Only those that name this node.

        Returns
        -------
        pandas.DataFrame
            One row per event; index `time`; columns: `kind` (category), `delta`, `previous`,
            `current` (Int64, sessions), `source`, `reason` (category), `session_ids`, `node_ids`
            (lists), `after_gap_seconds` (Float64).
        """
        with self._range(since, until) as (connection, span):
            ids = event_ids(connection, *span)
            found = columns.event_columns(connection, span, ids, node)
        return lay_out("events", found.pop("at"), found)

    def changes(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List events as far as rates need them.

        Parameters
        ----------
        since, until
            See `sessions`.

        Returns
        -------
        pandas.DataFrame
            As of `events`, in a fraction of the time; with `kind`, `delta`, `source` and
            `after_gap_seconds` only.
        """
        with self._range(since, until) as (connection, span):
            found = change_columns(connection, span, event_ids(connection, *span))
        return lay_out("events", found.pop("at"), found)

    def counts(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List the count over time.

        Parameters
        ----------
        since, until
            See `sessions`.

        Returns
        -------
        pandas.DataFrame
            One row per change, oldest first, and one for the newest observation; index `time`;
            column: `active` (Int64, sessions from this time on; ``<NA>`` where a time begins that
            was not observed). Where single observations are not kept any more, each minute or
            hour has its lowest, its highest and its last count, at its thirds.
        """
        reader = self._reader()
        with self._range(since, until) as (connection, span):
            ids = event_ids(connection, *span)
            steps = columns.step_columns(connection, span, ids)
            gaps = columns.gap_columns(connection, span)
        times, active = _cut_gaps(steps["at"], steps["active"], gaps, reader.note(LOOKED))
        counts = pd.array(np.where(np.isnan(active), 0, active).astype(np.int64), dtype="Int64")
        counts[np.isnan(active)] = pd.NA
        bounds = (None if bound is None else pd.Timestamp(moment(bound)) for bound in span)
        return cut(lay_out("counts", times, {"active": counts}), *bounds)

    def alerts(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List alerts by when they fired.

        Parameters
        ----------
        since, until
            When they fired; see `sessions`.

        Returns
        -------
        pandas.DataFrame
            One row per alert; index `time`: when it fired; columns: `alert_id` (string), `rule`,
            `subject`, `severity`, `metric` (category), `value`, `threshold` (Float64), `pending`
            (when it was wrong first), `resolved` (when it was over; ``NaT`` while it fires),
            `lasted` (timedelta), `reason` (string: why it was over), `acknowledged` (when, or
            ``NaT``), `acknowledged_by` (string).
        """
        reader = self._reader()
        with self._range(since, until) as (_, span):
            first, after = (maybe(moment, bound) for bound in span)
        entries: list[Any] = []
        cursor: str | None = None
        while True:
            page = reader.alerts(first, after, limit=ALERTS_PER_PAGE, cursor=cursor)
            entries += page.rows
            cursor = page.next
            if cursor is None:
                break
        entries.reverse()
        alerts: list[Alert] = [entry.alert for entry in entries]
        ends = [None if one.resolved_at is None else one.resolved_at.wall for one in alerts]
        fired = [alert.fired_at.wall for alert in alerts]
        return lay_out(
            "alerts",
            fired,
            {
                "alert_id": [alert.id for alert in alerts],
                "rule": [alert.rule.name for alert in alerts],
                "subject": [alert.subject or None for alert in alerts],
                "severity": [alert.rule.severity.value for alert in alerts],
                "metric": [alert.rule.metric for alert in alerts],
                "value": [alert.value for alert in alerts],
                "threshold": [float(alert.rule.threshold) for alert in alerts],
                "pending": [alert.pending_at.wall for alert in alerts],
                "resolved": ends,
                "lasted": [end and end - at for end, at in zip(ends, fired, strict=True)],
                "reason": [alert.reason for alert in alerts],
                "acknowledged": [entry.acknowledged_at for entry in entries],
                "acknowledged_by": [entry.acknowledged_by for entry in entries],
            },
        )

    def containers(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List the figures of the containers that KATO runs in.

        Parameters
        ----------
        since, until
            See `sessions`.

        Returns
        -------
        pandas.DataFrame
            One row per figure, oldest first; index `time`; columns: `container`, `metric`
            (category), `value` (Float64, in the unit of the metric, as
            `kato_panel.domain.metrics` has it). Where single values are not kept any more, one a
            minute: its last.
        """
        with self._range(since, until) as (connection, span):
            found = columns.figure_columns(connection, span, CONTAINER_METRICS)
        found["container"] = found.pop("subject")
        return lay_out("containers", found.pop("at"), found)

    def gaps(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List the times in which nobody could look, or nobody was there to, that touch a range.

        Parameters
        ----------
        since, until
            See `sessions`.

        Returns
        -------
        pandas.DataFrame
            One row per gap, oldest first; index `time`: when it began; column: `ended` (when).
        """
        with self._range(since, until) as (connection, span):
            found = columns.gap_columns(connection, span)
        return lay_out("gaps", found.pop("began"), found)

    @contextmanager
    def _range(self, since: Since, until: Since) -> Iterator[tuple[Connection, columns.Range]]:
        reader = self._reader()
        span = _span(reader, since, until)
        with reader.reading() as connection:
            yield connection, span


def _span(reader: Reader, since: Since, until: Since) -> columns.Range:
    first, after = time_range(since, until, reader.last_seen())
    return maybe(micros, first), maybe(micros, after)


def open_history(place: str | Path) -> HistoryFrames:
    """
    Open a history to read it, whether or not a service is writing it.

    Parameters
    ----------
    place
        Its file, or its address as ``sqlite:///history.db``.

    Raises
    ------
    HistoryError
        If it is not there, not one of ours, damaged, or of another version. It is never changed.

    Examples
    --------
    >>> open_history("not-there.db")
    Traceback (most recent call last):
    kato_panel.errors.HistoryError: not-there.db cannot be read: No such file or directory
    """
    is_address = isinstance(place, str) and "://" in place
    path = place_of(str(place), "", is_demo=False) if is_address else Path(place).expanduser()
    if path is None:
        raise HistoryError(f"{place} is in memory, and known to its own process only")
    try:
        reader = Reader.open(path)
    except Corrupt as error:
        raise HistoryError(f"{path} is damaged: {error}") from error
    return HistoryFrames(lambda: reader)


def _records_since(connection: Connection) -> int | None:
    """Return from when on the records are complete: noted, or else from the first birth seen."""
    noted = read_note(connection, RECORDS_SINCE)
    return columns.first_birth(connection) if noted is None else noted


def _entered(began: Any, first: int | None, gaps: columns.Columns) -> Any:
    """
    Say from when on the end of each session would have been noticed.

    Who was born in a gap would not be known if they had ended in it.
    """
    entered = began if first is None else np.maximum(began, first)
    if not len(gaps["began"]):
        return entered
    ends = np.maximum.accumulate(gaps["ended"])
    place = np.searchsorted(gaps["began"], began, side="right") - 1
    is_inside = (place >= 0) & (began < ends[place])
    return np.where(is_inside, np.maximum(entered, ends[place]), entered)


def _mark(
    watched: columns.Range, span: columns.Range, gaps: columns.Columns, frame: pd.DataFrame
) -> pd.DataFrame:
    """Note what range a frame of sessions is of, if any was watched."""
    if watched[0] is None or watched[1] is None:
        return frame
    since = max(watched[0], watched[0] if span[0] is None else span[0])
    until = min(watched[1], watched[1] if span[1] is None else span[1])
    spans = zip(gaps["began"].tolist(), gaps["ended"].tolist(), strict=True)
    inside = [(a, b) for a, b in spans if a < until and b > since]
    return mark_range(
        frame, moment(since), moment(until), [(moment(a), moment(b)) for a, b in inside]
    )


def _cut_gaps(
    times: Any, active: Any, gaps: columns.Columns, looked: int | None
) -> tuple[Any, Any]:
    """Cut the gaps out of a step line, keep its changes, and let it reach the newest look."""
    if not len(times):
        return times, active.astype(float)
    values = active.astype(float)
    starts, ends = gaps["began"], gaps["ended"]
    if looked is not None and looked > times[-1]:
        times, values = np.append(times, looked), np.append(values, values[-1])
    is_inside = np.zeros(len(times), dtype=bool)
    if len(starts):
        place = np.searchsorted(starts, times, side="left") - 1
        is_inside = (place >= 0) & (times < ends[place])
    before = np.searchsorted(times, ends, side="right") - 1
    resumed = np.where(before >= 0, values[before], np.nan)
    times = np.concatenate([times[~is_inside], starts, ends]).astype(np.int64)
    values = np.concatenate([values[~is_inside], np.full(len(starts), np.nan), resumed])
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    is_last = np.append(times[1:] != times[:-1], True)
    times, values = times[is_last], values[is_last]
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    is_kept = np.append(True, ~same)
    is_kept[-1] = True
    return times[is_kept], values[is_kept]
