"""The page for everybody: contrast, names, keyboard, small and large screens, little motion."""

from pathlib import Path

import axe_playwright_python
import pytest

from tests.service import ServiceProcess
from tests.ui.conftest import Watched, see_it_fit

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = {"serious", "critical"}
FOCUSED = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  const style = getComputedStyle(element);
  const name = element.getAttribute("aria-label") ?? element.textContent.trim();
  return [element.tagName, name, style.outlineStyle !== "none" && style.outlineWidth !== "0px"];
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    service = ServiceProcess(tmp_path_factory.mktemp("demo"))
    yield service.url
    assert service.end() == 0


def open_page(chromium, url, **how):
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **how})
    context.set_default_timeout(30_000)
    watched = Watched(context).open(url)
    watched.page.locator(".plot canvas").first.wait_for()
    return watched


def told(violation):
    """What a reader of the test's report needs."""
    return violation["id"], [(node["target"], node["html"]) for node in violation["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious(demo, chromium, scheme, width):
    """With everything in sight that a running page shows; nothing is half faded in."""
    how = {"viewport": {"width": width, "height": 800}, "reduced_motion": "reduce"}
    watched = open_page(chromium, demo, color_scheme=scheme, **how)
    watched.page.locator("li time").first.wait_for()
    watched.page.evaluate(AXE)
    found = watched.page.evaluate("axe.run()")["violations"]
    assert [told(one) for one in found if one["impact"] in SERIOUS] == []
    assert watched.complaints == []
    watched.page.context.close()


def test_axe_can_find_something(demo, watched):
    """The check sees into the component."""
    watched.open(demo)
    watched.page.locator(".logo").evaluate("logo => (logo.innerHTML = '<button></button>')")
    watched.page.evaluate(AXE)
    found = watched.page.evaluate("axe.run()")["violations"]
    assert "button-name" in [one["id"] for one in found]


def test_keyboard_reaches_everything_in_the_order_of_reading(serve, simulator, chromium):
    """Each stop can be seen; the last of them is the feed."""
    watched = open_page(chromium, serve(KATO_API_URL=simulator.url).url)
    stops = []
    watched.page.locator(".bell").wait_for()
    for _ in range(18):
        watched.page.keyboard.press("Tab")
        stops.append(watched.page.evaluate(FOCUSED))
    names = [name for tag, name, _ in stops if tag in {"BUTTON", "A", "UL"}]
    assert names[0].startswith("Alerts: ")
    assert names[1].startswith("Theme: as the system")
    assert names[2:] == [
        *("Live", "Sessions", "Churn", "Containers", "Alerts", "Export"),
        *("5 m", "1 h", "24 h", "7 d", "All", "Created", "Ended"),
        *("Pause the event feed", ""),
    ]
    assert all(is_seen for tag, _, is_seen in stops if tag in {"BUTTON", "A", "UL"})
    watched.page.context.close()


def test_keyboard_chooses_a_range(demo, watched):
    """As a click does, and the address remembers."""
    watched.open(demo)
    watched.page.get_by_role("button", name="5 m", exact=True).press("Enter")
    watched.page.wait_for_url("**/app?since=5m")


def test_page_has_its_landmarks(demo, watched):
    """One heading of the first level, and the parts of a page."""
    watched.open(demo)
    for role in ("banner", "navigation", "main"):
        assert watched.page.get_by_role(role).count() == 1
    assert watched.page.get_by_role("heading", level=1).all_inner_texts() == ["KATO sessions"]
    regions = watched.page.get_by_role("main").get_by_role("region")
    assert regions.count() == 8


@pytest.mark.parametrize("first", [360, 1920])
def test_no_width_scrolls_sideways(demo, chromium, first):
    """From the smallest phone to a large screen, as the page begins and when it is resized."""
    watched = open_page(chromium, demo, viewport={"width": first, "height": 800})
    for width in (first, 1440, 1101, 1024, 768, 641, 390, 360):
        watched.page.set_viewport_size({"width": width, "height": 800})
        see_it_fit(watched.page, width)
    watched.page.context.close()


def test_little_motion_on_request(serve, simulator, caller, chromium):
    """Rows and toasts appear without sliding."""
    watched = open_page(chromium, serve(KATO_API_URL=simulator.url).url, reduced_motion="reduce")
    watched.page.evaluate("() => { Element.prototype.animate = () => (window.__moved = true); }")
    caller.create()
    watched.count("6")
    watched.page.locator(".toasts .toast").first.wait_for()
    assert watched.page.evaluate("window.__moved") is None
    watched.page.context.close()


def test_title_and_icon_carry_the_count(serve, simulator, caller, watched):
    """To be seen among many tabs."""
    watched.open(serve(KATO_API_URL=simulator.url).url)
    watched.count("5")
    icon = watched.page.locator('link[rel="icon"]')
    assert watched.page.title() == "5 · KATO sessions"
    assert "%3E5%3C%2Ftext" in icon.get_attribute("href")
    caller.create()
    watched.count("6")
    assert watched.page.title() == "6 · KATO sessions"
    assert "%3E6%3C%2Ftext" in icon.get_attribute("href")


@pytest.mark.parametrize(
    ("count", "text"),
    [("null", "—"), (0, "0"), (999, "999"), (1000, "1k"), (99_600, "100k"), (2_500_000, "3M")],
)
def test_icon_s_count_is_short(context, count, text):
    """Three letters and a unit at most."""
    words = Path("kato_panel/views/assets/words.js").read_text(encoding="utf-8")
    page = context.new_page()
    page.goto("about:blank")
    code = words.replace("export ", "") + f"\nwindow.__short = writeShort({count});"
    page.add_script_tag(content=code)
    assert page.evaluate("window.__short") == text


def test_address_names_theme_and_zone(serve, simulator, caller, watched):
    """For this visit; a choice made later holds."""
    watched.open(serve(KATO_API_URL=simulator.url).url + "?theme=dark&tz=Asia/Kolkata")
    root = watched.page.locator(".kato")
    assert root.get_attribute("data-theme") == "dark"
    assert watched.page.locator('[data-ref="zone"]').inner_text() == "Asia/Kolkata"
    watched.page.get_by_role("button", name="Theme").click()
    assert "theme=" not in watched.page.url


def test_zone_that_does_not_exist_is_the_browser_s(serve, simulator, watched):
    """An address can be wrong."""
    watched.open(serve(KATO_API_URL=simulator.url).url + "?theme=pink&tz=No/Where&since=9y")
    assert watched.page.locator('[data-ref="zone"]').inner_text() == "UTC"
    watched.count("5")
    assert watched.complaints == []
