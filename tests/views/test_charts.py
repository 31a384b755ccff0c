"""Sessions over time."""

import re

import numpy as np
import pytest

from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.events import Kind, SessionEvent
from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.rules import Alert, Rule, Severity
from kato_panel.domain.series import Range
from kato_panel.domain.surroundings import Surroundings
from kato_panel.domain.timeline import Timeline
from kato_panel.models import AlertLog, SessionSeries
from kato_panel.views import theme
from kato_panel.views.charts import TOOLTIP, SessionPlot
from kato_panel.views.drawing import nice_step
from tests.conftest import NOON, moment


def fill(timeline, seconds, current):
    event = SessionEvent(1, Kind.CREATED, NOON, 0, current, 1, "http")
    timeline.add(event, moment(seconds))


@pytest.fixture
def timeline():
    timeline = Timeline(gap_seconds=9.0)
    timeline.observe(moment(0), 10)
    for second in range(3, 120, 3):
        fill(timeline, second, 10 + second)
    return timeline


def tell(models, timeline):
    models.apply({span: timeline.series(span) for span in Range})


@pytest.fixture
def models(timeline):
    models = SessionSeries()
    tell(models, timeline)
    return models


@pytest.fixture
def chart(models):
    chart = SessionPlot(models)
    chart.follow()
    yield chart
    chart.close()


def test_chart_without_an_observation_is_empty():
    """Nothing is drawn, and nothing breaks."""
    chart = SessionPlot(SessionSeries())
    chart.follow()
    assert len(chart._line.data["time"]) == 0
    chart.close()


def test_line_and_bars_are_the_series(chart, models):
    """In Bokeh's milliseconds, ended below the baseline."""
    series = models.series[Range.HOUR]
    assert list(chart._line.data["time"] / 1000) == list(series.times)
    assert list(chart._line.data["active"]) == list(series.active)
    bars, most = chart._slices.data, max(series.created)
    drawn = [(at, made) for at, made in zip(bars["time"], bars["made"], strict=True) if made]
    middle = series.bucket_seconds / 2
    told = dict(zip(series.starts, series.created, strict=True))
    told = {start: created for start, created in told.items() if created}
    assert {at / 1000 - middle: made - 0.03 * most for at, made in drawn} == pytest.approx(told)
    assert set(bars["gone"]) == {0}


def test_ended_is_below_the_baseline(chart, models, timeline):
    """Created above it, and a hair between the two."""
    event = SessionEvent(2, Kind.DESTROYED, NOON, 127, 100, 27, "http")
    timeline.add(event, moment(130))
    tell(models, timeline)
    chart.range = "24h"
    bars = chart._slices.data
    assert min(bars["gone"]) < min(bars["gone_base"]) < 0 < max(bars["made_base"])


def test_hover_says_what_a_slice_comes_to(chart):
    """Its time, the count with its bounds, and who came and went; in the page's colours."""
    bars = chart._slices.data
    assert (bars["span"][0], bars["created"][1]) == ("12:00:00 \u2013 12:00:02", "1")
    assert bars["count"][0] == "10"
    assert bars["count"][1] == "13 (10 \u2013 13)"
    assert set(re.findall(r"@(\w+)", TOOLTIP)) <= set(bars)
    assert theme.LIGHT["card"] in chart._hover.tooltips
    chart.dark = True
    assert theme.DARK["card"] in chart._hover.tooltips


def test_slice_that_nobody_saw_is_named_so(chart, models, timeline):
    """Not 0, and not the count of before."""
    timeline.observe(moment(3000), 40)
    tell(models, timeline)
    assert "not observed" in chart._slices.data["count"]


def test_slices_of_a_week_say_their_day(chart, models, timeline):
    """An hour alone would be any of seven."""
    timeline.observe(moment(6 * 86_400), 40)
    tell(models, timeline)
    chart.range = "7d"
    assert chart._slices.data["span"][0] == "22 Nov 12:00 \u2013 15:00"


def test_gap_is_no_number(models, timeline):
    """Bokeh leaves it out."""
    timeline.observe(moment(300), 40)
    tell(models, timeline)
    chart = SessionPlot(models)
    chart.follow()
    assert np.isnan(chart._line.data["active"]).sum() == 1
    chart.close()


def test_chart_draws_again_only_for_what_can_be_seen(chart, models, timeline):
    """An hour's chart has points six seconds wide."""
    before = len(chart._line.data["time"])
    fill(timeline, 121, 7)
    tell(models, timeline)
    assert len(chart._line.data["time"]) == before
    fill(timeline, 135, 8)
    tell(models, timeline)
    assert len(chart._line.data["time"]) > before


def test_range_can_be_chosen(chart, models):
    """Each with its own buckets."""
    chart.range = "5m"
    assert len(chart._slices.data["time"]) == len(models.series[Range.FIVE_MINUTES].slices())


def test_times_are_those_of_the_page_s_zone(chart, models):
    """And the axis names it; a zone that is not known is UTC."""
    utc = chart._line.data["time"][0]
    chart.zone = "Asia/Kolkata"
    assert chart._line.data["time"][0] - utc == 5.5 * 3_600_000
    assert chart._figure.xaxis[0].axis_label == "time in Asia/Kolkata"
    chart.zone = "No/Where"
    assert chart._line.data["time"][0] == utc
    assert chart._figure.xaxis[0].axis_label == "time in UTC"


def test_dark_page_has_a_dark_chart(chart):
    """The same roles, other colours."""
    light = chart._steps.glyph.line_color
    chart.dark = True
    assert light == theme.LIGHT["accent"]
    assert chart._steps.glyph.line_color == theme.DARK["accent"]


def test_alerts_stand_behind_the_chart(models):
    """From when they are told on, in the theme's colours; and the slices name them."""
    alerts = AlertLog()
    chart = SessionPlot(models, alerts, range="5m")
    chart.follow()
    assert list(chart._spans.data["left"]) == []
    rule = Rule("r", "m", ">", 0, severity=Severity.ERROR, message="too much")
    entry = AlertEntry(Alert(rule, "", moment(30), moment(30), 1.0, moment(60)))
    alerts.apply(Surroundings(alerts=AlertBoard(1, recent=(entry,))))
    start = NOON.timestamp()
    told = {name: list(column) for name, column in chart._spans.data.items()}
    assert (told["left"], told["right"]) == ([(start + 30) * 1000], [(start + 60) * 1000])
    assert told["colour"] == [theme.LIGHT["bad"]]
    named = [bool(text) for text in chart._slices.data["alerts"]]
    assert set(chart._slices.data["alerts"]) == {"", "too much"}
    assert 0.2 < sum(named) / len(named) < 0.35
    chart.dark = True
    assert list(chart._spans.data["colour"]) == [theme.DARK["bad"]]
    chart.marked = entry.alert.id
    assert len(chart._spans.data["left"]) == 2
    drawn = chart._spans.data
    alerts.apply(Surroundings(alerts=AlertBoard(2, recent=(entry,))))
    assert chart._spans.data is drawn
    chart.close()
    alerts.apply(Surroundings(alerts=AlertBoard(3)))
    assert chart._spans.data is drawn


@pytest.mark.parametrize(("wanted", "step"), [(0.4, 1), (1.5, 2), (3, 5), (7, 10), (120, 200)])
def test_ticks_are_round(wanted, step):
    """1, 2 or 5, and their tens."""
    assert nice_step(wanted) == step


def test_closed_chart_follows_nothing(chart, models, timeline):
    """Its visit is over."""
    chart.close()
    before = chart._line.data["time"]
    fill(timeline, 500, 8)
    tell(models, timeline)
    assert chart._line.data["time"] is before
    chart.close()
