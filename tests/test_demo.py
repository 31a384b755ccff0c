"""The demo with a week behind it: what is live goes on where the record ends."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta

import pytest
import redis as redis_py
from click.testing import CliRunner

from kato_panel import cli
from kato_panel.config import load
from kato_panel.demo import Demo, demo_folder
from kato_panel.demo_week import make_week
from kato_panel.domain.health import Health
from kato_panel.runtime import Runtime
from kato_panel.simulator import OwnRedis, own_redis
from tests.following import Caller, Reader

SPAN = timedelta(hours=6)
ORPHAN = """
import sys
from pathlib import Path
from kato_panel.simulator import OwnRedis
made = OwnRedis.start_if_there(Path(sys.argv[1]))
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
    runtime = Runtime(settings, Demo(short, tmp_path))
    runtime.start()
    yield runtime, made[0]
    runtime.stop()


def watch(running):
    """Follow it, once all its sources have looked."""
    reader = Reader(running.hub)
    quiet = {Health.UP, Health.OFF}
    reader.until(lambda seen: seen.active is not None)
    reader.until(lambda seen: {one.health for one in seen.snapshot.sources} <= quiet)
    # What is told just after the first look may be in it: only the next poll settles that.
    first = reader.snapshot.at
    reader.until(lambda seen: seen.snapshot.at.tick > first.tick + 0.5)
    return reader


def test_count_goes_on_and_nothing_is_told_that_did_not_happen(runtime, request):
    """The first look finds who the record has as open, but for who came and went meanwhile."""
    running, week = runtime
    _, before = running.hub.subscribe(lambda: None)
    assert all(event.at.timestamp() * 1e6 <= week.past.until for event in before.events[:5_000])
    reader = watch(running)
    alive = {session.session_id for session in week.past.sessions()}
    recorded = {record.session_id for record in running.history.reader.open_records()}
    assert len(alive ^ recorded) < (1 if "no redis" in request.node.name else 15)
    assert abs(reader.active - len(alive)) < 15
    assert 1_000 < len(before.events) <= 5_000  # fewer where the hours behind it were quiet
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


def test_redis_of_the_demo_listens_on_no_port_and_ends_with_it(tmp_path):
    """Wherever its folder is."""
    folder = tmp_path / "a b?c#d%e"
    folder.mkdir()
    redis = OwnRedis.start_if_there(folder)
    assert {one.name for one in folder.iterdir()} == {"redis.sock", "redis.log"}
    with redis_py.Redis.from_url(redis.url) as client:
        assert client.config_get("port") == {"port": "0"}
    redis.close()
    assert not (folder / "redis.sock").exists()
    redis.close()


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv, which Linux has")
def test_redis_of_a_demo_that_is_killed_ends_too(tmp_path):
    """A process that nobody knows of any more is left by nobody."""
    command = [sys.executable, "-c", ORPHAN, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as demo:
        _, pid = demo.stdout.readline().decode().split()
        watched = os.pidfd_open(int(pid))
        demo.send_signal(signal.SIGKILL)
        assert select.select([watched], [], [], 10) != ([], [], [])
    os.close(watched)


def test_setpriv_that_cannot_do_so_is_done_without(tmp_path, monkeypatch, caplog):
    """Older ones know no such option."""
    path = write_program(tmp_path / "setpriv", "echo unrecognized option >&2; exit 1")
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    redis = OwnRedis.start_if_there(tmp_path)
    assert redis is not None
    redis.close()
    assert "it ended with 1: unrecognized option" in caplog.text


@pytest.mark.parametrize(
    ("script", "why"), [("exit 3", "it ended with 3: no word"), (None, "Exec format error")]
)
def test_demo_goes_without_a_redis_that_does_not_start(tmp_path, monkeypatch, caplog, script, why):
    """And says why."""
    program = write_program(tmp_path / "redis-server", script)
    monkeypatch.setattr(own_redis, "PROGRAM", str(program))
    monkeypatch.setattr(own_redis, "_guards", lambda: [[]])
    assert OwnRedis.start_if_there(tmp_path) is None
    assert f"{program} does not start: " in caplog.text
    assert why in caplog.text


def write_program(path, script):
    path.write_text("nonsense" if script is None else f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_folder_of_a_demo_that_was_killed_is_removed_by_the_next(tmp_path, monkeypatch):
    """One that is in use stays, and one that is just being made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, young = tmp_path / "kato-panel-demo-left", tmp_path / "kato-panel-demo-young"
    for folder in (left, young):
        folder.mkdir()
        (folder / "demo.db").write_bytes(b"x")
    os.utime(left, (0, 0))
    with demo_folder() as used:
        os.utime(used, (0, 0))
        with demo_folder() as other:
            assert {one.name for one in tmp_path.iterdir()} == {young.name, used.name, other.name}
    assert [*tmp_path.iterdir()] == [young]


def test_demo_tells_what_it_does():
    """And names its one flag."""
    told = CliRunner().invoke(cli.main, ["demo", "--help"])
    assert told.exit_code == 0
    assert "--port" in told.output


def test_demo_says_at_once_what_one_waits_for(monkeypatch):
    """Before the week is made; the address comes when it answers."""
    monkeypatch.setattr(cli, "_serve", lambda flags, demo: None)
    told = CliRunner().invoke(cli.main, ["demo"])
    assert told.exit_code == 0, told.output
    assert told.stderr == "A week of history is made first, which takes some seconds.\n"
    assert told.stdout == ""
