"""Cards in an app of one's own, and what is drawn where nothing can be shown."""

import pytest

from tests.test_readme import blocks
from tests.ui.conftest import Watched
from tests.ui.test_page import HOSTILE, SHORT


@pytest.fixture
def own_app(tmp_path, panel_serve, simulator):
    """The example of the README, served by Panel alone."""
    _, code, *_ = blocks("python")
    script = tmp_path / "own.py"
    script.write_text(code, encoding="utf-8")
    return panel_serve(script, KATO_API_URL=simulator.url) + "/own"


def test_cards_live_in_an_app_of_one_s_own(own_app, simulator, caller, watched):
    """In a layout: the count and the feed follow, the chart is drawn."""
    watched.open(own_app)
    watched.count("5")
    watched.page.locator(".plot canvas").first.wait_for()
    caller.create("planner-7")
    watched.count("6")
    watched.page.locator("li", has_text="planner-7").wait_for()
    assert watched.page.locator("header").count() == 0
    assert watched.page.title() == "Panel Application"
    assert watched.complaints == []


def test_visits_of_an_own_app_share_one_watcher(own_app, simulator, caller, context):
    """One visit more is no poll more; one that ends leaves the others alone."""
    pages = [Watched(context).open(own_app) for _ in range(3)]
    for page in pages:
        page.count("5")
    assert caller.asked()["open_streams"] == 1
    pages[0].page.close()
    caller.create()
    for page in pages[1:]:
        page.count("6")


def test_wrong_settings_are_drawn_and_named(panel_serve, watched):
    """All of them at once, as text."""
    base = panel_serve(KATO_API_URL=f"ftp://{HOSTILE}", KATO_PANEL_TOAST_SECONDS="900")
    watched.page.goto(base + "/app")
    watched.page.get_by_role("heading", name="2 settings are wrong").wait_for()
    said = watched.page.get_by_role("alert").inner_text()
    assert "KATO_PANEL_TOAST_SECONDS is '900', must be a number from 1 to 60" in said
    assert watched.page.evaluate("window.__x") is None
    watched.page.set_viewport_size({"width": 360, "height": 740})
    assert watched.page.evaluate("document.documentElement.scrollWidth") == 360


def test_page_says_what_it_waits_for(serve, watched):
    """Where nothing was ever observed: no zero, no empty chart, but a sentence."""
    watched.open(serve(KATO_API_URL="http://127.0.0.1:1", **SHORT).url)
    watched.page.get_by_text("KATO has not answered yet.").first.wait_for()
    assert watched.page.locator(".plot").is_hidden()
