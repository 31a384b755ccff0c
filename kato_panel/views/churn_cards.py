"""Cards of churn in documents, of tables and curves: those of a report, and of a view's still."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from kato_panel.churn_tables import Table
from kato_panel.views import documents
from kato_panel.views.markup import Markup, element, join
from kato_panel.views.theme import GROUPS_LIGHT
from kato_panel.views.vectors import (
    SIDE,
    age_ticks,
    draw_area,
    draw_bars,
    draw_steps,
    level_ticks,
    plot,
    spans_between,
    time_ticks,
)
from kato_panel.views.wording import UNKNOWN, write_span

LIFETIMES: Final = "Lifetimes of those that ended"
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def write_rates(table: Table, span: tuple[datetime, datetime], zone: ZoneInfo) -> Markup:
    """Write arrivals, up, and departures, down."""
    title = f"Created and ended per minute, {zone}"
    if not table.rows:
        return _empty(title, table)
    left, right = (at.timestamp() for at in span)
    came, went = (
        [row[table.columns.index(name)] for row in table.rows]
        for name in ("arrivals_per_minute", "departures_per_minute")
    )
    high = max((value for value in [*came, *went] if value is not None), default=1.0)
    top, levels = level_ticks(high)
    edges = [*(row[0].timestamp() for row in table.rows), right]
    spans = spans_between(edges, left, right)
    layers = [
        *draw_bars(
            ((a, b, 0.5, 0.5 + value / top / 2) for (a, b), value in zip(spans, came, strict=True)
             if value), "made"),
        *draw_bars(
            ((a, b, 0.5 - value / top / 2, 0.5) for (a, b), value in zip(spans, went, strict=True)
             if value), "gone"),
    ]  # fmt: skip
    up = [(0.5 + place / 2, word) for place, word in levels]
    up += [(0.5 - place / 2, word) for place, word in levels if place]
    ticks = time_ticks(*span, zone)
    drawn = plot("Created and ended per minute", layers, ticks, up[:: len(up) // 5])
    key = documents.write_key([("k-made", "+ created"), ("k-gone", "\N{MINUS SIGN} ended")])
    names = [name for name in table.columns if "_low_" not in name and "_high_" not in name]
    more = documents.write_details(documents.write_columns(table, names, zone))
    return documents.write_card(title, key, drawn, more, documents.write_remark(table.remark))


def write_survival(
    table: Table, curves: Mapping[str, pd.DataFrame], zone: ZoneInfo, longest: float
) -> Markup:
    """
    Write the share of sessions that reach an age.

    Parameters
    ----------
    table
        The share of all at some ages.
    curves
        One with its band, or one for each group, by the group's name.
    zone
        Of times.
    longest
        The greatest age that is drawn, in seconds.
    """
    title = "How long sessions live"
    if not curves:
        return _empty(title, table)
    longest = max(longest, 1.0)
    layers = [element("line", cls="half", x1="0", x2=SIDE, y1=SIDE / 2, y2=SIDE / 2)]
    key = []
    for number, (name, whole) in enumerate(curves.items()):
        curve = whole[whole.index.total_seconds() <= longest]
        ages = curve.index.total_seconds().to_numpy()
        shares = curve["survival"].to_numpy()
        if len(curves) == 1:
            lower, upper = (np.nan_to_num(curve[side].to_numpy()) for side in ("lower", "upper"))
            layers.append(draw_area(ages / longest, lower, upper, name="band"))
        if len(curve) < len(whole):  # it goes on, beyond what is drawn
            ages, shares = np.append(ages, longest), np.append(shares, shares[-1:])
        line = draw_steps(ages, shares, 0.0, longest, 1.0)
        turn, place = divmod(number, len(GROUPS_LIGHT))
        again = " again" if turn else ""  # the same hue, dashed
        layers.append(line if len(curves) == 1 else element("g", line, cls=f"g{place}{again}"))
        key.append(
            ("k-line", "share that reaches an age")
            if len(curves) == 1
            else (f"k-g{place}{again}", name)
        )
    if len(curves) == 1:
        key.append(("k-band", "its bounds of 95 %"))
    up = [(share / 4, f"{25 * share} %") for share in range(5)]
    drawn = plot("Share of sessions that reach an age", layers, age_ticks(longest), up)
    more = documents.write_details(documents.write_columns(table, table.columns, zone))
    remark = documents.write_remark(table.remark)
    return documents.write_card(title, documents.write_key(key), drawn, more, remark)


def write_groups(table: Table, title: str, zone: ZoneInfo) -> Markup:
    """Write groups side by side."""
    written = documents.write_columns(table, table.columns, zone) if table.rows else None
    return documents.write_card(title, written, documents.write_remark(table.remark))


def write_cohorts(table: Table, zone: ZoneInfo) -> Markup:
    """Write who was born together, and how many of them reach an age."""
    title = f"Sessions by birth, {zone}"
    if not table.rows:
        return _empty(title, table)
    ages = [int(name.split("_")[2]) for name in table.columns[2:]]
    columns = [("time", "Born from"), ("members", "Sessions")]
    columns += [(f"at_{age}", write_span(age)) for age in ages]
    rows = [
        [at.to_pydatetime(), members, *(_heat(share) for share in shares)]
        for at, members, *shares in table.rows
    ]
    written = documents.write_table(columns, rows, zone, cls="heat")
    remark = documents.write_remark(table.remark)
    return documents.write_card(title, written, remark, is_long=True)


def write_reasons(table: Table, zone: ZoneInfo) -> Markup:
    """Write why sessions ended."""
    title = "Why sessions ended"
    if not table.rows:
        return _empty(title, table)
    heads = {"ended": "count"}  # a number here, and no time
    columns = [(heads.get(name, name), documents.heading_of(name)) for name in table.columns]
    rows = [[*row, element("td", _bar(row[-1]), cls="wide")] for row in table.rows]
    written = documents.write_table([*columns, ("drawn", "")], rows, zone)
    return documents.write_card(title, written, documents.write_remark(table.remark))


def write_lifetimes(frame: pd.DataFrame, zone: ZoneInfo) -> Markup:
    """Write how many of those that ended had lived so long; the stretches have no common width."""
    counts = [int(ended) for ended in frame["ended"]]
    top, levels = level_ticks(float(max(counts, default=0)))
    width = 1 / max(1, len(counts))
    bars = [
        ((place + 0.06) * width, (place + 0.94) * width, 0.0, count / top)
        for place, count in enumerate(counts)
    ]
    edges = [*frame.index, *frame["to_seconds"].iloc[-1:]]
    every = 1 + (len(edges) - 1) // 5  # also on a phone
    ticks = [(place * width, write_span(edges[place])) for place in range(0, len(edges), every)]
    label = "Sessions that ended, by how long they had lived"
    drawn = plot(label, draw_bars(bars, "gone"), ticks, levels)
    columns = [
        *(("from_seconds", "From an age of"), ("to_seconds", "To"), ("count", "Ended")),
        *(("low", "Low, 95 %"), ("high", "High")),
    ]
    rows = [list(row) for row in frame.reset_index().itertuples(index=False)]
    more = documents.write_details(documents.write_table(columns, rows, zone))
    return documents.write_card(LIFETIMES, drawn, more)


def write_hours(frame: pd.DataFrame, zone: ZoneInfo) -> Markup:
    """Write what is usual at an hour of a weekday, of both flows."""
    cards = [
        _write_week(frame[f"{flow}_per_hour"], words, zone)
        for flow, words in (("arrivals", "created"), ("departures", "ended"))
    ]
    return join(cards)


def _write_week(rates: pd.Series, words: str, zone: ZoneInfo) -> Markup:
    most = max(1e-9, float(rates.max(skipna=True))) if rates.notna().any() else 1.0
    days = [name for name in WEEKDAYS if name in rates.index.get_level_values(0)]
    columns = [("hour", "Hour"), *((day, day) for day in days)]
    rows = []
    for hour in range(24):
        cells = (rates.get((day, hour)) for day in days)
        rows.append([f"{hour:02}", *(_cell(rate, most) for rate in cells)])
    title = f"Sessions {words} per hour, {zone}"
    written = documents.write_table(columns, rows, zone, cls="heat week")
    return documents.write_card(title, written, documents.write_remark("— where nobody looked."))


def _cell(rate: float | None, most: float) -> Markup:
    if rate is None or np.isnan(rate):
        return element("td", UNKNOWN)
    return element("td", f"{rate:.1f}", cls=f"h h{min(9, int(10 * rate / most))}")


def _heat(share: float | None) -> Markup:
    if share is None:
        return element("td", UNKNOWN)
    return element("td", f"{share:.0f} %", cls=f"h h{min(9, int(share // 10))}")


def _bar(percent: float | None) -> Markup:
    share = element("rect", x="0", y="0", width=f"{percent or 0:.2f}%", height="10", rx="2")
    return element("svg", share, cls="bar", aria_hidden="true", height="10")


def _empty(title: str, table: Table) -> Markup:
    return documents.write_card(title, documents.write_remark(table.remark))
