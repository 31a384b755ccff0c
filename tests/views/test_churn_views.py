"""What the figures and files of churn say of many groups, and of a zone."""

import csv
import io
import json

import pytest

from kato_panel import churn, open_history
from kato_panel.churn_report import Report
from kato_panel.views.churn import HourTable
from kato_panel.views.churn_charts import RISK_ROW, SurvivalPlot
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


def test_file_of_the_week_names_the_zone_of_its_hours(opened):
    """All other files are in UTC."""
    view = HourTable(churn(opened, tz="Asia/Tokyo"))
    view._board.wanted = json.dumps({"id": 1, "card": "hours"})
    rows = [*csv.DictReader(io.StringIO(json.loads(view._board.table)["file"]))]
    assert {row["zone"] for row in rows} == {"Asia/Tokyo"}
