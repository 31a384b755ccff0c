"""How far a chart of a curve has to look, and the rows it is drawn of."""

from typing import Final

import numpy as np
import pandas as pd

from kato_panel.domain.churn.survival import Survival

TAIL_SHARE: Final = 0.99
"""Of the sessions: what the last of them still live after that needs no room."""
RISK_SHARE: Final = 0.02
"""Of the most that were under observation at once: where fewer are, and none ends, is no need."""
LOOKS: Final = 512


def shown_seconds(curve: Survival) -> float:
    """
    Say how far a chart of a curve has to look; an age in seconds.

    That is to where nearly all have ended; or, where the curve does not fall so far, to where few
    are under observation any more and none of them ends.
    """
    tail = curve.quantile_seconds(TAIL_SHARE).value
    if tail is not None:
        return tail
    last_end = float(curve.ages_seconds[-1])
    ages = np.linspace(last_end, curve.last_age_seconds, LOOKS)
    at_risk = curve.at(ages)["at_risk"].to_numpy()
    watched = ages[at_risk >= RISK_SHARE * curve.at_risk.max()]
    return float(watched[-1]) if len(watched) else last_end


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
        As `Survival.frame` has it, and a last row at `Survival.told_seconds`, where nobody ended:
        up to there the curve stays where it is.
    """
    frame = curve.frame(most)
    if curve.told_seconds <= frame.index[-1].total_seconds():
        return frame
    last = curve.at([curve.told_seconds]).assign(ended=0)
    return pd.concat([frame, last])
