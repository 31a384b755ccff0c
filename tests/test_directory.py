"""The directory without Redis, and deletes, on the simulator."""

import asyncio
import logging
import os
import threading
import time

import httpx
import pytest

from kato_panel.deletes import Deletes
from kato_panel.directory import SessionDirectory
from kato_panel.domain.actions import ActionsState, Outcome, Result
from kato_panel.domain.listing import Query
from kato_panel.domain.named import NamedSessions
from kato_panel.errors import (
    ActionRefused,
    PayloadError,
    QueryError,
    ReadWouldTouch,
    SessionUnknown,
    SourceUnavailable,
)
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.sources import payloads
from kato_panel.watcher import now
from tests.directory_rig import running
from tests.following import Caller

UNKNOWN = "session-" + "ab" * 16 + "-1795381221106"
ODD = ["../cache/invalidate", "count", UNKNOWN + "/../x", UNKNOWN.upper(), "", 7, None]


@pytest.fixture
def simulator():
    with EmbeddedSimulator(rate=0, initial=3) as simulator:
        yield simulator


@pytest.fixture
def caller(simulator):
    return Caller(simulator.url)


def calls_of(simulator):
    answer = httpx.get(f"{simulator.url}/_simulator/requests", trust_env=False)
    return answer.json()["requests"]


def count_calls(simulator, part):
    return sum(number for call, number in calls_of(simulator).items() if part in call)


async def until(claim, timeout_seconds=15):
    """Ask until it is so."""
    async with asyncio.timeout(timeout_seconds):
        while not await claim():
            pass


async def test_sessions_the_stream_has_named_are_listed_as_incomplete(simulator, caller):
    """Id, node and creation; of the rest nobody knows. What was there before is not in it."""
    with running(simulator.url) as runtime:
        runtime.reader.until(lambda seen: seen.active == 3 and seen.link == "live")
        made = [caller.create(f"node-{number}") for number in range(4)]
        runtime.reader.until(lambda seen: seen.active == 7)
        page = await runtime.sessions.list(Query(sort="session", order="asc", limit=3))
        assert [row.session_id for row in page.rows] == sorted(made)[:3]
        assert (page.total, page.complete, page.source) == (4, False, "stream")
        row = page.rows[0]
        assert row.node_id == f"node-{made.index(row.session_id)}"
        assert row.created_at == payloads.created_in(row.session_id)
        assert (row.ttl_remaining_seconds, row.stm_length, row.access_count) == (None, None, None)
        assert (await runtime.sessions.nodes())[0] == ("node-0", 1)
        caller.delete(made[0])
        runtime.reader.until(lambda seen: seen.active == 6)
        assert (await runtime.sessions.list(Query())).total == 3


async def test_existence_is_checked_at_most_once_a_second(monkeypatch):
    """However many ask; who has expired leaves the list, and no life is moved."""
    clock = [1_795_000_000.0]
    monkeypatch.setattr("kato_panel.domain.named.RECHECK_SECONDS", 0.0)
    with (
        EmbeddedSimulator(rate=0, initial=0, clock=lambda: clock[0]) as simulator,
        running(simulator.url) as runtime,
    ):
        runtime.reader.until(lambda seen: seen.link == "live")
        caller = Caller(simulator.url)
        for _ in range(3):
            caller.create()
        runtime.reader.until(lambda seen: seen.active == 3)
        began = time.monotonic()

        async def has_two_checks():
            await asyncio.gather(*(runtime.sessions.list(Query()) for _ in range(5)))
            return count_calls(simulator, "exists") >= 2

        await until(has_two_checks)
        clock[0] += 3_601

        async def is_empty():
            return (await runtime.sessions.list(Query())).total == 0

        await until(is_empty)
        spent_seconds = time.monotonic() - began
        assert 4 <= count_calls(simulator, "exists") <= 1 + spent_seconds
        reads = count_calls(simulator, "GET /sessions/{session_id}")
        assert reads == count_calls(simulator, "exists")


async def test_check_that_fails_says_nothing_of_the_session(simulator, caller, monkeypatch):
    """It stays in the list, and others are checked on."""
    monkeypatch.setattr("kato_panel.domain.named.RECHECK_SECONDS", 0.0)
    with running(simulator.url) as runtime:
        runtime.reader.until(lambda seen: seen.link == "live")
        caller.create()
        runtime.reader.until(lambda seen: seen.active == 4)
        asked = []

        async def exists(session_id):
            asked.append(session_id)
            raise PayloadError("answered 500")

        monkeypatch.setattr(runtime.sessions._kato, "exists", exists)

        async def is_asked_twice():
            assert (await runtime.sessions.list(Query())).total == 1
            return len(asked) >= 2

        await until(is_asked_twice)


async def test_nobody_looks_nobody_asks(simulator, caller):
    """Without a list there is no check; and where no name can come, there is no list."""
    with running(simulator.url) as runtime:
        runtime.reader.until(lambda seen: seen.link == "live")
        caller.create()
        runtime.reader.until(lambda seen: seen.active == 4)
        assert runtime.sessions._checking is None
        assert count_calls(simulator, "exists") == 0
    with running(simulator.url, KATO_PANEL_STREAM="off") as runtime:
        with pytest.raises(SourceUnavailable, match="neither Redis nor the stream is followed"):
            await runtime.sessions.list(Query())
        with pytest.raises(SourceUnavailable, match="neither Redis nor the stream is followed"):
            await runtime.sessions.nodes()


async def test_detail_without_redis_reads_only_when_told_to(simulator, caller):
    """KATO's own read moves the session's life: one call, after a yes."""
    with running(simulator.url) as runtime:
        session_id = caller.create("node-d")
        with pytest.raises(ReadWouldTouch, match="whole time to live again"):
            await runtime.sessions.detail(session_id)
        reads = "GET /sessions/{session_id}"
        assert calls_of(simulator).get(reads, 0) == 0
        detail = await runtime.sessions.detail(session_id, may_touch=True)
        assert calls_of(simulator)[reads] == 1
        assert (detail.source, detail.has_touched) == ("http", True)
        assert detail.reading.row.node_id == detail.reading.value["node_id"] == "node-d"
        assert 3_590 < detail.reading.row.ttl_remaining_seconds <= 3_600
        assert detail.reading.row.expires_at is not None
        with pytest.raises(SessionUnknown):
            await runtime.sessions.detail(UNKNOWN, may_touch=True)


async def test_session_found_gone_by_its_detail_leaves_the_list(simulator, caller):
    """Its end was not told, as at expiry."""
    with running(simulator.url) as runtime:
        runtime.reader.until(lambda seen: seen.link == "live")
        session_id = caller.create()
        runtime.reader.until(lambda seen: seen.active == 4)
        runtime.watcher._overhear = None  # the end is not heard
        caller.delete(session_id)
        with pytest.raises(SessionUnknown):
            await runtime.sessions.detail(session_id, may_touch=True)
        assert (await runtime.sessions.list(Query())).total == 0


@pytest.mark.parametrize(
    ("listens_on", "allows", "reason"),
    [
        (("127.0.0.1",), "false", "KATO_PANEL_ALLOW_ACTIONS is false"),
        (("0.0.0.0",), "true", "listens on 0.0.0.0"),
        (None, "true", "only kato-panel serve knows"),
    ],
)
async def test_forged_order_deletes_nothing(caller, caplog, listens_on, allows, reason):
    """Whoever calls, and whatever a page was made to send."""
    url = caller.url
    with running(url, KATO_PANEL_ALLOW_ACTIONS=allows) as runtime:
        runtime.listens_on = listens_on
        session_id = caller.create()
        assert runtime.sessions.actions.allowed is False
        with pytest.raises(ActionRefused, match=reason):
            await runtime.sessions.delete([session_id], "forger\r\nINFO all is well")
    assert count_calls(caller, "DELETE") == 0
    assert caller.health_count() == 4
    lines = [line.getMessage() for line in caplog.records if "refused" in line.getMessage()]
    assert any("'forger\\r\\nINFO all is well'" in line for line in lines)


@pytest.mark.parametrize("odd", ODD)
async def test_odd_ids_reach_no_address(simulator, caller, odd):
    """Neither alone nor among good ones: nothing of such an order is carried out."""
    with running(simulator.url, KATO_PANEL_ALLOW_ACTIONS="true") as runtime:
        runtime.listens_on = ("127.0.0.1",)
        good = caller.create()
        with pytest.raises(QueryError):
            await runtime.sessions.delete([good, odd], "tester")
        with pytest.raises(QueryError):
            await runtime.sessions.detail(odd, may_touch=True)
    paths = set(calls_of(simulator))
    assert not any("DELETE" in path or "cache" in path for path in paths)


async def test_each_delete_has_its_outcome_and_its_audit(simulator, caller, caplog):
    """Deleted, not found in either shape, failed; each once, in the order given."""
    audit = []
    caplog.set_level(logging.INFO)
    with running(simulator.url, KATO_PANEL_ALLOW_ACTIONS="true") as runtime:
        runtime.listens_on = ("127.0.0.1",)
        runtime.sessions._deletes._audit = audit.append
        first, second, third = (caller.create() for _ in range(3))
        caller.delete(second)
        outcomes = await runtime.sessions.delete([first, second, first, UNKNOWN, third], "tester")
        assert outcomes == (
            Outcome(first, Result.DELETED),
            Outcome(second, Result.NOT_FOUND),
            Outcome(UNKNOWN, Result.NOT_FOUND),
            Outcome(third, Result.DELETED),
        )
        assert count_calls(simulator, "DELETE") - 1 == 4
        assert [(row.subject, row.result) for row in audit] == [
            (outcome.session_id, outcome.result) for outcome in outcomes
        ]
        assert {(row.who, row.action) for row in audit} == {("tester", "delete")}
        assert f"delete of '{first}' by 'tester': deleted" in caplog.text
        with pytest.raises(QueryError, match="session_ids is 21"):
            await runtime.sessions.delete([UNKNOWN] * 21, "tester")


async def test_once_kato_is_away_the_rest_is_not_tried(simulator, caller):
    """And of the one that was tried nobody knows."""
    audit = []
    with running(simulator.url, KATO_PANEL_ALLOW_ACTIONS="true") as runtime:
        runtime.listens_on = ("127.0.0.1",)
        runtime.sessions._deletes._audit = audit.append
        ids = [caller.create() for _ in range(3)]
        simulator.stop()
        outcomes = await runtime.sessions.delete(ids, "tester")
    assert [outcome.result for outcome in outcomes] == [Result.FAILED] * 3
    assert outcomes[0].reason == "connection refused; it may have been deleted all the same"
    assert outcomes[2].reason == "not tried: connection refused"
    assert len(audit) == 3


async def test_odd_answer_is_a_failure_and_the_rest_goes_on(simulator, caller):
    """A status 500 for one says nothing of the others."""
    with running(simulator.url, KATO_PANEL_ALLOW_ACTIONS="true") as runtime:
        runtime.listens_on = ("127.0.0.1",)
        ids = [caller.create() for _ in range(2)]
        answers = [PayloadError("answered 500 to DELETE"), True]

        async def delete(_):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        runtime.sessions._deletes._deleter.delete = delete
        outcomes = await runtime.sessions.delete(ids, "tester")
    assert outcomes[0] == Outcome(ids[0], Result.FAILED, "answered 500 to DELETE")
    assert outcomes[1].result is Result.DELETED


async def test_visit_that_ends_meanwhile_leaves_no_delete_without_its_audit(simulator, caller):
    """What was begun is carried out and noted."""
    audited = threading.Event()
    with running(simulator.url, KATO_PANEL_ALLOW_ACTIONS="true") as runtime:
        runtime.listens_on = ("127.0.0.1",)
        runtime.sessions._deletes._audit = lambda _: audited.set()
        session_id = caller.create()
        deleting = asyncio.create_task(runtime.sessions.delete([session_id], "tester"))
        await asyncio.sleep(0)
        deleting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deleting
        assert await asyncio.to_thread(audited.wait, 5)
    assert caller.health_count() == 3


class Silent:
    """A KATO that never answers."""

    async def exists(self, _):
        await asyncio.Event().wait()

    async def delete(self, _):
        await asyncio.Event().wait()

    read = exists

    async def close(self):
        """Nothing is open."""


async def test_delete_that_the_end_of_the_service_cuts_off_is_noted():
    """As failed, since nobody knows."""
    audit = []
    deletes = Deletes(Silent(), now, lambda: ActionsState(allowed=True), audit.append)
    deleting = asyncio.create_task(deletes.run([UNKNOWN], "tester"))
    await asyncio.sleep(0)
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting
    assert [row.result for row in audit] == ["failed: ended before the answer"]


@pytest.mark.parametrize(
    ("audit", "doubt", "why"),
    [
        (None, "", "the history is off"),
        ([].append, "process 7 writes this history", "process 7 writes this history"),
    ],
)
async def test_delete_without_a_record_is_a_warning(audit, doubt, why, caplog):
    """The log alone knows of it then; and whoever asks is told beforehand."""

    class Deleter:
        async def delete(self, _):
            return True

    state = ActionsState(allowed=True)
    deletes = Deletes(Deleter(), now, lambda: state, audit, lambda: doubt)
    assert deletes.state.unrecorded == why
    await deletes.run([UNKNOWN], "tester")
    (line,) = [record for record in caplog.records if record.levelname == "WARNING"]
    said = line.getMessage()
    assert said == f"delete of '{UNKNOWN}' by 'tester': deleted; no record is kept: {why}"


@pytest.mark.parametrize(
    ("history", "why"),
    [("off", "the history is off"), ("sqlite://", "in memory alone")],
)
def test_who_may_delete_is_told_where_no_record_is_kept(simulator, history, why):
    """Whatever the reason is."""
    with running(
        simulator.url, KATO_PANEL_ALLOW_ACTIONS="true", KATO_PANEL_HISTORY_URL=history
    ) as runtime:
        runtime.listens_on = ("127.0.0.1",)
        assert runtime.sessions.actions.allowed
        assert why in runtime.sessions.actions.unrecorded


def test_second_writer_of_a_history_tells_that_its_deletes_are_not_kept(simulator, tmp_path):
    """With the process that keeps it."""
    settings = {
        "KATO_PANEL_ALLOW_ACTIONS": "true",
        "KATO_PANEL_HISTORY_URL": f"sqlite:///{tmp_path / 'history.db'}",
    }
    with running(simulator.url, **settings) as first, running(simulator.url, **settings) as second:
        first.listens_on = second.listens_on = ("127.0.0.1",)
        assert first.sessions.actions.unrecorded == ""
        assert str(os.getpid()) in second.sessions.actions.unrecorded


async def test_question_that_is_never_answered_ends(monkeypatch):
    """In words, after a bounded time."""
    monkeypatch.setattr("kato_panel.directory.ANSWER_SECONDS", 0.05)
    loop = asyncio.get_running_loop()
    directory = SessionDirectory(
        lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop),
        Silent(),
        now,
        kept=NamedSessions(payloads.created_in),
        deletes=Deletes(Silent(), now, lambda: ActionsState(allowed=False)),
    )
    with pytest.raises(SourceUnavailable, match=r"no answer within 0\.05 s"):
        await directory.detail(UNKNOWN, may_touch=True)


async def test_question_that_the_end_of_the_watcher_cuts_off_is_refused(simulator, caller):
    """The visit that asked is not ended by it; neither is one that asks after the end."""
    asked = threading.Event()
    with running(simulator.url, KATO_PANEL_ALLOW_ACTIONS="true") as runtime:
        runtime.listens_on = ("127.0.0.1",)

        async def never(_):
            asked.set()
            await asyncio.Event().wait()

        runtime.sessions._kato.read = never
        detail = asyncio.create_task(runtime.sessions.detail(UNKNOWN, may_touch=True))
        assert await asyncio.to_thread(asked.wait, 5)
        await asyncio.to_thread(runtime.watcher.stop)
        with pytest.raises(SourceUnavailable, match="the watcher has stopped"):
            await detail
        for question in (
            runtime.sessions.list(Query()),
            runtime.sessions.delete([UNKNOWN], "tester"),
        ):
            with pytest.raises(SourceUnavailable, match="the watcher is not running"):
                await question
