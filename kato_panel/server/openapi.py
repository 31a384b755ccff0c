"""
The OpenAPI document of our routes, made of the models that they answer with.

`OPERATIONS` is the one list; a test holds it against the routes that are served.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from kato_panel import bodies
from kato_panel.domain import alert_query, event_query, listing
from kato_panel.domain.actions import ID_PATTERN
from kato_panel.domain.events import Kind
from kato_panel.domain.rules import Severity, Turn
from kato_panel.server.answers import JsonRequest
from kato_panel.server.credentials import COOKIE
from kato_panel.server.guard import OPEN

JSON_TYPE: Final = "application/json"
TEXT_TYPE: Final = "text/plain"
MAX_CURSOR_DIGITS: Final = 19
_AGO: Final = r"[0-9]{1,9}(\.[0-9]{1,6})?[smhd]"
_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2})"
_REASONS: Final = {
    400: "The request is no HTTP that can be read, or its address no text.",
    401: "A login or a token is needed.",
    403: "This is not allowed here, or not to whoever asks.",
    404: "There is no such thing.",
    405: "The route has no such method; `Allow` names those that it has.",
    422: "A field is wrong: `field` names it, `message` says what it may be.",
    429: "Too much was asked for at once, or too many wrong tokens were shown.",
    503: "Nobody can tell, or not now; `message` says why.",
}
_ALWAYS: Final = (400, 401, 403, 405, 429)
_LOGINS: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "What KATO_PANEL_AUTH_TOKEN is set to.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "What /login gave; `_` and eight digits of the service follow its name.",
    },
}


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One method of one route.

    Parameters
    ----------
    name
        Its name for programs.
    summary
        What it does.
    answer
        The body of its 200; ``None`` where that is no JSON.
    parameters
        Of its path and of its question, as the document has them.
    order
        What it is sent.
    refusals
        Its further statuses.
    texts
        Other types that it may answer with, with their schemas.
    """

    name: str
    summary: str
    answer: type[BaseModel] | None = None
    parameters: tuple[dict[str, Any], ...] = ()
    order: type[BaseModel] | None = None
    refusals: tuple[int, ...] = ()
    texts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def models(self) -> list[type[BaseModel]]:
        """Those that it speaks of."""
        return [model for model in (self.answer, self.order) if model is not None]


def _asked(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _one_of(words: tuple[str, ...], default: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words), "default": default}


_LIST: Final = (
    _asked("skip", "Sessions to pass over.", type="integer", minimum=0, maximum=listing.MAX_SKIP,
           default=0),
    _asked("limit", "Sessions to show.", type="integer", minimum=1, maximum=listing.MAX_LIMIT,
           default=50),
    _asked("search", "Part of an id or of a node.", type="string", maxLength=listing.MAX_SEARCH),
    _asked("node", "The node, exactly.", type="string", maxLength=listing.MAX_NODE),
    _asked("sort", "What they are sorted by.", **_one_of(get_args(listing.Sort), "created")),
    _asked("order", "In which order; the unknown comes last.",
           **_one_of(get_args(listing.Order), "desc")),
)  # fmt: skip
_EVENTS: Final = (
    _asked("since", f"Detected from then on: {event_query.TIME_FORM}.", type="string",
           pattern=f"^({_AGO}|{_TIME})$"),
    _asked("until", "Detected before that; written as `since` is.", type="string",
           pattern=f"^({_AGO}|{_TIME})$"),
    _asked("type", "Only of this kind.", type="string", enum=[kind.value for kind in Kind]),
    _asked("node", "Only those that name this node.", type="string",
           maxLength=event_query.MAX_NODE),
    _asked("limit", f"Events at once; {event_query.DEFAULT_EVENTS} if none is given, and as CSV"
           " all that there are.", type="integer", minimum=1, maximum=event_query.MAX_EVENTS),
    _asked("cursor", "`next` of the answer before.", type="string",
           pattern=f"^[0-9]{{1,{MAX_CURSOR_DIGITS - 1}}}$"),
    _asked("format", "How they are written.", **_one_of(get_args(event_query.Form), "json")),
)  # fmt: skip
_ALERTS: Final = (
    _asked("state", "Only those that fire, or only those that are over.", type="string",
           enum=list(Turn)),
    _asked("severity", "Only of this severity.", type="string", enum=list(Severity)),
    _asked("rule", "Only of this rule.", type="string", maxLength=alert_query.MAX_RULE),
    _asked("since", f"Fired from then on: {event_query.TIME_FORM}.", type="string",
           pattern=f"^({_AGO}|{_TIME})$"),
    _asked("until", "Fired before that; written as `since` is.", type="string",
           pattern=f"^({_AGO}|{_TIME})$"),
    _asked("limit", "Alerts at once.", type="integer", minimum=1,
           maximum=alert_query.MAX_ALERTS, default=alert_query.DEFAULT_ALERTS),
    _asked("cursor", "`next` of the answer before.", type="string",
           pattern=f"^{alert_query.CURSOR_PATTERN}$"),
)  # fmt: skip
_ID: Final = (
    {
        "name": "session_id",
        "in": "path",
        "required": True,
        "description": "Of the session.",
        "schema": {"type": "string", "pattern": f"^{ID_PATTERN}$"},
    },
)

_EXPORT: Final = (
    {
        "name": "kind",
        "in": "path",
        "required": True,
        "description": "Which rows.",
        "schema": {"type": "string", "enum": list(event_query.EXPORTED)},
    },
    _asked("since", f"The range begins there: {event_query.TIME_FORM}, which counts from the newest"
           " look.", type="string", pattern=f"^({_AGO}|{_TIME})$", default=event_query.USUAL_RANGE),
    _asked("until", "It ends before that, or with the newest look; written as `since` is.",
           type="string", pattern=f"^({_AGO}|{_TIME})$"),
    _asked("node", "Sessions and events of this node only.", type="string",
           maxLength=event_query.MAX_NODE),
    _asked("format", "How they are written.", **_one_of(get_args(event_query.Form), "csv")),
)  # fmt: skip

OPERATIONS: Final[Mapping[str, Mapping[str, Operation]]] = {
    "/healthz": {
        "get": Operation(
            "healthz",
            "Say whether the process and its watcher are alive.",
            bodies.Alive,
            refusals=(503,),
        )
    },
    "/readyz": {
        "get": Operation(
            "readyz", "Say whether anything was observed yet.", bodies.Ready, refusals=(503,)
        )
    },
    "/metrics": {
        "get": Operation(
            "metrics",
            "Tell all figures, as Prometheus reads them.",
            texts={TEXT_TYPE: {"type": "string"}},
        )
    },
    "/api/v1/openapi.json": {
        "get": Operation("openapi", "Give this document.", texts={JSON_TYPE: {"type": "object"}})
    },
    "/api/v1/containers": {
        "get": Operation(
            "containers", "Tell how the containers are that KATO runs in.", bodies.Containers
        )
    },
    "/api/v1/events": {
        "get": Operation(
            "events",
            "Tell what is recorded, oldest first.",
            bodies.RecordedEvents,
            _EVENTS,
            refusals=(422, 503),
            texts={"text/csv": {"type": "string"}},
        )
    },
    "/api/v1/export/{kind}": {
        "get": Operation(
            "export",
            "Give rows of the history as a file, oldest first, as `kato-panel export` writes it.",
            parameters=_EXPORT,
            refusals=(404, 422, 503),
            texts={"text/csv": {"type": "string"}, JSON_TYPE: {"type": "array"}},
        )
    },
    "/api/v1/alerts": {
        "get": Operation(
            "alerts",
            "Tell which alerts fire and did, the newest first, and how it is with each rule.",
            bodies.Alerts,
            _ALERTS,
            refusals=(422, 503),
        )
    },
    "/api/v1/alerts/acknowledge": {
        "post": Operation(
            "acknowledge",
            "Note that somebody has seen an alert.",
            bodies.Ordered,
            order=bodies.AcknowledgeOrder,
            refusals=(422, 503),
        )
    },
    "/api/v1/alerts/silences": {
        "post": Operation(
            "silence",
            "Let nobody be told of a rule until some time.",
            bodies.Ordered,
            order=bodies.SilenceOrder,
            refusals=(422, 503),
        )
    },
    "/api/v1/metrics": {
        "get": Operation(
            "upstream_metrics",
            "Tell what KATO and its Redis report of themselves.",
            bodies.UpstreamMetrics,
        )
    },
    "/api/v1/replay": {
        "get": Operation("replay", "Say how the replay goes.", bodies.Replay),
        "post": Operation(
            "order_replay",
            "Let it pause, go on, go faster, or go on elsewhere, for everybody.",
            bodies.Replay,
            order=bodies.ReplayOrder,
            refusals=(422,),
        ),
    },
    "/api/v1/sessions/count": {
        "get": Operation("count", "Say how many sessions there are.", bodies.SessionCount)
    },
    "/api/v1/sessions": {
        "get": Operation(
            "sessions",
            "List sessions, a page at a time.",
            bodies.SessionPage,
            _LIST,
            refusals=(422, 503),
        )
    },
    "/api/v1/sessions/bulk-delete": {
        "post": Operation(
            "bulk_delete",
            "Delete up to 20 sessions; only where that is allowed.",
            bodies.SessionOutcomes,
            order=bodies.DeleteOrder,
            refusals=(422, 503),
        )
    },
    "/api/v1/sessions/{session_id}": {
        "get": Operation(
            "session",
            "Tell everything of one session, without moving its life.",
            bodies.SessionDetail,
            _ID,
            refusals=(404, 422, 503),
        ),
        "delete": Operation(
            "delete_session",
            "Delete one session; only where that is allowed.",
            bodies.SessionOutcome,
            _ID,
            refusals=(404, 422, 503),
        ),
    },
}


@cache
def document(off: tuple[str, ...] = ()) -> dict[str, Any]:
    """
    Make the document; OpenAPI 3.1.

    Parameters
    ----------
    off
        How the paths begin that are not served.
    """
    served = {path: one for path, one in OPERATIONS.items() if not path.startswith(off)}
    operations = [one for methods in served.values() for one in methods.values()]
    models = {model for one in operations for model in one.models} | {bodies.ErrorAnswer}
    ordered = sorted(models, key=lambda model: model.__name__)
    names, schemas = models_json_schema(
        [(model, "serialization") for model in ordered],
        ref_template="#/components/schemas/{model}",
    )
    refs = {model: schema for (model, _), schema in names.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kato-panel",
            "version": version("kato-panel"),
            "description": "The sessions of one KATO, as they are known. Unknown is null.",
        },
        "paths": {
            path: {
                method: _describe(one, refs) | ({"security": []} if path in OPEN else {})
                for method, one in methods.items()
            }
            for path, methods in served.items()
        },
        "components": {"schemas": schemas["$defs"], "securitySchemes": _LOGINS},
        # The last: where no login is set.
        "security": [*({name: []} for name in _LOGINS), {}],
    }


def _describe(one: Operation, refs: Mapping[Any, Any]) -> dict[str, Any]:
    content = {kind: {"schema": schema} for kind, schema in one.texts.items()}
    if one.answer is not None:
        content = {JSON_TYPE: {"schema": refs[one.answer]}, **content}
    failure = {JSON_TYPE: {"schema": refs[bodies.ErrorAnswer]}}
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "responses": {
            "200": {"description": "The answer.", "content": content},
            **{
                str(status): {"description": _REASONS[status], "content": failure}
                for status in sorted({*_ALWAYS, *one.refusals})
            },
        },
    }
    if one.parameters:
        described["parameters"] = list(one.parameters)
    if one.order is not None:
        order = {"schema": refs[one.order]}
        described["requestBody"] = {"required": True, "content": {JSON_TYPE: order}}
    return described


class OpenApiRequest(JsonRequest):
    """``GET /api/v1/openapi.json``."""

    def get(self) -> None:
        """Answer."""
        settings = self.runtime.settings
        flags = {
            "/api/v1/alerts": settings.system_alerts,
            "/api/v1/containers": settings.container_stats,
            "/api/v1/replay": self.runtime.replay is not None,
        }
        self.finish(document(tuple(path for path, is_on in flags.items() if not is_on)))
