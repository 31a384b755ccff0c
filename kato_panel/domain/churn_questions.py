"""What may be asked of churn on the page: read strictly, for a page may be forged, or old."""

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from kato_panel.errors import QueryError

SPANS: Final = MappingProxyType(
    {
        "1h": timedelta(hours=1),
        "24h": timedelta(days=1),
        "7d": timedelta(days=7),
        "all": None,
    }
)
"""Ranges by name; the last is all that is known."""
GROUPS: Final = ("all", "node", "day", "reason", "ttl")
MAX_NAME: Final = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """
    A question that several visits may share.

    Parameters
    ----------
    span
        One of `SPANS`.
    node
        Only sessions of this node.
    by
        One of `GROUPS`.
    zone
        Name of the time zone of days, hours and weekdays.

    Raises
    ------
    QueryError
        If one of them is something else.
    """

    span: str = "24h"
    node: str | None = None
    by: str = "all"
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.span not in tuple(SPANS):
            raise QueryError("since", self.span, f"one of {', '.join(SPANS)}")
        if self.by not in GROUPS:
            raise QueryError("by", self.by, f"one of {', '.join(GROUPS)}")
        if self.node is not None and not is_name(self.node):
            raise QueryError("node", self.node, f"a name of at most {MAX_NAME} characters")
        if not is_zone(self.zone):
            raise QueryError("zone", self.zone, "the IANA name of a time zone")

    @property
    def since(self) -> timedelta | None:
        """How long before the newest look the range begins."""
        return SPANS[self.span]

    @classmethod
    def read(cls, asked: dict[str, Any]) -> Self:
        """
        Read what a page asked.

        Raises
        ------
        QueryError
            If it is no question.
        """
        known = {"since": "span", "node": "node", "by": "by", "zone": "zone"}
        for name in asked:
            if name not in known:
                raise QueryError("question", name, f"made of {', '.join(known)}")
        return cls(**{known[name]: value for name, value in asked.items()})


def is_name(name: object) -> bool:
    """Say whether a node may be called so."""
    return isinstance(name, str) and len(name) <= MAX_NAME


def is_zone(name: object) -> bool:
    """Say whether a time zone is called so."""
    if not isinstance(name, str):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none of that name, no name, or a folder
        return False
    return True
