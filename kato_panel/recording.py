"""What the watcher knows, handed to the history; nothing here waits, and no trouble comes back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

from kato_panel.domain.events import Moment
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.recorded import AuditEntry, Bucket, Gap, Looked, Note, Sample
from kato_panel.domain.series import SPAN_SECONDS, Minute, Range, Series, draw_week
from kato_panel.domain.telling import Standing, Told
from kato_panel.errors import HistoryError
from kato_panel.history import History, Item

NAME: Final = "history"
LABEL: Final = "History"
SAMPLE_SECONDS: Final = 1.0
"""Between two samples of a count that stays."""
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
    has_records
        Whether the ledger's records come, and not the count alone.
    """

    def __init__(self, history: History, *, has_records: bool = False) -> None:
        self._history = history
        self._has_records = has_records
        self._at: Moment | None = None
        self._figures: _Figures | None = None
        self._sampled_tick = 0.0
        self._evictions: int | None = None
        self._good_at: Moment | None = None

    def record(self, told: Told, standing: Standing) -> None:
        """Take what follows from one observation."""
        records = (step.record for step in told.transitions)
        self._history.record(chain(records, told.events, self._look(told, standing)))

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

    def _look(self, told: Told, standing: Standing) -> Iterator[Item]:
        """Give the sample of a good observation of the count, or that there was one."""
        at = standing.at
        if at is None or at is self._at or standing.shown is None:
            return
        if self._has_records and standing.evictions not in {None, self._evictions}:
            self._evictions = standing.evictions
            yield Note(EVICTIONS, standing.evictions)
        self._at = at
        figures = _Figures(standing.shown, standing.reported, standing.drift)
        has_moved = figures != self._figures and not told.events  # which carry the count
        if self._figures is None or has_moved or at.tick - self._sampled_tick >= SAMPLE_SECONDS:
            self._figures, self._sampled_tick = figures, at.tick
            yield Sample(at.wall, figures.active, figures.reported, figures.drift)
            if self._has_records:
                yield Note(KEYS_SEEN, round(at.wall.timestamp() * 1e6))
        else:
            yield Looked(at.wall)


def minute(bucket: Bucket) -> Minute:
    """Give a recorded stretch of time as charts take it."""
    start = int(bucket.start.astimezone(UTC).timestamp())
    return Minute(start, bucket.last, bucket.lowest, bucket.highest, bucket.created, bucket.ended)
