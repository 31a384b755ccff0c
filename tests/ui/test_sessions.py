"""The Sessions tab in a real browser, on a real Redis and a KATO that keeps its sessions there."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from kato_panel.simulator import EmbeddedSimulator
from kato_panel.sources import payloads
from tests.following import Caller
from tests.sources.redis_rig import RedisRig, Writer
from tests.ui.conftest import see_it_fit
from tests.ui.test_access import AXE, SERIOUS, told
from tests.ui.test_page import HOSTILE, SHORT, pill

LONG = "x" * 10_000
STRANGE = ["\u202eevil", HOSTILE, "👩\u200d🚀 agent", "nul\x00here", LONG]


@pytest.fixture
def rig(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    rig = RedisRig(folder)
    yield rig
    rig.kill()


@pytest.fixture
def kato(rig):
    """A KATO without sessions whose keys are in that Redis."""
    with EmbeddedSimulator(rate=0, initial=0, redis_url=rig.url) as simulator:
        yield simulator


@pytest.fixture
def open_tab(serve, kato, rig, watched):
    """Open the tab on a service that sees the keys."""

    def open_tab(address="", **settings):
        service = serve(KATO_API_URL=kato.url, REDIS_URL=rig.url, **SHORT, **settings)
        watched.page.goto(f"{service.url}?tab=sessions{address}")
        watched.page.get_by_role("heading", name="Sessions", exact=True).wait_for()
        return watched.page

    return open_tab


class DeafSocket:
    """A page's socket whose words to the server can be lost; it is told what the server says."""

    def __init__(self, page):
        self.is_deaf = False
        page.route_web_socket(re.compile(r"/app/ws"), self._meet)

    def _meet(self, route):
        server = route.connect_to_server()
        route.on_message(lambda message: self.is_deaf or server.send(message))


def rows(page):
    return page.locator("tbody tr")


def nodes(page):
    return page.locator("tbody td.node").all_inner_texts()


def see_total(page, text):
    page.locator('[data-ref="total"]', has_text=text).wait_for()


def test_list_shows_each_session_with_what_its_value_says(open_tab, kato):
    """Node, id, ages and the time that is left; reading them moves no life."""
    caller = Caller(kato.url)
    caller.create("planner-7")
    page = open_tab()
    see_total(page, "1 session")
    row = rows(page).first
    row.locator(".node", has_text="planner-7").wait_for()
    assert row.locator(".count").inner_text() != "—"
    assert re.fullmatch(r"59 min|1 h", row.locator(".left span").last.inner_text())
    assert page.locator(".pick").first.is_hidden()


def test_list_says_so_when_there_is_nothing(open_tab):
    """An empty list is no broken one."""
    page = open_tab()
    page.get_by_text("No session is open.").wait_for()


def test_search_sort_and_pages_are_the_server_s(open_tab, rig, watched):
    """And the address remembers what was asked."""
    writer = Writer(rig)
    for number in range(60):
        writer.create(f"node-{number:02}", ttl_seconds=600 + number)
    page = open_tab()
    see_total(page, "60 sessions")
    assert rows(page).count() == 50
    page.get_by_role("button", name="Next").click()
    page.get_by_text("51\u201360 of 60").wait_for()
    assert rows(page).count() == 10
    page.get_by_role("button", name="Node").click()
    page.get_by_text("1\u201350 of 60").wait_for()
    page.locator("tbody tr:first-child", has_text="node-59").wait_for()
    page.get_by_role("button", name="Node").click()
    page.locator("tbody tr:first-child", has_text="node-00").wait_for()
    assert page.locator("th.node").get_attribute("aria-sort") == "ascending"
    page.get_by_role("searchbox").fill("NODE-1")
    see_total(page, "10 sessions found")
    assert nodes(page) == [f"node-1{digit}" for digit in range(10)]
    assert {"q=NODE-1", "sort=node", "order=asc"} <= set(page.url.split("?")[1].split("&"))
    page.reload()
    see_total(page, "10 sessions found")
    page.get_by_role("searchbox").fill("no such node")
    page.get_by_text("No session matches.").wait_for()
    page.get_by_role("searchbox").fill("")
    page.locator('[data-ref="limit"]').select_option("100")
    page.get_by_text("1\u201360 of 60").wait_for()
    page.locator('[data-ref="node"]').select_option(index=2)
    see_total(page, "1 session found")
    assert watched.complaints == []


def test_refresh_keeps_scroll_and_selection(open_tab, rig):
    """Rows that stay are the same rows."""
    writer = Writer(rig)
    ids = [writer.create(f"node-{number:02}") for number in range(40)]
    page = open_tab(KATO_PANEL_ALLOW_ACTIONS="true")
    see_total(page, "40 sessions")
    page.evaluate("window.scrollTo(0, 700)")
    rows(page).nth(20).get_by_role("checkbox").check()
    chosen = rows(page).nth(20).locator("[data-open]").get_attribute("title")
    writer.delete(next(one for one in ids if one != chosen))
    # Not by the mouse, which would scroll to the button first.
    page.get_by_role("button", name="Refresh").evaluate("button => button.click()")
    see_total(page, "39 sessions")
    picked = page.locator('tr[aria-selected="true"] [data-open]')
    assert picked.get_attribute("title") == chosen
    assert page.evaluate("scrollY") == 700


def test_detail_tells_a_session_s_life_and_memory(open_tab, rig, watched):
    """By its keys alone; the address names it, and back leads back."""
    writer = Writer(rig)
    value = {
        "node_id": "planner-7",
        "ttl_seconds": 3600,
        "access_count": 7,
        "created_at": "2026-11-22T21:00:21.106758+00:00",
        "stm": [["a", "b"], ["c"]],
        "metadata": {"team": HOSTILE, "deep": {"er": [1, None]}},
    }
    session_id = writer.create(value=json.dumps(value))
    page = open_tab()
    before = writer.redis.pttl(f"kato:session:{session_id}")
    rows(page).first.locator("[data-open]").click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_text("2 events").wait_for()
    drawer.get_by_text("ends, if nobody accesses it").wait_for()
    drawer.get_by_text(HOSTILE).wait_for()
    assert f"session={session_id}" in page.url
    page.keyboard.press("Escape")
    drawer.wait_for(state="hidden")
    page.wait_for_function("!location.search.includes('session=')")
    page.goto(page.url + f"&session={session_id}")
    drawer.get_by_role("definition").filter(has_text="planner-7").wait_for()
    assert 0 < writer.redis.pttl(f"kato:session:{session_id}") < before
    assert page.evaluate("window.__x") is None
    assert watched.complaints == []


def test_drawer_is_read_again_while_it_is_shown(open_tab, rig, watched):
    """What is the same stays as it is; what is gone says so, and cannot be deleted any more."""
    writer = Writer(rig)
    value = {"node_id": "planner-7", "ttl_seconds": 60, "access_count": 7, "stm": [["a"], ["b"]]}
    session_id = writer.create(value=json.dumps(value | {"metadata": {"deep": {"er": [1]}}}))
    key = payloads.session_key(session_id)
    watched.page.clock.install()
    page = open_tab(f"&session={session_id}", KATO_PANEL_ALLOW_ACTIONS="true")
    drawer = page.get_by_role("dialog")
    drawer.get_by_text("its value says so").wait_for()
    drawer.get_by_text("deep").click()
    drawer.locator(".tree li", has_text="er").last.wait_for()
    branch = drawer.get_by_role("group").filter(has_text="deep")
    assert branch.get_attribute("open") is None
    branch.locator("summary").first.focus()
    stm = drawer.locator('[data-ref="stm"] > *').element_handle()
    value |= {"access_count": 8, "metadata": {"deep": {"er": [1, 2]}}}
    writer.redis.set(key, json.dumps(value), px=60_000)
    page.clock.fast_forward(11_000)
    drawer.get_by_role("definition").get_by_text("8", exact=True).wait_for()
    assert branch.get_attribute("open") is None
    is_focused = "element => element.getRootNode().activeElement === element"
    assert branch.locator("summary").first.evaluate(is_focused)
    writer.redis.delete(key)
    page.clock.fast_forward(11_000)
    drawer.get_by_text("This session is gone. Its value is shown as it was at").wait_for()
    drawer.get_by_text("told by a key event").wait_for()
    assert drawer.get_by_role("button", name="Delete…").is_hidden()
    assert drawer.get_by_role("definition").filter(has_text="ended").count() == 1
    assert stm.evaluate("element => element.isConnected")
    assert watched.complaints == []


def test_end_that_an_access_has_moved_is_looked_up_when_the_time_is_up(open_tab, rig, watched):
    """A countdown that comes to nothing is no end."""
    writer = Writer(rig)
    session_id = writer.create("planner-7")
    key = payloads.session_key(session_id)
    watched.page.clock.install()
    page = open_tab()
    see_total(page, "1 session")
    writer.redis.pexpire(key, 9_000)
    rows(page).first.locator("[data-open]").click()
    left = page.locator("dialog.drawer dd").nth(3)
    left.get_by_text(re.compile(r"^\d s of")).wait_for()
    writer.redis.pexpire(key, 3_600_000)
    page.clock.fast_forward(9_000)
    left.get_by_text(re.compile(r"^(59 min|1 h)")).wait_for()


def test_page_whose_words_are_lost_does_not_wait_for_ever(open_tab, kato, rig, watched):
    """Who closed the question is told all the same; a reading is asked for again."""
    Caller(kato.url).create("planner-7")
    watched.page.clock.install()
    socket = DeafSocket(watched.page)
    page = open_tab(KATO_PANEL_ALLOW_ACTIONS="true")
    see_total(page, "1 session")
    rows(page).first.get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete 1 session").click()
    question = page.locator("dialog.question")
    socket.is_deaf = True
    question.get_by_role("button", name="Delete", exact=True).click()
    question.get_by_role("button", name="Close").click()
    question.wait_for(state="hidden")
    page.clock.fast_forward(21_000)
    question.get_by_text("It may have been deleted all the same").wait_for()
    question.get_by_role("button", name="Close").click()
    rows(page).first.locator("[data-open]").click()
    drawer = page.locator("dialog.drawer")
    drawer.get_by_text("Reading…").wait_for()
    page.clock.fast_forward(21_000)
    drawer.get_by_role("alert").get_by_text("does not answer").wait_for()
    assert drawer.get_by_text("Reading…").is_hidden()
    socket.is_deaf = False
    page.clock.fast_forward(21_000)
    drawer.get_by_role("definition").filter(has_text="planner-7").wait_for()
    assert drawer.get_by_role("alert").is_hidden()
    assert Writer(rig).live() == 1


def test_session_that_nobody_knows_is_told_so(open_tab):
    """An address may be old."""
    page = open_tab(f"&session=session-{'0' * 32}-1764000000000")
    page.get_by_role("dialog").get_by_role("alert").wait_for()


@pytest.mark.parametrize("width", [1280, 360])
def test_strange_nodes_are_text(open_tab, rig, watched, width):
    """Shown, bounded, and never run; on a phone too."""
    writer = Writer(rig)
    for node in STRANGE:
        writer.create(node)
    watched.page.set_viewport_size({"width": width, "height": 740})
    page = open_tab()
    see_total(page, "5 sessions")
    assert any("<img src=x" in text for text in nodes(page))
    assert all("\u202e" not in text and len(text) <= 256 for text in nodes(page))
    assert page.evaluate("window.__x") is None
    see_it_fit(page, width)
    assert watched.complaints == []


def test_one_session_is_deleted_after_it_was_named(open_tab, kato, rig):
    """The question names node and age; KATO ends it, and the list loses it."""
    caller = Caller(kato.url)
    for node in ("planner-7", "vision-a"):
        caller.create(node)
    page = open_tab(KATO_PANEL_ALLOW_ACTIONS="true")
    rows(page).filter(has_text="planner-7").locator("[data-open]").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete…").click()
    question = page.locator("dialog.question")
    question.get_by_text("planner-7").wait_for()
    question.get_by_text(re.compile(r"\d+ s old")).wait_for()
    question.get_by_role("button", name="Keep").click()
    assert Writer(rig).live() == 2
    page.get_by_role("dialog").get_by_role("button", name="Delete…").click()
    question.get_by_role("button", name="Delete", exact=True).click()
    question.wait_for(state="hidden")
    page.keyboard.press("Escape")
    see_total(page, "1 session")
    assert nodes(page) == ["vision-a"]
    assert Writer(rig).live() == 1


def test_several_are_deleted_only_when_their_number_is_typed(open_tab, kato, rig):
    """Each has its own result, and one that was gone already says so."""
    caller = Caller(kato.url)
    ids = [caller.create(f"node-{number}") for number in range(3)]
    page = open_tab(KATO_PANEL_ALLOW_ACTIONS="true")
    see_total(page, "3 sessions")
    page.get_by_label("Select all on this page").check()
    caller.delete(ids[0])
    page.get_by_role("button", name="Delete 3 sessions").click()
    question = page.locator("dialog.question")
    confirm = question.get_by_role("button", name="Delete 3")
    assert confirm.is_disabled()
    question.get_by_role("textbox").fill("2")
    assert confirm.is_disabled()
    question.get_by_role("textbox").fill("3")
    confirm.click()
    question.get_by_role("heading", name="3 of 3 sessions gone").wait_for()
    assert question.get_by_text("was gone already").count() == 1
    assert Writer(rig).live() == 0


def test_question_names_every_session_by_the_server_s_clock(open_tab, rig, watched):
    """With node and age; and it says so where no record will be kept."""
    writer = Writer(rig)
    for number in range(12):
        writer.create(f"node-{number:02}")
    watched.page.clock.install(time=datetime.now(UTC) + timedelta(days=1))
    page = open_tab(KATO_PANEL_ALLOW_ACTIONS="true", KATO_PANEL_HISTORY_URL="off")
    see_total(page, "12 sessions")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Delete 12 sessions").click()
    items = page.locator("dialog.question li").all_inner_texts()
    assert len({item.split()[0] for item in items}) == 12
    assert all(re.search(r"\d+ (s|min) old", item) for item in items)
    page.get_by_text("No record of this will be kept: the history is off.").wait_for()


def test_failed_deletion_says_why(open_tab, kato, rig):
    """And the session stays in the list."""
    caller = Caller(kato.url)
    caller.create("planner-7")
    page = open_tab(KATO_PANEL_ALLOW_ACTIONS="true")
    see_total(page, "1 session")
    caller.order("faults", path="/sessions/*", method="DELETE", status=500, times=5)
    rows(page).first.get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete 1 session").click()
    question = page.locator("dialog.question")
    question.get_by_role("button", name="Delete", exact=True).click()
    question.get_by_text("failed:").wait_for()
    assert Writer(rig).live() == 1


def test_failure_is_told_to_who_closed_the_question(open_tab, kato, rig):
    """Once it is known."""
    caller = Caller(kato.url)
    caller.create("planner-7")
    page = open_tab(KATO_PANEL_ALLOW_ACTIONS="true")
    see_total(page, "1 session")
    caller.order("faults", path="/sessions/*", method="DELETE", status=500, delay_seconds=4)
    rows(page).first.get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete 1 session").click()
    question = page.locator("dialog.question")
    question.get_by_role("button", name="Delete", exact=True).click()
    question.get_by_role("button", name="Close").click()
    question.get_by_text("failed:").wait_for()
    assert Writer(rig).live() == 1


def test_copy_says_how_it_went(open_tab, rig, watched):
    """Over plain http a page has no clipboard: then by a selection, else by hand."""
    session_id = Writer(rig).create("planner-7")
    watched.page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined })"
    )
    page = open_tab()
    copy = page.get_by_role("button", name="Copy the id")
    copy.click()
    page.get_by_role("status").get_by_text("copied", exact=True).wait_for()
    page.get_by_role("searchbox").focus()
    page.keyboard.press("Control+V")
    assert page.get_by_role("searchbox").input_value() == session_id
    page.evaluate("document.execCommand = () => false")
    copy.click()
    page.get_by_role("status").get_by_text("select it and copy it by hand").wait_for()
    page.get_by_text(session_id, exact=True).wait_for()


def test_node_without_a_visible_letter_is_not_one_that_nobody_knows(open_tab, rig):
    """The dash is for that alone."""
    writer = Writer(rig)
    writer.create("\u3164\u200b")
    writer.create(value="{}")
    page = open_tab()
    see_total(page, "2 sessions")
    assert sorted(nodes(page)) == ["(no visible name)", "—"]


def test_forged_message_deletes_nothing(open_tab, kato, rig):
    """Where actions are off, the page has no button, and its callback refuses."""
    session_id = Caller(kato.url).create("planner-7")
    page = open_tab()
    see_total(page, "1 session")
    assert page.locator(".danger:visible").count() == 0
    outcome = page.evaluate(
        """async (id) => {
          const models = [...Bokeh.documents[0]._all_models.values()];
          const isBoard = ({ attributes }) => "order" in attributes && "wanted" in attributes;
          const board = models.find(isBoard);
          board.order = JSON.stringify({ id: 1, session_ids: [id] });
          const wait = () => new Promise((resolve) => setTimeout(resolve, 50));
          for (let turn = 0; turn < 100 && !board.outcome; turn += 1) await wait();
          return board.outcome;
        }""",
        session_id,
    )
    assert "KATO_PANEL_ALLOW_ACTIONS" in json.loads(outcome)["error"]
    assert Writer(rig).live() == 1


def test_redis_that_is_away_leaves_what_was_read(open_tab, rig):
    """Greyed, with the reason; and the list comes back by itself."""
    Writer(rig).create("planner-7")
    page = open_tab()
    see_total(page, "1 session")
    rig.kill()
    page.get_by_role("button", name="Refresh").click()
    page.get_by_role("alert").get_by_text("What is shown is from").wait_for()
    assert nodes(page) == ["planner-7"]
    rig.start()
    page.get_by_role("alert").wait_for(state="hidden")


def test_without_redis_the_list_is_what_the_stream_has_named(serve, simulator, caller, watched):
    """It says that it is incomplete, and warns before it reads one."""
    service = serve(KATO_API_URL=simulator.url, **SHORT)
    page = watched.page
    page.goto(f"{service.url}?tab=sessions")
    page.get_by_text("No session is open.").wait_for()
    pill(watched, "Live")  # who comes before is never named
    caller.create("planner-7")
    page.get_by_role("button", name="Refresh").click()
    see_total(page, "1 session")
    page.get_by_text("incomplete").wait_for()
    rows(page).first.locator("[data-open]").click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_text("whole time to live again").wait_for()
    before = caller.asked()
    drawer.get_by_role("button", name="Read it once").click()
    drawer.get_by_role("definition").filter(has_text="planner-7").wait_for()
    drawer.get_by_text(re.compile(r"as of \d\d:\d\d:\d\d")).wait_for()
    assert before != caller.asked()


def test_axe_finds_nothing_serious_in_list_and_drawer(open_tab, rig, watched):
    """In the dark too."""
    Writer(rig).create("planner-7")
    watched.page.emulate_media(reduced_motion="reduce")
    page = open_tab()
    see_total(page, "1 session")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        rows(page).first.locator("[data-open]").click()
        page.get_by_role("dialog").get_by_text("Timeline").wait_for()
        page.evaluate(AXE)
        found = page.evaluate("axe.run()")["violations"]
        page.keyboard.press("Escape")
        found += page.evaluate("axe.run()")["violations"]
        assert [told(one) for one in found if one["impact"] in SERIOUS] == []


def test_back_leads_from_tab_to_tab(open_tab, watched):
    """The address names the tab."""
    page = open_tab()
    page.get_by_role("link", name="Live").click()
    watched.count("0")
    assert "tab=" not in page.url
    page.go_back()
    page.get_by_role("heading", name="Sessions", exact=True).wait_for()
    assert "tab=sessions" in page.url
