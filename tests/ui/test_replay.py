"""A replay in a real browser: marked, and played by its bar."""

import re
from datetime import timedelta

import httpx
import pytest

from kato_panel.demo_week import UNTIL, make_week
from kato_panel.history import History
from tests.service import ServiceProcess
from tests.ui.conftest import Watched, see_it_fit
from tests.ui.test_access import AXE, SERIOUS, told

SPAN = timedelta(hours=6)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A replay of six hours, in its middle; nothing of the file may have changed in the end."""
    folder = tmp_path_factory.mktemp("replay")
    path = folder / "week.db"
    history = History.open(f"sqlite:///{path}", "demo", is_demo=True)
    history.fill(make_week(UNTIL.timestamp(), span=SPAN).fill)
    assert history.flush(), history.status
    history.close()
    before = path.read_bytes()
    command = ("replay", str(path), "--from", "3h", "--speed", "10")
    service = ServiceProcess(folder, command=command)
    yield service
    assert service.end() == 0
    assert path.read_bytes() == before
    assert {one.name for one in folder.glob("week.db*")} == {path.name, "week.db.lock"}


@pytest.fixture
def sockets(watched):
    """The page's sockets, as they are opened."""
    opened = []
    watched.page.on("websocket", lambda one: opened.append(one))  # noqa: PLW0108 - Playwright asks
    return opened


@pytest.fixture
def page(service, watched, sockets):
    """The page, while the replay goes on from its middle at speed 10."""
    _order(service, position="3h", speed=10, paused=False)
    page = watched.open(service.url).page
    page.locator(".playing").wait_for()
    yield page
    assert watched.complaints == []


def _order(service, **order):
    answer = httpx.post(f"{service.base}/api/v1/replay", json=order, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _asked(service):
    return httpx.get(f"{service.base}/api/v1/replay", trust_env=False).json()


def test_page_says_that_it_is_a_replay_and_moves(service, page):
    """The mark, the title and the source say so, to people and to programs."""
    page.get_by_text("Replay · 10\u00d7").first.wait_for()
    assert page.title().startswith("Replay · ")
    first = page.locator(".playing .at").inner_text()
    page.locator(".playing .at").filter(has_not_text=first).wait_for()
    count = httpx.get(f"{service.base}/api/v1/sessions/count", trust_env=False).json()
    assert count["source"] == "replay"
    assert page.get_by_role("link", name="Sessions").count() == 0


def test_it_pauses_changes_speed_and_goes_on_elsewhere(service, page, sockets):
    """By its buttons and by the keyboard; for everybody, and the page then shows that time."""
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_text("Replay · Paused").first.wait_for()
    stands = _asked(service)
    assert stands["paused"]
    for _ in range(2):  # or it would take its link for lost
        sockets[-1].wait_for_event("framereceived", timeout=8_000)
    page.get_by_role("button", name="600\u00d7").click()
    page.locator('.playing [aria-pressed="true"]:text-is("600\u00d7")').wait_for()
    assert _asked(service)["position"] == stands["position"]
    with page.expect_navigation():
        page.get_by_role("slider", name="Position in the recording").press("Home")
    page.locator(".playing").wait_for()
    there = _asked(service)
    assert (there["position"], there["paused"]) == (there["first"], True)
    page.get_by_text("Replay · Paused").first.wait_for()
    with page.expect_navigation():
        _order(service, position=there["last"], paused=False)
    page.get_by_text("Replay · End of the recording").first.wait_for()
    with page.expect_navigation():
        page.get_by_role("button", name="Play from the beginning").click()
    page.get_by_text("Replay · 600\u00d7").first.wait_for()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_serious(service, chromium, scheme, width):
    """Nor does the bar make the page wider."""
    _order(service, position="3h", paused=True)
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = Watched(context).open(service.url).page
    page.locator(".playing").wait_for()
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")["violations"]
    assert [told(one) for one in found if one["impact"] in SERIOUS] == []
    see_it_fit(page, width)
    context.close()


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"speed": 0}, "speed is 0, must be 0.1 to 3600"),
        ({"speed": "fast"}, "speed is 'fast', must be a number"),
        ({"paused": 1}, "paused is 1, must be true or false"),
        ({"position": "2020-01-01T00:00:00Z"}, "must be within the recording"),
        ({"position": 7}, "position is 7, must be a time"),
        ({}, "must be paused, speed or position"),
    ],
)
def test_orders_that_cannot_be_are_refused(service, order, words):
    """With the field, and nothing is changed."""
    answer = httpx.post(f"{service.base}/api/v1/replay", json=order, trust_env=False)
    assert answer.status_code == 422
    assert re.search(re.escape(words), answer.json()["error"]["message"])


def test_other_sites_pages_order_nothing(service):
    """Nor do programs that come in another's name."""
    strange = {"Origin": "http://evil.example"}
    url = f"{service.base}/api/v1/replay"
    answer = httpx.post(url, json={"paused": True}, headers=strange, trust_env=False)
    assert answer.status_code == 403
    document = httpx.get(f"{service.base}/api/v1/openapi.json", trust_env=False).json()
    assert set(document["paths"]["/api/v1/replay"]) == {"get", "post"}
