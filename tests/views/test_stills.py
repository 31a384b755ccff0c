"""Views that are kept as they are now: every card, before anything is known and after."""

import re

import pandas as pd
import panel as pn
import pytest

import kato_panel
from kato_panel import ChurnView, Monitor, SessionChart, churn, open_history
from kato_panel.churn_report import Report
from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.listing import Page, Row
from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.series import Range, Series
from kato_panel.domain.surroundings import Surroundings
from kato_panel.models import Models
from kato_panel.views.sessions import SessionTable
from kato_panel.views.wording import UNKNOWN, write_number, write_span
from tests.history.making import alert, at
from tests.report_rig import keep, two_hours

VIEWS = [
    name
    for name in kato_panel.__all__
    if isinstance(one := getattr(kato_panel, name), type) and issubclass(one, pn.viewable.Viewer)
]
CHURN = [name for name in VIEWS if issubclass(getattr(kato_panel, name), kato_panel.ChurnView)]
CARDS = [name for name in VIEWS if name not in CHURN]
SECRETS_OF_PYTHON = re.compile(r"\b(?:None|NaN|NaT|nan|inf|undefined)\b")


def words_of(text):
    return re.sub(r"<[^>]*>", "\n", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))


def cells_of(text, title, number=0):
    """Give the rows of a card's table, of its first if not said otherwise, as texts."""
    card = re.search(rf"<h2>{re.escape(title)}</h2>.*?</section>", text, re.DOTALL)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", re.findall(r"<tbody>.*?</tbody>", card, re.DOTALL)[number])
    return [
        [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", row)] for row in rows
    ]


@pytest.fixture(scope="module")
def monitor():
    with Monitor() as monitor:
        assert monitor.wait()
        yield monitor


@pytest.mark.parametrize("name", VIEWS)
def test_each_card_is_kept_without_a_script(monitor, tmp_path, name):
    """With the demo's mark; what is not known is a dash."""
    view = getattr(kato_panel, name)(monitor)
    view.save(tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|https?://", text)
    assert "demo data" in text
    assert not SECRETS_OF_PYTHON.findall(words_of(view.to_html()))


@pytest.mark.parametrize("name", CARDS)
def test_card_of_which_nothing_is_known_says_so(name):
    """Before the first observation."""
    text = words_of(getattr(kato_panel, name)(Monitor()).to_html())
    assert "Nothing was observed yet." in text
    assert not SECRETS_OF_PYTHON.findall(text)


def test_every_public_view_is_known_here():
    """Churn's, and those that live; one that is added later has to have a still, too."""
    assert {"ChurnView", "HourTable", "MedianLifetime"} <= {*CHURN}
    assert len(CHURN) == 8
    assert len(CARDS) == 11
    for name in [*VIEWS, "Report"]:
        assert callable(getattr(kato_panel, name).save)
        assert callable(getattr(kato_panel, name).to_html)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_history(keep(tmp_path_factory.mktemp("past") / "h.db", *two_hours())) as opened:
        yield opened


def test_churn_s_still_has_the_figures_of_the_frames(opened):
    """Of a history that was opened: nobody has to ask before."""
    text = ChurnView(opened, since="all", by="node").to_html()
    found = churn(opened, by="node")
    report = Report.of(found, "node")
    tiles = dict(re.findall(r'<div class="name">(.*?)</div><div class="value">(.*?)</div>', text))
    assert tiles["Median lifetime"] == write_span(found.median_lifetime_seconds.value)
    assert tiles["Mean of closed sessions"] == write_span(found.naive.mean_seconds)
    assert tiles["Created per minute"] == write_number(found.total.arrivals_per_minute[0][0])
    groups = [[row[0], *row[1:4]] for row in cells_of(text, "Lifetimes by node")]
    expected = found.groups.frame()[["sessions", "ended", "still_open"]]
    assert groups == [[name, *map(str, row)] for name, *row in expected.itertuples()]
    reasons = {row[0]: row[1] for row in cells_of(text, "Why sessions ended")}
    assert reasons == {name: str(ended) for name, ended in found.reasons.frame()["ended"].items()}
    lived = cells_of(text, "Lifetimes of those that ended")
    assert [row[2] for row in lived] == [*map(str, report.frames["lifetimes"]["ended"])]
    rates = cells_of(text, "Created and ended per minute, UTC")
    assert [row[2] for row in rates] == [*map(str, report.frames["rates"]["arrivals"])]
    cohorts = report.frames["cohorts"]
    cohorts = cohorts[cohorts["members"] > 0]
    shares = [row[2] for row in cells_of(text, "Sessions by birth, UTC")]
    assert shares == [
        UNKNOWN if pd.isna(one) else f"{100 * one:.0f} %"
        for one in cohorts["survival_at_30_seconds"]
    ]
    ages = report.frames["at_risk"]["at_risk"]
    assert [row[4] for row in cells_of(text, "How long sessions live")] == [*map(str, ages)]


def test_hours_of_a_still_are_those_of_the_frame(opened):
    """An hour that nobody observed is a dash."""
    table = cells_of(
        kato_panel.HourTable(opened, since="all").to_html(), "Sessions created per hour, UTC"
    )
    frame = Report.of(churn(opened)).frames["hours"]["arrivals_per_hour"]
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    for hour, row in enumerate(table):
        told = [frame[day, hour] for day in days]
        assert row[1:] == [UNKNOWN if pd.isna(one) else f"{one:.1f}" for one in told]


def test_churn_that_was_computed_needs_nobody(opened):
    """Nor does the same input give another file."""
    found = churn(opened)
    texts = {ChurnView(found).to_html() for _ in range(2)}
    assert len(texts) == 1
    assert not SECRETS_OF_PYTHON.findall(words_of(texts.pop()))


@pytest.mark.parametrize("name", CHURN)
def test_churn_of_which_nothing_is_known_says_why(name, tmp_path):
    """In a sentence."""
    with open_history(keep(tmp_path / "h.db")) as empty:
        text = words_of(getattr(kato_panel, name)(empty).to_html())
    assert "There is no churn: nothing was observed" in text
    assert not SECRETS_OF_PYTHON.findall(text)


def test_chart_is_kept_with_its_alerts_and_bars():
    """Spans as the live chart lays them out; a bar up for what came, and one down for what went."""
    models = Models()
    series = Series(
        *(Range.HOUR, 0.0, at(600).timestamp()),
        tuple(at(second).timestamp() for second in (0, 120, 300)),
        (5, None, 8),
        60,
        (at(0).timestamp(), at(300).timestamp()),
        (2, 4),
        (1, 0),
    )
    models.chart.apply({Range.HOUR: series})
    text = SessionChart(models).to_html()
    assert 'class="alert' not in text
    board = AlertBoard(1, recent=(AlertEntry(alert(150, ended=300)), AlertEntry(alert(450))))
    models.alert_log.apply(Surroundings(alerts=board))
    text = SessionChart(models).to_html()
    spans = re.findall(r'<rect class="alert bad" x="([\d.]+)" y="0.0" width="([\d.]+)"', text)
    assert spans == [("250.0", "250.0"), ("750.0", "250.0")]
    heights = {
        name: re.findall(rf'<rect class="{name}"[^>]* height="([\d.]+)"', text)
        for name in ("made", "gone")
    }
    assert heights == {"made": ["250.0", "500.0"], "gone": ["125.0"]}
    assert ["2026-11-22 12:05:00", "4", "0"] in cells_of(text, "Active sessions over time, UTC", 1)


def test_list_of_sessions_is_kept_as_it_was_shown():
    """With what it shows of all; what is not known is a dash."""
    table = SessionTable(None)
    assert "Nothing was observed yet." in words_of(table.to_html())
    rows = (Row("s-1", "<node>", at(1)), Row("s-2"))
    table._shown = Page(rows, 40, 0, 2, False, "stream", at(2))
    text = table.to_html()
    assert "2 of 40 sessions; the list is incomplete" in text
    shown = cells_of(text, "Sessions")
    assert shown[0][:3] == ["s-1", "&lt;node&gt;", "2026-11-22 12:00:01"]
    assert shown[1] == ["s-2", *[UNKNOWN] * 7]


def test_still_shows_the_figures_of_the_models(monitor):
    """The same as the card that lives."""
    summary = monitor.summary
    text = kato_panel.SessionCount(monitor).to_html()
    assert f'<div class="value">{summary.active}</div>' in text
    assert (
        len(monitor.connection.sources)
        == kato_panel.SourceList(monitor).to_html().count("<tr>") - 1
    )
