"""The Churn tab in a real browser, on a service whose history holds two hours of lives."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kato_panel import churn, open_history
from kato_panel.directory import SessionDirectory
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.views.churn import ChurnView
from kato_panel.views.sessions import SessionTable
from kato_panel.views.theme import join_modules
from tests.server.test_service import service_in_thread
from tests.ui.conftest import see_it_fit
from tests.ui.hostile import PAYLOADS
from tests.ui.test_access import AXE, SERIOUS, told
from tests.ui.test_hostile import COLLECT, LISTEN
from tests.ui.test_page import SHORT
from tests.week import lives_until, watch

ZONE = "Asia/Kolkata"  # of which no hour begins with one of UTC
FITS = """root => {
    root.style.width = "290px";
    const wide = [...root.querySelectorAll(":is(.controls, .figure)")].flatMap((card) =>
        [...card.querySelectorAll("*")].filter((one) =>
            one.getBoundingClientRect().right > card.getBoundingClientRect().right));
    root.style.width = "";
    return wide.map((one) => one.outerHTML);
}"""

BREAKS = """root => {
    const left = [];
    for (let width = 336; width <= 1640; width += 8) {
        root.style.width = `${width}px`;
        const [title, age, button] = ["#h-churn", ".age", ".renew button"].map((one) =>
            root.querySelector(`.controls ${one}`).getBoundingClientRect());
        const lie = (one) => Math.abs(one.top + one.bottom - title.top - title.bottom) < 8;
        const box = root.querySelector(".groups .shown .scroll-x");
        const lines = new Set([...root.querySelectorAll(".choices > *")].map((one) =>
            Math.round(one.getBoundingClientRect().bottom / 8)));
        if (!lie(age) || !lie(button) || lines.size > 2 || box.scrollWidth > box.clientWidth)
            left.push([width, lie(age), lie(button), lines.size, box.scrollWidth, box.clientWidth]);
    }
    root.style.width = "";
    return left;
}"""
"""The bar's label and icon stay beside its title, and no column of the groups is cut."""
SWITCH = """root => {
    const read = () => Object.fromEntries([...root.querySelectorAll("[data-rows]:not([hidden])")]
        .map((one) => [one.dataset.rows, one.innerText]));
    const before = read(), range = root.querySelector("[data-ref=range]");
    window.stale = new Promise((resolve) => new MutationObserver(() => {
        const after = read();
        resolve(Object.keys(before).filter((card) => after[card] === before[card]));
    }).observe(range, { childList: true, characterData: true, subtree: true }));
    window.isAnew = () => {
        const after = read();
        return Object.keys(before).every((card) =>
            after[card] !== before[card] && after[card] !== "Reading…");
    };
    root.querySelector('[data-value="1h"]').click();
    return Object.keys(before);
}"""
TABLES = ("rates", "reasons", "lifetimes", "cohorts")


@pytest.fixture
def history(tmp_path, simulator):
    """A history of the simulator's past that ends now."""
    path = tmp_path / "past.db"
    now = datetime.now(UTC)
    watch(path, lives_until(now), now, simulator.url)
    return path


@pytest.fixture
def open_tab(serve, simulator, history, watched):
    def open_tab(address="", **settings):
        place = {"KATO_PANEL_HISTORY_URL": f"sqlite:///{history}", **settings}
        service = serve(KATO_API_URL=simulator.url, **SHORT, **place)
        watched.page.goto(f"{service.url}?tab=churn{address}")
        watched.page.get_by_role("heading", name="Churn", exact=True).wait_for()
        return watched.page

    return open_tab


def see_median(page):
    """Wait for it; return what is written."""
    median = page.locator('.churn [data-figure="median"]')
    median.filter(has_not_text="—").wait_for()
    return median.inner_text()


def minutes(seconds):
    return float(f"{seconds / 60:.3g}")


def test_figures_are_those_of_the_frames_and_the_bias_is_told(open_tab, history, watched):
    """The median is loud; the mean of closed sessions stands beside it, marked; times are local."""
    page = open_tab(f"&tz={ZONE}")
    shown = float(see_median(page))
    with open_history(history) as opened:
        found = churn(opened, since=timedelta(days=1))
    assert shown == pytest.approx(minutes(found.median_lifetime_seconds.value), rel=0.05)
    naive = page.locator(".churn .naive").inner_text()
    assert found.naive.is_off
    assert "biased" in naive
    assert f"{found.naive.still_open} still open" in naive
    assert f"{abs(found.naive.bias_percent):.0f}\u202f% too short" in naive
    mean, low, high = (f"{getattr(found.mean_lifetime_seconds, name) / 60:.1f}"
                       for name in ("value", "low", "high"))  # fmt: skip
    assert f"it is {mean}\u202fmin ({low} \u2013 {high})" in naive
    units = page.locator(".churn .units")
    assert [words.split()[0] for words in units.all_inner_texts()] == ["Percent", "Sessions"]
    assert units.filter(has_text="created per hour").is_visible()
    for plot in ("survival", "rates", "lifetimes"):
        page.locator(f'[data-plot="{plot}"] canvas').first.wait_for()
    rows = page.locator('[data-ref="reasons"] li')
    assert rows.count() == 2
    assert_times_are_of_the_zone(page, found.window)
    assert watched.complaints == []


def assert_times_are_of_the_zone(page, window):
    """The range, times of birth, and hours of the week: each says of which zone it is."""
    first = datetime.fromtimestamp(window.since / 1e6, ZoneInfo(ZONE))
    times = [first + timedelta(minutes=n) for n in range(-60, 150)]  # the history: two hours
    told = page.locator('.churn [data-ref="range"]').inner_text()
    assert f" {first:%H:%M} \u2013 " in told
    assert told.endswith(f" · {ZONE}")
    births, week = page.locator('[data-ref="cohorts"]'), page.locator('[data-ref="hours"]')
    assert births.locator("thead th").first.inner_text() == f"born, {ZONE}"
    born = {row[-5:] for row in births.locator("tbody th").all_inner_texts()}
    assert born
    assert born <= {f"{one:%H:%M}" for one in times}
    assert week.locator("thead th").first.inner_text() == ZONE
    observed = week.locator("tbody tr").evaluate_all(
        "rows => rows.flatMap((row) => [...row.children].flatMap((cell, at) =>"
        " cell.matches('td:not(.blank)') ? [`${row.children[0].textContent} ${at - 1}`] : []))"
    )
    assert f"{first:%a} {first.hour}" in observed
    assert {*observed} <= {f"{one:%a} {one.hour}" for one in times}


def test_choices_group_filter_and_stay_in_the_address(open_tab, watched):
    """By keyboard, too; a reload brings the same."""
    page = open_tab("&since=1h")
    see_median(page)
    page.get_by_role("button", name="Node", exact=True).press("Enter")
    page.wait_for_url("**&since=1h&by=node")
    groups = page.get_by_role("rowheader", name="vision")
    groups.wait_for()
    page.get_by_text("do not live equally long").wait_for()
    page.locator('.churn [data-ref="node"]').select_option("planner")
    page.wait_for_url("**node=planner")
    groups.wait_for(state="detached")
    page.reload()
    page.get_by_role("rowheader", name="planner").wait_for()
    assert page.locator('.churn [data-ref="node"]').input_value() == "planner"
    assert watched.complaints == []


def test_card_shows_its_table_and_gives_its_file(open_tab):
    """The same rows in both."""
    page = open_tab()
    see_median(page)
    page.get_by_role("button", name="Why sessions ended: show as table").click()
    table = page.get_by_role("region", name="Why sessions ended as a table")
    shown = table.get_by_role("row").filter(has_text="deleted").inner_text().split("\t")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Why sessions ended: download as CSV").click()
    assert waiting.value.suggested_filename == "churn-reasons.csv"
    text = waiting.value.path().read_text(encoding="utf-8")
    rows = {row["reason"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["deleted"]["ended"] == shown[1].strip()
    assert_all_open_tables_are_of_the_range_that_is_shown(page)


def assert_all_open_tables_are_of_the_range_that_is_shown(page):
    """However many are opened or saved at once: none keeps numbers of the range before."""
    root, saved = page.locator(".churn"), []
    page.on("download", lambda file: saved.append(file.suggested_filename))
    press = "(root, marks) => root.querySelectorAll(marks).forEach((button) => button.click())"
    others = [card for card in TABLES if card != "reasons"]  # whose table is open already
    root.evaluate(press, ", ".join(f"[data-table={card}]" for card in others))
    for card in TABLES:
        page.locator(f'[data-rows="{card}"] td').first.wait_for()
    with page.expect_event("download", lambda _: len(saved) == len(others)):
        root.evaluate(press, ", ".join(f"[data-file={card}]" for card in others))
    assert sorted(saved) == sorted(f"churn-{card}.csv" for card in others)
    assert {*root.evaluate(SWITCH)} == {*TABLES}
    page.wait_for_function("isAnew()")
    assert page.evaluate("stale") == []


def test_chance_and_lengths_of_time_are_said_in_one_way(watched):
    """No adverb for a probability; one decimal in a column, none on a scale."""
    code = join_modules(["words", "churn_words"])

    def say(*words):
        return watched.page.evaluate(f"() => {{ {code}\n return [{', '.join(words)}]; }}")

    rare, common = say(
        *(f"describeTest({{p_value: {p}, groups: 5}}, 'node')" for p in (0.02, 0.091))
    )
    assert "2\u202f% of cases (log-rank test, p\u00a0=\u00a00.020)" in rare
    assert "9\u202f% of cases (log-rank test, p\u00a0=\u00a00.091)" in common
    assert say("writeLength(540.1)", "writeRange([1, 597.6, 642], 615)", "writeTick(600)") == [
        *("9.0\u202fmin", "10.0 \u2013 10.7", "10\u202fmin")
    ]
    assert say("writeNumber(51409.6)", "writeNumber(5029)", "writeNumber(0.0253178)") == [
        *("51\u2009409.6", "5\u2009029", "0.0253178")
    ]


def test_axe_finds_nothing_serious(open_tab, watched):
    """Light and dark, wide, in a narrow column and on a phone: nothing is wider than these."""
    page = watched.page
    page.emulate_media(reduced_motion="reduce")
    open_tab("&by=node")
    see_median(page)
    page.get_by_role("rowheader", name="vision").wait_for()
    for check in (FITS, BREAKS):
        assert page.locator(".churn").evaluate(check) == []
    page.evaluate(AXE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.locator(f'.churn[data-theme="{scheme}"]').wait_for()
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            found = page.evaluate("axe.run()")["violations"]
            assert [told(one) for one in found if one["impact"] in SERIOUS] == []
            see_it_fit(page, width)


def test_names_of_nodes_run_none(serve, simulator, watched, tmp_path):
    """On curves, in tables and in the filter: they are text."""
    path, now = tmp_path / "strange.db", datetime.now(UTC)
    watch(path, lives_until(now, nodes=PAYLOADS[:12]), now, simulator.url)
    page = watched.page
    page.add_init_script(LISTEN)
    page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
    url = serve(KATO_API_URL=simulator.url, KATO_PANEL_HISTORY_URL=f"sqlite:///{path}").url
    page.goto(f"{url}?tab=churn&by=node")
    see_median(page)
    page.locator('[data-ref="groups"] tbody tr').nth(7).wait_for()
    page.get_by_role("button", name="Sessions that reach an age: show as table").click()
    page.locator('[data-rows="survival"] td').first.wait_for()
    assert page.evaluate(COLLECT) == [None, []]
    assert watched.complaints == []


def test_without_redis_it_says_why_there_are_no_lifetimes(serve, watched):
    """And what is a lower bound; rates are there."""
    with EmbeddedSimulator(rate=5, initial=5) as busy:
        service = serve(KATO_API_URL=busy.url, **SHORT)
        watched.open(service.url).page.locator(".events li time").nth(3).wait_for()
        watched.page.get_by_role("link", name="Churn").click()
        watched.page.get_by_text("which takes REDIS_URL").first.wait_for()
        watched.page.get_by_text("arrivals and departures are lower bounds").wait_for()
        watched.page.locator('[data-plot="rates"] canvas').first.wait_for()


@pytest.mark.parametrize(
    ("view", "hears", "tab", "words"),
    [
        (ChurnView, "_ask", "churn", "which takes REDIS_URL"),
        (SessionTable, "_list", "sessions", "refreshed"),
    ],
)
def test_question_that_is_lost_is_asked_again(watched, monkeypatch, *, view, hears, tab, words):
    """Soon, as the same question: a notebook's kernel may not hear the first one."""
    answer, heard = getattr(view, hears), []

    async def hear(self, change):
        heard.append(json.loads(change.new))
        if len(heard) > 2:
            await answer(self, change)

    monkeypatch.setattr(view, hears, hear)
    with (
        EmbeddedSimulator(rate=0, initial=5) as quiet,
        service_in_thread(quiet.url, **SHORT) as box,
    ):
        watched.page.goto(f"{box['service'].url}?tab={tab}")
        watched.page.get_by_text(words).filter(visible=True).first.wait_for()
    assert len(heard) == 3
    assert heard[1:] == heard[:1] * 2


def test_slow_list_is_read_once_and_shown(watched, monkeypatch):
    """Though the page asks for it again while it waits."""
    read, hear, heard, asked = SessionDirectory.list, SessionTable._list, [], []
    is_enough = asyncio.Event()

    async def count(self, change):
        heard.append(change.new)
        if len(heard) == 3:
            is_enough.set()
        await hear(self, change)

    async def wait(self, query):
        asked.append(query)
        await is_enough.wait()
        return await read(self, query)

    monkeypatch.setattr(SessionTable, "_list", count)
    monkeypatch.setattr(SessionDirectory, "list", wait)
    with (
        EmbeddedSimulator(rate=0, initial=5) as quiet,
        service_in_thread(quiet.url, **SHORT) as box,
    ):
        watched.page.goto(f"{box['service'].url}?tab=sessions")
        watched.page.get_by_text("refreshed").filter(visible=True).first.wait_for()
        assert len(heard) == 3
        assert len(asked) == 1


def test_tile_on_the_live_page_says_median_interval_and_window(open_tab):
    """Soon after the start; its figure is the tab's."""
    page = open_tab()
    shown = see_median(page)
    page.get_by_role("link", name="Live").click()
    tile = page.locator('[data-part="lifetime"]')
    tile.get_by_text("last 2 h").wait_for()
    assert tile.locator('[data-figure="lifetime"]').inner_text() == shown
