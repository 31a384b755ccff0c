"""What the page is fed with."""

import asyncio
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import panel as pn
import pytest

from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.events import Kind, Name, Service, SessionEvent
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.recent import Rates
from kato_panel.domain.recorded import Gap
from kato_panel.domain.series import Range
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.domain.timeline import Timeline
from kato_panel.domain.upstream_figures import RedisFigures, UpstreamFigures, WorkerMetrics
from kato_panel.hub import Update
from kato_panel.models import Models
from kato_panel.views import theme
from kato_panel.views.live import (
    FIRST_TOLD,
    RETOLD,
    AlertPanel,
    EventFeed,
    LiveBoard,
    LiveView,
    RuleTable,
    SessionChart,
    SessionCount,
    SessionRates,
    SourceList,
    UpstreamCard,
)
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
    view = LiveView(models)
    view.__panel__().get_root()
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
    assert told["features"] == {"session_events": True, "api": False}


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
    view = LiveView(models)
    view.__panel__().get_root()
    told = payload(view)
    assert len(told["events"]) == FIRST_TOLD
    assert told["backlog_until"] == 200
    view.close()


def test_older_events_are_told_on_request(view, models):
    """Newest first, and as many as a page takes at once."""
    models.begin(Update(snapshot(9), tuple(event(seq) for seq in range(1, 501)), 0))
    board = view.__panel__()
    board.before = 451
    told = json.loads(board.older)
    assert told["before"] == 451
    assert [one["seq"] for one in told["events"]] == list(range(450, 250, -1))
    board.before = 3
    assert [one["seq"] for one in json.loads(board.older)["events"]] == [2, 1]
    board.before = 1
    assert json.loads(board.older)["events"] == []


def test_alerts_are_told_with_the_rest(view, models):
    """In the same patch; and nothing of them, where they are not known or not shown."""
    patches = []
    board = view.__panel__()
    board.param.watch(
        lambda *changes: patches.append({one.name for one in changes}), [*board.param]
    )
    assert (board.alerts, board.rules) == ("", "")
    told = Surroundings(alerts=AlertBoard(revision=1))
    models.apply(Update(snapshot(7), (), 0, surroundings=told))
    assert patches == [{"payload", "alerts"}]
    assert json.loads(board.alerts) == {"alerts": [], "silences": []}
    models.apply(Update(snapshot(8), (), 0, surroundings=told))
    assert patches[1:] == [{"payload"}]
    models.apply(Update(snapshot(8), (), 0, surroundings=Surroundings()))
    assert board.alerts == ""
    count, rules = SessionCount(models), RuleTable(models)
    models.apply(Update(snapshot(8), (), 0, surroundings=told))
    for card in (count, rules):
        card.__panel__().get_root()
    assert (count.__panel__().alerts, count.__panel__().rules) == ("", "")
    assert json.loads(rules.__panel__().rules) == {"rules": [], "silences": [], "problems": []}


async def test_order_is_taken_where_somebody_takes_it(models):
    """In the page's zone; else there is no button, and nothing that hears of one."""
    view = LiveView(models)
    assert not view.__panel__().acts
    view.__panel__().order = '{"id": 1}'
    assert view.__panel__().outcome == ""

    class Taken:
        async def take(self, text, zone):
            return json.dumps([text, zone])

    view = LiveView(models, orders=Taken())
    board = view.__panel__()
    assert board.acts
    board.param.update(zone="Europe/Berlin", order='{"id": 1}')
    await asyncio.sleep(0)
    assert json.loads(board.outcome) == ['{"id": 1}', "Europe/Berlin"]


def test_cached_count_says_so(view, models):
    """The number may be 5 s old."""
    models.apply(Update(snapshot(7, is_cached=True), (), 0))
    assert "up to 5 s old" in payload(view)["sessions"]["note"]


def test_payload_says_when_nobody_could_look(view, models):
    """By its bounds."""
    gap = Gap(moment(0).wall, moment(20).wall)
    models.apply(Update(snapshot(7, gaps=(gap,)), (), 0))
    began, ended = "2026-11-22T12:00:00.000+00:00", "2026-11-22T12:00:20.000+00:00"
    assert payload(view)["gaps"] == [[began, ended]]


def test_closed_view_follows_nothing(view, models):
    """Its visit is over."""
    before = view.__panel__().payload
    view.close()
    models.apply(Update(snapshot(7), (), 0))
    assert view.__panel__().payload == before
    view.close()


def watchers(models):
    return [w for one in models._param__private.watchers.get("revision", {}).values() for w in one]


def test_view_follows_while_it_is_shown(models):
    """Shown nowhere it costs nothing; shown again, it begins with what is known then."""
    view = LiveView(models)
    assert watchers(models) == []
    board = view.__panel__()
    root = board.get_root()
    assert len(watchers(models)) == 1
    board._cleanup(root)
    assert watchers(models) == []
    models.apply(Update(snapshot(9), (), 0))
    board.get_root()
    assert payload(view)["sessions"]["active_count"] == 9


def test_view_that_ended_says_so_and_stays_so(view, models):
    """Also where it is shown once more."""
    view.end()
    assert payload(view)["over"] is True
    view.__panel__().get_root()
    models.apply(Update(snapshot(9), (), 0))
    assert payload(view)["sessions"]["active_count"] is None
    assert watchers(models) == []


def test_ended_models_are_told_by_every_view(view, models):
    """Nothing more will come."""
    models.end()
    assert payload(view)["over"] is True


def test_card_is_told_only_what_it_shows(models):
    """The count needs no events, the feed no pictures."""
    models.apply(Update(snapshot(7), (event(1),), 0))
    count, feed = SessionCount(models), EventFeed(models)
    for card in (count, feed):
        card.__panel__().get_root()
    assert "events" not in payload(count)
    assert len(payload(feed)["events"]) == 1
    assert count.__panel__().chart is None
    assert SessionChart(models, range="5m").__panel__().chart is not None


@pytest.mark.parametrize(
    "card",
    [
        *(SessionCount, SessionRates, SourceList, SessionChart, EventFeed, UpstreamCard),
        *(AlertPanel, RuleTable),
    ],
)
def test_card_takes_a_monitor_or_models(card, models):
    """And works in a layout."""
    for source in (models, SimpleNamespace(models=models)):
        layout = pn.Column(card(source))
        layout.get_root()
        assert layout[0].parts == list(card.parts)


def test_card_refuses_anything_else(models):
    """In words."""
    with pytest.raises(TypeError, match="source is 7, must be a Monitor or its models"):
        SessionCount(7)
    with pytest.raises(ValueError, match="2h"):
        SessionChart(models, range="2h")


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK])
def test_stylesheet_holds_every_role_of_both_themes(colours):
    """And what is made of them names no colour of its own."""
    text = theme.stylesheet()
    for role, value in colours.items():
        assert f"--{role}: {value};" in text
    own = {"gap", "swatch", "tone", "tone-soft", "hue", "heat"}
    roles = set(re.findall(r"var\(--([\w-]+)\)", text)) - own
    assert roles <= set(theme.LIGHT) == set(theme.DARK)
    made_of = "".join(sheet.read_text(encoding="utf-8") for sheet in theme.ASSETS.glob("*.css"))
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(", made_of) == []


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK])
@pytest.mark.parametrize(
    ("front", "back"),
    [
        *((role, back) for role in ("text", "dim", "faint") for back in ("card", "bg")),
        *((role, "card") for role in ("accent", "made", "gone", "warn", "bad")),
        *((role, f"{role}-soft") for role in ("accent", "made", "gone", "warn", "bad")),
        ("dim", "neutral-soft"),
        ("card", "accent"),
    ],
)
def test_text_stands_out(colours, front, back):
    """AA: 4.5 to 1."""
    high, low = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_component_is_one_module():
    """A blob can import nothing relative; one function is its door."""
    text = LiveBoard._esm
    assert re.findall(r"^import .*$", text, re.MULTILINE) == []
    assert re.findall(r"^export .*$", text, re.MULTILINE) == [
        "export function render({ model, view }) {"
    ]


def test_component_s_modules_share_no_name():
    """They share one scope: a name that two of them have would leave the page empty."""
    form = r"^(?:export )?(?:async )?(?:const|let|class|function) (\w+)"
    names = re.findall(form, LiveBoard._esm, re.MULTILINE)
    outer = [name for name in names if name.isupper() or name[0].isupper()]
    assert len(outer) > 20
    assert sorted(set(outer)) == sorted(outer)


def test_component_asks_nobody_outside():
    """No address stands in script or style."""
    text = LiveBoard._esm + "".join(LiveBoard._stylesheets)
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
    assert recent["bars"] == [[0, 0, 0], [4, 2, 0]]


def test_small_pictures_are_empty_before_the_first_observation(view):
    """Nothing is known."""
    assert view.__panel__().recent == ""


FIGURES = UpstreamFigures(
    health=Service("degraded", 35.0, ("High CPU usage",)),
    health_at=moment(3),
    metrics=WorkerMetrics(disk_percent=24.4),
    metrics_at=moment(1),
)


def upstream(view):
    return payload(view)["upstream"]


def test_card_of_kato_s_own_figures_follows(view, models):
    """Each with the age of its part; Redis has none where none is followed."""
    assert upstream(view)["figures"]["disk_percent"] is None
    models.apply(Update(snapshot(7), (), 0, surroundings=Surroundings(figures=FIGURES)))
    told = upstream(view)
    assert (told["status"], told["issues"]) == ("degraded", ["High CPU usage"])
    assert (told["figures"]["disk_percent"], told["figures"]["uptime_seconds"]) == (24.4, 35)
    assert (told["ages"]["metrics"], told["ages"]["health"]) == (3, 1)
    assert not any(name.startswith("redis") for name in told["figures"])
    labels = {name: remark for name, *_, remark in view.__panel__().labels}
    assert labels["requests_per_second"] == "of one worker"
    assert labels["error_ratio"] == "always 0 in KATO 3.10"


def test_what_kato_does_not_offer_is_not_shown_as_a_row_of_dashes(view, models):
    """One sentence says so; and what Redis says of itself is there where it is followed."""
    figures = replace(
        FIGURES, metrics=None, redis=RedisFigures(1_000, 9_000, 0), redis_at=moment(2)
    )
    sources = (
        SourceState("redis", "Redis", Health.UP, moment(3)),
        SourceState("figures", "KATO's figures", Health.UP, moment(1), 0, "not offered"),
    )
    state = replace(snapshot(7), sources=sources)
    models.apply(Update(state, (), 0, surroundings=Surroundings(figures=figures)))
    told = upstream(view)
    names = {"uptime_seconds", "redis_memory_bytes", "redis_evicted_keys"}
    assert told["figures"].keys() == names
    assert (told["note"], told["memory_limit"]) == ("KATO's figures: not offered", 9_000)


def test_who_does_not_show_the_card_is_not_told(models):
    """As with all that a card does not show."""
    view = SessionCount(models)
    view.__panel__().get_root()
    assert payload(view)["upstream"] is None
    assert view.__panel__().labels == []
    view.close()
