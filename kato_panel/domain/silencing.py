"""Until when a page wants silence: what the API takes, tomorrow morning, or a time of its own."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from kato_panel.domain.alert_query import read_end
from kato_panel.errors import QueryError

MORNING_HOUR: Final = 8


def read_until(wanted: str, zone: tzinfo, at: datetime) -> datetime:
    """
    Read until when somebody wants silence.

    Parameters
    ----------
    wanted
        ``tomorrow`` is at eight, and a time without a zone is one of `zone`; anything else is
        what the API takes, see `read_end`.
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
        If it is none of these, is a time that is past, or is too far away.
    """
    if wanted == "tomorrow":
        day = at.astimezone(zone).date() + timedelta(days=1)
        return datetime(day.year, day.month, day.day, MORNING_HOUR, tzinfo=zone).astimezone(UTC)
    try:
        time = datetime.fromisoformat(wanted)
    except ValueError:
        return read_end(wanted, at)
    until = time if time.tzinfo else time.replace(tzinfo=zone)
    if until <= at:
        raise QueryError("until", wanted, "a time to come")
    return read_end(until.isoformat(), at)
