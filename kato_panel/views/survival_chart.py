"""The figure of survival: the share of sessions that reach an age, with its band, or by group."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool

from kato_panel.churn_report import ALL, Report
from kato_panel.domain.text import legible
from kato_panel.views.churn_charts import ChurnPlot, write_range, write_span
from kato_panel.views.drawing import TOOLTIP_FRAME
from kato_panel.views.theme import FONT, GROUPS_DARK, GROUPS_LIGHT
from kato_panel.views.wording import write_number

RISK_ROW: Final = -0.11
"""Where those at risk stand: below the axis of 0 to 1."""
FEW_BANDS: Final = 4
"""With more groups, bands hide one another; the table has them."""
MOST_BESIDE: Final = 6
"""Names beside their curves."""
LABEL_CHARACTERS: Final = 22
MAX_DOTS: Final = 120
"""For the mouse, on each curve."""
CURVE_TOOLTIP: Final = f"""{TOOLTIP_FRAME}
  <div style="color:%(dim)s">@group</div>
  <div><b style="font-weight:650">@share</b> reach <b style="font-weight:650">@age</b></div>
  <div style="color:%(dim)s">@band &nbsp;·&nbsp; @risk at risk</div>
</div>"""


class SurvivalPlot(ChurnPlot):
    """The share that reaches an age: one curve with its band, or one for each group."""

    tooltip = CURVE_TOOLTIP

    def _build(self, plot: Any) -> HoverTool:
        self._bands = ColumnDataSource({"xs": [], "ys": [], "colour": []})
        self._lines = ColumnDataSource({"xs": [], "ys": [], "colour": [], "dash": []})
        self._dots = ColumnDataSource(
            {name: [] for name in ("x", "y", "group", "share", "age", "band", "risk", "colour")}
        )
        self._names = ColumnDataSource({"x": [], "y": [], "name": [], "colour": []})
        self._risk = ColumnDataSource({"x": [], "y": [], "count": [], "align": []})
        self._half = ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": []})
        plot.patches("xs", "ys", source=self._bands, fill_color="colour", fill_alpha=0.15,
                     line_color=None)  # fmt: skip
        self._halves = plot.segment("x0", "y0", "x1", "y1", source=self._half, line_dash=[4, 4],
                                    line_width=1.2)  # fmt: skip
        plot.multi_line("xs", "ys", source=self._lines, line_color="colour", line_width=2.4,
                        line_join="round", line_dash={"field": "dash"})  # fmt: skip
        text = {"text_font": {"value": FONT}, "text_baseline": "middle"}
        self._labels = plot.text("x", "y", "name", source=self._names, text_color="colour",
                                 text_font_size="12px", text_font_style="bold", x_offset=8,
                                 background_fill_alpha=0.75, padding=2, **text)  # fmt: skip
        self._counts = plot.text("x", "y", "count", source=self._risk, text_font_size="11px",
                                 text_align="align", **text)  # fmt: skip
        pointed = plot.scatter("x", "y", source=self._dots, size=11, fill_alpha=0, line_alpha=0,
                               hover_fill_color="colour", hover_fill_alpha=1)  # fmt: skip
        plot.y_range.start, plot.y_range.end = -0.17, 1.04
        plot.yaxis.ticker = FixedTicker(ticks=[RISK_ROW, 0, 0.25, 0.5, 0.75, 1])
        plot.yaxis.major_label_overrides = {
            RISK_ROW: "at risk", 0: "0 %", 0.25: "25 %", 0.5: "50 %", 0.75: "75 %", 1: "100 %",
        }  # fmt: skip
        plot.ygrid.ticker = FixedTicker(ticks=[0, 0.25, 0.5, 0.75, 1])
        plot.xaxis.axis_label = "age of a session"
        plot.min_border_left = 52
        return HoverTool(renderers=[pointed], mode="mouse", limit=1, attachment="horizontal")

    def _colour(self) -> None:
        self._counts.glyph.text_color = self.colours["dim"]
        self._halves.glyph.line_color = self.colours["old"]
        self._labels.glyph.background_fill_color = self.colours["card"]

    def _draw(self, plot: Any, report: Report) -> None:
        hues = GROUPS_DARK if self.dark else GROUPS_LIGHT
        colours = [hues[place % len(hues)] for place in range(len(report.curves))]
        end = max(report.shown_seconds, 1e-6)
        parts = [_Steps(name, curve, end) for name, curve in report.curves.items()]
        few = len(parts) <= FEW_BANDS
        self._lines.data = {
            "xs": [part.ages for part in parts],
            "ys": [part.shares for part in parts],
            "colour": colours,
            "dash": ["dashed" if place >= len(hues) else "solid" for place in range(len(parts))],
        }
        self._bands.data = {
            "xs": [part.band_ages for part in parts] if few else [],
            "ys": [part.band for part in parts] if few else [],
            "colour": colours if few else [],
        }
        self._dots.data = _join(
            [part.dots(colour) for part, colour in zip(parts, colours, strict=True)]
        )
        self._names.data = self._place_names(parts, colours, end)
        risk = report.frames.get("at_risk")
        ages = [] if risk is None else [int(age) for age in risk.index.total_seconds()]
        self._risk.data = {
            "x": ages,
            "y": [RISK_ROW] * len(ages),
            "count": [] if risk is None else [write_number(int(one)) for one in risk["at_risk"]],
            # The outermost grow inwards: the plot's edges would cut their digits.
            "align": ["left", *["center"] * (len(ages) - 2), "right"][: len(ages)],
        }
        plot.yaxis.major_label_overrides = {
            **plot.yaxis[0].major_label_overrides,
            RISK_ROW: "at risk" if len(parts) == 1 else "all at risk",
        }
        median = report.median.value if report.median and len(parts) == 1 else None
        has_median = median is not None and median <= end
        self._half.data = {
            "x0": [0, median] if has_median else [],
            "y0": [0.5, 0.5] if has_median else [],
            "x1": [median, median] if has_median else [],
            "y1": [0.5, 0] if has_median else [],
        }
        plot.xaxis.ticker = FixedTicker(ticks=ages)
        plot.xaxis.major_label_overrides = {age: write_span(age) for age in ages}
        plot.x_range.start, plot.x_range.end = -0.045 * end, 1.02 * end

    @staticmethod
    def _place_names(parts: "list[_Steps]", colours: list[str], end: float) -> dict[str, Any]:
        """
        Write each name beside its curve, each at a height of its own: the longest on top.

        Many would lie on one another: the table of groups beside them has the same marks.
        """
        if len(parts) > MOST_BESIDE or (len(parts) == 1 and parts[0].name == ALL):
            return {"x": [], "y": [], "name": [], "colour": []}
        order = sorted(range(len(parts)), key=lambda place: parts[place].area)
        heights = np.linspace(0.14, 0.86, len(parts)) if len(parts) > 1 else [0.6][: len(parts)]
        names: dict[str, Any] = {"x": [], "y": [], "name": [], "colour": []}
        for place, height in zip(order, heights, strict=True):
            names["x"].append(min(parts[place].age_at(height), 0.86 * end))
            names["y"].append(height)
            names["name"].append(legible(parts[place].name, LABEL_CHARACTERS))
            names["colour"].append(colours[place])
        return names


class _Steps:
    """A curve as steps, up to an age."""

    def __init__(self, name: str, curve: Any, end: float) -> None:
        self.name = name
        self._curve = curve
        seconds = curve.index.total_seconds().to_numpy()
        self._seconds = seconds
        shares = curve["survival"].to_numpy()
        self._shares = shares
        is_shown = seconds <= end
        last = int(is_shown.sum())
        self.ages = _across(np.append(seconds[:last], end if last < len(seconds) else seconds[-1]))
        self.shares = np.repeat(shares[:last], 2)
        lower = np.repeat(np.nan_to_num(curve["lower"].to_numpy()[:last]), 2)
        upper = np.repeat(np.nan_to_num(curve["upper"].to_numpy()[:last], nan=1.0), 2)
        self.band_ages = np.concatenate([self.ages, self.ages[::-1]])
        self.band = np.concatenate([upper, lower[::-1]])
        self.area = float((np.diff(self.ages) * self.shares[:-1]).sum())

    def age_at(self, height: float) -> float:
        """Return where the curve falls below a height."""
        below = np.flatnonzero(self.shares < height)
        return float(self.ages[below[0]] if len(below) else self.ages[-1])

    def dots(self, colour: str) -> dict[str, list[Any]]:
        """Return what the mouse points at, and what is said of it."""
        shown = np.unique(np.linspace(0, len(self._seconds) - 1, MAX_DOTS).astype(int))
        rows = self._curve.iloc[shown]
        return {
            "x": [*self._seconds[shown]],
            "y": [*self._shares[shown]],
            "group": [legible("all sessions" if self.name == ALL else self.name, 60)] * len(shown),
            "share": [f"{100 * one:.3g} %" for one in rows["survival"]],
            "age": [write_span(one) for one in self._seconds[shown]],
            "band": [
                f"95 %: {write_range(f'{100 * low:.3g}', f'{100 * high:.3g} %')}"
                for low, high in zip(rows["lower"], rows["upper"], strict=True)
            ],
            "risk": [write_number(int(one)) for one in rows["at_risk"]],
            "colour": [colour] * len(shown),
        }


def _across(ages: Any) -> Any:
    """Double the ages of a step line, less its ends."""
    return np.repeat(ages, 2)[1:-1]


def _join(parts: "Sequence[dict[str, list[Any]]]") -> dict[str, list[Any]]:
    names = ("x", "y", "group", "share", "age", "band", "risk", "colour")
    return {name: [value for part in parts for value in part[name]] for name in names}
