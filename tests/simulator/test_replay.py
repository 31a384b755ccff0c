import json

import pytest

from .conftest import PREFIX, RECORDED, recording

REPLAYED = sorted(
    path.stem.removeprefix(PREFIX)
    for path in RECORDED.glob(f"{PREFIX}*.json")
    if b'"request"' in path.read_bytes()
)
AFTER_DELETE = {"delete_session_404_again", "get_session_after_delete"}


def shape(value):
    """Reduce a JSON value to its keys and types; a list to the shapes it holds."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(inner), sort_keys=True) for inner in value})
    return type(value).__name__


def own_id(path, peer):
    """Make the session that a recorded path speaks of; its recorded id, and ours."""
    recorded_id = next((part for part in path.split("/") if part.startswith("session-")), "")
    recorded_id = recorded_id.split("?")[0]
    if not recorded_id or recorded_id == "session-nope":
        return "session-nope", "session-nope"
    body = recording("post_sessions_ttl")["request"]["body"]
    return recorded_id, peer.create(**body)


def send(request, peer):
    body = request["body"]
    if isinstance(body, dict):
        return peer.http.request(request["method"], request["path"], json=body)
    content = body.encode() if body is not None else None
    headers = request.get("headers", {})
    return peer.http.request(request["method"], request["path"], content=content, headers=headers)


def test_all_recorded_exchanges_are_replayed():
    """The list below is not empty because of a typing mistake."""
    assert len(REPLAYED) >= 26


@pytest.mark.parametrize("name", REPLAYED)
def test_answer_is_as_recorded(name, peer):
    """Status, headers, keys and types of every recorded call are KATO's."""
    exchange = recording(name)
    peer.http.get("/health")
    recorded_id, session_id = own_id(exchange["request"]["path"], peer)
    if name in AFTER_DELETE:
        peer.http.delete(f"/sessions/{session_id}")
    request = json.loads(json.dumps(exchange["request"]).replace(recorded_id, session_id))
    expected = exchange["response"]
    expected["body"] = json.loads(json.dumps(expected["body"]).replace(recorded_id, session_id))

    answer = send(request, peer)

    assert answer.status_code == expected["status"]
    assert answer.headers.get("content-type") == expected["headers"].get("content-type")
    for header in ("server", "x-trace-id", "x-session-id"):
        assert (header in answer.headers) == (header in expected["headers"]), header
    if isinstance(expected["body"], str):
        assert answer.text == expected["body"]
    elif expected["status"] >= 400:
        assert answer.json() == expected["body"]
    else:
        assert shape(answer.json()) == shape(expected["body"])


@pytest.mark.parametrize(
    "name", ["post_sessions_ok", "post_sessions_ttl", "post_sessions_unknown_config"]
)
def test_settings_are_as_recorded(name, peer):
    """Known settings override the defaults, unknown ones are ignored, and values are KATO's."""
    exchange = recording(name)
    answer = send(exchange["request"], peer).json()
    assert answer["session_config"] == exchange["response"]["body"]["session_config"]
    assert answer["metadata"] == exchange["response"]["body"]["metadata"]


def test_read_session_reports_one_second_less_than_its_ttl(peer):
    """KATO looks at its clock again after moving the expiry: 120 is reported as 119."""
    session_id = peer.create(ttl_seconds=120)
    body = peer.http.get(f"/sessions/{session_id}").json()
    assert body["ttl_seconds"] == recording("get_session_ok")["response"]["body"]["ttl_seconds"]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 422, "missing"),
        (b"[]", 422, "model_attributes_type"),
        (b'{"node_id": 1}', 422, "string_type"),
        (b'{"node_id": "\\ud800"}', 422, "string_unicode"),
        (b'{"node_id": "n", "ttl_seconds": 1.5}', 422, "int_from_float"),
        (b'{"node_id": "n", "ttl_seconds": []}', 422, "int_type"),
        (b'{"node_id": "n", "metadata": 1}', 422, "dict_type"),
        (b'{"node_id": "n", "config": "x"}', 422, "dict_type"),
    ],
)
def test_other_bad_bodies_are_refused_as_fastapi_does(body, status, kind, peer):
    """What was not recorded follows the validation library that upstream uses."""
    answer = peer.http.post("/sessions", content=body)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (status, kind)


def test_number_too_long_to_read_is_refused(peer):
    """5,000 digits end in 400, not in a crash."""
    body = b'{"node_id": "n", "ttl_seconds": ' + b"9" * 5000 + b"}"
    answer = peer.http.post("/sessions", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])


def test_answer_that_cannot_be_encoded_is_a_plain_500(peer):
    """Upstream crashes on half a surrogate pair in the metadata, and so does the stand-in."""
    answer = peer.http.post("/sessions", content=b'{"node_id": "n", "metadata": {"a": "\\ud800"}}')
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/stats?minutes=x", "/sessions/{}/extend?ttl_seconds=x"])
def test_bad_query_is_refused(path, peer):
    """A query that is no number is answered with 422 and its place."""
    method = "GET" if "stats" in path else "POST"
    answer = peer.http.request(method, path.format(peer.create()))
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "query"
