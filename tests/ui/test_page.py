"""The page in a real browser: the manual checklist of the design document, and its bad days."""

import re

import pytest

from kato_panel.history import Reader
from kato_panel.simulator import EmbeddedSimulator
from tests.following import Caller
from tests.history.making import wait_until
from tests.ports import free_port
from tests.ui.conftest import Watched, see_it_fit
from tests.ui.proxy import Proxy

SHORT = {"KATO_PANEL_FALLBACK_INTERVAL_SECONDS": "1", "KATO_PANEL_POLL_INTERVAL_SECONDS": "0.5"}
HOSTILE = '<img src=x onerror="window.__x=1">'


FIND = """(selector) => {
  const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean);
  return roots.map((root) => root.querySelector(selector)).find(Boolean);
}"""
REMEMBER_COUNTS = """() => {
  const figure = (FIND)('[data-figure="active"]');
  window.__counts = [];
  new MutationObserver(() => window.__counts.push(figure.textContent))
    .observe(figure, { childList: true, characterData: true, subtree: true });
}""".replace("FIND", FIND)


TIME_TOASTS = """() => {
  const toasts = (FIND)(".toasts");
  const since = new Map();
  window.__lived = [];
  new MutationObserver((records) => {
    for (const { addedNodes, removedNodes } of records) {
      for (const one of addedNodes) since.set(one, performance.now());
      for (const one of removedNodes) window.__lived.push(performance.now() - since.get(one));
    }
  }).observe(toasts, { childList: true });
}""".replace("FIND", FIND)


def toast(watched):
    return watched.page.locator(".toasts .toast").first


def pill(watched, text):
    """Wait for the mark in the header."""
    watched.page.locator(".pill", has_text=text).first.wait_for()
    if text == "Live":
        # What KATO tells within half a second of the first look may be in it already: the next
        # poll settles that, without a name.
        watched.page.wait_for_timeout(600)


def test_demo_shows_a_count_an_event_and_a_toast_within_ten_seconds(serve, watched):
    """One command, no setting: it moves."""
    service = serve()
    watched.page.set_default_timeout(10_000)
    watched.open(service.url)
    number = re.compile(r"^[\d\u2009]+$")
    watched.page.locator('[data-figure="active"]', has_text=number).wait_for()
    watched.page.get_by_text("demo data").wait_for()
    watched.page.locator("li time").first.wait_for()
    toast(watched).wait_for()
    assert watched.complaints == []
    assert watched.page.evaluate("window.__x") is None


def test_page_asks_nobody_but_its_own_server(serve, watched):
    """Sites are air-gapped."""
    service = serve()
    watched.open(service.url)
    toast(watched).wait_for()
    outside = [u for u in watched.requests if not u.startswith((service.base, "blob:", "data:"))]
    assert outside == []


def test_checklist(serve, simulator, caller, watched):
    """Connected, filled, create, destroy, toasts, the socket cut, HTTP instead, and back."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    with Proxy(service.base) as proxy:
        watched.open(proxy.url + "/app")
        pill(watched, "Live")
        watched.count("5")
        watched.page.evaluate(TIME_TOASTS)

        created = caller.create("planner-7")
        watched.count("6")
        toast(watched).get_by_text("1 session created").wait_for()
        toast(watched).get_by_text("Total: 6").wait_for()
        watched.page.locator("li", has_text="planner-7").wait_for()
        toast(watched).wait_for(state="detached")
        assert 3_000 < watched.page.evaluate("window.__lived[0]") < 6_000

        caller.delete(created)
        watched.count("5")
        toast(watched).get_by_text("1 session destroyed").wait_for()
        toast(watched).get_by_text("Total: 5").wait_for()
        watched.page.locator("li", has_text="1 deleted").wait_for()

        assert watched.asked("api/v1/sessions/count") == 0
        proxy.cut()
        pill(watched, "Over HTTP")
        for _ in range(3):
            caller.create()
        watched.count("8")
        assert watched.asked("api/v1/sessions/count") >= 1

        proxy.mend()
        pill(watched, "Live")
        watched.count("8")
        before = watched.asked("api/v1/sessions/count")
        caller.create()
        watched.count("9")
        watched.page.wait_for_timeout(2_500)
        assert watched.asked("api/v1/sessions/count") == before


def test_many_toasts_fold_into_three(serve, simulator, caller, watched):
    """At most three at a time, the rest summed up in the last, and that goes too."""
    # Long enough for eight calls, also on a machine that is busy with other things.
    service = serve(KATO_API_URL=simulator.url, KATO_PANEL_TOAST_SECONDS="8", **SHORT)
    watched.open(service.url)
    pill(watched, "Live")
    toasts = watched.page.locator(".toasts .toast")
    for number in range(6, 14):
        caller.create()
        watched.count(str(number))
    watched.page.get_by_text("more changes").wait_for()
    assert toasts.count() == 3
    titles = " ".join(watched.page.locator(".toasts b").all_inner_texts())
    told = re.findall(r"(\d+) sessions? created|: \+(\d+)", titles)
    assert sum(int(one or other) for one, other in told) == 8
    toasts.first.wait_for(state="detached")
    watched.page.get_by_text("more changes").wait_for(state="detached")


def test_toast_stays_while_it_is_pointed_at_and_can_be_dismissed(serve, simulator, caller, watched):
    """Reading takes its time; the mouse holds it, the button ends it."""
    service = serve(KATO_API_URL=simulator.url, KATO_PANEL_TOAST_SECONDS="4", **SHORT)
    watched.open(service.url)
    pill(watched, "Live")
    caller.create()
    toast(watched).hover()
    watched.page.wait_for_timeout(5_000)
    assert toast(watched).is_visible()
    toast(watched).get_by_role("button").click()
    toast(watched).wait_for(state="detached")
    status = watched.page.locator(".toasts")
    assert (status.get_attribute("role"), status.get_attribute("aria-live")) == ("status", "polite")


def test_feed_shows_one_kind_on_request_and_the_address_remembers(
    serve, simulator, caller, watched
):
    """All, created or ended; a reload keeps it."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    watched.open(service.url)
    pill(watched, "Live")
    created = caller.create("planner-7")
    watched.count("6")
    caller.delete(created)
    rows = watched.page.locator("ul li:visible time")
    watched.page.locator("li", has_text="1 deleted").wait_for()
    assert rows.count() == 2
    watched.page.get_by_role("button", name="Ended").click()
    assert rows.count() == 1
    assert "events=gone" in watched.page.url
    watched.page.reload()
    watched.page.locator("li", has_text="1 deleted").wait_for()
    assert rows.count() == 1
    watched.page.get_by_role("button", name="All").click()
    assert rows.count() == 2
    assert "events=" not in watched.page.url


def test_filtered_feed_counts_and_misses_its_own_kind_only(serve, simulator, caller, watched):
    """What is not to be seen is not announced as waiting, and an empty list says why."""
    watched.open(serve(KATO_API_URL=simulator.url, **SHORT).url + "?events=gone")
    pill(watched, "Live")
    caller.create()
    watched.count("6")
    watched.page.get_by_text("No session has ended since you opened this page.").wait_for()
    watched.page.get_by_role("button", name="Pause the event feed").click()
    # Each once the one before is there: those that come together are one event.
    created = caller.create()
    watched.count("7")
    caller.delete(created)
    watched.page.get_by_role("button", name="1 new").wait_for()
    caller.create()
    watched.count("7")
    assert watched.page.get_by_role("button", name="1 new").is_visible()
    watched.page.get_by_role("button", name="All").click()
    watched.page.get_by_role("button", name="3 new").click()
    watched.page.locator("li", has_text="1 deleted").wait_for()


def test_feed_can_be_scrolled_back_to_its_beginning(serve, simulator, caller, watched):
    """A page opens with the newest; the older ones come when they are wanted."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    watched.open(service.url)
    pill(watched, "Live")
    # Of those that come together not all have their name in the row: the first and the last alone.
    for number in range(90):
        if number in (1, 89):
            watched.count(str(5 + number))
        caller.create(f"node-{number}")
    watched.count("95")
    watched.page.reload()
    rows = watched.page.locator("ul li:has(time)")
    watched.page.locator("li", has_text="node-89").wait_for()
    assert rows.count() <= 60
    feed = watched.page.locator('[data-ref="feed"]')
    feed.evaluate("feed => feed.scrollTo(0, feed.scrollHeight)")
    watched.page.locator('li bdi:text-is("node-0")').wait_for(state="attached")
    totals = [int(text) for text in watched.page.locator(".tot").all_text_contents()]
    assert totals == sorted(totals, reverse=True)
    assert len(totals) == len(set(totals))


def test_upstream_s_absence_is_told_and_its_number_kept(serve, simulator, caller, watched):
    """Never 0 for unknown: greyed, with the time since, then with the reason."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    watched.open(service.url)
    watched.count("5")
    watched.page.evaluate(REMEMBER_COUNTS)
    caller.order("restart", away_seconds=9, keep_state=True)
    pill(watched, "KATO unreachable")
    watched.page.get_by_text(re.compile("stale since", re.IGNORECASE)).first.wait_for()
    watched.count("5")
    pill(watched, "Live")
    watched.count("5")
    assert watched.page.locator("li time").count() == 0
    assert watched.page.evaluate("window.__counts") == []


def test_count_is_a_dash_while_it_was_never_known(serve, watched):
    """Nobody answers there."""
    service = serve(KATO_API_URL="http://127.0.0.1:1", **SHORT)
    watched.open(service.url)
    pill(watched, "KATO unreachable: connection refused")
    watched.count("—")
    assert watched.page.title().startswith("—")


def test_lost_stream_is_polling(serve, simulator, caller, watched):
    """The poll goes on, and the page says so."""
    service = serve(KATO_API_URL=simulator.url, KATO_PANEL_STREAM="off", **SHORT)
    watched.open(service.url)
    pill(watched, "Polling")
    caller.create()
    watched.count("6")
    toast(watched).get_by_text("1 session created").wait_for()


def test_switched_off_events_leave_the_count(serve, simulator, caller, watched):
    """No feed, no toast."""
    service = serve(KATO_API_URL=simulator.url, WEBSOCKET_SESSION_EVENTS="false", **SHORT)
    watched.open(service.url)
    pill(watched, "Polling")
    caller.create()
    watched.count("6")
    assert not watched.page.get_by_role("heading", name="Events").is_visible()
    assert watched.page.locator(".toasts .toast").count() == 0


@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
def test_hostile_names_are_text(serve, simulator, caller, watched, size):
    """They are shown, and never run; nor do they break the layout."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    watched.page.set_viewport_size({"width": size[0], "height": size[1]})
    watched.open(service.url)
    pill(watched, "Live")
    caller.create(HOSTILE)
    watched.page.locator("li", has_text="<img src=x").wait_for()
    assert watched.page.evaluate("window.__x") is None
    see_it_fit(watched.page, size[0])


def test_plain_panel_serve_says_disconnected(panel_serve, simulator, watched):
    """Without our routes there is nothing to ask over HTTP, and the page says how to get them."""
    with Proxy(panel_serve(KATO_API_URL=simulator.url, **SHORT)) as proxy:
        watched.open(proxy.url + "/app")
        watched.count("5")
        watched.page.get_by_text("adds the HTTP API").wait_for()
        proxy.cut()
        pill(watched, "Disconnected since")
        watched.page.wait_for_timeout(1_500)
        assert watched.asked("api/v1") == 0
        assert watched.asked("static/js/bokeh.min.js") > 1
        proxy.mend()
        # Where the socket's own attempts are used up, the page loads itself, after half a minute.
        watched.page.set_default_timeout(50_000)
        pill(watched, "Live")
        watched.count("5")


def test_silent_socket_counts_as_lost(serve, simulator, caller, watched):
    """Open, but nothing comes for ten seconds: the count is asked for over HTTP."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    with Proxy(service.base) as proxy:
        watched.open(proxy.url + "/app")
        watched.count("5")
        pill(watched, "Live")
        proxy.mute()
        caller.create()
        assert watched.asked("api/v1/sessions/count") == 0
        pill(watched, "Over HTTP")
        watched.count("6")


def test_page_whose_socket_stays_away_loads_itself_again(serve, simulator, watched):
    """After half a minute, when the server answers all the same."""
    service = serve(KATO_API_URL=simulator.url, KATO_PANEL_FALLBACK_INTERVAL_SECONDS="300")
    with Proxy(service.base) as proxy:
        watched.open(proxy.url + "/app")
        pill(watched, "Live")
        proxy.cut()
        pill(watched, "Over HTTP")
        with watched.page.expect_navigation(timeout=60_000):
            pass
        watched.page.get_by_text("The live connection does not open.").wait_for()
        proxy.mend()
        with watched.page.expect_navigation(timeout=60_000):
            pass
        watched.count("5")
        assert not watched.page.locator("#boot").is_visible()


@pytest.mark.parametrize("workers", [1, 4])
def test_bursts_are_shown_exactly(serve, watched, workers):
    """Six seconds after the last call the page shows what KATO says."""
    with EmbeddedSimulator(rate=0, initial=50, workers=workers) as simulator:
        caller = Caller(simulator.url)
        service = serve(KATO_API_URL=simulator.url)
        watched.open(service.url)
        pill(watched, "Live")
        created = [caller.create() for _ in range(60)]
        for session_id in created[:30]:
            caller.delete(session_id)
        watched.page.set_default_timeout(6_000)
        watched.count(str(caller.health_count()))
        assert watched.complaints == []


def test_restarted_server_is_found_again(serve, simulator, caller, watched):
    """The page comes back by itself, asks nobody else, and goes on."""
    port = str(free_port())
    service = serve("--port", port, KATO_API_URL=simulator.url, **SHORT)
    watched.open(service.url)
    watched.count("5")
    # Expected before it can happen: the page may be faster than the new service's first line. It
    # knows the restart by the answer over HTTP; without that it would wait for half a minute.
    with watched.page.expect_navigation(timeout=25_000):
        service.kill()
        caller.create()
        again = serve("--port", port, KATO_API_URL=simulator.url, **SHORT)
    pill(watched, "Live")
    watched.count("6")
    caller.create()
    watched.count("7")
    outside = [u for u in watched.requests if not u.startswith((again.base, "blob:", "data:"))]
    assert outside == []


def test_page_of_a_service_that_was_killed_knows_what_happened_before(
    serve, simulator, caller, watched, tmp_path
):
    """The feed, the chart of a week, and between the events when nobody looked."""
    kept = {"KATO_PANEL_HISTORY_URL": f"sqlite:///{tmp_path / 'history.db'}"}
    settings = {"KATO_API_URL": simulator.url, "KATO_PANEL_POLL_INTERVAL_SECONDS": "0.5", **kept}
    first = serve(**settings)
    watched.open(first.url)
    watched.count("5")
    caller.create("before")
    watched.count("6")
    rows = watched.page.locator('[data-ref="sources"] li', has_text="History")
    assert rows.get_attribute("class") == "up"
    watched.page.locator('[data-ref="feed"] li').wait_for()
    with Reader.open(tmp_path / "history.db") as reader:
        wait_until(lambda: reader.events(limit=2).rows)
    first.kill()
    context = watched.page.context
    second = Watched(context)
    second.open(f"{serve(**settings).url}?since=7d")
    second.count("6")
    feed = second.page.locator('[data-ref="feed"]')
    note = feed.locator("li.note")
    note.wait_for()
    assert re.fullmatch(r"not observed \d\d:\d\d:\d\d \u2013 \d\d:\d\d:\d\d", note.inner_text())
    assert feed.locator("li").count() == 2
    assert second.page.locator(".toasts .toast").count() == 0
    caller.create("after")
    second.count("7")
    kinds = feed.locator("li").evaluate_all("rows => rows.map((row) => row.className)")
    assert kinds == ["made-row", "note", "made-row"]
    assert second.page.locator('[data-range="7d"]').get_attribute("aria-pressed") == "true"
    second.page.locator('[data-ref="chart"] .bk-Figure').wait_for(state="attached")
    assert second.complaints == []
