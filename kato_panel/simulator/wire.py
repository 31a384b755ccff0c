"""
What upstream's answers look like; every shape is one of KATO 3.10.1's, as recorded.

Pure: values in, JSON objects out. Times are epoch seconds.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .session import Session

Payload = dict[str, Any]

VERSION = "3.10.1"
PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"
TTL_LIMIT_SECONDS = 10**10
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

CONFIG: Mapping[str, Any] = {
    "max_pattern_length": 0,
    "persistence": 5,
    "recall_threshold": 0.1,
    "indexer_type": "VI",
    "max_predictions": 100,
    "sort_symbols": True,
    "process_predictions": True,
    "use_token_matching": True,
    "stm_mode": "CLEAR",
    "rank_sort_algo": "potential",
    "filter_pipeline": [],
    "length_min_ratio": 0.5,
    "length_max_ratio": 2.0,
    "jaccard_threshold": 0.3,
    "jaccard_min_overlap": 2,
    "minhash_threshold": 0.7,
    "minhash_bands": 20,
    "minhash_rows": 5,
    "minhash_num_hashes": 100,
    "bloom_false_positive_rate": 0.01,
    "max_candidates_per_stage": 100000,
    "enable_filter_metrics": True,
}


class BodyError(Exception):
    """A request that upstream refuses, with the status and body it answers."""

    def __init__(self, status: int, body: Payload) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.body = body


@dataclasses.dataclass(frozen=True, slots=True)
class CreateOrder:
    """The body of ``POST /sessions``, read as upstream reads it."""

    node_id: str
    ttl_seconds: int | None
    metadata: Mapping[str, Any]
    config: Mapping[str, Any]


def utc(at: float) -> str:
    """Write a time as the frames do: UTC, ending in ``+00:00``."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def zulu(at: float) -> str:
    """Write a time as the REST answers do: UTC, ending in ``Z``."""
    return utc(at).removesuffix("+00:00") + "Z"


def naive(at: float) -> str:
    """Write a time as the snapshot frame does: local, without saying so."""
    return datetime.fromtimestamp(at, UTC).astimezone().replace(tzinfo=None).isoformat()


def encode(body: Payload) -> bytes:
    """Encode an answer as upstream does; fails on what upstream fails on."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def effective_config(session: Session) -> Payload:
    """Merge a session's own settings, those upstream knows, over its defaults."""
    return {key: session.config.get(key, default) for key, default in CONFIG.items()}


def session_body(session: Session, *, expires_at: float, ttl_seconds: int) -> Payload:
    """Describe one session."""
    return {
        "session_id": session.session_id,
        "node_id": session.node_id,
        "created_at": zulu(session.created_at),
        "expires_at": zulu(expires_at),
        "ttl_seconds": ttl_seconds,
        "metadata": dict(session.metadata),
        "session_config": effective_config(session),
    }


def gone_in_endpoint(session_id: str) -> Payload:
    """Say 404 as the endpoint of ``GET /sessions/{session_id}`` does."""
    return {"detail": f"Session {session_id} not found or expired"}


def gone_in_middleware(session_id: str) -> Payload:
    """Say 404 as the middleware before the other session calls does."""
    return {
        "error": {
            "code": "SESSION_NOT_FOUND",
            "message": f"Session {session_id} not found or expired",
            "session_id": session_id,
        }
    }


def frame(event_type: str, timestamp: str, content: Payload) -> str:
    """Encode one frame of ``/ws/events``."""
    return json.dumps({"event_type": event_type, "timestamp": timestamp, "data": content})


def snapshot_frame(active: int, now: float) -> str:
    """Write the frame a stream begins with."""
    content = {"active_sessions": active, "system_status": "healthy"}
    return frame("state.snapshot", naive(now), content)


def created_frame(session: Session, now: float) -> str:
    """Announce a birth."""
    content = {
        "session_id": session.session_id,
        "node_id": session.node_id,
        "created_at": utc(session.created_at),
    }
    return frame("session.created", utc(now), content)


def destroyed_frame(session_id: str, now: float) -> str:
    """Announce an explicit deletion, the only end that upstream announces."""
    content = {
        "session_id": session_id,
        "destroyed_at": utc(now),
        "reason": "explicit_delete",
    }
    return frame("session.destroyed", utc(now), content)


def read_create(body: bytes) -> CreateOrder:
    """
    Read the body of ``POST /sessions``.

    Raises
    ------
    BodyError
        Where upstream answers 400 or 422.
    """
    payload = read_json(body)
    if not isinstance(payload, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise problems(problem("model_attributes_type", ["body"], message, payload))
    found: list[Payload] = []
    if "node_id" not in payload:
        found.append(problem("missing", ["body", "node_id"], "Field required", payload))
    elif not isinstance(payload["node_id"], str):
        message = "Input should be a valid string"
        found.append(problem("string_type", ["body", "node_id"], message, payload["node_id"]))
    elif not is_encodable(payload["node_id"]):
        message = "Input should be a valid string, unable to parse raw data as a unicode string"
        found.append(problem("string_unicode", ["body", "node_id"], message, "?"))
    for key in ("metadata", "config"):
        if not isinstance(payload.get(key), dict | None):
            message = "Input should be a valid dictionary"
            found.append(problem("dict_type", ["body", key], message, payload[key]))
    try:
        ttl_seconds = read_whole(payload.get("ttl_seconds"), ["body", "ttl_seconds"])
    except BodyError as error:
        found.extend(error.body["detail"])
        ttl_seconds = None
    if found:
        raise problems(*found)
    return CreateOrder(
        node_id=payload["node_id"],
        ttl_seconds=ttl_seconds,
        metadata=payload.get("metadata") or {},
        config=payload.get("config") or {},
    )


def is_encodable(text: str) -> bool:
    """Whether it can be sent; half of a surrogate pair cannot."""
    return _LONE_SURROGATE.search(text) is None


def read_json(body: bytes) -> Any:
    """Decode a request's body, or refuse it in upstream's words."""
    if not body:
        raise problems(problem("missing", ["body"], "Field required", None))
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        refused = problem("json_invalid", ["body", error.pos], "JSON decode error", {})
        raise problems(refused | {"ctx": {"error": error.msg}}) from error
    except (ValueError, RecursionError) as error:
        raise BodyError(400, {"detail": "There was an error parsing the body"}) from error


def read_whole(given: Any, where: list[str]) -> int | None:
    """Read a whole number, or none, as leniently as upstream: ``"5"`` and ``5.0`` are 5."""
    match given:
        case None:
            return None
        case int():
            return int(given)
        case float() if given.is_integer():
            return int(given)
        case float():
            message = "Input should be a valid integer, got a number with a fractional part"
            raise problems(problem("int_from_float", where, message, given))
        case str():
            try:
                return int(given)
            except ValueError as error:
                message = "Input should be a valid integer, unable to parse string as an integer"
                raise problems(problem("int_parsing", where, message, given)) from error
        case _:
            raise problems(problem("int_type", where, "Input should be a valid integer", given))


def problem(kind: str, where: list[Any], message: str, given: Any) -> Payload:
    """Write one entry of a 422."""
    return {"type": kind, "loc": where, "msg": message, "input": given}


def problems(*found: Payload) -> BodyError:
    """Gather the entries of a 422."""
    return BodyError(422, {"detail": list(found)})
