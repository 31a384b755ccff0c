"""The routes of sessions, over real sockets."""

import json
from contextlib import asynccontextmanager

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from kato_panel.domain.listing import Page, Query, Row
from kato_panel.errors import PayloadError, SourceUnavailable
from kato_panel.server import guard
from kato_panel.server.api import routes
from kato_panel.simulator import EmbeddedSimulator
from tests.conftest import NOON
from tests.directory_rig import KATO_AWAY, running, value
from tests.following import Caller
from tests.sources.redis_rig import RedisRig, Writer

UNKNOWN = "session-" + "ab" * 16 + "-1795381221106"
PATH = "/api/v1/sessions"


@pytest.fixture
def simulator():
    with EmbeddedSimulator(rate=0, initial=0) as simulator:
        yield simulator


@pytest.fixture
def caller(simulator):
    return Caller(simulator.url)


class Asker:
    """Asks our routes."""

    def __init__(self, url, client, runtime):
        self.url, self.client, self.runtime = url, client, runtime

    async def __call__(self, method, path, **options):
        answer = await self.client.request(method, self.url + path, **options)
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["cache-control"] == "no-store"
        return answer.status_code, answer.json()


@asynccontextmanager
async def asking(url, allows="true", listens_on=("127.0.0.1",), redis_url=""):
    """Our routes on a socket of their own, on a runtime that watches."""
    with running(url, redis_url, KATO_PANEL_ALLOW_ACTIONS=allows) as runtime:
        runtime.listens_on = listens_on
        server = HTTPServer(Application(routes(runtime)))
        listening, port = bind_unused_port()
        server.add_socket(listening)
        async with httpx.AsyncClient(trust_env=False) as client:
            yield Asker(f"http://127.0.0.1:{port}", client, runtime)
        server.stop()
        await server.close_all_connections()


async def test_list_answers_what_it_is_asked(simulator, caller):
    """Paged, sorted and filtered, marked incomplete where only the stream tells."""
    async with asking(simulator.url) as ask:
        ask.runtime.reader.until(lambda seen: seen.link == "live")
        made = sorted(caller.create(f"node-{number % 2}") for number in range(6))
        ask.runtime.reader.until(lambda seen: seen.active == 6)
        status, body = await ask("GET", f"{PATH}?sort=session&order=asc&skip=1&limit=2")
        assert status == 200
        assert [row["session_id"] for row in body["sessions"]] == made[1:3]
        told = {key: body[key] for key in ("total", "skip", "limit", "complete", "source")}
        assert told == {"total": 6, "skip": 1, "limit": 2, "complete": False, "source": "stream"}
        assert body["sessions"][0]["stm_length"] is None
        assert (await ask("GET", f"{PATH}?node=node-1"))[1]["total"] == 3
        assert (await ask("GET", f"{PATH}?search={made[0][8:40]}"))[1]["total"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("skip=-1", "skip"),
        ("sort=size", "sort"),
        ("order=up", "order"),
        ("search=" + "x" * 201, "search"),
        ("colour=red", "colour"),
        ("node=%ff", "node"),
    ],
)
async def test_wrong_question_names_its_field(simulator, query, field):
    """With status 422, and what is allowed."""
    async with asking(simulator.url) as ask:
        status, body = await ask("GET", f"{PATH}?{query}")
    assert (status, body["error"]["code"], body["error"]["field"]) == (422, "invalid", field)
    assert "must be" in body["error"]["message"]


async def test_question_reaches_the_directory_letter_by_letter(simulator):
    """Control characters too: a node may be called so."""
    asked = []
    async with asking(simulator.url) as ask:

        async def note(query):
            asked.append(query)
            return Page((Row("s"),), 1, 0, 50, complete=True, source="redis", at=NOON)

        ask.runtime.sessions.list = note
        assert (await ask("GET", f"{PATH}?node=%00a%0Ab%20&search=%E2%80%AE"))[0] == 200
    assert asked == [Query(search="\u202e", node="\0a\nb ")]


@pytest.mark.parametrize("error", [SourceUnavailable("Redis is away: x"), PayloadError("odd")])
async def test_list_that_cannot_be_made_is_no_empty_list(simulator, error):
    """Status 503, with the reason."""
    async with asking(simulator.url) as ask:

        async def fail(_):
            raise error

        ask.runtime.sessions.list = fail
        status, body = await ask("GET", PATH)
        assert (status, body["error"]["code"]) == (503, "unavailable")
        assert body["error"]["message"] == error.reason
        ask.runtime.sessions = None
        assert (await ask("GET", PATH))[0] == 503
        assert (await ask("DELETE", f"{PATH}/{UNKNOWN}"))[0] == 503


async def test_detail_never_touches_a_session(simulator, caller):
    """Without Redis it is refused rather than read by KATO's own call."""
    async with asking(simulator.url) as ask:
        session_id = caller.create()
        status, body = await ask("GET", f"{PATH}/{session_id}?may_touch=true")
        assert (status, body["error"]["code"]) == (503, "would_touch")
        status, body = await ask("GET", f"{PATH}/..%2Fcache%2Finvalidate")
        assert (status, body["error"]["field"]) == (422, "session_id")


async def test_detail_with_redis_tells_everything(tmp_path):
    """Of an open session; what nobody knows is a 404, and a Redis that is away a 503."""
    rig = RedisRig(tmp_path)
    writer = Writer(rig)
    session_id = writer.create(value=value("<b>node</b>"))
    try:
        async with asking(KATO_AWAY, redis_url=rig.url) as ask:
            ask.runtime.reader.until(lambda seen: seen.active == 1)
            status, body = await ask("GET", f"{PATH}/{session_id}")
            assert (status, body["has_touched"]) == (200, False)
            assert body["value"] == json.loads(value("<b>node</b>"))
            assert body["session"]["ttl_remaining_seconds"] <= 3_600
            status, body = await ask("GET", f"{PATH}/{UNKNOWN}")
            assert (status, body["error"]["code"]) == (404, "not_found")
            listed = (await ask("GET", PATH))[1]
            assert (listed["complete"], listed["source"]) == (True, "redis")
            rig.kill()
            ask.runtime.reader.until(lambda seen: seen.snapshot.is_stale)
            status, body = await ask("GET", PATH)
            assert (status, body["error"]["code"]) == (503, "unavailable")
            assert "connection refused" in body["error"]["message"]
    finally:
        writer.close()
        rig.kill()


async def test_delete_of_one_session(simulator, caller):
    """Deleted, then not found, then KATO is away."""
    async with asking(simulator.url) as ask:
        session_id = caller.create()
        expected = {"session_id": session_id, "result": "deleted", "reason": ""}
        assert await ask("DELETE", f"{PATH}/{session_id}") == (200, expected)
        assert caller.health_count() == 0
        status, body = await ask("DELETE", f"{PATH}/{session_id}")
        assert (status, body["error"]["code"]) == (404, "not_found")
        simulator.stop()
        status, body = await ask("DELETE", f"{PATH}/{session_id}")
        assert (status, body["error"]["code"]) == (503, "failed")
        assert "connection refused" in body["error"]["message"]


async def test_bulk_delete_tells_each_result(simulator, caller):
    """In the order given."""
    async with asking(simulator.url) as ask:
        session_id = caller.create()
        order = {"session_ids": [UNKNOWN, session_id]}
        status, body = await ask("POST", f"{PATH}/bulk-delete", json=order)
    assert status == 200
    assert [one["result"] for one in body["results"]] == ["not_found", "deleted"]


@pytest.mark.parametrize(
    ("content", "kind", "field"),
    [
        ("{", "application/json", "body"),
        ("[" * 8_000, "application/json", "body"),
        ("[]", "application/json", "session_ids"),
        ("{}", "application/json", "session_ids"),
        (json.dumps({"session_ids": "x"}), "application/json", "session_ids"),
        (json.dumps({"session_ids": []}), "application/json", "session_ids"),
        (json.dumps({"session_ids": [UNKNOWN] * 21}), "application/json", "session_ids"),
        (json.dumps({"session_ids": [{}]}), "application/json", "session_id"),
        (json.dumps({"session_ids": [[UNKNOWN]]}), "application/json", "session_id"),
        (json.dumps({"session_ids": [UNKNOWN], "x": "y" * 8_192}), "application/json", "body"),
        (json.dumps({"session_ids": [UNKNOWN]}), "text/plain", "Content-Type"),
        (json.dumps({"session_ids": [UNKNOWN]}), "", "Content-Type"),
    ],
)
async def test_wrong_order_deletes_nothing(simulator, caller, content, kind, field):
    """And names its field."""
    async with asking(simulator.url) as ask:
        caller.create()
        status, body = await ask(
            "POST", f"{PATH}/bulk-delete", content=content, headers={"Content-Type": kind}
        )
        assert (status, body["error"]["field"]) == (422, field)
        assert caller.health_count() == 1


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Host": "evil.example"}, "Host must be"),
        ({"Host": "evil.example:5006"}, "Host must be"),
        ({"Host": "127.0.0.1.evil.example"}, "Host must be"),
        ({"Host": "[::1"}, "Host must be"),
        ({"Origin": "http://evil.example"}, "Origin must be"),
        ({"Origin": "null"}, "Origin must be"),
        ({"Origin": "http://127.0.0.1:1"}, "Origin must be"),
        ({"Sec-Fetch-Site": "cross-site"}, "another site's page"),
        ({"Sec-Fetch-Site": "same-site"}, "another site's page"),
        ({"X-Forwarded-For": "127.0.0.1"}, "through a proxy"),
        ({"Forwarded": "for=127.0.0.1"}, "through a proxy"),
    ],
)
async def test_request_from_elsewhere_deletes_nothing(simulator, caller, headers, reason):
    """Neither single nor bulk, with status 403."""
    async with asking(simulator.url) as ask:
        session_id = caller.create()
        for method, path in (("DELETE", f"/{session_id}"), ("POST", "/bulk-delete")):
            order = {"json": {"session_ids": [session_id]}} if method == "POST" else {}
            status, body = await ask(method, PATH + path, headers=headers, **order)
            assert (status, body["error"]["code"]) == (403, "forbidden")
            assert reason in body["error"]["message"]
        assert caller.health_count() == 1


@pytest.mark.parametrize(("allows", "listens_on"), [("false", ["127.0.0.1"]), ("true", ["::"])])
async def test_delete_that_is_not_allowed_answers_403(simulator, caller, allows, listens_on):
    """The routes are there, and say why; before anything of the order is read."""
    async with asking(simulator.url, allows, listens_on) as ask:
        session_id = caller.create()
        assert (await ask("DELETE", f"{PATH}/{session_id}"))[0] == 403
        assert (await ask("POST", f"{PATH}/bulk-delete", content="{"))[0] == 403
        assert caller.health_count() == 1


async def test_own_page_may_delete(simulator, caller):
    """What a browser sends from our own page, by name or by number."""
    async with asking(simulator.url) as ask:
        port = ask.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::1]"):
            headers = {
                "Host": f"{host}:{port}",
                "Origin": f"http://{host}:{port}",
                "Sec-Fetch-Site": "same-origin",
            }
            session_id = caller.create()
            assert (await ask("DELETE", f"{PATH}/{session_id}", headers=headers))[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("DELETE", ""),
        ("PUT", f"/{UNKNOWN}"),
        ("POST", f"/{UNKNOWN}"),
        ("GET", "/bulk-delete"),
        ("DELETE", "/bulk-delete"),
    ],
)
async def test_methods_that_a_route_does_not_have(simulator, caller, method, path):
    """Status 405; in particular nothing is deleted by a GET."""
    async with asking(simulator.url) as ask:
        caller.create()
        status, body = await ask(method, PATH + path)
        assert (status, body["error"]["code"]) == (405, "method_not_allowed")
        assert caller.health_count() == 1


async def test_request_from_another_machine_deletes_nothing(simulator, caller, monkeypatch):
    """Even where the socket would have let it in."""
    async with asking(simulator.url) as ask:
        session_id = caller.create()
        monkeypatch.setattr(guard, "find_client", lambda *_: ("192.0.2.7", "http"))
        status, body = await ask("DELETE", f"{PATH}/{session_id}")
        assert status == 403
        assert "another machine" in body["error"]["message"]
        assert caller.health_count() == 1
