"""Alerts in a real browser: the rules are judged by a real service, on a simulator's sessions."""

import re

import pytest

from kato_panel.simulator import EmbeddedSimulator
from tests.following import Caller
from tests.service import ServiceProcess
from tests.ui.conftest import Watched, see_it_fit
from tests.ui.proxy import Proxy
from tests.ui.test_access import AXE, FOCUSED, SERIOUS, told
from tests.ui.test_page import HOSTILE, SHORT, pill

RULES = """
[[rules]]
name = "many"
metric = "sessions_active"
op = ">"
threshold = 6
severity = "error"
message = '{value:.0f} are too many'

[[rules]]
name = "some"
metric = "sessions_active"
op = ">"
threshold = 5
message = '{value:.0f} are some <img src=x onerror="window.__x=1">'
"""
SETTINGS = {
    **SHORT,
    "WEBSOCKET_CONTAINER_STATS": "false",
    "ALERT_COOLDOWN_SECONDS": "0",
}


class Site:
    """A service with rules of its own, and the simulator that it watches."""

    def __init__(self, folder, simulator):
        self.rules = folder / "rules.toml"
        self.rules.write_text(RULES, encoding="utf-8")
        self.caller = Caller(simulator.url)
        settings = {**SETTINGS, "KATO_PANEL_RULES_FILE": str(self.rules)}
        self.service = ServiceProcess(folder, KATO_API_URL=simulator.url, **settings)
        self._more = []

    def fill(self, count):
        """Open sessions until there are so many, or end the surplus."""
        while 5 + len(self._more) < count:
            self._more.append(self.caller.create())
        while 5 + len(self._more) > count:
            self.caller.delete(self._more.pop())


@pytest.fixture(scope="module")
def only_site(tmp_path_factory):
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        site = Site(tmp_path_factory.mktemp("site"), simulator)
        yield site
        assert site.service.end() == 0


@pytest.fixture
def site(only_site):
    """The service while nothing fires."""
    yield only_site
    only_site.fill(5)


@pytest.fixture
def page(site, watched):
    """The live page of a visit that sees nothing fire."""
    watched.open(site.service.url)
    pill(watched, "Live")
    see_firing(watched.page, 0)
    yield watched.page
    assert watched.complaints == []
    assert watched.page.evaluate("window.__x") is None


def toast(page, text):
    return page.locator(".alarms .toast:not([inert])", has_text=text)


def badge(page, text):
    page.locator(f'.badge:text-is("{text}")').wait_for()


def see_firing(page, count):
    page.locator(f'.bell[aria-label$=" {count} firing"]').wait_for()


def open_drawer(page):
    page.locator(".bell").click()
    return page.locator("dialog.alerts[open]")


def rows(place, state):
    return place.locator(f'.alert[data-stage="{state}"]')


def test_alert_is_told_when_it_begins_and_when_it_is_over(page, site):
    """A warning for ten seconds, an error until it is read; twice, if it fires twice."""
    site.fill(6)
    toast(page, "6 are some <img").wait_for()
    badge(page, "1")
    site.fill(7)
    toast(page, "7 are too many").wait_for()
    badge(page, "2")
    toast(page, "are some").wait_for(state="detached")
    assert toast(page, "7 are too many").is_visible()
    site.fill(5)
    toast(page, "Over: 7 are too many").wait_for()
    toast(page, "Over: 6 are some").wait_for()
    toast(page, "too many").get_by_role("button", name="Dismiss").click()
    badge(page, "1")
    site.fill(7)
    toast(page, re.compile("^!7 are too many")).wait_for()
    badge(page, "3")
    drawer = open_drawer(page)
    rows(drawer, "firing").nth(1).wait_for()
    assert rows(drawer, "resolved").count() == 2
    assert drawer.locator(".message", has_text="too many").count() == 2


def test_drawer_finds_marks_and_is_left_by_the_keyboard(page, site):
    """What was read stays read, also on another page and after a reload."""
    site.fill(7)
    see_firing(page, 2)
    drawer = open_drawer(page)
    search = drawer.get_by_role("searchbox")
    search.fill("TOO MANY")
    everything = drawer.locator(".alert").count()
    assert set(drawer.locator(".alert").evaluate_all(READ_SEVERITY)) == {"error"}
    search.fill("no such alert")
    drawer.get_by_text("No alert matches.").wait_for()
    search.fill("")
    drawer.get_by_label("Severity").select_option("warning")
    assert set(drawer.locator(".alert").evaluate_all(READ_SEVERITY)) == {"warning"}
    drawer.get_by_label("Rule").select_option("many")
    drawer.get_by_text("No alert matches.").wait_for()
    drawer.get_by_label("Severity").select_option("")
    drawer.get_by_label("State").select_option("firing")
    assert drawer.locator(".alert").count() == 1 <= everything
    drawer.get_by_role("button", name="Mark read", exact=True).click()
    drawer.get_by_label("State").select_option("unread")
    drawer.get_by_text("No alert matches.").wait_for()
    assert toast(page, "too many").count() == 0
    drawer.get_by_role("button", name="Mark all read").click()
    assert page.locator(".badge").is_hidden()
    page.keyboard.press("Escape")
    drawer.wait_for(state="hidden")
    assert page.evaluate(FOCUSED)[1].startswith("Alerts: none unread")
    page.reload()
    page.locator('.bell[aria-label="Alerts: none unread, 2 firing"]').wait_for()
    assert page.locator(".alarms .toast").count() == 0


def test_row_that_moves_keeps_the_keyboard(page, site):
    """What is below an alert that ends comes to stand above it."""
    site.fill(6)
    see_firing(page, 1)
    site.fill(7)
    see_firing(page, 2)
    drawer = open_drawer(page)
    lower = rows(drawer, "firing").nth(1)
    assert "are some" in lower.inner_text()
    lower.get_by_role("button", name="Silence").focus()
    site.fill(6)
    drawer.locator(".alert").nth(1).get_by_text("too many").wait_for()
    assert page.evaluate(FOCUSED)[1] == "Silence"
    drawer.locator(":focus").evaluate("button => button.blur()")
    page.keyboard.press("Escape")
    drawer.wait_for(state="hidden")


READ_SEVERITY = "rows => rows.map((row) => row.dataset.severity)"


def test_acknowledged_and_silenced_is_for_everybody(page, site, context):
    """With who did it, and until when; a silence can be ended."""
    site.fill(7)
    see_firing(page, 2)
    drawer = open_drawer(page)
    many = drawer.locator('[data-stage="firing"], [data-stage="silenced"]', has_text="too many")
    many.get_by_role("button", name="Acknowledge").press("Enter")
    other = context.new_page()
    other.goto(f"{site.service.url}?tab=alerts")
    seen = other.locator(".card .alert", has_text="too many").first
    seen.get_by_text(re.compile("acknowledged .* by page")).wait_for()
    some = drawer.locator('[data-stage="firing"], [data-stage="silenced"]', has_text="are some")
    some.get_by_role("button", name="Silence").press("Enter")
    assert page.evaluate(FOCUSED)[1] == "15 min"
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUSED)[1] == "Silence"
    some.get_by_role("button", name="Silence").click()
    some.get_by_role("button", name="tomorrow 08:00").click()
    some.get_by_text(re.compile(r"silenced until [\d-]+ 08:00:00 by page")).wait_for()
    rule = other.locator(".rules tbody tr", has_text="some")
    rule.get_by_role("button", name="End silence").click()
    some.get_by_role("button", name="Silence", exact=True).wait_for()
    rule.get_by_role("button", name="Silence", exact=True).click()
    other.get_by_label("or until").fill("2020-01-01T08:00")
    other.get_by_role("button", name="Set").click()
    other.get_by_text("Nothing was changed. Until is '2020-01-01T08:00'").first.wait_for()
    other.close()


def test_chart_shows_when_it_was(page, site):
    """From the drawer and from the tab; what the chart says there names the alert."""
    site.fill(6)
    see_firing(page, 1)
    page.locator(".plot canvas").first.wait_for()
    page.goto(f"{site.service.url}?tab=alerts")
    page.locator(".card .alert").first.get_by_role("button", name="Show in chart").click()
    page.wait_for_url(re.compile("since=5m"))
    page.locator(".plot canvas").first.wait_for()
    assert page.locator("nav [aria-current]").inner_text() == "Live"
    tooltip = page.get_by_text("are some <img").last
    # Its time is set and its marks are drawn when the server has heard of it: not at once.
    for turn in range(400):
        box = page.locator(".plot").bounding_box()
        page.mouse.move(box["x"] + box["width"] * (0.98 - turn % 40 / 80), box["y"] + 120)
        page.wait_for_timeout(25)
        if tooltip.is_visible():
            break
    assert tooltip.is_visible()


def test_rules_and_what_is_wrong_with_their_file(page, site):
    """Each with its state and its value; a mistake is told with its line, and goes with it."""
    site.fill(6)
    page.get_by_role("link", name="Alerts").click()
    some = page.locator(".rules tbody tr", has_text="some")
    some.locator('.state:text-is("firing")').wait_for()
    some.locator('td.num:text-is("6")').wait_for()
    assert some.locator(".when").inner_text() == "> 5"
    assert some.locator(".own").is_visible()
    stale = page.locator(".rules tbody tr", has_text="sessions_stale")
    assert stale.locator(".state").inner_text() == "inactive"
    site.rules.write_text(RULES.replace("threshold = 6", f"threshold = '{HOSTILE}'"), "utf-8")
    problem = page.locator(".problems li")
    problem.get_by_text(re.compile(r"rules\.toml, line 6: .*must be a number")).wait_for()
    site.rules.write_text(RULES, encoding="utf-8")
    problem.wait_for(state="hidden")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_serious(chromium, site, scheme, width):
    """In the drawer, with a silence asked for, and in the tab."""
    site.fill(7)
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = Watched(context).open(site.service.url).page
    page.evaluate(AXE)
    see_firing(page, 2)
    drawer = open_drawer(page)
    drawer.get_by_role("button", name="Silence").first.click()
    assert drawer.bounding_box()["width"] == min(width, 560)
    found = page.evaluate("axe.run()")["violations"]
    page.keyboard.press("Escape")
    drawer.locator(".silencing").wait_for(state="hidden")
    page.keyboard.press("Escape")
    drawer.wait_for(state="hidden")
    page.get_by_role("link", name="Alerts").click()
    page.locator(".rules tbody tr").first.wait_for()
    found += page.evaluate("axe.run()")["violations"]
    assert [told(one) for one in found if one["impact"] in SERIOUS] == []
    see_it_fit(page, width)
    context.close()


def test_page_without_its_link_says_as_of_when_and_offers_nothing(site, watched):
    """What fires stays to be seen, and cannot be acknowledged."""
    site.fill(7)
    with Proxy(site.service.base) as proxy:
        page = watched.open(proxy.url + "/app").page
        see_firing(page, 2)
        drawer = open_drawer(page)
        acknowledge = drawer.get_by_role("button", name="Acknowledge").first
        assert acknowledge.is_enabled()
        proxy.cut()
        drawer.get_by_text("Not live: as of").wait_for()
        assert acknowledge.is_disabled()


def test_visit_that_may_not_act_is_offered_nothing(serve, simulator, caller, watched, tmp_path):
    """It sees all the rest."""
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES, encoding="utf-8")
    settings = {**SETTINGS, "KATO_PANEL_ALLOW_ANONYMOUS": "true"}
    service = serve(KATO_API_URL=simulator.url, KATO_PANEL_RULES_FILE=str(rules), **settings)
    caller.create()
    page = watched.open(service.url).page
    badge(page, "1")
    drawer = open_drawer(page)
    assert drawer.get_by_role("button", name="Mark read", exact=True).is_visible()
    assert drawer.get_by_role("button", name=re.compile("Acknowledge|Silence")).count() == 0


def test_switched_off_alerts_leave_no_trace(serve, simulator, watched):
    """No bell, no drawer, no tab."""
    off = {**SETTINGS, "WEBSOCKET_SYSTEM_ALERTS": "false"}
    watched.open(serve(KATO_API_URL=simulator.url, **off).url)
    pill(watched, "Live")
    assert watched.page.locator(".bell").is_hidden()
    assert watched.page.get_by_role("link", name="Alerts").count() == 0
    watched.page.goto(f"{watched.page.url}?tab=alerts")
    watched.count("5")
    assert watched.page.locator("nav [aria-current]").inner_text() == "Live"
