"""Alerts from the upstream's count to another service, with no page open; over real sockets."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

import kato_panel
from kato_panel import notifier, oversight
from kato_panel.backtesting import try_rules
from kato_panel.config import load
from kato_panel.domain.rules import Stage
from kato_panel.errors import ActionRefused, ConfigError, QueryError
from kato_panel.history import Reader as HistoryReader
from kato_panel.runtime import Runtime
from kato_panel.simulator import EmbeddedSimulator
from tests.following import Caller, Reader
from tests.receiver import Receiver

RULE = """
[[rules]]
name = "crowd"
metric = "sessions_active"
op = ">"
threshold = 6
cooldown = "0s"
message = "{value:.0f} sessions"
"""
OTHER = RULE.replace("threshold = 6", "threshold = 1000")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(notifier, "SEND_SECONDS", 2.0)
    monkeypatch.setattr(notifier, "FIRST_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(oversight, "RULES_SECONDS", 0.05)


@pytest.fixture
def rules(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text(RULE)
    return file


@pytest.fixture
def simulator():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


class Watching:
    """A runtime without a page, and what its board says."""

    def __init__(self, url, rules, **settings):
        self.runtime = Runtime(
            load(
                {
                    "KATO_API_URL": url,
                    "KATO_PANEL_RULES_FILE": str(rules),
                    "WEBSOCKET_CONTAINER_STATS": False,
                    "KATO_PANEL_POLL_INTERVAL_SECONDS": 0.5,
                    **settings,
                }
            )
        )
        self.runtime.listens_on = ("127.0.0.1",)
        self.runtime.start()
        self.reader = Reader(self.runtime.hub)

    @property
    def board(self):
        surroundings = self.runtime.hub.surroundings
        return None if surroundings is None else surroundings.alerts

    def until(self, holds):
        self.reader.until(lambda _: self.board is not None and holds(self.board))
        return self.board

    def until_firing(self):
        (entry,) = self.until(lambda board: board.firing).firing
        return entry

    def order(self, coroutine):
        return asyncio.run(coroutine)

    def stop(self):
        self.reader.close()
        self.runtime.stop()


@contextmanager
def watching(*given, **settings):
    one = Watching(*given, **settings)
    try:
        yield one
    finally:
        one.stop()


def states(receiver):
    return [(body["rule"], body["state"]) for body in receiver.taken]


def stage_of(board, name):
    return next(state.stage for state in board.states if state.rule.name == name)


def test_beginning_and_end_arrive_once_with_no_page_open(simulator, rules, impatient):
    """However the receiver behaves, and in their order."""
    caller = Caller(simulator.url)
    with Receiver(500, "hang", "reset", 503) as receiver:
        webhook = receiver.url.replace("http", "json+http", 1)
        with watching(simulator.url, rules, KATO_PANEL_WEBHOOK_URLS=webhook) as one:
            made = [caller.create() for _ in range(3)]
            entry = one.until_firing()
            assert entry.alert.message == f"{entry.alert.value:.0f} sessions"
            receiver.wait(lambda seen: seen.taken)
            for session_id in made:
                caller.delete(session_id)
            receiver.wait(lambda seen: len(seen.taken) == 2)
            one.until(lambda board: not board.firing)
            assert states(receiver) == [("crowd", "firing"), ("crowd", "resolved")]
            assert [answer for answer, _ in receiver.seen] == [500, "hang", "reset", 503, 200, 200]
            assert len({body["id"] for _, body in receiver.seen}) == 2
            history = one.runtime.history
            one.reader.until(lambda _: history.flush() and not history.reader.unsent())
            now = datetime.now(UTC)
            kept = history.reader.figures("sessions_active", "", now - timedelta(hours=1), now)
            assert kept[0].value >= 5


def test_restart_goes_on_with_what_fires_and_what_is_silent(simulator, rules, tmp_path, impatient):
    """Nobody is told twice, and the end all the same."""
    caller = Caller(simulator.url)
    made = [caller.create() for _ in range(3)]
    kept = {"KATO_PANEL_HISTORY_URL": f"sqlite:///{tmp_path / 'history.db'}"}
    with Receiver() as receiver:
        kept["KATO_PANEL_WEBHOOK_URLS"] = receiver.url.replace("http", "json+http", 1)
        with watching(simulator.url, rules, **kept) as one:
            before = one.until_firing()
            receiver.wait(lambda seen: seen.taken)
            until = datetime.now(UTC) + timedelta(hours=1)
            one.order(one.runtime.alarms.silence("source_down", "", until, "ann"))
            one.order(one.runtime.alarms.acknowledge(before.alert.id, "ann"))
        with watching(simulator.url, rules, **kept) as one:
            board = one.until(lambda board: stage_of(board, "crowd") is Stage.FIRING)
            (after,) = board.firing
            assert after.alert.id == before.alert.id
            assert after.acknowledged_by == "ann"
            assert [(one.rule, one.who) for one in board.silences] == [("source_down", "ann")]
            for session_id in made:
                caller.delete(session_id)
            receiver.wait(lambda seen: len(seen.taken) == 2)
        assert states(receiver) == [("crowd", "firing"), ("crowd", "resolved")]


def test_missing_data_never_resolves(rules, impatient):
    """A frozen upstream ends no alert."""
    with EmbeddedSimulator(rate=0, initial=9) as simulator, Receiver() as receiver:
        webhook = receiver.url.replace("http", "json+http", 1)
        with watching(simulator.url, rules, KATO_PANEL_WEBHOOK_URLS=webhook) as one:
            one.until_firing()
            simulator.stop()
            board = one.until(
                lambda board: (
                    stage_of(board, "crowd") is Stage.NO_DATA
                    and any(entry.alert.rule.name == "source_down" for entry in board.firing)
                )
            )
            assert {entry.alert.rule.name for entry in board.firing} >= {"crowd", "source_down"}
            receiver.wait(lambda seen: ("source_down", "firing") in states(seen))
        assert ("crowd", "resolved") not in states(receiver)


def test_rules_are_taken_over_while_running_and_mistakes_are_not(simulator, rules, impatient):
    """Nor is a file that has gone; the rules of before stay."""
    with watching(simulator.url, rules) as one:
        one.until(lambda board: stage_of(board, "crowd") is Stage.INACTIVE)
        rules.write_text(RULE.replace('"crowd"', '"a crowd"').replace(">", "=>"))
        board = one.until(lambda board: board.problems)
        assert [problem.partition(":")[0] for problem in board.problems] == [
            "rules.toml, line 3",
            "rules.toml, line 5",
        ]
        assert "crowd" in {rule.name for rule in board.rules}
        rules.write_text(RULE.replace("threshold = 6", "threshold = 2"))
        assert one.until(lambda board: board.firing).problems == ()
        rules.unlink()
        board = one.until(lambda board: board.problems)
        assert board.problems == ("rules.toml, cannot be read: No such file or directory",)
        assert board.firing
        rules.write_text(OTHER)
        (entry, *_) = one.until(lambda board: not board.firing and not board.problems).recent
        assert entry.alert.reason == "its rule was changed"


def test_bad_file_stops_the_start(tmp_path):
    """Every mistake is named at once, with its line."""
    file = tmp_path / "rules.toml"
    file.write_text(RULE.replace('"sessions_active"', '"sessions_activ"').replace("6", '"six"'))
    with pytest.raises(ConfigError) as caught:
        Runtime(load({"KATO_PANEL_RULES_FILE": str(file)}))
    first, second = caught.value.problems
    assert first.startswith("rules.toml, line 4: metric is 'sessions_activ'")
    assert second.startswith("rules.toml, line 6: threshold is 'six'")
    with pytest.raises(ConfigError, match=r"nothing\.toml, cannot be read"):
        Runtime(load({"KATO_PANEL_RULES_FILE": str(tmp_path / "nothing.toml")}))


def test_orders_are_checked(simulator, rules):
    """What is not known is refused, and so is everything where nobody may order."""
    with watching(simulator.url, rules) as one:
        until = datetime.now(UTC)
        with pytest.raises(QueryError, match="alert is 'x'"):
            one.order(one.runtime.alarms.acknowledge("x", "ann"))
        with pytest.raises(QueryError, match="rule is 'x'"):
            one.order(one.runtime.alarms.silence("x", "", until, "ann"))
        with pytest.raises(QueryError, match="subject is"):
            one.order(one.runtime.alarms.silence("crowd", "x" * 301, until, "ann"))
        one.runtime.listens_on = None
        with pytest.raises(ActionRefused, match="nothing else may act"):
            one.order(one.runtime.alarms.acknowledge("x", "ann"))
        one.runtime.listens_on = ("127.0.0.1",)
        one.runtime.watcher.stop()
        with pytest.raises(ActionRefused, match="not running"):
            one.order(one.runtime.alarms.acknowledge("x", "ann"))


def test_flag_that_is_off_leaves_nothing(simulator, rules):
    """No file is read, nothing is judged, and nobody waits for anything."""
    rules.write_text("no rules at all")
    with watching(simulator.url, rules, WEBSOCKET_SYSTEM_ALERTS=False) as one:
        one.reader.until(lambda seen: seen.active is not None)
        assert one.runtime.alarms is None
        assert one.board is None


LIVE_RULES = """
[[rules]]
name = "crowd"
metric = "sessions_active"
op = ">"
threshold = 6
for = "1s"
cooldown = "0s"
severity = "error"

[[rules]]
name = "throng"
metric = "sessions_active"
op = ">="
threshold = 8
keep_firing_for = "1s"
cooldown = "0s"

[[rules]]
name = "source_down"
metric = "source_down"
op = ">="
threshold = 1
for = "1s"
"""


def test_backtest_episodes_equal_those_the_live_service_had(simulator, rules, tmp_path):
    """Two of each rule, and of a source that was away: who, how much, from when to when."""
    caller, path = Caller(simulator.url), tmp_path / "history.db"
    rules.write_text(LIVE_RULES)
    own = {"crowd", "throng"}
    with watching(simulator.url, rules, KATO_PANEL_HISTORY_URL=f"sqlite:///{path}") as one:
        for _ in range(2):
            made = [caller.create() for _ in range(4)]
            one.until(lambda board: own <= {entry.alert.rule.name for entry in board.firing})
            for session_id in made:
                caller.delete(session_id)
            one.until(lambda board: not board.firing)
        simulator.stop()
        one.until(lambda board: any(e.alert.rule.name == "source_down" for e in board.firing))
        judged = one.board.rules
    with HistoryReader.open(path) as reader:
        live = [entry.alert for entry in reader.alerts(limit=500).rows[::-1]]
        tried = try_rules(reader, judged)

    def told(alerts):
        return sorted(
            (one.rule.name, one.subject, one.rule.severity.value, one.value, one.pending_at.wall,
             one.fired_at.wall, one.resolved_at and one.resolved_at.wall) for one in alerts
        )  # fmt: skip

    assert told(tried) == told(live)
    names = [alert.rule.name for alert in live if alert.resolved_at is not None]
    assert Counter(names) >= Counter({"crowd": 2, "throng": 2})
    assert "source_down" in {alert.rule.name for alert in live}
    frame = kato_panel.backtest(path, rules)
    assert [*frame.index[frame["rule"] == "crowd"]] == [
        alert.fired_at.wall for alert in live if alert.rule.name == "crowd"
    ]


WATCH = """
from kato_panel.config import load
from kato_panel.runtime import Runtime

Runtime(load()).start()
input()
"""


@contextmanager
def process(folder, **settings):
    """A runtime in a process of its own, without a page; it vanishes at the end."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
    command = [sys.executable, "-c", WATCH]
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.PIPE) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("answer", ["hang", 200])
def test_kill_between_accept_and_record_loses_no_notice(tmp_path, simulator, rules, answer):
    """It may come twice, under the same id; never not at all."""
    caller, path = Caller(simulator.url), tmp_path / "history.db"
    made = [caller.create() for _ in range(3)]
    with Receiver(answer) as receiver:
        settings = {
            "KATO_API_URL": simulator.url,
            "KATO_PANEL_RULES_FILE": str(rules),
            "KATO_PANEL_WEBHOOK_URLS": receiver.url.replace("http", "json+http", 1),
            "KATO_PANEL_HISTORY_URL": f"sqlite:///{path}",
            "KATO_PANEL_POLL_INTERVAL_SECONDS": "0.5",
            "WEBSOCKET_CONTAINER_STATS": "false",
        }
        with process(tmp_path, **settings):
            receiver.wait(lambda seen: seen.seen, 60)
        with HistoryReader.open(path) as reader:
            (entry,) = reader.firing_alerts()  # on disk before it was sent
            is_sent = not reader.unsent()
        with process(tmp_path, **settings):
            receiver.wait(lambda seen: len(seen.taken) > 0, 60)
            for session_id in made:
                caller.delete(session_id)
            receiver.wait(lambda seen: states(seen)[-1] == ("crowd", "resolved"), 60)
    firing = [body["id"] for _, body in receiver.seen if body["state"] == "firing"]
    assert firing == [f"{entry.alert.id}/firing"] * (1 if is_sent else 2)
    assert {body["alert_id"] for _, body in receiver.seen} == {entry.alert.id}
