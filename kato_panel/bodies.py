"""
The bodies of our HTTP answers, and of the one order that we take, as pydantic models.

The OpenAPI document is made of them. Unknown is ``null``, never 0.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kato_panel.domain.actions import ID_PATTERN, MAX_DELETED, Result
from kato_panel.domain.events import Kind

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""UTC, ISO 8601 with ``+00:00``."""


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


class Alive(BaseModel):
    """The answer of ``GET /healthz`` while all is well."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The answer of ``GET /readyz`` once something was observed."""

    status: Literal["ready"] = "ready"


class SessionRow(BaseModel):
    """What the list shows of one session; null where it is not known."""

    session_id: str
    node_id: str | None
    created_at: Time | None
    last_accessed: Time | None
    expires_at: Time | None = Field(description="When it expires if nobody accesses it.")
    ttl_seconds: float | None = Field(description="How long it lives after each access.")
    ttl_remaining_seconds: float | None = Field(
        description="How long it lives on if nobody accesses it."
    )
    stm_length: int | None = Field(description="Items in its short-term memory.")
    access_count: int | None = Field(description="How often it was accessed, as KATO counts.")
    is_gone: bool = Field(description="Whether it had ended when this was read.")


class SessionPage(BaseModel):
    """The answer of ``GET /api/v1/sessions``."""

    sessions: list[SessionRow]
    total: int = Field(description="Sessions that fit, on all pages.")
    skip: int
    limit: int
    complete: bool = Field(description="Whether every session is in the list.")
    source: str = Field(description="redis, or stream where only it names sessions.")
    at: Time


class LifeMark(BaseModel):
    """One moment of a session's life, between two that are equal where it is known."""

    what: str
    earliest: Time
    latest: Time
    how: str | None
    reason: str | None


class SessionDetail(BaseModel):
    """The answer of ``GET /api/v1/sessions/{id}``."""

    session: SessionRow
    value: dict[str, Any] | None = Field(description="All that its value holds, bounded.")
    value_bytes: int | None
    is_cut: bool = Field(description="Whether something was left out of the value.")
    trouble: str = Field(description="Why the value cannot be read.")
    timeline: list[LifeMark]
    source: str
    has_touched: bool = Field(description="Whether reading it moved its life.")
    at: Time


class SessionOutcome(BaseModel):
    """How the delete of one session ended."""

    session_id: str
    result: Result
    reason: str = Field(description="Why it failed; empty where it did not.")


class SessionOutcomes(BaseModel):
    """The answer of ``POST /api/v1/sessions/bulk-delete``: one result for each, in its order."""

    results: list[SessionOutcome]


class DeleteOrder(BaseModel):
    """What ``POST /api/v1/sessions/bulk-delete`` is sent."""

    session_ids: list[Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]] = Field(
        min_length=1, max_length=MAX_DELETED
    )


class SessionChange(BaseModel):
    """What a ``session_event`` tells."""

    current_count: int
    previous_count: int
    delta: int = Field(description="Sessions, at least 1, positive in both directions.")
    time_since_last_event: float | None = Field(description="Seconds.")
    session_ids: list[str]
    node_ids: list[str | None]
    reason: str | None
    source: str
    after_gap_seconds: float | None


class RecordedEvent(BaseModel):
    """A ``session_event`` with its place in the history."""

    type: Literal["session_event"]
    event_type: Kind
    timestamp: Time
    epoch: str = Field(description="Which start's event it is.")
    event_seq: int = Field(description="Its number within that, as /ws tells it too.")
    id: int = Field(description="Counts on over all starts.")
    data: SessionChange


class RecordedEvents(BaseModel):
    """The answer of ``GET /api/v1/events``: oldest first."""

    events: list[RecordedEvent]
    next: str | None = Field(description="The cursor of those after them; null at the end.")
    demo: bool = Field(description="Whether they are the demo's.")


class ErrorBody(BaseModel):
    """What went wrong, for a program (`code`) and for a person (`message`)."""

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(BaseModel):
    """Whatever is refused is answered so."""

    error: ErrorBody
