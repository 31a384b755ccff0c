"""Questions and orders of the page, and their answers: both are JSON text."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kato_panel.domain.times import iso


def read_question(text: str) -> dict[str, Any]:
    """Read what the page asked; whatever is no object asks nothing."""
    try:
        asked = json.loads(text)
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def write_answer(answer: Mapping[str, Any]) -> str:
    """Write an answer; times as the page reads them."""
    return json.dumps(answer, default=_write_time)


def say_error(error: Exception) -> str:
    """Say what went wrong, as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _write_time(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)
