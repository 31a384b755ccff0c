"""
The list of sessions: which of them a page of it shows, and what it shows of each.

Choosing reads no values: ids, nodes, creation and expiry are enough. Whoever sorts 100,000 texts
in one call of Python holds up every other thread meanwhile; numpy sorts beside them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal, Protocol, Self, get_args

import numpy as np

from kato_panel.domain.event_query import check_fields
from kato_panel.domain.records import Record
from kato_panel.errors import QueryError

Sort = Literal["created", "expires", "node", "session"]
Order = Literal["desc", "asc"]

MAX_LIMIT: Final = 200
MAX_SKIP: Final = 10**9
MAX_SEARCH: Final = 200
MAX_NODE: Final = 256
MAX_NODES: Final = 50
"""Nodes that a menu can hold."""
MAX_FOUND: Final = 16
"""Searches whose result is remembered beside an index."""

_KEY: Final = "S64"
"""What of a text decides on its place; an id of KATO's has 54 characters."""
_PART: Final = 10_000
_DIGITS: Final = 10

Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]
Positions = np.ndarray[tuple[int], np.dtype[np.intp]]
Marks = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Query:
    """
    Which sessions are asked for, and in which order.

    Parameters
    ----------
    search
        Part of an id or of a node, in small or capital letters; at most 200 characters.
    node
        The node, exactly; empty for all.
    sort
        ``created``, ``expires``, ``node`` or ``session``.
    order
        ``desc`` or ``asc``; what is not known comes last in both.
    skip
        How many of them to pass over.
    limit
        How many of them to show, from 1 to 200.

    Raises
    ------
    QueryError
        For the first field that is wrong.
    """

    search: str = ""
    node: str = ""
    sort: Sort = "created"
    order: Order = "desc"
    skip: int = 0
    limit: int = 50

    def __post_init__(self) -> None:
        _check_text("search", self.search, MAX_SEARCH)
        _check_text("node", self.node, MAX_NODE)
        _check_word("sort", self.sort, get_args(Sort))
        _check_word("order", self.order, get_args(Order))
        _check_number("skip", self.skip, 0, MAX_SKIP)
        _check_number("limit", self.limit, 1, MAX_LIMIT)

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """
        Read a query as an address has it.

        Parameters
        ----------
        given
            Text by field; a field that is missing or empty has its default.

        Raises
        ------
        QueryError
            If a field is not known, or wrong.
        """
        check_fields(given, cls.__slots__)
        fields: dict[str, Any] = {}
        for name, text in given.items():
            if text:
                is_number = name in {"skip", "limit"}
                fields[name] = _number(text) if is_number else text
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Row:
    """
    What the list says of one session; ``None`` means not known.

    Parameters
    ----------
    session_id, node_id
        Who.
    created_at, last_accessed
        UTC.
    expires_at
        When it expires if nobody accesses it.
    ttl_seconds
        How long it lives after each access.
    ttl_remaining_seconds
        How long it lives on if nobody accesses it.
    stm_length
        Items in its short-term memory.
    access_count
        How often it was accessed, as KATO counts.
    is_gone
        Whether it had ended by the time its value was read.
    """

    session_id: str
    node_id: str | None = None
    created_at: datetime | None = None
    last_accessed: datetime | None = None
    expires_at: datetime | None = None
    ttl_seconds: float | None = None
    ttl_remaining_seconds: float | None = None
    stm_length: int | None = None
    access_count: int | None = None
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """
    One page of the list.

    Parameters
    ----------
    rows
        What it shows.
    total
        Sessions that the query fits, on all pages.
    skip, limit
        As asked for.
    complete
        Whether every session is in the list; not so where only the stream names them.
    source
        Where it comes from: ``redis`` or ``stream``.
    at
        When the values were read; UTC.
    """

    rows: tuple[Row, ...]
    total: int
    skip: int
    limit: int
    complete: bool
    source: str
    at: datetime


class Listed(Protocol):
    """An open session, as whoever keeps it has it at this moment."""

    @property
    def record(self) -> Record:
        """What is known of it."""

    @property
    def expires(self) -> datetime | None:
        """When it will expire, as was seen last."""


class Index:
    """
    The open sessions, in any order asked for. Frozen; each order is made once.

    Parameters
    ----------
    sessions
        Read once, here; they may change meanwhile and after.
    """

    def __init__(self, sessions: Sequence[Listed]) -> None:
        records = [session.record for session in sessions]
        self._expiries = [session.expires for session in sessions]
        self._ids = [record.session_id for record in records]
        self._nodes = [record.node_id for record in records]
        self._created_at = [record.created for record in records]
        self._orders: dict[Sort, tuple[Positions, int]] = {}
        self._found: dict[tuple[str, str], Marks] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def choose(self, query: Query) -> tuple[tuple[str, ...], int]:
        """
        Choose what one page shows.

        Returns
        -------
        tuple of tuple and int
            The ids of the page in their order, and how many sessions fit the query in all.
        """
        order, known = self._order(query.sort)
        if query.order == "desc":
            order = np.concatenate((order[:known][::-1], order[known:]))
        if query.search or query.node:
            order = order[self._find(query.search.casefold(), query.node)[order]]
        page = order[query.skip : query.skip + query.limit]
        return tuple(self._ids[position] for position in page), len(order)

    @cached_property
    def nodes(self) -> tuple[tuple[str, int], ...]:
        """The nodes with the most sessions, and how many each has."""
        names, codes = self._codes
        counts = np.bincount(codes, minlength=len(names))
        pairs = zip(names, counts.tolist(), strict=True)
        known = ((name, count) for name, count in pairs if name is not None)
        return tuple(sorted(known, key=lambda pair: (-pair[1], pair[0]))[:MAX_NODES])

    @cached_property
    def _codes(self) -> tuple[list[str | None], Positions]:
        """Each node once, and for each session where its node stands among them."""
        places: dict[str | None, int] = {}
        codes = [places.setdefault(node, len(places)) for node in self._nodes]
        return list(places), np.array(codes, dtype=np.intp)

    def _order(self, sort: Sort) -> tuple[Positions, int]:
        """Sort, smallest first and the unknown last; say how many are known."""
        if sort not in self._orders:
            self._orders[sort] = self._sort(sort)
        return self._orders[sort]

    def _sort(self, sort: Sort) -> tuple[Positions, int]:
        match sort:
            case "created":
                return _sort_numbers(_epochs(self._created_at))
            case "expires":
                return _sort_numbers(_epochs(self._expiries))
            case "node":
                names, codes = self._codes
                ranks = np.empty(len(names), dtype=np.float64)
                order = _sort_texts([(name or "").casefold().encode() for name in names])
                ranks[order] = np.arange(len(names))
                ranks[[place for place, name in enumerate(names) if name is None]] = math.nan
                return _sort_numbers(ranks[codes])
        return _sort_texts([one.encode() for one in self._ids]), len(self._ids)

    def _find(self, needle: str, node: str) -> Marks:
        """Mark the sessions that fit."""
        found = self._found.get((needle, node))
        if found is None:
            found = self._search(needle)
            if node:
                names, codes = self._codes
                found &= np.array([name == node for name in names], dtype=np.bool_)[codes]
            if len(self._found) >= MAX_FOUND:
                self._found.clear()
            self._found[needle, node] = found
        return found

    def _search(self, needle: str) -> Marks:
        names, codes = self._codes
        in_names = [needle in (name or "").casefold() for name in names]
        in_ids = [needle in one for one in self._folded_ids]
        return np.array(in_ids, dtype=np.bool_) | np.array(in_names, dtype=np.bool_)[codes]

    @cached_property
    def _folded_ids(self) -> list[str]:
        return [one.casefold() for one in self._ids]


def _epochs(times: Sequence[datetime | None]) -> Numbers:
    return np.array([math.nan if at is None else at.timestamp() for at in times], dtype=np.float64)


def _sort_texts(texts: Sequence[bytes]) -> Positions:
    keys = np.empty(len(texts), dtype=_KEY)
    for begin in range(0, len(texts), _PART):
        keys[begin : begin + _PART] = texts[begin : begin + _PART]
    return np.argsort(keys, kind="stable")


def _sort_numbers(keys: Numbers) -> tuple[Positions, int]:
    return np.argsort(keys, kind="stable"), len(keys) - int(np.count_nonzero(np.isnan(keys)))


def _number(text: str) -> int | str:
    """Read a whole number; what is none stays as it is, to be refused in its own words."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if is_number else text


def _check_text(field: str, given: object, longest: int) -> None:
    if not isinstance(given, str) or len(given) > longest:
        raise QueryError(field, given, f"a text of at most {longest} characters")


def _check_word(field: str, given: object, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise QueryError(field, given, f"one of {', '.join(allowed)}")


def _check_number(field: str, given: object, lowest: int, highest: int) -> None:
    # `type(...) is int`: True is an int for isinstance, and is no number.
    if type(given) is not int or not lowest <= given <= highest:
        raise QueryError(field, given, f"a whole number from {lowest} to {highest}")
