"""
Our JSON: what programs and the page are told. The published form is ``docs/messages.md``.

Pure: from frozen values to dictionaries and models; unknown is ``null``, never 0.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kato_panel.domain.events import Moment, SessionEvent
from kato_panel.domain.snapshot import SessionSnapshot


class SessionCount(BaseModel):
    """
    The answer of ``GET /api/v1/sessions/count``.

    `total_count` and `active_sessions` repeat `active_count` under the names that clients of the
    design document's messages read.
    """

    model_config = ConfigDict(frozen=True)

    active_count: int | None = Field(description="Sessions alive; null if not known.")
    total_count: int | None = Field(description="The same.")
    active_sessions: int | None = Field(description="The same.")
    reported_count: int | None = Field(description="Sessions as KATO reported them last.")
    drift: int | None = Field(
        description="Sessions KATO still counts that are gone; null where nobody can know."
    )
    source: str = Field(description="Which source the count comes from.")
    age_seconds: float | None = Field(description="Age of the newest good observation.")
    stale: bool = Field(description="Whether that is older than three poll intervals.")


class ErrorBody(BaseModel):
    """What went wrong, for a program (`code`) and for a person (`message`)."""

    code: str
    message: str
    field: str | None = None


def session_count(snapshot: SessionSnapshot | None, now: Moment) -> SessionCount:
    """
    Say how many sessions there are.

    Parameters
    ----------
    snapshot
        The newest state; ``None`` before there is one.
    now
        When it is asked for: the age is counted up to then.
    """
    snapshot = replace(snapshot or SessionSnapshot(now), made_at=now)
    age_seconds = snapshot.age_seconds
    return SessionCount(
        active_count=snapshot.active,
        total_count=snapshot.active,
        active_sessions=snapshot.active,
        reported_count=snapshot.reported,
        drift=snapshot.drift,
        source=snapshot.counted_by,
        age_seconds=None if age_seconds is None else round(age_seconds, 3),
        stale=snapshot.is_stale,
    )


def session_event(event: SessionEvent) -> dict[str, Any]:
    """
    Say that sessions came or went.

    Parameters
    ----------
    event
        What happened.

    Returns
    -------
    dict
        ``type``, ``event_type``, ``timestamp``, ``seq`` and ``data`` of a ``session_event``.
    """
    return {
        "type": "session_event",
        "event_type": event.kind.value,
        "timestamp": iso(event.at),
        "seq": event.seq,
        "data": {
            "current_count": event.current,
            "previous_count": event.previous,
            "delta": event.delta,
            "time_since_last_event": event.since_last_event_seconds,
            "session_ids": [name.session_id for name in event.names],
            "node_ids": [name.node_id for name in event.names],
            "reason": event.reason,
            "source": event.source,
            "after_gap_seconds": event.after_gap_seconds,
        },
    }


def error(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    """Say why a request was refused."""
    body = ErrorBody(code=code, message=message, field=field)
    return {"error": body.model_dump(exclude_none=True)}


def iso(at: datetime) -> str:
    """Write a UTC instant as ISO 8601 with ``+00:00``."""
    return at.isoformat(timespec="milliseconds")
