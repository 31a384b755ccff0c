"""Until when somebody wants silence: a while, tomorrow morning, or a time of their own."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from kato_panel.errors import QueryError

WHILES: Final = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
}
MORNING_HOUR: Final = 8
MOST_DAYS: Final = 30
ALLOWED: Final = (
    f"now, {', '.join(WHILES)}, tomorrow or a time to come within {MOST_DAYS} days, as "
    "2026-11-28T18:30"
)


def read_until(wanted: str, zone: tzinfo, at: datetime) -> datetime:
    """
    Read until when somebody wants silence.

    Parameters
    ----------
    wanted
        ``now`` ends a silence, ``15m``, ``1h`` and ``4h`` are from now on, ``tomorrow`` is at
        eight; or a time, which without a zone of its own is one of `zone`.
    zone
        Of whoever asks.
    at
        Now; UTC.

    Returns
    -------
    datetime
        UTC.

    Raises
    ------
    QueryError
        If it is none of these, is past, or is more than 30 days away.
    """
    if wanted == "now":
        return at
    if wanted in WHILES:
        return at + WHILES[wanted]
    if wanted == "tomorrow":
        day = at.astimezone(zone).date() + timedelta(days=1)
        return datetime(day.year, day.month, day.day, MORNING_HOUR, tzinfo=zone).astimezone(UTC)
    try:
        time = datetime.fromisoformat(wanted)
        until = (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise QueryError("until", wanted, ALLOWED) from None
    if not at < until <= at + timedelta(days=MOST_DAYS):
        raise QueryError("until", wanted, ALLOWED)
    return until
