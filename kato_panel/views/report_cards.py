"""The parts of a report: headline figures, charts with their tables, and plain tables."""

from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from kato_panel.churn_tables import Table
from kato_panel.domain.metrics import METRICS
from kato_panel.report_figures import Figures
from kato_panel.views import churn_cards, documents
from kato_panel.views.markup import Markup, element, join
from kato_panel.views.vectors import (
    draw_bars,
    draw_steps,
    level_ticks,
    plot,
    time_ticks,
)
from kato_panel.views.wording import write_number, write_span, write_time, write_value

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


def _write_churn(figures: Figures, zone: ZoneInfo) -> Markup:
    tables, drawn = figures.tables, figures.curves
    curves = {} if drawn.survival is None else {"": drawn.survival}
    cards = (
        churn_cards.write_rates(tables["rates"], figures.span, zone),
        churn_cards.write_survival(tables["survival"], curves, zone, drawn.survival_seconds),
        churn_cards.write_groups(tables["nodes"], "Lifetimes by node", zone),
        churn_cards.write_cohorts(tables["cohorts"], zone),
        churn_cards.write_reasons(tables["reasons"], zone),
    )
    return join(cards)


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
    *(_write_summary, _write_count, _write_churn, _write_containers, _write_alerts, _write_gaps),
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
