"""What people do to upstream through this service: who may, how it ended, and its audit."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from kato_panel.errors import QueryError

MAX_DELETED: Final = 20
"""Sessions that one order may delete."""
FORWARDED: Final = frozenset({"forwarded", "x-real-ip", "via"})
"""Headers of proxies, behind which anybody may be."""
FORWARDED_BEGINS: Final = "x-forwarded-"
"""So do their others."""
VISITOR: Final = "Kato-Panel-Visitor"
"""Header that says who is logged in; set by the guard, and by nobody else."""
SETTING: Final = "KATO_PANEL_ALLOW_ACTIONS"
ANONYMOUS: Final = "KATO_PANEL_ALLOW_ANONYMOUS"
ID_FORM: Final = "session-, 32 hexadecimal digits, - and 10 to 16 digits"
ID_PATTERN: Final = "session-[0-9a-f]{32}-[0-9]{10,16}"
_ID: Final = re.compile(ID_PATTERN)


@dataclass(frozen=True, slots=True)
class ActionsState:
    """
    Whether this service may change anything upstream.

    Parameters
    ----------
    allowed
        Whether it may.
    reason
        Why not; empty where it may.
    unrecorded
        Why no record will be kept of what is done; empty where one will.
    """

    allowed: bool
    reason: str = ""
    unrecorded: str = ""


class Result(StrEnum):
    """How one action ended."""

    DELETED = "deleted"
    NOT_FOUND = "not_found"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How one action on one session ended.

    Parameters
    ----------
    session_id
        Which session.
    result
        How it ended.
    reason
        Why it failed; empty where it did not.
    """

    session_id: str
    result: Result
    reason: str = ""


def judge_actions(
    addresses: Sequence[str] | None,
    *,
    is_set: bool,
    has_login: bool = False,
    is_anonymous: bool = False,
) -> ActionsState:
    """
    Say whether actions are allowed.

    Parameters
    ----------
    addresses
        Where this process listens; ``None`` where nobody knows.
    is_set
        Whether the setting allows them.
    has_login
        Whether whoever asks has logged in: then it does not matter from where.
    is_anonymous
        Whether everybody is let in without a login.
    """
    if not is_set:
        return ActionsState(False, f"{SETTING} is false")
    if is_anonymous:
        return ActionsState(False, f"{ANONYMOUS} is true: everybody may look, and nobody delete")
    if has_login:
        return ActionsState(True)
    if not addresses:
        return ActionsState(
            False,
            "only kato-panel serve knows where it listens, and nothing else may act",
        )
    outside = [address for address in addresses if not is_loopback(address)]
    if outside:
        return ActionsState(
            False, f"this service listens on {outside[0]}, must be on loopback, as 127.0.0.1 is"
        )
    return ActionsState(True)


def judge_request(host: str, header_names: Iterable[str]) -> ActionsState:
    """
    Say whether whoever asked is a person at this machine, where there is no login.

    Parameters
    ----------
    host
        The request's ``Host``: a stranger's name can be made to point here.
    header_names
        Of the request; a proxy adds its own.
    """
    if not _is_own_name(host):
        return ActionsState(False, "Host must be localhost or an address of loopback")
    if comes_by_proxy(header_names):
        return ActionsState(False, "this request comes through a proxy")
    return ActionsState(True)


def comes_by_proxy(header_names: Iterable[str]) -> bool:
    """Say whether a request's headers are those that a proxy adds."""
    names = [name.lower() for name in header_names]
    return any(name in FORWARDED or name.startswith(FORWARDED_BEGINS) for name in names)


def _is_own_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def is_loopback(address: str) -> bool:
    """Say whether an address can only be reached from this machine."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return parsed.is_loopback if mapped is None else bool(mapped.is_loopback)


def check_ids(session_ids: Sequence[str]) -> tuple[str, ...]:
    """
    Take the ids of one order; each counts once.

    Raises
    ------
    QueryError
        If there is none, there are more than 20, or one is not of KATO's form.
    """
    if isinstance(session_ids, str) or not 0 < len(session_ids) <= MAX_DELETED:
        given = len(session_ids)
        raise QueryError("session_ids", given, f"a list of 1 to {MAX_DELETED} ids")
    return tuple(dict.fromkeys(map(check_id, session_ids)))


def check_id(session_id: object) -> str:
    """
    Take one id.

    An address is made of it, and an odd one would name something else: ``..`` leads out of the
    path that it is put in.

    Raises
    ------
    QueryError
        If it is not of KATO's form.
    """
    if not isinstance(session_id, str) or not _ID.fullmatch(session_id):
        raise QueryError("session_id", session_id, ID_FORM)
    return session_id
