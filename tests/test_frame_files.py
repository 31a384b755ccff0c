"""Frames as CSV and JSON, out and back."""

import json
from datetime import timedelta

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from kato_panel import read_frame, write_frame
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.frames import LAYOUTS, empty_frame, event_frame, lay_out
from tests.domain.churn.making import at, frame, life

HOSTILE = ("=cmd()", "'=cmd()", 'a"b,c\r\nd', "ä 会", "-1", "", " x ")


def sessions():
    rows = [life(name, n, n + 1 / 3, node=name or None) for n, name in enumerate(HOSTILE)]
    return frame([*rows, life("open", 9, ttl_seconds=None), life("w", 1, 7, width=1e-6)])


def events():
    names = tuple(Name(name, None if n else name) for n, name in enumerate(HOSTILE))
    first = SessionEvent(1, Kind.CREATED, at(0.000001), 1, 2, 1, "redis", names)
    last = SessionEvent(2, Kind.DESTROYED, at(1), 2, 1, 1, "http", (), "expired", 0.1 + 0.2)
    return event_frame([first, last], None)


def counts():
    return lay_out("counts", [at(0), at(1)], {"active": pd.array([3, pd.NA], dtype="Int64")})


def alerts():
    columns = {name: [None] for name in LAYOUTS["alerts"]}
    columns |= {"alert_id": ["-1"], "rule": ["=x"], "reason": [""], "acknowledged_by": [""]}
    columns |= {"lasted": [timedelta(days=400, microseconds=1)], "resolved": [at(2)]}
    return lay_out("alerts", [at(1)], columns)


def containers():
    columns = {"container": ["a", "b"], "metric": ["m", "m"], "value": [1e-300, 1 / 3]}
    return lay_out("containers", [at(1), at(1)], columns)


def gaps():
    return lay_out("gaps", [at(1)], {"ended": [at(2)]})


FRAMES = [sessions, events, counts, alerts, containers, gaps]


@pytest.mark.parametrize("suffix", ["csv", "json"])
@pytest.mark.parametrize("made", FRAMES, ids=lambda made: made.__name__)
def test_frames_come_back_as_they_were(made, suffix, tmp_path):
    """Types, categories, microseconds and texts that look like formulas."""
    frame, path = made(), tmp_path / f"x.{suffix}"
    write_frame(frame, path)
    assert_frame_equal(read_frame(path), frame, check_exact=True, check_freq=False)


@pytest.mark.parametrize(
    ("span", "seconds", "cell"),
    [
        (timedelta(minutes=6), 360, "360"),
        (timedelta(microseconds=1), 0.000001, "0.000001"),
        (timedelta(days=400, microseconds=1), 34_560_000.000001, "34560000.000001"),
        (timedelta(days=73_000, microseconds=999_999), 6_307_200_000.999999, "6307200000.999999"),
    ],
)
def test_spans_are_seconds_to_the_microsecond(span, seconds, cell, tmp_path):
    """A number in JSON, digits in CSV; and back for two hundred years."""
    frame = alerts()
    frame["lasted"] = pd.array([span], dtype="timedelta64[us]")
    for suffix in ("csv", "json"):
        write_frame(frame, tmp_path / f"x.{suffix}")
        assert read_frame(tmp_path / f"x.{suffix}")["lasted"].iloc[0] == span
    assert json.loads((tmp_path / "x.json").read_text())["lasted"] == [seconds]
    assert f",{cell}," in (tmp_path / "x.csv").read_text()


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_part_of_a_frame_comes_back_without_the_names_it_does_not_hold(suffix, tmp_path):
    """Whatever else; with no row, with no name, the categories are texts still."""
    whole, path = containers(), tmp_path / f"x.{suffix}"
    for part in (whole[:1], whole[:0]):
        write_frame(part, path)
        read = read_frame(path)
        assert list(read["container"].cat.categories) == list(part["container"])
        assert read["container"].cat.categories.dtype == whole["container"].cat.categories.dtype
        assert read.astype(str).equals(part.astype(str))


@pytest.mark.parametrize("suffix", ["csv", "json"])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_empty_frames_come_back_as_they_were(kind, suffix, tmp_path):
    """With their columns and types."""
    path = tmp_path / f"x.{suffix}"
    write_frame(empty_frame(kind), path)
    assert_frame_equal(read_frame(path), empty_frame(kind), check_freq=False)


def test_csv_holds_no_formula(tmp_path):
    """A spreadsheet runs nothing of it."""
    write_frame(sessions(), tmp_path / "x.csv")
    lines = (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("time,session_id,node,created,")
    assert not [line for line in lines if ",=" in line]
    assert lines[1].startswith("2026-11-22T12:00:00+00:00,'=cmd(),'=cmd(),2026-")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "time,tea\r\n"),
        ("x.csv", "time,active\r\n2026-01-01,many\r\n"),
        ("x.csv", ""),
        ("x.json", "{}"),
        ("x.json", "[]"),
        ("x.json", '{"active": [1]}'),
        ("x.json", '{"active": 1, "time": 2}'),
    ],
)
def test_file_that_holds_something_else_is_refused(name, text, tmp_path):
    """In one kind of error."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"columns are|holds no frame|many|unpack"):
        read_frame(tmp_path / name)


def test_frame_or_path_of_another_kind_is_refused(tmp_path):
    """Before anything is written."""
    with pytest.raises(ValueError, match="must be those of one of sessions, events"):
        write_frame(pd.DataFrame({"tea": [1]}), tmp_path / "x.csv")
    with pytest.raises(ValueError, match=r"must end in \.csv or \.json"):
        write_frame(counts(), tmp_path / "x.txt")
    assert not list(tmp_path.iterdir())
