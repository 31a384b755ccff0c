"""What holds for all our routes, and the small ones."""

import pytest

from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.domain.upstream_figures import UpstreamFigures, WorkerMetrics
from kato_panel.hub import Hub
from kato_panel.watcher import now
from tests.asking import asking, still_runtime
from tests.conftest import moment


def hub_of(*sources):
    hub = Hub()
    hub.publish(SessionSnapshot(moment(0), sources=sources), ())
    return hub


SEEN = SourceState("stream", "Stream", Health.UP, moment(0))
FAILED = SourceState("http", "KATO", failures=2, health=Health.DEGRADED, reason="no answer")
HISTORY = SourceState("history", "History", Health.UP, moment(0))
FIGURES = SourceState("figures", "KATO's figures", Health.UP, moment(0))


@pytest.mark.parametrize(
    ("sources", "status"),
    [
        ([], 503),
        ([FAILED, HISTORY], 503),
        ([FAILED, SourceState("docker", "Containers", Health.UP, moment(0))], 503),
        ([FAILED, FIGURES], 503),
        ([SEEN, FAILED], 200),
        ([SourceState("http", "KATO", Health.DOWN, moment(0), 5, "no answer")], 200),
    ],
)
async def test_ready_once_a_source_of_sessions_has_observed(sources, status):
    """The history is none, and what lies beside them; and who was ready stays so."""
    async with asking(still_runtime(hub=hub_of(*sources))) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == status
    assert answer.headers["content-type"].lower() == "application/json; charset=utf-8"


async def test_who_is_not_ready_says_why():
    """In the words of the source, or of the watcher."""
    async with asking(still_runtime(hub=hub_of(FAILED))) as client:
        error = (await client.get("/readyz")).json()["error"]
        assert error == {"code": "not_ready", "message": "KATO: no answer"}
    async with asking(still_runtime()) as client:
        assert (await client.get("/readyz")).json()["error"]["message"].startswith("nothing was")
    async with asking(still_runtime(trouble="the watcher is not running")) as client:
        assert "not running" in (await client.get("/readyz")).json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/api/v1/events", "GET, HEAD, OPTIONS"),
        ("/api/v1/sessions/x", "GET, HEAD, DELETE, OPTIONS"),
        ("/api/v1/sessions/bulk-delete", "POST, OPTIONS"),
    ],
)
async def test_route_tells_its_methods(path, methods):
    """To OPTIONS, and to whoever uses another one; other sites' pages are refused."""
    async with asking(still_runtime()) as client:
        evil = await client.options(path, headers={"Origin": "http://evil.example"})
        assert evil.status_code == (204 if path == "/healthz" else 403)
        told = await client.options(path)
        assert (told.status_code, told.headers["allow"], told.content) == (204, methods, b"")
        assert not [name for name in told.headers if name.startswith("access-control")]
        for method in ("PATCH", "TRACE", "BREW"):
            refused = await client.request(method, path)
            assert (refused.status_code, refused.headers["allow"]) == (405, methods)
            assert refused.json()["error"]["code"] == "method_not_allowed"


async def test_head_is_get_without_a_body():
    """With the same status and headers."""
    async with asking(still_runtime()) as client:
        got = await client.get("/healthz")
        asked = await client.head("/healthz")
        assert (asked.status_code, asked.content) == (200, b"")
        assert asked.headers["content-length"] == got.headers["content-length"]
        assert (await client.head("/api/v1/sessions/bulk-delete")).status_code == 405
        assert (await client.head("/api/v1/events")).status_code == 503


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/sessions/%ff", 400),
        ("/api/v1/sessions/%00", 503),
        ("/api/v1/sessions/x/y", 404),
        ("/api/v1/sessions/", 404),
        ("/api/v1/events/", 404),
        ("/api/v1/openapi_json", 404),
        ("/api/v2/events", 404),
        ("/api/v1/events?%ff=1", 422),
        ("/api/v1/events?=&&=", 422),
        ("/api/v1/events?limit=1&limit=x", 422),
        ("/api/v1/events?since=" + "9" * 3_000, 422),
    ],
)
async def test_odd_address_is_answered_in_the_one_form(path, status):
    """In JSON, in words, and never with a traceback."""
    async with asking(still_runtime()) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) <= {"code", "message", "field"}
    assert len(answer.content) < 500


async def test_what_kato_reports_of_itself_is_told():
    """Before anything was read, too."""
    hub = Hub()
    async with asking(still_runtime(hub=hub)) as client:
        nothing = (await client.get("/api/v1/metrics")).json()
        read = WorkerMetrics(disk_percent=24.4, body={"timestamp": 1.0})
        figures = UpstreamFigures(metrics=read, metrics_at=now())
        hub.publish(None, (), surroundings=Surroundings(figures=figures))
        told = (await client.get("/api/v1/metrics")).json()
    assert (nothing["metrics"], nothing["figures"][0]["value"]) == (None, None)
    assert told["metrics"] == {"timestamp": 1.0}
    (disk,) = [one for one in told["figures"] if one["name"] == "disk_percent"]
    assert (disk["value"], disk["stale"]) == (24.4, False)
