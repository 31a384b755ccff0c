"""Sessions over time: the count as a step line, created and ended on a shared baseline below it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import panel as pn
import param
from bokeh.models import (
    ColumnDataSource,
    DatetimeTickFormatter,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)

from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.series import MAX_POINTS, SPAN_SECONDS, Range, Series, Slice
from kato_panel.models import AlertLog, SessionSeries
from kato_panel.views import spans
from kato_panel.views.drawing import (
    TOOLTIP_FRAME,
    bare_figure,
    find_zone,
    nice_step,
    paint_figure,
    to_ms,
)
from kato_panel.views.theme import DARK, LIGHT

BARS_SHARE: Final = 0.3
"""Of the height, below the line."""
TICKS: Final = 4
SHORTEST_SECONDS: Final = 30
LONG_SECONDS: Final = 3_600
"""Slices from this width on are of several days, and say of which."""
BASE_SHARE: Final = 0.03
"""Of the highest bar, between the baseline and each bar."""
TOP_SHARE: Final = 20
"""Of the highest bar: beyond the chart's edges."""
SLICE_COLUMNS: Final = (
    *("time", "made", "gone", "made_base", "gone_base", "top", "bottom"),
    *("span", "count", "created", "ended", "alerts"),
)
TOOLTIP: Final = f"""{TOOLTIP_FRAME}
  <div style="color:%(dim)s">@span</div>
  <div><b style="font-weight:650">@count</b> <span style="color:%(dim)s">active</span></div>
  <div><span style="color:%(made)s">+ @created created</span> &nbsp;
    <span style="color:%(gone)s">&minus; @ended ended</span></div>
  <div style="width:0; min-width:100%%; color:%(bad)s; white-space:normal">@alerts</div>
</div>"""


class SessionPlot(pn.viewable.Viewer):
    """
    The bare figure of the count over the last minutes up to a week; follows once it is told to.

    Parameters
    ----------
    models
        What is shown; the chart follows `SessionSeries.series`.
    alerts
        What stands behind it, where that is told.
    """

    range: Any = param.Selector(
        default=Range.HOUR.value,
        objects=[span.value for span in Range],
        doc="How far back the chart looks: 5m, 1h, 24h or 7d.",
    )
    dark = param.Boolean(default=False, doc="Whether it is drawn for a dark page.")
    zone = param.String(default="UTC", doc="IANA name of the time zone of the axis.")
    marked = param.String(default="", doc="Id of the alert that is pointed out.")

    def __init__(
        self, models: SessionSeries, alerts: AlertLog | None = None, **values: Any
    ) -> None:
        super().__init__(**values)
        self._models = models
        self._alerts = alerts or AlertLog()
        self._drawn_alerts: tuple[AlertEntry, ...] = ()
        self._spans = ColumnDataSource({name: [] for name in spans.COLUMNS})
        self._line = ColumnDataSource({"time": [], "active": []})
        self._slices = ColumnDataSource({name: [] for name in SLICE_COLUMNS})
        self._drawn_until = 0.0
        self._patience = 1 + random.random() / 2  # noqa: S311 - a spread, no secret
        self._figure = self._build()
        self._pane = pn.pane.Bokeh(self._figure, sizing_mode="stretch_both")
        self._watchers: list[tuple[Any, Any]] = []
        self.param.watch(self._refresh, ["range", "zone", "marked"])
        self.param.watch(self._paint, "dark")
        self._paint()

    def __panel__(self) -> Any:
        return self._pane

    def follow(self) -> None:
        """Draw what is known, and then whatever comes. Following twice is allowed."""
        if not self._watchers:
            models, alerts = self._models.param, self._alerts.param
            self._watchers = [
                (models, models.watch(self._advance, "series")),
                (alerts, alerts.watch(self._take_alerts, "board")),
            ]
            self._refresh()

    def close(self) -> None:
        """Stop following the models. Closing twice is allowed."""
        for followed, watcher in self._watchers:
            followed.unwatch(watcher)
        self._watchers = []

    def _build(self) -> Any:
        """Build the figure once; afterwards only data, ranges and colours change."""
        plot = bare_figure(x_axis_type="datetime")
        plot.extra_y_ranges = {"sums": Range1d(-1, 1)}
        # Behind the rest: alerts, from top to bottom.
        plot.vstrip(
            x0="left",
            x1="right",
            source=self._spans,
            fill_color="colour",
            fill_alpha="fill",
            line_color="colour",
            line_alpha="edge",
        )
        # Then what the mouse points at, whole slices from top to bottom.
        self._pointed = plot.vbar(
            x="time",
            top="top",
            bottom="bottom",
            width=1,
            source=self._slices,
            y_range_name="sums",
            line_color=None,
            fill_alpha=0,
            hover_fill_alpha=0.09,
        )
        self._bars = {
            name: plot.vbar(
                x="time",
                top=name,
                bottom=f"{name}_base",
                width=1,
                source=self._slices,
                y_range_name="sums",
                line_color=None,
                fill_alpha=0.85,
                border_radius=2,
            )
            for name in ("made", "gone")
        }
        self._steps = plot.step(
            x="time", y="active", source=self._line, mode="after", line_width=2.4
        )
        self._hover = HoverTool(renderers=[self._pointed], mode="vline", attachment="horizontal")
        plot.add_tools(self._hover)
        plot.xaxis.formatter = DatetimeTickFormatter(
            seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hourmin="%H:%M", hours="%H:%M",
            days="%d %b",
        )  # fmt: skip
        plot.xaxis.ticker.desired_num_ticks = 4  # also on a phone
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
        return plot

    def _paint(self, *_: Any) -> None:
        """Colour the figure for the page's theme."""
        colours, plot = DARK if self.dark else LIGHT, self._figure
        for name, bars in self._bars.items():
            bars.glyph.fill_color = colours[name]
        self._steps.glyph.line_color = colours["accent"]
        self._pointed.hover_glyph.fill_color = colours["dim"]
        self._hover.tooltips = TOOLTIP % colours
        paint_figure(plot, colours)
        self._refresh()  # the alerts carry their colours

    def _take_alerts(self, _: Any) -> None:
        if self._told_alerts() != self._drawn_alerts:
            self._refresh()

    def _told_alerts(self) -> tuple[AlertEntry, ...]:
        board = self._alerts.board
        return () if board is None else board.recent

    def _advance(self, _: Any) -> None:
        """
        Draw again once the newest part is as wide as a point.

        A little later in each view, by chance, so that many views do not draw at one moment.
        """
        span = Range(self.range)
        series = self._models.series.get(span)
        if series is None:
            return
        # Soon after the start a long range shows little, and each part of it is wide.
        shown_seconds = max(SPAN_SECONDS[Range.HOUR], series.until - series.times[0])
        wait_seconds = min(SPAN_SECONDS[span], shown_seconds) / MAX_POINTS * self._patience
        if series.until - self._drawn_until >= wait_seconds:
            self._draw(series)

    def _refresh(self, *_: Any) -> None:
        series = self._models.series.get(Range(self.range))
        if series is not None:
            self._draw(series)

    def _draw(self, series: Series) -> None:
        self._drawn_until = series.until
        zone = find_zone(self.zone)
        offset = datetime.fromtimestamp(series.until, UTC).astimezone(zone).utcoffset()
        shift = offset.total_seconds() if offset else 0.0
        width = series.bucket_seconds
        plot = self._figure
        self._drawn_alerts = self._told_alerts()
        # Soon after the start, what is known fills the chart.
        began = max(series.since, min(series.times[0], series.until - SHORTEST_SECONDS))
        with pn.io.hold():
            self._line.data = {
                "time": to_ms(np.array(series.times) + shift),
                "active": np.array(series.active, dtype=float),  # None becomes NaN: a gap
            }
            self._slices.data = self._lay_out(series, zone)
            for glyph in (self._pointed.glyph, self._pointed.hover_glyph):
                glyph.width = to_ms(width)
            for bars in self._bars.values():
                bars.glyph.width = to_ms(0.76 * width)
            self._spans.data = self._lay_out_alerts((began, series.until), shift)
            plot.x_range.start, plot.x_range.end = to_ms(began + shift), to_ms(series.until + shift)
            plot.xaxis.axis_label = f"time in {getattr(zone, 'key', 'UTC')}"
            self._scale(series)

    def _lay_out_alerts(self, bounds: tuple[float, float], shift: float) -> dict[str, Any]:
        colours = DARK if self.dark else LIGHT
        columns: dict[str, Any] = spans.lay_out(self._drawn_alerts, bounds, colours, self.marked)
        for edge in ("left", "right"):
            columns[edge] = [to_ms(at + shift) for at in columns[edge]]
        return columns

    def _lay_out(self, series: Series, zone: Any) -> dict[str, Any]:
        """Lay out the slices: where their bars begin and end, and what is said of them."""
        slices, width = series.slices(), series.bucket_seconds
        most = max(1, *series.created, *series.ended)
        base = BASE_SHARE * most
        at = [datetime.fromtimestamp(one.start, UTC).astimezone(zone) for one in slices]
        offsets = [(time.utcoffset() or timedelta()).total_seconds() for time in at]
        return {
            "time": to_ms(np.array([one.start for one in slices]) + width / 2 + np.array(offsets)),
            "made": [one.created and base + one.created for one in slices],
            "gone": [one.ended and -base - one.ended for one in slices],
            "made_base": [one.created and base for one in slices],
            "gone_base": [one.ended and -base for one in slices],
            "top": [TOP_SHARE * most] * len(slices),
            "bottom": [-TOP_SHARE * most] * len(slices),
            "span": [_name_span(time, width) for time in at],
            "count": [_name_count(one) for one in slices],
            "created": [f"{one.created:,}" for one in slices],
            "ended": [f"{one.ended:,}" for one in slices],
            "alerts": spans.name_alerts(self._drawn_alerts, [one.start for one in slices], width),
        }

    def _scale(self, series: Series) -> None:
        """Give the line the upper part, the bars the lower, and ticks to the line only."""
        plot = self._figure
        known = [value for value in series.active if value is not None]
        low, high = min(known), max(known)
        room = max(4, high - low)
        plot.y_range.start = low - room * (BARS_SHARE + 0.1) / (1 - BARS_SHARE - 0.1)
        plot.y_range.end = high + room * 0.08
        step = int(nice_step(room / TICKS))
        first = -(-low // step) * step
        plot.yaxis.ticker = FixedTicker(ticks=list(range(int(first), high + step, step)))
        most = max(1, *series.created, *series.ended)
        total = 2 * most / BARS_SHARE
        sums = plot.extra_y_ranges["sums"]
        sums.start, sums.end = -1.15 * most, total - 1.15 * most


def _name_span(start: datetime, seconds: int) -> str:
    """Say which time a slice is about."""
    end = start + timedelta(seconds=seconds)
    form = "%H:%M:%S" if seconds % 60 else "%H:%M"
    day = f"{start:%d %b} " if seconds >= LONG_SECONDS else ""
    return f"{day}{start:{form}} \u2013 {end:{form}}"


def _name_count(one: Slice) -> str:
    """Say what the count was in a slice: where it ended, and its bounds if it moved."""
    if one.lowest is None or one.highest is None:
        return "not observed"
    last = "—" if one.last is None else f"{one.last:,}"
    return last if one.lowest == one.highest else f"{last} ({one.lowest:,} \u2013 {one.highest:,})"
