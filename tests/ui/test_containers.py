"""The Containers tab in a real browser, on a simulator whose engine is watched over a socket."""

import httpx
import pytest

from kato_panel.simulator import EmbeddedSimulator
from tests.ui.conftest import Watched, see_it_fit
from tests.ui.test_access import AXE, SERIOUS, told

FAST = {"KATO_PANEL_CONTAINER_INTERVAL_SECONDS": "1"}


@pytest.fixture
def simulator():
    with EmbeddedSimulator(rate=0, initial=5, engine_port=0) as simulator:
        yield simulator


@pytest.fixture
def open_tab(serve, simulator, watched):
    """Open the tab on a service that sees the simulator's engine, or another."""

    def open_tab(address="", **settings):
        given = {"KATO_API_URL": simulator.url, "DOCKER_HOST": simulator.engine_host, **FAST}
        service = serve(**{**given, **settings})
        watched.page.goto(f"{service.url}?tab=containers{address}")
        watched.page.get_by_role("heading", name="Containers", exact=True).wait_for()
        return watched.page

    return open_tab


def order(simulator, what, **body):
    httpx.post(f"{simulator.url}/_simulator/{what}", json=body, trust_env=False).raise_for_status()


def box(page, name):
    """The card of one container."""
    return page.locator("li.box").filter(has=page.get_by_role("heading", name=name, exact=True))


def test_cards_tell_each_container_and_what_happens_to_it(open_tab, simulator, watched):
    """Figures, a line of the last minutes, and each change within a look."""
    page = open_tab()
    redis = box(page, "kato-redis")
    redis.get_by_text("healthy").wait_for()
    redis.locator("[data-ref=cpuOf]", has_text="of 8 CPUs").wait_for()
    assert redis.locator("[data-ref=memoryOf]").inner_text().endswith("of 256 MiB limit")
    assert redis.locator("[data-ref=cpuLine] .line").get_attribute("d").startswith("M")
    assert page.locator("[data-ref=running]").inner_text() == "4"
    order(simulator, "containers", name="kato-redis", do="stop")
    redis.get_by_text("exited (0)").wait_for()
    assert redis.locator("[data-ref=cpu]").inner_text() == "—"
    page.locator("[data-ref=running]:text-is('3')").wait_for()
    order(simulator, "containers", name="kato-redis", do="start")
    redis.locator(".bad", has_text="1 start in 10 min").wait_for()
    order(simulator, "containers", name="kato-redis", do="remove")
    redis.get_by_text("gone since").wait_for()
    page.get_by_text("1 gone").wait_for()
    order(simulator, "containers", name="kato", do="unhealthy")
    box(page, "kato").get_by_text("unhealthy").wait_for()
    assert watched.complaints == []


def test_table_is_shown_on_demand_by_keyboard(open_tab):
    """And the address remembers."""
    page = open_tab()
    box(page, "kato").wait_for()
    page.get_by_role("button", name="Table").press("Enter")
    page.get_by_role("rowheader", name="kato", exact=True).wait_for()
    assert page.locator("li.box").first.is_hidden()
    assert "view=table" in page.url
    page.reload()
    page.get_by_role("row").nth(4).wait_for()
    assert page.get_by_role("row").count() == 5


def test_container_that_cannot_be_read_says_why_and_no_other(open_tab, simulator):
    """Its card alone; and the page's link is as it was."""
    page = open_tab()
    name = httpx.get(
        simulator.engine_host.replace("tcp:", "http:") + "/containers/json", trust_env=False
    ).json()[1]["Id"]
    box(page, "kato-redis").get_by_text("healthy").wait_for()
    fault = {"path": f"/containers/{name}/stats", "status": 500, "times": None}
    order(simulator, "faults", **fault, body='{"message": "cgroup is gone"}')
    box(page, "kato-redis").get_by_text("cgroup is gone").wait_for()
    assert box(page, "kato").locator(".trouble").is_hidden()
    assert page.locator("header .pill.ok").is_visible()
    page.get_by_text("not known of all").first.wait_for()


def test_engine_that_hangs_leaves_what_was_known(open_tab, simulator):
    """With its time and the reason; the count is live."""
    page = open_tab()
    box(page, "kato").get_by_text("healthy").wait_for()
    order(simulator, "faults", path="/containers/*", delay_seconds=60, times=None)
    page.get_by_role("alert").filter(has_text="No answer within 2 s. What is shown is").wait_for()
    page.locator(".containers.old").wait_for()
    page.locator(".containers").get_by_text("as of").wait_for()
    assert page.locator("header .pill.ok").is_visible()
    order(simulator, "containers", name="kato", do="stop")
    httpx.delete(f"{simulator.url}/_simulator/faults", trust_env=False)
    box(page, "kato").get_by_text("exited (0)").wait_for()
    page.locator(".containers [data-ref=failure]").wait_for(state="hidden")


def test_without_an_engine_the_page_says_so_calmly(open_tab, watched):
    """Nothing is red."""
    page = open_tab(DOCKER_HOST="")
    page.get_by_text("No container engine here.").wait_for()
    assert page.get_by_role("alert").first.is_hidden()
    page.get_by_role("link", name="Live").click()
    row = page.locator(".sources li", has_text="Containers")
    row.get_by_text("no container engine here").wait_for()
    assert row.get_attribute("class") == "off"
    assert watched.complaints == []


def test_nobody_found_is_said(open_tab):
    """With who was looked for, and how to look for others."""
    page = open_tab(KATO_PANEL_CONTAINERS="nobody")
    page.get_by_text("No container named nobody.").wait_for()
    page.get_by_text("KATO_PANEL_CONTAINERS, ").wait_for()


def see_look(page, age):
    """Wait until there is a newer look, as the Live tab itself says."""
    for is_so in ("> 0.7", "< 0.7"):
        page.wait_for_function(
            f"(age) => parseFloat(age.textContent) {is_so}", arg=age.element_handle()
        )


def test_tab_that_is_not_shown_is_sent_nothing(open_tab, watched):
    """And has the newest look at once when it is chosen again."""
    page = open_tab()
    box(page, "kato").wait_for()
    page.get_by_role("link", name="Live").click()
    find = """() => [...Bokeh.documents[0]._all_models.values()]
      .map((one) => one.data).find((data) => data?.attributes?.form)?.payload"""
    age = page.locator(".sources li", has_text="Containers").locator(".val")
    see_look(page, age)  # the one that may have been on its way when the tab was left
    page.evaluate("() => { window.__heard = 0; }")
    assert page.evaluate(find)
    page.evaluate("""() => {
      const [data] = [...Bokeh.documents[0]._all_models.values()].map((one) => one.data)
        .filter((data) => data?.attributes?.form);
      data.properties.payload.change.connect(() => (window.__heard += 1));
    }""")
    for _ in range(2):
        see_look(page, age)
    assert page.evaluate("window.__heard") == 0
    page.get_by_role("link", name="Containers").click()
    page.wait_for_function("window.__heard > 0")


def test_switched_off_leaves_no_tab(serve, simulator, watched):
    """And no row."""
    service = serve(KATO_API_URL=simulator.url, WEBSOCKET_CONTAINER_STATS="false")
    watched.open(f"{service.url}?tab=containers").count("5")
    links = watched.page.get_by_role("navigation").get_by_role("link")
    assert links.all_inner_texts() == ["Live", "Sessions", "Churn", "Alerts"]
    assert watched.page.locator(".sources li", has_text="Containers").count() == 0


def test_axe_finds_nothing_serious(serve, chromium, simulator):
    """In both forms and themes, on a phone too, where nothing scrolls sideways but the table."""
    order(simulator, "containers", name="kato-redis", do="kill")
    url = serve(KATO_API_URL=simulator.url, DOCKER_HOST=simulator.engine_host, **FAST).url
    for form, scheme in (("cards", "light"), ("cards", "dark"), ("table", "dark")):
        context = chromium.new_context(color_scheme=scheme, reduced_motion="reduce")
        page = Watched(context).page
        page.goto(f"{url}?tab=containers&view={form}")
        page.get_by_text("exited (137)").locator("visible=true").wait_for()
        page.evaluate(AXE)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 800})
            see_it_fit(page, width)
            found = page.evaluate("axe.run()")["violations"]
            assert [told(one) for one in found if one["impact"] in SERIOUS] == []
        context.close()
