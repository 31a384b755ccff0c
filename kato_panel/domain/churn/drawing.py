"""How far a chart of a curve has to look, and the rows it is drawn of."""

from typing import Final

import numpy as np
import pandas as pd

from kato_panel.domain.churn.survival import Survival

TAIL_SHARE: Final = 0.99
"""Of the sessions: what the last of them still live after that needs no room."""
RISK_SHARE: Final = 0.01
"""Of the most that were under observation at once: where fewer are left is no need to look."""
MIN_RISK: Final = 2
"""Nor where only one is."""
SOON: Final = 1.5
"""So many times that age is near enough for an end to be shown that comes after it."""
LOOKS: Final = 512


def shown_seconds(curve: Survival) -> float:
    """
    Say how far a chart of a curve has to look; an age in seconds.

    That is to where nearly all have ended, or to where few are under observation any more and none
    of them ends soon, whichever comes first.
    """
    ages = np.linspace(0, curve.last_age_seconds, LOOKS)
    ages = np.union1d(ages, curve.ages_seconds[:: 1 + len(curve.ages_seconds) // LOOKS])
    at_risk = curve.at(ages)["at_risk"].to_numpy()
    watched = ages[at_risk >= max(MIN_RISK, RISK_SHARE * at_risk.max())]
    longest = float(watched[-1]) if len(watched) else curve.last_age_seconds
    soon = curve.ages_seconds[curve.ages_seconds <= SOON * longest]
    longest = max(longest, float(soon[-1])) if len(soon) else longest
    tail = curve.quantile_seconds(TAIL_SHARE).value
    return longest if tail is None else min(tail, longest)


def draw(curve: Survival, most: int) -> pd.DataFrame:
    """
    Lay out what a line is drawn of.

    Parameters
    ----------
    curve
        The curve.
    most
        Ages at which sessions ended, at most.

    Returns
    -------
    pandas.DataFrame
        As `Survival.frame` has it, up to `Survival.told_seconds`, and a last row there, if nobody
        ended at it: the curve stays where it is.
    """
    frame = curve.frame(most)
    frame = frame[frame.index.total_seconds() <= curve.told_seconds]
    if curve.told_seconds <= frame.index[-1].total_seconds():
        return frame
    last = curve.at([curve.told_seconds]).assign(ended=0)
    return pd.concat([frame, last])
