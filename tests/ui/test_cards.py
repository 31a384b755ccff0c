"""Cards in an app of one's own, and what is drawn where nothing can be shown."""

import pytest

from tests.test_readme import blocks
from tests.ui.conftest import Watched, see_it_fit
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
    # As Panel's own templates are in their dark theme: nothing says so but the ground.
    watched.page.locator('[data-theme="light"]').first.wait_for()
    watched.page.evaluate("document.body.style.backgroundColor = 'rgb(24, 24, 24)'")
    watched.page.locator('[data-theme="dark"]').first.wait_for()
    assert watched.page.locator('[data-theme="light"]').count() == 0
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
    see_it_fit(watched.page, 360)


def test_page_says_what_it_waits_for(serve, watched):
    """Where nothing was ever observed: no zero, no empty chart, but a sentence."""
    watched.open(serve(KATO_API_URL="http://127.0.0.1:1", **SHORT).url)
    watched.page.get_by_text("KATO has not answered yet.").first.wait_for()
    assert watched.page.locator(".plot").is_hidden()


def test_card_of_kato_s_own_figures_says_what_they_are_of(serve, simulator, watched):
    """Each with its unit and what is not as one would think; no wider than a phone."""
    watched.open(serve(KATO_API_URL=simulator.url, **SHORT).url)
    card = watched.page.locator("section.upstream")
    card.locator("dl > div", has_text="Disk").get_by_text("24", exact=True).wait_for()
    said = card.inner_text()
    assert "of one worker" in said
    assert "always 0 in KATO 3.10" in said
    assert "healthy" in said
    assert "Redis" not in said
    watched.page.set_viewport_size({"width": 360, "height": 740})
    see_it_fit(watched.page, 360)
    assert watched.complaints == []


def test_kato_without_metrics_is_told_calmly(serve, simulator, caller, watched):
    """One sentence, no row of dashes, and a source that is up."""
    caller.order("faults", path="/metrics", method="GET", status=404, times=9)
    watched.open(serve(KATO_API_URL=simulator.url, **SHORT).url)
    card = watched.page.locator("section.upstream")
    card.get_by_text("KATO's figures: not offered by this KATO").wait_for()
    assert card.locator("dt").all_inner_texts() == ["Uptime"]
    watched.page.locator(".sources li.up", has_text="KATO's figures").wait_for()
