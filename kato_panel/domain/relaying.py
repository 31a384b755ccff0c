"""What may be handed on of a JSON object from outside: bounded, and without secrets."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

MAX_ITEMS: Final = 500
MAX_DEPTH: Final = 8
MAX_TEXT: Final = 200
MAX_NUMBER: Final = 2**53
"""Whole numbers from it on are not the same to every reader of JSON."""

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_NAME: Final = re.compile(
    r"passw|pwd|passphrase|secret|credential|"
    r"(^|_)(token|auth|authorization|cookie|dsn|(api|access|private|secret)_?key)$"
)
_SECRET_TEXT: Final = re.compile(
    r"\b(basic|bearer)\s|(passw|pwd|secret|token|key)\w{0,20}\s{0,3}[=:]", re.IGNORECASE
)


def relayable(body: Mapping[str, Any]) -> dict[str, Any]:
    """
    Copy what may be handed on.

    Parameters
    ----------
    body
        A decoded JSON object.

    Returns
    -------
    dict
        Under the same names. What looks like a secret, an address with a password or no finite
        number, and what is below 8 levels, is ``None``; a text is cut at 200 characters; what is
        beyond 500 items is left out.
    """
    return _Copy().copy_object(body, 0)


class _Copy:
    """Counts items while they are copied."""

    def __init__(self) -> None:
        self._left = MAX_ITEMS

    def copy_object(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for name, item in value.items():
            if not self._has_room():
                break
            is_secret = _SECRET_NAME.search(_HUMP.sub("_", name).replace("-", "_").lower())
            copy[_text(name) or ""] = None if is_secret else self._copy(item, depth + 1)
        return copy

    def _copy(self, value: Any, depth: int) -> Any:
        match value:
            case str():
                return _text(value)
            case dict() if depth < MAX_DEPTH:
                return self.copy_object(value, depth)
            case list() if depth < MAX_DEPTH:
                return [self._copy(item, depth + 1) for item in value if self._has_room()]
        return value if _is_plain(value) else None

    def _has_room(self) -> bool:
        self._left -= 1
        return self._left >= 0


def _is_plain(value: Any) -> bool:
    """Whether it is a truth value, or a number that every reader of JSON can take."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) < MAX_NUMBER


def _text(text: str) -> str | None:
    # An address with a user, or with a password, in whatever form.
    has_user = "@" in text and ":" in text
    if has_user or _SECRET_TEXT.search(text):
        return None
    return text[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
