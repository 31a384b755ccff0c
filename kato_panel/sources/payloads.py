"""
Upstream's own words of sessions, read strictly. No other module knows them.

Source: KATO 3.10.1, as recorded in ``tests/recorded``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Never
from urllib.parse import quote

from kato_panel.domain.events import ChangeNamed, Kind, Moment, Name
from kato_panel.domain.keys import SessionDetails
from kato_panel.domain.listing import Row
from kato_panel.errors import PayloadError

MAX_SESSIONS: Final = 10**9
MAX_BODY_BYTES: Final = 1 << 20
MAX_TEXT: Final = 256
"""Characters of an id; KATO's own have 54."""

KEY_PREFIX: Final = b"kato:session:"
KEY_PATTERN: Final = b"kato:session:session-*"
INDEX_KEY: Final = b"kato:session:_active_index"
MAX_TTL_SECONDS: Final = 10.0**10
MAX_ACCESSES: Final = 10**15

_SESSION_ID: Final = re.compile(rb"session-[\x21-\x7e]{1,248}")
_ID_TIME: Final = re.compile(r"-(\d{12,14})$", re.ASCII)
_CREATED: Final = "session.created"
_DESTROYED: Final = "session.destroyed"
_REASONS: Final = {"explicit_delete": "deleted", "expired": "expired", "evicted": "evicted"}
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def decode(body: bytes | str) -> dict[str, Any]:
    """
    Read one JSON object.

    Parameters
    ----------
    body
        UTF-8, without a byte order mark.

    Raises
    ------
    PayloadError
        If it is no JSON object; holds two equal keys, NaN or an infinity; or nests too deep.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        decoded = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"answer is not JSON: {_start(str(error))}") from error
    if not isinstance(decoded, dict):
        raise PayloadError(f"answer is a JSON {type(decoded).__name__}, must be an object")
    return decoded


def health_count(payload: Mapping[str, Any]) -> int | None:
    """
    Read the answer of ``GET /health``.

    Parameters
    ----------
    payload
        Decoded JSON object.

    Returns
    -------
    int or None
        Sessions upstream reports, expired ones included. ``None`` where the field is missing, as
        in versions of KATO before it: then `sessions_count` is to be asked.

    Raises
    ------
    PayloadError
        If the field is there, but no whole number from 0 to 10⁹.
    """
    if "active_sessions" not in payload:
        return None
    return _count("active_sessions", payload["active_sessions"])


def sessions_count(payload: Mapping[str, Any]) -> int:
    """
    Read the answer of ``GET /sessions/count``, which upstream caches for 5.1 s per worker.

    Parameters
    ----------
    payload
        Decoded JSON object with ``active_session_count``.

    Raises
    ------
    PayloadError
        If the field is missing, or no whole number from 0 to 10⁹.
    """
    if "active_session_count" not in payload:
        raise PayloadError("active_session_count is missing")
    return _count("active_session_count", payload["active_session_count"])


def stream_change(payload: Mapping[str, Any], at: Moment) -> ChangeNamed | None:
    """
    Read one frame of ``/ws/events``.

    Parameters
    ----------
    payload
        Decoded JSON object with ``event_type`` and ``data``.
    at
        When the frame was received.

    Returns
    -------
    ChangeNamed or None
        ``None`` for frames that tell of no session coming or going.

    Raises
    ------
    PayloadError
        If it is no frame, or one of a session without a usable id.
    """
    event_type, data = payload.get("event_type"), payload.get("data")
    if not isinstance(event_type, str):
        raise PayloadError(f"event_type is {_start(event_type)}, must be a text")
    if event_type not in {_CREATED, _DESTROYED}:
        return None
    if not isinstance(data, dict):
        raise PayloadError(f"data of {event_type} is {_start(data)}, must be an object")
    session_id = data.get("session_id")
    if not isinstance(session_id, str) or not 0 < len(session_id) <= MAX_TEXT:
        raise PayloadError(f"session_id is {_start(session_id)}, must be 1 to {MAX_TEXT} long")
    node_id = data.get("node_id")
    name = Name(_sound(session_id), _sound(node_id) if isinstance(node_id, str) else None)
    if event_type == _CREATED:
        return ChangeNamed(Kind.CREATED, name, at)
    told = data.get("reason")
    reason = _REASONS.get(told) if isinstance(told, str) else None
    return ChangeNamed(Kind.DESTROYED, name, at, reason)


def session_key(session_id: str) -> bytes:
    """Name the key that holds a session."""
    return KEY_PREFIX + session_id.encode()


def session_id(text: bytes) -> str | None:
    """
    Read a session's id, from its key or from the index.

    Parameters
    ----------
    text
        As Redis has it.

    Returns
    -------
    str or None
        ``None`` for whatever else has a name like it: the index, and what is no visible ASCII.
    """
    found = _SESSION_ID.fullmatch(text.removeprefix(KEY_PREFIX))
    return found.group().decode("ascii") if found else None


def created_in(session_id: str) -> datetime | None:
    """
    Read when a session was created out of its id, ``session-<32 hex>-<epoch ms>``.

    Returns
    -------
    datetime or None
        UTC; ``None`` if the id does not end in a time between 1973 and 5138.
    """
    found = _ID_TIME.search(session_id)
    return datetime.fromtimestamp(int(found.group(1)) / 1_000, UTC) if found else None


def session_value(session_id: str, body: bytes, expires: datetime | None = None) -> SessionDetails:
    """
    Read the value of a session's key.

    Parameters
    ----------
    session_id
        Whose key it is.
    body
        As Redis has it.
    expires
        When the key will expire, as Redis says; the value's own ``expires_at`` is older.

    Returns
    -------
    SessionDetails
        A field that is missing or odd is ``None``; the others still count.

    Raises
    ------
    PayloadError
        If it is no JSON object.
    """
    payload = decode(body)
    node_id = payload.get("node_id")
    return SessionDetails(
        session_id,
        _sound(node_id) if isinstance(node_id, str) and node_id else None,
        created=_time(payload.get("created_at")),
        last_accessed=_time(payload.get("last_accessed")),
        ttl_seconds=_seconds(payload.get("ttl_seconds")),
        expires=expires,
    )


def session_row(session_id: str, payload: Mapping[str, Any]) -> Row:
    """
    Read what the list shows of a session's value.

    Parameters
    ----------
    session_id
        Whose value it is.
    payload
        The decoded value.

    Returns
    -------
    Row
        Without what only the key knows: until when it lives. Odd fields are ``None``.
    """
    node_id, stm = payload.get("node_id"), payload.get("stm")
    return Row(
        session_id,
        node_id=_sound(node_id) if isinstance(node_id, str) and node_id else None,
        created_at=_time(payload.get("created_at")) or created_in(session_id),
        last_accessed=_time(payload.get("last_accessed")),
        ttl_seconds=_seconds(payload.get("ttl_seconds")),
        stm_length=len(stm) if isinstance(stm, list) else None,
        access_count=_whole(payload.get("access_count")),
    )


def session_answer(session_id: str, payload: Mapping[str, Any]) -> Row:
    """
    Read the answer of ``GET /sessions/{id}``.

    Notes
    -----
    Its ``ttl_seconds`` is what is left, as this very call has made it.
    """
    row = session_row(session_id, payload)
    return replace(
        row,
        expires_at=_time(payload.get("expires_at")),
        ttl_seconds=None,
        ttl_remaining_seconds=row.ttl_seconds,
    )


def session_exists(payload: Mapping[str, Any]) -> bool:
    """
    Read the answer of ``GET /sessions/{id}/exists``.

    Raises
    ------
    PayloadError
        If it says neither yes nor no.
    """
    exists = payload.get("exists")
    if not isinstance(exists, bool):
        raise PayloadError(f"exists is {_start(exists)}, must be true or false")
    return exists


def is_session_missing(payload: Mapping[str, Any]) -> bool:
    """Say whether a 404 tells of a missing session, in either of its two shapes."""
    match payload:
        case {"error": {"code": "SESSION_NOT_FOUND"}}:
            return True
        case {"detail": str(detail)}:
            return detail.startswith("Session ")
    return False


def session_path(session_id: str, call: str = "") -> str:
    """Name the address of a session; nothing in an id can lead out of it."""
    return f"/sessions/{quote(session_id, safe='')}{call}"


def evicted_keys(info: Mapping[str, Any]) -> int | None:
    """Read ``INFO stats``: keys evicted since Redis began; ``None`` if it does not say."""
    evicted = info.get("evicted_keys")
    return evicted if type(evicted) is int and evicted >= 0 else None


def _time(value: object) -> datetime | None:
    """Read an instant in ISO 8601; one without a zone is UTC, as Redis' values are."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return at and (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= MAX_TTL_SECONDS else None


def _whole(value: object) -> int | None:
    # `type(...) is int`, as below.
    return value if type(value) is int and 0 <= value <= MAX_ACCESSES else None


def _count(field: str, value: object) -> int:
    # `type(...) is int`: True is an int for isinstance, and is no count.
    if type(value) is int and 0 <= value <= MAX_SESSIONS:
        return value
    raise PayloadError(f"{field} is {_start(value)}, must be a whole number from 0 to 10⁹")


def _sound(text: str) -> str:
    """Bound a text from outside, and make it encodable as UTF-8."""
    return _LONE_SURROGATE.sub("\ufffd", text[:MAX_TEXT])


def _start(value: object) -> str:
    """Quote the beginning of anything, on one line."""
    if isinstance(value, dict | list):
        return f"a JSON {type(value).__name__}"
    return ascii(value[:80] if isinstance(value, str) else value)[:80]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key stands twice")
    return unique


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")
