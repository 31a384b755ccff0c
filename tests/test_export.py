"""Exports: every row once, whatever the parts; a spreadsheet runs nothing of it."""

import csv
import json
import os
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise

import pandas as pd
import pytest
from click.testing import CliRunner

from kato_panel import cli, open_history, parts, read_frame
from kato_panel.domain.event_query import EXPORTED
from kato_panel.errors import HistoryError
from tests.history.making import at
from tests.report_rig import SECONDS, keep, two_hours

RISKY = ("=cmd()", "+1", "@SUM(A1)", "'=x")


@pytest.fixture
def path(tmp_path):
    return keep(tmp_path / "h.db", *two_hours(names=RISKY))


def run(*args):
    return CliRunner().invoke(cli.main, ["export", *map(str, args)])


@pytest.mark.parametrize("few", [parts.FEW, 5])
@pytest.mark.parametrize("kind", EXPORTED)
def test_csv_is_read_back_as_the_frame(path, tmp_path, monkeypatch, kind, few):
    """Also where it is written in many parts."""
    monkeypatch.setattr(parts, "FEW", few)
    monkeypatch.setattr(parts, "FIRST_WIDTH", timedelta(minutes=8))
    told = run("--history", path, "-o", tmp_path / "x.csv", kind)
    assert told.exit_code == 0, told.output
    with open_history(path) as opened:
        frame = getattr(opened, kind)()
    assert len(frame) > 1
    assert told.output.endswith(f"x.csv: {len(frame)} rows\n")
    pd.testing.assert_frame_equal(read_frame(tmp_path / "x.csv"), frame)


@pytest.mark.parametrize("kind", EXPORTED)
def test_json_has_an_object_for_each_row(path, kind):
    """The same values; what is not known is null."""
    rows = json.loads(run("--history", path, "--format", "json", kind).stdout)
    with open_history(path) as opened:
        frame = getattr(opened, kind)()
    assert len(rows) == len(frame)
    assert [*rows[0]] == ["time", *frame.columns]
    assert [pd.Timestamp(row["time"]) for row in rows] == [*frame.index]
    for name in frame.select_dtypes("timedelta"):
        seconds = frame[name].dt.total_seconds().astype(object)
        assert [row[name] for row in rows] == [*seconds.where(seconds.notna(), None)]


@pytest.mark.parametrize("kind", EXPORTED)
def test_ranges_and_nodes_are_those_of_the_frames(path, kind):
    """From a time on, and before another; sessions that lived in it."""
    more = ["--node", "+1"] if kind in {"sessions", "events"} else []
    args = ["--since", at(1_200).isoformat(), "--until", at(4_000).isoformat(), *more]
    rows = json.loads(run("--history", path, "--format", "json", *args, kind).stdout)
    with open_history(path) as opened:
        given = {"node": "+1"} if more else {}
        frame = getattr(opened, kind)(at(1_200), at(4_000), **given)
    assert [pd.Timestamp(row["time"]) for row in rows] == [*frame.index]


def test_nothing_is_a_formula_to_a_spreadsheet(path):
    """Nodes and people that are called like one."""
    text = run("--history", path, "sessions").stdout
    cells = {cell for row in csv.reader(text.splitlines()) for cell in row}
    assert not [cell for cell in cells if cell[:1] in "=+@-" and cell]
    assert {"'=cmd()", "'+1", "'@SUM(A1)", "''=x"} <= cells


def test_several_kinds_take_a_folder(path, tmp_path):
    """Which is made; each has a file by its name."""
    told = run("--history", path, "--format", "json", "-o", tmp_path / "new", "counts", "alerts")
    assert told.exit_code == 0, told.output
    assert {one.name for one in (tmp_path / "new").iterdir()} == {"counts.json", "alerts.json"}
    assert "name it with -o" in run("--history", path, "counts", "alerts").output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--since", "1h", "--until", "2h", "counts"], "must be later than since"),
        (["--since", "soon", "counts"], "since is 'soon', must be"),
        (["-o", "/not/there/x.csv", "counts"], "No such file"),
        (["people"], "'people' is not one of"),
    ],
)
def test_what_is_wrong_is_said(path, args, words):
    """And nothing is written."""
    told = run("--history", path, *args)
    assert told.exit_code != 0
    assert words in told.output


def test_history_in_which_nobody_looked_has_no_rows(tmp_path):
    """But its columns."""
    path = keep(tmp_path / "h.db")
    assert run("--history", path, "counts").stdout_bytes == b"time,active\r\n"
    assert json.loads(run("--history", path, "--format", "json", "counts").stdout) == []


def test_failing_export_leaves_what_was_there(path, tmp_path, monkeypatch):
    """Whole; and nothing beside it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.csv").write_text("before")

    def fail(_):
        raise HistoryError("the disk is gone")

    monkeypatch.setattr("kato_panel.exporting.csv_lines", fail)
    told = run("--history", path, "-o", tmp_path / "out" / "x.csv", "counts")
    assert (told.exit_code, told.output) == (1, "Error: the disk is gone\n")
    assert [one.read_text() for one in (tmp_path / "out").iterdir()] == ["before"]


def test_parts_become_wider_and_narrower():
    """By how much is in them; together they are the range."""
    read = []
    rows = iter([0, 0, 4 * parts.FEW + 1, parts.FEW] + [0] * 20)

    def part(begin, end):
        read.append((begin, end))
        return range(next(rows))

    assert len([*parts.read_parts(part, at(0), at(SECONDS * 10))]) == len(read)
    assert read[0][0] == at(0)
    assert read[-1][1] == at(SECONDS * 10)
    assert all(a[1] == b[0] for a, b in pairwise(read))
    widths = [(end - begin) / timedelta(hours=1) for begin, end in read]
    assert widths[:5] == [1, 2, 4, 2, 2]


@pytest.mark.parametrize(
    "args",
    [
        ["export", "--history", "h.db", "events"],
        ["report", "--history", "h.db", "--json"],
        ["rules", "test", "--history", "h.db", "rules.toml"],
        ["check"],
    ],
    ids=lambda args: args[0],
)
def test_commands_leave_nothing_beside_a_history(path, monkeypatch, args):
    """Which may be in a folder where nothing may be written."""
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("KATO_PANEL_HISTORY_URL", "sqlite:///h.db")
    (path.parent / "rules.toml").write_text("")
    before = sorted(path.parent.iterdir())
    told = CliRunner().invoke(cli.main, args)
    assert told.exit_code == (2 if args == ["check"] else 0), told.output
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize(
    "args",
    [["export", "alerts"], ["export", "sessions"], ["report", "--json"]],
    ids=["few lines", "many lines", "report"],
)
def test_who_reads_no_further_ends_it_quietly(path, args):
    """As ``| head`` does: no word about it, and what a shell says of such an end."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "kato_panel", args[0], "--history", path, *args[1:]]
    told = subprocess.run(
        command,
        stdout=writing,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": ""},
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (told.returncode, told.stderr) == (141, b"")
