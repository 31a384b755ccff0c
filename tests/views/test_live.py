"""What the page is fed with."""

import json
import re

import pytest

from kato_panel.config import load
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.recent import Rates
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.timeline import Range, Timeline
from kato_panel.hub import Update
from kato_panel.models import Models
from kato_panel.views.live import FIRST_TOLD, RETOLD, LiveBoard, LiveView, join_modules
from tests.conftest import NOON, moment


def event(seq):
    names = (Name(f"session-{seq}", "node"),)
    return SessionEvent(seq, Kind.CREATED, NOON, seq - 1, seq, 1, "stream", names)


def snapshot(active, **more):
    sources = (SourceState("http", "KATO", Health.UP, moment(3)),)
    return SessionSnapshot(moment(4), active, at=moment(3), sources=sources, **more)


@pytest.fixture
def models():
    return Models()


@pytest.fixture
def view(models):
    view = LiveView(models, load({}), upstream="http://kato", epoch="e1", has_api=True)
    yield view
    view.close()


def payload(view):
    return json.loads(view.__panel__().payload)


def test_payload_knows_nothing_at_first(view):
    """Unknown is null, and the page shows a dash."""
    told = payload(view)
    assert told["sessions"]["active_count"] is None
    assert told["rates"]["created_per_minute"] is None
    assert (told["connection"]["state"], told["events"]) == ("starting", [])


def test_payload_follows_the_models(view, models):
    """Count, rates, ages and sources, in one property."""
    models.apply(Update(snapshot(7, rates=Rates(60.0, 6, 3, 3)), (event(1),), 0))
    told = payload(view)
    assert (told["sessions"]["active_count"], told["sessions"]["age_seconds"]) == (7, 1)
    assert told["rates"]["created_per_minute"] == 6
    assert told["sources"][0]["age_seconds"] == 1
    assert [one["seq"] for one in told["events"]] == [1]
    assert told["features"] == {"session_events": True, "api": True}


def test_one_update_is_one_patch(view, models):
    """However many models changed."""
    patches = []
    view.__panel__().param.watch(patches.append, "payload")
    models.apply(Update(snapshot(7), (event(1), event(2)), 0))
    assert len(patches) == 1


def test_newest_events_are_told_again(view, models):
    """A page that missed a patch misses no event; and all of a burst are told."""
    burst = tuple(event(seq) for seq in range(1, 101))
    models.apply(Update(None, burst, 0))
    assert len(payload(view)["events"]) == 100
    models.apply(Update(snapshot(7), (), 0))
    assert [one["seq"] for one in payload(view)["events"]] == list(range(101 - RETOLD, 101))


def test_new_page_begins_with_what_happened_before(models):
    """Which it does not announce."""
    models.begin(Update(snapshot(9), tuple(event(seq) for seq in range(1, 201)), 0))
    view = LiveView(models, load({}), upstream="", epoch="e1")
    told = payload(view)
    assert len(told["events"]) == FIRST_TOLD
    assert told["backlog_until"] == 200
    view.close()


def test_cached_count_says_so(view, models):
    """The number may be 5 s old."""
    models.apply(Update(snapshot(7, is_cached=True), (), 0))
    assert "up to 5 s old" in payload(view)["sessions"]["note"]


def test_closed_view_follows_nothing(view, models):
    """Its visit is over."""
    before = view.__panel__().payload
    view.close()
    models.apply(Update(snapshot(7), (), 0))
    assert view.__panel__().payload == before
    view._watcher = models.param.watch(print, "revision")


def test_component_is_one_module():
    """A blob can import nothing relative; one function is its door."""
    text = join_modules()
    assert re.findall(r"^import .*$", text, re.MULTILINE) == []
    assert re.findall(r"^export .*$", text, re.MULTILINE) == [
        "export function render({ model, view }) {"
    ]


def test_component_asks_nobody_outside():
    """No address stands in script or style."""
    text = join_modules() + "".join(LiveBoard._stylesheets)
    assert re.findall(r"https?://(?!www\.w3\.org)\S+", text) == []
    assert "@import" not in text


def test_small_pictures_show_the_window_of_the_figures(view, models):
    """Line and bars begin with the first observation, and a gap stays one."""
    timeline = Timeline(gap_seconds=9.0)
    timeline.observe(moment(0), 10)
    timeline.add(SessionEvent(1, Kind.CREATED, NOON, 10, 12, 2, "http"), moment(4))
    timeline.observe(moment(60), 12)
    series = {span: timeline.series(span) for span in Range}
    models.apply(Update(snapshot(12), (), 0, series))
    recent = json.loads(view.__panel__().recent)
    assert recent["span_seconds"] == 60
    assert recent["line"] == [[0, 10], [4, 12], [4, None], [60, 12]]
    assert recent["bars"] == [[0, 2, 0]]


def test_small_pictures_are_empty_before_the_first_observation(view):
    """Nothing is known."""
    assert view.__panel__().recent == ""
