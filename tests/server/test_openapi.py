"""The OpenAPI document, held against what is served."""

import re

import pytest
from tornado.web import RequestHandler

from kato_panel.config import load
from kato_panel.domain.event_query import EventQuery
from kato_panel.domain.listing import Query
from kato_panel.errors import QueryError
from kato_panel.runtime import Runtime
from kato_panel.server.api import UnknownRequest, routes
from kato_panel.server.openapi import document
from tests.asking import asking, still_runtime
from tests.conftest import NOON

METHODS = ("get", "post", "put", "patch", "delete")
PATHS = document()["paths"]


def served():
    """Each route that is ours to describe, with the methods that it has."""
    return {
        pattern: {
            method
            for method in METHODS
            if getattr(request, method) is not RequestHandler._unimplemented_method
        }
        for pattern, request, _ in routes(Runtime(load({}), replay=object()))
        if not issubclass(request, UnknownRequest)
    }


def example(path):
    session_id = "session-" + "ab" * 16 + "-1795381221106"
    return path.replace("{session_id}", session_id).replace("{kind}", "counts")


def test_document_has_every_route_and_no_other():
    """Each path fits exactly one route first, with the same methods."""
    found = {}
    known = served()
    for path, methods in PATHS.items():
        pattern = next(one for one in known if re.fullmatch(one, example(path)))
        assert pattern not in found, path
        found[pattern] = set(methods)
    assert found == known


def test_document_says_how_to_log_in():
    """By token or cookie, where either is asked for; health asks for none."""
    told = document()
    schemes = told["components"]["securitySchemes"]
    assert {name: one["type"] for name, one in schemes.items()} == {
        "bearer": "http",
        "cookie": "apiKey",
    }
    assert told["security"] == [{"bearer": []}, {"cookie": []}, {}]
    open_ones = [path for path in PATHS if PATHS[path].get("get", {}).get("security") == []]
    assert open_ones == ["/healthz"]


def test_every_reference_leads_somewhere():
    """And no schema is left over."""
    used = set(re.findall(r"#/components/schemas/(\w+)", str(document())))
    assert used == set(document()["components"]["schemas"])


async def test_document_is_served():
    """As JSON, the same each time."""
    async with asking(still_runtime()) as client:
        answer = await client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == document(("/api/v1/replay",))


async def test_what_is_switched_off_is_not_described():
    """Nor are the models that only it has."""
    off = {"WEBSOCKET_SYSTEM_ALERTS": False, "WEBSOCKET_CONTAINER_STATS": False}
    runtime = still_runtime(settings=load({"KATO_API_URL": "http://127.0.0.1:1", **off}))
    async with asking(runtime) as client:
        told = (await client.get("/api/v1/openapi.json")).json()
    gone = PATHS.keys() - told["paths"].keys()
    features = ("alerts", "containers", "replay")
    assert gone == {path for path in PATHS if any(name in path for name in features)} != set()
    assert "Containers" not in told["components"]["schemas"]


def bounds_of(path):
    return {one["name"]: one["schema"] for one in PATHS[path]["get"]["parameters"]}


READERS = {
    "/api/v1/sessions": Query.read,
    "/api/v1/events": lambda given: EventQuery.read(given, NOON),
}


@pytest.mark.parametrize("path", READERS)
def test_bounds_of_the_document_are_those_of_the_code(path):
    """At each bound a question is taken, one step beyond it is refused; each word is known."""
    read = READERS[path]
    for name, schema in bounds_of(path).items():
        good = [*schema.get("enum", [])]
        bad = ["nonsense"] if "enum" in schema else []
        for bound, step in (("minimum", -1), ("maximum", 1)):
            if bound in schema:
                good.append(str(schema[bound]))
                bad.append(str(schema[bound] + step))
        if "maxLength" in schema:
            good.append("x" * schema["maxLength"])
            bad.append("x" * (schema["maxLength"] + 1))
        for text in good:
            read({name: text})
        for text in bad:
            with pytest.raises(QueryError):
                read({name: text})


def test_document_names_every_field_of_a_question():
    """No more, and no fewer."""
    assert set(bounds_of("/api/v1/sessions")) == set(Query.__slots__)
    with pytest.raises(QueryError) as caught:
        EventQuery.read({"x": "y"}, NOON)
    assert set(bounds_of("/api/v1/events")) == set(
        str(caught.value).split("one of ")[1].split(", ")
    )
