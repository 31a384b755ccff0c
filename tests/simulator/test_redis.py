import contextlib
import json
import time
from datetime import datetime

import httpx
import pytest
from click.testing import CliRunner

from kato_panel.simulator import KeysAwayError
from kato_panel.simulator.__main__ import main
from kato_panel.simulator.kept_world import KeptWorld
from kato_panel.simulator.redis_keys import INDEX_KEY, KEY_PREFIX, RedisKeys
from tests.redis_server import RedisServer

from .conftest import WAIT_SECONDS, receive, recording

EVENTS = ("new", "del", "expired", "evicted")


@pytest.fixture
def redis():
    with RedisServer({"notify-keyspace-events": "Egxen"}) as server:
        yield server


@pytest.fixture
def kept(begin, redis):
    """A simulator on real time whose sessions live in ``redis``."""
    return begin(clock=time.time, redis_url=redis.url)


class Events:
    """Key events of one database, in their order."""

    def __init__(self, client, names=EVENTS, channel="__keyevent@0__:{}"):
        self._pubsub = client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(*(channel.format(name) for name in names))
        for _ in names:
            self._pubsub.get_message(timeout=WAIT_SECONDS)

    def next(self, timeout=WAIT_SECONDS):
        """The next event and its key."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            told = self._pubsub.get_message(timeout=left)
            if told is not None:
                return told["channel"].decode().partition(":")[2], told["data"].decode()
        raise AssertionError(f"no event within {timeout} s")

    def of_session(self):
        """The next event of a session's key; the index is a key, too."""
        while True:
            event, key = self.next()
            if key != INDEX_KEY:
                return event, key.removeprefix(KEY_PREFIX)

    def close(self):
        self._pubsub.close()


@pytest.fixture
def listen(redis):
    with contextlib.ExitStack() as ends:

        def listen_one(*args, **options):
            client = ends.enter_context(redis.client())
            return ends.enter_context(contextlib.closing(Events(client, *args, **options)))

        yield listen_one


def key(session_id):
    return KEY_PREFIX + session_id


def value(redis, session_id):
    return json.loads(redis.cli("GET", key(session_id)))


def until(check):
    """Ask again until it is so, for a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not check():
        assert time.monotonic() < deadline, "it never became so"


def shape(written):
    """Keys in their order, and types; what a session holds may be of any length."""
    if isinstance(written, dict):
        return [(name, shape(inner)) for name, inner in written.items()]
    return type(written).__name__


def test_value_is_as_recorded(kept, redis):
    """The same fields in the same order, of the same types, and the same where nothing varies."""
    recorded = recording("redis_session_value")["value"]
    session_id = kept.create(node_id="node-a", metadata={"team": "demo"})
    written = value(redis, session_id)
    assert shape(written) == shape(recorded)
    assert len(json.dumps(written)) == len(json.dumps(recorded))
    times = ("created_at", "last_accessed", "expires_at", "session_id", "session_config")
    assert {n: v for n, v in written.items() if n not in times} == {
        n: v for n, v in recorded.items() if n not in times
    }
    own = written["session_config"]
    assert (own["session_id"], own["node_id"]) == (session_id, "node-a")
    assert written["last_accessed"] == written["created_at"]
    assert written["created_at"].endswith("+00:00")


def test_a_sessions_own_settings_stand_in_its_value(kept, redis):
    """Settings that were given are there, the others are null."""
    session_id = kept.create(config={"max_predictions": 5, "unknown": 1})
    config = value(redis, session_id)["session_config"]
    assert config["max_predictions"] == 5
    assert config["persistence"] is None
    assert "unknown" not in config


def test_create_and_delete_change_key_and_index(kept, redis):
    """A create makes both, a delete ends both, and the counts are the index's size."""
    ids = [kept.create() for _ in range(3)]
    assert redis.cli("SMEMBERS", INDEX_KEY) == {one.encode() for one in ids}
    assert 3_590_000 < redis.cli("PTTL", key(ids[0])) <= 3_600_000
    assert kept.http.delete(f"/sessions/{ids[0]}").status_code == 200
    assert redis.cli("EXISTS", key(ids[0])) == 0
    assert redis.cli("SCARD", INDEX_KEY) == kept.health() == 2
    assert kept.http.get("/sessions/count").json() == {"active_session_count": 2}
    redis.cli("SADD", INDEX_KEY, "session-of-somebody-else")
    assert kept.health() == 3


def test_speed_divides_the_keys_life(begin, redis):
    """At speed 100 an hour is 36 s, and the value still says an hour."""
    kept = begin(clock=time.time, redis_url=redis.url, speed=100)
    session_id = kept.create()
    assert 30_000 < redis.cli("PTTL", key(session_id)) <= 36_000
    assert value(redis, session_id)["ttl_seconds"] == 3600


def test_use_is_written_and_is_no_birth(redis, listen):
    """The value has the access, the key's TTL starts anew, and no key event tells of it."""
    with contextlib.closing(RedisKeys(redis.url)) as keys:
        world = KeptWorld(keys)
        created = world.create("n", time.time(), ttl_seconds=1_000)
        before = value(redis, created.session_id)
        redis.cli("PEXPIRE", key(created.session_id), 500_000)
        events = listen()
        accessed = created.created_at + 1
        world.use(created.session_id, [["red"], ["cup"]], accessed)
        after = value(redis, created.session_id)
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"last_accessed", "access_count", "stm", "time"}
        assert datetime.fromisoformat(after["last_accessed"]).timestamp() == pytest.approx(accessed)
        assert (after["access_count"], after["stm"]) == (1, [["red"], ["cup"]])
        assert redis.cli("PTTL", key(created.session_id)) > 900_000
        world.delete(created.session_id, accessed)
        assert events.of_session() == ("del", created.session_id)


@pytest.mark.parametrize("path", ["", "/stm", "/config"])
def test_a_read_moves_the_ttl_and_leaves_the_value(path, kept, redis):
    """As recorded: a read sends EXPIRE and writes nothing; /exists does neither."""
    session_id = kept.create(ttl_seconds=1000)
    before = value(redis, session_id)
    redis.cli("PEXPIRE", key(session_id), 500_000)
    assert kept.http.get(f"/sessions/{session_id}/exists").json()["exists"]
    assert redis.cli("PTTL", key(session_id)) <= 500_000
    assert kept.http.get(f"/sessions/{session_id}{path}").status_code == 200
    assert 900_000 < redis.cli("PTTL", key(session_id)) <= 1_000_000
    assert value(redis, session_id) == before


def test_expiry_is_redis_own_and_leaves_the_id_in_the_index(kept, redis, listen):
    """As recorded: the key goes by itself, the count stays, deleting is 404."""
    events = listen(["expired"])
    ids = [kept.create(ttl_seconds=1) for _ in range(5)]
    assert {events.of_session() for _ in ids} == {("expired", one) for one in ids}
    assert kept.health() == redis.cli("SCARD", INDEX_KEY) == 5
    assert kept.http.delete(f"/sessions/{ids[0]}").status_code == 404
    truth = kept.truth()
    assert (truth["live_size"], truth["index_size"]) == (0, 5)
    for one in truth["ended"]:
        assert one["how"] == "expired"
        assert one["ended_at"] - one["created_at"] == pytest.approx(1, abs=0.05)


def test_late_read_deletes(kept, redis, listen):
    """The first read after the stored expiry removes key and index entry."""
    session_id = kept.create(ttl_seconds=1)
    events = listen(["del"])
    redis.cli("PEXPIRE", key(session_id), 60_000)
    until(lambda: time.time() > kept.truth()["live"][0]["created_at"] + 1)
    assert kept.http.get(f"/sessions/{session_id}/exists").json()["expired"]
    assert events.of_session() == ("del", session_id)
    assert kept.health() == redis.cli("SCARD", INDEX_KEY) == 0
    assert [one["how"] for one in kept.truth()["ended"]] == ["expired"]


def test_each_birth_and_end_is_one_key_event_and_reads_are_none(kept, listen):
    """As measured on KATO: `new`, `del` and `expired` once each, nothing for 50 reads."""
    assert recording("keyevent_latency")["events_from_50_reads_and_50_config_updates"] == 0
    events = listen()
    deleted, expiring = kept.create(), kept.create(ttl_seconds=1)
    for _ in range(50):
        kept.http.get(f"/sessions/{deleted}")
    kept.http.post(f"/sessions/{deleted}/extend", params={"ttl_seconds": 600})
    kept.http.delete(f"/sessions/{deleted}")
    last = kept.create()
    seen = [events.of_session() for _ in range(5)]
    assert seen.index(("expired", expiring)) > 1
    seen.remove(("expired", expiring))
    assert seen == [("new", deleted), ("new", expiring), ("del", deleted), ("new", last)]


STEPS = {
    "POST /sessions": ("POST", "/sessions"),
    "GET /sessions/{id}": ("GET", "/sessions/{}"),
    "DELETE /sessions/{id}": ("DELETE", "/sessions/{}"),
}


@pytest.mark.parametrize("step", STEPS)
def test_changes_of_a_key_are_as_recorded(step, kept, redis, listen):
    """The same kinds of change on the same keys, in the same order; repeats aside."""
    redis.configure("notify-keyspace-events", "KEA")
    expected = {(one["key"] == "<session>", one["event"]) for one in steps(step)}
    method, path = STEPS[step]
    session_id = "" if method == "POST" else kept.create()
    names = ("set", "expire", "sadd", "del", "srem")
    redis.configure("notify-keyspace-events", "EA")
    events = listen(names)
    kept.http.request(method, path.format(session_id), json={"node_id": "n"})
    redis.cli("SREM", INDEX_KEY, "nobody")
    redis.cli("SET", "end", "1")
    seen = []
    while (told := events.next()) != ("set", "end"):
        seen.append((told[1] != INDEX_KEY, told[0]))
    assert set(seen) == expected
    recorded = [(one["key"] == "<session>", one["event"]) for one in steps(step)]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(recorded))


def steps(step):
    return [one for one in recording("keyspace_notifications")["log"] if one["step"] == step]


def test_key_is_there_before_frame_and_answer(kept, redis):
    """Whoever hears of a session can read it; of a deleted one, cannot."""
    with kept.stream() as stream:
        receive(stream)
        for _ in range(20):
            session_id = kept.create()
            assert redis.cli("EXISTS", key(session_id)) == 1
            assert receive(stream)["data"]["session_id"] == session_id
            kept.http.delete(f"/sessions/{session_id}")
            assert redis.cli("EXISTS", key(session_id)) == 0
            assert receive(stream)["event_type"] == "session.destroyed"


def test_another_database_is_chosen_by_the_url(begin, redis):
    """Database 1 holds all, database 0 nothing."""
    kept = begin(clock=time.time, redis_url=redis.url_of(1))
    session_id = kept.create()
    assert redis.cli("EXISTS", key(session_id), database=1) == 1
    assert redis.cli("DBSIZE") == 0


def test_its_connection_has_a_name(kept, redis):
    """Its commands can be told from those of others."""
    kept.create()
    assert b"name=kato-simulator" in redis.cli("CLIENT", "LIST")


def test_password_is_used_and_never_told(begin):
    """It is in the URL alone."""
    with RedisServer(password="s3cret/@") as redis:
        assert begin(clock=time.time, redis_url=redis.url).create()
        wrong = redis.url_of(password="wr0ng")
        with pytest.raises(KeysAwayError, match=f"127.0.0.1:{redis.port}/0") as told:
            begin(redis_url=wrong)
    assert "wr0ng" not in str(told.value)


def test_four_workers_share_the_keys(begin, redis):
    """Whichever worker makes a session, it is in the one Redis, and every worker counts it."""
    kept = begin(clock=time.time, redis_url=redis.url, workers=4)
    for _ in range(20):
        httpx.post(f"{kept.url}/sessions", json={"node_id": "n"})
    counts = {httpx.get(f"{kept.url}/health").json()["active_sessions"] for _ in range(20)}
    assert counts == {redis.cli("SCARD", INDEX_KEY)} == {20}


def test_away_redis_gives_a_small_number_and_refuses_creates(kept, redis):
    """Health stays 200 with what the worker made itself; a create is 500, a read finds nobody."""
    session_id = kept.create()
    for number in range(10):
        redis.cli("SADD", INDEX_KEY, f"session-{number}")
    assert kept.health() == 11
    redis.kill()
    answer = kept.http.get("/health")
    assert (answer.status_code, answer.json()["active_sessions"]) == (200, 1)
    assert kept.http.post("/sessions", json={"node_id": "n"}).status_code == 500
    assert kept.http.get(f"/sessions/{session_id}").status_code == 404
    assert kept.http.get(f"/sessions/{session_id}/exists").json()["exists"] is False
    assert kept.truth()["live_size"] == 1


def test_redis_that_comes_back_is_used_again(begin):
    """What it kept is there, and nothing is told to have ended."""
    with RedisServer(keeps=True) as redis:
        kept = begin(clock=time.time, redis_url=redis.url)
        session_id = kept.create()
        redis.kill()
        assert kept.http.post("/sessions", json={"node_id": "n"}).status_code == 500
        redis.start()
        assert kept.http.get(f"/sessions/{session_id}").status_code == 200
        assert kept.create()
        truth = kept.truth()
    assert (truth["live_size"], truth["ended"], truth["created_total"]) == (2, [], 2)


def test_frozen_redis_holds_nobody_up_for_long(kept, redis):
    """After the first silence, answers come at once until it is asked again."""
    redis.freeze()
    try:
        assert kept.http.get("/health").status_code == 200
        begun = time.monotonic()
        assert kept.http.get("/health").json()["active_sessions"] == 0
        assert time.monotonic() - begun < 0.5
    finally:
        redis.thaw()
    until(lambda: kept.http.post("/sessions", json={"node_id": "n"}).status_code == 200)


def test_redis_without_persistence_loses_all(kept, redis):
    """The truth says lost, and the counts begin at zero."""
    ids = [kept.create() for _ in range(3)]
    redis.kill()
    redis.start()
    assert kept.http.get(f"/sessions/{ids[0]}").status_code == 404
    assert kept.health() == 0
    truth = kept.truth()
    assert (truth["live_size"], truth["index_size"]) == (0, 0)
    assert [one["how"] for one in truth["ended"]] == ["lost"] * 3


@pytest.mark.parametrize("command", ["FLUSHALL", "DEL"])
def test_key_that_somebody_removes_is_lost(command, kept, redis):
    """Redis says who lives; /exists does not call it expired."""
    session_id, other = kept.create(), kept.create()
    redis.cli(*([command] if command == "FLUSHALL" else [command, key(session_id)]))
    answer = kept.http.get(f"/sessions/{session_id}/exists").json()
    assert (answer["exists"], answer["expired"]) == (False, False)
    truth = kept.truth()
    left = [] if command == "FLUSHALL" else [other]
    assert [one["session_id"] for one in truth["live"]] == left
    assert kept.health() == truth["index_size"] == (0 if command == "FLUSHALL" else 2)


def test_key_that_somebody_keeps_lives_on(kept, redis):
    """A key without a deadline outlives its session's plan."""
    session_id = kept.create(ttl_seconds=1)
    redis.cli("PERSIST", key(session_id))
    begun = time.time()
    until(lambda: time.time() > begun + 1.2)
    truth = kept.truth()
    assert [one["session_id"] for one in truth["live"]] == [session_id]
    assert (truth["ended"], truth["created_total"]) == ([], 1)


def test_sessions_outlive_the_simulator(begin, redis):
    """Another one on the same Redis knows them all, makes no initial ones, and repeats no id."""
    first = begin(clock=time.time, redis_url=redis.url, initial=3)
    session_id = first.create(metadata={"a": "ü"}, config={"max_predictions": 5})
    gone = first.create(ttl_seconds=1)
    told = first.http.get(f"/sessions/{session_id}").json()
    ids = {one["session_id"] for one in first.truth()["live"]} - {gone}
    first.simulator.stop()
    until(lambda: redis.cli("EXISTS", key(gone)) == 0)
    second = begin(clock=time.time, redis_url=redis.url, initial=3)
    truth = second.truth()
    assert {one["session_id"] for one in truth["live"]} == ids
    assert truth["index_size"] == len(ids) + 1
    again = second.http.get(f"/sessions/{session_id}").json()
    assert {n: v for n, v in again.items() if n != "expires_at"} == {
        n: v for n, v in told.items() if n != "expires_at"
    }
    assert second.create().split("-")[1] not in {one.split("-")[1] for one in ids}


def test_state_file_and_redis_together(begin, redis, tmp_path):
    """The file holds the plans and the past, Redis says who lives; nothing is counted twice."""
    state = tmp_path / "state"
    first = begin(clock=time.time, redis_url=redis.url, state=state)
    deleted, flushed, kept = (first.create() for _ in range(3))
    first.http.delete(f"/sessions/{deleted}")
    redis.cli("DEL", key(flushed))
    first.truth()
    first.simulator.stop()
    truth = begin(clock=time.time, redis_url=redis.url, state=state).truth()
    assert [one["session_id"] for one in truth["live"]] == [kept]
    assert [(one["session_id"], one["how"]) for one in truth["ended"]] == [
        (deleted, "deleted"),
        (flushed, "lost"),
    ]
    assert (truth["created_total"], truth["index_size"]) == (3, 2)


@pytest.mark.parametrize("written", ["no JSON", "{}", '{"session_config": 1}', "[]"])
def test_foreign_value_is_nobody(written, kept, redis):
    """What upstream cannot read is not there, and does no harm."""
    redis.cli("SET", key("session-odd"), written)
    redis.cli("SADD", key("session-set"), "x")
    assert kept.http.get("/sessions/session-odd").status_code == 404
    assert kept.http.get("/sessions/session-set").status_code == 404
    assert kept.http.get("/sessions/_active_index").status_code == 404
    assert kept.truth()["live"] == []


def test_churn_lives_in_redis(begin, redis):
    """The simulator's own sessions come and go there; live keys and truth agree."""
    kept = begin(clock=time.time, redis_url=redis.url, rate=100, speed=20, initial=200)
    begun = kept.truth()
    until(lambda: len(kept.truth()["ended"]) > len(begun["ended"]) + 20)
    kept.order("restart", {"away_seconds": 3600})  # nobody arrives, nobody deletes
    until(lambda: live_keys(redis) == {one["session_id"] for one in kept.truth()["live"]})
    truth = kept.truth()
    assert truth["created_total"] > 200
    assert redis.cli("SCARD", INDEX_KEY) == truth["index_size"] >= truth["live_size"]


def live_keys(redis):
    return {
        one.decode().removeprefix(KEY_PREFIX) for one in redis.cli("KEYS", f"{KEY_PREFIX}session-*")
    }


def test_churn_goes_on_after_redis_was_away(begin, redis):
    """Whoever arrives meanwhile is refused, and who wanted to delete does so afterwards."""
    kept = begin(clock=time.time, redis_url=redis.url, rate=10, speed=10, initial=1000)
    redis.freeze()
    before = kept.truth()
    until(lambda: kept.truth()["at"] > before["at"] + 0.5)
    meanwhile = kept.truth()
    assert meanwhile["created_total"] == before["created_total"]
    assert ends(meanwhile, "deleted") == ends(before, "deleted")
    redis.thaw()
    until(lambda: ends(kept.truth(), "deleted") > ends(before, "deleted") + 20)
    until(lambda: kept.truth()["created_total"] > before["created_total"] + 5)


def ends(truth, how):
    return sum(one["how"] == how for one in truth["ended"])


def test_contents_vary_and_are_seeded(begin, redis):
    """Metadata, short-term memory and accesses look used, and are the same for a seed."""
    kept = begin(clock=time.time, redis_url=redis.url, initial=60, seed=3)
    written = [value(redis, one["session_id"]) for one in kept.truth()["live"]]
    assert len({len(one["stm"]) for one in written}) > 5
    assert len({one["access_count"] for one in written}) > 10
    assert len({json.dumps(one["metadata"]) for one in written}) > 10
    for one in written:
        assert one["created_at"] <= one["last_accessed"]
        assert len(one["stm"]) <= one["access_count"]
    other = begin(clock=time.time, redis_url=redis.url_of(1), initial=60, seed=3)
    again = [
        json.loads(redis.cli("GET", key(one["session_id"]), database=1))
        for one in other.truth()["live"]
    ]
    assert [(one["metadata"], one["stm"]) for one in again] == [
        (one["metadata"], one["stm"]) for one in written
    ]


def test_stm_is_shown(begin, redis):
    """The call tells what the value holds."""
    kept = begin(clock=time.time, redis_url=redis.url, initial=20)
    for one in kept.truth()["live"]:
        session_id = one["session_id"]
        stm = value(redis, session_id)["stm"]
        answer = kept.http.get(f"/sessions/{session_id}/stm").json()
        assert answer == {"stm": stm, "session_id": session_id, "length": len(stm)}


def test_losing_the_state_is_left_to_redis(kept):
    """The simulator empties no Redis."""
    answer = kept.order("restart", {"keep_state": False}, status=422)
    assert "keep_state is false" in answer["detail"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "redis://127.0.0.1:1/0"])
def test_redis_that_cannot_be_used_is_named_in_one_line(url):
    """No traceback at the start."""
    result = CliRunner().invoke(main, ["--port=0", "--redis", url])
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1
    assert "Redis" in result.output


def test_many_initial_sessions_are_written_at_once(begin, redis, size):
    """Thousands are there when the simulator listens."""
    count = size.n(5_000, 100_000)
    kept = begin(clock=time.time, redis_url=redis.url, initial=count)
    assert kept.health() == redis.cli("SCARD", INDEX_KEY) == count
    truth = kept.truth()
    assert truth["live_size"] + len(truth["ended"]) == count
    assert {one["how"] for one in truth["ended"]} <= {"expired"}
