"""KATO's own calls about one session, on a fake transport and on the simulator."""

import json
from pathlib import Path

import httpx
import pytest

from kato_panel.errors import PayloadError, SourceUnavailable
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.sources import payloads
from kato_panel.sources.kato_sessions import KatoSessions
from tests.following import Caller

RECORDED = Path(__file__).parents[1] / "recorded"
SESSION = "session-" + "ab" * 16 + "-1795381221106"


def recorded(name):
    """What KATO answered, as it was recorded."""
    path = RECORDED / f"kato-3.10.1-2026-11-22-c584167-{name}.json"
    answer = json.loads(path.read_text())["response"]
    return answer["status"], answer["body"]


def answering(*answers):
    """KATO's calls with these answers, and what was asked."""
    left, asked = list(answers), []

    async def answer(request):
        asked.append((request.method, request.url.raw_path.decode()))
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        status, body = given
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, stream=httpx.ByteStream(content))

    return KatoSessions("http://kato/", transport=httpx.MockTransport(answer)), asked


async def test_recorded_answers_are_understood():
    """A session, its existence, its delete, and the 404 in both shapes."""
    kato, asked = answering(
        recorded("get_session_ok"),
        recorded("get_session_404"),
        recorded("get_session_after_delete"),
        recorded("get_session_exists_true"),
        recorded("get_session_exists_false"),
        recorded("delete_session_ok"),
        recorded("delete_session_404_again"),
        recorded("get_session_stm_404"),
    )
    reading = await kato.read(SESSION)
    assert reading.row.node_id == "rec-node-2"
    assert reading.row.ttl_remaining_seconds == 119
    assert reading.row.ttl_seconds is None
    assert reading.row.expires_at.isoformat() == "2026-11-22T20:27:23.827081+00:00"
    assert reading.value["metadata"] == {"team": "demo", "n": 1}
    assert [await kato.read(SESSION) for _ in range(2)] == [None, None]
    assert [await kato.exists(SESSION) for _ in range(2)] == [True, False]
    assert [await kato.delete(SESSION) for _ in range(3)] == [True, False, False]
    await kato.close()
    await kato.close()
    assert asked[0] == ("GET", f"/sessions/{SESSION}")
    assert asked[3] == ("GET", f"/sessions/{SESSION}/exists")
    assert asked[5] == ("DELETE", f"/sessions/{SESSION}")


@pytest.mark.parametrize(
    "answer",
    [
        (404, {"detail": "Not Found"}),
        (404, b"<html>nginx</html>"),
        (404, {"error": "SESSION_NOT_FOUND"}),
        (500, b"Internal Server Error"),
        (307, b""),
        (204, b""),
    ],
)
async def test_answer_that_is_not_katos_is_no_answer(answer):
    """A 404 of somebody else says nothing about a session."""
    kato, _ = answering(answer, answer)
    with pytest.raises(PayloadError):
        await kato.delete(SESSION)
    with pytest.raises(PayloadError):
        await kato.read(SESSION)


@pytest.mark.parametrize("body", [{}, {"exists": None}, {"exists": "true"}, {"exists": 1}])
async def test_existence_is_yes_or_no(body):
    """Anything else is a failure to look."""
    kato, _ = answering((200, body))
    with pytest.raises(PayloadError, match="exists is"):
        await kato.exists(SESSION)
    await kato.close()


@pytest.mark.parametrize("call", ["delete", "exists", "read"])
async def test_no_call_about_a_session_is_made_twice(call):
    """Where a connection broke before the answer, nobody knows what became of the first."""
    kato, asked = answering(httpx.ReadError("broken"))
    with pytest.raises(SourceUnavailable, match="connection failed: ReadError"):
        await getattr(kato, call)(SESSION)
    await kato.close()
    assert len(asked) == 1


async def test_no_id_leads_out_of_its_path():
    """Whatever passed the check before."""
    kato, asked = answering((404, {"detail": "Session x not found"}))
    assert await kato.delete("../cache/invalidate?x#y%2e") is False
    assert asked == [("DELETE", "/sessions/..%2Fcache%2Finvalidate%3Fx%23y%252e")]
    assert payloads.session_path("a/b") == "/sessions/a%2Fb"


async def test_delete_after_katos_connection_has_died():
    """A status 500 of KATO kills its connection silently; a delete has one of its own."""
    with EmbeddedSimulator(rate=0, initial=0) as simulator:
        caller = Caller(simulator.url)
        kato = KatoSessions(simulator.url)
        ids = [caller.create() for _ in range(3)]
        for session_id in ids:
            assert await kato.exists(session_id)
            assert await kato.delete(session_id)
            assert not await kato.delete(session_id)
        await kato.close()
        assert caller.health_count() == 0
