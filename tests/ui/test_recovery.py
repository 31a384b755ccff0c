"""A page that was away: live again without a click, or plainly stale until then."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from tests.ui.conftest import Watched
from tests.ui.proxy import Proxy
from tests.ui.test_page import SHORT, pill


@contextmanager
def frozen(browser, seconds):
    """
    Stop the processes that draw this browser's pages, for so long.

    A headless browser takes no notice of DevTools' own `frozen` state: its pages are always seen.
    """
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pids = [process["id"] for process in processes if process["type"] == "renderer"]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
        threading.Event().wait(seconds)  # the length is the point: nothing is waited for
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_reload_goes_on_where_it_was(serve, simulator, caller, watched):
    """With the events of before, which it does not announce again."""
    watched.open(serve(KATO_API_URL=simulator.url, **SHORT).url)
    pill(watched, "Live")
    caller.create("planner-7")
    watched.count("6")
    watched.page.reload()
    watched.count("6")
    watched.page.locator("li", has_text="planner-7").wait_for()
    assert watched.page.locator(".toasts .toast").count() == 0
    assert watched.complaints == []


def test_page_that_is_come_back_to_is_live(serve, simulator, caller, watched):
    """By the browser's back button, after something else was read."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    watched.open(service.url + "?since=5m")
    watched.count("5")
    watched.page.goto(service.base + "/healthz")
    caller.create()
    watched.page.go_back()
    watched.count("6")
    pill(watched, "Live")
    pressed = watched.page.locator('[data-range="5m"]').get_attribute("aria-pressed")
    assert pressed == "true"
    caller.create()
    watched.count("7")


@pytest.mark.timeout(300)
def test_cut_heals(serve, simulator, caller, watched, size):
    """While the socket is away the count comes over HTTP; then the page is live again."""
    seconds = size.n(12, 60)
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    with Proxy(service.base) as proxy:
        watched.page.set_default_timeout(60_000)
        watched.open(proxy.url + "/app")
        pill(watched, "Live")
        watched.count("5")
        proxy.cut()
        pill(watched, "Over HTTP")
        caller.create()
        watched.count("6")
        watched.page.wait_for_timeout(1000 * seconds)
        proxy.mend()
        began = watched.page.evaluate("Date.now()")
        pill(watched, "Live")
        healed_seconds = (watched.page.evaluate("Date.now()") - began) / 1000
        caller.create()
        watched.count("7")
    size.record(
        f"socket cut for {seconds} s: live again",
        seed="none",
        n=1,
        result=f"{healed_seconds:.1f} s after the cut, without a click",
    )


@pytest.mark.timeout(300)
def test_frozen_tab_wakes_up_with_the_truth(serve, simulator, caller, watched, size):
    """As a phone does with a tab in the background."""
    seconds = size.n(14, 120)
    watched.open(serve(KATO_API_URL=simulator.url, **SHORT).url)
    pill(watched, "Live")
    watched.count("5")
    with frozen(watched.page.context.browser, seconds):
        for _ in range(20):
            caller.create()
    began = time.monotonic()
    watched.count("25")
    pill(watched, "Live")
    woken_seconds = time.monotonic() - began
    assert watched.page.locator(".toasts .toast").count() <= 3
    caller.create()
    watched.count("26")
    size.record(
        f"tab frozen for {seconds} s: live again",
        seed="none",
        n=1,
        result=f"{woken_seconds:.1f} s after it woke, without a click",
    )


def test_two_pages_of_one_browser_do_not_disturb_each_other(serve, simulator, caller, context):
    """Each is a visit of its own; one that ends takes nothing along."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    one, other = Watched(context).open(service.url), Watched(context).open(service.url)
    for page in (one, other):
        page.count("5")
    one.page.close()
    caller.create()
    other.count("6")
    pill(other, "Live")
