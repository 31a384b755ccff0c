"""The demo with a week behind it: what is live goes on where the record ends."""

import threading
from datetime import timedelta

import pytest
from click.testing import CliRunner

from kato_panel import cli
from kato_panel.config import load
from kato_panel.demo_week import make_week
from kato_panel.runtime import Runtime

SPAN = timedelta(hours=6)


@pytest.fixture
def runtime(tmp_path):
    made = []

    def short(until):
        made.append(make_week(until, span=SPAN))
        return made[0]

    settings = load({"KATO_PANEL_HISTORY_URL": f"sqlite:///{tmp_path / 'demo.db'}"})
    runtime = Runtime(settings, short)
    runtime.start()
    yield runtime, made[0]
    runtime.stop()


def test_count_goes_on_and_nothing_is_told_that_did_not_happen(runtime):
    """The first look finds who the record has as open, but for who came and went meanwhile."""
    running, week = runtime
    known = threading.Event()
    waiting, before = running.hub.subscribe(known.set)
    snapshot = before.snapshot
    while snapshot is None or snapshot.active is None:
        assert known.wait(20)
        known.clear()
        snapshot = waiting.take().snapshot or snapshot
    waiting.close()
    open_ones = running.history.reader.open_records()
    assert len(open_ones) == len(week.past.sessions())
    assert abs(snapshot.active - len(open_ones)) < 15
    assert 1_000 < len(before.events) <= 5_000  # fewer where the hours behind it were quiet
    assert all(event.at.timestamp() * 1e6 <= week.past.until for event in before.events[:5_000])


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
