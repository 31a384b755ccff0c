"""
Who is believed: exactly one set of sources tells the count and the events.

`PolledCount` settles KATO's own number with its stream. `KeyedCount` counts live keys by the
ledger; KATO's own number then only stands beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kato_panel.domain.detection import Detector
from kato_panel.domain.events import (
    MAX_NAMES,
    ChangesNamed,
    CountObserved,
    Kind,
    LookFailed,
    Moment,
    Name,
    Observation,
    SessionEvent,
    SourceHeard,
)
from kato_panel.domain.keys import (
    HEARTBEAT_SECONDS,
    KeyChange,
    KeyChanged,
    KeyEventsJudged,
    KeyObservation,
    KeysChanged,
    KeysSeen,
    ScanBegan,
    ScanEnded,
    SessionDetails,
    SessionsRead,
)
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.records import Record, Step, Transition, Witness

PERSISTENT_POLLS: Final = 3
"""So many polls in a row with the same unexplained difference are a reason to look at all keys."""


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What is known of the count.

    Parameters
    ----------
    shown, suspect, reported, drift, is_cached
        As in `SessionSnapshot`.
    at
        The newest good observation of the shown count.
    interval_seconds
        At most between two of them, if that is longer than the interval of the poll.
    has_key_events
        Whether each birth and end is told at once by the keys themselves.
    evictions
        Keys evicted since their store began, as the last scan read it.
    wants_stream
        Whether KATO's stream is needed.
    wants_look
        Whether the counting source is to look at everything at once.
    """

    shown: int | None = None
    suspect: int | None = None
    reported: int | None = None
    drift: int | None = None
    is_cached: bool = False
    at: Moment | None = None
    interval_seconds: float = 0.0
    has_key_events: bool = False
    evictions: int | None = None
    wants_stream: bool = True
    wants_look: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What follows from one observation: events to tell, and steps of records to keep."""

    events: Sequence[SessionEvent] = ()
    transitions: Sequence[Transition] = ()


class PolledCount:
    """
    The count as KATO reports it, with the stream's names.

    Parameters
    ----------
    after_seq
        Events are numbered from the one after it.
    """

    counted_by: Final = "http"

    def __init__(self, *, after_seq: int = 0) -> None:
        self._detector = Detector(after_seq)
        self._counted: CountObserved | None = None

    @property
    def standing(self) -> Standing:
        """What is known now."""
        counted = self._counted
        return Standing(
            shown=self._detector.shown,
            suspect=self._detector.suspect,
            reported=counted.count if counted else None,
            is_cached=counted is not None and counted.is_cached,
            at=counted.arrived_at if counted else None,
        )

    def observe(self, observation: Observation | KeyObservation) -> Told:
        """Take one observation, from any source."""
        match observation:
            case CountObserved():
                self._counted = observation
                return Told(self._detector.count(observation))
            case ChangesNamed():
                return Told(self._detector.changes(observation))
            case LookFailed(source=self.counted_by):
                self._detector.fail()
        return Told()


class KeyedCount:
    """
    The count of live keys, and the ledger's events.

    Parameters
    ----------
    ledger
        Empty, or with the records of an earlier run.
    keeps_stream
        Whether the stream is wanted even where it has nothing to add.
    seen_at
        The newest good observation of the earlier run, if there was one.
    after_seq
        Events are numbered from the one after it.
    """

    counted_by: Final = "redis"

    def __init__(
        self,
        ledger: Ledger,
        *,
        keeps_stream: bool = False,
        seen_at: Moment | None = None,
        after_seq: int = 0,
    ) -> None:
        self.ledger = ledger
        self._keeps_stream = keeps_stream
        self._restored_at = seen_at
        self._at: Moment | None = None
        self._is_blind = True
        self._are_on: bool | None = None
        self._interval_seconds = 0.0
        self._reported: CountObserved | None = None
        self._difference = 0
        self._polls = 0
        self._seq = after_seq
        self._last_event_tick: float | None = None

    @property
    def standing(self) -> Standing:
        """What is known now."""
        is_lasting = self._difference != 0 and self._polls == PERSISTENT_POLLS
        return Standing(
            shown=self.ledger.count,
            reported=self._reported.count if self._reported else None,
            drift=self.ledger.drift,
            is_cached=False,
            at=self._at,
            interval_seconds=max(self._interval_seconds, HEARTBEAT_SECONDS),
            has_key_events=self._are_on is True,
            evictions=self.ledger.evictions,
            wants_stream=self._keeps_stream or self._are_on is False,
            wants_look=not self._is_blind and (self.ledger.is_suspicious or is_lasting),
        )

    def observe(self, observation: Observation | KeyObservation) -> Told:
        """Take one observation, from any source."""
        match observation:
            case KeysChanged(changes=changes):
                return self._change(changes, Witness.KEY_EVENT, "redis")
            case ChangesNamed() if not self._is_blind:
                return self._change(_as_keys(observation), Witness.STREAM, observation.source)
            case ScanBegan() | KeysSeen():
                self._scan(observation)
            case ScanEnded():
                return self._end_scan(observation)
            case SessionsRead(details=details, at=at):
                return Told(transitions=[*self._describe(details, at)])
            case KeyEventsJudged(are_on=are_on):
                self._are_on = are_on
            case SourceHeard(source=self.counted_by, at=at) if not self._is_blind:
                # With key events, to have heard nothing else is to know that nothing changed.
                self._at = at if self._are_on else self._at
            case LookFailed(source=self.counted_by):
                self._is_blind = True
                self.ledger.abort_scan()
            case CountObserved():
                self._report(observation)
        return Told()

    def _scan(self, observation: ScanBegan | KeysSeen) -> None:
        if isinstance(observation, KeysSeen):
            self.ledger.see(observation)
        else:
            self.ledger.begin_scan()
            self._polls += PERSISTENT_POLLS  # the look that they asked for, if they did

    def _describe(self, details: Sequence[SessionDetails], at: Moment) -> Iterator[Transition]:
        for one in details:
            yield from self.ledger.describe(one, at)

    def _change(self, changes: Sequence[KeyChanged], witness: Witness, source: str) -> Told:
        before = self.ledger.count
        steps = [step for one in changes for step in self.ledger.change(one, witness)]
        if witness is Witness.KEY_EVENT and not self._is_blind:
            self._at = changes[-1].at
        return Told(self._events(steps, before, changes[-1].at, source), steps)

    def _end_scan(self, ended: ScanEnded) -> Told:
        before, gap_seconds = self.ledger.count, self._gap_seconds(ended.at)
        steps = self.ledger.end_scan(ended)
        self._at, self._is_blind, self._restored_at = ended.at, False, None
        self._interval_seconds = ended.interval_seconds
        return Told(self._events(steps, before, ended.at, ended.source, gap_seconds), steps)

    def _gap_seconds(self, at: Moment) -> float | None:
        """Say for how long nobody could look before this scan, if nobody could."""
        if self._restored_at is not None:
            return max(0.0, (at.wall - self._restored_at.wall).total_seconds())
        if not self._is_blind or self._at is None:
            return None
        return at.tick - self._at.tick

    def _report(self, observed: CountObserved) -> None:
        """Note KATO's own number, and for how many polls it has differed in the same way."""
        self._reported = observed
        if self.ledger.count is None or self.ledger.drift is None:
            return
        difference = observed.count - self.ledger.count - self.ledger.drift
        self._polls = self._polls + 1 if difference == self._difference else 1
        self._difference = difference

    def _events(
        self,
        steps: Sequence[Transition],
        before: int | None,
        at: Moment,
        source: str,
        gap_seconds: float | None = None,
    ) -> list[SessionEvent]:
        """Tell all births in one event, then all ends in one."""
        born = [step.record for step in steps if step.step is Step.BORN]
        ended = [step.record for step in steps if step.step is Step.ENDED]
        current = self.ledger.count
        if current is None or not (born or ended):
            return []
        # The first scan after a restart: what was open then is what the count moves from.
        previous = current - len(born) + len(ended) if before is None else before
        events: list[SessionEvent] = []
        for kind, records in ((Kind.CREATED, born), (Kind.DESTROYED, ended)):
            if records:
                event = self._emit(kind, records, previous, at, source, gap_seconds)
                previous = event.current
                events.append(event)
        return events

    def _emit(  # noqa: PLR0917 - called once, above
        self,
        kind: Kind,
        records: Sequence[Record],
        previous: int,
        at: Moment,
        source: str,
        gap_seconds: float | None,
    ) -> SessionEvent:
        since = None if self._last_event_tick is None else at.tick - self._last_event_tick
        self._last_event_tick = at.tick
        self._seq += 1
        delta = len(records)
        reasons = {record.ending.reason.value for record in records if record.ending is not None}
        return SessionEvent(
            seq=self._seq,
            kind=kind,
            at=at.wall,
            previous=previous,
            current=previous + (delta if kind is Kind.CREATED else -delta),
            delta=delta,
            source=source,
            names=tuple(Name(one.session_id, one.node_id) for one in records[:MAX_NAMES]),
            reason=reasons.pop() if len(reasons) == 1 else None,
            after_gap_seconds=gap_seconds,
            since_last_event_seconds=None if since is None else max(0.0, since),
        )


_CHANGES: Final = {"expired": KeyChange.EXPIRED, "evicted": KeyChange.EVICTED}


def _as_keys(named: ChangesNamed) -> tuple[KeyChanged, ...]:
    """Say what the stream's words mean for keys."""
    return tuple(
        KeyChanged(
            KeyChange.BORN
            if one.kind is Kind.CREATED
            else _CHANGES.get(one.reason or "", KeyChange.DELETED),
            one.name.session_id,
            one.at,
            SessionDetails(one.name.session_id, one.name.node_id),
        )
        for one in named.changes
    )
