"""
The Param models that pages and notebooks bind to. No Panel in here.

One set per visit or notebook: watchers on an instance that all pages share would outlive their
page. A set follows the hub through `Models.apply`.
"""

from bisect import bisect_left
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import param
from param.parameterized import batch_call_watchers

from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.containers import ContainerFigures, ContainersSeen, ContainerTotals
from kato_panel.domain.events import SessionEvent
from kato_panel.domain.health import STALE_AFTER_INTERVALS, SourceState
from kato_panel.domain.recorded import Gap
from kato_panel.domain.snapshot import Link, SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.domain.trends import Trend
from kato_panel.domain.upstream_figures import Part, UpstreamFigures
from kato_panel.hub import Charts, Subscription, Update
from kato_panel.runtime import Runtime

MAX_LOGGED = 5_000


class _ReadOnly(param.Parameterized):
    """A model that only this module changes."""

    def _take(self, **values: Any) -> None:
        """Take over values at once; watchers hear of all of them together, and of changes only."""
        changed = {name: value for name, value in values.items() if getattr(self, name) != value}
        # `param.edit_constant` opens all parameters of the class, and `param.update` reads all of
        # their values first: either takes most of an update.
        opened = [self.param[name] for name in changed]
        for parameter in opened:
            parameter.constant = False
        try:
            with batch_call_watchers(self):
                for name, value in changed.items():
                    setattr(self, name, value)
        finally:
            for parameter in opened:
                parameter.constant = True


class SessionSummary(_ReadOnly):
    """
    The present state of upstream's sessions, as last observed.

    ``None`` means *not known*, never zero.
    """

    active = param.Integer(
        default=None, allow_None=True, bounds=(0, None), constant=True, doc="Sessions alive."
    )
    reported = param.Integer(
        default=None,
        allow_None=True,
        bounds=(0, None),
        constant=True,
        doc="Sessions as KATO reported them last; may include expired ones.",
    )
    drift = param.Integer(
        default=None,
        allow_None=True,
        bounds=(0, None),
        constant=True,
        doc="Sessions KATO still counts that are gone; known with its Redis only.",
    )
    suspect = param.Integer(
        default=None,
        allow_None=True,
        bounds=(0, None),
        constant=True,
        doc="Sessions KATO says there are, if that fall waits for the next poll to confirm.",
    )
    observed_at = param.Date(
        default=None, constant=True, doc="UTC time of the newest good observation of the count."
    )
    age_seconds = param.Number(
        default=None,
        allow_None=True,
        bounds=(0, None),
        constant=True,
        doc="Seconds from that observation to this state.",
    )
    stale = param.Boolean(
        default=False, constant=True, doc="Whether that is older than three poll intervals."
    )
    cached = param.Boolean(
        default=False,
        constant=True,
        doc="Whether KATO may have answered from its cache, up to 5.1 s before that.",
    )
    change = param.Integer(
        default=None,
        allow_None=True,
        constant=True,
        doc="Sessions more (or less) than at the beginning of the window.",
    )
    created_per_minute = param.Number(
        default=None,
        allow_None=True,
        bounds=(0, None),
        constant=True,
        doc="Sessions created per minute, over the window; a lower bound.",
    )
    ended_per_minute = param.Number(
        default=None,
        allow_None=True,
        bounds=(0, None),
        constant=True,
        doc="Sessions ended per minute, over the window; a lower bound.",
    )
    window_seconds = param.Number(
        default=None,
        allow_None=True,
        bounds=(0, None),
        constant=True,
        doc="Length of the window of change and rates, in seconds; at most 300.",
    )

    def apply(self, snapshot: SessionSnapshot) -> None:
        """Take over one state."""
        rates = snapshot.rates
        self._take(
            active=snapshot.active,
            reported=snapshot.reported,
            drift=snapshot.drift,
            suspect=snapshot.suspect,
            observed_at=snapshot.at.wall if snapshot.at else None,
            age_seconds=snapshot.age_seconds,
            stale=snapshot.is_stale,
            cached=snapshot.is_cached,
            change=rates.change if rates else None,
            created_per_minute=rates.created_per_minute if rates else None,
            ended_per_minute=rates.ended_per_minute if rates else None,
            window_seconds=rates.window_seconds if rates else None,
        )


class Connection(_ReadOnly):
    """How upstream is seen: the sources, and what they come to in one word."""

    state: Any = param.Selector(
        default=Link.STARTING.value,
        objects=[link.value for link in Link],
        constant=True,
        doc="starting, live (events are told), polling (the count only), stale or unreachable.",
    )
    reason = param.String(default="", constant=True, doc="Why the count cannot be read.")
    sources = param.List(
        default=[],
        item_type=SourceState,
        constant=True,
        doc="One `SourceState` for each source.",
    )
    source_ages = param.Dict(
        default={},
        constant=True,
        doc="Seconds since each source's newest good observation, by its name; or ``None``.",
    )
    counted_by = param.String(
        default="http", constant=True, doc="Name of the source that the count comes from."
    )
    gaps = param.List(
        default=[],
        item_type=Gap,
        constant=True,
        doc="The newest times in which nobody could look, oldest first; at most 20.",
    )
    made_at = param.Date(default=None, constant=True, doc="UTC time of this state.")

    def apply(self, snapshot: SessionSnapshot) -> None:
        """Take over one state."""
        self._take(
            state=snapshot.link.value,
            reason=snapshot.reason,
            sources=list(snapshot.sources),
            source_ages={
                source.name: source.age_seconds(snapshot.made_at) for source in snapshot.sources
            },
            counted_by=snapshot.counted_by,
            gaps=list(snapshot.gaps),
            made_at=snapshot.made_at.wall,
        )


class EventLog(_ReadOnly):
    """The newest events, oldest first."""

    events = param.List(
        default=[],
        constant=True,
        doc="At most 5,000 `SessionEvent`s; one told again with its names replaces the former.",
    )
    latest = param.List(
        default=[],
        constant=True,
        doc="The `SessionEvent`s of the last update: new ones, and those told again.",
    )
    backlog_until = param.Integer(
        default=0,
        bounds=(0, None),
        constant=True,
        doc="Number of the newest event that was there before this log began; 0 for none.",
    )
    skipped = param.Integer(
        default=0,
        bounds=(0, None),
        constant=True,
        doc="Events this log never got because its reader was too slow.",
    )

    def begin(self, events: tuple[SessionEvent, ...]) -> None:
        """Take over what happened before."""
        until = max((event.seq for event in events), default=0)
        self._take(events=list(events), latest=list(events), backlog_until=until)

    def apply(self, events: tuple[SessionEvent, ...], skipped: int) -> None:
        """Take over new events, and earlier ones told again."""
        if not events and not skipped:
            self._take(latest=[])
            return
        kept = list(self.events)
        for event in events:
            at = bisect_left(kept, event.seq, key=attrgetter("seq"))
            is_known = at < len(kept) and kept[at].seq == event.seq
            if is_known or at == len(kept):
                kept[at : at + 1] = [event]
        self._take(
            events=kept[-MAX_LOGGED:],
            latest=list(events),
            skipped=self.skipped + skipped,
        )


class SessionSeries(_ReadOnly):
    """What charts of the last week show; changes at most once a second."""

    series = param.Dict(
        default={},
        constant=True,
        doc="A `Series` for each `Range` (5m, 1h, 24h, 7d); empty before the first observation.",
    )

    def apply(self, charts: Charts | None) -> None:
        """Take over what the charts show, if it is told."""
        if charts:
            self._take(series=dict(charts))


class AlertLog(_ReadOnly):
    """What fires, what did, and by which rules."""

    board: AlertBoard | None = param.ClassSelector(  # type: ignore[assignment]  # as told
        class_=AlertBoard,
        default=None,
        allow_None=True,
        constant=True,
        doc="An `AlertBoard`; ``None`` until one is told, and where alerts are switched off.",
    )

    def apply(self, surroundings: Surroundings | None) -> None:
        """Take over the board, if it is told."""
        if surroundings is not None:
            self._take(board=surroundings.alerts)


class ContainerList(_ReadOnly):
    """
    The containers that upstream runs in, as last seen.

    How well they are seen is said by the source `docker` of `Connection.sources`.
    """

    figures = param.List(
        default=[],
        item_type=ContainerFigures,
        constant=True,
        doc="One `ContainerFigures` for each, by name; those that vanished too.",
    )
    totals: ContainerTotals | None = param.ClassSelector(  # type: ignore[assignment]  # param's own
        class_=ContainerTotals,
        default=None,
        allow_None=True,
        constant=True,
        doc="Those that run together; ``None`` before the first look.",
    )
    trends = param.List(
        default=[],
        item_type=Trend,
        constant=True,
        doc="One `Trend` for each: the last ten minutes.",
    )
    seen: ContainersSeen | None = param.ClassSelector(  # type: ignore[assignment]  # param's own
        class_=ContainersSeen,
        default=None,
        allow_None=True,
        constant=True,
        doc="The newest good look; ``None`` before there is one.",
    )
    stale_after_seconds = param.Number(
        default=9.0, constant=True, doc="From which age on a look is stale, in seconds."
    )

    def apply(self, surroundings: Surroundings | None) -> None:
        """Take over the newest look, if one is told."""
        if surroundings is None or surroundings.containers in (None, self.seen):
            return
        seen = surroundings.containers
        self._take(
            seen=seen,
            figures=list(seen.containers),
            totals=seen.totals,
            trends=list(surroundings.trends),
        )

    def begin(self, interval_seconds: float) -> None:
        """Take over how often they are looked at."""
        self._take(stale_after_seconds=STALE_AFTER_INTERVALS * interval_seconds)


class Upstream(_ReadOnly):
    """What upstream and its Redis say of themselves, as last read."""

    figures: UpstreamFigures = param.ClassSelector(  # type: ignore[assignment]  # never None
        class_=UpstreamFigures,
        default=UpstreamFigures(),
        instantiate=False,
        constant=True,
        doc="One `UpstreamFigures`: each part with its moment; ``None`` for what is not known.",
    )
    ages = param.Dict(
        default={},
        constant=True,
        doc="Seconds from each part's reading to this state, by its `Part`; or ``None``.",
    )

    def apply(self, update: Update) -> None:
        """Take over what an update tells of them; with each state they age."""
        surroundings, snapshot = update.surroundings, update.snapshot
        if surroundings is not None and surroundings.figures is not None:
            self._take(figures=surroundings.figures)
        if snapshot is not None:
            now = snapshot.made_at
            self._take(ages={part: self.figures.age_seconds(part, now) for part in Part})


class Models(_ReadOnly):
    """
    One set of models, and how it follows the hub.

    `revision` changes once for each update, after all models took it over: a view that shows
    several of them watches this one parameter.
    """

    summary: SessionSummary = param.ClassSelector(  # type: ignore[assignment]  # never None: see __init__
        class_=SessionSummary, constant=True, instantiate=False, doc="The count and its rates."
    )
    connection: Connection = param.ClassSelector(  # type: ignore[assignment]  # never None: see __init__
        class_=Connection, constant=True, instantiate=False, doc="How upstream is seen."
    )
    event_log: EventLog = param.ClassSelector(  # type: ignore[assignment]  # never None: see __init__
        class_=EventLog, constant=True, instantiate=False, doc="The newest events."
    )
    chart: SessionSeries = param.ClassSelector(  # type: ignore[assignment]  # as above
        class_=SessionSeries, constant=True, instantiate=False, doc="The count over the last day."
    )
    alert_log: AlertLog = param.ClassSelector(  # type: ignore[assignment]  # as above
        class_=AlertLog, constant=True, instantiate=False, doc="What fires, and what did."
    )
    container_list: ContainerList = param.ClassSelector(  # type: ignore[assignment]  # as above
        class_=ContainerList, constant=True, instantiate=False, doc="What upstream runs in."
    )
    upstream: Upstream = param.ClassSelector(  # type: ignore[assignment]  # as above
        class_=Upstream, constant=True, instantiate=False, doc="KATO's and Redis' own figures."
    )
    epoch = param.String(
        default="", constant=True, doc="Within which event numbers count; random per start."
    )
    is_demo = param.Boolean(
        default=False, constant=True, doc="Whether the embedded simulator is watched."
    )
    tells_events = param.Boolean(
        default=True, constant=True, doc="Whether events are told, and not the count only."
    )
    is_over = param.Boolean(
        default=False, constant=True, doc="Whether the watching was ended on purpose."
    )
    revision = param.Integer(
        default=0, bounds=(0, None), constant=True, doc="Number of updates taken over."
    )

    def __init__(self, **values: Any) -> None:
        super().__init__(
            **{
                "summary": SessionSummary(),
                "connection": Connection(),
                "event_log": EventLog(),
                "chart": SessionSeries(),
                "alert_log": AlertLog(),
                "container_list": ContainerList(),
                "upstream": Upstream(),
                **values,
            }
        )

    def follow(self, runtime: Runtime, wake: Callable[[], None]) -> Subscription:
        """
        Begin to follow a runtime that was started: take over what is known.

        Parameters
        ----------
        runtime
            What is followed.
        wake
            Called from the watcher's thread when there is something to take; see `Subscription`.

        Returns
        -------
        Subscription
            For its owner to hand to `apply` what it takes, and to close.
        """
        subscription, before = runtime.hub.subscribe(wake)
        settings = runtime.settings
        self._take(
            epoch=runtime.hub.epoch,
            is_demo=settings.is_demo,
            tells_events=settings.session_events,
        )
        self.container_list.begin(settings.container_interval_seconds)
        self.begin(before)
        return subscription

    def begin(self, update: Update) -> None:
        """Take over the state and the events from before."""
        self.event_log.begin(update.events)
        self.chart.apply(update.charts)
        self.alert_log.apply(update.surroundings)
        self.container_list.apply(update.surroundings)
        self.upstream.apply(update)
        self._apply_snapshot(update.snapshot)

    def apply(self, update: Update) -> None:
        """Take over one update."""
        self.event_log.apply(update.events, update.skipped)
        self.chart.apply(update.charts)
        self.alert_log.apply(update.surroundings)
        self.container_list.apply(update.surroundings)
        self.upstream.apply(update)
        self._apply_snapshot(update.snapshot)

    def end(self) -> None:
        """Say that nothing more will come."""
        self._take(is_over=True, revision=self.revision + 1)

    def _apply_snapshot(self, snapshot: SessionSnapshot | None) -> None:
        if snapshot is not None:
            self.summary.apply(snapshot)
            self.connection.apply(snapshot)
        self._take(revision=self.revision + 1)
