"""
One record per session: born, ended, why, and how that is known.

Changes of keys tell each birth and end at once and exactly. A scan repairs what they did not
tell: it says which keys are there. Whatever a change said while the scan ran is newer than what
the scan read, so it wins. See ``docs/decisions/0011-the-ledger.md``.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from kato_panel.domain.events import Moment
from kato_panel.domain.keys import KeyChange, KeyChanged, KeysSeen, ScanEnded, SessionDetails
from kato_panel.domain.records import Ending, Reason, Record, Step, Transition, Witness

MAX_OPEN: Final = 1_000_000
"""Open sessions; whoever observes more has to say so, for the ledger passes them over."""
MAX_ENDED: Final = 100_000
"""Ended sessions remembered against repetition; the oldest are forgotten first."""


_KEPT_IN_INDEX: Final = (KeyChange.EXPIRED, KeyChange.EVICTED)
"""Ends that upstream does not notice."""


class _Life:
    """An open session; what each scan changes is kept beside its record."""

    __slots__ = ("expires", "record", "scan", "seen")

    def __init__(self, record: Record, scan: int) -> None:
        self.record = record
        self.expires, self.seen, self.scan = record.expires, record.seen, scan

    def told(self) -> Record:
        return replace(self.record, expires=self.expires, seen=self.seen)

    def describe(self, details: SessionDetails) -> None:
        self.record = _described(self.record, details)
        self.expires = details.expires or self.expires


class Ledger:
    """
    The records of open sessions, and of those that ended last.

    Time comes in with the observations; nothing here reads a clock. Repetitions change nothing,
    and what comes in the wrong order is settled by the next scan at the latest.

    Parameters
    ----------
    created_in
        Reads the creation time out of an id.
    """

    def __init__(self, created_in: Callable[[str], datetime | None]) -> None:
        self._created_in = created_in
        self._open: dict[str, _Life] = {}
        self._ended: OrderedDict[str, Record] = OrderedDict()
        self._found: dict[str, _Life] = {}
        self._touched: dict[str, KeyChange] = {}
        self._is_scanning = False
        self._scan = 0
        self._evictions: int | None = None
        self._drift = 0
        self._is_based = False
        self._is_restored = False
        self._waiting: list[Transition] = []
        self.revision = 0
        """Moves with each birth, end and scan."""
        self.amendments = 0
        """Moves whenever more is known of a session."""
        self.is_suspicious = False
        """Whether a scan is needed to know what to make of a change; the next scan settles it."""

    @property
    def count(self) -> int | None:
        """Sessions alive; ``None`` until a first scan ended."""
        return len(self._open) if self._is_based else None

    @property
    def drift(self) -> int | None:
        """Sessions that upstream still counts but that are gone; ``None`` as above."""
        return self._drift if self._is_based else None

    @property
    def evictions(self) -> int | None:
        """Keys evicted since the store began, as the last scan read it, or the run before."""
        return self._evictions

    def record(self, session_id: str) -> Record | None:
        """Return what is known of a session, if it is open or ended lately."""
        life = self._open.get(session_id)
        return self._ended.get(session_id) if life is None else life.told()

    def open_records(self) -> Iterator[Record]:
        """Give the record of each open session."""
        return (life.told() for life in self._open.values())

    def open_lives(self) -> list[_Life]:
        """
        List the open sessions for a reader on another thread; takes next to no time.

        Returns
        -------
        list
            See `kato_panel.domain.listing.Listed`. Each goes on changing, whole values at a time.
        """
        return list(self._open.values())

    def restore(self, records: Iterable[Record], evictions: int | None = None) -> None:
        """
        Take over what was open when somebody looked last, before the first observation.

        Parameters
        ----------
        records
            Open ones. Those that the first scan does not find ended in between, and what it finds
            beside them was born in between.
        evictions
            The store's number of evictions then, if it is known.
        """
        self._open = {record.session_id: _Life(record, 0) for record in records}
        self._evictions = evictions
        self._is_restored = True

    def change(self, changed: KeyChanged, witness: Witness) -> list[Transition]:
        """
        Take a change of one key.

        Parameters
        ----------
        changed
            As it was told; it may have been told or seen before.
        witness
            Who told it.

        Returns
        -------
        list of Transition
            None, one, or two: an end of a session that nobody saw tells its birth too. Until the
            first scan has ended they wait for it.
        """
        self.revision += 1
        is_birth = changed.change is KeyChange.BORN
        if self._is_first_look and not is_birth and changed.session_id not in self._open:
            # It was there before anybody looked, and is gone before anybody saw it.
            self._touched[changed.session_id] = changed.change
            return []
        transitions = (self._be_born if is_birth else self._end)(changed, witness)
        if self._is_scanning and any(told.step is not Step.AMENDED for told in transitions):
            self._touched[changed.session_id] = changed.change
        elif self._is_scanning and witness is Witness.KEY_EVENT:
            # Repeated, or the other half of it was lost: this scan may have read either state.
            self.is_suspicious = True
        if self._is_based:
            return transitions
        self._waiting += transitions
        return []

    def describe(self, details: SessionDetails, at: Moment) -> list[Transition]:
        """Take what a session's value says; nothing, if that is known or the session is not."""
        self.amendments += 1
        session_id = details.session_id
        if session_id in self._found:
            self._found[session_id].describe(details)
            return []
        known = self.record(session_id)
        if known is None:
            return []
        record = _described(known, details)
        if record == known:
            return []
        if session_id in self._open:
            self._open[session_id].describe(details)
        else:
            self._ended[session_id] = record
        return [Transition(Step.AMENDED, record, at)]

    def begin_scan(self) -> None:
        """Note that a scan begins; one that did not end is forgotten."""
        self._scan += 1
        self._is_scanning, self.is_suspicious = True, False
        self._found, self._touched = {}, {}

    def abort_scan(self) -> None:
        """Note that the scan, if there is one, will not end."""
        self._is_scanning = False
        self._found, self._touched = {}, {}

    def see(self, seen: KeysSeen) -> None:
        """Take one part of a scan."""
        at = seen.at.wall
        for session_id, expires in seen.expiries.items():
            life = self._open.get(session_id)
            if life is not None:
                life.expires, life.seen, life.scan = expires, at, self._scan
            elif session_id in self._found or len(self._open) + len(self._found) >= MAX_OPEN:
                continue
            elif not self._is_first_look:
                self._found[session_id] = self._find(session_id, expires, at)
            elif session_id not in self._touched:
                life = self._find(session_id, expires, at)
                self._open[session_id] = life
                self._waiting.append(Transition(Step.FOUND, life.record, seen.at))

    def end_scan(self, ended: ScanEnded) -> list[Transition]:
        """
        Hold the records against a scan, all parts of which have been taken.

        Returns
        -------
        list of Transition
            First what came, then what went. What the first scan sees, without records from
            before, is found and not born.
        """
        self.revision += 1
        touched, found = self._touched, self._found
        for session_id in touched:
            found.pop(session_id, None)
        for session_id in found.keys() & self._ended.keys():
            del self._ended[session_id]
        self._open.update(found)
        came = [Transition(Step.BORN, life.record, ended.at) for life in found.values()]
        transitions = [*self._waiting, *came, *self._miss(ended)]
        self._drift = self._count_drift(ended.lapsed)
        self._evictions = ended.evictions
        self._waiting, self._is_based = [], True
        self.abort_scan()
        return transitions

    @property
    def _is_first_look(self) -> bool:
        return not self._is_based and not self._is_restored

    def _miss(self, ended: ScanEnded) -> list[Transition]:
        """Close the sessions whose keys the scan has not found."""
        this = self._scan
        lives = [life for life in self._open.values() if life.scan != this]
        gone = [life for life in lives if life.record.session_id not in self._touched]
        # The last session to be deleted takes the index with it; several at once are no sign.
        is_index_lost = ended.is_index_lost and len(self._open) > 1
        has_evicted = _has_grown(self._evictions, ended.evictions)
        transitions = []
        for life in gone:
            ending = _judge(life, ended, is_index_lost, has_evicted)
            del self._open[life.record.session_id]
            closed = self._close(replace(life.told(), ending=ending))
            transitions.append(Transition(Step.ENDED, closed, ended.at))
        return transitions

    def _be_born(self, changed: KeyChanged, witness: Witness) -> list[Transition]:
        session_id, details = changed.session_id, changed.details
        if session_id in self._ended and witness is Witness.KEY_EVENT:
            # Told late, or born again under its name: only a look at the key can tell.
            self.is_suspicious = True
        if session_id in self._open or session_id in self._ended:
            return [] if details is None else self.describe(details, changed.at)
        if len(self._open) >= MAX_OPEN:
            return []
        record = self._begin(changed, witness)
        self._open[session_id] = _Life(record, self._scan)
        return [Transition(Step.BORN, record, changed.at)]

    def _end(self, changed: KeyChanged, witness: Witness) -> list[Transition]:
        at = changed.at
        ending = Ending(at.wall, at.wall, Reason(changed.change.value), witness)
        known = self._ended.get(changed.session_id)
        if known is not None:
            if known.ending is None or known.ending.witness is not Witness.SCAN:
                return []
            return [Transition(Step.AMENDED, self._close(replace(known, ending=ending)), at)]
        life = self._open.pop(changed.session_id, None)
        transitions = []
        if life is None:
            # It must have been born, and nobody told.
            record = self._begin(changed, witness)
            transitions.append(Transition(Step.BORN, record, at))
        else:
            record = life.told()
        if changed.change is not KeyChange.DELETED:
            self._drift += 1
        closed = self._close(replace(record, seen=max(record.seen, at.wall), ending=ending))
        return [*transitions, Transition(Step.ENDED, closed, at)]

    def _begin(self, changed: KeyChanged, witness: Witness) -> Record:
        session_id, details = changed.session_id, changed.details
        record = Record(
            session_id,
            changed.at.wall,
            created=self._created_in(session_id),
            born_by=witness,
        )
        return record if details is None else _described(record, details)

    def _find(self, session_id: str, expires: datetime | None, at: datetime) -> _Life:
        known = self._ended.get(session_id)
        created = self._created_in(session_id) if known is None else known.created
        node_id = None if known is None else known.node_id
        record = Record(
            session_id,
            at,
            node_id=node_id,
            created=created,
            expires=expires,
            born_by=None if self._is_first_look else Witness.SCAN,
        )
        return _Life(record, self._scan)

    def _close(self, record: Record) -> Record:
        self._ended[record.session_id] = record
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)
        return record

    def _count_drift(self, lapsed: AbstractSet[str]) -> int:
        """Count what is in the index without a key, after the changes told during the scan."""
        count = len(lapsed)  # of whom nobody is open now but who was told of meanwhile
        for who, change in self._touched.items():
            was_lapsed = who in lapsed
            stays = change in _KEPT_IN_INDEX or (was_lapsed and change is not KeyChange.DELETED)
            count += (stays and who not in self._open) - was_lapsed
        return count


def _described(record: Record, details: SessionDetails) -> Record:
    return replace(
        record,
        node_id=details.node_id or record.node_id,
        created=details.created or record.created,
        last_accessed=details.last_accessed or record.last_accessed,
        ttl_seconds=details.ttl_seconds or record.ttl_seconds,
        expires=details.expires or record.expires,
    )


def _judge(life: _Life, ended: ScanEnded, is_index_lost: bool, has_evicted: bool | None) -> Ending:  # noqa: FBT001 - called once
    """Say when and why a session ended whose key a scan has not found."""
    now = ended.at.wall
    earliest, latest = min(life.seen, now), now
    is_counted = life.record.session_id in ended.lapsed
    has_expired = life.expires is not None and life.expires <= now
    if not is_counted and not is_index_lost:
        reason = Reason.DELETED
    elif has_expired or (is_counted and life.expires is None and has_evicted is False):
        reason = Reason.EXPIRED
        if life.expires is not None and has_evicted is False:
            earliest = max(earliest, life.expires)
            latest = earliest if _cannot_have_moved(life, now) else now
    elif is_counted and has_evicted and life.expires is not None:
        reason = Reason.EVICTED
    else:
        reason = Reason.UNKNOWN
    return Ending(earliest, latest, reason, Witness.SCAN)


def _cannot_have_moved(life: _Life, now: datetime) -> bool:
    """
    Say whether the expiry that was read last was the one that came true.

    An access after it was seen would have given it its whole time to live again, so it would
    live now; unless that time is shorter than nobody has looked.
    """
    ttl_seconds = life.record.ttl_seconds
    return ttl_seconds is not None and life.seen + timedelta(seconds=ttl_seconds) > now


def _has_grown(before: int | None, after: int | None) -> bool | None:
    """Say whether keys were evicted; a store that was restarted counts from 0 again."""
    if after == 0:
        return False
    if before is None or after is None:
        return None
    return after != before
