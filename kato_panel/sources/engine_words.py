"""How a container engine writes texts, numbers, instants and states; read strictly."""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final, Never

from kato_panel.domain.containers import ContainerHealth, ContainerState
from kato_panel.errors import PayloadError

MAX_NAME: Final = 256
MAX_COUNT: Final = 1 << 63
NANOSECONDS: Final = 1_000_000_000

_STATES: Final = {
    **{state.value: state for state in ContainerState},
    "configured": ContainerState.CREATED,  # Podman's words
    "initialized": ContainerState.CREATED,
    "stopped": ContainerState.EXITED,
    "stopping": ContainerState.RUNNING,
    "gone": ContainerState.UNKNOWN,
}
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)


def decode(body: bytes) -> Any:
    """
    Read JSON.

    Parameters
    ----------
    body
        UTF-8.

    Raises
    ------
    PayloadError
        If it is none; holds NaN or an infinity; or nests too deep.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"answer is not JSON: {ascii(str(error))[1:81]}") from error


def read_labels(value: object) -> dict[str, str]:
    """Read labels or attributes: texts by name, without all that is none."""
    return {
        key: make_sound(text) for key, text in read_object(value).items() if isinstance(text, str)
    }


def read_state(value: object) -> ContainerState:
    """Read what a container does."""
    known = value.lower() if isinstance(value, str) else ""
    return _STATES.get(known, ContainerState.UNKNOWN)


def read_health(value: object) -> ContainerHealth | None:
    """Read what a health check says; engines write none in three ways."""
    is_known = value in {health.value for health in ContainerHealth}
    return ContainerHealth(str(value)) if is_known else None


def read_object(value: object) -> dict[str, Any]:
    """Take an object; whatever else stands there is an empty one."""
    return value if isinstance(value, dict) else {}


def read_whole(value: object) -> int | None:
    """Take a whole number from 0 to 2⁶³; ``None`` for whatever else stands there."""
    # `type(...) is int`: True is an int for isinstance, and is no count.
    return value if type(value) is int and 0 <= value < MAX_COUNT else None


def read_text(value: object) -> str | None:
    """Take a text that is not empty, bounded."""
    return make_sound(value) if isinstance(value, str) and value else None


def make_sound(text: str) -> str:
    """Bound a text from outside, and make it encodable as UTF-8."""
    return _LONE_SURROGATE.sub("\ufffd", text[:MAX_NAME])


def read_seconds(value: object) -> float | None:
    """Read an instant with up to nine digits of a second, since 1970; ``None`` for *never*."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    whole, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(whole + zone)
    except ValueError:
        return None
    seconds = at.timestamp() + int((fraction or "").ljust(9, "0")) / NANOSECONDS
    return seconds if seconds > 0 else None


def read_instant(value: object) -> datetime | None:
    """Read an instant; UTC, ``None`` for *never*."""
    seconds = read_seconds(value)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def read_epoch(nanoseconds: int | None) -> datetime | None:
    """Read nanoseconds since 1970; UTC."""
    if not nanoseconds:
        return None
    return datetime.fromtimestamp(nanoseconds / NANOSECONDS, UTC)  # 2⁶³ ns are the year 2262


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")
