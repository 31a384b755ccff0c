"""Alerts behind a chart: from when to when each fired, and what is said of them."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, Final

from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.rules import Alert, Severity
from kato_panel.domain.text import legible

COLUMNS: Final = ("left", "right", "colour", "fill", "edge")
ROLES: Final = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.INFO: "accent"}
"""Colours, the worst severity first."""
FILL: Final = 0.1
EDGE: Final = 0.3
MARKED: Final = 2
"""So many times as strong is the one that is pointed out."""
THINNEST_SHARE: Final = 0.004
"""Of the chart's width: what was shorter is drawn as wide."""
MOST_NAMED: Final = 2
MOST_LETTERS: Final = 90


def lay_out(
    entries: Iterable[AlertEntry],
    bounds: tuple[float, float],
    colours: dict[str, str],
    marked: str,
) -> dict[str, list[Any]]:
    """
    Lay out the alerts that fired within a chart; where several did, the worst is drawn.

    Parameters
    ----------
    entries
        Alerts, also those that are over.
    bounds
        From when to when the chart looks; seconds since 1970.
    colours
        By role; see `kato_panel.views.theme`.
    marked
        Id of the one that is pointed out.

    Returns
    -------
    dict
        By column of `COLUMNS`; times in seconds since 1970.
    """
    since, until = bounds
    thinnest = THINNEST_SHARE * (until - since)
    rows: list[tuple[Any, ...]] = []
    pointed: list[tuple[Any, ...]] = []
    found: dict[Severity, list[tuple[float, float]]] = {severity: [] for severity in ROLES}
    for alert in _within(entries, since, until):
        left = min(max(since, _began(alert)), until - thinnest)
        right = min(until, max(left + thinnest, _ended(alert, until)))
        found[alert.rule.severity].append((left, right))
        if alert.id == marked:
            colour = colours[ROLES[alert.rule.severity]]
            pointed.append((left, right, colour, FILL * MARKED, EDGE * MARKED))
    taken: list[tuple[float, float]] = []
    for severity, spans in found.items():
        for left, right in _cut(_join_spans(spans), taken):
            rows.append((left, right, colours[ROLES[severity]], FILL, EDGE))
        taken = _join_spans([*taken, *spans])
    return {name: [row[at] for row in [*rows, *pointed]] for at, name in enumerate(COLUMNS)}


def _join_spans(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join what overlaps or touches."""
    joined: list[tuple[float, float]] = []
    for left, right in sorted(spans):
        if joined and left <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(right, joined[-1][1]))
        else:
            joined.append((left, right))
    return joined


def _cut(
    spans: Iterable[tuple[float, float]], taken: Sequence[tuple[float, float]]
) -> Iterable[tuple[float, float]]:
    """Leave of spans what lies in none of those that are taken; both are joined and in order."""
    for left, right in spans:
        start = left
        for began, ended in taken:
            if ended <= start or began >= right:
                continue
            if began > start:
                yield start, began
            start = ended
        if start < right:
            yield start, right


def name_alerts(entries: Iterable[AlertEntry], starts: Sequence[float], width: float) -> list[str]:
    """
    Say which alerts fired in each slice of a chart; nothing where none did.

    Parameters
    ----------
    entries
        Alerts, also those that are over.
    starts
        When each slice began, in order; seconds since 1970.
    width
        Of a slice, in seconds.
    """
    found: list[list[str]] = [[] for _ in starts]
    end = starts[-1] + width if starts else 0.0
    for alert in _within(entries, starts[0] if starts else 0.0, end):
        message = legible(alert.message, MOST_LETTERS)
        first = bisect_right(starts, _began(alert) - width)
        for at in range(first, bisect_right(starts, _ended(alert, end))):
            found[at].append(message)
    return [_join(messages) for messages in found]


def _join(messages: Sequence[str]) -> str:
    more = len(messages) - MOST_NAMED
    return " · ".join([*messages[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def _within(entries: Iterable[AlertEntry], since: float, until: float) -> Iterable[Alert]:
    for entry in entries:
        if _began(entry.alert) <= until and _ended(entry.alert, until) >= since:
            yield entry.alert


def _began(alert: Alert) -> float:
    return alert.fired_at.wall.timestamp()


def _ended(alert: Alert, otherwise: float) -> float:
    return otherwise if alert.resolved_at is None else alert.resolved_at.wall.timestamp()
