"""Sessions over time: the count as a step line, created and ended on a shared baseline below it."""

import random
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
from bokeh.plotting import figure

from kato_panel.domain.timeline import MAX_POINTS, SPAN_SECONDS, Range, Series
from kato_panel.models import SessionSeries
from kato_panel.views.theme import DARK, FONT, LIGHT

BARS_SHARE: Final = 0.3
"""Of the height, below the line."""
TICKS: Final = 4
SHORTEST_SECONDS: Final = 60
STEPS: Final = (1, 2, 5)


class SessionChart(pn.viewable.Viewer):
    """
    The count over the last minutes, hour or day.

    Parameters
    ----------
    models
        What is shown; the chart follows `SessionSeries.series`.
    """

    range: Any = param.Selector(
        default=Range.HOUR.value,
        objects=[span.value for span in Range],
        doc="How far back the chart looks: 5m, 1h or 24h.",
    )
    dark = param.Boolean(default=False, doc="Whether it is drawn for a dark page.")
    zone = param.String(default="UTC", doc="IANA name of the time zone of the axis.")

    def __init__(self, models: SessionSeries, **values: Any) -> None:
        super().__init__(**values)
        self._models = models
        self._line = ColumnDataSource({"time": [], "active": []})
        self._bars = ColumnDataSource({"time": [], "created": [], "ended": [], "below": []})
        self._drawn_until = 0.0
        self._patience = 1 + random.random() / 2  # noqa: S311 - a spread, no secret
        self._figure = self._build()
        self._pane = pn.pane.Bokeh(self._figure, sizing_mode="stretch_width", height=330)
        self._watcher = models.param.watch(self._follow, "series")
        self.param.watch(self._refresh, ["range", "zone"])
        self.param.watch(self._paint, "dark")
        self._paint()
        self._refresh()

    def __panel__(self) -> Any:
        return self._pane

    def close(self) -> None:
        """Stop following the models."""
        self._models.param.unwatch(self._watcher)

    def _build(self) -> Any:
        """Build the figure once; afterwards only data, ranges and colours change."""
        plot = figure(
            x_axis_type="datetime",
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools="",
            toolbar_location=None,
            sizing_mode="stretch_both",
            min_border_left=44,
            output_backend="canvas",
        )
        plot.extra_y_ranges = {"sums": Range1d(-1, 1)}
        for name, column in (("made", "created"), ("gone", "below")):
            bars = plot.vbar(
                x="time",
                top=column,
                width=1,
                source=self._bars,
                y_range_name="sums",
                line_color=None,
            )
            bars.name = name
        line = plot.step(
            x="time", y="active", source=self._line, mode="after", line_width=2.4, name="accent"
        )
        plot.add_tools(
            HoverTool(
                renderers=[line],
                mode="vline",
                line_policy="prev",
                tooltips=[("since", "@time{%H:%M:%S}"), ("active", "@active{0,0}")],
                formatters={"@time": "datetime"},
            ),
            HoverTool(
                renderers=[plot.select_one({"name": "made"})],
                mode="vline",
                tooltips=[("created", "@created{0,0}"), ("ended", "@ended{0,0}")],
                attachment="below",
            ),
        )
        for grid in plot.xgrid:
            grid.visible = False
        for axis in (*plot.xaxis, *plot.yaxis):
            axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
            axis.major_label_text_font = axis.axis_label_text_font = FONT
            axis.major_label_text_font_size = "11px"
            axis.axis_label_text_font_size = "11px"
            axis.axis_label_text_font_style = "normal"
        plot.xaxis.formatter = DatetimeTickFormatter(
            seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hourmin="%H:%M", hours="%H:%M",
            days="%d %b %H:%M",
        )  # fmt: skip
        plot.xaxis.ticker.desired_num_ticks = 4  # also on a phone
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
        plot.outline_line_color = None
        plot.background_fill_alpha = plot.border_fill_alpha = 0  # the card shows through
        return plot

    def _paint(self, *_: Any) -> None:
        """Colour the figure for the page's theme."""
        colours, plot = DARK if self.dark else LIGHT, self._figure
        for name in ("made", "gone"):
            plot.select_one({"name": name}).glyph.fill_color = colours[name]
        plot.select_one({"name": "accent"}).glyph.line_color = colours["accent"]
        for grid in plot.ygrid:
            grid.grid_line_color = colours["line"]
        for axis in (*plot.xaxis, *plot.yaxis):
            axis.major_label_text_color = axis.axis_label_text_color = colours["faint"]

    def _follow(self, _: Any) -> None:
        """
        Draw again once the newest part is as wide as a point.

        A little later in each view, by chance, so that many views do not draw at one moment.
        """
        span = Range(self.range)
        series = self._models.series.get(span)
        wait_seconds = SPAN_SECONDS[span] / MAX_POINTS * self._patience
        if series is not None and series.until - self._drawn_until >= wait_seconds:
            self._draw(series)

    def _refresh(self, *_: Any) -> None:
        series = self._models.series.get(Range(self.range))
        if series is not None:
            self._draw(series)

    def _draw(self, series: Series) -> None:
        self._drawn_until = series.until
        zone = _zone(self.zone)
        offset = datetime.fromtimestamp(series.until, UTC).astimezone(zone).utcoffset()
        shift = offset.total_seconds() if offset else 0.0
        width = series.bucket_seconds
        plot = self._figure
        with pn.io.hold():
            self._line.data = {
                "time": _ms(np.array(series.times) + shift),
                "active": np.array(series.active, dtype=float),  # None becomes NaN: a gap
            }
            self._bars.data = {
                "time": _ms(np.array(series.starts) + width / 2 + shift),
                "created": np.array(series.created),
                "ended": np.array(series.ended),
                "below": -np.array(series.ended),
            }
            for name in ("made", "gone"):
                plot.select_one({"name": name}).glyph.width = _ms(0.76 * width)
            # Soon after the start, what is known fills the chart.
            began = max(series.since, min(series.times[0], series.until - SHORTEST_SECONDS))
            plot.x_range.start, plot.x_range.end = _ms(began + shift), _ms(series.until + shift)
            plot.xaxis.axis_label = f"time in {getattr(zone, 'key', 'UTC')}"
            self._scale(series)

    def _scale(self, series: Series) -> None:
        """Give the line the upper part, the bars the lower, and ticks to the line only."""
        plot = self._figure
        known = [value for value in series.active if value is not None]
        low, high = min(known), max(known)
        room = max(4, high - low)
        plot.y_range.start = low - room * (BARS_SHARE + 0.1) / (1 - BARS_SHARE - 0.1)
        plot.y_range.end = high + room * 0.08
        step = _nice_step(room / TICKS)
        first = -(-low // step) * step
        plot.yaxis.ticker = FixedTicker(ticks=list(range(int(first), high + step, step)))
        most = max(1, *series.created, *series.ended)
        total = 2 * most / BARS_SHARE
        sums = plot.extra_y_ranges["sums"]
        sums.start, sums.end = -1.15 * most, total - 1.15 * most


def _nice_step(wanted: float) -> int:
    power = 1
    while True:
        for step in STEPS:
            if step * power >= wanted:
                return step * power
        power *= 10


def _ms(seconds: Any) -> Any:
    """Convert to what Bokeh's datetime axes count in."""
    return seconds * 1_000


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
