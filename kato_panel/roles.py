"""What the watcher expects of its parts: who observes, who decides, who keeps."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from kato_panel.domain.events import CountObserved, Moment, Observation
from kato_panel.domain.health import SourceState
from kato_panel.domain.keys import KeyObservation
from kato_panel.domain.recorded import Gap
from kato_panel.domain.series import Series
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import SideObservation, Surroundings
from kato_panel.domain.telling import Standing, Told


class Source(Protocol):
    """What the watcher expects of an object that observes one thing."""

    @property
    def name(self) -> str:
        """Its name in the code."""

    @property
    def label(self) -> str:
        """Its name on the page."""

    def prompt(self) -> None:
        """Look at once, if that is possible."""

    async def run(
        self, tell: Callable[[Observation | KeyObservation | SideObservation], None]
    ) -> None:
        """Observe for ever, and tell."""


class Teller(Protocol):
    """What the watcher expects of whoever makes events of observations; pure."""

    @property
    def counted_by(self) -> str:
        """The source that the shown count comes from."""

    @property
    def standing(self) -> Standing:
        """What is known of the count."""

    def observe(self, observation: Observation | KeyObservation) -> Told:
        """Take one observation, from any source."""


class Recorder(Protocol):
    """What the watcher expects of whoever keeps what it knows; all but `week` return at once."""

    def record(self, told: Told, standing: Standing) -> None:
        """Take what follows from one observation, on the watcher's loop."""

    def miss(self, gap: Gap) -> None:
        """Take a time in which nobody could look, on the watcher's loop."""

    def state(self, at: Moment) -> SourceState:
        """Say how it is with the record, as a source's row does."""

    def week(self, until: datetime) -> Series | None:
        """Draw the last week, on a thread of its own; ``None`` if that is not known."""


class Overseer(Protocol):
    """What the watcher expects of whoever keeps an eye on all that is beside the sessions."""

    def observe(self, observation: SideObservation | CountObserved) -> None:
        """Take one observation, or a poll's, on the watcher's loop; returns at once."""

    def look(self, snapshot: SessionSnapshot, lag_seconds: float | None) -> Surroundings:
        """Say how it is, at each turn of the watcher's loop; returns at once."""

    async def run(self) -> None:
        """Do beside the watcher's loop what takes time, for ever."""
