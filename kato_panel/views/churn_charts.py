"""The figures of churn, which draw a report: what they share, rates over time, lifetimes."""

from datetime import timedelta
from itertools import pairwise
from typing import Any, ClassVar, Final

import numpy as np
import panel as pn
import param
from bokeh.models import (
    ColumnDataSource,
    DatetimeTickFormatter,
    FixedTicker,
    HoverTool,
)

from kato_panel.churn_report import Report
from kato_panel.views.drawing import (
    TOOLTIP_FRAME,
    bare_figure,
    find_zone,
    nice_step,
    paint_figure,
    to_ms,
)
from kato_panel.views.theme import DARK, FONT, LIGHT
from kato_panel.views.wording import THIN, write_number

MINUS: Final = "\N{MINUS SIGN}"
DAY_SECONDS: Final = 86_400
LONG_SECONDS: Final = 3 * DAY_SECONDS
RATE_TOOLTIP: Final = f"""{TOOLTIP_FRAME}
  <div style="color:%(dim)s">@span</div>
  <div style="color:%(made)s">+ @made_text / min created</div>
  <div style="color:%(gone)s">&minus; @gone_text / min ended</div>
  <div><b style="font-weight:650">@net_text</b> / min net</div>
</div>"""
LIFETIME_TOOLTIP: Final = f"""{TOOLTIP_FRAME}
  <div style="color:%(dim)s">@span</div>
  <div><b style="font-weight:650">@count</b> ended &nbsp;
    <span style="color:%(dim)s">@band</span></div>
</div>"""


class ChurnPlot(pn.viewable.Viewer):
    """A figure that draws a report; it is built once, and drawn again for each."""

    dark = param.Boolean(default=False, doc="Whether it is drawn for a dark page.")

    tooltip: ClassVar[str] = ""
    border: ClassVar[dict[str, Any]] = {}

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._report: Report | None = None
        self._figure = bare_figure(**self.border)
        self._hover = self._build(self._figure)
        self._figure.add_tools(self._hover)
        self._pane = pn.pane.Bokeh(self._figure, sizing_mode="stretch_both")
        self.param.watch(self._paint, "dark")
        self._paint()

    def __panel__(self) -> Any:
        return self._pane

    @property
    def colours(self) -> dict[str, str]:
        """The roles of the page's theme."""
        return DARK if self.dark else LIGHT

    def draw(self, report: Report) -> None:
        """Draw a report."""
        self._report = report
        with pn.io.hold():
            self._draw(self._figure, report)

    def _paint(self, *_: Any) -> None:
        paint_figure(self._figure, self.colours)
        self._hover.tooltips = self.tooltip % self.colours
        self._colour()
        if self._report is not None:
            self.draw(self._report)

    def _build(self, plot: Any) -> HoverTool:
        raise NotImplementedError

    def _colour(self) -> None:
        raise NotImplementedError

    def _draw(self, plot: Any, report: Report) -> None:
        raise NotImplementedError


class RatePlot(ChurnPlot):
    """Arrivals up, departures down, with their intervals; the net rate as a line."""

    tooltip = RATE_TOOLTIP
    border: ClassVar[dict[str, Any]] = {"x_axis_type": "datetime"}
    columns: ClassVar[tuple[str, ...]] = (
        *("time", "width", "made", "gone", "made_low", "made_high", "gone_low", "gone_high"),
        *("net", "top", "bottom", "span", "made_text", "gone_text", "net_text"),
    )

    def _build(self, plot: Any) -> HoverTool:
        self._source = ColumnDataSource({name: [] for name in self.columns})
        self._pointed = plot.vbar(x="time", top="top", bottom="bottom", width="width",
                                  source=self._source, line_color=None, fill_alpha=0,
                                  hover_fill_alpha=0.09)  # fmt: skip
        self._bars, self._whiskers = {}, {}
        for name in ("made", "gone"):
            self._bars[name] = plot.vbar(x="time", top=name, bottom=0, width="width",
                                         source=self._source, line_color=None, fill_alpha=0.55,
                                         line_width=0)  # fmt: skip
            self._whiskers[name] = plot.segment("time", f"{name}_low", "time", f"{name}_high",
                                                source=self._source, line_width=1.3)  # fmt: skip
        self._net = plot.line("time", "net", source=self._source, line_width=2)
        plot.xaxis.formatter = DatetimeTickFormatter(
            seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hourmin="%H:%M", hours="%H:%M",
            days="%d %b", months="%b %Y",
        )  # fmt: skip
        plot.xaxis.ticker.desired_num_ticks = 4  # also on a phone
        return HoverTool(renderers=[self._pointed], mode="vline", attachment="horizontal")

    def _colour(self) -> None:
        for name in ("made", "gone"):
            self._bars[name].glyph.fill_color = self.colours[name]
            self._whiskers[name].glyph.line_color = self.colours[name]
        self._net.glyph.line_color = self.colours["accent"]
        self._pointed.hover_glyph.fill_color = self.colours["dim"]

    def _draw(self, plot: Any, report: Report) -> None:
        zone = find_zone(report.zone)
        rates = report.frames["rates"]
        edges = rates.index.append(rates.index[:0].insert(0, report.until))
        shown = edges.tz_convert(zone)
        local = shown.tz_localize(None).astype("datetime64[us]").asi8 / 1e6
        widths = np.diff(edges.as_unit("us").asi8) / 1e6
        shares = {
            part: rates[f"{part}_per_minute"].to_numpy()
            for name in ("arrivals", "departures", "net")
            for part in (name, f"{name}_low", f"{name}_high")
        }
        # A narrow stretch at either end has an interval that would flatten all others.
        is_whole = rates["observed_seconds"].to_numpy() >= widths.max() / 2
        high = float(np.nanmax([0.1, *shares["arrivals_high"][is_whole], *shares["net"]]))
        low = float(np.nanmin([-0.1, *-shares["departures_high"][is_whole], *shares["net"]]))
        room = high - low
        rows = len(rates)
        form = "%H:%M" if report.until - report.since <= _span(LONG_SECONDS) else "%d %b %H:%M"
        self._source.data = {
            "time": to_ms(local[:-1] + widths / 2),
            "width": to_ms(0.8 * widths),
            "made": shares["arrivals"],
            "gone": -shares["departures"],
            "made_low": shares["arrivals_low"],
            "made_high": shares["arrivals_high"],
            "gone_low": -shares["departures_low"],
            "gone_high": -shares["departures_high"],
            "net": shares["net"],
            "top": [high + room] * rows,
            "bottom": [low - room] * rows,
            "span": [write_range(a.strftime(form), b.strftime(form)) for a, b in pairwise(shown)],
            "made_text": _write_rates(shares, "arrivals"),
            "gone_text": _write_rates(shares, "departures"),
            "net_text": _write_rates(shares, "net"),
        }
        step = nice_step(room / 5, 0.001)
        ticks = [step * n for n in range(int(np.ceil(low / step)), int(high / step) + 1)]
        plot.yaxis.ticker = FixedTicker(ticks=ticks)
        plot.yaxis.major_label_overrides = {
            tick: f"{tick:,.6g}".replace(",", THIN).replace("-", MINUS) for tick in ticks
        }
        plot.yaxis.axis_label = "sessions per minute"
        plot.y_range.start, plot.y_range.end = low - 0.04 * room, high + 0.04 * room
        plot.x_range.start, plot.x_range.end = to_ms(local[0]), to_ms(local[-1])
        plot.xaxis.axis_label = f"time in {getattr(zone, 'key', 'UTC')}"


class LifetimePlot(ChurnPlot):
    """How long those lived that ended, on a scale of powers; median and naive mean beside."""

    tooltip = LIFETIME_TOOLTIP
    columns: ClassVar[tuple[str, ...]] = (
        *("left", "right", "middle", "top", "low", "high", "span", "count", "band"),
    )

    def _build(self, plot: Any) -> HoverTool:
        self._source = ColumnDataSource({name: [] for name in self.columns})
        self._marks = ColumnDataSource({"x": [], "y0": [], "y1": [], "name": [], "colour": [],
                                        "align": [], "offset": []})  # fmt: skip
        self._bars = plot.quad("left", "right", "top", 0, source=self._source, fill_alpha=0.6,
                               line_width=1, hover_fill_alpha=0.9)  # fmt: skip
        self._whiskers = plot.segment("middle", "low", "middle", "high", source=self._source,
                                      line_width=1.2)  # fmt: skip
        plot.segment("x", "y0", "x", "y1", source=self._marks, line_color="colour",
                     line_dash=[4, 3], line_width=1.6)  # fmt: skip
        self._names = plot.text("x", "y1", "name", source=self._marks, text_color="colour",
                                text_font={"value": FONT}, text_font_size="11px",
                                text_baseline="top", text_align="align", x_offset="offset",
                                y_offset=-2)  # fmt: skip
        plot.xaxis.axis_label = "lifetime of those that ended"
        return HoverTool(renderers=[self._bars], mode="vline", attachment="horizontal")

    def _colour(self) -> None:
        colours = self.colours
        for glyph in (self._bars.glyph, self._bars.hover_glyph):
            glyph.fill_color, glyph.line_color = colours["gone"], colours["card"]
        self._whiskers.glyph.line_color = colours["gone"]

    def _draw(self, plot: Any, report: Report) -> None:
        frame = report.frames.get("lifetimes")
        if frame is None or report.naive is None:
            return
        starts, ends = frame.index.to_numpy(), frame["to_seconds"].to_numpy()
        left = np.log10(np.where(starts > 0, starts, ends / 2))
        right = np.log10(ends)
        counts = frame["ended"].to_numpy()
        high = float(np.where(counts > 0, frame["high"], 0).max())
        self._source.data = {
            "left": left,
            "right": right,
            "middle": (left + right) / 2,
            "top": counts,
            "low": np.where(counts > 0, frame["low"], np.nan),
            "high": np.where(counts > 0, frame["high"], np.nan),
            "span": [
                write_range(write_span(a), write_span(b)) for a, b in zip(starts, ends, strict=True)
            ],
            "count": [write_number(int(one)) for one in counts],
            "band": [
                f"95 %: {write_range(write_number(a), write_number(b))}"
                for a, b in zip(frame["low"], frame["high"], strict=True)
            ],
        }
        marks = [
            (report.median.value if report.median else None, "median", "accent"),
            (report.naive.mean_seconds, "mean of closed", "warn"),
        ]
        known = sorted((np.log10(x), name, role) for x, name, role in marks if x)
        self._marks.data = {
            "x": [x for x, _, _ in known],
            "y0": [0] * len(known),
            "y1": [1.12 * high] * len(known),
            "name": [name for _, name, _ in known],
            "colour": [self.colours[role] for _, _, role in known],
            "align": ["right", "left"] if len(known) > 1 else ["left"] * len(known),
            "offset": [-6, 6] if len(known) > 1 else [6] * len(known),
        }
        ticks = [one for one in TICKS_SECONDS if left[0] <= np.log10(one) <= right[-1] + 1e-9]
        every = 1 + len(ticks) // 8
        places = {float(np.log10(one)): write_span(one) for one in ticks[::every]}
        plot.xaxis.ticker = FixedTicker(ticks=[*places])
        plot.xaxis.major_label_overrides = places
        step = nice_step(high / 4)
        counts = [step * n for n in range(int(high / step) + 1)]
        plot.yaxis.ticker = FixedTicker(ticks=counts)
        plot.yaxis.major_label_overrides = {count: write_number(count) for count in counts}
        plot.yaxis.axis_label = "sessions"
        plot.y_range.start, plot.y_range.end = 0, 1.14 * high
        plot.x_range.start, plot.x_range.end = left[0] - 0.05, right[-1] + 0.05


TICKS_SECONDS: Final = (
    *(0.1, 1, 5, 15, 60, 300, 900, 3_600, 10_800, 43_200),
    *(86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400, 365 * 86_400),
)


def write_span(seconds: float) -> str:
    """Write a length of time: 0.5 s, 90 s, 20 min, 1.5 h, 3 d."""
    for size, unit in ((DAY_SECONDS, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def write_range(low: str, high: str) -> str:
    """Write from where to where."""
    return f"{low} \N{EN DASH} {high}"


def _span(seconds: float) -> Any:
    return timedelta(seconds=seconds)


def _write_rates(shares: dict[str, Any], name: str) -> list[str]:
    rows = zip(shares[name], shares[f"{name}_low"], shares[f"{name}_high"], strict=True)
    return [
        "not observed"
        if np.isnan(rate)
        else f"{rate:.3g} ({write_range(f'{low:.3g}', f'{high:.3g}')})"
        for rate, low, high in rows
    ]
