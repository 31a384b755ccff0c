"""The directory with KATO's Redis: a page of the list, and one session's detail."""

import asyncio
import json
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest

from kato_panel import indexing, messages
from kato_panel.domain.actions import Result
from kato_panel.domain.listing import Query
from kato_panel.errors import QueryError, SessionUnknown, SourceUnavailable
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.sources import payloads
from tests.conftest import Size
from tests.directory_rig import HOSTILE, keyed, lefts, running, value
from tests.following import Caller
from tests.sources.redis_rig import RedisRig, Writer
from tests.sources.test_redis import ACL, ALLOWED

WRONG_TYPE = "session-" + "ab" * 16 + "-1795381221106"
NO_JSON = ["{", "[]", '{"node_id": "a", "node_id": "b"}', '{"x": NaN}', "\x00", "[" * 5_000]


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    rig = RedisRig(tmp_path_factory.mktemp("redis"))
    yield rig
    rig.kill()


@pytest.fixture
def rig(redis):
    """A Redis that has nothing yet."""
    with redis.client() as client:
        client.flushall()
    return redis


@pytest.fixture
def writer(rig):
    writer = Writer(rig)
    yield writer
    writer.close()


async def test_row_has_what_key_and_value_say(rig, writer):
    """Who, since when, until when, and how much."""
    session_id = writer.create(ttl_seconds=600, value=value("node-x"))
    with keyed(rig, 1) as runtime:
        page = await runtime.sessions.list(Query())
    (row,) = page.rows
    assert (page.total, page.skip, page.limit) == (1, 0, 50)
    assert (page.complete, page.source) == (True, "redis")
    assert abs(datetime.now(UTC) - page.at) < timedelta(seconds=5)
    assert (row.session_id, row.node_id) == (session_id, "node-x")
    assert row.created_at == datetime(2026, 11, 22, 21, 0, 21, 106758, UTC)
    assert row.last_accessed == datetime(2026, 11, 22, 21, 5, tzinfo=UTC)
    assert 590 < row.ttl_remaining_seconds <= 600
    assert row.expires_at == page.at + timedelta(seconds=row.ttl_remaining_seconds)
    assert (row.ttl_seconds, row.stm_length, row.access_count) == (3600, 2, 4)
    assert not row.is_gone


async def test_pages_search_filter_and_menu(rig, writer):
    """Over 130 sessions of three nodes, newest first."""
    made = [writer.create(f"node-{number % 3}", value=None) for number in range(130)]
    with keyed(rig, 130) as runtime:
        runtime.reader.until(lambda _: all(runtime.sessions._record(one).node_id for one in made))
        pages = [
            await runtime.sessions.list(Query(skip=skip, sort="session"))
            for skip in (0, 50, 100, 150)
        ]
        listed = [row.session_id for page in pages for row in page.rows]
        assert listed == sorted(made, reverse=True)
        (found,) = (await runtime.sessions.list(Query(search=made[7][8:30].upper()))).rows
        assert found.session_id == made[7]
        filtered = await runtime.sessions.list(Query(node="node-1"))
        assert filtered.total == 43
        assert {row.node_id for row in filtered.rows} == {"node-1"}
        assert await runtime.sessions.nodes() == (("node-0", 44), ("node-1", 43), ("node-2", 43))


async def test_births_and_ends_are_in_the_next_page(rig, writer):
    """The index is made anew once somebody came or went."""
    first = writer.create()
    with keyed(rig, 1) as runtime:
        assert (await runtime.sessions.list(Query())).total == 1
        second = writer.create("node-b")
        runtime.reader.until(lambda seen: seen.active == 2)
        assert {row.session_id for row in (await runtime.sessions.list(Query())).rows} == {
            first,
            second,
        }
        writer.delete(first)
        runtime.reader.until(lambda seen: seen.active == 1)
        page = await runtime.sessions.list(Query())
        assert [row.session_id for row in page.rows] == [second]


async def test_session_that_ends_before_it_is_read_is_marked_gone(rig, writer):
    """With what the ledger knew of it; nothing is invented."""
    session_id = writer.create("node-g")
    with keyed(rig, 1) as runtime:
        await runtime.sessions.list(Query())
        source = next(one for one in runtime.watcher._sources if one.name == "redis")
        writer.redis.delete(payloads.session_key(session_id))
        _, rows = await asyncio.wrap_future(runtime.watcher.submit(source.read_rows([session_id])))
    assert rows[session_id].is_gone
    assert rows[session_id].ttl_remaining_seconds is None


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_names_and_metadata_stay_text(rig, writer, caplog, name):
    """They can be listed, searched, described and written as JSON; a log line stays one line."""
    text = HOSTILE[name]
    session_id = writer.create(value=value(text, metadata={text: [text, {"deep": text}]}))
    with caplog.at_level(logging.DEBUG), keyed(rig, 1) as runtime:
        page = await runtime.sessions.list(Query(sort="node"))
        detail = await runtime.sessions.detail(session_id)
        (row,) = page.rows
        assert row.node_id == text.replace("\ud800", "\ufffd")[:256]
        written = messages.session_page(page).model_dump_json().encode()
        assert json.loads(written)["sessions"][0]["node_id"] == row.node_id
        sound = text.replace("\ud800", "?")
        assert detail.reading.value["metadata"] == {sound: [sound, {"deep": sound}]}
        messages.session_detail(detail).model_dump_json().encode()
        runtime.reader.until(lambda _: runtime.sessions._record(session_id).node_id)
        found = await runtime.sessions.list(Query(search=row.node_id[:50].lower()))
        assert found.total == 1
    assert all("\n" not in line.getMessage() for line in caplog.records)


async def test_odd_keys_have_a_row_and_no_value(rig, writer):
    """A list, a value of 2 MiB, what is no JSON: the list goes on, and the detail says why."""
    large = writer.create(value=value(metadata={"x": "y" * (2 << 20)}))
    broken = [writer.create(value=text) for text in NO_JSON]
    writer.redis.rpush(payloads.session_key(WRONG_TYPE), "x")
    writer.redis.sadd(payloads.INDEX_KEY, WRONG_TYPE)
    well = writer.create(value=value("node-w"))
    with keyed(rig, 3 + len(NO_JSON)) as runtime:
        page = await runtime.sessions.list(Query())
        rows = {row.session_id: row for row in page.rows}
        assert set(rows) == {large, WRONG_TYPE, well, *broken}
        assert rows[well].node_id == "node-w"
        for session_id in (large, WRONG_TYPE, *broken):
            assert (rows[session_id].stm_length, rows[session_id].is_gone) == (None, False)
            assert rows[session_id].created_at is not None
            detail = await runtime.sessions.detail(session_id)
            assert detail.reading.value is None
            assert detail.reading.trouble
        told = (await runtime.sessions.detail(large)).reading
        assert told.value_bytes > 2 << 20
        assert "bytes long, must be at most 1048576" in told.trouble
        wrong = (await runtime.sessions.detail(WRONG_TYPE)).reading
        assert wrong.trouble == "its key does not hold a text"


async def test_page_of_large_values_is_bounded(rig, writer):
    """What does not fit has its row from key and ledger."""
    made = [writer.create(value=value(metadata={"x": "y" * 200_000})) for _ in range(40)]
    with keyed(rig, 40) as runtime:
        page = await runtime.sessions.list(Query())
    read = [row for row in page.rows if row.stm_length is not None]
    assert len(page.rows) == len(made)
    assert 15 <= len(read) < 25


async def test_key_without_a_time_to_live_never_expires(rig, writer):
    """Unknown is no zero."""
    session_id = writer.create(value=value())
    writer.redis.persist(payloads.session_key(session_id))
    with keyed(rig, 1) as runtime:
        (row,) = (await runtime.sessions.list(Query(sort="expires"))).rows
    assert (row.expires_at, row.ttl_remaining_seconds, row.is_gone) == (None, None, False)


async def test_looking_moves_nothing_and_asks_only_what_is_allowed(rig, writer, size: Size):
    """Lists, searches and details: every time to live only falls, and each command reads."""
    seconds = size.n(1, 60)
    made = [writer.create(value=value()) for _ in range(100)]
    with rig.client() as spy, spy.monitor() as monitor, keyed(rig, 100) as runtime:
        before, began, rounds = lefts(writer, made), time.monotonic(), 0
        while rounds < len(made) or time.monotonic() - began < seconds:
            await runtime.sessions.list(Query(skip=rounds % 2 * 30, limit=30))
            await runtime.sessions.list(Query(search="node", limit=30, sort="node"))
            await runtime.sessions.detail(made[rounds % len(made)])
            rounds += 1
        after, spent = lefts(writer, made), time.monotonic() - began
        writer.redis.echo("the end")
        seen = []
        while True:
            told = monitor.next_command()
            if told["command"] == "ECHO the end":
                break
            seen.append(told)
    most = 1_000 * spent + 50
    assert all(-1 <= old - new <= most for old, new in zip(before, after, strict=True))
    # The writer's own commands are those of the client that asked for the echo.
    own = f"{told['client_address']}:{told['client_port']}"
    ours = [
        one["command"].split()
        for one in seen
        if f"{one['client_address']}:{one['client_port']}" != own
    ]
    assert {words[0].upper() for words in ours} <= ALLOWED
    assert sum(words[0].upper() == "MGET" for words in ours) >= 100
    size.record(
        f"Redis' own monitor, {seconds} s of lists, searches and details of idle sessions",
        seed="none",
        n=len(ours),
        result=f"commands outside the list: 0; times to live that rose: 0 of {len(made)}",
    )


async def test_user_who_may_only_read_is_enough(rig, writer):
    """The user that the documents name."""
    writer.redis.execute_command("ACL", "SETUSER", "panel", "on", ">s3cret", *ACL)
    session_id = writer.create(value=value())
    url = f"redis://panel:s3cret@127.0.0.1:{rig.port}/0"
    with running(redis_url=url) as runtime:
        runtime.reader.until(lambda seen: seen.active == 1)
        assert (await runtime.sessions.list(Query())).rows[0].access_count == 4
        assert (await runtime.sessions.detail(session_id)).reading.value["ttl_seconds"] == 3600


async def test_redis_away_is_no_empty_list(rig, writer):
    """It is refused with the reason, also where nothing would have fitted; then it is back."""
    session_id = writer.create(value=value())
    with keyed(rig, 1) as runtime:
        rig.kill()
        runtime.reader.until(lambda seen: seen.snapshot.is_stale)
        for question in (
            runtime.sessions.list(Query()),
            runtime.sessions.list(Query(search="nobody")),
            runtime.sessions.detail(session_id),
        ):
            with pytest.raises(SourceUnavailable, match="Redis is away: connection refused"):
                await question
        rig.start()
        runtime.reader.until(lambda seen: not seen.snapshot.is_stale)
        assert (await runtime.sessions.list(Query())).total == 1


async def test_nothing_is_listed_before_the_first_look_has_ended():
    """Where nobody answers from the start."""
    with running(redis_url="redis://127.0.0.1:1/0") as runtime:
        with pytest.raises(SourceUnavailable, match="first look at all keys has not ended yet"):
            await runtime.sessions.list(Query())
        with pytest.raises(SourceUnavailable, match="Redis is away"):
            await runtime.sessions.detail(WRONG_TYPE)
    with pytest.raises(SourceUnavailable, match="the watcher is not running"):
        await runtime.sessions.list(Query())


async def test_detail_has_value_time_left_and_life(rig, writer):
    """Before and after the end."""
    with keyed(rig) as runtime:
        session_id = writer.create(ttl_seconds=600, value=value())
        runtime.reader.until(lambda seen: seen.active == 1)
        detail = await runtime.sessions.detail(session_id, may_touch=True)
        assert (detail.source, detail.has_touched) == ("redis", False)
        assert detail.reading.value == json.loads(value())
        assert detail.reading.value_bytes == len(value())
        assert 590 < detail.reading.row.ttl_remaining_seconds <= 600
        life = [(mark.what, mark.how, mark.reason) for mark in detail.timeline]
        assert sorted(life) == [
            ("accessed", "value", None),
            ("created", "key event", None),
            ("expires", "value", None),
        ]
        writer.delete(session_id)
        runtime.reader.until(lambda seen: seen.active == 0)
        detail = await runtime.sessions.detail(session_id)
        assert (detail.reading.row.is_gone, detail.reading.value) == (True, None)
        assert detail.reading.row.node_id == "node-a"
        assert ("ended", "key event", "deleted") in [
            (mark.what, mark.how, mark.reason) for mark in detail.timeline
        ]


async def test_unknown_and_odd_ids_are_told_apart(rig):
    """One that nobody knows, and what is no id at all."""
    with keyed(rig) as runtime:
        with pytest.raises(SessionUnknown, match="is not known"):
            await runtime.sessions.detail(WRONG_TYPE)
        with pytest.raises(QueryError, match="session_id is"):
            await runtime.sessions.detail("../_active_index")


async def test_visits_that_ask_at_once_share_one_index(rig, writer, monkeypatch):
    """Twenty questions, one index."""
    writer.create()
    made = []
    with keyed(rig, 1) as runtime:
        index = indexing.Index
        monkeypatch.setattr(indexing, "Index", lambda lives: made.append(lives) or index(lives))
        await asyncio.gather(*(runtime.sessions.list(Query(skip=skip)) for skip in range(20)))
    assert len(made) == 1


async def test_delete_through_kato_is_gone_from_the_list(rig):
    """KATO and its Redis together: each outcome, and the list after it."""
    with (
        EmbeddedSimulator(rate=0, initial=5, redis_url=rig.url) as simulator,
        running(simulator.url, rig.url, KATO_PANEL_ALLOW_ACTIONS="true") as runtime,
    ):
        runtime.listens_on = ("127.0.0.1",)
        runtime.reader.until(lambda seen: seen.active == 5)
        page = await runtime.sessions.list(Query())
        assert all(row.ttl_remaining_seconds is not None for row in page.rows)
        first, second = (row.session_id for row in page.rows[:2])
        Caller(simulator.url).delete(second)
        outcomes = await runtime.sessions.delete([first, second], "tester")
        assert [outcome.result for outcome in outcomes] == [Result.DELETED, Result.NOT_FOUND]
        runtime.reader.until(lambda seen: seen.active == 3)
        listed = {row.session_id for row in (await runtime.sessions.list(Query())).rows}
        assert listed == {row.session_id for row in page.rows[2:]}
        detail = await runtime.sessions.detail(first)
        assert detail.timeline[-1].reason == "deleted"


async def test_index_that_is_dear_is_used_for_a_while(rig, writer, monkeypatch):
    """Neither a birth nor what more is known makes the next page wait; then it is there."""
    monkeypatch.setattr(indexing, "INDEX_SHARE", 1e9)
    monkeypatch.setattr(indexing, "MAX_INDEX_SECONDS", 1e9)
    writer.create()
    with keyed(rig, 1) as runtime:
        assert (await runtime.sessions.list(Query())).total == 1
        writer.create("node-b")
        runtime.reader.until(lambda seen: seen.active == 2)
        assert (await runtime.sessions.list(Query())).total == 1
        runtime.sessions._indexing.expire()
        assert (await runtime.sessions.list(Query())).total == 2
        runtime.sessions._kept.amendments += 1
        runtime.sessions._indexing.expire()
        before = runtime.sessions._indexing._index
        assert (await runtime.sessions.list(Query())).total == 2
        await asyncio.wrap_future(runtime.watcher.submit(renewed(runtime.sessions._indexing)))
        assert runtime.sessions._indexing._index is not before


async def renewed(indexing):
    await indexing._renewing
