"""What the watcher knows, handed to the history; nothing here waits, and no trouble comes back."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

from kato_panel.domain.events import Moment
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.measuring import usual_of
from kato_panel.domain.recorded import AllOpen, AuditEntry, Bucket, Gap, Looked, Note, Sample
from kato_panel.domain.records import Record
from kato_panel.domain.series import MINUTE_SECONDS, SPAN_SECONDS, Minute, Range, Series, draw_week
from kato_panel.domain.telling import Standing, Told
from kato_panel.errors import HistoryError
from kato_panel.history import History, Item
from kato_panel.history.counts import Counts
from kato_panel.history.rows import micros
from kato_panel.history.writer import RECORDS_SINCE

NAME: Final = "history"
LABEL: Final = "History"
SWITCHED_OFF: Final = SourceState(NAME, LABEL, health=Health.OFF, reason="switched off")
SAMPLE_SECONDS: Final = 1.0
"""Between two samples of a count that stays."""
USUAL_MARGIN: Final = timedelta(minutes=30)
"""On both sides of now: what is usual at this hour is what was in it."""
KEYS_SEEN: Final = "keys seen"
"""When the keys were looked at last, in microseconds since 1970: then the records were right."""
EVICTIONS: Final = "keys evicted"
"""As their store counted them then, since it began."""


@dataclass(frozen=True, slots=True)
class _Figures:
    active: int
    reported: int | None
    drift: int | None


class Recorder:
    """
    Turns what follows from observations into items of a history.

    Parameters
    ----------
    history
        Which takes them at once, from any thread.
    open_records
        Gives the ledger's open records; ``None`` where only the count comes.
    generation
        Of the history that the ledger knew at its start; ``None`` if it knew none.
    """

    def __init__(
        self,
        history: History,
        *,
        open_records: Callable[[], Iterable[Record]] | None = None,
        generation: int | None = None,
    ) -> None:
        self._history = history
        self._open_records = open_records
        self._generation = generation
        self._at: Moment | None = None
        self._figures: _Figures | None = None
        self._sampled_tick = 0.0
        self._evictions: int | None = None
        self._good_at: Moment | None = None

    def record(self, told: Told, standing: Standing) -> None:
        """Take what follows from one observation."""
        records = (step.record for step in told.transitions)
        whole = self._tell_whole(standing)
        self._history.record(chain(whole, records, told.events, self._look(told, standing)))

    def _tell_whole(self, standing: Standing) -> Iterator[Item]:
        """Give all that is open, where the history may not know it."""
        generation = self._history.generation
        if self._open_records is None or generation in {None, self._generation}:
            return
        if standing.at is not None and standing.at is not self._at:
            self._generation = generation
            yield AllOpen(standing.at.wall, tuple(self._open_records()))
            # Who came and went in the hole is missing.
            yield Note(RECORDS_SINCE, micros(standing.at.wall), generation)

    def miss(self, gap: Gap) -> None:
        """Take a time in which nobody could look."""
        self._history.record(gap)

    def audit(self, entry: AuditEntry) -> None:
        """Take what somebody did."""
        self._history.record(entry)

    def state(self, at: Moment) -> SourceState:
        """Say how it is with the history, as a source's row does."""
        status = self._history.status
        noun = "item was" if status.lost == 1 else "items were"
        lost = f"{status.lost} {noun} not recorded" if status.lost else ""
        words = "; ".join(filter(None, (status.trouble or status.notice, lost)))
        if status.trouble is None:
            self._good_at = at
        return SourceState(
            NAME,
            LABEL,
            health=Health.UP if status.trouble is None else Health.DEGRADED,
            good_at=self._good_at,
            failures=0 if status.trouble is None else 1,
            reason=words,
        )

    def week(self, until: datetime) -> Series | None:
        """
        Draw the last week; reads the history, and so takes its time.

        Parameters
        ----------
        until
            The newest good observation; UTC.

        Returns
        -------
        Series or None
            ``None`` if nothing is recorded, or the history cannot be read.
        """
        since = until - timedelta(seconds=SPAN_SECONDS[Range.WEEK])
        reader = self._history.reader
        try:
            counts, gaps = reader.counts(since, until), reader.gaps(since, until)
        except HistoryError:
            return None  # its row says why
        return draw_week(
            [minute(bucket) for bucket in counts.rows],
            counts.width_seconds,
            [(gap.began.timestamp(), gap.ended.timestamp()) for gap in gaps],
            until.timestamp(),
        )

    def usual(self, now: datetime) -> tuple[float | None, int]:
        """
        Say how many sessions are usual at this hour; reads the history, as `week` does.

        Parameters
        ----------
        now
            UTC.

        Returns
        -------
        tuple of float and int
            See `kato_panel.domain.measuring.usual_of`.
        """
        reader = self._history.reader
        middles = [now - timedelta(days=days) for days in range(1, 8)]
        try:
            found = [reader.counts(one - USUAL_MARGIN, one + USUAL_MARGIN) for one in middles]
        except HistoryError:
            return None, 0
        return usual_of([row.last for row in counts.rows] for counts in found)

    def _look(self, told: Told, standing: Standing) -> Iterator[Item]:
        """Give the sample of a good observation of the count, or that there was one."""
        at = standing.at
        if at is None or at is self._at or standing.shown is None:
            return
        if self._open_records and standing.evictions not in {None, self._evictions}:
            self._evictions = standing.evictions
            yield Note(EVICTIONS, standing.evictions)
        self._at = at
        figures = _Figures(standing.shown, standing.reported, standing.drift)
        has_moved = figures != self._figures and not told.events  # which carry the count
        if self._figures is None or has_moved or at.tick - self._sampled_tick >= SAMPLE_SECONDS:
            self._figures, self._sampled_tick = figures, at.tick
            yield Sample(at.wall, figures.active, figures.reported, figures.drift)
            if self._open_records and self._generation is not None:
                yield Note(RECORDS_SINCE, micros(at.wall), self._generation, keeps_first=True)
                yield Note(KEYS_SEEN, micros(at.wall), self._generation)
        else:
            yield Looked(at.wall)


def minutes_of(counts: Counts) -> tuple[Minute, ...]:
    """Give the recorded minutes as charts take them; none where only longer stretches are kept."""
    is_fine = counts.width_seconds == MINUTE_SECONDS
    return tuple(map(minute, counts.rows)) if is_fine else ()


def minute(bucket: Bucket) -> Minute:
    """Give a recorded stretch of time as charts take it."""
    start = int(bucket.start.astimezone(UTC).timestamp())
    return Minute(start, bucket.last, bucket.lowest, bucket.highest, bucket.created, bucket.ended)
