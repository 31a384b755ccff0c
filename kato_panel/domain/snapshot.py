"""The whole state at one instant, and what may be said about how fresh it is."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from kato_panel.domain.events import Moment
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.recent import Rates
from kato_panel.domain.recorded import Gap


class Link(StrEnum):
    """How upstream is seen at present."""

    STARTING = "starting"
    LIVE = "live"
    POLLING = "polling"
    STALE = "stale"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """
    What the watcher knows at one instant; ``None`` means not known, never zero.

    Parameters
    ----------
    made_at
        The instant.
    active
        Sessions alive, as shown.
    reported
        Sessions, as upstream reported them last.
    at
        The newest good observation of the count.
    stale_after_seconds
        From which age on the count is stale: three intervals.
    drift
        Sessions that upstream still counts but that are gone.
    counted_by
        The source that `active` comes from.
    has_key_events
        Whether that source tells each birth and end at once, without the stream.
    suspect
        The count that waits for confirmation, if one does.
    is_cached
        Whether the count may be 5 s older than its observation.
    rates
        The last minutes.
    sources
        Every source of this process, also those that are off; and the history.
    gaps
        The newest times in which nobody could look, oldest first.
    """

    made_at: Moment
    active: int | None = None
    reported: int | None = None
    at: Moment | None = None
    stale_after_seconds: float = math.inf
    drift: int | None = None
    counted_by: str = "http"
    has_key_events: bool = False
    suspect: int | None = None
    is_cached: bool = False
    rates: Rates | None = None
    sources: tuple[SourceState, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def age_seconds(self) -> float | None:
        """Seconds between the newest good observation and this snapshot."""
        return None if self.at is None else max(0.0, self.made_at.tick - self.at.tick)

    @property
    def is_stale(self) -> bool:
        """Whether the newest good observation is older than three intervals, or nobody counts."""
        if self.age_seconds is None:
            return False
        return self.age_seconds > self.stale_after_seconds or self._has_lost_keys

    def is_stale_at(self, now: Moment) -> bool:
        """Whether it is stale at a later moment, when it may not have been told anew."""
        return replace(self, made_at=now).is_stale

    @property
    def link(self) -> Link:
        """Sum up the sources in one word."""
        counting = self._source(self.counted_by)
        is_down = counting is not None and counting.health is Health.DOWN
        if is_down and self.counted_by == "http":
            return Link.UNREACHABLE
        if is_down or self.is_stale:
            return Link.STALE
        if self.active is None:
            return Link.STARTING
        telling = self._source("stream")
        is_told = telling is not None and telling.health is Health.UP
        return Link.LIVE if self.has_key_events or is_told else Link.POLLING

    @property
    def reason(self) -> str:
        """Why the count cannot be read, or an empty text."""
        counting = self._source(self.counted_by)
        return "" if counting is None else counting.reason

    @property
    def _has_lost_keys(self) -> bool:
        """Whether keys are counted, and can no longer be; KATO may well answer."""
        counting = self._source(self.counted_by) if self.counted_by != "http" else None
        return counting is not None and counting.health is Health.DOWN

    def _source(self, name: str) -> SourceState | None:
        return next((source for source in self.sources if source.name == name), None)
