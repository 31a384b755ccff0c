"""The live cards: one component, fed by one property; each card is also to be had alone."""

import json
import secrets
from bisect import bisect_left
from operator import attrgetter
from typing import Any, ClassVar, Final, Protocol

import panel as pn
import param
from panel.custom import Child
from param.parameterized import batch_call_watchers

from kato_panel import messages
from kato_panel.domain.events import SessionEvent
from kato_panel.domain.health import SourceState
from kato_panel.domain.series import Range, Series
from kato_panel.domain.snapshot import Link
from kato_panel.domain.times import iso
from kato_panel.models import Models
from kato_panel.views.alert_texts import write_alerts, write_rules
from kato_panel.views.boards import FollowingBoard
from kato_panel.views.charts import SessionPlot
from kato_panel.views.drawing import find_zone
from kato_panel.views.figures import LABELS as FIGURE_LABELS
from kato_panel.views.figures import write_figures
from kato_panel.views.markup import Markup
from kato_panel.views.orders import Orders
from kato_panel.views.stills import Still, write_parts
from kato_panel.views.theme import join_modules, stylesheet

RETOLD: Final = 20
"""Events told again in each payload, so that a page that missed one patch misses no event."""
FIRST_TOLD: Final = 50
OLDER_TOLD: Final = 200
"""Events told at once when a page is scrolled back."""
SHORTEST_SECONDS: Final = 30
"""Width of the small pictures soon after the start."""
LABELS: Final = {
    Link.STARTING.value: "Connecting to KATO…",
    Link.LIVE.value: "Live",
    Link.POLLING.value: "Polling",
    Link.STALE.value: "Stale",
    Link.UNREACHABLE.value: "KATO unreachable",
}
COUNT_NOTE: Final = "As reported by KATO; may include expired sessions."
CACHED_NOTE: Final = "As KATO reports it, up to 5 s old; may include expired sessions."
REPLAY_NOTE: Final = "As it was recorded."
RATE_NOTE: Final = "At least: a create and a destroy between two polls cancel out unseen."
MODULES: Final = (
    *("words", "pictogram", "alert_markup", "markup", "theme", "pictures", "icon", "asking"),
    *("feed", "toasts", "replay", "link", "tabs"),
    *(
        "read_marks",
        "silences",
        "silencing",
        "alert_list",
        "rule_rows",
        "alert_toasts",
        "alerts",
        "figures",
        "churn_words",
        "exports",
        "visit",
    ),
)
"""The component's parts, each before those that import it."""


class HasModels(Protocol):
    """What cards take beside models: a `Monitor`."""

    @property
    def models(self) -> Models:
        """All models in one."""


class LiveBoard(FollowingBoard):
    """The ESM component; everything it shows is in `payload`."""

    payload = param.String(default="", doc="JSON text: the state, and the newest events.")
    recent = param.String(
        default="", doc="JSON text: count, created and ended over the last five minutes, or empty."
    )
    key = param.String(default="", constant=True, doc="Random per visit; survives a reconnect.")
    page = param.Boolean(
        default=True, constant=True, doc="Whether it is the whole page, and not part of one."
    )
    parts = param.List(default=[], item_type=str, constant=True, doc="Names of the cards shown.")

    range: Any = param.Selector(
        default=Range.HOUR.value,
        objects=[span.value for span in Range],
        doc="How far back the chart looks, as the page chose.",
    )
    dark = param.Boolean(default=False, doc="Whether the page is dark at present.")
    zone = param.String(default="UTC", doc="IANA name of the page's time zone.")
    chart = Child(doc="The chart; built when the page is there.")
    before = param.Integer(
        default=0, bounds=(0, None), doc="The page wants events older than the one of this number."
    )
    tabs = param.List(
        default=[["live", "Live"]], constant=True, doc="Name and title of each view of the page."
    )
    tab = param.String(default="live", doc="Name of the view that the page shows.")
    body = Child(doc="What the chosen tab shows, where that is not these cards.")
    older = param.String(default="", doc="JSON text: what it wanted, newest first.")
    alerts = param.String(default="", doc="JSON text: what fires, and what did; or empty.")
    rules = param.String(default="", doc="JSON text: how it is with each rule; or empty.")
    marked = param.String(default="", doc="Id of the alert that the chart points out.")
    order = param.String(default="", doc="JSON text: what is to be acknowledged or silenced.")
    outcome = param.String(default="", doc="JSON text: what became of that order.")
    acts = param.Boolean(default=False, constant=True, doc="Whether orders are taken.")
    within = param.Boolean(
        default=False, constant=True, doc="Whether it is what a tab of the page shows."
    )
    labels = param.List(
        default=[],
        constant=True,
        doc="Name, title, unit, part and remark of each of KATO's own figures, if they are shown.",
    )

    _esm = join_modules(MODULES)
    _stylesheets: ClassVar[list[str]] = [stylesheet()]

    @classmethod
    def _patch_datamodel_ref(cls, props: Any, ref: str) -> None:
        """
        Note to which root the properties belong; Panel's own hook, at each change of them.

        Panel looks for others of their kind through the whole chart each time, 4 ms an update.
        There are none but those that a child of ours notes itself.
        """
        if f"__ref:{ref}" not in props.tags:
            props.tags.append(f"__ref:{ref}")


class LiveView(Still, pn.viewable.Viewer):
    """
    All live cards, and the toasts.

    Works in a page, in a notebook and in a layout such as `panel.Column`. It follows its models
    while it is shown somewhere; one that is not shown costs nothing. A single card is one of the
    classes below.

    Parameters
    ----------
    source
        A monitor, or one set of models; the view follows `Models.revision`.
    range
        How far back the chart looks: 5m, 1h, 24h or 7d.
    orders
        Takes what whoever looks on wants acknowledged or silenced; without, nobody can.

    Raises
    ------
    TypeError
        If `source` is neither.
    ValueError
        If `range` is none of these.
    """

    parts: ClassVar[tuple[str, ...]] = (
        *("count", "rates", "sources", "chart", "events", "upstream"),
        "toasts",
    )
    is_page: ClassVar[bool] = False
    is_within: ClassVar[bool] = False

    def __init__(
        self,
        source: HasModels | Models,
        *,
        range: str = Range.HOUR.value,  # noqa: A002 - the page's word
        orders: Orders | None = None,
    ) -> None:
        super().__init__()
        models = getattr(source, "models", source)
        if not isinstance(models, Models):
            raise TypeError(f"source is {source!r}, must be a Monitor or its models")
        self._models = models
        self._orders = orders
        self._is_over = False
        self._watcher: Any = None
        self._plot: SessionPlot | None = None
        self._told: dict[int, str] = {}
        self._recent_of: Series | None = None
        self._recent_text = ""
        self._board = LiveBoard(
            follow=self._follow,
            release=self.close,
            key=secrets.token_hex(8),
            page=self.is_page,
            parts=list(self.parts),
            tabs=self.tabs,
            acts=orders is not None,
            within=self.is_within,
            labels=FIGURE_LABELS if "upstream" in self.parts else [],
            range=range,
            sizing_mode="stretch_width",
        )
        self._board.param.watch(self._tell_older, "before")
        if orders is not None:
            self._board.param.watch(self._take_order, "order")
        if not self.is_page:
            self.show_chart()

    def __panel__(self) -> LiveBoard:
        return self._board

    def _still(self) -> list[Markup]:
        board = self._board
        return write_parts(self._models, self.parts, find_zone(board.zone), board.range)

    @property
    def tabs(self) -> list[list[str]]:
        """Name and title of each view of the page."""
        return [["live", "Live"]]

    def show_chart(self) -> None:
        """Build the chart; a page does so after its first paint, as it takes the longest."""
        if "chart" not in self.parts:
            return
        board = self._board
        self._plot = SessionPlot(
            self._models.chart,
            self._models.alert_log,
            range=board.range,
            dark=board.dark,
            zone=board.zone,
        )
        if self._watcher is not None:
            self._plot.follow()
        board.param.watch(self._set_chart, ["range", "dark", "zone", "marked"])
        board.chart = self._plot

    def close(self) -> None:
        """Stop following the models, until it is shown again. Closing twice is allowed."""
        if self._watcher is None:
            return
        self._models.param.unwatch(self._watcher)
        self._watcher = None
        if self._plot is not None:
            self._plot.close()

    def end(self) -> None:
        """Stop following for good, and say so where it is still shown."""
        self._is_over = True
        if self._watcher is not None:
            self._board.payload = self._payload([])
        self.close()

    def _follow(self) -> None:
        if self._watcher is not None:
            return
        self._tell(self._models.event_log.events[-FIRST_TOLD:])
        if not self._is_over:
            self._watcher = self._models.param.watch(self._refresh, "revision")
            if self._plot is not None:
                self._plot.follow()

    def _features(self) -> dict[str, bool]:
        return {"session_events": self._models.tells_events, "api": False}

    def _settings(self) -> dict[str, float]:
        return {}

    def _lifetime(self) -> dict[str, Any] | None:
        """Give the median lifetime as it was measured last; only a page measures one."""
        return None

    def _set_chart(self, *changes: Any) -> None:
        if self._plot is not None:
            self._plot.param.update(**{change.name: change.new for change in changes})

    def _refresh(self, _: Any) -> None:
        self._tell(self._models.event_log.latest)

    def _tell(self, events: list[SessionEvent]) -> None:
        with batch_call_watchers(self._board):
            self._board.payload = self._payload(events)
            self._board.recent = self._recent()
            known = self._models.alert_log.board
            if {"alerts", "toasts"} & {*self.parts}:
                self._board.alerts = write_alerts(known)
            if "rules" in self.parts:
                self._board.rules = write_rules(known)

    async def _take_order(self, ordered: Any) -> None:
        if self._orders is not None:
            self._board.outcome = await self._orders.take(ordered.new, self._board.zone)

    def _replay(self) -> dict[str, Any] | None:
        """Say how the replay goes, if it is one."""
        return None

    def _tell_older(self, wanted: Any) -> None:
        """Write the events before one, as many as a page takes at once."""
        events = self._models.event_log.events
        until = bisect_left(events, wanted.new, key=attrgetter("seq"))
        told = ", ".join(map(_event, reversed(events[max(0, until - OLDER_TOLD) : until])))
        self._board.older = f'{{"before": {wanted.new}, "events": [{told}]}}'

    def _payload(self, events: list[SessionEvent]) -> str:
        """Write the state, these events, and the newest of those that were written before."""
        if not {"events", "toasts"} & {*self.parts}:
            return self._state()
        retold = sorted(self._told)[-RETOLD:]
        self._told = {seq: self._told[seq] for seq in retold}
        self._told |= {event.seq: _event(event) for event in events}
        told = ", ".join(self._told[seq] for seq in sorted(self._told))
        return f'{self._state()[:-1]}, "events": [{told}]}}'

    def _state(self) -> str:
        models = self._models
        summary = models.summary
        return json.dumps(
            {
                "epoch": models.epoch,
                "now": _iso(models.connection.made_at),
                "demo": models.is_demo,
                "replay": self._replay(),
                "over": models.is_over or self._is_over,
                "features": self._features(),
                "settings": self._settings(),
                "connection": self._connection(),
                "sessions": {
                    "active_count": summary.active,
                    "age_seconds": _rounded(summary.age_seconds),
                    "stale": summary.stale,
                    "reported_count": summary.reported,
                    "drift": summary.drift,
                    "suspect": summary.suspect is not None,
                    "suspect_count": summary.suspect,
                    "change": summary.change,
                    "change_window_seconds": _rounded(summary.window_seconds),
                    "note": self._note(),
                },
                "rates": {
                    "created_per_minute": _rounded(summary.created_per_minute),
                    "ended_per_minute": _rounded(summary.ended_per_minute),
                    "window_seconds": _rounded(summary.window_seconds),
                    "note": "" if self._is_keyed() or self._replay() else RATE_NOTE,
                },
                "sources": [self._source(source) for source in models.connection.sources],
                "gaps": [[_iso(gap.began), _iso(gap.ended)] for gap in models.connection.gaps],
                "lifetime": self._lifetime(),
                "backlog_until": models.event_log.backlog_until,
                "upstream": write_figures(models) if "upstream" in self.parts else None,
            }
        )

    def _recent(self) -> str:
        """
        Write the last five minutes for the small pictures.

        Times count from the first observation in them, so that soon after the start the pictures
        show the same window as the figures beside them.
        """
        series = self._models.chart.series.get(Range.FIVE_MINUTES)
        if series is None or not {"count", "rates"} & {*self.parts}:
            return ""
        if self._recent_of is not series:
            first = series.times[0]
            line = [
                [round(time - first, 1), active]
                for time, active in zip(series.times, series.active, strict=True)
            ]
            buckets = zip(series.starts, series.created, series.ended, strict=True)
            bars = [[round(start - first, 1), *sums] for start, *sums in buckets]
            self._recent_of = series
            self._recent_text = json.dumps(
                {
                    "span_seconds": max(SHORTEST_SECONDS, series.until - first),
                    "bucket_seconds": series.bucket_seconds,
                    "line": line,
                    "bars": bars,
                }
            )
        return self._recent_text

    def _is_keyed(self) -> bool:
        """Whether live keys are counted, and not what KATO reports."""
        return self._models.connection.counted_by == "redis"

    def _note(self) -> str:
        if self._is_keyed():
            return ""
        if self._replay():
            return REPLAY_NOTE
        return CACHED_NOTE if self._models.summary.cached else COUNT_NOTE

    def _connection(self) -> dict[str, Any]:
        connection = self._models.connection
        return {
            "state": connection.state,
            "label": LABELS[connection.state],
            "detail": "Redis" if self._is_keyed() else "KATO",
            "reason": connection.reason,
            "since": _iso(self._models.summary.observed_at),
        }

    def _source(self, source: SourceState) -> dict[str, Any]:
        return {
            "name": source.name,
            "label": source.label,
            "health": source.health.value,
            "age_seconds": _rounded(self._models.connection.source_ages[source.name]),
            "reason": source.reason,
        }


class SessionCount(LiveView):
    """The one number: active sessions, their age and their change, with the last minutes."""

    parts = ("count",)


class SessionRates(LiveView):
    """Sessions created and ended per minute, with the last minutes."""

    parts = ("rates",)


class SourceList(LiveView):
    """How upstream is seen: each source with its age, or with the reason why it fails."""

    parts = ("sources",)


class SessionChart(LiveView):
    """Sessions over time: the count as a step line, created and ended as bars below it."""

    parts = ("chart",)


class EventFeed(LiveView):
    """Each arrival and departure, newest on top."""

    parts = ("events",)


class AlertPanel(LiveView):
    """What fires, and what did: with its reason, from when to when, and who has seen it."""

    parts = ("alerts",)


class RuleTable(LiveView):
    """Each rule, and how it is with it; and what is wrong with the file of rules."""

    parts = ("rules",)


class UpstreamCard(LiveView):
    """What KATO and its Redis say of themselves: requests, latency, resources, memory."""

    parts = ("upstream",)


def _event(event: SessionEvent) -> str:
    """Write a payload's event: the message, less what only programs need."""
    message = messages.session_event(event)
    del message["type"]
    return json.dumps(message)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _iso(at: Any) -> str | None:
    return None if at is None else iso(at)
