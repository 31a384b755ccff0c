"""
The frames of ``/ws``, in both directions. The published form is ``docs/messages.md``.

Pure. Models to read frames with, as `kato_panel.client` and the endpoint do; `composing.py` makes
those that are sent.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from kato_panel.bodies import Containers
from kato_panel.domain.times import iso
from kato_panel.errors import MessageError

MAX_TOPICS: Final = 32
"""Names in one inbound frame."""
MAX_SAID: Final = 200
"""Letters of an error's text."""


class Topic(StrEnum):
    """What a client can subscribe to."""

    METRICS = "metrics"
    CONTAINERS = "containers"
    SESSIONS = "sessions"
    SESSION_EVENTS = "session_events"
    SYSTEM_ALERTS = "system_alerts"
    METRICS_UPDATE = "metrics_update"


ALL_TOPICS: Final = frozenset(Topic) - {Topic.METRICS_UPDATE}
"""What a client gets that never subscribed; the sixth only comes to those who ask by its name."""

Time = Annotated[AwareDatetime, PlainSerializer(iso, return_type=str)]


class _Part(BaseModel):
    """What is not known is passed over: later versions may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Frame(_Part):
    timestamp: Time = Field(description="UTC; of a session_event, when it was detected.")
    epoch: str = Field(description="Random per start of the service.")
    seq: int = Field(ge=0, description="Number of the last published frame, this one included.")


class ConnectedData(_Part):
    """Who is there."""

    version: str
    subscriptions: list[str]
    feature_flags: dict[str, bool]


class Connected(_Frame):
    """The first frame."""

    type: Literal["connected"]
    data: ConnectedData


class Sessions(_Part):
    """The count; ``None`` where it is not known."""

    active_count: int | None
    total_count: int | None
    source: str
    age_seconds: float | None
    stale: bool
    reported_count: int | None = None
    drift: int | None = None


class UpdateData(_Part):
    """The parts that the client subscribed to; ``None`` for what it did not, or what is off."""

    sessions: Sessions | None = None
    metrics: dict[str, Any] | None = None
    containers: Containers | None = None


class RealtimeUpdate(_Frame):
    """The present state."""

    type: Literal["realtime_update"]
    data: UpdateData


class SessionEventData(_Part):
    """Who came or went; see `kato_panel.domain.events.SessionEvent`."""

    current_count: int
    previous_count: int
    delta: int = Field(ge=1)
    time_since_last_event: float | None
    session_ids: list[str] = []
    node_ids: list[str | None] = []
    reason: str | None = None
    source: str
    after_gap_seconds: float | None = None


class SessionEventFrame(_Frame):
    """Sessions came, or sessions went."""

    type: Literal["session_event"]
    event_type: Literal["session_created", "session_destroyed"]
    event_seq: int | None = Field(
        default=None, ge=1, description="Number of the event, as the HTTP API tells it too."
    )
    data: SessionEventData


class Alert(_Part):
    """
    One rule's transition.

    `value` is that of its beginning, and `since` too. `type` is the rule's name.
    """

    level: Literal["info", "warning", "error"]
    type: str
    message: str
    value: float | None = None
    threshold: float | None = None
    container_name: str | None = None
    status: str | None = None
    state: Literal["firing", "resolved"]
    since: Time
    metric: str | None = None
    subject: str | None = None
    resolved_at: Time | None = None
    reason: str | None = None


class SystemAlert(_Frame):
    """Rules began or ceased to fire."""

    type: Literal["system_alert"]
    id: str
    alerts: list[Alert]


class SubscribedData(_Part):
    """The resulting set."""

    subscriptions: list[str]


class Subscribed(_Frame):
    """The answer to each subscribe and unsubscribe that was accepted."""

    type: Literal["subscribed"]
    data: SubscribedData


class Heartbeat(_Frame):
    """Nothing else was to be said for 30 s, or somebody said ``ping``."""

    type: Literal["heartbeat"]


class GapData(_Part):
    """Which frames are lost to this client, the first and the last included."""

    from_seq: int
    to_seq: int
    reason: str


class Gap(_Frame):
    """Published frames that this client will never get."""

    type: Literal["gap"]
    data: GapData


class ErrorData(_Part):
    """For a program, and for a person."""

    code: str
    message: str


class ErrorFrame(_Frame):
    """A frame of this client's was not understood; nothing else came of it."""

    type: Literal["error"]
    data: ErrorData


class MetricsUpdate(_Frame):
    """The legacy form of the metrics."""

    type: Literal["metrics_update"]
    data: dict[str, Any]


Message = (
    Connected
    | RealtimeUpdate
    | SessionEventFrame
    | SystemAlert
    | Subscribed
    | Heartbeat
    | Gap
    | ErrorFrame
    | MetricsUpdate
)


class Subscribe(BaseModel):
    """Replace the set of subscriptions, or add to it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["subscribe"]
    subscriptions: list[Topic] = Field(max_length=MAX_TOPICS)
    mode: Literal["replace", "add"] = "replace"


class Unsubscribe(BaseModel):
    """Take away from the set of subscriptions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["unsubscribe"]
    subscriptions: list[Topic] = Field(max_length=MAX_TOPICS)


Order = Subscribe | Unsubscribe

_messages: Final[TypeAdapter[Message]] = TypeAdapter(
    Annotated[Message, Field(discriminator="type")]
)
_orders: Final[TypeAdapter[Order]] = TypeAdapter(Annotated[Order, Field(discriminator="type")])


def read_message(text: str | bytes) -> Message | None:
    """
    Read a frame that the service sent.

    Parameters
    ----------
    text
        As it came.

    Returns
    -------
    one of `Message`, or None
        ``None`` for a type that this version does not know.

    Raises
    ------
    MessageError
        If it is no frame of ours.
    """
    try:
        return _messages.validate_json(text)
    except ValidationError as error:
        (problem, *_) = error.errors()
        if problem["type"] == "union_tag_invalid":
            return None
        raise MessageError("not_understood", _say(problem)) from None


def read_order(text: str) -> Order:
    """
    Read a frame that a client sent, other than ``ping``.

    Raises
    ------
    MessageError
        If it is not understood: with a code for programs, and what is wrong in words.
    """
    try:
        return _orders.validate_json(text)
    except ValidationError as error:
        (problem, *_) = error.errors()
        code = {
            "json_invalid": "not_json",
            "dict_type": "not_an_object",
            "model_type": "not_an_object",
            "model_attributes_type": "not_an_object",
            "union_tag_invalid": "unknown_type",
            "union_tag_not_found": "unknown_type",
        }.get(problem["type"], "invalid")
        raise MessageError(code, _say(problem)) from None


def _say(problem: Any) -> str:
    place = ".".join(str(step) for step in problem["loc"][1:])
    return f"{place}: {problem['msg']}"[:MAX_SAID].removeprefix(": ")


def apply_order(topics: frozenset[Topic], order: Order) -> frozenset[Topic]:
    """Say what a client is subscribed to after its order."""
    named = frozenset(order.subscriptions)
    if isinstance(order, Unsubscribe):
        return topics - named
    return topics | named if order.mode == "add" else named


def list_topics(topics: frozenset[Topic]) -> list[str]:
    """Write a set of subscriptions in the order of their names' definition."""
    return [topic.value for topic in Topic if topic in topics]
