"""Backtest: rules of a file over a recorded week, in Python and on the command line."""

import random
import sqlite3
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import kato_panel
from kato_panel import cli, config
from kato_panel.alarms import Alarms
from kato_panel.backtesting import open_reader, try_rules
from kato_panel.demo_week import demo_history, demo_rules
from kato_panel.domain.events import Moment
from kato_panel.domain.recorded import Figure, Gap, Sample
from kato_panel.domain.rule_texts import read_rules
from kato_panel.domain.rules import Measured
from kato_panel.errors import ConfigError, HistoryError
from kato_panel.history.reader import MAX_GAPS
from tests.conftest import NOON
from tests.history.making import at, open_history

SPAN = timedelta(hours=6)


@pytest.fixture(scope="module")
def demo():
    return demo_history(NOON + SPAN, span=SPAN)


@pytest.fixture
def kept(tmp_path):
    """A file with one figure each 15 s for ten minutes, wrong from 120 to 195 s, and a count."""
    history = open_history(tmp_path / "h.db")
    for step in range(40):
        value = 95.0 if 120 <= 15 * step < 200 else 20.0
        history.record(Figure(at(15 * step), "container_cpu_percent", "kato", value))
        history.record(Sample(at(15 * step), 300 if 240 <= 15 * step < 420 else 7))
    assert history.flush()
    history.close()
    return tmp_path / "h.db"


RULES = """
[[rules]]
name = "cpu"
metric = "container_cpu_percent"
op = ">"
threshold = 80
for = "30s"

[[rules]]
name = "many"
metric = "sessions_active"
op = ">"
threshold = 250
for = "1m"

[[rules]]
name = "disk"
metric = "disk_percent"
op = ">"
threshold = 1
"""


def test_early_gap_ends_a_wait_though_many_follow(tmp_path):
    """More than a chart shows."""
    history = open_history(tmp_path / "h.db")
    history.record([Figure(at(15 * n), "container_cpu_percent", "kato", 95.0) for n in range(9)])
    history.record(Gap(at(16), at(19)))
    history.record([Gap(at(200 + n), at(200 + n + 0.5)) for n in range(MAX_GAPS)])
    history.record(Sample(at(900), 7))
    assert history.flush()
    (alert,) = try_rules(history.reader, read_rules(RULES))
    assert alert.fired_at.wall == at(60)
    history.close()


def test_frame_has_the_alerts_that_one_works_out_by_hand(kept):
    """From figures, and from the count's minutes where there are no figures of it."""
    frame = kato_panel.backtest(kept, RULES, since=timedelta(hours=1))
    seconds = [(time - NOON).total_seconds() for time in frame.index]
    assert [*zip(frame["rule"], frame["subject"], seconds, strict=True)] == [
        ("cpu", "kato", 150),
        ("many", "", 360),
    ]
    assert [one.total_seconds() for one in frame["duration"]] == [60, 120]
    assert [*frame["value"]] == [95, 300]
    assert frame["message"].iloc[0] == "cpu: 95"


def test_figures_that_are_sampled_at_other_times_leave_no_holes(tmp_path):
    """The live service keeps each in a step of its own, from when it was known first."""
    history = open_history(tmp_path / "h.db")
    for step in range(20):
        history.record(Figure(at(15 * step), "container_cpu_percent", "kato", 95.0))
        history.record(Figure(at(15 * step + 4), "container_cpu_percent", "redis", 95.0))
        history.record(Figure(at(15 * step + 9), "disk_percent", "", 0.0))
    assert history.flush()
    history.close()
    frame = kato_panel.backtest(tmp_path / "h.db", RULES, since=at(-1), until=at(600))
    fired = [(time - NOON).total_seconds() for time in frame.index]
    assert [*zip(frame["subject"], fired, strict=True)] == [("kato", 30), ("redis", 34)]


LIVE_RULES = """
[[rules]]
name = "hot"
metric = "container_cpu_percent"
op = ">"
threshold = 80
for = "5s"
keep_firing_for = "3s"
cooldown = "40s"

[[rules]]
name = "warm"
metric = "container_cpu_percent"
op = ">="
threshold = 40
for = "20s"
cooldown = "0s"

[[rules]]
name = "few"
metric = "sessions_active"
op = "<"
threshold = 3
cooldown = "10s"
"""


class Jittery:
    """A clock whose wall is a little off its ticks, as clocks are."""

    def __init__(self, draw):
        self.draw, self.tick = draw, 1_000.0

    def __call__(self):
        off = timedelta(microseconds=self.draw.randrange(-5_000, 5_000))
        return Moment(NOON + timedelta(seconds=self.tick - 1_000) + off, self.tick)


@pytest.mark.parametrize("seed", range(4))
def test_kept_samples_give_the_alerts_that_were_judged_each_second(seed, tmp_path):
    """
    Whatever the values do between two samples, and whoever is not known or gone for a while.

    Rule, subject, value, beginning and end of each, to the look.
    """
    draw, rules = random.Random(seed), read_rules(LIVE_RULES)
    clock, kept = Jittery(draw), []
    alarms = Alarms(rules, [], record=kept.extend, settle=lambda: None, clock=clock)
    values = {("container_cpu_percent", "a"): 0.0, ("container_cpu_percent", "b"): 0.0,
              ("sessions_active", ""): 5.0}  # fmt: skip
    for _ in range(3_000):
        clock.tick += 1 + draw.uniform(0, 0.002)
        for key in values:
            if draw.random() < 0.15:
                many = key[0] == "sessions_active"
                values[key] = draw.choice([2, 5, None] if many else [20, 50, 90, None, "gone"])
        measured = [Measured(metric, value, subject)
                    for (metric, subject), value in values.items() if value != "gone"]  # fmt: skip
        alive = [one.subject for one in measured]
        alarms.look(measured, clock(), {"container_cpu_percent": alive})
    history = open_history(tmp_path / "h.db")
    history.record(kept)
    assert history.flush()
    recorded = [entry.alert for entry in history.reader.alerts(limit=500).rows]
    history.close()
    assert len([one for one in kept if isinstance(one, Figure)]) < 3 * 3_000 / 2
    with open_reader(tmp_path / "h.db") as reader:
        alerts = try_rules(reader, rules, at(-60), at(7_200))
    assert alerts_told(alerts) == alerts_told(recorded)
    assert {one.rule.name for one in alerts} == {"hot", "warm", "few"}
    assert len(alerts) > 50


def alerts_told(alerts):
    """All that alerts say, but for why they are over."""
    return sorted(
        (one.rule.name, one.subject, one.rule.severity.value, one.value, one.pending_at.wall,
         one.fired_at.wall, one.resolved_at and one.resolved_at.wall) for one in alerts
    )  # fmt: skip


def test_types_are_the_same_without_alerts(demo, kept):
    """Documented, and UTC."""
    full = kato_panel.backtest(demo, demo_rules())
    empty = kato_panel.backtest(kept, "\n")
    assert len(full) > 5
    assert len(empty) == 0
    kinds = [
        {name: str(kind).partition("(")[0] for name, kind in frame.dtypes.items()}
        for frame in (full, empty)
    ]
    assert kinds[0] == kinds[1]
    assert full.index.name == empty.index.name == "time"
    assert full.index.dtype == empty.index.dtype == pd.DatetimeTZDtype("us", "UTC")


def test_alerts_are_those_the_history_has_of_the_same_rules(demo):
    """The episodes of the demo's week, from its figures as they were written."""
    frame = kato_panel.backtest(demo, demo_rules())
    recorded = [entry.alert for entry in demo.reader.alerts(limit=500).rows[::-1]]
    assert sorted(zip(frame.index, frame["rule"].astype(str), frame["value"], strict=True)) == (
        sorted((one.fired_at.wall, one.rule.name, one.value) for one in recorded)
    )


def test_command_lists_alerts_and_sums_them_up(kept, tmp_path):
    """A table, and a line that names each rule, also one that nothing was recorded for."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    history = ["--since", "1h", "--history", f"sqlite:///{kept}"]
    asked = ["rules", "test", str(file), "--alone", *history]
    told = CliRunner().invoke(cli.main, asked)
    assert told.exit_code == 0, told.output
    head, cpu, many, summary = told.output.splitlines()
    assert head.split() == ["rule", "subject", "pending", "fired", "resolved", "value", "lasted"]
    assert cpu.split()[:2] == ["cpu", "kato"]
    assert cpu.split()[-2:] == ["95", "1m"]
    assert many.split()[:2] == ["many", "—"]
    assert summary.startswith("in 1h: cpu 1, many 1, disk 0 (")


def test_command_judges_what_the_service_would_judge(kept, tmp_path, monkeypatch):
    """The file's rules, the settings' own, and those that are built in, with their thresholds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALERT_CPU_THRESHOLD", "90")
    (tmp_path / config.TOML_FILE).write_text(RULES.replace("cpu", "mine").split("\n\n")[0].replace(
        "container_mine", "container_cpu").replace("80", "94"))  # fmt: skip
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    runner, history = CliRunner(), ["--since", "1h", "--history", str(kept)]
    told = runner.invoke(cli.main, ["rules", "test", str(file), *history])
    assert told.exit_code == 0, told.output
    *rows, summary = told.output.splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["mine", "cpu", "container_cpu", "many"]
    checked = runner.invoke(cli.main, ["rules", "check", str(file)])
    names = [line.partition(":")[0] for line in checked.output.splitlines()]
    counted = summary.partition(": ")[2].partition(" (")[0].split(", ")
    assert [one.split()[0] for one in counted] == names
    assert {"mine", "cpu", "many", "disk", "container_cpu", "own_loop_late"} <= {*names}
    own = runner.invoke(cli.main, ["rules", "test", config.TOML_FILE, *history])
    assert " cpu " not in own.output
    assert "mine 1" in own.output
    assert "container_cpu 1" in own.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--since", "soon"], "must be a duration"),
        (["--history", "/nowhere.db"], "cannot be read"),
        (["--history", "sqlite://"], "its own process"),
    ],
)
def test_command_says_what_is_wrong(more, said, kept, tmp_path):
    """In a sentence."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    told = CliRunner().invoke(cli.main, ["rules", "test", str(file), "--history", str(kept), *more])
    assert told.exit_code != 0
    assert said in told.output
    assert "Traceback" not in told.output


def test_wrong_rules_are_told_with_their_line(kept, tmp_path):
    """As the service tells them."""
    with pytest.raises(ConfigError, match="line 2"):
        kato_panel.backtest(kept, '[[rules]]\nname = "1"\n')
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    assert len(kato_panel.backtest(kept, file)) == 2


def test_history_in_memory_is_no_address():
    """Nobody else can read it."""
    with pytest.raises(HistoryError, match="its own process"):
        open_reader("sqlite://")


def test_what_nobody_wrote_is_passed_over(kept):
    """A flipped bit in a time or a value."""
    with sqlite3.connect(kept) as connection:
        connection.execute(
            "UPDATE figures SET value = 'x' WHERE at = (SELECT min(at) FROM figures)"
        )
        connection.execute("UPDATE figures SET at = 'y' WHERE at = (SELECT max(at) FROM figures)")
        connection.execute(
            "UPDATE minutes SET last = 'z' WHERE start = (SELECT min(start) FROM minutes)"
        )
    with open_reader(kept) as reader:
        (looks,) = reader.looks(["container_cpu_percent"], at(-60), at(3600))
        assert len(looks.times) == 38
        assert not np.isnan(looks.series["container_cpu_percent", "kato"]).any()
        assert len(reader.minute_looks(at(-60), at(3600)).times) == 9


def test_command_refuses_what_is_too_long_ago(kept, tmp_path):
    """In words."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    asked = ["rules", "test", str(file), "--since", "9999999d", "--history", f"sqlite:///{kept}"]
    told = CliRunner().invoke(cli.main, asked)
    assert (told.exit_code, type(told.exception)) == (2, SystemExit)
    assert "too long ago" in told.output
