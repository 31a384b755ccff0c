"""What the history keeps beside events and session records."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kato_panel.domain.records import Record
from kato_panel.domain.rules import Alert


@dataclass(frozen=True, slots=True)
class Sample:
    """
    The count at one good observation.

    Parameters
    ----------
    at
        When; UTC.
    active
        The shown count.
    reported
        The count as upstream reported it, where it did.
    drift
        Sessions upstream still counts but that are gone, where that is known.
    """

    at: datetime
    active: int
    reported: int | None = None
    drift: int | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """Upstream was observed at this moment, UTC, whatever was seen."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Between these moments, UTC, nobody could look, or nobody was there to."""

    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """
    Something that a person did to upstream through this service.

    Parameters
    ----------
    at
        When; UTC.
    who
        Who asked for it.
    action, subject, result
        What was done, to what, and how it ended.
    """

    at: datetime
    who: str
    action: str
    subject: str
    result: str


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """
    Something to be sent to another service; a later one of the same id takes its place.

    Parameters
    ----------
    id
        The same whenever it is sent.
    at
        When it was put there; UTC.
    target
        To whom, by a name that holds no secret.
    body
        JSON text.
    attempts
        How often it was tried.
    sent_at
        When it was taken; ``None`` while it waits.
    given_up
        Why it is not tried any more; empty while it is.
    """

    id: str
    at: datetime
    target: str
    body: str
    attempts: int = 0
    sent_at: datetime | None = None
    given_up: str = ""


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """
    An alert, and who said that they have seen it; a later one of the same id takes its place.

    Parameters
    ----------
    alert
        See `kato_panel.domain.rules`; its ticks are of no use to a later run.
    acknowledged_at, acknowledged_by
        When and by whom; ``None`` and empty if by nobody.
    told
        Whether others were told that it fires; of nothing else are they told the end.
    """

    alert: Alert
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    told: bool = True


@dataclass(frozen=True, slots=True)
class Silence:
    """
    A rule that nobody is told of for some time; a later one of the same rule takes its place.

    Parameters
    ----------
    rule, subject
        Of whom; without a subject, of all.
    until
        UTC; one that is past ends the silence.
    at, who
        When and by whom it was ordered.
    """

    rule: str
    subject: str
    until: datetime
    at: datetime
    who: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of one metric; see `kato_panel.domain.rules.Measured`."""

    at: datetime
    metric: str
    subject: str
    value: float


FIGURE_SECONDS: Final = 15.0
"""Between two that are kept of a metric and subject; that by which a rule turns is kept, too."""


@dataclass(frozen=True, slots=True)
class Lapse:
    """
    From then on a figure was not known, until the next of it.

    Parameters
    ----------
    at
        When.
    metric, subject
        Of which.
    is_gone
        Whether that is because its subject was gone, and forgotten.
    """

    at: datetime
    metric: str
    subject: str
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class AllOpen:
    """
    Every session that is open, where the record of them may have holes.

    Whatever else is open in the record ended meanwhile, nobody knows why.

    Parameters
    ----------
    at
        When that was so; UTC.
    records
        All of them.
    """

    at: datetime
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """
    One value that has to outlive the process, by its key; a later one takes its place.

    Parameters
    ----------
    key, value
        What is noted.
    generation
        Of the record it is true for: it is not written into another. ``None`` if it always is.
    keeps_first
        Whether what was noted before stays.
    """

    key: str
    value: int
    generation: int | None = None
    keeps_first: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """
    A stretch of time that was observed, if only in part.

    Parameters
    ----------
    start
        When it began; UTC.
    last, lowest, highest
        Shown count at its end, and its bounds.
    created, ended
        Sessions in it.
    """

    start: datetime
    last: int
    lowest: int
    highest: int
    created: int = 0
    ended: int = 0
