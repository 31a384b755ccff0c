"""Views as still pictures: what they show at this moment, as a document without a script."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from kato_panel.domain.listing import Page
from kato_panel.domain.series import Range, Series
from kato_panel.models import Models
from kato_panel.views import documents, spans
from kato_panel.views.figures import LABELS, write_figures
from kato_panel.views.markup import Markup, element
from kato_panel.views.vectors import (
    Ticks,
    draw_bars,
    draw_steps,
    level_ticks,
    plot,
    time_ticks,
)
from kato_panel.views.wording import write_number, write_span, write_time

TITLE: Final = "KATO sessions"
MOST_EVENTS: Final = 50
MINUS: Final = "\N{MINUS SIGN}"
SIGNS: Final = {"session_created": "+", "session_destroyed": MINUS}
EDGES: Final = ("left", "right", "colour")
BAR_SHARE: Final = 0.76
"""Of a slice that its bar takes."""
NOTHING_YET: Final = "Nothing was observed yet."


class Still:
    """A view that can be kept as it is now, for who has no server."""

    def _still(self) -> list[Markup]:
        """Write its present state, as parts of a document."""
        raise NotImplementedError

    def to_html(self) -> str:
        """Write what it shows now as a part of another page: still, and without a script."""
        return documents.write_part(self._still())

    def save(self, path: str | Path) -> None:
        """
        Write what it shows now to a file that is right offline and on paper.

        Parameters
        ----------
        path
            One that is there is replaced.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        documents.save(path, documents.write_document(TITLE, self._still()))


def write_head(models: Models, zone: ZoneInfo) -> list[Markup]:
    """Write whose state it is, and of when."""
    mark = element("span", "demo data", cls="mark") if models.is_demo else None
    at: Any = models.connection.made_at
    when = NOTHING_YET if at is None else f"As of {write_time(at, zone)} {zone}"
    return [
        element("header", element("h1", TITLE), mark, cls="head"),
        element("p", f"{when}, {models.connection.state}", cls="range"),
    ]


def write_parts(models: Models, parts: Sequence[str], zone: ZoneInfo, span: str) -> list[Markup]:
    """
    Write cards of the live view.

    Parameters
    ----------
    models
        What is known.
    parts
        Names of the cards.
    zone
        Of times.
    span
        How far back the chart looks.
    """
    tiles = [tile for part in parts if part in TILES for tile in TILES[part](models)]
    cards = [CARDS[part](models, zone) for part in parts if part in CARDS]
    if "chart" in parts:
        cards.insert(0, _write_chart(models, zone, Range(span)))
    head = write_head(models, zone)
    return [*head, element("div", *tiles, cls="tiles"), *cards] if tiles else [*head, *cards]


def write_containers(models: Models, zone: ZoneInfo) -> list[Markup]:
    """Write the containers as last seen."""
    rows = [
        (
            one.name,
            str(one.state),
            one.cpu_percent,
            one.memory_bytes and one.memory_bytes / 2**20,
            one.memory_percent,
            one.restarts,
            one.trouble,
        )
        for one in models.container_list.figures
    ]
    columns = [
        ("container", "Container"),
        ("state", "State"),
        ("cpu_percent", "Of one processor"),
        ("memory", "Memory, MiB"),
        ("memory_percent", "Memory of its limit or the host"),
        ("restarts", "Restarts"),
        ("reason", "What is wrong"),
    ]
    card = _table_card("Containers", columns, rows, zone, "No container is seen.")
    return [*write_head(models, zone), card]


def write_sessions(page: Page | None, zone: ZoneInfo) -> list[Markup]:
    """Write a page of the list of sessions as it was shown last; nothing was, if it is ``None``."""
    columns = [
        ("session", "Session"),
        ("node", "Node"),
        ("time", f"Created, {zone}"),
        ("at", "Last accessed"),
        ("ended", "Expires"),
        ("ttl_remaining_seconds", "Lives on"),
        ("stm_length", "Short-term memory"),
        ("access_count", "Accesses"),
    ]
    rows = [
        (
            *(row.session_id, row.node_id, row.created_at, row.last_accessed, row.expires_at),
            *(row.ttl_remaining_seconds, row.stm_length, row.access_count),
        )
        for row in (page.rows if page else ())
    ]
    said = NOTHING_YET
    if page is not None:
        shown = f"{write_number(len(rows))} of {write_number(page.total)} sessions"
        part = "" if page.complete else "; the list is incomplete: only those that were named"
        said = f"As of {write_time(page.at, zone)} {zone}: {shown}{part}"
    nothing = NOTHING_YET if page is None else "No session is open."
    head = element("header", element("h1", TITLE), cls="head")
    card = _table_card("Sessions", columns, rows, zone, nothing)
    return [head, element("p", said, cls="range"), card]


def _write_count(models: Models) -> list[Markup]:
    summary = models.summary
    age: Any = summary.age_seconds
    more = f"stale, {write_span(age)} old" if summary.stale else ""
    return [documents.write_tile("Active sessions", write_number(summary.active), more)]


def _write_rates(models: Models) -> list[Markup]:
    summary = models.summary
    window: Any = summary.window_seconds
    more = "" if window is None else f"per minute, over {write_span(window)}"
    came, went = summary.created_per_minute, summary.ended_per_minute
    return [
        documents.write_tile("Created", write_number(came), more, "made"),
        documents.write_tile("Ended", write_number(went), more, "gone"),
    ]


def _write_chart(models: Models, zone: ZoneInfo, span: Range) -> Markup:
    series = models.chart.series.get(span)
    title = f"Active sessions over time, {zone}"
    if series is None or len(series.times) == 0:
        return documents.write_card(title, documents.write_remark(NOTHING_YET))
    left, right = series.times[0], max(series.until, series.times[0] + 1)
    times = np.array([*series.times, right])
    values = np.array([*series.active, series.active[-1]], dtype=float)
    known = values[~np.isnan(values)]
    top, levels = level_ticks(float(known.max()) if len(known) else 1.0)
    fired = _draw_alerts(models, left, right)
    line = [*fired, draw_steps(times, values, left, right, top)]
    ticks = time_ticks(_moment(left, zone), _moment(right, zone), zone)
    drawn = plot("Active sessions over time", line, [], levels)
    key = [("k-line", "active sessions"), ("k-made", "+ created"), ("k-gone", f"{MINUS} ended")]
    key += [("k-alert", "an alert fired")] if fired else []
    columns = [("time", "From"), ("active", "Active sessions")]
    rows = [
        (_moment(at, zone), active) for at, active in zip(series.times, series.active, strict=True)
    ]
    slices = series.slices()
    sums = [(_moment(one.start, zone), one.created, one.ended) for one in slices]
    heads = [("time", "From"), ("created", "Created"), ("ended", "Ended")]
    return documents.write_card(
        title,
        documents.write_key(key),
        drawn,
        _plot_sums(series, left, right, ticks),
        documents.write_details(documents.write_table(columns, rows, zone)),
        documents.write_details(documents.write_table(heads, sums, zone), "Created and ended"),
    )


def _draw_alerts(models: Models, left: float, right: float) -> list[Markup]:
    """Draw when alerts fired, as the live chart does: where several did, the worst."""
    board = models.alert_log.board
    classes = {role: f"alert {role}" for role in spans.ROLES.values()}
    columns = spans.lay_out(board.recent if board else (), (left, right), classes, "")
    length = right - left
    return [
        bar
        for begin, end, name in zip(*(columns[of] for of in EDGES), strict=True)
        for bar in draw_bars([((begin - left) / length, (end - left) / length, 0.0, 1.0)], name)
    ]


def _plot_sums(series: Series, left: float, right: float, ticks: Ticks) -> Markup:
    """Draw what came, up, and what went, down, in each slice."""
    most = max(1, *series.created, *series.ended)
    layers = []
    for name, counts, way in (("made", series.created, 1), ("gone", series.ended, -1)):
        bars = []
        for start, count in zip(series.starts, counts, strict=True):
            begin = max(0.0, (start - left) / (right - left))
            end = min(1.0, (start + BAR_SHARE * series.bucket_seconds - left) / (right - left))
            low, high = sorted((0.5, 0.5 + way * count / most / 2))
            if count and end > begin:
                bars.append((begin, end, low, high))
        layers += draw_bars(bars, name)
    levels = [(1.0, write_number(most)), (0.5, "0")]
    return plot("Created and ended over time", layers, ticks, levels, height=76)


def _write_sources(models: Models, zone: ZoneInfo) -> Markup:
    ages = models.connection.source_ages
    rows = [
        (one.label, one.health.value, ages.get(one.name), one.reason)
        for one in models.connection.sources
    ]
    columns = [
        ("source", "Source"),
        ("state", "State"),
        ("age_seconds", "Age"),
        ("reason", "Why it fails"),
    ]
    return _table_card("Sources", columns, rows, zone, NOTHING_YET)


def _write_events(models: Models, zone: ZoneInfo) -> Markup:
    rows = [
        (
            one.at,
            f"{SIGNS[one.kind.value]}{one.delta}",
            ", ".join(name.node_id or name.session_id for name in one.names),
            one.current,
        )
        for one in reversed(models.event_log.events[-MOST_EVENTS:])
    ]
    columns = [
        ("time", f"Time, {zone}"),
        ("delta", "Sessions"),
        ("node", "Who"),
        ("current", "Total"),
    ]
    return _table_card("Events", columns, rows, zone, "No event yet.")


def _write_alerts(models: Models, zone: ZoneInfo) -> Markup:
    board = models.alert_log.board
    rows = [
        (
            entry.alert.fired_at.wall,
            entry.alert.rule.name,
            entry.alert.subject,
            entry.alert.rule.severity.value,
            entry.alert.value,
            None if entry.alert.resolved_at is None else entry.alert.resolved_at.wall,
            entry.acknowledged_by,
        )
        for entry in (board.recent if board else ())
    ]
    columns = [
        ("time", f"Fired, {zone}"),
        ("rule", "Rule"),
        ("subject", "Of"),
        ("severity", "Severity"),
        ("value", "Value"),
        ("resolved", "Over"),
        ("acknowledged_by", "Acknowledged by"),
    ]
    return _table_card("Alerts", columns, rows, zone, "No alert fired.")


def _write_rules(models: Models, zone: ZoneInfo) -> Markup:
    board = models.alert_log.board
    rows = [
        (one.rule.name, one.subject, one.stage.value, one.value, one.rule.threshold)
        for one in (board.states if board else ())
    ]
    columns = [
        ("rule", "Rule"),
        ("subject", "Of"),
        ("state", "State"),
        ("value", "Value"),
        ("threshold", "Threshold"),
    ]
    return _table_card("Rules", columns, rows, zone, "No rule is judged.")


def _write_upstream(models: Models, zone: ZoneInfo) -> Markup:
    figures = write_figures(models)["figures"]
    rows = [
        (title, figures[name], unit, remark)
        for name, title, unit, _, remark in LABELS
        if name in figures
    ]
    columns = [("item", "Figure"), ("value", "Value"), ("status", "Unit"), ("reason", "Remark")]
    return _table_card("KATO's own figures", columns, rows, zone, NOTHING_YET)


TILES: Final[dict[str, Callable[[Models], list[Markup]]]] = {
    "count": _write_count,
    "rates": _write_rates,
}
CARDS: Final[dict[str, Callable[[Models, ZoneInfo], Markup]]] = {
    "sources": _write_sources,
    "events": _write_events,
    "upstream": _write_upstream,
    "alerts": _write_alerts,
    "rules": _write_rules,
}


def _table_card(
    title: str,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
    zone: ZoneInfo,
    nothing: str,
) -> Markup:
    if not rows:
        return documents.write_card(title, documents.write_remark(nothing))
    return documents.write_card(title, documents.write_table(columns, rows, zone), is_long=True)


def _moment(seconds: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(seconds, zone)
