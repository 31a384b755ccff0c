"""Widgets in frames of other sites' pages: one service, two foreign servers, a real browser."""

import re
import threading
from pathlib import Path

import pytest

from kato_panel.simulator import EmbeddedSimulator
from tests.following import Caller
from tests.foreign_site import ForeignSite
from tests.service import ServiceProcess
from tests.ui.conftest import see_it_fit

ROOT = Path(__file__).parents[2]
SNIPPET = re.search(r"```html\n(.*?)```", (ROOT / "docs/embedding.md").read_text(), re.DOTALL)[1]


def show_frame(site, base, name="count", question="theme=light"):
    """Let a site show the frame of the documentation, of this service; return its address."""
    site.body = SNIPPET.replace("https://kato.example", base).replace(
        "count?theme=light", f"{name}?{question}" if question else name
    )
    return site.origin


@pytest.fixture(scope="module")
def listed():
    with ForeignSite().running() as site:
        yield site


@pytest.fixture(scope="module")
def stranger():
    with ForeignSite().running() as site:
        yield site


@pytest.fixture(scope="module")
def upstream():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def service(upstream, listed, tmp_path_factory):
    service = ServiceProcess(
        tmp_path_factory.mktemp("widgets"),
        KATO_API_URL=upstream.url,
        KATO_PANEL_WIDGET_ORIGINS=listed.origin,
        KATO_PANEL_POLL_INTERVAL_SECONDS="0.5",
        KATO_PANEL_FALLBACK_INTERVAL_SECONDS="1",
        KATO_PANEL_ALLOW_ACTIONS="true",
    )
    yield service
    assert service.end() == 0


@pytest.fixture
def seen(watched):
    """What the page asked, and every refusal of a policy."""
    watched.page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (e) => "
        "console.error('policy', e.violatedDirective, e.blockedURI))"
    )
    return watched


def test_widget_goes_live_in_a_listed_sites_page(service, listed, upstream, seen):
    """The count moves with the upstream's; nothing is asked elsewhere, and nobody complains."""
    seen.page.goto(show_frame(listed, service.base))
    frame = seen.page.frame_locator("iframe")
    frame.locator('[data-figure="active"]:text-is("5")').wait_for()
    Caller(upstream.url).create("alice")
    frame.locator('[data-figure="active"]:text-is("6")').wait_for()
    assert frame.locator("header, nav, form, dialog").count() == 0
    assert frame.locator("section.card").count() == 1
    assert {url.split("/")[2] for url in seen.requests} == {
        listed.origin.removeprefix("http://"),
        service.base.removeprefix("http://"),
    }
    assert seen.complaints == []


def see_refused(page):
    """Wait for the browser's own page in place of the frame's."""
    (frame,) = page.frames[1:]
    frame.wait_for_url(re.compile("^chrome-error://"))
    return frame


def test_widget_shows_nothing_in_a_strangers_page(service, stranger, seen):
    """The browser refuses, by the policy: the frame stays without anything of the service."""
    seen.page.goto(show_frame(stranger, service.base))
    frame = see_refused(seen.page)
    assert frame.locator(".kato").count() == 0
    assert any("frame-ancestors" in words for words in seen.complaints)


def test_dashboard_is_framed_by_nobody(service, listed, seen):
    """Not even by the site that may frame widgets."""
    listed.body = f'<iframe src="{service.url}"></iframe>'
    seen.page.goto(listed.origin)
    see_refused(seen.page)


def test_widget_asks_over_http_while_its_socket_is_cut(service, listed, upstream, context, seen):
    """As the dashboard does, one level above it."""
    links, cut = [], threading.Event()

    def meet(route):
        if cut.is_set():
            route.close()
        else:
            route.connect_to_server()
            links.append(route)

    context.route_web_socket(re.compile(r"/widget/count/ws(\?|$)"), meet)
    seen.page.goto(show_frame(listed, service.base))
    frame = seen.page.frame_locator("iframe")
    frame.locator(".pill.ok, .pill.info").wait_for()
    before = int(frame.locator('[data-figure="active"]').inner_text())
    cut.set()
    for link in links:
        link.close()
    frame.get_by_text("Over HTTP").first.wait_for()
    Caller(upstream.url).create("bob")
    frame.locator(f'[data-figure="active"]:text-is("{before + 1}")').wait_for()


@pytest.mark.parametrize("name", ["chart", "events", "upstream", "alerts", "containers", "hours"])
def test_widget_fits_a_narrow_frame(service, listed, seen, name):
    """At 320 pixels, in the theme that its address names; the reader's own choice is not kept."""
    show_frame(listed, service.base, name, "theme=dark&tz=Asia/Tokyo")
    listed.body = listed.body.replace("width: 100%", "width: 320px")
    seen.page.goto(listed.origin)
    frame = seen.page.frame_locator("iframe")
    frame.locator(".kato.widget .pill.ok, .kato.widget .pill.info").wait_for()
    frame.locator("section.card").first.wait_for()
    (inner,) = seen.page.frames[1:]
    assert inner.evaluate("document.documentElement.dataset.theme") == "dark"
    see_it_fit(inner, 320)
    assert seen.complaints == []


def test_widget_follows_the_reader_s_system_by_itself(service, listed, chromium):
    """Not what somebody chose on the dashboard."""
    context = chromium.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(service.url)
    page.evaluate("localStorage.setItem('kato-panel-theme', 'light')")
    page.goto(show_frame(listed, service.base, question=""))
    page.frame_locator("iframe").locator(".kato.widget[data-theme=dark]").wait_for()
    context.close()
