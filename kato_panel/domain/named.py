"""The sessions that the stream has named: what is known where no source can list all."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kato_panel.domain.events import ChangeNamed, ChangesNamed, Kind, Observation
from kato_panel.domain.keys import KeyObservation
from kato_panel.domain.records import Record, Witness

MAX_NAMED: Final = 10_000
"""Sessions; those that were named or checked longest ago are forgotten first."""
MAX_GONE: Final = 1_000
"""Ends remembered, against a beginning that is told after its end."""
CHECK_SECONDS: Final = 1.0
"""At least between two checks in all."""
RECHECK_SECONDS: Final = 10.0
"""At least between two checks of the same session."""
LOOKED_SECONDS: Final = 30.0
"""So long somebody who asked for a page is taken to look at it."""


@dataclass(slots=True)
class _Named:
    record: Record
    checked_tick: float
    expires: datetime | None = None


class NamedSessions:
    """
    Remembers who was named, and says who is to be checked next.

    Parameters
    ----------
    created_in
        Reads the creation time out of an id.
    """

    def __init__(self, created_in: Callable[[str], datetime | None]) -> None:
        self._created_in = created_in
        self._named: OrderedDict[str, _Named] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._looked: dict[str, float] = {}
        self._looked_tick = float("-inf")
        self._checked_tick = float("-inf")
        self.revision = 0
        """Moves whenever somebody came or went."""
        self.amendments = 0
        """As the ledger's; nothing more is ever learned of these."""

    def overhear(self, observation: Observation | KeyObservation) -> None:
        """Take what the watcher observes; of all that, only names tell something."""
        if isinstance(observation, ChangesNamed):
            for change in observation.changes:
                self._take(change)

    def open_lives(self) -> list[_Named]:
        """List the sessions that may still be alive; see `kato_panel.domain.listing.Listed`."""
        return list(self._named.values())

    def record(self, session_id: str) -> Record | None:
        """Return what is known of one of them."""
        named = self._named.get(session_id)
        return None if named is None else named.record

    def look(self, session_ids: Iterable[str], tick: float) -> None:
        """Note that somebody looks at these: they are checked first."""
        self._looked_tick = tick
        self._looked |= dict.fromkeys(session_ids, tick)

    def rest_seconds(self, tick: float) -> float | None:
        """Say how long to wait before the next check; ``None`` when nobody looks any more."""
        if tick - self._looked_tick > LOOKED_SECONDS:
            return None
        return max(0.0, self._checked_tick + CHECK_SECONDS - tick)

    def next_check(self, tick: float) -> str | None:
        """Say whose existence is to be checked now; ``None`` if all were checked lately."""
        self._looked = {
            who: since
            for who, since in self._looked.items()
            if who in self._named and tick - since <= LOOKED_SECONDS
        }
        oldest = min(self._looked, key=lambda who: self._named[who].checked_tick, default=None)
        if oldest is None or not self._is_due(oldest, tick):
            oldest = next(iter(self._named), None)
        if oldest is None or not self._is_due(oldest, tick):
            return None
        self._checked_tick = tick
        self._named[oldest].checked_tick = tick
        self._named.move_to_end(oldest)
        return oldest

    def settle(self, session_id: str, *, exists: bool) -> None:
        """Take the answer of a check."""
        if not exists:
            self._forget(session_id)

    def _take(self, change: ChangeNamed) -> None:
        session_id = change.name.session_id
        if change.kind is Kind.DESTROYED:
            self._forget(session_id)
        elif session_id not in self._named and session_id not in self._gone:
            record = Record(
                session_id,
                change.at.wall,
                node_id=change.name.node_id,
                created=self._created_in(session_id),
                born_by=Witness.STREAM,
            )
            # To have been named is as good as a check.
            self._named[session_id] = _Named(record, change.at.tick)
            self.revision += 1
            if len(self._named) > MAX_NAMED:
                self._named.popitem(last=False)

    def _is_due(self, session_id: str, tick: float) -> bool:
        return tick - self._named[session_id].checked_tick >= RECHECK_SECONDS

    def _forget(self, session_id: str) -> None:
        if self._named.pop(session_id, None) is not None:
            self.revision += 1
        self._gone[session_id] = None
        if len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)
