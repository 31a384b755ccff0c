"""Misbehaviour on order: what a control call may ask for, and what is still to be done."""

import base64
import binascii
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from .wire import is_encodable

DELAY_LIMIT_SECONDS = 3600.0
TIMES_LIMIT = 1_000_000
STREAM_SENDS_LIMIT = 100_000
DEEDS = ("stop", "start", "kill", "restart", "oom", "healthy", "unhealthy", "rename", "remove")
UNSENDABLE_CODES = frozenset({1004, 1005, 1006, 1015})


class ControlError(Exception):
    """An order that cannot be understood; names the field, what was given, what is allowed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """
    One order to misbehave.

    ``path`` is matched exactly, or as a beginning if it ends in ``*``; ``method`` ``None`` is
    any. With ``status`` or ``body`` the call itself is not made. ``times`` ``None`` is for ever.
    """

    path: str
    method: str | None
    times: int | None
    delay_seconds: float
    status: int | None
    body: bytes | None
    headers: Mapping[str, str]
    close: bool
    trickle_seconds: float | None

    @property
    def is_answer(self) -> bool:
        """Whether it takes the place of the real answer."""
        return self.status is not None or self.body is not None

    def matches(self, method: str, path: str) -> bool:
        """Say whether a request is meant."""
        if self.method not in (None, method):
            return False
        if self.path.endswith("*"):
            return path.startswith(self.path[:-1])
        return path == self.path


class FaultBook:
    """The orders still open; the oldest that matches comes first."""

    def __init__(self) -> None:
        self._open: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Note an order."""
        self._open.append(fault)

    def clear(self) -> None:
        """Forget all orders."""
        self._open.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the order for a request and count it as carried out once."""
        for place, fault in enumerate(self._open):
            if not fault.matches(method, path):
                continue
            if fault.times is not None:
                left = dataclasses.replace(fault, times=fault.times - 1)
                self._open[place : place + 1] = [left] if left.times else []
            return fault
        return None

    def __len__(self) -> int:
        return len(self._open)


@dataclasses.dataclass(frozen=True, slots=True)
class StreamOrder:
    """What to do to every open stream: exactly one of the three, ``send`` as often as said."""

    close: int | None
    drop: bool
    send: str | bytes | None
    times: int


@dataclasses.dataclass(frozen=True, slots=True)
class RestartOrder:
    """How long to be away, and whether the sessions are there afterwards."""

    away_seconds: float
    keep_state: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ContainerOrder:
    """What to do to a container; ``to`` is its new name, where it is renamed."""

    name: str
    do: str
    to: str | None


def read_container_order(payload: Any) -> ContainerOrder:
    """Read the body of ``POST /_simulator/containers``; raises :class:`ControlError`."""
    fields = Fields(payload, ["name", "do", "to"])
    return ContainerOrder(
        name=fields.read("name", is_text, "text"),
        do=fields.read("do", lambda given: given in DEEDS, f"one of {', '.join(DEEDS)}"),
        to=fields.read("to", nullable(is_text), "text, or null", None),
    )


def read_fault(payload: Any) -> Fault:
    """Read the body of ``POST /_simulator/faults``; raises :class:`ControlError`."""
    fields = Fields(payload, [field.name for field in dataclasses.fields(Fault)] + ["body_base64"])
    body: str | None = fields.read("body", is_text, "text", None)
    binary = fields.read("body_base64", is_base64, "base64 text", None)
    fault = Fault(
        path=fields.read("path", is_path, "text that begins with /"),
        method=fields.read("method", is_method, "a method in capitals, or null", None),
        times=fields.read(
            "times", nullable(whole(1, TIMES_LIMIT)), f"from 1 to {TIMES_LIMIT}, or null", 1
        ),
        delay_seconds=fields.read("delay_seconds", is_delay, DELAY_WORDS, 0.0),
        status=fields.read("status", nullable(whole(200, 599)), "from 200 to 599, or null", None),
        body=as_bytes(body, binary),
        headers=fields.read("headers", is_headers, "an object of texts without line ends", {}),
        close=fields.read("close", is_flag, "true or false", False),
        trickle_seconds=fields.read(
            "trickle_seconds", nullable(is_delay), f"{DELAY_WORDS}, or null", None
        ),
    )
    changes = (fault.close, fault.delay_seconds, fault.trickle_seconds, fault.headers)
    if not (fault.is_answer or any(changes)):
        raise ControlError(
            "the fault would change nothing, must have at least one of "
            "delay_seconds, status, body, headers, close, trickle_seconds"
        )
    return fault


def read_stream_order(payload: Any) -> StreamOrder:
    """Read the body of ``POST /_simulator/streams``; raises :class:`ControlError`."""
    fields = Fields(payload, ["close", "drop", "send", "send_base64", "times"])
    close = fields.read("close", nullable(is_code), "a close code that can be sent", None)
    drop: bool = fields.read("drop", is_flag, "true or false", False)
    text = fields.read("send", is_text, "text", None)
    binary = fields.read("send_base64", is_base64, "base64 text", None)
    allowed = f"from 1 to {STREAM_SENDS_LIMIT}"
    times = fields.read("times", whole(1, STREAM_SENDS_LIMIT), allowed, 1)
    if [close is not None, drop, text is not None, binary is not None].count(True) != 1:
        raise ControlError("the order must have exactly one of close, drop, send, send_base64")
    send = base64.b64decode(binary) if binary is not None else text
    return StreamOrder(close=close, drop=drop, send=send, times=times)


def read_restart(payload: Any) -> RestartOrder:
    """Read the body of ``POST /_simulator/restart``; raises :class:`ControlError`."""
    fields = Fields(payload, ["away_seconds", "keep_state"])
    return RestartOrder(
        away_seconds=fields.read("away_seconds", is_delay, DELAY_WORDS, 0.0),
        keep_state=fields.read("keep_state", is_flag, "true or false", True),
    )


DELAY_WORDS = f"a number from 0 to {DELAY_LIMIT_SECONDS:g}"
REQUIRED = object()


class Fields:
    """A JSON object read field by field; an unknown field is an error at once."""

    def __init__(self, payload: Any, known: list[str]) -> None:
        if not isinstance(payload, dict):
            raise ControlError(f"the body is {payload!r}, must be a JSON object")
        for name in payload:
            if name not in known:
                raise ControlError(f"{name!r} is unknown, must be one of {', '.join(known)}")
        self._payload = payload

    def read(
        self, name: str, is_allowed: Callable[[Any], bool], allowed: str, default: Any = REQUIRED
    ) -> Any:
        """Return one field, or its default if absent; raises :class:`ControlError`."""
        if name not in self._payload:
            if default is REQUIRED:
                raise ControlError(f"{name} is absent, must be {allowed}")
            return default
        given = self._payload[name]
        if not is_allowed(given):
            raise ControlError(f"{name} is {given!r}, must be {allowed}")
        return given


def as_bytes(body: str | None, body_base64: str | None) -> bytes | None:
    """Return the body that was given in either form, if any."""
    if body is not None and body_base64 is not None:
        raise ControlError("body and body_base64 are both given, must be one of them")
    if body_base64 is not None:
        return base64.b64decode(body_base64)
    return None if body is None else body.encode()


def whole(least: int, most: int) -> Callable[[Any], bool]:
    """Return a check for whole numbers from ``least`` to ``most``."""
    return lambda given: type(given) is int and least <= given <= most


def nullable(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a check that lets null through, too."""
    return lambda given: given is None or check(given)


def is_delay(given: Any) -> bool:
    """Whether it is a number of seconds within bounds; NaN is not."""
    return type(given) in (int, float) and 0 <= given <= DELAY_LIMIT_SECONDS


def is_flag(given: Any) -> bool:
    """Whether it is true or false."""
    return isinstance(given, bool)


def is_text(given: Any) -> bool:
    """Whether it is text that can be sent; half of a surrogate pair cannot."""
    return isinstance(given, str) and is_encodable(given)


def is_path(given: Any) -> bool:
    """Whether it can be a request's path."""
    return isinstance(given, str) and given.startswith("/")


def is_method(given: Any) -> bool:
    """Whether it can be a request's method; null stands for any."""
    return given is None or (isinstance(given, str) and given.isalpha() and given.isupper())


def is_code(given: Any) -> bool:
    """Whether a WebSocket may be closed with it."""
    return whole(1000, 4999)(given) and given not in UNSENDABLE_CODES


def is_base64(given: Any) -> bool:
    """Whether it is base64 text."""
    try:
        base64.b64decode(given, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return False
    return isinstance(given, str)


def is_headers(given: Any) -> bool:
    """Whether it is an object of header names and values that cannot break a header's line."""
    return isinstance(given, dict) and all(
        isinstance(value, str)
        and name
        and (name + value).isprintable()
        and (name + value).isascii()
        for name, value in given.items()
    )
