"""The `redis` source, on a real Redis."""

import asyncio
import logging
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis as redis_py
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis

from kato_panel.domain.events import ChangeNamed, ChangesNamed, Kind, Name
from kato_panel.domain.health import Health
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.records import Step
from kato_panel.domain.snapshot import Link
from kato_panel.domain.telling import KeyedCount
from kato_panel.hub import Hub
from kato_panel.sources import payloads
from kato_panel.sources import redis_visit as module
from kato_panel.sources.redis import RedisSource
from kato_panel.sources.redis_keys import SessionKeys
from kato_panel.sources.redis_listener import Listener
from kato_panel.watcher import Watcher, now
from tests.conftest import Size
from tests.following import Keeper, Reader
from tests.ports import free_port
from tests.sources.redis_rig import RedisRig, Writer

ACL = (
    "~kato:session:*",
    "&__keyevent@*",
    "+@read",
    "+@connection",
    "-@dangerous",
    "+info",
    "+subscribe",
    "+unsubscribe",
)
ALLOWED = {
    *("SCAN", "SSCAN", "SCARD", "SISMEMBER", "MGET", "GET", "PTTL", "EXISTS", "STRLEN", "INFO"),
    *("SUBSCRIBE", "UNSUBSCRIBE", "HELLO", "AUTH", "CLIENT", "SELECT", "PING"),
}


class FakeStream:
    """A stream that tells what a test puts in."""

    name, label = "stream", "Stream"

    def __init__(self):
        self.tell = None
        self.loop = None
        self.opened = threading.Event()

    def prompt(self):
        """Nothing to reconnect."""

    async def run(self, tell):
        self.tell, self.loop = tell, asyncio.get_running_loop()
        self.opened.set()
        await asyncio.Event().wait()

    def name_created(self, session_id):
        change = ChangeNamed(Kind.CREATED, Name(session_id, "node-s"), now())
        told = ChangesNamed("stream", (change,))
        self.loop.call_soon_threadsafe(self.tell, told)


@pytest.fixture
def rig(tmp_path):
    rig = RedisRig(tmp_path)
    yield rig
    rig.kill()


@pytest.fixture
def writer(rig):
    writer = Writer(rig)
    yield writer
    writer.close()


class Book(Keeper):
    """Keeps records as a history does."""

    def __init__(self):
        super().__init__()
        self.records = {}
        self.born, self.ended = 0, Counter()
        self.exact = 0

    def record(self, told, standing):
        for step, record, _ in told.transitions:
            self.records[record.session_id] = record
            self.born += step is Step.BORN
            if step is Step.ENDED:
                self.ended[record.ending.reason.value] += 1
                self.exact += record.ending.is_exact

    def open_records(self):
        return [record for record in self.records.values() if record.ending is None]


@contextmanager
def watching(url, *, stream=None, teller=None, recorder=None, **options):
    """A watcher of this Redis, and a reader of it that has its baseline."""
    source = RedisSource(url, now, **options)
    hub = Hub()
    sources = [source] if stream is None else [source, stream]
    teller = teller or KeyedCount(Ledger(payloads.created_in))
    watcher = Watcher(sources, hub, interval_seconds=3.0, teller=teller, recorder=recorder)
    reader = Reader(hub)
    reader.teller, reader.source = teller, source
    watcher.start()
    try:
        reader.until(lambda seen: seen.active is not None)
        yield reader
    finally:
        watcher.stop()
        reader.close()


def state_of(reader, name="redis"):
    return next(state for state in reader.snapshot.sources if state.name == name)


def ends(reader):
    return [event for event in reader.events.values() if event.kind is Kind.DESTROYED]


def test_what_is_there_is_the_baseline(rig, writer):
    """No event, but the count of live keys, and what the index has beyond them."""
    kept = [writer.create() for _ in range(3)]
    writer.redis.sadd(payloads.INDEX_KEY, "session-gone-1")
    writer.redis.set("kato:session:lock", "no session")
    with watching(rig.url) as reader:
        assert (reader.active, reader.snapshot.drift, reader.events) == (3, 1, {})
        assert reader.snapshot.counted_by == "redis"
        assert reader.link is Link.LIVE
        record = reader.teller.ledger.record(kept[0])
        assert abs((record.created - record.seen).total_seconds()) < 10


def test_birth_and_each_kind_of_end_are_told_at_once(rig, writer):
    """With session, node and reason; the next scan would be a minute later."""
    with watching(rig.url) as reader:
        deleted, expired = writer.create("node-d"), writer.create("node-x", 6.0)
        reader.until(lambda seen: seen.active == 2, timeout_seconds=10)
        writer.delete(deleted)
        reader.until(lambda seen: len(ends(seen)) == 2, timeout_seconds=10)
        evicted = writer.create("node-e")
        reader.until(lambda seen: seen.active == 1, timeout_seconds=10)
        writer.redis.config_set("maxmemory-policy", "volatile-lru")
        writer.redis.config_set("maxmemory", "1")
        with pytest.raises(redis_py.exceptions.OutOfMemoryError):
            writer.redis.set("full", "1")
        reader.until(lambda seen: seen.active == 0, timeout_seconds=10)
        told = {(e.names[0].session_id, e.names[0].node_id, e.reason) for e in ends(reader)}
        assert told == {
            (deleted, "node-d", "deleted"),
            (expired, "node-x", "expired"),
            (evicted, "node-e", "evicted"),
        }
        assert reader.snapshot.drift == 2
        assert reader.is_chained(0)


def test_a_burst_is_counted_exactly(rig, writer):
    """All names once; the shown count is that of live keys."""
    with watching(rig.url) as reader:
        ids = [writer.create(f"node-{n % 7}") for n in range(200)]
        reader.read()  # its queue holds 256
        for session_id in ids[:120]:
            writer.delete(session_id)
        reader.until(lambda seen: seen.active == 80 == writer.live(), timeout_seconds=10)
        assert reader.signed_sum == 80
        assert reader.is_chained(0)
        assert sum(event.delta for event in reader.events.values()) == 320


def test_lost_listener_is_repaired_by_a_scan(rig, writer):
    """What happened in between is told with the gap, and nothing else."""
    gone = writer.create("node-g")
    with watching(rig.url) as reader:
        pipe = writer.redis.pipeline(transaction=True)
        pipe.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        pipe.delete(payloads.session_key(gone))
        pipe.srem(payloads.INDEX_KEY, gone)
        pipe.execute()
        born = writer.create("node-b")
        reader.until(lambda seen: len(seen.events) == 2, timeout_seconds=10)
        assert sorted(reader.names()) == [("session_created", born), ("session_destroyed", gone)]
        assert ends(reader)[0].reason == "deleted"
        assert ends(reader)[0].after_gap_seconds is not None
        assert reader.active == 1


@pytest.mark.parametrize(
    ("go", "come", "reason"),
    [(RedisRig.kill, RedisRig.start, "refused"), (RedisRig.freeze, RedisRig.thaw, "no answer")],
    ids=["killed", "hung"],
)
def test_redis_away_is_stale_then_exact_again(rig, writer, size: Size, *, go, come, reason):
    """No phantom events, and within 2 s of its answer the count is right."""
    seconds = size.n(10, 60)
    kept = [writer.create() for _ in range(20)]
    with watching(rig.url) as reader:
        go(rig)
        back_tick = now().tick + seconds
        reader.until(lambda seen: state_of(seen).health is Health.DOWN)
        reader.until(lambda seen: seen.snapshot.made_at.tick >= back_tick, seconds + 5)
        assert (reader.active, reader.events, reader.link) == (20, {}, Link.STALE)
        assert reader.snapshot.is_stale
        assert reason in state_of(reader).reason
        come(rig)
        writer.delete(kept[0])
        answered = time.monotonic()
        reader.until(lambda seen: seen.active == 19 and seen.link is Link.LIVE, timeout_seconds=5)
        spent = time.monotonic() - answered
        assert spent < 2
        assert [(event.delta, event.reason) for event in ends(reader)] == [(1, "deleted")]
    size.record(
        f"Redis away for {seconds} s ({reason}): exact again",
        seed="none",
        n=1,
        result=f"{spent:.1f} s after its first answer; stale in words, 0 phantom events",
    )


def test_restart_leaves_the_records_exact(rig, writer):
    """Births and ends while nobody watched are told with the gap, and none is lost or doubled."""
    book = Book()
    with watching(rig.url, recorder=book) as reader:
        first = [writer.create(f"node-{n}") for n in range(30)]
        short = [writer.create("brief", 10) for _ in range(10)]
        for session_id in first[:10]:
            writer.delete(session_id)
        reader.until(lambda seen: seen.active == 30)
    left_at = now()
    second = [writer.create(f"later-{n}") for n in range(20)]
    for session_id in first[10:15]:
        writer.delete(session_id)
    while any(writer.redis.exists(payloads.session_key(one)) for one in short):
        writer.redis.blpop("nothing", 0.1)
    ledger = Ledger(payloads.created_in)
    ledger.restore(book.open_records())
    teller = KeyedCount(ledger, seen_at=left_at)
    with watching(rig.url, teller=teller, recorder=book) as reader:
        assert reader.active == 35 == writer.live() == len(book.open_records())
        for session_id in second[:5]:
            writer.delete(session_id)
        reader.until(lambda seen: seen.active == 30)
        assert reader.is_chained(30)
        gaps = {event.after_gap_seconds is None for event in list(reader.events.values())[:2]}
        assert gaps == {False}
    assert (book.born, book.ended) == (60, Counter(deleted=20, expired=10))
    assert (len(book.open_records()), ledger.drift) == (30, 10)
    nodes = {record.node_id for record in book.records.values()}
    assert nodes == {*(f"node-{n}" for n in range(30)), "brief", *(f"later-{n}" for n in range(20))}
    for session_id in short:
        ending = book.records[session_id].ending
        assert ending.earliest >= left_at.wall - timedelta(seconds=3)
    assert book.exact >= 15


def test_without_key_events_scan_and_stream_tell_each_session_once(tmp_path):
    """The page says how to turn them on; we do not."""
    rig = RedisRig(tmp_path, flags="K$")
    writer, stream = Writer(rig), FakeStream()
    try:
        with watching(rig.url, stream=stream, interval_seconds=1.0) as reader:
            assert stream.opened.wait(5)
            assert "config set notify-keyspace-events '$KEgxen'" in state_of(reader).reason
            named, found = writer.create(), writer.create("node-f")
            stream.name_created(named)
            reader.until(lambda seen: seen.active == 2, timeout_seconds=5)
            stream.name_created(named)
            writer.delete(named)
            reader.until(lambda seen: seen.active == 1, timeout_seconds=5)
            names = reader.names()
            assert sorted(names) == sorted(
                [
                    ("session_created", named),
                    ("session_created", found),
                    ("session_destroyed", named),
                ]
            )
            assert reader.is_chained(0)
            assert "key events are off" in state_of(reader).reason
            assert writer.redis.config_get("notify-keyspace-events") == {
                "notify-keyspace-events": "$K"
            }
    finally:
        writer.close()
        rig.kill()


def test_key_events_turned_on_by_somebody_are_noticed(tmp_path):
    """The stream is closed then, and its row says why."""
    rig = RedisRig(tmp_path, flags="")
    writer, stream = Writer(rig), FakeStream()
    try:
        with watching(rig.url, stream=stream, interval_seconds=1.0) as reader:
            assert stream.opened.wait(5)
            writer.redis.config_set("notify-keyspace-events", "Egxen")
            writer.create()
            reader.until(lambda seen: seen.snapshot.has_key_events, timeout_seconds=5)
            reader.until(lambda seen: state_of(seen, "stream").health is Health.OFF)
            assert state_of(reader).reason == ""
    finally:
        writer.close()
        rig.kill()


def test_key_events_are_turned_on_where_that_is_allowed(tmp_path):
    """The flags that were set stay set."""
    rig = RedisRig(tmp_path, flags="K$")
    writer = Writer(rig)
    try:
        with watching(rig.url, enables_events=True) as reader:
            flags = writer.redis.config_get("notify-keyspace-events")["notify-keyspace-events"]
            assert {*flags} >= {*"K$Egxen"}
            assert reader.snapshot.has_key_events
    finally:
        writer.close()
        rig.kill()


@pytest.mark.parametrize("reads_setting", [True, False])
def test_a_user_that_may_only_read_is_enough(rig, writer, reads_setting):
    """The one of the documents; where it may not read the setting, key events prove themselves."""
    more = ["+config|get"] if reads_setting else []
    writer.redis.execute_command("ACL", "SETUSER", "panel", "on", ">s3cret", *ACL, *more)
    url = f"redis://panel:s3cret@127.0.0.1:{rig.port}/0"
    with watching(url) as reader:
        assert reader.snapshot.has_key_events is reads_setting
        session_id = writer.create("node-u")
        reader.until(lambda seen: seen.active == 1, timeout_seconds=10)
        reader.until(lambda seen: seen.snapshot.has_key_events, timeout_seconds=10)
        assert reader.names() == [("session_created", session_id)]
        assert writer.redis.execute_command("ACL", "LOG") == [] or not reads_setting


def test_another_database_is_another_set_of_sessions(rig):
    """Its key events have a channel of their own."""
    first, second = Writer(rig), Writer(rig, database=1)
    with watching(rig.url.removesuffix("/0") + "/1") as reader:
        first.create()
        session_id = second.create()
        reader.until(lambda seen: seen.active == 1, timeout_seconds=10)
        assert reader.names() == [("session_created", session_id)]
    first.close()
    second.close()


def test_only_reading_commands_are_sent_and_no_life_is_moved(rig, writer, monkeypatch):
    """Watched by Redis itself: every time to live only falls."""
    monkeypatch.setattr(module, "RECONCILE_SECONDS", 0.5)
    ids = [writer.create() for _ in range(40)]
    with rig.client() as spy, spy.monitor() as monitor, watching(rig.url) as reader:
        before = [writer.redis.pttl(payloads.session_key(one)) for one in ids]
        reader.source.prompt()
        for _ in range(3):
            writer.delete(writer.create())
        reader.until(lambda seen: sum(end.delta for end in ends(seen)) == 3, timeout_seconds=10)
        until_tick = now().tick + 2.5  # time for two more scans
        reader.until(lambda seen: seen.snapshot.made_at.tick > until_tick, timeout_seconds=8)
        after = [writer.redis.pttl(payloads.session_key(one)) for one in ids]
        ports = {
            int(c["addr"].rpartition(":")[2])
            for c in writer.redis.client_list()
            if c["name"] == "kato-panel"
        }
        writer.redis.echo("the end")
        commands = []
        while True:
            told = monitor.next_command()
            if told["command"] == "ECHO the end":
                break
            if int(told["client_port"]) in ports:
                commands.append(told["command"])
    assert len(ports) == 2
    verbs = {command.split(" ", 1)[0].upper() for command in commands}
    assert {"SSCAN", "SCAN", "PTTL", "STRLEN", "MGET", "INFO", "SUBSCRIBE", "PING"} <= verbs
    assert verbs <= ALLOWED  # Redis does not show CONFIG
    assert all(late <= early for early, late in zip(before, after, strict=True))


def test_odd_values_are_sessions_without_details(rig, writer):
    """Bad JSON, another type, more than 1 MiB, odd characters: they live, and that is told."""
    odd = ["{", "[]", '{"node_id": "\\ud800\\u0000"}', "x" * (payloads.MAX_BODY_BYTES + 1)]
    with watching(rig.url) as reader:
        for value in odd:
            writer.create(value=value)
        foreign = f"session-{'0' * 32}-1795381221106"
        writer.redis.rpush(payloads.session_key(foreign), "a list")
        writer.redis.set(b"kato:session:session-\x00\xff", "no id")
        reader.until(lambda seen: seen.active == 5, timeout_seconds=10)
        nodes = {name.node_id for event in reader.events.values() for name in event.names}
        assert nodes == {None, "\ufffd\x00"}
        writer.create("sound")
        reader.until(lambda seen: seen.active == 6, timeout_seconds=10)


def test_what_no_key_event_tells_is_found_by_a_scan(rig, writer):
    """A flush tells nothing; then scans and the stream take over."""
    for _ in range(5):
        writer.create()
    with watching(rig.url) as reader:
        writer.redis.flushdb()
        reader.source._asked.set()
        reader.until(lambda seen: seen.active == 0, timeout_seconds=5)
        assert not reader.snapshot.has_key_events
        assert "key events miss changes" in state_of(reader).reason


def test_refusal_is_told_without_the_password(rig, caplog):
    """In words, and never with what is secret."""
    source = RedisSource(f"redis://nobody:hunter2@127.0.0.1:{rig.port}/0", now)
    hub = Hub()
    watcher = Watcher(
        [source], hub, interval_seconds=3.0, teller=KeyedCount(Ledger(payloads.created_in))
    )
    with caplog.at_level(logging.DEBUG):
        watcher.start()
        reader = Reader(hub)
        try:
            reader.until(lambda seen: seen.snapshot and state_of(seen).failures)
            assert "refuses the user or the password" in state_of(reader).reason
            assert reader.active is None
        finally:
            watcher.stop()
    assert "hunter2" not in caplog.text


def test_encrypted_redis_is_trusted_by_its_certificate_only(tmp_path, monkeypatch):
    """As for every other connection: this machine's certificates, and those of SSL_CERT_FILE."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    port = free_port()
    more = ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cert-file", certificate]
    rig = RedisRig(tmp_path, "Egxen", *map(str, more), "--tls-key-file", str(key))
    writer = Writer(rig)
    try:
        writer.create()
        hub = Hub()
        source = RedisSource(f"rediss://localhost:{port}/0", now)
        teller = KeyedCount(Ledger(payloads.created_in))
        watcher = Watcher([source], hub, interval_seconds=3.0, teller=teller)
        reader = Reader(hub)
        watcher.start()
        try:
            reader.until(lambda seen: seen.snapshot and state_of(seen).failures)
            assert state_of(reader).reason == "its TLS certificate is not trusted"
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            reader.until(lambda seen: seen.active == 1)
        finally:
            watcher.stop()
    finally:
        writer.close()
        rig.kill()


def test_redis_behind_a_socket_s_file_is_read(tmp_path):
    """With the number of a database in the query."""
    path = tmp_path / "redis.sock"
    rig = RedisRig(tmp_path, "Egxen", "--unixsocket", str(path))
    writer = Writer(rig, database=2)
    try:
        with watching(f"unix://{path}?db=2") as reader:
            writer.create()
            reader.until(lambda seen: seen.active == 1, timeout_seconds=10)
    finally:
        writer.close()
        rig.kill()


async def test_listening_connection_that_hangs_is_given_up(monkeypatch):
    """It is accepted, and nobody answers."""
    monkeypatch.setattr("kato_panel.sources.redis_listener.ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        connection = ConnectionPool.from_url(url, protocol=2, client_name="x").make_connection()
        with pytest.raises(TimeoutError):
            await Listener(connection, now).begin()
        await connection.disconnect(nowait=True)


async def test_what_redis_says_of_itself_is_read_where_that_is_allowed(rig, writer):
    """A user that may not ask knows nothing, and goes on."""
    acl = [word for word in ACL if word != "+info"]
    writer.redis.execute_command("ACL", "SETUSER", "panel", "on", ">s3cret", *acl)
    told = []
    for user in ("", "panel:s3cret@"):
        url = f"redis://{user}127.0.0.1:{rig.port}/0"
        pool = BlockingConnectionPool.from_url(url, max_connections=1)
        told.append(await SessionKeys(Redis(connection_pool=pool), now).read_figures())
        await pool.disconnect()
    figures, refused = told
    assert refused is None
    assert figures.memory_bytes > 100_000
    assert (figures.memory_limit_bytes, figures.evicted_keys) == (None, 0)
    assert figures.clients >= 1
    assert figures.version.count(".") == 2


async def test_questions_take_turns(rig):
    """A birth's value is read while a scan goes on, not after it."""
    pool = BlockingConnectionPool.from_url(rig.url, max_connections=1)
    keys = SessionKeys(Redis(connection_pool=pool), now)
    scanned = []

    async def scan():
        for _ in range(100):
            await keys.see(["session-a"])
            scanned.append(1)

    task = asyncio.create_task(scan())
    await asyncio.sleep(0)
    await keys.read_values(["session-b"])
    assert len(scanned) < 10
    await task
    await pool.disconnect()
