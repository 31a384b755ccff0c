"""
Our JSON: what programs and the page are told. The published form is ``docs/messages.md``.

Pure: from frozen values to dictionaries, and to the models of ``bodies.py``. Unknown is ``null``,
never 0.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from kato_panel.bodies import (
    ErrorBody,
    LifeMark,
    RecordedEvent,
    RecordedEvents,
    SessionCount,
    SessionDetail,
    SessionOutcome,
    SessionOutcomes,
    SessionPage,
    SessionRow,
)
from kato_panel.domain.actions import Outcome
from kato_panel.domain.detail import Detail
from kato_panel.domain.events import Moment, SessionEvent
from kato_panel.domain.listing import Page, Row
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.times import iso


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


def session_row(row: Row) -> SessionRow:
    """Say what the list shows of one session."""
    return SessionRow(
        session_id=row.session_id,
        node_id=row.node_id,
        created_at=_iso(row.created_at),
        last_accessed=_iso(row.last_accessed),
        expires_at=_iso(row.expires_at),
        ttl_seconds=row.ttl_seconds,
        ttl_remaining_seconds=row.ttl_remaining_seconds,
        stm_length=row.stm_length,
        access_count=row.access_count,
        is_gone=row.is_gone,
    )


def session_page(page: Page) -> SessionPage:
    """Say who is on one page of the list."""
    return SessionPage(
        sessions=[session_row(row) for row in page.rows],
        total=page.total,
        skip=page.skip,
        limit=page.limit,
        complete=page.complete,
        source=page.source,
        at=iso(page.at),
    )


def session_detail(detail: Detail) -> SessionDetail:
    """Say everything of one session."""
    reading = detail.reading
    return SessionDetail(
        session=session_row(reading.row),
        value=reading.value,
        value_bytes=reading.value_bytes,
        is_cut=reading.is_cut,
        trouble=reading.trouble,
        timeline=[
            LifeMark(
                what=mark.what,
                earliest=iso(mark.earliest),
                latest=iso(mark.latest),
                how=mark.how,
                reason=mark.reason,
            )
            for mark in detail.timeline
        ],
        source=detail.source,
        has_touched=detail.has_touched,
        at=iso(detail.at),
    )


def session_outcome(outcome: Outcome) -> SessionOutcome:
    """Say how a delete ended."""
    return SessionOutcome(
        session_id=outcome.session_id, result=outcome.result, reason=outcome.reason
    )


def session_outcomes(outcomes: Iterable[Outcome]) -> SessionOutcomes:
    """Say how each of several deletes ended."""
    return SessionOutcomes(results=[session_outcome(outcome) for outcome in outcomes])


def recorded_event(id: int, epoch: str, event: SessionEvent) -> RecordedEvent:  # noqa: A002 - the wire's word
    """Say what was recorded of an event: as it was told, with its place in the history."""
    told = session_event(event)
    return RecordedEvent(id=id, epoch=epoch, event_seq=told.pop("seq"), **told)


def recorded_events(
    events: Iterable[RecordedEvent], following: str | None, *, is_demo: bool
) -> RecordedEvents:
    """
    Say some of the recorded events.

    Parameters
    ----------
    events
        Oldest first.
    following
        The cursor of those after them; ``None`` where there are none.
    is_demo
        Whether they are the demo's.
    """
    return RecordedEvents(events=list(events), next=following, demo=is_demo)


EVENT_COLUMNS: Final = (
    "timestamp",
    "event_type",
    "delta",
    "previous_count",
    "current_count",
    "session_ids",
    "node_ids",
    "reason",
    "source",
    "after_gap_seconds",
    "time_since_last_event",
    "epoch",
    "event_seq",
    "id",
    "demo",
)
"""Of an export."""


def event_cells(recorded: RecordedEvent, *, is_demo: bool) -> list[str | float | None]:
    """Give an event's cells, as `EVENT_COLUMNS` names them; lists are JSON."""
    told = recorded.data
    return [
        recorded.timestamp,
        recorded.event_type,
        told.delta,
        told.previous_count,
        told.current_count,
        json.dumps(told.session_ids, ensure_ascii=False),
        json.dumps(told.node_ids, ensure_ascii=False),
        told.reason,
        told.source,
        told.after_gap_seconds,
        told.time_since_last_event,
        recorded.epoch,
        recorded.event_seq,
        recorded.id,
        is_demo,
    ]


def error(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    """Say why a request was refused."""
    body = ErrorBody(code=code, message=message, field=field)
    return {"error": body.model_dump(exclude_none=True)}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso(at)
