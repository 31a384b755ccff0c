"""Questions of churn, answered one at a time for all."""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from kato_panel import churn, churn_desk, demo_history, open_history
from kato_panel.churn_desk import ChurnDesk
from kato_panel.churn_report import MAX_POINTS, Report, choose_ages, make_report
from kato_panel.domain.churn.drawing import draw
from kato_panel.domain.churn_questions import Question
from kato_panel.errors import HistoryError, KatoPanelError, TooLittle
from tests.week import lives_until, watch

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WAIT_SECONDS = 20


@pytest.fixture
def path(tmp_path):
    """A history of two hours and some hundred lives."""
    watch(tmp_path / "h.db", lives_until(NOW), NOW)
    return tmp_path / "h.db"


@pytest.fixture
def desk(path):
    with open_history(path) as history:
        desk = ChurnDesk(lambda: history, has_records=True)
        yield desk
        desk.close()


def ask(desk, question, **how):
    return desk.ask(question, **how).result(WAIT_SECONDS)


class Whole:
    """Frames that churn reads from whole sessions, as they are in a notebook."""

    def __init__(self, frames):
        self.watched, self.gaps, self.sessions = frames.watched, frames.gaps, frames.sessions
        self.origin = frames.origin

    def lives(self, since, until, *, node, with_ttl):
        sessions = self.sessions(since, until, node=node)
        return sessions if with_ttl else sessions.drop(columns="ttl_seconds")


def assert_is_of_the_frames(report, frames, *, by, since=None):
    """Each figure, each curve, each cell."""
    found = churn(Whole(frames), since=since, by="node" if by == "all" else by, tz="Europe/Berlin")
    groups = found.groups
    assert (report.median, report.mean, report.naive, report.refusal) == (
        found.median_lifetime_seconds,
        found.mean_lifetime_seconds,
        found.naive,
        found.refusal,
    )
    assert report.notes == (*found.notes, *(() if by == "all" else groups.notes))
    assert (report.sessions, report.is_lower_bound) == (len(found.lives), False)
    times = report.frames["rates"].index
    ages = report.frames["at_risk"].index.total_seconds()
    expected = {
        "at_risk": found.survival.at([*ages]),
        "cohorts": found.cohorts.frame(),
        "reasons": found.reasons.frame(),
        "hours": found.hours.frame(),
        "lifetimes": found.lifetimes.frame(),
        "rates": found.rates((times[2] - times[1]).to_pytimedelta()).frame(),
    } | ({} if by == "all" else {"groups": groups.frame()})
    assert set(report.frames) == set(expected)
    for name, frame in expected.items():
        assert report.frames[name].equals(frame), name
    for name in ("arrivals", "departures", "net"):
        bounds, rate = report.rates_per_minute[name], getattr(found.total, f"{name}_per_minute")
        assert [bounds.value, bounds.low, bounds.high] == [one[0] for one in rate]
    curves = {"all": found.survival} if by == "all" else groups.curves
    assert set(report.curves) == set(curves)
    for name, curve in curves.items():
        assert report.curves[name].equals(draw(curve, MAX_POINTS)), name
    if by != "all":
        assert (report.log_rank, report.refused) == (groups.log_rank, groups.refused)


def test_name_that_no_node_has_is_said(desk):
    """It may stand in an address that somebody wrote."""
    report = ask(desk, Question("1h", node="node-l"))
    assert "no session of a node named 'node-l' is known in this range" in report.notes
    assert len(report.nodes) > 1


@pytest.mark.parametrize("by", ["all", "node", "day", "reason", "ttl"])
def test_every_figure_is_the_one_of_the_frames(desk, path, by):
    """Whoever asks in a notebook reads the same numbers."""
    report = ask(desk, Question("1h", by=by, zone="Europe/Berlin"))
    with open_history(path) as history:
        assert_is_of_the_frames(report, history, by=by, since=timedelta(hours=1))


@pytest.fixture(scope="module")
def demo():
    return demo_history()


@pytest.mark.parametrize("by", ["all", "node", "day", "reason", "ttl"])
def test_every_figure_of_the_demos_week_is_the_one_of_its_frames(demo, by):
    """Open, evicted, born in gaps, seen late: all that the week has."""
    report = make_report(demo, Question("all", by=by, zone="Europe/Berlin"))
    assert_is_of_the_frames(report, demo, by=by)


def test_figures_of_the_demos_week_are_what_plain_pandas_makes_of_its_frames(demo):
    """Without anything of ours but the frames: counts, means, and the curve age by age."""
    report = make_report(demo, Question("all"))
    sessions, (begin, end) = demo.sessions(), demo.watched()
    is_over = sessions["ended_latest"].notna()
    middle = sessions["ended_earliest"] + sessions["lifetime_width"] // 2
    assert (report.since, report.until, report.sessions) == (begin, end, len(sessions))
    ended = sessions.loc[is_over, "reason"].value_counts()
    assert report.frames["reasons"]["ended"].to_dict() == ended.to_dict()
    assert dict(report.nodes) == sessions["node"].value_counts().to_dict()
    is_seen = pd.Series(data=True, index=range(len(sessions)))
    gone = pd.Series(data=True, index=range(len(sessions)))
    for began, resumed in demo.gaps()["ended"].items():
        is_seen &= ~((sessions.index >= began) & (sessions.index < resumed))
        gone &= ~((middle >= began) & (middle < resumed)).to_numpy()
    born = int((is_seen & (sessions.index >= begin)).sum())
    assert report.frames["rates"]["arrivals"].sum() == born
    assert report.frames["rates"]["departures"].sum() == int((gone & is_over.to_numpy()).sum())
    left = middle.where(is_over, sessions["last_seen"])
    exits = (left - sessions["created"]).dt.total_seconds()
    entries = (sessions["entered"] - sessions["created"]).dt.total_seconds().clip(lower=0)
    is_used = exits.notna() & (exits > entries)
    lived = exits[is_used & is_over]
    assert report.naive.mean_seconds == pytest.approx(lived.mean(), rel=1e-12)
    assert report.naive.still_open == int((is_used & ~is_over).sum())
    ends = lived.value_counts().sort_index()
    entered, gone = (np.sort(ages[is_used]) for ages in (entries, exits))
    at_risk = np.searchsorted(entered, ends.index) - np.searchsorted(gone, ends.index)
    share = (1 - ends / at_risk).cumprod()
    assert report.median.value == pytest.approx(share.index[share <= 0.5][0], rel=1e-12)


def test_one_node_is_answered_with_the_names_of_all(desk, path):
    """So that another can be chosen."""
    report = ask(desk, Question("all", node="planner"))
    with open_history(path) as history:
        assert report.median == churn(history, node="planner").median_lifetime_seconds
        assert sum(count for _, count in report.nodes) == len(history.sessions())
    assert {name for name, _ in report.nodes} == {"planner", "vision"}


def test_table_has_plain_cells(desk):
    """Times are UTC, spans seconds, what is not known is nothing."""
    report = ask(desk, Question("1h"))
    names, rows = report.table("survival")
    assert names[:3] == ["group", "age_seconds", "survival"]
    assert rows[0][:3] == ["all", 0, 1]
    names, rows = report.table("rates")
    assert (names[0], rows[-1][0]) == ("time", "2026-11-22T11:59:00+00:00")
    assert report.table("tea") == ([], [])
    _, rows = report.table("hours")
    assert rows[0][0] == "Mon"
    assert None in rows[0]


def test_same_question_is_computed_once(desk):
    """Until somebody wants it anew, or it has become old."""
    first = desk.ask(Question("1h"))
    assert desk.ask(Question("1h")) is first
    assert first.result(WAIT_SECONDS) is ask(desk, Question("1h"))
    assert desk.ask(Question("24h")) is not first


def test_other_grouping_of_the_same_range_reads_nothing_again(path, monkeypatch):
    """Until that is old, wanted anew, of another range, or too much to be kept."""
    read = []
    with open_history(path) as history:
        lives = history.lives
        monkeypatch.setattr(history, "lives", lambda *a, **k: read.append(a) or lives(*a, **k))
        desk = ChurnDesk(lambda: history, has_records=True)
        for by in ("all", "node", "day", "reason"):
            report = ask(desk, Question("1h", by=by))
            assert report.sessions == ask(desk, Question("1h", by=by, zone="Asia/Tokyo")).sessions
        alone = ask(desk, Question("1h", node="planner"))
        assert 0 < alone.sessions < report.sessions
        assert len(read) == 1
        ask(desk, Question("all"))
        ask(desk, Question("1h", zone="Europe/Oslo"))
        assert len(read) == 3
        monkeypatch.setattr(churn_desk, "FRESH_SECONDS", 0.0)
        ask(desk, Question("1h", zone="Europe/Rome"), anew=True)
        assert len(read) == 4
        monkeypatch.setattr(churn_desk, "MAX_ROWS", 1)
        ask(desk, Question("1h", zone="Europe/Paris"))
        ask(desk, Question("1h", zone="Europe/Malta"))
        assert len(read) == 5
        desk.close()


def test_what_is_long_to_read_is_read_between_two_looks_at_the_median(path, monkeypatch):
    """So a tab is opened from what is there; the look itself, and who wants it, read anew."""
    read = []
    monkeypatch.setattr(churn_desk, "SHARED_SECONDS", 0.0)
    monkeypatch.setattr(churn_desk, "FRESH_SECONDS", 0.0)
    with open_history(path) as history:
        lives = history.lives
        monkeypatch.setattr(history, "lives", lambda *a, **k: read.append(a) or lives(*a, **k))
        desk = ChurnDesk(lambda: history, has_records=True)
        for long_seconds, times in ((60.0, 3), (0.0, 2)):
            monkeypatch.setattr(churn_desk, "LONG_SECONDS", long_seconds)
            read.clear()
            desk._measure()
            ask(desk, Question("24h"))
            ask(desk, Question("24h", by="node"), anew=not long_seconds)
            assert len(read) == times
        ask(desk, Question("24h", by="day"))
        assert len(read) == 2
        monkeypatch.setattr(churn_desk, "READ_SECONDS", 0.0)
        ask(desk, Question("24h", by="ttl"))
        assert len(read) == 3
        desk.close()


def test_no_more_than_a_few_wait():
    """The next one is told so, in words; who has asked the same shares the place."""
    gate = threading.Event()

    class Slow:
        def __getattr__(self, name):
            assert gate.wait(WAIT_SECONDS)
            raise TooLittle("that was slow")

    desk = ChurnDesk(Slow, has_records=True)
    asked = [desk.ask(Question(node=f"n{number}")) for number in range(8)]
    assert desk.ask(Question(node="n0")) is asked[0]
    with pytest.raises(HistoryError, match="too many"):
        desk.ask(Question(node="one more"))
    gate.set()
    with pytest.raises(TooLittle, match="slow"):
        asked[-1].result(WAIT_SECONDS)
    desk.close()
    with pytest.raises(HistoryError, match="ending"):
        desk.ask(Question(node="too late"))


def test_without_history_it_is_told_why():
    """Both to who asks and on the tile."""
    desk = ChurnDesk(None)
    with pytest.raises(KatoPanelError, match="no history is kept"):
        ask(desk, Question())
    assert "no history" in desk.median.reason
    desk.close()


def test_median_is_measured_with_its_bounds(tmp_path):
    """And is not known where the newest look is of yesterday."""
    now = datetime.now(UTC)
    watch(tmp_path / "h.db", lives_until(now), now)
    with open_history(tmp_path / "h.db") as history:
        desk = ChurnDesk(lambda: history, has_records=True)
        median = desk._measure()
        desk.close()
        found = churn(history, since=timedelta(days=1)).median_lifetime_seconds
    assert (median.value_seconds, median.low_seconds) == (found.value, found.low)
    assert median.reason == ""
    assert median.curve[0] == (0.0, 1.0)
    assert median.window_seconds == 7_200


def test_measurement_that_breaks_is_told_once_and_tried_again(path, monkeypatch, caplog):
    """Whatever it is that breaks; until then the median is not known."""
    for name, value in (("FIRST", 0.0), ("MEDIAN", 0.0), ("FRESH", 0.0)):
        monkeypatch.setattr(churn_desk, f"{name}_SECONDS", value)
    monkeypatch.setattr(churn_desk, "SHARE", 1.0)
    reasons, measured = [], threading.Event()

    def give():
        reasons.append(desk.median.reason)
        if len(reasons) <= 2:
            raise ZeroDivisionError
        if len(reasons) > 3:
            measured.set()
        return history

    with open_history(path) as history:
        desk = ChurnDesk(give, has_records=True)
        desk.start()
        assert measured.wait(WAIT_SECONDS)
        desk.close()
    broke = "the measurement broke; the log says how"
    assert reasons[1:4] == [broke, broke, "not known since 2026-11-22 12:00 UTC"]
    assert [one.getMessage() for one in caplog.records if one.name == "kato_panel.churn_desk"] == [
        "the median lifetime cannot be measured"
    ]


def test_old_median_is_none(desk):
    """With from when on it is not known."""
    assert desk._measure().reason == "not known since 2026-11-22 12:00 UTC"


@pytest.mark.parametrize(
    ("longest", "ages"),
    [(0.0, (0,)), (6.5, (0, 2, 4, 6)), (3_600.0, (0, 900, 1_800, 2_700, 3_600))],
)
def test_marks_stand_at_round_ages(longest, ages):
    """At most five steps."""
    assert choose_ages(longest) == ages


def test_refusal_leaves_the_rates(path):
    """A range with few ends has no lifetimes, and says why."""
    with open_history(path) as history:
        found = churn(history, since=timedelta(seconds=20))
    report = Report.of(found)
    assert "must be at least 10" in report.refusal
    assert (report.median, report.curves) == (None, {})
    assert {"rates", "hours", "reasons"} == set(report.frames)


def test_groups_that_are_all_too_small_have_no_curve_and_are_named(tmp_path):
    """The rest is told as ever."""
    path, end = tmp_path / "small.db", datetime(2026, 11, 22, 12, tzinfo=UTC)
    nodes = [f"node-{number}" for number in range(11)]
    watch(path, lives_until(end, 33, nodes), end)
    with open_history(path) as history:
        report = make_report(history, Question("all", by="node"))
    assert (dict(report.curves), report.refusal) == ({}, None)
    assert set(report.refused) == set(nodes)
    assert len(report.frames["at_risk"]) == 1
