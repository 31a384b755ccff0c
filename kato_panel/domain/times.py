"""Times as programs write them, and durations as people do: ``90s``, ``5m``; in words, 5 min."""

import re
from datetime import datetime
from typing import Final

MINUTE_SECONDS: Final = 60
WORDS: Final = ((86_400, "d"), (3_600, "h"), (MINUTE_SECONDS, "min"), (1, "s"))
UNIT_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_FORM: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", re.ASCII)
ALLOWED: Final = "a duration such as 90s, 5m, 2h or 1d"


def iso(at: datetime) -> str:
    """Write a UTC instant as ISO 8601 with ``+00:00``."""
    return at.isoformat(timespec="milliseconds")


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
    return float(found[1]) * UNIT_SECONDS[found[2]]


def write_duration(seconds: float) -> str:
    """Write a duration in the largest unit that it is a whole number of."""
    for unit in reversed(UNIT_SECONDS):
        count = seconds / UNIT_SECONDS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{seconds:g}s"


def say_duration(seconds: float) -> str:
    """Write a duration for a sentence, as exact as it is of use: 2.65 s, 1 h 43 min."""
    if round(seconds) < MINUTE_SECONDS:
        return f"{seconds:.3g} s"
    return " ".join(f"{number} {unit}" for number, unit in greatest_units(seconds))


def greatest_units(seconds: float) -> list[tuple[int, str]]:
    """
    Take a duration of at least a minute apart: its greatest unit and the next, unless that is 0.

    Returns
    -------
    list of tuple of int and str
        A number of ``d``, ``h``, ``min`` or ``s``, and then of the next one.
    """
    rest = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit_seconds, unit in WORDS:
        number, rest = divmod(rest, unit_seconds)
        if number or parts:
            parts.append((number, unit))
    return [part for part in parts[:2] if part[0]]
