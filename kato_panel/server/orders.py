"""What a request orders, as JSON in its body."""

import json
from typing import Any, Final

from tornado.httputil import HTTPServerRequest

from kato_panel.domain.actions import ActionsState
from kato_panel.errors import ActionRefused, QueryError
from kato_panel.runtime import Runtime
from kato_panel.server.guard import guard_of

MAX_ORDER_BYTES: Final = 8_192
"""20 ids take 1.2 kB."""
JSON_TYPE: Final = "application/json"


def check_visitor(runtime: Runtime, request: HTTPServerRequest, state: ActionsState) -> str:
    """
    Refuse whoever may not change anything, before their order is read; say who it is.

    Parameters
    ----------
    runtime, request
        Who is asked, and how.
    state
        Whether orders are taken at all.

    Raises
    ------
    ActionRefused
        With the reason.
    """
    if not state.allowed:
        raise ActionRefused(state.reason)
    guard = guard_of(runtime)
    guard.check_change(request)
    visitor = guard.visitor_of(request)
    return f"{f'api, {visitor}' if visitor else 'api'}, from {request.remote_ip}"


def read_order(request: HTTPServerRequest, fields: str) -> dict[str, Any]:
    """
    Read an order.

    Parameters
    ----------
    request
        As it came.
    fields
        What it has to have, in words.

    Raises
    ------
    QueryError
        If it is no JSON object, or too long.
    """
    kind = request.headers.get("Content-Type", "")
    if kind.partition(";")[0].strip().lower() != JSON_TYPE:
        # What a form of another site can send is none of these.
        raise QueryError("Content-Type", kind, JSON_TYPE)
    if len(request.body) > MAX_ORDER_BYTES:
        raise QueryError("body", len(request.body), f"at most {MAX_ORDER_BYTES} bytes")
    try:
        order: Any = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise QueryError("body", "no JSON", f"a JSON object with {fields}") from error
    return order if isinstance(order, dict) else {}
