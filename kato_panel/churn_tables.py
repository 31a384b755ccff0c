"""Tables of churn for documents: laid out from its frames, the same for a report and a view."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from kato_panel.domain.churn import LogRank

RATE_COLUMNS: Final = (
    *("time", "observed_seconds", "arrivals", "departures"),
    *("arrivals_per_minute", "arrivals_low_per_minute", "arrivals_high_per_minute"),
    *("departures_per_minute", "departures_low_per_minute", "departures_high_per_minute"),
)
SURVIVAL_COLUMNS: Final = (
    *("age_seconds", "survival_percent", "low_percent", "high_percent", "at_risk_sessions"),
)
GROUP_COLUMNS: Final = (
    *("sessions", "ended_sessions", "still_open_sessions"),
    *("median_seconds", "median_low_seconds", "median_high_seconds"),
)
COHORT_COLUMNS: Final = ("time", "members")
REASON_COLUMNS: Final = ("reason", "ended", "low", "high", "share_percent")
LEAST_CHANCE: Final = 0.0001
"""That is written as a number."""
NO_RECORDS: Final = "No session is known one by one."
NO_END: Final = "No session ended."
COHORT_REMARK: Final = (
    "Share of those born from this time on that reach an age; — where it is not known yet."
)


@dataclass(frozen=True, slots=True)
class Table:
    """
    One table of a report.

    Parameters
    ----------
    columns
        Names, each with its unit at its end.
    rows
        Values by column: texts, numbers, times in UTC; ``None`` for what is not known.
    remark
        What has to be known to read it, or why it is empty.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...] = ()
    remark: str = ""


def empty_tables(why: str) -> dict[str, Table]:
    """Lay out each table without a row, and say why."""
    columns = {
        "rates": RATE_COLUMNS,
        "survival": SURVIVAL_COLUMNS,
        "nodes": ("node", *GROUP_COLUMNS),
        "cohorts": COHORT_COLUMNS,
        "reasons": REASON_COLUMNS,
    }
    return {name: Table(names, remark=why) for name, names in columns.items()}


def rate_table(frame: pd.DataFrame, *, is_bound: bool) -> Table:
    """Lay out arrivals and departures by stretches of time."""
    rows = list_rows(frame[[*RATE_COLUMNS[1:]]])
    remark = "Lower bounds." if is_bound else ""
    return Table(RATE_COLUMNS, tuple((at, *map(plain, row)) for at, row in rows), remark)


def survival_table(frame: pd.DataFrame) -> Table:
    """Lay out the share that reaches some ages."""
    rows = []
    for row in frame.itertuples():
        shares = map(_percent, (row.survival, row.lower, row.upper))
        rows.append((int(row.Index.total_seconds()), *shares, int(row.at_risk)))
    return Table(SURVIVAL_COLUMNS, tuple(rows))


def group_table(
    frame: pd.DataFrame, told: Iterable[str], log_rank: LogRank | None, noun: str = "node"
) -> Table:
    """Lay out groups side by side, with what the test says of them."""
    notes = [f"{note}." for note in told]
    if log_rank is not None:
        p_value = log_rank.p_value
        chance = f"{p_value:.2g}" if p_value >= LEAST_CHANCE else f"below {LEAST_CHANCE}"
        notes.append(
            f"If all {noun}s' sessions lived equally long, a difference like this would come about "
            f"with probability {chance} (log-rank test)."
        )
    shown = list_rows(frame.drop(columns="expected_ends"))
    rows = tuple((str(name), *map(plain, row)) for name, row in shown)
    return Table(
        (noun, *GROUP_COLUMNS), rows, " ".join(note[0].upper() + note[1:] for note in notes)
    )


def cohort_table(frame: pd.DataFrame) -> Table:
    """Lay out those born together, and the share of them that reaches an age."""
    rows = (
        (at, int(members), *map(_percent, shares)) for at, (members, *shares) in list_rows(frame)
    )
    names = (f"{name}_percent" for name in frame.columns[1:])
    return Table((*COHORT_COLUMNS, *names), tuple(rows), COHORT_REMARK)


def reason_table(frame: pd.DataFrame | None, why: str = "") -> Table:
    """Lay out why sessions ended."""
    if frame is None:
        return Table(REASON_COLUMNS, remark=why or NO_RECORDS)
    if not frame["ended"].sum():
        return Table(REASON_COLUMNS, remark=NO_END)
    rows = tuple((str(name), *map(plain, row)) for name, row in list_rows(frame))
    return Table(REASON_COLUMNS, rows)


def list_rows(frame: pd.DataFrame) -> list[tuple[Any, tuple[Any, ...]]]:
    """List the rows of a frame: the index, and the values by column."""
    columns = [frame[name].tolist() for name in frame.columns]
    return [*zip(frame.index, zip(*columns, strict=True), strict=True)]


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else 100 * float(share)


def plain(value: Any) -> Any:
    """Write a value of a frame as Python has it; ``None`` where it is not known."""
    if value is None or pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
