"""One call from frames to churn; and the numbers that stand in the documents."""

import re
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kato_panel import churn, demo_history, open_history, read_frame, write_frame
from kato_panel.churning import NO_RANGE
from kato_panel.domain.churn.comparing import log_rank
from kato_panel.domain.churn.survival import estimate
from kato_panel.domain.events import Kind
from kato_panel.domain.recorded import Gap, Looked, Note, Sample
from kato_panel.domain.records import Witness
from kato_panel.errors import TooLittle
from kato_panel.frames import LAYOUTS, empty_frame
from kato_panel.history.retention import Retention
from kato_panel.history.rows import micros
from kato_panel.history.writer import RECORDS_SINCE
from kato_panel.recording import KEYS_SEEN
from tests.history.making import at, event, record
from tests.history.making import open_history as keep_history
from tests.history.test_retention import MovingClock, keep_all

DOCUMENT = (Path(__file__).parents[1] / "docs" / "churn.md").read_text(encoding="utf-8")
BY_KEY_EVENT = {"born_by": Witness.KEY_EVENT}


@pytest.fixture
def history(tmp_path):
    """A history that is being written, with its path."""
    history = keep_history(tmp_path / "h.db")
    history.where = tmp_path / "h.db"
    yield history
    history.close()


def put(history, *items):
    history.record(items)
    assert history.flush()


def table(first):
    """Rows of the document's table whose first column is called so."""
    block = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in block[1].splitlines()]


def seconds(clock):
    """Seconds after noon."""
    return (datetime.strptime(clock, "%H:%M:%S") - datetime(1900, 1, 1, 12)).total_seconds()  # noqa: DTZ001, DTZ007 - both without


def tiny():
    """The tiny history of the document, with its watching."""
    for name, node, began, ended in table("session"):
        end = None if ended == "open" else seconds(ended)
        yield record(name, seconds(began), end, node, **BY_KEY_EVENT)
    yield Note(RECORDS_SINCE, micros(at(0)))
    yield Note(KEYS_SEEN, micros(at(600)))
    yield Looked(at(600))


def test_tiny_history_of_the_document_has_the_numbers_that_stand_there(history):
    """Curve, rates, mean, bias, Little's law, and the test; they were made by hand."""
    put(history, *tiny())
    with open_history(history.where) as opened:
        found = churn(opened)
    rows = table("age s")
    curve = found.survival
    assert [f"{age:g}" for age in curve.ages_seconds] == [row[0] for row in rows]
    assert list(curve.at_risk) == [int(row[1]) for row in rows]
    assert list(curve.ended) == [int(row[2]) for row in rows]
    assert np.allclose(curve.survival, [float(row[3]) for row in rows], atol=5e-7)
    parts = {}
    for name in ("node-1", "node-2"):
        chosen = (found.lives.node == name) & found.lives.is_watched
        lives = found.lives
        parts[name] = estimate(
            lives.exit_seconds[chosen], lives.is_ended[chosen], lives.entry_seconds[chosen]
        )
    test = log_rank(parts)
    assert test.expected[0] == pytest.approx(sum(float(row[6]) for row in rows), abs=5e-6)
    assert test.ended[0] == sum(int(row[5]) for row in rows)
    total = found.total
    arrivals = [float(bound[0]) for bound in total.arrivals_per_minute]
    figures = {
        "median lifetime, s": found.median_lifetime_seconds.value,
        "mean lifetime up to 300 s, s": found.mean_lifetime_seconds.value,
        "mean of those that ended, s": found.naive.mean_seconds,
        "its bias, percent": found.naive.bias_percent,
        "arrivals per minute": arrivals[0],
        "arrivals per minute, low": arrivals[1],
        "arrivals per minute, high": arrivals[2],
        "mean of active sessions": found.active.mean,
        "expected by Little's law": found.littles_law.expected_active,
        "chi-square of the log-rank test": test.chi_square,
        "its p-value": test.p_value,
    }
    told = {row[0]: row[1] for row in table("figure")}
    assert set(told) == set(figures)
    for name, text in told.items():
        digits = len(text.partition(".")[2])
        assert figures[name] == pytest.approx(float(text), abs=0.51 * 10**-digits), name


def test_every_column_of_every_frame_is_explained():
    """In the document's table, and no other is."""
    told = {re.search(r"`(\w+)\(", row[0])[1]: row[3] for row in table("frame")}
    assert set(told) == set(LAYOUTS)
    for kind, layout in LAYOUTS.items():
        outside = re.sub(r"\([^)]*\)", "", told[kind])
        assert set(re.findall(r"`(\w+)`", outside)) == set(layout), kind


def test_frame_of_sessions_answers_like_the_history_it_is_from(history, tmp_path):
    """Also after a way through a file."""
    put(history, *tiny())
    with open_history(history.where) as opened:
        whole, sessions = churn(opened).frame(), opened.sessions()
    write_frame(sessions, tmp_path / "s.csv")
    for frame, has_range in ((sessions, True), (read_frame(tmp_path / "s.csv"), False)):
        assert churn(frame).frame().equals(whole)
        assert (NO_RANGE in churn(frame).notes) != has_range
    assert len(churn(sessions, node="node-1").lives) == 6


def test_name_that_no_node_has_is_said(history):
    """Nothing of it is not the same as nothing at all."""
    put(history, *tiny())
    words = "no session of a node named 'node-l' is known in this range"
    with open_history(history.where) as opened:
        assert words in churn(opened, node="node-l").notes
        assert words in churn(opened.sessions(), node="node-l").notes
        assert not any("a node named" in note for note in churn(opened, node="node-1").notes)


def test_frame_of_a_range_answers_as_the_range_does(history, tmp_path):
    """Though it holds none that ended before: its attributes say from when on, and the gaps."""
    put(history, *tiny(), Gap(at(310), at(330)))
    since, until = at(170), at(590)
    with open_history(history.where) as opened:
        asked = churn(opened, since=since, until=until)
        for sessions in (opened.sessions(since, until), opened.lives(since, until)):
            for frame in (sessions, sessions[sessions["node"] != "none"].copy()):
                found = churn(frame)
                assert (found.since, found.until, found.notes) == (since, until, asked.notes)
                assert found.frame().equals(asked.frame())
                assert (found.lives.entry_seconds == asked.lives.entry_seconds).all()
        assert churn(opened.sessions(timedelta(seconds=60))).since == at(540)
        write_frame(opened.sessions(since, until), tmp_path / "s.csv")
        assert churn(opened.sessions(at(0), at(1), node="none")).notes == ()
    found = churn(read_frame(tmp_path / "s.csv"), since=since)
    assert NO_RANGE not in found.notes
    assert (found.lives.entry_seconds == asked.lives.entry_seconds).all()


@pytest.mark.parametrize("tz", ["Nope/Zone", "../etc", ""])
def test_zone_that_is_none_is_refused_before_anything_is_read(tz):
    """With its name."""
    with pytest.raises(ValueError, match=r"tz is .*, must be the name of a time zone"):
        churn(None, tz=tz)


@pytest.mark.parametrize(
    "since", ["6h", 5, np.datetime64("2026-11-20"), np.timedelta64(6, "h"), timedelta.max]
)
def test_bound_that_is_no_time_is_refused(history, since):
    """By its name, with what it may be."""
    put(history, *tiny())
    with open_history(history.where) as opened:
        with pytest.raises(ValueError, match=r"since is .*, must be "):
            churn(opened, since=since)
        with pytest.raises(ValueError, match=r"until is .*, must be "):
            opened.events(until=since)


def test_range_is_cut_to_what_was_watched_and_says_so(history):
    """What was before is not known; what comes after neither."""
    put(history, *tiny())
    with open_history(history.where) as opened:
        found = churn(opened, since=at(-900), until=at(9_000))
        assert (found.since, found.until) == (at(0), at(600))
        assert found.notes[0].startswith("sessions are known one by one since 2026-11-22 12:00:00")
        late = churn(opened, since=timedelta(minutes=5))
        assert (late.since, late.until) == (at(300), at(600))
        assert late.refusal == "4 sessions of known age ended, must be at least 10"
        with pytest.raises(ValueError, match=r"since is .*12:11:40.*watched from .*12:00:00 to "):
            churn(opened, since=at(700))
        with pytest.raises(ValueError, match=r"until is .*11:50:00.*watched from .*12:00:00 to "):
            churn(opened, until=at(-600))
        with pytest.raises(ValueError, match="must be later than since"):
            churn(opened, since=at(300), until=at(200))
        assert not any("one by one until" in note for note in found.notes)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"by": "color"}, "by is 'color', must be one of node, day, reason, ttl"),
        ({"tz": None}, "tz is None, must be the name of a time zone"),
        ({"node": ["n1"]}, "node is .'n1'., must be the name of one node"),
    ],
)
def test_argument_that_is_none_is_named(history, how, words):
    """Before anything is read."""
    put(history, *tiny())
    with open_history(history.where) as opened, pytest.raises(ValueError, match=words):
        churn(opened, **how)


def test_what_gives_no_frames_is_refused(history, tmp_path):
    """A path, a frame of something else, one without its times; joined frames are taken."""
    put(history, *tiny())
    with open_history(history.where) as opened:
        sessions = opened.sessions()
        write_frame(sessions, tmp_path / "s.csv")
        for given, words in (
            ("history.db", "frames is 'history.db', must be a Monitor, what open_history returns"),
            (opened.counts(), "frames has no column born_by, created, ended_earliest"),
            (sessions.reset_index(drop=True), "frames has no index of times with a zone"),
            (pd.read_csv(tmp_path / "s.csv"), "frames has no index of times with a zone"),
        ):
            with pytest.raises(ValueError, match=words):
                churn(given)
        nodes = list(sessions["node"].cat.categories)
        joined = pd.concat([opened.sessions(node=node).assign(node=node) for node in nodes])
        joined["reason"] = joined["reason"].astype(object)
        whole, apart = churn(sessions, since=at(0)), churn(joined, since=at(0))
    assert apart.reasons.frame().equals(whole.reasons.frame())
    assert list(apart.lives.groups("node", "UTC")[0].categories) == nodes


def test_who_is_open_is_censored_when_the_keys_were_last_seen_and_not_now(history):
    """The count may be watched on without Redis, as in the demo: that tells of no session."""
    put(history, *tiny())
    with open_history(history.where) as opened:
        before = churn(opened)
    put(history, Sample(at(8_000), 7), Looked(at(9_000)))
    with open_history(history.where) as opened:
        found = churn(opened)
        assert opened.sessions()["last_seen"].max() == at(600)
    assert (found.since, found.until) == (at(0), at(600))
    assert (
        "sessions were watched one by one until 2026-11-22 12:10:00 UTC: the range ends there"
        in (found.notes)
    )
    assert found.naive.still_open == 2
    assert found.frame().equals(before.frame())


def test_open_sessions_of_the_demo_lived_until_its_week_ended():
    """And nobody is older than that."""
    demo = demo_history(span=timedelta(hours=6))
    sessions, (_, end) = demo.sessions(), demo.watched()
    found, is_open = churn(demo), sessions["ended_latest"].isna()
    assert is_open.sum() == found.naive.still_open > 0
    assert (sessions.loc[is_open, "last_seen"] == end).all()
    assert found.until == end
    ages = (end - sessions.loc[is_open, "created"]).dt.total_seconds()
    lived = found.lives.exit_seconds[~found.lives.is_ended]
    assert sorted(lived) == pytest.approx(sorted(ages))


def test_gaps_of_the_history_are_told(history):
    """And who was born in one comes late."""
    put(history, *tiny(), Gap(at(100), at(130)))
    with open_history(history.where) as opened:
        found = churn(opened)
    assert found.window.gap_seconds == 30
    assert found.survival.late_entries == 4
    assert "30 s of the range, 5 %" in found.notes[0]


def test_without_redis_the_events_tell_rates_alone(history):
    """As lower bounds, with what it takes to know more."""
    put(
        history,
        Sample(at(0), 5),
        event(1, 10, delta=3, current=8),
        event(2, 50, kind=Kind.DESTROYED, current=7),
        Sample(at(120), 7),
        Looked(at(120)),
    )
    with open_history(history.where) as opened:
        found = churn(opened)
        assert (found.since, found.until) == (at(0), at(120))
        assert (found.total.arrivals[0], found.total.departures[0]) == (3, 1)
        assert found.total.is_lower_bound
        assert "REDIS_URL" in found.refusal


def test_range_without_redis_begins_where_events_are_still_kept(tmp_path):
    """Of what was before the count alone is known: no arrivals are not the same as none known."""
    clock = MovingClock()
    keeper = keep_history(tmp_path / "h.db", clock=clock, retention=Retention(raw_days=1))
    told = [event(n, n * 3_600, current=n + 5) for n in range(48)]
    put(keeper, Sample(at(-7), 5), *told, Looked(at(48 * 3_600)))
    with open_history(tmp_path / "h.db") as opened:
        found = churn(opened)
        assert (found.since, found.total.arrivals[0]) == (at(-7), 48)
        assert not any("left out" in note for note in found.notes)
    clock.advance(48 * 3_600)
    keep_all(keeper)
    with open_history(tmp_path / "h.db") as opened:
        assert opened.counts().index[0] < at(3_600)
        for since in (None, at(0)):
            found = churn(opened, since=since)
            assert found.since == at(23 * 3_600)
            assert found.total.arrivals_per_minute[0][0] == pytest.approx(1 / 60, rel=0.05)
            assert "kept since 2026-11-23 11:00:00 UTC: what was before is left" in found.notes[0]
    with sqlite3.connect(tmp_path / "h.db") as file:
        file.execute("DELETE FROM notes WHERE key = 'events since'")
    with open_history(tmp_path / "h.db") as opened:
        assert churn(opened).since == at(24 * 3_600)
    keeper.close()


def test_nothing_observed_is_refused(history):
    """In words; and so is one look, with Redis or without."""
    put(history, Note("nothing", 1))
    with open_history(history.where) as opened, pytest.raises(TooLittle, match="nothing was"):
        churn(opened)
    put(history, Sample(at(0), 5), Looked(at(0)))
    with open_history(history.where) as opened:
        for since in (None, timedelta(hours=1), at(-60)):
            with pytest.raises(TooLittle, match="there was one look so far, must be at least two"):
                churn(opened, since=since)
    put(history, Note(RECORDS_SINCE, micros(at(0))), Note(KEYS_SEEN, micros(at(0))))
    with open_history(history.where) as opened, pytest.raises(TooLittle, match="one look"):
        churn(opened)
    with pytest.raises(TooLittle, match="nothing was observed yet"):
        churn(empty_frame("sessions"))
