"""Widgets in frames of other sites' pages: one service, two foreign servers, a real browser."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kato_panel.simulator import EmbeddedSimulator
from tests.following import Caller
from tests.service import ServiceProcess

ROOT = Path(__file__).parents[2]
SNIPPET = re.search(r"```html\n(.*?)```", (ROOT / "docs/embedding.md").read_text(), re.DOTALL)[1]


class ForeignSite:
    """Another team's web page, on a port of its own."""

    def __init__(self):
        site = self
        self.body = ""

        class Page(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(f"<!doctype html><title>Wiki</title>{site.body}".encode())

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)

    def show(self, base, name="count", question="theme=light"):
        """Show the frame of the documentation, of this service."""
        self.body = SNIPPET.replace("https://kato.example", base).replace(
            "count?theme=light", f"{name}?{question}" if question else name
        )
        return self.origin


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
    seen.page.goto(listed.show(service.base))
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


def test_widget_shows_nothing_in_a_strangers_page(service, stranger, seen):
    """The browser refuses, by the policy: the frame stays without anything of the service."""
    seen.page.goto(stranger.show(service.base))
    seen.page.wait_for_function("() => true")
    seen.page.wait_for_load_state("networkidle")
    (frame,) = seen.page.frames[1:]
    assert frame.url.startswith("chrome-error://")
    assert frame.locator(".kato").count() == 0
    assert any("frame-ancestors" in words for words in seen.complaints)


def test_dashboard_is_framed_by_nobody(service, listed, seen):
    """Not even by the site that may frame widgets."""
    listed.body = f'<iframe src="{service.url}"></iframe>'
    seen.page.goto(listed.origin)
    seen.page.wait_for_load_state("networkidle")
    (frame,) = seen.page.frames[1:]
    assert frame.url.startswith("chrome-error://")
