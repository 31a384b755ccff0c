"""The demo with a week behind it: what is live goes on where the record ends."""

import os
import select
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from kato_panel import cli
from kato_panel.config import load
from kato_panel.demo_week import make_week
from kato_panel.domain.health import Health
from kato_panel.runtime import Runtime
from kato_panel.simulator import OwnRedis, own_redis
from tests.following import Caller, Reader

SPAN = timedelta(hours=6)
ORPHAN = """
from kato_panel.simulator import OwnRedis
made = OwnRedis.start_if_there()
print(made.url, made._process.pid, flush=True)
input()
"""


@pytest.fixture(params=["redis", "no redis"])
def runtime(tmp_path, monkeypatch, request):
    """A demo, with a Redis of its own or on a machine that has none."""
    made = []
    if request.param == "no redis":
        monkeypatch.setattr(own_redis, "PROGRAM", "no-such-program")

    def short(until):
        made.append(make_week(until, span=SPAN))
        return made[0]

    settings = load({"KATO_PANEL_HISTORY_URL": f"sqlite:///{tmp_path / 'demo.db'}"})
    runtime = Runtime(settings, short)
    runtime.start()
    yield runtime, made[0]
    runtime.stop()


def watch(running):
    """Follow it, once all its sources have looked."""
    reader = Reader(running.hub)
    quiet = {Health.UP, Health.OFF}
    reader.until(lambda seen: seen.active is not None)
    reader.until(lambda seen: {one.health for one in seen.snapshot.sources} <= quiet)
    return reader


def test_count_goes_on_and_nothing_is_told_that_did_not_happen(runtime):
    """The first look finds who the record has as open, but for who came and went meanwhile."""
    running, week = runtime
    _, before = running.hub.subscribe(lambda: None)
    assert all(event.at.timestamp() * 1e6 <= week.past.until for event in before.events[:5_000])
    reader = watch(running)
    alive = {session.session_id for session in week.past.sessions()}
    recorded = {record.session_id for record in running.history.reader.open_records()}
    assert len(alive ^ recorded) < 15
    assert abs(reader.active - len(alive)) < 15
    assert 1_000 < len(reader.events) <= 5_000  # fewer where the hours behind it were quiet
    reader.close()


def test_lives_of_the_week_end_where_redis_tells(runtime, request):
    """A session that was open when the record ended; without Redis only its name is told."""
    running, week = runtime
    has_redis = "no redis" not in request.node.name
    reader = watch(running)
    latest = max(week.past.sessions(), key=lambda one: one.delete_at or one.expires_at)
    Caller(running.upstream).delete(latest.session_id)
    reader.until(lambda seen: ("session_destroyed", latest.session_id) in seen.names())
    assert reader.snapshot.counted_by == ("redis" if has_redis else "http")
    running.history.flush()
    ended = running.history.reader.record(latest.session_id)
    assert (ended.ending is not None) == has_redis
    assert abs(ended.created.timestamp() - latest.created_at) < 0.01
    reader.close()


def test_redis_of_the_demo_ends_with_it():
    """And leaves nothing behind; it listens on no port."""
    redis = OwnRedis.start_if_there()
    folder = Path(redis.url.removeprefix("unix://")).parent
    assert [one.name for one in folder.iterdir()] == ["redis.sock"]
    redis.close()
    assert not folder.exists()
    redis.close()


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv, which Linux has")
def test_redis_of_a_demo_that_is_killed_ends_too():
    """A process that nobody knows of any more is left by nobody."""
    command = [sys.executable, "-c", ORPHAN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as demo:
        url, pid = demo.stdout.readline().decode().split()
        watched = os.pidfd_open(int(pid))
        demo.send_signal(signal.SIGKILL)
        assert select.select([watched], [], [], 10) != ([], [], [])
    os.close(watched)
    shutil.rmtree(Path(url.removeprefix("unix://")).parent)


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\nexit 3\n", "no program"], ids=["ends at once", "is none"]
)
def test_demo_goes_without_a_redis_that_does_not_start(tmp_path, monkeypatch, caplog, script):
    """And says why."""
    program = tmp_path / "redis-server"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(own_redis, "PROGRAM", str(program))
    assert OwnRedis.start_if_there() is None
    assert f"{program} does not start" in caplog.text


def test_demo_tells_what_it_does():
    """And names its one flag."""
    told = CliRunner().invoke(cli.main, ["demo", "--help"])
    assert told.exit_code == 0
    assert "--port" in told.output


def test_demo_says_at_once_what_one_waits_for(monkeypatch):
    """Before the week is made; the address comes when it answers."""
    monkeypatch.setattr(cli, "_serve", lambda flags, make_week: None)
    told = CliRunner().invoke(cli.main, ["demo"])
    assert told.exit_code == 0, told.output
    assert told.stderr == "A week of history is made first, which takes some seconds.\n"
    assert told.stdout == ""
