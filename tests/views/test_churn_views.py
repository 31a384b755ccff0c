"""What the figures and files of churn say of many groups, and of a zone."""

import csv
import io
import json
from datetime import timedelta

import pytest

from kato_panel import churn, open_history
from kato_panel.churn_report import Report
from kato_panel.views.churn import ChurnPage, HourTable, ReasonChart
from kato_panel.views.churn_charts import LifetimePlot
from kato_panel.views.survival_chart import RISK_ROW, SurvivalPlot
from kato_panel.views.theme import GROUPS_LIGHT
from tests.report_rig import keep, two_hours


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_history(keep(tmp_path_factory.mktemp("past") / "h.db", *two_hours())) as opened:
        yield opened


def draw(report):
    plot = SurvivalPlot()
    plot.draw(report)
    return plot


def test_outermost_at_risk_grow_inwards(opened):
    """Centred on the edges of the plot, their digits would be cut."""
    align = draw(Report.of(churn(opened)))._risk.data["align"]
    assert (align[0], align[-1]) == ("left", "right")
    assert set(align[1:-1]) == {"center"}


def test_row_of_those_at_risk_says_whose_it_is(opened):
    """Beside the curves of groups it is that of all."""
    for by, words in (("all", "at risk"), ("node", "all at risk")):
        report = Report.of(churn(opened), by)
        labels = draw(report)._figure.yaxis[0].major_label_overrides
        assert labels[RISK_ROW] == words


def test_groups_of_one_hue_differ_in_their_dash(opened):
    """There are more groups than hues."""
    report = Report.of(churn(opened, by="node"), "node")
    one = next(iter(report.curves.values()))
    report.curves.clear()
    report.curves.update({f"node-{number}": one for number in range(len(GROUPS_LIGHT) + 4)})
    lines = draw(report)._lines.data
    looks = {*zip(lines["colour"], lines["dash"], strict=True)}
    assert len(looks) == len(report.curves)


def ask(view, **wanted):
    view._board.wanted = json.dumps({"id": 1, **wanted})
    return json.loads(view._board.tables)


def test_file_of_the_week_names_the_zone_of_its_hours(opened):
    """All other files are in UTC."""
    tables = ask(HourTable(churn(opened, tz="Asia/Tokyo")), files=["hours"])["tables"]
    rows = [*csv.DictReader(io.StringIO(tables["hours"]["file"]))]
    assert {row["zone"] for row in rows} == {"Asia/Tokyo"}


def test_all_tables_that_are_open_come_at_once_and_with_each_answer(opened):
    """Those of another range are never beside an answer; a file comes to who asks for it."""
    view = ChurnPage(opened)
    view._take(Report.of(churn(opened)), {"id": 7})
    told = ask(view, cards=["reasons", "cohorts"], files=["rates"])
    assert (told["of"], [*told["tables"]]) == (7, ["rates", "reasons", "cohorts"])
    assert [name for name, table in told["tables"].items() if "file" in table] == ["rates"]
    heard = []
    view._board.param.watch(lambda *changes: heard.append({c.name: c.new for c in changes}),
                            ["answer", "tables"])  # fmt: skip
    report = Report.of(churn(opened, since=timedelta(minutes=20)))
    view._take(report, {"id": 8})
    (both,) = heard
    answer, tables = (json.loads(both[name]) for name in ("answer", "tables"))
    assert answer["id"] == tables["of"] == 8
    assert [*tables["tables"]] == ["rates", "reasons", "cohorts"][1:]
    assert tables["tables"]["reasons"]["rows"] == report.table("reasons")[1]


def test_strange_wish_for_tables_is_none(opened):
    """Whatever is no list of cards that are shown asks for nothing, and comes back in no answer."""
    view = ReasonChart(churn(opened))
    deep = [[[["reasons"]]]]
    for strange in (None, 1, True, "reasons", {"reasons": 1}, deep, ["groups", "at_risk", "x" * 9]):
        told = ask(view, id=strange, cards=strange, files=strange)
        assert told["tables"] == {}
        assert told["id"] in {None, 1}
    for text in ("", "[", "7", '["reasons"]', "null"):
        view._board.wanted = text
        assert json.loads(view._board.tables) == {"id": None, "of": None, "tables": {}}
    assert [*ask(view, cards=["reasons"] * 10_000)["tables"]] == ["reasons"]


def test_thousands_are_parted_in_figures(opened):
    """As they are in all other places of the page."""
    report = Report.of(churn(opened))
    report.frames["at_risk"].loc[:, "at_risk"] = 55_221
    report.frames["lifetimes"].loc[:, ["ended", "low", "high"]] = 12_345
    assert {*draw(report)._risk.data["count"]} == {"55\u202f221"}
    plot = LifetimePlot()
    plot.draw(report)
    assert {*plot._source.data["count"]} == {"12\u202f345"}
    assert "5\u202f000" in plot._figure.yaxis[0].major_label_overrides.values()
