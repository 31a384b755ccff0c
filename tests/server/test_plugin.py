"""Our routes in somebody else's application, as ``panel serve --plugins`` mounts them."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from kato_panel.server import endpoint
from kato_panel.server.api import make_feed, routes
from tests.asking import still_runtime
from tests.feed_rig import Counter, serving
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
PASSWORD = "a password of Panel's"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
OURS = ("/ws", "/metrics", "/readyz", "/api/v1/sessions/count", "/api/v1/sessions",
        "/api/v1/events", "/api/v1/openapi.json", "/api/nothing")  # fmt: skip


@pytest.fixture(scope="module")
def behind_panels_login(tmp_path_factory):
    """Plain ``panel serve`` with its own login, and our plugin."""
    folder = tmp_path_factory.mktemp("panel")
    port = free_port()
    command = [
        *(sys.executable, "-m", "panel", "serve", str(ROOT / "app.py"), "--port", str(port)),
        *("--plugins", "kato_panel.server"),
        *("--basic-auth", PASSWORD, "--cookie-secret", "a secret of Panel's"),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KATO_API_URL": "http://127.0.0.1:1",
    }
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = []
    while not any("Bokeh app running" in line for line in lines):
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.communicate(timeout=60)


def test_panels_own_login_locks_our_routes(behind_panels_login):
    """Whoever may not see the page sees nothing by any of them; whoever has logged in, all."""
    with httpx.Client(base_url=behind_panels_login, trust_env=False) as client:
        for path in OURS:
            answer = client.get(path, headers=UPGRADE if path == "/ws" else {})
            assert (path, answer.status_code) == (path, 401)
            assert answer.json()["error"]["code"] == "unauthorized"
        assert client.delete("/api/v1/sessions/x").status_code == 401
        assert client.get("/healthz").status_code == 200
        client.post("/login", data={"username": "anna", "password": "a guess"})
        assert client.get("/metrics").status_code == 401
        client.post("/login", data={"username": "anna", "password": PASSWORD})
        seen = {path: client.get(path).status_code for path in OURS}
        assert set(seen.values()).isdisjoint({401, 403})
        assert (seen["/ws"], seen["/metrics"], seen["/api/v1/sessions/count"]) == (400, 200, 200)


@pytest.mark.parametrize("is_later", [False, True])
async def test_provider_is_asked_at_once_or_later(is_later):
    """As Bokeh asks it: a login elsewhere answers with a wait."""
    people = iter([None, "", "anna"])

    async def later(request):
        return next(people)

    def at_once(request):
        return next(people)

    provider = SimpleNamespace(
        get_user=None if is_later else at_once, get_user_async=later if is_later else None
    )
    application = Application(routes(still_runtime()))
    application.auth_provider = provider
    server = HTTPServer(application)
    listening, port = bind_unused_port()
    server.add_socket(listening)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        seen = [(await client.get("/api/v1/sessions/count")).status_code for _ in range(3)]
    server.stop()
    await server.close_all_connections()
    assert seen == [401, 401, 200]


async def test_client_that_answers_no_ping_is_cut(monkeypatch):
    """Whatever the application is set to; one that answers stays."""
    monkeypatch.setattr(endpoint, "PING_SECONDS", 0.2)
    async with serving() as rig, rig.client() as well:
        await well.greeted()
        dead = await Counter.open(rig.port, is_mute=True)
        await dead.until(lambda _: False)
        assert rig.feed.clients == 1
        await well.settled()


async def test_site_that_is_listed_may_open_our_socket():
    """The guard has judged; no other site may."""
    async with serving(KATO_PANEL_ALLOWED_ORIGINS="https://other.example") as rig:
        async with rig.client(origin="https://other.example") as peer:
            await peer.greeted()
        for origin in ("https://evil.example", f"https://127.0.0.1:{rig.port}"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(rig.ws, proxy=None, origin=origin)
            assert refused.value.response.status_code == 403


async def test_network_of_ipv6_counts_as_one_address(monkeypatch):
    """As the tries at the login do: who has one address there has as many as he likes."""
    monkeypatch.setattr(endpoint, "MAX_CLIENTS_PER_ADDRESS", 2)
    async with serving(KATO_PANEL_TRUSTED_PROXIES="127.0.0.1") as rig:

        def come_from(address):
            return rig.client(additional_headers={"X-Forwarded-For": address})

        async with come_from("2001:db8::1") as one, come_from("2001:db8::2"):
            await one.greeted()
            with pytest.raises(InvalidStatus) as refused:
                await come_from("2001:db8::3").__aenter__()
            assert refused.value.response.status_code == 503
            async with come_from("2001:db8:0:1::1") as other:
                await other.greeted()


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"Connection": "keep-alive"}, 400, "bad_request"),
        ({"Sec-WebSocket-Version": "12"}, 426, "upgrade_required"),
        ({"Sec-WebSocket-Key": ""}, 400, "bad_request"),
    ],
)
async def test_upgrade_that_is_none_is_refused_in_json(changed, status, code):
    """As all that we refuse."""
    runtime = still_runtime()
    feed = make_feed(runtime)
    server = HTTPServer(Application(routes(runtime, feed)))
    listening, port = bind_unused_port()
    server.add_socket(listening)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        answer = await client.get("/ws", headers={**UPGRADE, **changed})
    server.stop()
    await server.close_all_connections()
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["error"]["code"] == code
