"""Which recorded events are asked for."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, Self, TypeVar, get_args

from kato_panel.domain.events import Kind
from kato_panel.domain.times import UNIT_SECONDS
from kato_panel.errors import QueryError

Form = Literal["json", "csv"]
Word = TypeVar("Word", bound=StrEnum)

MAX_EVENTS: Final = 1_000
DEFAULT_EVENTS: Final = 100
MAX_NODE: Final = 256
MAX_CURSOR: Final = 2**62
MAX_AGO_SECONDS: Final = 100 * 365 * 86_400.0
FIELDS: Final = ("since", "until", "type", "node", "limit", "cursor", "format")
EXPORTED: Final = ("sessions", "events", "counts", "alerts", "containers")
"""Which rows of a history can be had as a file."""
USUAL_RANGE: Final = "24h"
"""Of such a file."""
TIME_FORM: Final = (
    "a time with its zone, as 2026-11-23T14:00:00Z, or how long ago it was, as 90s, 5m, 2h or 1d"
)

_AGO: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhd])", re.ASCII)
_BLANK_ZONE: Final = re.compile(r" (\d{2}:?\d{2})$", re.ASCII)
_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class EventQuery:
    """
    Which events, and how many at once.

    Parameters
    ----------
    since, until
        When they were detected, from `since` to before `until`; UTC.
    kind
        Only of this kind.
    node
        Only those that name this node.
    limit
        Events at once, from 1 to 1,000; ``None`` where none was given.
    cursor
        Where the answer before ended.
    form
        ``json`` or ``csv``.
    """

    since: datetime | None = None
    until: datetime | None = None
    kind: Kind | None = None
    node: str | None = None
    limit: int | None = None
    cursor: str | None = None
    form: Form = "json"

    @classmethod
    def read(cls, given: Mapping[str, str], now: datetime) -> Self:
        """
        Read a query as an address has it.

        Parameters
        ----------
        given
            Text by field; one that is missing or empty has its default.
        now
            From when on *ago* is counted; UTC.

        Raises
        ------
        QueryError
            If a field is not known, or wrong.
        """
        check_fields(given, FIELDS)
        return cls(
            since=read_time("since", given.get("since"), now),
            until=read_time("until", given.get("until"), now),
            kind=read_word("type", given.get("type"), Kind),
            node=read_node(given.get("node")),
            limit=read_number("limit", given.get("limit"), 1, MAX_EVENTS),
            cursor=_read_cursor(given.get("cursor")),
            form=read_form(given.get("format"), "json"),
        )


def check_fields(given: Mapping[str, str], known: Iterable[str]) -> None:
    """Refuse a query with a field that is not known."""
    names = tuple(known)
    for name, text in given.items():
        if name not in names:
            raise QueryError(name, text, f"one of {', '.join(names)}")


def read_time(field: str, text: str | None, now: datetime) -> datetime | None:
    """Read a time, or how long ago it was; ``None`` where none is given."""
    if not text:
        return None
    ago = _AGO.fullmatch(text)
    if ago is not None:
        seconds = float(ago[1]) * UNIT_SECONDS[ago[2]]
        if seconds > MAX_AGO_SECONDS:
            raise QueryError(field, text, "at most 36500d ago")
        return now - timedelta(seconds=seconds)
    try:
        # A plus that stands for itself in an address arrives as a blank.
        at = datetime.fromisoformat(_BLANK_ZONE.sub(r"+\1", text))
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise QueryError(field, text, TIME_FORM) from error
    raise QueryError(field, text, TIME_FORM)


def read_word(field: str, text: str | None, words: type[Word]) -> Word | None:
    """Read one of a few words; ``None`` where none is given."""
    if not text:
        return None
    try:
        return words(text)
    except ValueError as error:
        raise QueryError(field, text, f"one of {', '.join(words)}") from error


def read_node(text: str | None) -> str | None:
    """Read the name of a node; ``None`` where none is given."""
    if text and len(text) > MAX_NODE:
        raise QueryError("node", text, f"a text of at most {MAX_NODE} characters")
    return text or None


def read_number(field: str, text: str | None, lowest: int, highest: int) -> int | None:
    """Read a whole number within bounds; ``None`` where none is given."""
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    if not is_number or not lowest <= int(text) <= highest:
        given: object = int(text) if is_number else text
        raise QueryError(field, given, f"a whole number from {lowest} to {highest}")
    return int(text)


def _read_cursor(text: str | None) -> str | None:
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    if not is_number or int(text) > MAX_CURSOR:
        raise QueryError("cursor", text, "`next` of the answer before")
    return str(int(text))


def read_form(text: str | None, otherwise: Form) -> Form:
    """Read how something is to be written."""
    if not text:
        return otherwise
    for form in get_args(Form):
        if text == form:
            return form  # type: ignore[no-any-return] # one of the literals
    raise QueryError("format", text, f"one of {', '.join(get_args(Form))}")
