"""What all charts have in common: an empty figure in the page's look, its colours, its times."""

from datetime import UTC
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bokeh.models import Range1d
from bokeh.plotting import figure

from kato_panel.views.theme import FONT

# Bokeh frames it in white and pads it by 5 px, whatever the page's theme: this covers both.
TOOLTIP_FRAME: Final = """
<div style="margin:-7px; padding:8px 11px; border:1px solid %(line)s; background:%(card)s;
  color:%(text)s; font:12.5px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;
  font-variant-numeric:tabular-nums; white-space:nowrap">"""


def bare_figure(**values: Any) -> Any:
    """Build a figure once; afterwards only its data, ranges and colours change."""
    plot = figure(
        x_range=Range1d(0, 1),
        y_range=Range1d(0, 1),
        tools="",
        toolbar_location=None,
        sizing_mode="stretch_both",
        min_border_left=44,
        output_backend="canvas",
        **values,
    )
    for grid in plot.xgrid:
        grid.visible = False
    for axis in (*plot.xaxis, *plot.yaxis):
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
        axis.major_label_text_font = axis.axis_label_text_font = FONT
        axis.major_label_text_font_size = "11px"
        axis.axis_label_text_font_size = "11px"
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_standoff = 2
    plot.outline_line_color = None
    plot.background_fill_alpha = plot.border_fill_alpha = 0  # the card shows through
    return plot


def paint_figure(plot: Any, colours: dict[str, str]) -> None:
    """Colour grid and axes for the page's theme."""
    for grid in plot.ygrid:
        grid.grid_line_color = colours["line"]
    for axis in (*plot.xaxis, *plot.yaxis):
        axis.major_label_text_color = axis.axis_label_text_color = colours["faint"]


def find_zone(name: str) -> Any:
    """Return a time zone by its name; UTC if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def to_ms(seconds: Any) -> Any:
    """Convert to what Bokeh's datetime axes count in."""
    return seconds * 1_000


def nice_step(wanted: float, least: float = 1) -> float:
    """Return the smallest of 1, 2, 5, 10, … times the least that is not below a step."""
    power = least
    while True:
        for step in (1, 2, 5):
            if step * power >= wanted:
                return step * power
        power *= 10
