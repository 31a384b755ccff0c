"""
Rules held against what was measured before: the alerts that they would have had.

Pure. The very `Judge` of the live service decides; all that is done here is to pass over the
times at which it would change nothing, which is nearly always.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kato_panel.domain.events import Moment
from kato_panel.domain.recorded import FIGURE_SECONDS, Gap
from kato_panel.domain.rules import Alert, Judge, Measured, Rule, Stage

HOLE_INTERVALS: Final = 1.5
"""Looks further apart than so many usual intervals have a missed one between them."""
SLACK_SECONDS: Final = 0.05
"""By so much the calendar may fall short of the monotonic time by which a value had lasted."""
MICROS: Final = 1_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER: Final[NDArray[np.int64]] = np.array([], np.int64)


@dataclass(frozen=True, slots=True)
class Looks:
    """
    What was measured, and when.

    Parameters
    ----------
    times
        Of each look, the oldest first, each once; whole microseconds since 1970.
    series
        By metric and subject, one for each look; NaN where it was not known.
    gone
        By the same, those times at which it was not known because there was no such subject any
        more.
    """

    times: NDArray[np.int64]
    series: Mapping[tuple[str, str], NDArray[np.float64]]
    gone: Mapping[tuple[str, str], NDArray[np.int64]] = field(default_factory=dict)


def backtest(rules: Iterable[Rule], looks: Looks, gaps: Sequence[Gap] = ()) -> list[Alert]:
    """
    List the alerts that rules would have had.

    Parameters
    ----------
    rules
        Each with a name of its own.
    looks
        What was measured. A value that is known counts as made of enough samples.
    gaps
        When nobody looked. Where looks are further apart than they usually are, nobody did
        either.

    Returns
    -------
    list of Alert
        By when they fired, then in the rules' order; the last of a rule and subject may not be
        over. Ticks are the seconds since 1970.
    """
    whole = _with_holes(looks, gaps)
    alerts: list[Alert] = []
    for rule in rules:
        for (metric, subject), values in sorted(whole.series.items()):
            if metric == rule.metric:
                gone = whole.gone.get((metric, subject), _NEVER)
                alerts += _try(rule, subject, whole.times, values, np.isin(whole.times, gone))
    return sorted(alerts, key=lambda alert: alert.fired_at.tick)


def _with_holes(looks: Looks, gaps: Sequence[Gap]) -> Looks:
    """Put a look that saw nothing wherever nobody looked."""
    times = looks.times
    if len(times) < 2:  # noqa: PLR2004 - two looks have one interval
        return looks
    spans = np.diff(times)
    # Where a value is often about to turn, there are looks in between.
    usual = max(float(np.median(spans)), FIGURE_SECONDS * MICROS)
    is_hole = spans > HOLE_INTERVALS * usual
    for gap in gaps:
        # Looks within it, if there are any, say themselves what was known.
        began, ended = _micros(gap.began), _micros(gap.ended)
        is_hole |= (times[:-1] <= began) & (ended <= times[1:])
    after = np.flatnonzero(is_hole) + 1
    return Looks(
        np.insert(times, after, times[after - 1] + 1),
        {key: np.insert(values, after, np.nan) for key, values in looks.series.items()},
        looks.gone,
    )


def _try(
    rule: Rule,
    subject: str,
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    is_gone: NDArray[np.bool_],
) -> Iterable[Alert]:
    """Judge one rule and subject, from each wrong value until all is well again."""
    judge = Judge([_loosen(rule)])
    alerts: dict[str, Alert] = {}
    # A value that is not known is NaN, of which no comparison holds.
    is_wrong = np.fromiter(map(rule.holds, values.tolist()), bool, len(values))
    wrong = np.flatnonzero(is_wrong | is_gone)
    place = 0
    while (after := np.searchsorted(wrong, place)) < len(wrong):
        place = int(wrong[after])
        has_settled = False
        while not has_settled and place < len(times):
            value = float(values[place])
            known = None if np.isnan(value) else value
            at = _moment(int(times[place]))
            measured = [Measured(rule.metric, known, subject, rule.min_samples)]
            found = [] if is_gone[place] else measured
            for one in judge.judge(found, at, {rule.metric: ()}):
                alerts[one.alert.id] = replace(one.alert, rule=rule)
            has_settled = not judge.firing and not any(
                state.stage is Stage.PENDING for state in judge.states
            )
            place += 1
    return alerts.values()


def _loosen(rule: Rule) -> Rule:
    """Let each of its times be a little shorter; see `SLACK_SECONDS`."""
    return replace(
        rule,
        for_seconds=max(0.0, rule.for_seconds - SLACK_SECONDS),
        keep_firing_seconds=max(0.0, rule.keep_firing_seconds - SLACK_SECONDS),
        cooldown_seconds=max(0.0, rule.cooldown_seconds - SLACK_SECONDS),
    )


def _micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def _moment(at: int) -> Moment:
    return Moment(EPOCH + timedelta(microseconds=at), at / MICROS)
