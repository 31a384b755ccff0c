"""A real browser on a real service that watches a real simulator."""

import os
import subprocess
import sys

import pytest
from playwright.sync_api import TimeoutError as WaitedTooLongError

from kato_panel.simulator import EmbeddedSimulator
from tests.following import Caller
from tests.ports import free_port
from tests.service import ServiceProcess

WIDTHS = "() => [innerWidth, document.documentElement.scrollWidth]"
FITS = "(width) => innerWidth === width && document.documentElement.scrollWidth === width"


def see_it_fit(page, width):
    """Wait until a page, or a frame, has this width and nothing in it is wider.

    A chart learns from the browser that its room became narrower, a moment after the page did.
    """
    try:
        page.wait_for_function(FITS, arg=width)
    except WaitedTooLongError:
        assert page.evaluate(WIDTHS) == [width, width]
        raise


@pytest.fixture
def context(chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    yield context
    context.close()


class Watched:
    """A page, and everything it asked for or complained about."""

    def __init__(self, context):
        self.page = context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message):
        if message.type == "error":
            self.complaints.append(message.text)

    def open(self, url):
        self.page.goto(url)
        self.page.wait_for_selector('[data-figure="active"]')
        return self

    def asked(self, part):
        """How many requests had this in their address."""
        return sum(part in url for url in self.requests)

    def count(self, wanted):
        """Wait until the active count shows this text."""
        self.page.locator(f'[data-figure="active"]:text-is("{wanted}")').wait_for()


@pytest.fixture
def watched(context):
    return Watched(context)


@pytest.fixture
def simulator():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


@pytest.fixture
def caller(simulator):
    return Caller(simulator.url)


@pytest.fixture
def serve(tmp_path):
    """Start services; they end with the test."""
    started = []

    def start(*flags, **settings):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(ServiceProcess(folder, *flags, **settings))
        return started[-1]

    yield start
    for service in started:
        assert service.end() == 0


@pytest.fixture
def panel_serve(tmp_path):
    """Start plain ``panel serve`` of a script, ours if none is given; it ends with the test."""
    started = []

    def start(script="app.py", *flags, **settings):
        port = free_port()
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "panel", "serve", str(script), "--port", str(port), *flags],
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **settings},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        while "Bokeh app running" not in (line := started[-1].stdout.readline()):
            assert line, "panel serve did not start"
        return f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=30)  # on a busy machine it may be loading what it ends with
