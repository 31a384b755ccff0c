"""Figures as people read them, on paper as on the screen; what is not known is a dash."""

import math
from datetime import datetime, tzinfo
from typing import Any, Final

from kato_panel.domain.times import MINUTE_SECONDS, greatest_units

UNKNOWN: Final = "—"
THIN: Final = "\N{NARROW NO-BREAK SPACE}"
DAY: Final = 86_400


def write_number(value: float | None, digits: int = 3) -> str:
    """Write a number with thin spaces between its thousands."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if isinstance(value, int) or float(value).is_integer():
        text = f"{int(value):,}"
    else:
        places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{min(places, 6)}f}"
    return text.replace(",", THIN).replace("-", "\N{MINUS SIGN}")


def write_span(seconds: float | None) -> str:
    """Write a length of time in its two greatest units."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds < MINUTE_SECONDS:
        return f"{write_number(round(seconds, 1))}{THIN}s"
    return " ".join(f"{number}{THIN}{unit}" for number, unit in greatest_units(seconds))


def write_time(at: datetime | None, zone: tzinfo) -> str:
    """Write a moment, to the second, in a time zone that is named elsewhere."""
    return UNKNOWN if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def write_value(name: str, value: Any, zone: tzinfo) -> str:
    """
    Write a value.

    Parameters
    ----------
    name
        Of the figure: its unit is its last word.
    value
        ``None`` where it is not known.
    zone
        Of times.
    """
    if isinstance(value, datetime):
        return write_time(value, zone)
    if value is None or isinstance(value, str):
        return value or UNKNOWN
    if name.endswith("_seconds"):
        return write_span(value)
    if name.endswith("_percent"):
        return f"{write_number(value)}{THIN}%"
    return write_number(value)
