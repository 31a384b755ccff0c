"""From frames to churn: the right question, answered in one call."""

from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import pandas as pd

from kato_panel.domain.churn import Churn, Window, check_by, check_zone
from kato_panel.errors import TooLittle
from kato_panel.frames import Origin, Since, empty_frame, lay_out, marked_range, time_range

NOTHING_OBSERVED: Final = "nothing was observed yet"
ONE_LOOK: Final = "there was one look so far, must be at least two"
KNOWN_SINCE: Final = "sessions are known one by one since"
EVENTS_SINCE: Final = "without Redis, arrivals and departures are known from events, kept since"
WATCHED_UNTIL: Final = "sessions were watched one by one until"
BEHIND: Final = timedelta(minutes=5)
"""Of the newest look at upstream; the keys are looked at less often than the count."""
NEEDED: Final = frozenset(
    {"created", "entered", "last_seen", "ended_earliest", "ended_latest"}
    | {"node", "reason", "born_by"}
)
"""Columns of a frame of sessions, of which lifetimes are made."""
ALLOWED_FRAMES: Final = (
    "must be a Monitor, what open_history returns, or a frame of sessions that one of them gave"
)
NO_RANGE: Final = (
    "the frame does not say of what range it is: if it holds those alone who were alive from some "
    "time on, lifetimes are too long unless since is that time"
)


class Frames(Protocol):
    """Whoever gives frames: a `Monitor` or what `open_history` returns."""

    def watched(self) -> tuple[datetime | None, datetime | None]:
        """Say from when to when sessions were watched one by one."""

    def origin(self) -> Origin:
        """Say what is watched, and when it was observed last."""

    def events_since(self) -> datetime | None:
        """Say from when on every event is known."""

    def lives(
        self,
        since: Since = None,
        until: Since = None,
        *,
        node: str | None = None,
        with_ttl: bool = False,
    ) -> pd.DataFrame:
        """List the sessions that were alive in a range, as far as lifetimes need them."""

    def events(
        self, since: Since = None, until: Since = None, *, node: str | None = None
    ) -> pd.DataFrame:
        """List events."""

    def counts(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """List the count over time."""

    def gaps(self, since: Since = None, until: Since = None) -> pd.DataFrame:
        """List the times in which nobody could look."""


def churn(
    frames: Frames | pd.DataFrame,
    *,
    since: Since = None,
    until: Since = None,
    node: str | None = None,
    by: str = "node",
    tz: str = "UTC",
) -> Churn:
    """
    Say how sessions come and go in a range, and how long they live.

    Parameters
    ----------
    frames
        A `Monitor`, what `open_history` returns, or a frame of sessions that one of them gave.
    since, until
        Times with a zone, or how long before the newest look; without them, all that was watched,
        or what a frame is of.
    node
        Only sessions of this node.
    by
        What groups are made by: ``node``, ``day`` of birth, ``reason`` or ``ttl``.
    tz
        Name of the time zone of days, hours and weekdays.

    Returns
    -------
    Churn
        Everything, each part made when it is asked for.

    Raises
    ------
    TooLittle
        If nothing at all was observed, or once only.
    ValueError
        If the range is empty, or not what was observed, a time has no zone, or one of the others
        is none.
    HistoryError
        If the history cannot be read.

    Examples
    --------
    Two nodes, 40 sessions that were born a minute apart and are watched for an hour:

    >>> import pandas as pd
    >>> from kato_panel.frames import session_frame
    >>> from kato_panel.domain.records import Ending, Reason, Record, Witness
    >>> noon = pd.Timestamp("2026-11-22T12:00Z")
    >>> minute = pd.Timedelta(minutes=1)
    >>> def live(n):
    ...     born, end = noon + n * minute, noon + n * minute + (n % 7 + 1) * 5 * minute
    ...     over = Ending(end, end, Reason.EXPIRED, Witness.KEY_EVENT)
    ...     over = over if end < noon + 60 * minute else None
    ...     return Record(f"s{n}", born, f"node-{n % 2}", born, born_by=Witness.SCAN, ending=over)
    >>> sessions = session_frame([live(n) for n in range(40)], noon, noon + 60 * minute)
    >>> found = churn(sessions)
    >>> found
    <Churn from 2026-11-22 12:00 to 2026-11-22 13:00 UTC: 40 sessions, median lifetime 1200 s>
    >>> found.median_lifetime_seconds
    Interval(value=1200.0, low=900.0, high=1500.0)
    >>> found.naive.still_open
    4
    >>> round(found.groups.log_rank.p_value, 2)
    0.9
    """
    check_zone(tz)
    check_by(by)
    source: Any = _source(frames, node)
    begin, end = source.watched()
    has_records = begin is not None and end is not None
    known = None
    if not has_records:
        begin, end, known = _observed(source)
    if begin is None or end is None:
        raise TooLittle(NOTHING_OBSERVED)
    if begin >= end:
        raise TooLittle(ONE_LOOK)
    first, after = time_range(since, until, end)
    notes: tuple[str, ...] = ()
    wanted = first or known
    if wanted is not None and wanted < begin:
        told = KNOWN_SINCE if has_records else EVENTS_SINCE
        notes = (f"{told} {begin:%Y-%m-%d %H:%M:%S} UTC: what was before is left out",)
    if isinstance(source, _Given) and since is None:
        notes += source.notes
    looked = source.origin().looked if has_records and after is None else None
    if looked is not None and looked - end > BEHIND:
        notes += (f"{WATCHED_UNTIL} {end:%Y-%m-%d %H:%M:%S} UTC: the range ends there",)
    _check_range(first, after, begin, end)
    begin, end = max(begin, first or begin), min(end, after or end)
    gaps = source.gaps(begin, end)
    window = Window.of(begin, end, zip(gaps.index, gaps["ended"], strict=True))
    if has_records:
        sessions, events = source.lives(begin, end, node=node, with_ttl=by == "ttl"), None
    else:
        sessions, events = empty_frame("sessions"), source.events(begin, end, node=node)
    if node is not None and sessions.empty and (events is None or events.empty):
        notes += (f"no session of a node named {node!r} is known in this range",)
    return Churn(sessions, events, window, by=by, zone=tz, notes=notes)


def _source(frames: Any, node: Any) -> Any:
    """Take what gives frames, and refuse all else."""
    if node is not None and not isinstance(node, str):
        raise ValueError(f"node is {node!r}, must be the name of one node")
    if isinstance(frames, pd.DataFrame):
        return _Given(frames)
    if not hasattr(frames, "watched"):
        raise ValueError(f"frames is {frames!r}, {ALLOWED_FRAMES}")
    return frames


class _Given:
    """A frame of sessions in place of somebody who gives it."""

    def __init__(self, sessions: pd.DataFrame) -> None:
        missing = sorted(NEEDED - {*sessions.columns})
        if missing:
            raise ValueError(f"frames has no column {', '.join(missing)}, {ALLOWED_FRAMES}")
        index = sessions.index
        if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
            raise ValueError(f"frames has no index of times with a zone, {ALLOWED_FRAMES}")
        self._sessions = sessions
        self._marked = marked_range(sessions)

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known of a frame that does not say of what range it is."""
        return (NO_RANGE,) if self._marked is None else ()

    def watched(self) -> tuple[datetime | None, datetime | None]:
        """Say from when to when it was watched, as far as it tells."""
        if self._marked is not None:
            return self._marked[:2]
        if self._sessions.empty:
            return None, None
        seen = self._sessions[["last_seen", "ended_latest"]].max()
        return self._sessions["entered"].min(), seen.max()

    def origin(self) -> Origin:
        """Say nothing: a frame knows only what is in it."""
        return Origin("", is_demo=False, looked=None)

    def counts(self) -> pd.DataFrame:
        """Give none."""
        return empty_frame("counts")

    def lives(self, *_: Since, node: str | None, **_more: bool) -> pd.DataFrame:
        """Give those of a node."""
        return self._sessions if node is None else self._sessions[self._sessions["node"] == node]

    def gaps(self, *_: Since) -> pd.DataFrame:
        """Give those that it tells of; who was born in one is entered at its end already."""
        gaps = [] if self._marked is None else self._marked[2]
        return lay_out("gaps", [began for began, _ in gaps], {"ended": [end for _, end in gaps]})


def _check_range(first: Any, after: Any, begin: datetime, end: datetime) -> None:
    """Refuse a range that is wholly outside of what was watched, and name the wrong bound."""
    watched = f"sessions were watched from {begin:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC"
    if first is not None and first >= end:
        raise ValueError(f"since is {first}, but {watched}")
    if after is not None and after <= begin:
        raise ValueError(f"until is {after}, but {watched}")


def _observed(source: Frames) -> tuple[datetime | None, datetime | None, datetime | None]:
    """Say from when to when events tell of the count, and since when it is known at all."""
    times = source.counts().index
    if not len(times):
        return None, None, None
    return max(times[0], source.events_since() or times[0]), times[-1], times[0]
