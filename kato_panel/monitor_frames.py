"""The frames of a monitor: from the history it keeps, or else from memory."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import pandas as pd

from kato_panel.errors import HistoryError
from kato_panel.frames import Origin, Since, count_frame, empty_frame, event_frame
from kato_panel.history import History
from kato_panel.history_frames import HistoryFrames
from kato_panel.hub import MAX_KEPT_EVENTS
from kato_panel.models import EventLog, SessionSeries

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

FLUSH_SECONDS: Final = 1.0
"""For how long at most a frame waits for what was observed just now."""


class MonitorFrames(ABC):
    """
    What a `kato_panel.Monitor` can lay out as data frames.

    They are the same as those of `kato_panel.open_history`. A monitor that does not run, or has
    ``history="off"``, gives what is in memory: events and counts, and nothing of the others.
    """

    @property
    @abstractmethod
    def event_log(self) -> EventLog:
        """The newest events."""

    @property
    @abstractmethod
    def chart(self) -> SessionSeries:
        """What charts show."""

    @abstractmethod
    def _origin(self) -> Origin:
        """Say what is watched, where no history says it."""

    @abstractmethod
    def _history(self) -> History | None:
        """Return the history that is kept now, if one is."""

    def origin(self) -> Origin:
        """Say what is watched, and when it was observed last."""
        return self._ask(HistoryFrames.origin, self._origin)

    def watched(self) -> tuple[datetime | None, datetime | None]:
        """
        Say from when to when sessions were watched one by one, which takes Redis.

        Returns
        -------
        tuple of datetime or None
            See `kato_panel.history_frames.HistoryFrames.watched`; without a history, nothing.
        """
        return self._ask(HistoryFrames.watched, lambda: (None, None))

    def events_since(self) -> datetime | None:
        """
        Say from when on every event is in ``events()``.

        Returns
        -------
        datetime or None
            UTC; ``None`` if nothing was observed, or, without a history, if no event was given up.
        """
        return self._ask(HistoryFrames.events_since, self._remembered_since)

    def _remembered_since(self) -> datetime | None:
        events = self.event_log.events
        return events[0].at if len(events) >= MAX_KEPT_EVENTS else None

    def sessions(
        self, since: Since = None, until: Since = None, *, node: str | None = None
    ) -> pd.DataFrame:
        """
        List the sessions that were alive in a range, as far as they are known one by one.

        Parameters
        ----------
        since, until, node
            See `kato_panel.history_frames.HistoryFrames.sessions`.

        Returns
        -------
        pandas.DataFrame
            The same as there. Empty without ``REDIS_URL``, with ``history="off"``, and while this
            monitor does not run.
        """
        read = partial(HistoryFrames.sessions, since=since, until=until, node=node)
        return self._ask(read, partial(empty_frame, "sessions"))

    def lives(
        self,
        since: Since = None,
        until: Since = None,
        *,
        node: str | None = None,
        with_ttl: bool = False,
    ) -> pd.DataFrame:
        """
        List what lifetimes are made of.

        Parameters
        ----------
        since, until, node, with_ttl
            See `kato_panel.history_frames.HistoryFrames.lives`.

        Returns
        -------
        pandas.DataFrame
            The same as there; empty where `sessions` is.
        """
        read = partial(HistoryFrames.lives, since=since, until=until, node=node, with_ttl=with_ttl)
        return self._ask(read, partial(empty_frame, "sessions"))

    def events(
        self, since: Since = None, until: Since = None, *, node: str | None = None
    ) -> pd.DataFrame:
        """
        List the events that were recorded; without a history, the newest 5,000 at most.

        Parameters
        ----------
        since, until
            Times with a zone, or how long ago; all if they are not given.
        node
            Only those that name this node.

        Returns
        -------
        pandas.DataFrame
            One row per event, oldest first; index `time`: datetime64 UTC; columns: `kind`
            (category), `delta`, `previous`, `current` (Int64, sessions), `source`, `reason`
            (category), `session_ids`, `node_ids` (lists), `after_gap_seconds` (Float64); empty,
            with these columns, if nothing happened.
        """
        read = partial(HistoryFrames.events, since=since, until=until, node=node)
        return self._ask(read, lambda: event_frame(self.event_log.events, since, until, node))

    def changes(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List events as far as rates need them.

        Parameters
        ----------
        since, until
            See `kato_panel.history_frames.HistoryFrames.changes`.

        Returns
        -------
        pandas.DataFrame
            The same as there; without a history, of the newest 5,000 at most.
        """
        read = partial(HistoryFrames.changes, since=since, until=until)
        return self._ask(read, lambda: event_frame(self.event_log.events, since, until))

    def counts(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List the count over time; without a history, what charts show of the last day.

        Parameters
        ----------
        since, until
            Times with a zone, or how long ago; all if they are not given.

        Returns
        -------
        pandas.DataFrame
            One row per change, oldest first; index `time`: datetime64 UTC; column: `active`
            (Int64, sessions), the count from this time on, ``<NA>`` where a time that was not
            observed begins; empty, with this column, if nothing is known.
        """
        read = partial(HistoryFrames.counts, since=since, until=until)
        return self._ask(read, lambda: count_frame(self.chart.series, since, until))

    def alerts(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List alerts by when they fired.

        Parameters
        ----------
        since, until
            See `kato_panel.history_frames.HistoryFrames.alerts`.

        Returns
        -------
        pandas.DataFrame
            The same as there; empty with ``history="off"``, and while this monitor does not run.
        """
        read = partial(HistoryFrames.alerts, since=since, until=until)
        return self._ask(read, partial(empty_frame, "alerts"))

    def containers(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List the figures of the containers that KATO runs in.

        Parameters
        ----------
        since, until
            See `kato_panel.history_frames.HistoryFrames.containers`.

        Returns
        -------
        pandas.DataFrame
            The same as there; empty with ``history="off"``, and while this monitor does not run.
        """
        read = partial(HistoryFrames.containers, since=since, until=until)
        return self._ask(read, partial(empty_frame, "containers"))

    def gaps(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """
        List the times in which nobody could look, or nobody was there to, that touch a range.

        Parameters
        ----------
        since, until
            See `kato_panel.history_frames.HistoryFrames.gaps`.

        Returns
        -------
        pandas.DataFrame
            The same as there; empty with ``history="off"``, and while this monitor does not run.
        """
        read = partial(HistoryFrames.gaps, since=since, until=until)
        return self._ask(read, partial(empty_frame, "gaps"))

    def _ask(self, read: Callable[[HistoryFrames], Value], remember: Callable[[], Value]) -> Value:
        """Read the history up to now; where none is kept, or it cannot be read, remember."""
        history = self._history()
        if history is None:
            return remember()
        history.flush(FLUSH_SECONDS)
        try:
            return read(HistoryFrames(lambda: history.reader))
        except HistoryError as error:
            logger.warning("the history cannot be read, what is in memory is given: %s", error)
            return remember()
