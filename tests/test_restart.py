"""What a restart keeps: the service is killed, things go on without it, and it comes back."""

import asyncio
import os
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from kato_panel.config import load
from kato_panel.domain.health import Health
from kato_panel.domain.series import Range
from kato_panel.history import Reader
from kato_panel.history.store import Store
from kato_panel.recording import KEYS_SEEN
from kato_panel.runtime import Runtime
from kato_panel.simulator import EmbeddedSimulator
from tests.following import Caller
from tests.following import Reader as Following
from tests.history.making import wait_until
from tests.service import ServiceProcess
from tests.sources.redis_rig import RedisRig, Writer

AGREE_SECONDS = 1.0
BRIEF_SECONDS = 5
LATE_SECONDS = 15
"""Longer than a start takes."""


@pytest.fixture
def rig(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    rig = RedisRig(folder)
    yield rig
    rig.kill()


class Panel:
    """The service, and whether what it counts is so."""

    def __init__(self, folder, writer, **settings):
        self.folder, self.writer, self.settings = folder, writer, settings
        self.checks, self.service = 0, None

    def start(self):
        self.service = ServiceProcess(self.folder, **self.settings)
        self._ask(lambda told: told["active_count"] is not None, 20)

    def agree(self):
        """Hold the count against the live keys; they have to agree within a second."""
        self._ask(lambda told: told["active_count"] == self.writer.live(), AGREE_SECONDS)
        self.checks += 1

    def wait_recorded(self, path, live):
        """Wait until the history has so many open: what is not on disk yet may go with it."""
        with Reader.open(path) as reader:
            while len(reader.open_records()) != live:
                self.writer.redis.blpop("nothing", 0.1)

    def drift(self, wanted):
        self._ask(lambda told: told["drift"] == wanted, 5)

    def _ask(self, is_so, timeout_seconds):
        deadline = time.monotonic() + timeout_seconds
        with httpx.Client(trust_env=False) as client:
            while True:
                asked = time.monotonic()
                told = client.get(f"{self.service.base}/api/v1/sessions/count").json()
                if is_so(told):
                    return
                assert asked < deadline, f"not in {timeout_seconds} s: {told}"


class Crowd:
    """Sessions of a test: some to be deleted, some to expire, some to stay."""

    def __init__(self, url, writer):
        self.writer, self._client = writer, httpx.Client(base_url=url, trust_env=False)
        self.deleted, self.kept = [], []

    def create(self, number, ttl_seconds=3_600):
        made = []
        for _ in range(number):
            order = {"node_id": f"node-{len(made) % 7}", "ttl_seconds": ttl_seconds}
            answer = self._client.post("/sessions", json=order).raise_for_status()
            made.append(answer.json()["session_id"])
        return made

    def delete(self, session_ids):
        for session_id in session_ids:
            self._client.delete(f"/sessions/{session_id}").raise_for_status()

    def wait_for(self, live):
        """Wait until so many keys live."""
        while self.writer.live() != live:
            self.writer.redis.blpop("nothing", 0.1)

    def close(self):
        self._client.close()


def check_history(path, left, returned, away_seconds):
    """Count what was recorded, and when nobody looked."""
    with Reader.open(path) as reader:
        births, cursor = [], None
        while True:
            page = reader.records(limit=100, cursor=cursor)
            births += page.rows
            if (cursor := page.next) is None:
                break
        ends = Counter(one.ending.reason.value for one in births if one.ending is not None)
        assert len({one.session_id for one in births}) == len(births) == 200
        assert None not in {one.born_by for one in births}
        assert ends == {"deleted": 60, "expired": 80}
        assert len(reader.open_records()) == 60
        changes = Counter()
        for told in reader.events(limit=1_000).rows:
            changes[told.event.kind.value] += told.event.delta
        assert changes == {"session_created": 200, "session_destroyed": 140}
        (gap,) = reader.gaps(left - timedelta(hours=1), returned)
        assert gap.began <= left
        assert left + timedelta(seconds=away_seconds) <= gap.ended <= returned


def test_killed_service_comes_back_exact(tmp_path, rig, size):
    """Each birth and each end is in the history once, also those that nobody saw happen."""
    away_seconds = size.n(3, 20)
    writer, path = Writer(rig), tmp_path / "history.db"
    with EmbeddedSimulator(rate=0, initial=0, workers=4, redis_url=rig.url) as simulator:
        crowd = Crowd(simulator.url, writer)
        panel = Panel(
            tmp_path,
            writer,
            KATO_API_URL=simulator.url,
            REDIS_URL=rig.url,
            KATO_PANEL_HISTORY_URL=f"sqlite:///{path}",
        )
        panel.start()
        crowd.create(30)
        doomed = crowd.create(30)
        panel.agree()
        crowd.create(20, BRIEF_SECONDS)
        panel.agree()
        crowd.delete(doomed[:15])
        panel.agree()
        crowd.wait_for(45)
        panel.agree()
        crowd.create(20, BRIEF_SECONDS)
        panel.agree()
        panel.wait_recorded(path, 65)
        panel.service.kill()
        left = datetime.now(UTC)
        crowd.delete(doomed[15:])
        crowd.wait_for(30)  # 20 have expired
        while datetime.now(UTC) - left < timedelta(seconds=away_seconds):
            writer.redis.blpop("nothing", 0.1)
        crowd.create(10)
        doomed = crowd.create(10)
        crowd.create(20, LATE_SECONDS)
        panel.start()
        returned = datetime.now(UTC)
        panel.agree()
        crowd.create(20)
        doomed += crowd.create(20)
        crowd.create(20, BRIEF_SECONDS)
        panel.agree()
        crowd.delete(doomed)
        panel.agree()
        crowd.wait_for(60)
        panel.agree()
        panel.drift(80)
        assert panel.service.end() == 0
        crowd.close()
    writer.close()
    check_history(path, left, returned, away_seconds)
    size.record(
        "killed and started again with its Redis: births, ends and count",
        seed="none",
        n=200,
        result=f"200 births, 60 deleted, 80 expired, 60 open after {away_seconds} s away; "
        f"{panel.checks} of {panel.checks} counts right within 1 s; drift 80",
    )


@contextmanager
def watching(url, path, **settings):
    """A runtime of this process, with a history of its own."""
    settings |= {"KATO_API_URL": url, "KATO_PANEL_HISTORY_URL": f"sqlite:///{path}"}
    runtime = Runtime(load({"KATO_PANEL_POLL_INTERVAL_SECONDS": 0.5, **settings}))
    runtime.start()
    reader = Following(runtime.hub)
    try:
        yield runtime, reader
    finally:
        runtime.stop()
        reader.close()


def row_of_history(reader):
    return next(state for state in reader.snapshot.sources if state.name == "history")


def test_charts_and_feed_come_back_without_redis(tmp_path):
    """With their numbers from 1, and what nobody saw is a gap and no event."""
    path = tmp_path / "history.db"
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        caller = Caller(simulator.url)
        with watching(simulator.url, path) as (runtime, reader):
            reader.until(lambda seen: seen.active == 5)
            made = [caller.create() for _ in range(3)]
            reader.until(lambda seen: seen.active == 8)
            before = list(reader.events.values())
        for session_id in made[:2]:
            caller.delete(session_id)
        with watching(simulator.url, path) as (runtime, reader):
            assert [event.delta for event in reader.events.values()] == [e.delta for e in before]
            assert list(reader.events) == list(range(1, len(before) + 1))
            reader.until(lambda seen: seen.active == 6)
            assert len(reader.events) == len(before)
            (gap,) = reader.snapshot.gaps
            assert gap.began >= before[-1].at
            hour = runtime.hub.charts[Range.HOUR]
            assert hour.active[0] == 5
            assert (max(filter(None, hour.active)), hour.active[-1]) == (8, 6)
            assert (sum(hour.created), sum(hour.ended)) == (3, 0)
            caller.create()
            reader.until(lambda seen: seen.active == 7)
            assert max(reader.events) == len(before) + 1
            assert row_of_history(reader).health is Health.UP


def test_second_service_of_a_history_says_whose_it_is_and_runs_on(tmp_path):
    """It reads what the first one writes."""
    path = tmp_path / "history.db"
    with (
        EmbeddedSimulator(rate=0, initial=5) as simulator,
        watching(simulator.url, path) as (first, reader),
    ):
        reader.until(lambda seen: seen.active == 5)
        Caller(simulator.url).create()
        reader.until(lambda seen: seen.active == 6)
        assert first.history.flush()
        with watching(simulator.url, path) as (_, second):
            second.until(lambda seen: seen.active == 6)
            state = row_of_history(second)
            assert state.health is Health.DEGRADED
            assert f"is being written by process {os.getpid()}" in state.reason
            assert [event.delta for event in second.events.values()] == [1]
        assert row_of_history(reader).health is Health.UP


def test_history_that_is_off_says_so(tmp_path, monkeypatch):
    """And nothing is kept."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = {"KATO_PANEL_HISTORY_URL": "off"}
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        runtime = Runtime(load({"KATO_API_URL": simulator.url, **settings}))
        runtime.start()
        reader = Following(runtime.hub)
        try:
            reader.until(lambda seen: seen.active == 5)
            assert (row_of_history(reader).health, runtime.history) == (Health.OFF, None)
        finally:
            runtime.stop()
            reader.close()
    assert not list(tmp_path.iterdir())


def test_history_that_was_begun_anew_tells_no_phantom_births(tmp_path, rig):
    """Nor one that was opened late any phantom ends: the next start knows who is open."""
    path, writer = tmp_path / "history.db", Writer(rig)
    kept = [writer.create() for _ in range(5)]
    with EmbeddedSimulator(rate=0, initial=0) as simulator:
        with watching(simulator.url, path, REDIS_URL=rig.url) as (runtime, reader):
            reader.until(lambda seen: seen.active == 5)
            assert runtime.history.flush()
            path.unlink()
            reader.until(lambda _: "begun anew" in (runtime.history.status.notice or ""))
            wait_until(lambda: len(runtime.history.reader.open_records()) == 5)
            wait_until(lambda: runtime.history.reader.note(KEYS_SEEN) is not None)
        tries = []

        def fail_once(store, *given):
            tries.append(store)
            if len(tries) == 1:
                raise OSError(28, "No space left on device")
            return opening(store, *given)

        opening = Store.open
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "open", fail_once)
            with watching(simulator.url, path, REDIS_URL=rig.url) as (runtime, reader):
                reader.until(lambda seen: seen.active == 5)
                writer.delete(kept[0])
                reader.until(lambda seen: seen.active == 4)
                wait_until(lambda: len(tries) == 2 and runtime.history.status.trouble is None)
                wait_until(lambda: len(runtime.history.reader.open_records()) == 4)
        with watching(simulator.url, path, REDIS_URL=rig.url) as (_, reader):
            reader.until(lambda seen: seen.active == 4)
            assert not [one for one in reader.events.values() if one.after_gap_seconds is not None]
    writer.close()


def test_start_that_fails_leaves_the_history_to_others(tmp_path, monkeypatch):
    """Nor anything else behind."""

    def refuse(_):
        raise RuntimeError("no more files")

    path = tmp_path / "history.db"
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        with monkeypatch.context() as patch:
            patch.setattr("kato_panel.watcher.Watcher.start", refuse)
            with pytest.raises(RuntimeError, match="no more files"), watching(simulator.url, path):
                pass
        with watching(simulator.url, path) as (_, reader):
            reader.until(lambda seen: seen.active == 5)
            assert row_of_history(reader).health is Health.UP


def test_delete_is_kept_with_who_asked(tmp_path):
    """Whatever became of it."""
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        session_id = Caller(simulator.url).create()
        with watching(simulator.url, tmp_path / "history.db", KATO_PANEL_ALLOW_ACTIONS="true") as (
            runtime,
            _,
        ):
            runtime.listens_on = ("127.0.0.1",)
            asyncio.run(runtime.sessions.delete([session_id], "ann"))
            assert runtime.history.flush()
            (entry,) = runtime.history.reader.audit().rows
    assert (entry.who, entry.subject, entry.result) == ("ann", session_id, "deleted")
