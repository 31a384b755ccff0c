"""
Answers questions of churn for all visits, one at a time, on a thread of its own.

Whoever asks the same within a minute gets the same answer, and who groups it otherwise an answer
from the same rows, which are not read again. Nothing here loads pandas before
somebody asks, so a service whose tab nobody opens is as lean as before.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

from kato_panel.domain.churn_questions import Question
from kato_panel.errors import HistoryError, KatoPanelError, TooLittle

if TYPE_CHECKING:
    from kato_panel.churn_report import Reading, Report
    from kato_panel.churning import Frames

logger = logging.getLogger(__name__)

SHARED_SECONDS: Final = 55.0
"""For so long an answer holds; a page asks each minute."""
FRESH_SECONDS: Final = 3.0
"""For who asks anew on purpose."""
MAX_KEPT: Final = 16
MAX_ROWS: Final = 2_000_000
"""Of what is read at once and kept for other questions of the same range; 80 bytes each."""
MAX_WAITING: Final = 8
MEDIAN_SECONDS: Final = 120.0
"""Between two looks at the median lifetime, at least."""
LONG_SECONDS: Final = 0.5
"""What takes longer to be read is read once between two looks at the median, not each minute."""
READ_SECONDS: Final = MEDIAN_SECONDS + 20.0
FIRST_SECONDS: Final = 8.0
SHARE: Final = 0.02
"""Of the time, at most, that goes into it."""
END_SECONDS: Final = 2.0
OLD: Final = timedelta(minutes=15)
"""A median of the day before is not the present one."""
MEDIAN_SPAN: Final = "24h"
NO_HISTORY: Final = "no history is kept: KATO_PANEL_HISTORY_URL is off"
NO_RECORDS: Final = "takes KATO's Redis: REDIS_URL"
NOT_YET: Final = "not measured yet"
BROKE: Final = "the measurement broke; the log says how"
BUSY: Final = "too many different ranges are asked for at once; try again in a moment"
ENDED: Final = "the service is ending"


@dataclass(frozen=True, slots=True)
class MedianLifetime:
    """
    The median lifetime, as it was measured last.

    Parameters
    ----------
    value_seconds, low_seconds, high_seconds
        With bounds of 95 %; ``None`` where not known.
    window_seconds
        Over how long.
    reason
        Why it is not known; empty if it is.
    curve
        The share that reaches an age: pairs of that age in seconds and the share, for a small
        picture.
    """

    value_seconds: float | None = None
    low_seconds: float | None = None
    high_seconds: float | None = None
    window_seconds: float = timedelta(days=1).total_seconds()
    reason: str = NOT_YET
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(slots=True)
class _Kept:
    answer: "Future[Report]"
    at: float = 0.0
    """When it was there; on the monotonic clock."""


class ChurnDesk:
    """
    Answers questions of churn.

    Parameters
    ----------
    frames
        Gives who is asked for frames; called on the desk's thread. ``None`` where no history is
        kept.
    has_records
        Whether sessions are known one by one, so that there are lifetimes.
    """

    def __init__(
        self, frames: "Callable[[], Frames | None] | None", *, has_records: bool = False
    ) -> None:
        self._frames = frames
        self._lock = threading.Lock()
        self._kept: dict[Question, _Kept] = {}
        self._waiting = 0
        self._reading: tuple[str, float, Reading] | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="kato-panel-churn")
        self._over = threading.Event()
        self._timer: threading.Thread | None = None
        reason = NO_HISTORY if frames is None else NOT_YET if has_records else NO_RECORDS
        self._median = MedianLifetime(reason=reason)
        self._measures = frames is not None and has_records

    @property
    def median(self) -> MedianLifetime:
        """The median lifetime of the last day, as it was measured last."""
        return self._median

    def start(self) -> None:
        """Begin to measure the median lifetime every few minutes, where there is one."""
        if self._measures:
            self._timer = threading.Thread(
                target=self._keep_measuring, name="kato-panel-median", daemon=True
            )
            self._timer.start()

    def close(self) -> None:
        """End it. Closing twice is allowed."""
        self._over.set()
        self._worker.shutdown(wait=False, cancel_futures=True)
        if self._timer is not None:
            self._timer.join(END_SECONDS)

    def ask(self, question: Question, *, anew: bool = False) -> "Future[Report]":
        """
        Ask; the answer may be shared with others.

        Parameters
        ----------
        question
            What is wanted.
        anew
            Whether an answer of a moment ago is too old.

        Returns
        -------
        concurrent.futures.Future
            Gives a `Report`, or raises what `kato_panel.churn` does.

        Raises
        ------
        HistoryError
            If too much is waiting already, or it was closed.
        """
        with self._lock:
            kept = self._kept.get(question)
            holds_seconds = FRESH_SECONDS if anew else SHARED_SECONDS
            if kept is not None and (
                not kept.answer.done() or monotonic() - kept.at < holds_seconds
            ):
                return kept.answer
            if self._waiting >= MAX_WAITING:
                raise HistoryError(BUSY)
            try:
                answer = self._worker.submit(self._answer, question, anew)
            except RuntimeError as error:
                raise HistoryError(ENDED) from error
            self._waiting += 1
            kept = _Kept(answer)
            self._kept.pop(question, None)
            self._kept[question] = kept
            while len(self._kept) > MAX_KEPT:
                del self._kept[next(iter(self._kept))]
        answer.add_done_callback(lambda _: self._note(kept))
        return answer

    def _note(self, kept: _Kept) -> None:
        with self._lock:
            self._waiting -= 1
            kept.at = monotonic()

    def _answer(self, question: Question, anew: bool) -> "Report":  # noqa: FBT001 - the executor's
        if self._frames is None:
            raise TooLittle(NO_HISTORY)
        # Loads pandas, here and not before.
        from kato_panel.churn_report import Reading, make_report  # noqa: PLC0415

        frames = self._frames()
        if frames is None:
            raise HistoryError(ENDED)
        # On the desk's one thread only.
        span, at, reading = self._reading or ("", 0.0, Reading(frames))
        self._reading = None
        is_long = reading.took_seconds > LONG_SECONDS
        holds_seconds = FRESH_SECONDS if anew else READ_SECONDS if is_long else SHARED_SECONDS
        if span != question.span or monotonic() - at >= holds_seconds:
            at, reading = monotonic(), Reading(frames)
        report = make_report(reading, question)
        if reading.rows <= MAX_ROWS:
            self._reading = (question.span, at, reading)
        return report

    def _keep_measuring(self) -> None:
        wait_seconds = FIRST_SECONDS
        while not self._over.wait(wait_seconds):
            began = monotonic()
            try:
                self._median = self._measure()
            except Exception:
                # A supervisor, as the watcher's: the next look may go well.
                if self._median.reason != BROKE:
                    logger.exception("the median lifetime cannot be measured")
                self._median = MedianLifetime(reason=BROKE)
            wait_seconds = max(MEDIAN_SECONDS, (monotonic() - began) / SHARE)

    def _measure(self) -> MedianLifetime:
        try:
            report = self.ask(Question(MEDIAN_SPAN), anew=True).result()
        except CancelledError:
            return MedianLifetime(reason=ENDED)
        except KatoPanelError as error:
            return MedianLifetime(reason=str(error))
        if report.median is None:
            return MedianLifetime(reason=report.refusal or NOT_YET)
        if datetime.now(UTC) - report.until > OLD:
            return MedianLifetime(reason=f"not known since {report.until:%Y-%m-%d %H:%M} UTC")
        median = report.median
        window_seconds = (report.until - report.since).total_seconds()
        reason = "" if median.value is not None else "more than half of them live on"
        return MedianLifetime(
            median.value, median.low, median.high, window_seconds, reason, report.small_curve()
        )
