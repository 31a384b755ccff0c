"""Reports: their figures are those of the frames, what is not known is said, nothing is made up."""

import json
import re
from datetime import timedelta

import numpy as np
import pytest
from click.testing import CliRunner

import kato_panel
from kato_panel import Report, churn, cli, open_history
from kato_panel.domain.recorded import AlertEntry, Gap, Looked, Sample
from kato_panel.report_figures import MAX_ROWS, gather
from kato_panel.views.documents import save
from tests.history.making import alert, at, event
from tests.report_rig import KATO, SECONDS, keep, two_hours

SECRETS_OF_PYTHON = re.compile(r"\b(?:None|NaN|NaT|nan|inf|undefined|Timestamp)\b|<NA>|&lt;NA&gt;")


@pytest.fixture
def opened(tmp_path):
    with open_history(keep(tmp_path / "h.db", *two_hours())) as opened:
        yield opened


def rows_of(report, name):
    return json.loads(report.to_json())["tables"][name]["rows"]


def test_summary_has_the_figures_of_churn_and_of_the_count(opened):
    """Created and ended in all are plain numbers, lifetimes have their interval."""
    told = {row["figure"]: row for row in rows_of(Report(opened), "summary")}
    found, active = churn(opened), opened.counts()["active"].dropna()
    assert told["created_sessions"]["value"] == int(found.total.arrivals[0])
    assert told["ended_sessions"]["value"] == int(found.total.departures[0])
    assert told["highest_active_sessions"]["value"] == active.max()
    assert told["last_active_sessions"]["value"] == active.iloc[-1]
    median = found.median_lifetime_seconds
    assert told["median_lifetime_seconds"] == {
        "figure": "median_lifetime_seconds",
        "value": median.value,
        "low": median.low,
        "high": median.high,
    }
    assert told["gap_seconds"]["value"] == 600
    assert told["alert_episodes"]["value"] == 2


def test_tables_have_the_figures_of_the_frames(opened):
    """Each of them, row by row."""
    report, found = Report(opened), churn(opened)
    rates = rows_of(report, "rates")
    frame = found.rates(timedelta(seconds=300)).frame()
    assert [row["arrivals"] for row in rates] == frame["arrivals"].tolist()
    cohorts = found.cohorts.frame()
    assert [row["members"] for row in rows_of(report, "cohorts")] == cohorts["members"].tolist()
    reasons = {row["reason"]: row["ended"] for row in rows_of(report, "reasons")}
    assert reasons == found.reasons.frame()["ended"].to_dict()
    nodes = [row["median_seconds"] for row in rows_of(report, "nodes")]
    assert nodes == found.groups.frame()["median_seconds"].tolist()
    for row in rows_of(report, "survival"):
        shown = found.survival.at([row["age_seconds"]]).iloc[0]
        assert row["survival_percent"] == pytest.approx(100 * shown["survival"])
        assert row["at_risk_sessions"] == shown["at_risk"]
    values = opened.containers().groupby(["container", "metric"], observed=True)["value"]
    means = [row["mean"] for row in rows_of(report, "containers")]
    assert means == values.mean().tolist()
    alerts = rows_of(report, "alerts")
    assert [row["lasted_seconds"] for row in alerts] == [300, None]
    assert alerts[0]["acknowledged_by"] == "node-1"
    (gap,) = rows_of(report, "gaps")
    assert gap["lasted_seconds"] == 600


def test_count_by_stretch_has_its_lowest_and_highest(opened):
    """The count that a stretch begins with is one of them; a gap has none."""
    counts = opened.counts()["active"]
    for row in rows_of(Report(opened), "count"):
        start = at(0) if row["time"] is None else np.datetime64(row["time"][:19])
        inside = counts[counts.index.tz_localize(None) >= start]
        inside = inside[inside.index.tz_localize(None) < start + np.timedelta64(300, "s")]
        known = inside.dropna()
        if len(known):
            assert row["lowest_sessions"] <= known.min()
            assert row["highest_sessions"] >= known.max()
    blank = [row for row in rows_of(Report(opened), "count") if row["lowest_sessions"] is None]
    assert blank


def test_same_input_gives_the_same_tables(opened):
    """Twice the same text, whenever it is made."""
    assert Report(opened).to_json() == Report(opened).to_json()


@pytest.mark.parametrize(
    "items",
    [
        [],
        [Looked(at(0))],
        [Sample(at(0), 3), Sample(at(60), 4), Looked(at(60))],
        [Sample(at(0), 3), event(1, 10), Sample(at(60), 4), Looked(at(60))],
        [*two_hours(count=3)],
        [*two_hours()],
    ],
    ids=["nothing", "looked", "count", "no-redis", "few", "all"],
)
def test_unknown_is_a_dash_or_a_sentence(tmp_path, items):
    """Whatever is missing; and JSON stays JSON."""
    with open_history(keep(tmp_path / "h.db", *items)) as opened:
        for since in (None, timedelta(seconds=30), timedelta(days=2)):
            until = None if since else at(SECONDS)
            report = Report(opened, since=since, until=until)
            words = re.sub(r"<[^>]*>", "\n", re.sub(r"<style>.*?</style>", "", report.to_html(),
                                                    flags=re.DOTALL))  # fmt: skip
            assert not SECRETS_OF_PYTHON.findall(words)
            assert json.loads(report.to_json())["tables"]["provenance"]["rows"]


def told_of(frames, since, until):
    """The range, what has to be known, and what is said of gaps."""
    told = gather(frames, since, until)
    gaps = told.tables.get("gaps")
    return (told.since, told.until), told.notes, None if gaps is None else gaps.remark


def test_range_of_which_nothing_is_known_has_neither_range_nor_gaps(tmp_path):
    """It says so, and from when on something is: what is unknown is not a quiet time."""
    with open_history(keep(tmp_path / "looked.db", Looked(at(60)))) as frames:
        nothing = ((None, None), ("Nothing was observed in this range.",), None)
        assert told_of(frames, timedelta(seconds=30), None) == nothing
        assert told_of(frames, at(0), at(30)) == nothing
    items = [Sample(at(3_000), 3), Sample(at(3_600), 4), Looked(at(3_600))]
    with open_history(keep(tmp_path / "late.db", *items)) as frames:
        words = "Nothing was observed in this range; it was from 2026-11-22 12:50:00 UTC on."
        assert told_of(frames, at(0), at(2_000)) == ((None, None), (words,), None)
        span, notes, _ = told_of(frames, at(0), None)
    assert span == (at(3_000), at(3_600))
    assert notes[0] == "Nothing of the range is known before 2026-11-22 12:50:00 UTC."


def test_range_in_which_nobody_could_look_has_its_gap_and_its_alerts(tmp_path):
    """For these are known; of the count, nothing is."""
    items = [
        *(Sample(at(100), 3), Gap(at(200), at(900)), Sample(at(900), 4), Looked(at(1_000))),
        *(AlertEntry(alert(350)), AlertEntry(alert(950))),
    ]
    with open_history(keep(tmp_path / "h.db", *items)) as frames:
        told = gather(frames, at(300), at(500))
    assert told.span == (at(300), at(500))
    assert told.notes[0].startswith("Nothing was observed in this range; it was from 2026-11-22")
    assert len(told.tables["gaps"].rows) == len(told.tables["alerts"].rows) == 1
    with open_history(keep(tmp_path / "a.db", AlertEntry(alert(350)), Looked(at(1_000)))) as frames:
        assert told_of(frames, at(300), at(500))[2] == "Nothing was observed in this range."


def test_without_redis_it_says_what_is_a_bound(tmp_path):
    """And why there are no lifetimes; created and ended are still told."""
    items = [Sample(at(0), 3), event(1, 10), event(2, 20), Sample(at(60), 4), Looked(at(60))]
    with open_history(keep(tmp_path / "h.db", *items)) as opened:
        report = Report(opened)
        told = {row["figure"]: row["value"] for row in rows_of(report, "summary")}
        text = report.to_html()
    assert told["created_sessions"] == 2
    assert "median_lifetime_seconds" not in told
    assert "There are no lifetimes: no session is known one by one" in text
    assert "at least" in text
    assert "lower bounds" in text


def test_long_lists_are_cut_and_say_so(tmp_path):
    """The newest stay."""
    fired = [AlertEntry(alert(number, subject=f"c{number}")) for number in range(MAX_ROWS + 3)]
    with open_history(keep(tmp_path / "h.db", Sample(at(0), 1), *fired, Looked(at(SECONDS)))) as h:
        table = json.loads(Report(h).to_json())["tables"]["alerts"]
    assert len(table["rows"]) == MAX_ROWS
    assert table["rows"][-1]["subject"] == f"c{MAX_ROWS + 2}"
    assert table["remark"] == f"The newest {MAX_ROWS}; 3 earlier alerts are left out."


def test_document_allows_no_script_and_nothing_from_outside(opened, tmp_path):
    """By its own policy; and there is none in it."""
    Report(opened, tz="Europe/Berlin").save(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "default-src 'none'; style-src 'sha256-" in text
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|@import|https?://(?!kato)", text)
    assert "Europe/Berlin" in text
    assert KATO in text
    assert len(text) < 500_000


def test_monitor_reports_too():
    """The demo says that it is one."""
    with kato_panel.Monitor() as monitor:
        assert monitor.wait()
        report = Report(monitor, since=timedelta(hours=1))
        assert "demo data" in report._repr_html_()
        assert report.figures.origin.is_demo
    assert Report(monitor).figures.origin.looked is not None


def test_saving_replaces_whole_or_not_at_all(tmp_path):
    """What was there stays if the new one cannot be written."""
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "none" / "r.html", "x")
    save(tmp_path / "r.html", "x")
    save(tmp_path / "r.html", "y")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def run(*args, **env):
    return CliRunner(env=env).invoke(cli.main, [*map(str, args)])


def test_command_reads_the_history_that_the_service_keeps(tmp_path):
    """While it may be writing; what is in it stays as it is."""
    path = keep(tmp_path / "h.db", *two_hours())
    before = path.read_bytes()
    where = {"KATO_PANEL_HISTORY_URL": f"sqlite:///{path}"}
    told = run("report", "--since", "1h", "-o", tmp_path / "r.html", **where)
    assert told.exit_code == 0, told.output
    assert "KATO sessions, 2026-11-22 13:00 to 2026-11-22 14:00 UTC" in told.output
    assert told.stderr == ""
    shown = run("report", "--json", "--node", "node-1", **where)
    assert json.loads(shown.stdout)["tables"]["nodes"]["rows"][0]["node"] == "node-1"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--history", "not-there.db"], "not-there.db cannot be read: No such file"),
        (["--since", "6x"], "since is '6x', must be a time"),
        (["--tz", "Mars"], "tz is 'Mars', must be the name of a time zone"),
        (["--since", "1h", "--until", "2h"], "must be later than since"),
        (["-o", "/not/there/r.html"], "No such file or directory"),
    ],
)
def test_command_says_what_is_wrong(tmp_path, args, words):
    """And writes nothing."""
    path = keep(tmp_path / "h.db", *two_hours(count=2))
    told = run("report", *args, KATO_PANEL_HISTORY_URL=f"sqlite:///{path}")
    assert told.exit_code == 1
    assert words in told.output


@pytest.mark.parametrize("place", ["off", "sqlite://"])
def test_command_says_where_no_file_is_kept(place):
    """And how to name one."""
    told = run("report", KATO_PANEL_HISTORY_URL=place)
    assert told.exit_code == 1
    assert "by --history" in told.output


def test_alert_that_fired_before_the_range_and_went_on_in_it_is_told(tmp_path):
    """And one that was over before is not."""
    with open_history(keep(tmp_path / "h.db", *two_hours())) as frames:
        during = gather(frames, at(700), at(800))
        later = gather(frames, at(1_000), at(2_000))
    assert [row[0] for row in during.tables["alerts"].rows] != []
    assert during.tables["alerts"].remark == ""
    assert later.tables["alerts"].rows == ()


def test_report_without_lifetimes_says_so_once(tmp_path):
    """With the reason."""
    items = [Sample(at(0), 3), event(1, 10), event(2, 20), Sample(at(60), 4), Looked(at(60))]
    with open_history(keep(tmp_path / "h.db", *items)) as frames:
        notes = " ".join(gather(frames, at(0), None).notes)
    assert notes.count("here are no lifetimes") == 1
