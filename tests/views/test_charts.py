"""Sessions over time."""

import re

import numpy as np
import pytest

from kato_panel.domain.events import Kind, SessionEvent
from kato_panel.domain.timeline import Range, Timeline
from kato_panel.models import SessionSeries
from kato_panel.views import theme
from kato_panel.views.charts import SessionChart, _nice_step
from kato_panel.views.live import LiveBoard
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
    chart = SessionChart(models)
    yield chart
    chart.close()


def test_chart_without_an_observation_is_empty():
    """Nothing is drawn, and nothing breaks."""
    chart = SessionChart(SessionSeries())
    assert len(chart._line.data["time"]) == 0
    chart.close()


def test_line_and_bars_are_the_series(chart, models):
    """In Bokeh's milliseconds, ended below the baseline."""
    series = models.series[Range.HOUR]
    assert list(chart._line.data["time"] / 1000) == list(series.times)
    assert list(chart._line.data["active"]) == list(series.active)
    assert list(chart._bars.data["created"]) == list(series.created)
    assert list(chart._bars.data["below"]) == [-ended for ended in series.ended]


def test_gap_is_no_number(models, timeline):
    """Bokeh leaves it out."""
    timeline.observe(moment(300), 40)
    tell(models, timeline)
    chart = SessionChart(models)
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
    assert len(chart._bars.data["time"]) == len(models.series[Range.FIVE_MINUTES].starts)


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
    light = chart._figure.select_one({"name": "accent"}).glyph.line_color
    chart.dark = True
    assert light == theme.LIGHT["accent"]
    assert chart._figure.select_one({"name": "accent"}).glyph.line_color == theme.DARK["accent"]


def test_colours_are_those_of_the_page():
    """One look: the chart's colours stand in the page's stylesheet too."""
    (style,) = LiveBoard._stylesheets
    light, dark = re.search(r":host \{(.*?)\}.*?dark\] \{(.*?)\}", style, re.DOTALL).groups()
    for colours, text in ((theme.LIGHT, light), (theme.DARK, dark)):
        for name, value in colours.items():
            assert f"--{name}: {value};" in text


@pytest.mark.parametrize(("wanted", "step"), [(0.4, 1), (1.5, 2), (3, 5), (7, 10), (120, 200)])
def test_ticks_are_round(wanted, step):
    """1, 2 or 5, and their tens."""
    assert _nice_step(wanted) == step


def test_closed_chart_follows_nothing(chart, models, timeline):
    """Its visit is over."""
    chart.close()
    before = chart._line.data["time"]
    fill(timeline, 500, 8)
    tell(models, timeline)
    assert chart._line.data["time"] is before
    chart._watcher = models.param.watch(print, "series")
