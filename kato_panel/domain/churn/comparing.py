"""Whether groups of sessions live equally long: curves side by side, and the log-rank test."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kato_panel.domain.churn.chances import Floats, chi_square_tail
from kato_panel.domain.churn.lives import MIN_ENDS, Lives, check_ends
from kato_panel.domain.churn.survival import Survival
from kato_panel.errors import TooLittle

CHUNK = 20_000
"""Ages that are summed up at once: memory stays bounded, and near the processor."""


@dataclass(frozen=True, slots=True)
class LogRank:
    """
    A test of the claim that all groups live equally long.

    Parameters
    ----------
    chi_square, degrees
        Its statistic, and the groups but one.
    p_value
        How likely at least such a difference is if the claim is true, 0 to 1.
    groups, ended, expected
        Of each group: its name, the sessions that ended, and how many would have.
    """

    chi_square: float
    degrees: int
    p_value: float
    groups: tuple[str, ...]
    ended: tuple[int, ...]
    expected: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """
    Groups of sessions side by side.

    Parameters
    ----------
    by
        What they are grouped by.
    curves
        By group; those with enough ends.
    refused
        By group: why it has no curve.
    log_rank
        Over the groups that have curves; ``None`` if they are fewer than two.
    notes
        What has to be known to read it.
    """

    by: str
    curves: dict[str, Survival]
    refused: dict[str, str]
    log_rank: LogRank | None
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """
        Lay out the groups.

        Returns
        -------
        pandas.DataFrame
            One row per group that has a curve; index `group`; columns: `sessions`, `ended`,
            `still_open` (Int64), `median_seconds`, `median_low_seconds`, `median_high_seconds`
            (Float64; ``<NA>`` where the data do not reach), `expected_ends` (Float64, of the
            log-rank test).
        """
        curves = self.curves.values()
        medians = [curve.median_seconds for curve in curves]
        expected = self.log_rank.expected if self.log_rank else [None] * len(self.curves)
        columns = {
            "sessions": pd.array([curve.sessions for curve in curves], dtype="Int64"),
            "ended": pd.array([curve.ends for curve in curves], dtype="Int64"),
            "still_open": pd.array([curve.still_open for curve in curves], dtype="Int64"),
            "median_seconds": pd.array([one.value for one in medians], dtype="Float64"),
            "median_low_seconds": pd.array([one.low for one in medians], dtype="Float64"),
            "median_high_seconds": pd.array([one.high for one in medians], dtype="Float64"),
            "expected_ends": pd.array(expected, dtype="Float64"),
        }
        return pd.DataFrame(columns, index=pd.Index(list(self.curves), name="group", dtype=object))


def compare(lives: Lives, by: str, zone: str) -> Comparison:
    """
    Put groups side by side.

    Raises
    ------
    TooLittle
        If fewer than 10 lives ended.
    """
    check_ends(lives.ends)
    groups, others = lives.groups(by, zone)
    curves: dict[str, Survival] = {}
    refused: dict[str, str] = {}
    order = np.argsort(groups.codes, kind="stable")
    bounds = np.searchsorted(groups.codes[order], np.arange(len(groups.categories) + 1))
    for code, name in enumerate(groups.categories):
        try:
            curves[name] = lives.survival(order[bounds[code] : bounds[code + 1]])
        except TooLittle as error:
            refused[name] = str(error)
    notes = []
    if by == "reason":
        notes.append(
            "sessions that live on have no reason yet and are left out: by reason, lifetimes are "
            "too short, and the groups are not to be held against the curve of all"
        )
    if others is not None:
        notes.append(f"the smaller groups stand together as {others}")
    if refused:
        many = "1 group has" if len(refused) == 1 else f"{len(refused)} groups have"
        notes.append(f"{many} fewer than {MIN_ENDS} ends, and no curve")
    emptied = [name for name, one in curves.items() if one.told_seconds < one.last_age_seconds]
    if emptied:
        notes.append(
            "all who were under observation ended, but others were watched at greater ages, in "
            f"{', '.join(emptied)}: from there on such a curve says nothing"
        )
    test = log_rank(curves) if len(curves) > 1 else None
    return Comparison(by, curves, refused, test, tuple(notes))


def log_rank(curves: dict[str, Survival]) -> LogRank:
    """
    Test whether all groups live equally long, at each age among those under observation then.

    Parameters
    ----------
    curves
        At least two, by the names of their groups.
    """
    names, parts = tuple(curves), tuple(curves.values())
    ages = np.unique(np.concatenate([part.ages_seconds for part in parts]))
    expected = np.zeros(len(parts))
    covariance = np.zeros((len(parts), len(parts)))
    watched = [_Watched(part) for part in parts]
    for first in range(0, len(ages), CHUNK):
        more, spread = _sum_up(watched, ages[first : first + CHUNK])
        expected += more
        covariance += spread
    ended = np.array([part.ends for part in parts])
    surplus = (ended - expected)[:-1]
    solved = np.linalg.lstsq(covariance[:-1, :-1], surplus, rcond=None)[0]
    chi_square = float(surplus @ solved)
    degrees = len(parts) - 1
    return LogRank(
        chi_square,
        degrees,
        chi_square_tail(chi_square, degrees),
        names,
        tuple(map(int, ended)),
        tuple(map(float, expected)),
    )


class _Watched:
    """Follows a group from age to age: who is at risk, and who ends."""

    def __init__(self, part: Survival) -> None:
        self._part = part
        self._at_risk = part.sessions - part.late_entries
        self._ends, self._late, self._open = 0, 0, 0

    def follow(self, ages: Floats) -> tuple[Floats, Floats]:
        """Count who is at risk and who ends at some ages, rising, from where it was left."""
        part = self._part
        ends = slice(self._ends, int(np.searchsorted(part.ages_seconds, ages[-1], side="right")))
        late = slice(self._late, int(np.searchsorted(part.late_seconds, ages[-1])))
        still = slice(self._open, int(np.searchsorted(part.open_seconds, ages[-1])))
        self._ends, self._late, self._open = ends.stop, late.stop, still.stop
        at = np.searchsorted(ages, part.ages_seconds[ends])
        ended: Floats = np.bincount(at, part.ended[ends], len(ages)).astype(np.float64)
        steps = np.concatenate([[self._at_risk], -ended])
        for seconds, sign in ((part.late_seconds[late], 1), (part.open_seconds[still], -1)):
            if len(seconds):
                after = np.searchsorted(ages, seconds, side="right")
                steps += sign * np.bincount(after, minlength=len(steps))
        at_risk = np.cumsum(steps)
        self._at_risk = int(at_risk[-1])
        return at_risk[:-1], ended


def _sum_up(watched: list[_Watched], ages: Floats) -> tuple[Floats, NDArray[np.float64]]:
    """Sum up expected ends and their covariance over some ages."""
    followed = [group.follow(ages) for group in watched]
    at_risk = np.array([risk for risk, _ in followed])
    total, ended = at_risk.sum(axis=0), np.sum([ended for _, ended in followed], axis=0)
    shares = at_risk / total
    weights = ended * (total - ended) / np.maximum(total - 1, 1)
    covariance = np.diag(shares @ weights) - (shares * weights) @ shares.T
    return shares @ ended, covariance
