"""The live part of a page: tiles, feed and toasts, one component fed by one property."""

import json
import re
import secrets
from pathlib import Path
from typing import Any, ClassVar, Final

import panel as pn
import param
from panel.custom import Child, JSComponent

from kato_panel import messages
from kato_panel.config import Settings
from kato_panel.domain.events import SessionEvent
from kato_panel.domain.health import SourceState
from kato_panel.domain.snapshot import Link
from kato_panel.domain.timeline import Range, Series
from kato_panel.models import Models
from kato_panel.views.charts import SessionChart

RETOLD: Final = 20
"""Events told again in each payload, so that a page that missed one patch misses no event."""
FIRST_TOLD: Final = 50
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
RATE_NOTE: Final = "At least: a create and a destroy between two polls cancel out unseen."


ASSETS: Final = Path(__file__).with_name("assets")
MODULES: Final = ("words", "markup", "pictures", "feed", "toasts", "link", "visit")
"""The component's parts, each before those that import it."""


def join_modules() -> str:
    """
    Join the component's modules into the one that Panel takes.

    Panel hands a component to the browser as a blob, from which nothing relative can be imported;
    so the modules' imports of one another are dropped, and they share one scope.
    """
    texts = [(ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in MODULES]
    return re.sub(
        r"^import .*\n|^export (?!function render)", "", "\n".join(texts), flags=re.MULTILINE
    )


class LiveBoard(JSComponent):
    """The ESM component; everything it shows is in `payload`."""

    payload = param.String(default="", doc="JSON text: the state, and the newest events.")
    recent = param.String(
        default="", doc="JSON text: count, created and ended over the last five minutes, or empty."
    )
    key = param.String(default="", constant=True, doc="Random per visit; survives a reconnect.")
    page = param.Boolean(
        default=True, constant=True, doc="Whether it is the whole page, and not part of one."
    )

    range: Any = param.Selector(
        default=Range.HOUR.value,
        objects=[span.value for span in Range],
        doc="How far back the chart looks, as the page chose.",
    )
    dark = param.Boolean(default=False, doc="Whether the page is dark at present.")
    zone = param.String(default="UTC", doc="IANA name of the page's time zone.")
    chart = Child(doc="The chart; built when the page is there.")

    _esm = join_modules()
    _stylesheets: ClassVar[list[str]] = [(ASSETS / "live.css").read_text(encoding="utf-8")]


class LiveView(pn.viewable.Viewer):
    """
    The live cards over one set of models.

    Parameters
    ----------
    models
        What is shown; the view follows `Models.revision`.
    settings
        How long things stay, and which features there are.
    upstream
        Address of what is watched, for the eye.
    epoch
        Within which event numbers count.
    has_api
        Whether the server has our routes, to be asked while the page's socket is down.
    is_page
        Whether this is the whole page, header included.
    """

    def __init__(
        self,
        models: Models,
        settings: Settings,
        *,
        upstream: str,
        epoch: str,
        has_api: bool = False,
        is_page: bool = True,
    ) -> None:
        super().__init__()
        self._models = models
        self._settings = settings
        self._upstream = upstream
        self._epoch = epoch
        self._has_api = has_api
        self._chart: SessionChart | None = None
        self._told: dict[int, str] = {}
        self._recent_of: Series | None = None
        self._recent_text = ""
        self._board = LiveBoard(
            payload=self._payload(models.event_log.events[-FIRST_TOLD:]),
            recent=self._recent(),
            key=secrets.token_hex(8),
            page=is_page,
            sizing_mode="stretch_width",
        )
        self._watcher = models.param.watch(self._refresh, "revision")

    def __panel__(self) -> LiveBoard:
        return self._board

    def show_chart(self) -> None:
        """Build the chart: after the first paint, as it takes longer than all the rest."""
        board = self._board
        self._chart = SessionChart(
            self._models.chart, range=board.range, dark=board.dark, zone=board.zone
        )
        board.param.watch(self._set_chart, ["range", "dark", "zone"])
        board.chart = self._chart

    def close(self) -> None:
        """Stop following the models."""
        self._models.param.unwatch(self._watcher)
        if self._chart is not None:
            self._chart.close()

    def _set_chart(self, *changes: Any) -> None:
        if self._chart is not None:
            self._chart.param.update(**{change.name: change.new for change in changes})

    def _refresh(self, _: Any) -> None:
        self._board.param.update(
            payload=self._payload(self._models.event_log.latest), recent=self._recent()
        )

    def _payload(self, events: list[SessionEvent]) -> str:
        """Write the state, these events, and the newest of those that were written before."""
        retold = sorted(self._told)[-RETOLD:]
        self._told = {seq: self._told[seq] for seq in retold}
        self._told |= {event.seq: _event(event) for event in events}
        told = ", ".join(self._told[seq] for seq in sorted(self._told))
        return f'{self._state()[:-1]}, "events": [{told}]}}'

    def _state(self) -> str:
        summary, log = self._models.summary, self._models.event_log
        return json.dumps(
            {
                "epoch": self._epoch,
                "now": _iso(self._models.connection.made_at),
                "demo": self._settings.is_demo,
                "upstream": self._upstream,
                "features": {"session_events": self._settings.session_events, "api": self._has_api},
                "settings": {
                    "toast_seconds": self._settings.toast_seconds,
                    "fallback_interval_seconds": self._settings.fallback_interval_seconds,
                },
                "connection": self._connection(),
                "sessions": {
                    "active_count": summary.active,
                    "age_seconds": _rounded(summary.age_seconds),
                    "stale": summary.stale,
                    "suspect": summary.suspect is not None,
                    "suspect_count": summary.suspect,
                    "change": summary.change,
                    "change_window_seconds": _rounded(summary.window_seconds),
                    "note": CACHED_NOTE if summary.cached else COUNT_NOTE,
                },
                "rates": {
                    "created_per_minute": _rounded(summary.created_per_minute),
                    "ended_per_minute": _rounded(summary.ended_per_minute),
                    "window_seconds": _rounded(summary.window_seconds),
                    "note": RATE_NOTE,
                },
                "sources": [self._source(source) for source in self._models.connection.sources],
                "backlog_until": log.backlog_until,
            }
        )

    def _recent(self) -> str:
        """
        Write the last five minutes for the small pictures.

        Times count from the first observation in them, so that soon after the start the pictures
        show the same window as the figures beside them.
        """
        series = self._models.chart.series.get(Range.FIVE_MINUTES)
        if series is None:
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

    def _connection(self) -> dict[str, Any]:
        connection = self._models.connection
        return {
            "state": connection.state,
            "label": LABELS[connection.state],
            "detail": "KATO",
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


def _event(event: SessionEvent) -> str:
    """Write a payload's event: the message, less what only programs need."""
    message = messages.session_event(event)
    del message["type"]
    return json.dumps(message)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _iso(at: Any) -> str | None:
    return None if at is None else messages.iso(at)
