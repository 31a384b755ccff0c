"""What was measured over a range, as arrays: figures, and what the count's minutes tell."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, func, select

from kato_panel.domain.backtest import Looks
from kato_panel.history import schema
from kato_panel.history.rows import MAX_MICROS
from kato_panel.history.writer import MINUTE

WINDOW_MINUTES: Final = 5
"""What rates are taken over, where minutes tell them."""
FROM_MINUTES: Final = (
    "sessions_active",
    "sessions_created_per_minute",
    "sessions_ended_per_minute",
)


def figure_looks(
    connection: Connection, metrics: Iterable[str], since: int, until: int
) -> list[Looks]:
    """
    Read the figures of some metrics.

    Parameters
    ----------
    connection
        Where to read.
    metrics
        Their names.
    since, until
        In microseconds, from `since` to before `until`.

    Returns
    -------
    list of Looks
        One for each metric and subject that has any: each is sampled in a step of its own.
    """
    figures, lapses = schema.figures.c, schema.lapses.c
    asked = select(figures.metric, figures.subject).where(figures.metric.in_([*metrics]))
    found = []
    for metric, subject in connection.execute(asked.distinct()).all():
        chosen = select(figures.at, figures.value).where(
            figures.metric == metric,
            figures.subject == subject,
            figures.at >= since,
            figures.at < until,
            # What a flipped bit left in place of a number is passed over.
            func.typeof(figures.at) == "integer",
            func.typeof(figures.value) == "real",
        )
        rows = connection.execute(chosen.order_by(figures.at, figures.id)).all()
        newest = dict(map(tuple, rows))
        if not newest:
            continue
        lapsed = select(lapses.at, lapses.is_gone).where(
            lapses.metric == metric,
            lapses.subject == subject,
            lapses.at >= since,
            lapses.at < until,
            func.typeof(lapses.at) == "integer",
        )
        unknown = dict(map(tuple, connection.execute(lapsed.order_by(lapses.at)).all()))
        if unknown:
            newest = dict(sorted({**newest, **dict.fromkeys(unknown, np.nan)}.items()))
        times = np.fromiter(newest, np.int64, len(newest))
        values = np.fromiter(newest.values(), np.float64, len(newest))
        gone = np.array([at for at, is_gone in unknown.items() if is_gone == 1], np.int64)
        key = metric, subject
        found.append(Looks(times, {key: values}, {key: gone} if len(gone) else {}))
    return found


def minute_looks(connection: Connection, since: int, until: int) -> Looks:
    """
    Make figures of the count's minutes; see `figure_looks` for the arguments.

    Returns
    -------
    Looks
        At the end of each minute that was observed. A rate is known where the five minutes before
        were.
    """
    minutes = schema.minutes.c
    chosen = select(minutes.start, minutes.last, minutes.created, minutes.ended).where(
        minutes.start >= since, minutes.start + MINUTE <= until
    )
    rows = [
        [*row]
        for row in connection.execute(chosen.order_by(minutes.start))
        if {*map(type, row)} == {int} and _is_time(row[0])
    ]
    start, last, *changes = np.array(rows, np.int64).reshape(-1, 4).T
    values = (last.astype(float), *(_rate(start, sums) for sums in changes))
    named = zip(FROM_MINUTES, values, strict=True)
    return Looks(start + MINUTE, {(metric, ""): series for metric, series in named})


def _is_time(at: Any) -> bool:
    return type(at) is int and abs(at) < MAX_MICROS


def _rate(start: Any, sums: Any) -> Any:
    """Sum up the five minutes that end with each, and divide them; NaN if one was not observed."""
    rates = np.full(len(start), np.nan)
    over = WINDOW_MINUTES
    if len(start) >= over:
        is_whole = start[over - 1 :] - start[: 1 - over] == (over - 1) * MINUTE
        summed = np.convolve(sums, np.ones(over), "valid")
        rates[over - 1 :] = np.where(is_whole, summed / over, np.nan)
    return rates
