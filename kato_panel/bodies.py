"""
The bodies of our HTTP answers, and of the one order that we take, as pydantic models.

The OpenAPI document is made of them. Unknown is ``null``, never 0.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kato_panel.domain.actions import ID_PATTERN, MAX_DELETED, Result
from kato_panel.domain.containers import ContainerHealth, ContainerState, Of
from kato_panel.domain.events import Kind
from kato_panel.domain.playing import FASTEST, SLOWEST
from kato_panel.domain.rules import Turn
from kato_panel.domain.upstream_figures import Part

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


class AlertRow(BaseModel):
    """One time that a rule fired for a subject."""

    id: str
    rule: str
    subject: str | None = Field(description="A container's or a source's name, where it has one.")
    severity: Literal["info", "warning", "error"]
    state: Turn
    message: str
    metric: str
    value: float = Field(description="When it fired.")
    threshold: float
    pending_at: Time = Field(description="When it was first seen to be wrong.")
    since: Time = Field(description="When it fired.")
    resolved_at: Time | None
    reason: str | None = Field(
        description="Why it is over, if not because its value is right again."
    )
    acknowledged_at: Time | None
    acknowledged_by: str | None


class RuleStateRow(BaseModel):
    """How it is with one rule and subject now."""

    subject: str | None
    state: Literal["inactive", "pending", "firing", "no data"]
    value: float | None = Field(description="The newest; null if it is not known.")
    since: Time
    alert_id: str | None = Field(description="Of the alert that fires; also without data.")


class RuleRow(BaseModel):
    """One rule, and how it is with it."""

    name: str
    metric: str
    unit: str
    op: str
    threshold: float
    for_seconds: float
    keep_firing_for_seconds: float
    cooldown_seconds: float
    min_samples: int
    severity: Literal["info", "warning", "error"]
    built_in: bool
    states: list[RuleStateRow]


class SilenceRow(BaseModel):
    """A rule that nobody is told of for some time; without a subject, of all of them."""

    rule: str
    subject: str | None
    until: Time
    at: Time
    by: str


class Alerts(BaseModel):
    """The answer of ``GET /api/v1/alerts``: alerts the newest first, and how it is now."""

    alerts: list[AlertRow]
    next: str | None = Field(description="The cursor of those before them; null at the end.")
    rules: list[RuleRow]
    silences: list[SilenceRow]
    problems: list[str] = Field(
        description="Why the rules' files are not used as they are; empty while they are."
    )
    demo: bool = Field(description="Whether they are the demo's.")


class AcknowledgeOrder(BaseModel):
    """What ``POST /api/v1/alerts/acknowledge`` is sent."""

    id: str = Field(description="Of one of the recent alerts.")


class SilenceOrder(BaseModel):
    """What ``POST /api/v1/alerts/silences`` is sent."""

    rule: str
    subject: str | None = Field(None, description="Of whom; without it, of all.")
    until: str = Field(
        description="A time with its zone, or from now on, as 30m or 2h; one that is past ends it."
    )


class Replay(BaseModel):
    """How a replay goes."""

    first: Time = Field(description="The recording's beginning.")
    last: Time = Field(description="Its end.")
    position: Time = Field(description="All before it was told.")
    speed: float = Field(description="Seconds of the recording in one of ours.")
    paused: bool
    over: bool = Field(description="Whether all was told.")
    jumps: int = Field(description="How often the position was chosen; what went before is past.")


class ReplayOrder(BaseModel):
    """What ``POST /api/v1/replay`` is sent: what is not given stays."""

    paused: bool | None = Field(None, description="To go on at the end begins anew.")
    speed: float | None = Field(None, ge=SLOWEST, le=FASTEST)
    position: str | None = Field(
        None, description="A time with its zone, or how long before the end, as 30m or 2h."
    )


class Ordered(BaseModel):
    """The answer to an order that was carried out."""

    status: Literal["ok"] = "ok"


class ContainerMemory(BaseModel):
    """Used, without page cache, as ``docker stats`` shows it."""

    usage_bytes: int | None
    limit_bytes: int | None
    usage_mb: float | None = Field(description="In 2^20 bytes, as every `_mb` here.")
    limit_mb: float | None
    usage_percent: float | None = Field(description="Of the limit.")
    of: Of | None = Field(None, description="Whose limit that is.")


class ContainerNetwork(BaseModel):
    """Over all its networks, since it was started; null on the host's."""

    rx_bytes: int | None
    tx_bytes: int | None
    rx_mb: float | None
    tx_mb: float | None
    rx_bytes_per_second: float | None = None
    tx_bytes_per_second: float | None = None


class ContainerBlocks(BaseModel):
    """From and to block devices, since it was started."""

    read_bytes: int | None
    write_bytes: int | None
    read_mb: float | None
    write_mb: float | None
    read_bytes_per_second: float | None = None
    write_bytes_per_second: float | None = None


class Container(BaseModel):
    """One watched container; null where it is not known."""

    name: str
    container_id: str = ""
    image: str | None = None
    status: ContainerState = Field(description="The engine's word, or gone, or unknown.")
    health: ContainerHealth | None = None
    cpu: float | None = Field(description="Percent of one processor; 200 are two of them.")
    cpu_share_percent: float | None = Field(None, description="Of `cpus`.")
    cpus: float | None = Field(None, description="Processors that it may use.")
    cpu_of: Of | None = Field(None, description="Whether that is its limit, or all of the host.")
    memory: ContainerMemory
    network: ContainerNetwork
    block_io: ContainerBlocks
    restarts: int | None = Field(None, description="By the engine's own policy.")
    recent_restarts: int = Field(0, description="Seen in the last 10 minutes, whoever asked.")
    oom_kills: int | None = Field(None, description="Told since this service started.")
    was_oom_killed: bool | None = Field(None, description="Whether that ended its newest run.")
    exit_code: int | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    gone_since: Time | None = None
    trouble: str = Field("", description="Why something is not known.")
    timestamp: Time = Field(description="Of the newest look that saw it.")
    age_seconds: float = Field(0.0, description="Since then.")


class ContainerSums(BaseModel):
    """The running containers together; null where one of them is not known."""

    total_cpu_percent: float | None
    total_memory_mb: float | None
    total_memory_limit_mb: float | None
    total_memory_percent: float | None
    container_count: int | None
    timestamp: Time | None


class Containers(BaseModel):
    """
    The answer of ``GET /api/v1/containers``, and a part of a ``realtime_update``.

    Before the first good look there are none, and `container_count` is null.
    """

    containers: list[Container]
    aggregated: ContainerSums
    age_seconds: float | None = Field(None, description="Age of the newest good look.")
    stale: bool = Field(False, description="Whether that is older than three intervals.")
    reason: str = Field("", description="Why they cannot be looked at, or a remark.")


class UpstreamFigure(BaseModel):
    """One figure that KATO or its Redis reports of itself; null where it is not known."""

    name: str
    value: float | None
    unit: str
    part: Part = Field(description="Which answer it is read in; `redis` is its INFO.")
    remark: str = Field(description="What is not as one would think, as of one worker only.")
    age_seconds: float | None = Field(description="Since it was read.")
    stale: bool = Field(description="Whether that is 45 s or longer ago.")


class UpstreamMetrics(BaseModel):
    """The answer of ``GET /api/v1/metrics``."""

    status: str | None = Field(description="KATO's own word for how it is.")
    issues: list[str] = Field(description="What it finds wrong, in its own words.")
    redis_version: str | None
    figures: list[UpstreamFigure]
    metrics: dict[str, Any] | None = Field(
        description="KATO's /metrics as it was read last, less what looks like a secret."
    )


class ErrorBody(BaseModel):
    """What went wrong, for a program (`code`) and for a person (`message`)."""

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(BaseModel):
    """Whatever is refused is answered so."""

    error: ErrorBody
