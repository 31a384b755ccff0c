"""The parts of a report: headline figures, charts with their tables, and plain tables."""

from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from kato_panel.domain.metrics import METRICS
from kato_panel.report_figures import Figures, Table
from kato_panel.views import documents
from kato_panel.views.markup import Markup, element
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
from kato_panel.views.wording import UNKNOWN, write_number, write_span, write_time, write_value

MOST_CONTAINERS: Final = 8
"""That are drawn; all are in the table."""
SUMMARY: Final = {
    "last_active_sessions": "Active sessions, last",
    "lowest_active_sessions": "Active sessions, lowest",
    "highest_active_sessions": "Active sessions, highest",
    "mean_active_sessions": "Active sessions, mean",
    "created_sessions": "Created",
    "ended_sessions": "Ended",
    "arrivals_per_minute": "Created per minute",
    "departures_per_minute": "Ended per minute",
    "net_per_minute": "Net per minute",
    "median_lifetime_seconds": "Median lifetime",
    "mean_lifetime_seconds": "Mean lifetime, as far as watched",
    "naive_mean_lifetime_seconds": "Mean lifetime of those that ended",
    "naive_mean_bias_percent": "Bias of that mean",
    "still_open_sessions": "Still open, in lifetimes",
    "gap_seconds": "Not observed",
    "alert_episodes": "Alert episodes",
}
"""Words of each figure of the summary, in their order."""


def write_body(figures: Figures, made: str) -> list[Markup]:
    """
    Write all of a report.

    Parameters
    ----------
    figures
        What it tells.
    made
        When and by what it was made.
    """
    zone = ZoneInfo(figures.zone)
    body = [*_write_head(figures, zone), _write_notes(figures)]
    if figures.since is not None:
        body.insert(len(body) - 1, _write_tiles(figures))
        body += [write(figures, zone) for write in CARDS]
    table = figures.tables["provenance"]
    body.append(_plain_card("Provenance", table, zone, table.columns))
    body.append(element("p", made, cls="foot"))
    return body


def _write_head(figures: Figures, zone: ZoneInfo) -> list[Markup]:
    origin = figures.origin
    mark = element("span", "demo data", cls="mark") if origin.is_demo else None
    where = "a simulated KATO" if origin.is_demo else origin.upstream or "an unknown KATO"
    span = ""
    if figures.since is not None:
        first, last = (write_time(at, zone) for at in (figures.since, figures.until))
        span = f" · {first} to {last}, {figures.zone}"
    return [
        element("header", element("h1", "KATO sessions"), mark, cls="head"),
        element("p", f"{where}{span}", cls="range"),
    ]


def _write_tiles(figures: Figures) -> Markup:
    def bounds(name: str, write: Callable[[Any], str]) -> str:
        _, low, high = figures.figure(name)
        return f"95 %: {write(low)} to {write(high)}"

    is_bound = bool(figures.tables["summary"].remark)
    least = "at least" if is_bound else ""

    def count(name: str) -> str:
        return write_number(figures.figure(name)[0])

    lowest, highest = count("lowest_active_sessions"), count("highest_active_sessions")
    median = figures.figure("median_lifetime_seconds")[0]
    tiles = [
        documents.write_tile(
            "Active sessions", count("last_active_sessions"), f"from {lowest} to {highest}"
        ),
        documents.write_tile("Created", count("created_sessions"), least, "made"),
        documents.write_tile("Ended", count("ended_sessions"), least, "gone"),
        documents.write_tile(
            "Median lifetime", write_span(median), bounds("median_lifetime_seconds", write_span)
        ),
        documents.write_tile(
            "Created per minute",
            count("arrivals_per_minute"),
            bounds("arrivals_per_minute", write_number),
        ),
        documents.write_tile("Alert episodes", count("alert_episodes")),
    ]
    return element("div", *tiles, cls="tiles")


def _write_notes(figures: Figures) -> Markup:
    notes = [note[:1].upper() + note[1:].removesuffix(".") + "." for note in figures.notes]
    content = (
        element("ul", *(element("li", note) for note in notes))
        if notes
        else element("p", "Nothing: all of it was observed, from birth to end.")
    )
    return documents.write_card("What has to be known to read it", content)


def _write_summary(figures: Figures, zone: ZoneInfo) -> Markup:
    known = {row[0]: row[1:] for row in figures.tables["summary"].rows}
    rows = []
    for name, words in SUMMARY.items():
        if name in known:
            texts = [write_value(name, value, zone) for value in known[name]]
            rows.append([words, *(element("td", text) for text in texts)])
    columns = [("figure", "Figure"), ("value", "Value"), ("low", "Low, 95 %"), ("high", "High")]
    table = documents.write_table(columns, rows, zone)
    return documents.write_card("Summary", table, _remark(figures.tables["summary"]))


def _write_count(figures: Figures, zone: ZoneInfo) -> Markup:
    table, left, right = figures.tables["count"], *_range(figures)
    counts = figures.curves.count
    alerts, gaps = figures.tables["alerts"], figures.tables["gaps"]
    values = counts["active"].to_numpy(dtype=float, na_value=np.nan)
    known = values[~np.isnan(values)]
    top, levels = level_ticks(float(known.max()) if len(known) else 1.0)
    fired = (
        (row[0].timestamp(), right if row[6] is None else row[6].timestamp()) for row in alerts.rows
    )
    unseen = ((row[0].timestamp(), row[1].timestamp()) for row in gaps.rows)
    layers = [
        *draw_bars(_upright(unseen, left, right), "gap"),
        *draw_bars(_upright(fired, left, right), "alert"),
        draw_steps(_seconds(counts.index), values, left, right, top),
    ]
    drawn = plot("Active sessions over time", layers, _times(figures, zone), levels, height=220)
    key = [("k-line", "active sessions")]
    key += [("k-alert", "an alert fired")] if alerts.rows else []
    key += [("k-gap", "not observed")] if gaps.rows else []
    more = documents.write_details(_all_columns(table, zone)) if table.rows else None
    title = f"Active sessions over time, {figures.zone}"
    return documents.write_card(title, documents.write_key(key), drawn, more, _remark(table))


def _write_rates(figures: Figures, zone: ZoneInfo) -> Markup:
    table, left, right = figures.tables["rates"], *_range(figures)
    title = f"Created and ended per minute, {figures.zone}"
    if not table.rows:
        return documents.write_card(title, _remark(table))
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
    drawn = plot("Created and ended per minute", layers, _times(figures, zone), up[:: len(up) // 5])
    key = documents.write_key([("k-made", "+ created"), ("k-gone", "\N{MINUS SIGN} ended")])
    names = [name for name in table.columns if "_low_" not in name and "_high_" not in name]
    more = documents.write_details(documents.write_columns(table, names, zone))
    return documents.write_card(title, key, drawn, more, _remark(table))


def _write_survival(figures: Figures, zone: ZoneInfo) -> Markup:
    table, curve = figures.tables["survival"], figures.curves.survival
    title = "How long sessions live"
    if curve is None:
        return documents.write_card(title, _remark(table))
    ages = curve.index.total_seconds().to_numpy()
    longest = max(float(ages[-1]), 1.0)
    across = ages / longest
    lower, upper = (np.nan_to_num(curve[name].to_numpy(), nan=0.0) for name in ("lower", "upper"))
    layers = [
        element("line", cls="half", x1="0", x2=SIDE, y1=SIDE / 2, y2=SIDE / 2),
        draw_area(across, lower, upper, name="band"),
        draw_steps(ages, curve["survival"].to_numpy(), 0.0, longest, 1.0),
    ]
    up = [(share / 4, f"{25 * share} %") for share in range(5)]
    drawn = plot("Share of sessions that reach an age", layers, age_ticks(longest), up)
    key = documents.write_key(
        [("k-line", "share that reaches an age"), ("k-band", "its bounds of 95 %")]
    )
    more = documents.write_details(_all_columns(table, zone))
    return documents.write_card(title, key, drawn, more, _remark(table))


def _write_nodes(figures: Figures, zone: ZoneInfo) -> Markup:
    table = figures.tables["nodes"]
    return _plain_card("Lifetimes by node", table, zone, table.columns)


def _write_cohorts(figures: Figures, zone: ZoneInfo) -> Markup:
    table, title = figures.tables["cohorts"], f"Sessions by birth, {figures.zone}"
    if not table.rows:
        return documents.write_card(title, _remark(table))
    ages = [int(name.split("_")[2]) for name in table.columns[2:]]
    columns = [("time", "Born from"), ("members", "Sessions")]
    columns += [(f"at_{age}", write_span(age)) for age in ages]
    rows = [
        [at.to_pydatetime(), members, *map(_heat, shares)] for at, members, *shares in table.rows
    ]
    written = documents.write_table(columns, rows, zone, cls="heat")
    return documents.write_card(title, written, _remark(table), is_long=True)


def _heat(share: float | None) -> Markup:
    if share is None:
        return element("td", UNKNOWN)
    return element("td", f"{share:.0f} %", cls=f"h h{min(9, int(share // 10))}")


def _write_reasons(figures: Figures, zone: ZoneInfo) -> Markup:
    table, title = figures.tables["reasons"], "Why sessions ended"
    if not table.rows:
        return documents.write_card(title, _remark(table))
    columns = [(name, documents.heading_of(name)) for name in table.columns]
    rows = [[*row, element("td", _bar(row[-1]), cls="wide")] for row in table.rows]
    written = documents.write_table([*columns, ("drawn", "")], rows, zone)
    return documents.write_card(title, written, _remark(table))


def _bar(percent: float | None) -> Markup:
    share = element("rect", x="0", y="0", width=f"{percent or 0:.2f}%", height="10", rx="2")
    return element("svg", share, cls="bar", aria_hidden="true", height="10")


def _write_containers(figures: Figures, zone: ZoneInfo) -> Markup:
    table, (left, right) = figures.tables["containers"], _range(figures)
    title = "Containers"
    if not table.rows:
        return documents.write_card(title, _remark(table))
    drawn = []
    for name, uses in [*figures.curves.containers.items()][:MOST_CONTAINERS]:
        values = uses.to_numpy(dtype=float, na_value=np.nan)
        top, levels = level_ticks(float(np.nanmax(values)) if len(values) else 1.0)
        line = draw_steps(_seconds(uses.index), values, left, right, top)
        ends = [(0.0, levels[0][1]), (1.0, f"{levels[-1][1]} %")]
        words = f"Processor time of {name}, percent"
        across = _times(figures, zone)
        few = [across[0], across[-1]] if len(across) > 1 else across
        drawn.append(element("div", element("h3", name), plot(words, [line], few, ends, height=70)))
    note = "The charts show processor time, " + METRICS["container_cpu_percent"].unit + "."
    rows = [[name, _metric(metric), *values] for name, metric, *values in table.rows]
    columns = [(name, documents.heading_of(name)) for name in table.columns]
    written = documents.write_table(columns, rows, zone)
    return documents.write_card(
        title,
        element("div", *drawn, cls="small") if drawn else None,
        documents.write_details(written) if drawn else written,
        documents.write_remark(note if drawn else ""),
        _remark(table),
    )


def _metric(name: str) -> str:
    words = name.removeprefix("container_").replace("_", " ")
    known = METRICS.get(name)
    return words if known is None else f"{words} ({known.unit})"


def _write_alerts(figures: Figures, zone: ZoneInfo) -> Markup:
    table = figures.tables["alerts"]
    return _plain_card("Alert episodes", table, zone, table.columns, is_long=True)


def _write_gaps(figures: Figures, zone: ZoneInfo) -> Markup:
    table = figures.tables["gaps"]
    return _plain_card("When nobody could look", table, zone, table.columns, is_long=True)


CARDS: Final[tuple[Callable[[Figures, ZoneInfo], Markup], ...]] = (
    *(_write_summary, _write_count, _write_rates, _write_survival, _write_nodes, _write_cohorts),
    *(_write_reasons, _write_containers, _write_alerts, _write_gaps),
)


def _plain_card(
    title: str, table: Table, zone: ZoneInfo, names: tuple[str, ...], *, is_long: bool = False
) -> Markup:
    written = documents.write_columns(table, names, zone) if table.rows else None
    return documents.write_card(title, written, _remark(table), is_long=is_long)


def _all_columns(table: Table, zone: ZoneInfo) -> Markup:
    return documents.write_columns(table, table.columns, zone)


def _remark(table: Table) -> Markup | None:
    return documents.write_remark(table.remark)


def _range(figures: Figures) -> tuple[float, float]:
    begin, end = figures.span
    return begin.timestamp(), end.timestamp()


def _times(figures: Figures, zone: ZoneInfo) -> list[tuple[float, str]]:
    return time_ticks(*figures.span, zone)


def _seconds(times: pd.DatetimeIndex) -> Any:
    return times.as_unit("us").asi8 / 1e6


def _upright(spans: Any, left: float, right: float) -> list[tuple[float, float, float, float]]:
    """Lay spans of time over the whole height, as far as they are in the range."""
    return [
        (max(0.0, (a - left) / (right - left)), min(1.0, (b - left) / (right - left)), 0.0, 1.0)
        for a, b in spans
        if b > left and a < right
    ]
