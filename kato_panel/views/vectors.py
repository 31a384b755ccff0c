"""
Charts as SVG, without a script: they print sharply, and a page that holds them asks for nothing.

Lines stretch with the width of the page; texts do not, for they stand outside what is stretched.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kato_panel.views.markup import Markup, element
from kato_panel.views.wording import DAY, write_number, write_span

Floats = NDArray[np.float64]

SIDE: Final = 1_000.0
"""Width and height of what is stretched, in its own units."""
TOP: Final = 18
BOTTOM: Final = 22
"""Pixels above and below it."""
MOST_TICKS: Final = 6
MOST_LEVELS: Final = 4
COLUMNS: Final = 500
"""Stretches of a line; of each, the first, lowest, highest and last value are drawn."""
EDGE_PERCENT: Final = 6.0
TIME_STEPS: Final = (
    *(60, 300, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200),
    *(86_400, 172_800, 604_800, 1_209_600, 2_419_200, 7_776_000),
)
AGE_STEPS: Final = (
    *(10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800),
    *(86_400, 172_800, 604_800, 2_419_200),
)
Ticks = list[tuple[float, str]]
"""Places, 0 to 1, and words."""


def thin_out(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Keep of each stretch the first, lowest, highest and last value, and its holes."""
    if len(times) <= 4 * COLUMNS:
        return times, values
    width = (times[-1] - times[0]) / COLUMNS or 1.0
    stretch = ((times - times[0]) / width).astype(np.int64)
    order = np.lexsort((values, stretch))
    known = order[~np.isnan(values[order])]
    firsts = np.flatnonzero(np.diff(stretch[known], prepend=-1))
    lasts = np.append(firsts[1:], len(known)) - 1
    begins = np.flatnonzero(np.diff(stretch, prepend=-1))
    ends = np.append(begins[1:], len(stretch)) - 1
    holes = np.flatnonzero(np.isnan(values))[: 4 * COLUMNS]
    kept = np.unique(np.concatenate([known[firsts], known[lasts], begins, ends, holes]))
    return times[kept], values[kept]


def draw_steps(times: Floats, values: Floats, left: float, right: float, high: float) -> Markup:
    """Draw a line that stays until it changes; nothing where nothing is known."""
    times, values = thin_out(times, values)
    across = SIDE * (times - left) / (right - left)
    down = SIDE * (1 - values / high)
    path, is_open = [], False
    for place, (x, y) in enumerate(zip(across, down, strict=True)):
        if np.isnan(y):
            if is_open:
                path.append(f"H{x:.1f}")
            is_open = False
        elif is_open:
            path.append(f"H{x:.1f}V{y:.1f}")
        else:
            path.append(f"M{x:.1f} {y:.1f}")
            is_open = True
            if place + 1 == len(across):
                path.append("h.1")
    return element("path", cls="line", d="".join(path))


def draw_area(across: Floats, low: Floats, high: Floats, *, name: str) -> Markup:
    """Draw what lies between two step lines; all from 0 to 1, the lines from below."""
    x = np.append(np.repeat(SIDE * across, 2)[1:], SIDE)
    above = np.repeat(SIDE * (1 - high), 2)
    below = np.repeat(SIDE * (1 - low), 2)
    there = [f"{a:.1f} {b:.1f}" for a, b in zip(x, above, strict=True)]
    back = [f"{a:.1f} {b:.1f}" for a, b in zip(x[::-1], below[::-1], strict=True)]
    return element("path", cls=name, d=f"M{'L'.join([*there, *back])}Z")


def draw_bars(bars: Iterable[tuple[float, float, float, float]], name: str) -> list[Markup]:
    """Draw rectangles: left, right, low, high, all from 0 to 1."""
    return [
        element(
            "rect",
            cls=name,
            x=f"{SIDE * left:.1f}",
            y=f"{SIDE * (1 - high):.1f}",
            width=f"{max(0.6, SIDE * (right - left)):.1f}",
            height=f"{max(0.0, SIDE * (high - low)):.1f}",
        )
        for left, right, low, high in bars
    ]


def plot(
    label: str,
    layers: Sequence[Markup],
    across: Ticks,
    up: Ticks,
    *,
    height: int = 200,
) -> Markup:
    """
    Draw a chart.

    Parameters
    ----------
    label
        What it shows, for who cannot see it.
    layers
        What is stretched, in units of `SIDE`.
    across, up
        Marks of both axes.
    height
        In pixels, of what is stretched.
    """
    marks = []
    for place, word in up:
        y = f"{TOP + height * (1 - place):.1f}"
        marks.append(element("line", cls="grid", x1="0", x2="100%", y1=y, y2=y))
        marks.append(element("text", word, cls="tick", x="0", y=f"{float(y) - 4:.1f}"))
    for place, word in across:
        percent = 100 * place
        anchor = "middle"
        if percent < EDGE_PERCENT:
            anchor = "start"
        elif percent > 100 - EDGE_PERCENT:
            anchor = "end"
        x, y = f"{percent:.2f}%", f"{TOP + height + 16}"
        marks.append(element("text", word, cls="tick", x=x, y=y, text_anchor=anchor))
    stretched = element(
        "svg",
        *layers,
        x="0",
        y=TOP,
        width="100%",
        height=height,
        viewBox=f"0 0 {SIDE:.0f} {SIDE:.0f}",
        preserveAspectRatio="none",
    )
    whole = TOP + height + BOTTOM
    return element("svg", *marks, stretched, cls="plot", role="img", aria_label=label, height=whole)


def time_ticks(begin: datetime, end: datetime, zone: tzinfo) -> Ticks:
    """Choose round times of a zone."""
    span = (end - begin).total_seconds()
    step = next((step for step in TIME_STEPS if span / step < MOST_TICKS), TIME_STEPS[-1])
    local = begin.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    past = (local - midnight).total_seconds()
    ticks = []
    for turn in range(int(span // step) + 2):
        at = midnight + timedelta(seconds=(past // step + 1 + turn) * step)
        place = (at - begin).total_seconds() / span
        if place <= 1:
            is_day = step >= DAY or (at.hour == 0 and at.minute == 0)
            ticks.append((place, f"{at:%d %b}" if is_day else f"{at:%H:%M}"))
    return ticks


def age_ticks(longest_seconds: float) -> Ticks:
    """Choose round ages."""
    step = next((step for step in AGE_STEPS if longest_seconds / step < MOST_TICKS), AGE_STEPS[-1])
    count = int(longest_seconds // step)
    return [(turn * step / longest_seconds, write_span(turn * step)) for turn in range(count + 1)]


def level_ticks(high: float, write: Callable[[Any], str] = write_number) -> tuple[float, Ticks]:
    """Choose round levels from 0 on; return the highest that is drawn, and them."""
    high = high if high > 0 else 1.0
    power = 10 ** np.floor(np.log10(high / MOST_LEVELS))
    step = next(
        float(part * power) for part in (1, 2, 5, 10) if high / (part * power) <= MOST_LEVELS
    )
    top = step * int(np.ceil(round(high / step, 6)))
    count = round(top / step)
    return top, [(turn * step / top, write(turn * step)) for turn in range(count + 1)]


def spans_between(edges: Sequence[float], left: float, right: float) -> list[tuple[float, float]]:
    """Give each stretch between edges as places from 0 to 1, with a little air."""
    air = 0.1 / max(1, len(edges) - 1)
    return [
        ((a - left) / (right - left) + air / 2, (b - left) / (right - left) - air / 2)
        for a, b in pairwise(edges)
    ]
