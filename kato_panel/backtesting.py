"""Rules held against a history: what they would have told, as a frame."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from kato_panel.domain import backtest as domain
from kato_panel.domain.rule_texts import read_rules
from kato_panel.domain.rules import Alert, Rule, Severity
from kato_panel.errors import HistoryError
from kato_panel.history import Reader
from kato_panel.history.looks import FROM_MINUTES
from kato_panel.history.place import place_of
from kato_panel.history_frames import HistoryFrames

WEEK: Final = timedelta(days=7)
NEVER: Final = datetime.max.replace(tzinfo=UTC)


def backtest(
    history: HistoryFrames | Reader | str | Path,
    rules: str | Path | Iterable[Rule],
    since: datetime | timedelta = WEEK,
    until: datetime | None = None,
) -> pd.DataFrame:
    """
    List the alerts that rules would have had.

    Parameters
    ----------
    history
        A history, as `kato_panel.open_history` gives it, or its path or address.
    rules
        As rules, as the text of a TOML file, or the path of one.
    since
        A time with a zone, or for how long before `until`.
    until
        A time with a zone; without it, all that was written. How long ago is counted from when
        upstream was seen last, then.

    Returns
    -------
    pandas.DataFrame
        One row per alert, oldest first; index `time`: datetime64 UTC, when it fired; columns:
        `rule`, `subject`, `severity` (category), `pending`, `resolved` (datetime64 UTC), `value`
        (Float64), `duration` (Timedelta), `message` (string); `resolved` and `duration` are
        missing where it was not over. Empty, with these columns, if there was none.

    Raises
    ------
    ConfigError
        If the rules are wrong.
    HistoryError
        If the history cannot be read.
    """
    if isinstance(history, HistoryFrames):
        history = history.reader
    opened = history if isinstance(history, Reader) else open_reader(history)
    try:
        return alert_frame(try_rules(opened, take_rules(rules), since, until))
    finally:
        if opened is not history:
            opened.close()


def open_reader(history: str | Path) -> Reader:
    """
    Open a history to read.

    Raises
    ------
    HistoryError
        If there is none.
    """
    is_address = isinstance(history, str) and "://" in history
    path = place_of(str(history), "", is_demo=False) if is_address else Path(history)
    if path is None:
        raise HistoryError("a history in memory can be read by its own process alone")
    return Reader.open(path)


def take_rules(rules: str | Path | Iterable[Rule]) -> tuple[Rule, ...]:
    """Read rules where they are not yet; see `backtest`."""
    if isinstance(rules, str) and "\n" in rules:
        return read_rules(rules)
    if isinstance(rules, str | Path):
        return read_rules(Path(rules).read_text(encoding="utf-8"))
    return tuple(rules)


def try_rules(
    reader: Reader,
    rules: Sequence[Rule],
    since: datetime | timedelta = WEEK,
    until: datetime | None = None,
) -> list[Alert]:
    """
    List the alerts that rules would have had; see `backtest` for the arguments.

    What the figures do not hold, and the minutes of the count do, is made of these.
    """
    newest = until or reader.last_seen() or datetime.now(UTC)
    first = newest - since if isinstance(since, timedelta) else since
    last = until or NEVER  # rules are judged, too, while nothing is seen
    metrics = {rule.metric for rule in rules}
    looks = reader.looks(metrics, first, last)
    gaps = reader.gaps(first, last, limit=None)
    recorded = {metric for one in looks for metric, _ in one.series}
    counted = {rule.metric for rule in rules} & {*FROM_MINUTES} - recorded
    alerts = [alert for one in looks for alert in domain.backtest(rules, one, gaps)]
    if counted:
        rest = [rule for rule in rules if rule.metric in counted]
        alerts += domain.backtest(rest, reader.minute_looks(first, last), gaps)
    order = {rule.name: place for place, rule in enumerate(rules)}
    return sorted(alerts, key=lambda one: (one.fired_at.tick, order[one.rule.name]))


def alert_frame(alerts: Sequence[Alert]) -> pd.DataFrame:
    """Lay out alerts; see `backtest`."""
    resolved = [None if one.resolved_at is None else one.resolved_at.wall for one in alerts]
    frame = pd.DataFrame(
        {
            "rule": pd.Categorical([one.rule.name for one in alerts]),
            "subject": pd.Categorical([one.subject for one in alerts]),
            "severity": pd.Categorical([one.rule.severity.value for one in alerts], [*Severity]),
            "pending": _times([one.pending_at.wall for one in alerts]),
            "resolved": _times(resolved),
            "value": pd.array(np.array([one.value for one in alerts], float), dtype="Float64"),
            "message": pd.array([one.message for one in alerts], dtype="string"),
        }
    )
    fired = _times([one.fired_at.wall for one in alerts])
    frame.insert(6, "duration", frame["resolved"] - fired)
    frame.index = pd.DatetimeIndex(fired, name="time")
    return frame


def _times(times: Sequence[datetime | None]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime([*times], utc=True)).as_unit("us")
