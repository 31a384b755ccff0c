"""
Our JSON: what programs and the page are told. The published form is ``docs/messages.md``.

Pure: from frozen values to dictionaries and models; unknown is ``null``, never 0.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kato_panel.domain.actions import Outcome
from kato_panel.domain.detail import Detail
from kato_panel.domain.events import Moment, SessionEvent
from kato_panel.domain.listing import Page, Row
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


def session_row(row: Row) -> dict[str, Any]:
    """Say what the list shows of one session."""
    return {
        "session_id": row.session_id,
        "node_id": row.node_id,
        "created_at": _iso(row.created_at),
        "last_accessed": _iso(row.last_accessed),
        "expires_at": _iso(row.expires_at),
        "ttl_seconds": row.ttl_seconds,
        "ttl_remaining_seconds": row.ttl_remaining_seconds,
        "stm_length": row.stm_length,
        "access_count": row.access_count,
        "is_gone": row.is_gone,
    }


def session_page(page: Page) -> dict[str, Any]:
    """Say who is on one page of the list: the answer of ``GET /api/v1/sessions``."""
    return {
        "sessions": [session_row(row) for row in page.rows],
        "total": page.total,
        "skip": page.skip,
        "limit": page.limit,
        "complete": page.complete,
        "source": page.source,
        "at": iso(page.at),
    }


def session_detail(detail: Detail) -> dict[str, Any]:
    """Say everything of one session: the answer of ``GET /api/v1/sessions/{id}``."""
    reading = detail.reading
    return {
        "session": session_row(reading.row),
        "value": reading.value,
        "value_bytes": reading.value_bytes,
        "is_cut": reading.is_cut,
        "trouble": reading.trouble,
        "timeline": [
            {
                "what": mark.what,
                "earliest": iso(mark.earliest),
                "latest": iso(mark.latest),
                "how": mark.how,
                "reason": mark.reason,
            }
            for mark in detail.timeline
        ],
        "source": detail.source,
        "has_touched": detail.has_touched,
        "at": iso(detail.at),
    }


def session_outcome(outcome: Outcome) -> dict[str, Any]:
    """Say how a delete ended."""
    return {
        "session_id": outcome.session_id,
        "result": outcome.result.value,
        "reason": outcome.reason,
    }


def error(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    """Say why a request was refused."""
    body = ErrorBody(code=code, message=message, field=field)
    return {"error": body.model_dump(exclude_none=True)}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def iso(at: datetime) -> str:
    """Write a UTC instant as ISO 8601 with ``+00:00``."""
    return at.isoformat(timespec="milliseconds")
