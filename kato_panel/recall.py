"""What an earlier run left in the history, as a start needs it."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from kato_panel.domain.alert_book import MAX_RECENT
from kato_panel.domain.events import Moment, SessionEvent
from kato_panel.domain.recorded import AlertEntry, Gap, OutboxEntry, Silence
from kato_panel.domain.records import Record
from kato_panel.domain.series import SPAN_SECONDS, Minute, Range
from kato_panel.domain.timeline import Timeline
from kato_panel.errors import HistoryError
from kato_panel.history import Reader
from kato_panel.history.pages import walk
from kato_panel.history.rows import moment
from kato_panel.hub import MAX_KEPT_EVENTS
from kato_panel.recording import EVICTIONS, KEYS_SEEN, minutes_of

logger = logging.getLogger(__name__)

EVENTS_PER_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Recalled:
    """
    What an earlier run knew.

    Parameters
    ----------
    seen_at
        Its newest good observation, UTC; ``None`` if there was none.
    records
        The sessions that were open then; ``None`` if it never knew them.
    keys_seen_at
        When the keys were looked at last, for the ledger; ``None`` if they never were. Runs that
        only counted may have come after it. Nobody's ticks go that far.
    evictions
        Keys that their store had evicted by then.
    events
        The newest, oldest first, numbered from 1: the events of this start go on from there.
    minutes, gaps
        Of its last day, oldest first.
    alerts
        The newest, among them all that were not over; the oldest first.
    silences
        Those that still last.
    unsent
        Notices that nobody has taken yet.
    is_read
        Whether the history could be read at all.
    """

    seen_at: datetime | None = None
    records: tuple[Record, ...] | None = None
    keys_seen_at: Moment | None = None
    evictions: int | None = None
    events: tuple[SessionEvent, ...] = ()
    minutes: tuple[Minute, ...] = ()
    gaps: tuple[Gap, ...] = ()
    alerts: tuple[AlertEntry, ...] = ()
    silences: tuple[Silence, ...] = ()
    unsent: tuple[OutboxEntry, ...] = ()
    is_read: bool = False

    def fill(self, timeline: Timeline) -> None:
        """Give a timeline back what charts showed."""
        if self.seen_at is not None:
            timeline.restore(self.minutes, self.events, self.gaps, self.seen_at)


def recall(reader: Reader, now: datetime) -> Recalled:
    """
    Read what an earlier run knew.

    Parameters
    ----------
    reader
        Of the history.
    now
        UTC; whatever a clock that was ahead has left beyond it moves no chart.

    Returns
    -------
    Recalled
        Empty where the history is, or cannot be read.
    """
    try:
        return _read(reader, now)
    except HistoryError as error:
        logger.warning("nothing is known of earlier runs: %s", error)
        return Recalled()


def _read(reader: Reader, now: datetime) -> Recalled:
    # Alerts there may be of a service that was never seen.
    known = {one.alert.id: one for one in reversed(reader.alerts(limit=MAX_RECENT).rows)}
    firing = {one.alert.id: one for one in reader.firing_alerts()}
    recalled = Recalled(
        alerts=tuple(sorted({**known, **firing}.values(), key=_fired_at)),
        silences=reader.silences(now),
        unsent=reader.unsent(),
        is_read=True,
    )
    last = reader.last_seen()
    return recalled if last is None else _read_sessions(reader, now, last, recalled)


def _fired_at(entry: AlertEntry) -> datetime:
    return entry.alert.fired_at.wall


def _read_sessions(reader: Reader, now: datetime, last: datetime, recalled: Recalled) -> Recalled:
    micros = reader.note(KEYS_SEEN)
    keys_seen_at = None if micros is None else moment(micros)
    events = _read_events(reader)
    # The last events may have been written without a look after them.
    seen_at = min(now, max([last, *(event.at for event in events[-1:])]))
    since = seen_at - timedelta(seconds=SPAN_SECONDS[Range.DAY])
    return replace(
        recalled,
        seen_at=seen_at,
        records=None if keys_seen_at is None else reader.open_records(),
        keys_seen_at=None if keys_seen_at is None else Moment(min(now, keys_seen_at), 0.0),
        evictions=reader.note(EVICTIONS),
        events=events,
        minutes=minutes_of(reader.counts(since, seen_at)),
        gaps=reader.gaps(since, seen_at),
    )


def _read_events(reader: Reader) -> tuple[SessionEvent, ...]:
    newest_first = walk(lambda cursor: reader.events(limit=EVENTS_PER_PAGE, cursor=cursor))
    kept = [*islice(newest_first, MAX_KEPT_EVENTS)]
    return tuple(replace(one.event, seq=seq) for seq, one in enumerate(reversed(kept), 1))
