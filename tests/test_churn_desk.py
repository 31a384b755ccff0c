"""Questions of churn, answered one at a time for all."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from kato_panel import churn, open_history
from kato_panel.churn_desk import ChurnDesk
from kato_panel.churn_report import MAX_POINTS, Report, choose_ages
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


@pytest.mark.parametrize("by", ["all", "node", "day", "reason", "ttl"])
def test_every_figure_is_the_one_of_the_frames(desk, path, by):
    """Whoever asks in a notebook reads the same numbers."""
    report = ask(desk, Question("1h", by=by, zone="Europe/Berlin"))
    with open_history(path) as history:
        found = churn(
            history,
            since=timedelta(hours=1),
            by="node" if by == "all" else by,
            tz="Europe/Berlin",
        )
    assert (report.median, report.mean, report.naive) == (
        found.median_lifetime_seconds,
        found.mean_lifetime_seconds,
        found.naive,
    )
    assert set(found.notes) <= set(report.notes)
    for name, frame in (
        ("cohorts", found.cohorts.frame()),
        ("reasons", found.reasons.frame()),
        ("hours", found.hours.frame()),
        ("lifetimes", found.lifetimes.frame()),
        ("rates", found.rates(timedelta(minutes=1)).frame()),
    ):
        assert report.frames[name].equals(frame), name
    for name, rate in (("arrivals", found.total.arrivals_per_minute),):
        bounds = report.rates_per_minute[name]
        assert [bounds.value, bounds.low, bounds.high] == [one[0] for one in rate]
    if by == "all":
        assert report.curves["all"].equals(found.survival.frame(MAX_POINTS))
    else:
        groups = found.groups
        assert report.frames["groups"].equals(groups.frame())
        assert report.log_rank == groups.log_rank
        assert {name: len(one) for name, one in report.curves.items()} == {
            name: len(one.frame(MAX_POINTS)) for name, one in groups.curves.items()
        }


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
