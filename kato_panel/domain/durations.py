"""Durations as people write them: ``90s``, ``5m``, ``2h``, ``1d``."""

import re
from typing import Final

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_FORM: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", re.ASCII)
ALLOWED: Final = "a duration such as 90s, 5m, 2h or 1d"


def read_duration(text: str) -> float:
    """
    Read a duration.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ValueError
        If it is none; says what is allowed.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"must be {ALLOWED}")
    return float(found[1]) * _SECONDS[found[2]]


def write_duration(seconds: float) -> str:
    """Write a duration in the largest unit that it is a whole number of."""
    for unit in reversed(_SECONDS):
        count = seconds / _SECONDS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{seconds:g}s"
