"""Long ranges a part at a time, so that memory stays bounded however much there is."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

FIRST_WIDTH: Final = timedelta(hours=1)
NARROWEST: Final = timedelta(seconds=10)
FEW: Final = 20_000
"""Rows of a part: with fewer, the next one is wider; with over four times as many, narrower."""


def read_parts(
    read: Callable[[datetime, datetime], pd.DataFrame], since: datetime, until: datetime
) -> Iterator[pd.DataFrame]:
    """
    Read a range a part at a time, oldest first.

    Parameters
    ----------
    read
        Reads what is from a time on and before another.
    since, until
        UTC.
    """
    width = FIRST_WIDTH
    while since < until:
        end = min(since + width, until)
        part = read(since, end)
        yield part
        since = end
        if len(part) < FEW:
            width *= 2
        elif len(part) > 4 * FEW:
            width = max(width / 2, NARROWEST)
