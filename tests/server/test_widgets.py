"""Widgets, asked for over sockets: who may frame them, what their addresses say, what they lack."""

import re
from pathlib import Path

import httpx
import pytest

from kato_panel.domain.actions import ActionsState
from kato_panel.models import Models
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.views.dashboard import LivePage
from kato_panel.views.widgets import OFFERED, WidgetView, why_off
from tests.following import Reader
from tests.server.test_service import service_in_thread

ROOT = Path(__file__).parents[2]
SITES = "https://wiki.example,http://127.0.0.1:8123"
TOKEN = "a-token-that-nobody-guesses"
OPTIONS = {"pages_per_second": 1_000}


@pytest.fixture(scope="module")
def simulator():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def box(simulator):
    """A service without a login, whose widgets two sites may frame, and which may delete."""
    settings = {"KATO_PANEL_WIDGET_ORIGINS": SITES, "KATO_PANEL_ALLOW_ACTIONS": "true"}
    with service_in_thread(simulator.url, options=OPTIONS, **settings) as box:
        Reader(box["service"].runtime.hub).until(lambda seen: seen.active is not None)
        yield box


def ask(box, path, **options):
    base = box["service"].url.removesuffix("/app")
    return httpx.get(base + path, trust_env=False, timeout=20, **options)


def framers(answer):
    """Who may frame an answer, by its policy."""
    return re.search(r"frame-ancestors ([^;]*)", answer.headers["Content-Security-Policy"])[1]


@pytest.mark.parametrize("name", OFFERED)
def test_listed_sites_may_frame_each_widget(box, name):
    """A page with the policy of the dashboard otherwise; nothing older contradicts it."""
    answer = ask(box, f"/widget/{name}")
    assert answer.status_code == 200
    assert framers(answer) == "http://127.0.0.1:8123 https://wiki.example"
    assert "X-Frame-Options" not in answer.headers
    assert "script-src 'self' blob: 'nonce-" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "path", ["/app", "/", "/healthz", "/api/v1/sessions/count", "/widgets", "/static/js/bokeh.js"]
)
def test_nothing_else_is_framed(box, path):
    """The list is for widgets."""
    answer = ask(box, path)
    assert framers(answer) == "'none'"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_nobody_frames_a_widget_by_default(simulator):
    """But it can be opened by its own address."""
    with service_in_thread(simulator.url) as box:
        answer = ask(box, "/widget/count")
    assert answer.status_code == 200
    assert framers(answer) == "'none'"
    assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("name", ["nothing", "", "count/", "COUNT", "count/metadata", "sessions"])
def test_unknown_widget_is_told_which_there_are(box, name):
    """In words, with all names."""
    answer = ask(box, f"/widget/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"the widgets are {', '.join(OFFERED)}"


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ("count?theme=pink", "theme", "theme is 'pink', must be one of light, dark, system"),
        ("count?tz=Mars/X", "tz", "tz is 'Mars/X', must be the IANA name of a time zone"),
        ("count?tz=../../etc/passwd", "tz", "must be the IANA name"),
        ("count?since=1h", "argument", "argument is 'since', must be one of theme, tz"),
        ("chart?since=all", "since", "since is 'all', must be one of 5m, 1h, 24h, 7d"),
        ("chart?node=a", "argument", "must be one of theme, tz, since"),
        ("survival?since=5m", "since", "since is '5m', must be one of 1h, 24h, 7d, all"),
        (f"survival?node={'x' * 1_001}", "node", "must be a name of at most 1000 characters"),
        ("survival?node=%ff", "node", "must be UTF-8"),
        ("count?theme=light&theme=pink", "theme", "theme is 'pink'"),
        ("count?<b>=1", "argument", "argument is '<b>'"),
    ],
)
def test_wrong_argument_is_refused_by_name(box, asked, field, words):
    """With what was given, and what is allowed."""
    answer = ask(box, f"/widget/{asked}")
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert words in answer.json()["error"]["message"]


def test_whoever_looks_at_a_frame_is_told_by_a_sentence(box):
    """A document without scripts, in the frame; what was given is text."""
    answer = ask(box, "/widget/count?<b>=1", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert framers(answer) == "http://127.0.0.1:8123 https://wiki.example"
    assert "<p>Argument is &#x27;&lt;b&gt;&#x27;, must be one of theme, tz.</p>" in answer.text
    assert not re.search("<script|<form|<a ", answer.text)


@pytest.mark.parametrize(
    ("flag", "names"),
    [
        ("WEBSOCKET_SESSION_EVENTS", {"events"}),
        ("WEBSOCKET_CONTAINER_STATS", {"containers"}),
        ("WEBSOCKET_SYSTEM_ALERTS", {"alerts", "rules"}),
    ],
)
def test_widget_of_a_feature_that_is_off_is_not_there(simulator, flag, names):
    """The answer says which flag it is; all others are there."""
    with service_in_thread(simulator.url, **{flag: "false"}) as box:
        answers = {name: ask(box, f"/widget/{name}") for name in names}
        sockets = {ask(box, f"/widget/{name}/ws").status_code for name in names}
        others = [why_off(OFFERED[name], box["service"].runtime) for name in {*OFFERED} - names]
        assert ask(box, "/widget/count").status_code == 200
    for name, answer in answers.items():
        assert answer.status_code == 404
        words = f"there is no widget {name}: {flag} is off"
        assert answer.json()["error"]["message"] == words
    assert sockets == {404}
    assert {*others} == {""}


def hearers(view):
    """Who hears of an order."""
    return [watcher.fn for watcher in view._board.param.watchers["order"]["value"]]


@pytest.mark.parametrize("name", OFFERED)
def test_nobody_takes_a_widget_s_orders(box, name):
    """Not by hidden buttons: nothing hears an order, whoever may change what on the dashboard."""
    runtime = box["service"].runtime
    view = WidgetView(Models(), runtime, OFFERED[name], {})
    page = LivePage(Models(), runtime, ActionsState(True))
    assert page._take_order in hearers(page)
    assert view._take_order not in hearers(view)
    assert not view._board.acts
    assert "toasts" not in view.parts


def test_login_is_not_asked_for_in_a_frame(simulator):
    """A sentence says where to log in; with the token it is there."""
    settings = {"KATO_PANEL_WIDGET_ORIGINS": SITES, "KATO_PANEL_AUTH_TOKEN": TOKEN}
    with service_in_thread(simulator.url, **settings) as box:
        person = ask(box, "/widget/count", headers={"Accept": "text/html"})
        program = ask(box, "/widget/count", headers={"Authorization": f"Bearer {TOKEN}"})
        unknown = ask(box, "/widget/nothing")
    assert person.status_code == 401
    assert "Nobody is logged in here" in person.text
    assert not re.search("<form|<input|<a ", person.text)
    assert program.status_code == 200
    assert unknown.status_code == 401


def test_documentation_lists_every_widget_and_its_ranges():
    """In the order of the service's own list."""
    text = (ROOT / "docs" / "embedding.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .* \|(.*)\|$", text, re.MULTILINE)
    assert [name for name, _ in rows] == list(OFFERED)
    for name, spans in rows:
        assert tuple(re.findall(r"\d+[mhd]|all", spans)) == OFFERED[name].spans, name
