"""Texts that run where they are taken for markup: fed into every place that shows text."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx
import pytest

from kato_panel.config import load
from kato_panel.domain.container_readings import KATO_CONTAINERS
from kato_panel.server.credentials import Credentials
from kato_panel.server.login import write_page
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.views import dashboard
from tests.server.test_service import service_in_thread
from tests.sources.redis_rig import RedisRig, Writer
from tests.ui.hostile import PAYLOADS

LISTEN = """
window.__seen = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__seen.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""
COLLECT = """async () => {
  await new Promise((resolve) => setTimeout(resolve, 250));
  return [window.__x ?? null, window.__seen];
}"""
ALIVE = """async (payloads) => {
  const frames = payloads.map((payload) => {
    const frame = document.createElement("iframe");
    frame.srcdoc = payload;
    document.body.append(frame);
    return frame;
  });
  const count = () => frames.filter((frame) => frame.contentWindow.__x === 1).length;
  for (let turn = 0; turn < 100 && count() < 45; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return count();
}"""
# What the server would send, with every text in it replaced: each place gets each text once.
SWAP = """async ([payloads, names, rounds]) => {
  const models = [...Bokeh.documents[0]._all_models.values()];
  const board = models.find((model) => names.every((name) => model.attributes[name]));
  const first = names.map((name) => board[name]);
  let at = 0;
  const swap = (value, key) => {
    if (key === "epoch") return value;
    if (typeof value === "string") return payloads[at++ % payloads.length];
    if (Array.isArray(value)) return value.map((one) => swap(one));
    if (key === "seq") return value + 1e6 + at;
    if (value === null || typeof value !== "object") return value;
    const swapped = Object.entries(value).map(([name, one]) => [name, swap(one, name)]);
    if (key === "value") swapped.push(...payloads.map((payload) => [payload, payload]));
    return Object.fromEntries(swapped);
  };
  for (let round = 0; round < rounds; round += 1) {
    at = round;
    for (const [index, name] of names.entries()) {
      if (!first[index]) continue;
      try {
        board[name] = JSON.stringify(swap(JSON.parse(first[index])));
      } catch { /* nonsense may be refused; it must not run */ }
      if (round % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  return first.map(Boolean);
}"""
ALL_NAMED = """([feed, texts]) => {
  const told = [...feed.children].map((row) => row.title.replace(/\\s+/g, " ")).join(" ");
  return texts.every((text) => told.includes(text));
}"""
# What was opened just now is in the history a moment later.
ASK_AGAIN = """([nodes, refresh, most]) => {
  if (nodes.options.length >= most) return true;
  refresh.click();
  return false;
}"""
CHOOSE = """([from, to]) => {
  const find = (root) => [
    ...root.querySelectorAll("tbody .pick input"),
    ...[...root.querySelectorAll("*")].flatMap((e) => (e.shadowRoot ? find(e.shadowRoot) : [])),
  ];
  const boxes = find(document);
  boxes.forEach((box, at) => box.checked !== (at >= from && at < to) && box.click());
}"""


RULES = f"""
[[rules]]
name = "always"
metric = "sessions_active"
op = ">="
threshold = 0
message = {json.dumps(PAYLOADS[5])}
"""


class Place:
    """A page in a browser, on a service that watches a Redis full of such texts."""

    def __init__(self, context, url, writer):
        self.page, self.url, self.writer = context.new_page(), url, writer
        self._asked = []
        self.page.on("request", lambda request: self._asked.append(request.url))
        self.page.on("dialog", lambda dialog: self._asked.append("http://dialog/"))

    def see_count(self, count):
        """Wait until the page shows so many sessions."""
        self.page.locator(f'[data-figure="active"]:text-is("{count}")').wait_for()

    def swap(self, *names):
        """Let the server send such texts in place of all texts, in these properties."""
        done = self.page.evaluate(SWAP, [list(PAYLOADS), names, len(PAYLOADS)])
        assert done == [True] * len(names)

    def check(self):
        """Nothing has run, nothing had to be kept from running, nothing was asked elsewhere."""
        assert self.page.evaluate(COLLECT) == [None, []]
        hosts = {one.split("/")[2] for one in self._asked if one.startswith("http")}
        assert hosts <= {self.url.split("/")[2]}

    def missing(self, text):
        """List those of the texts that are not to be read there."""
        told = normal(text)
        return [payload for payload in PAYLOADS if shown(payload) not in told]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    rig = RedisRig(tmp_path_factory.mktemp("redis"))
    yield rig
    rig.kill()


@pytest.fixture(scope="module", params=[True, False], ids=["policy", "no policy"])
def url(rig, request, tmp_path_factory):
    """The page, with and without a content security policy; one alert fires."""
    rules = tmp_path_factory.mktemp("rules") / "rules.toml"
    rules.write_text(RULES, encoding="utf-8")
    options = {"has_policy": request.param, "pages_per_second": 1_000}
    settings = {
        "REDIS_URL": rig.url,
        "KATO_PANEL_ALLOW_ACTIONS": "true",
        "KATO_PANEL_RULES_FILE": str(rules),
        "KATO_PANEL_COMPOSE_PROJECT": "kato",
    }
    rig.client(0).flushall()
    with (
        EmbeddedSimulator(rate=0, initial=0, redis_url=rig.url, engine_port=0) as kato,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("DOCKER_HOST", kato.engine_host)
        for name, text in zip(KATO_CONTAINERS, PAYLOADS[3::20], strict=False):
            order = {"name": name, "do": "rename", "to": text}
            httpx.post(f"{kato.url}/_simulator/containers", json=order, trust_env=False)
        with service_in_thread(kato.url, options=options, **settings) as box:
            yield box["service"].url


@pytest.fixture
def place(chromium, url, rig):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    context.add_init_script(LISTEN)
    writer = Writer(rig)
    yield Place(context, url, writer)
    writer.close()
    context.close()


def fill(place, at_once=0):
    """Open a session of each name, unless they are open; return how many there are."""
    if place.writer.live() < len(PAYLOADS):
        for number, payload in enumerate(PAYLOADS, start=1):
            place.writer.create(payload)
            if at_once and number % at_once == 0:
                place.see_count(number)
    return place.writer.live()


def shown(text, most=80):
    """What the page's own cleaning leaves of a text, its blanks as a browser lays them out."""
    kept = re.sub("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "", text)
    return " ".join((kept if len(kept) <= most else kept[: most - 1] + "…").split())


def normal(text):
    return " ".join(text.split())


def test_texts_do_run_where_they_are_taken_for_markup(chromium):
    """Most of them, at once; the others need a click, or another place."""
    page = chromium.new_page()
    page.goto("about:blank")
    assert page.evaluate(ALIVE, list(PAYLOADS)) >= 45
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 60
    page.close()


def test_feed_and_toasts_run_none(place):
    """Nor any other part of the live page, whatever the server might say in it."""
    place.page.goto(place.url)
    place.see_count(0)
    place.see_count(fill(place, at_once=10))  # one row of the feed names 20 at most
    feed = place.page.locator('[data-ref="feed"]').element_handle()
    place.page.wait_for_function(ALL_NAMED, arg=[feed, [shown(text) for text in PAYLOADS]])
    place.swap("payload")
    place.check()


def test_drawer_runs_none(place):
    """As names and as values of metadata, memory and all the rest."""
    everything = {
        "node_id": PAYLOADS[5],
        "ttl_seconds": 3_600,
        "stm": [list(PAYLOADS)],
        "metadata": {text: text for text in PAYLOADS},
        "session_config": {text: [text] for text in PAYLOADS},
    }
    session_id = place.writer.create(value=json.dumps(everything))
    place.page.goto(f"{place.url}?tab=sessions&session={session_id}")
    drawer = place.page.get_by_role("dialog")
    drawer.locator('[data-ref="metadata"] li').first.wait_for()
    assert place.missing(drawer.locator('[data-ref="metadata"]').inner_text()) == []
    drawer.locator('[data-ref="rest"] summary').first.click()
    place.swap("found", "answer")
    place.check()
    place.writer.delete(session_id)


def test_list_and_its_question_run_none(place):
    """Nor the filter by node, nor what is told of a deletion."""
    count = fill(place)
    page = place.page
    page.goto(f"{place.url}?tab=sessions")
    page.locator('[data-ref="limit"]').select_option("100")
    page.locator("tbody tr").nth(count - 1).wait_for()
    assert place.missing(page.locator("tbody").inner_text()) == []
    nodes = page.locator('[data-ref="node"] option').all_text_contents()
    assert len(PAYLOADS) - len(place.missing(" ".join(nodes))) >= 50  # the most it offers
    question = page.locator("dialog.question")
    for first in range(0, count, 8):
        page.evaluate(CHOOSE, [first, first + 8])
        page.get_by_role("button", name=re.compile("^Delete .*…$")).click()
        assert question.locator("li").count() == min(8, count - first)
        question.get_by_role("button", name="Keep").click()
    page.evaluate(CHOOSE, [0, 1])
    page.get_by_role("button", name="Delete 1 session").click()
    question.get_by_role("button", name="Delete", exact=True).click()
    question.wait_for(state="hidden")
    place.swap("outcome", "answer")
    place.check()


def test_alerts_run_none(place):
    """Neither in drawer and toasts nor among the rules, whatever the server might say."""
    page = place.page
    page.goto(place.url)
    page.locator(".bell").click()
    drawer = page.get_by_role("dialog")
    drawer.locator(".alert").first.wait_for()
    drawer.locator(".message", has_text=PAYLOADS[5]).wait_for()
    place.swap("alerts")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Alerts").click()
    page.locator(".rules tbody tr").first.wait_for()
    place.swap("rules", "alerts")
    place.check()


@pytest.mark.parametrize("form", ["cards", "table"])
def test_containers_run_none(place, form):
    """Their names, as an engine tells them; and all else that the server might say of them."""
    place.page.goto(f"{place.url}?tab=containers&view={form}")
    names = [shown(text) for text in PAYLOADS[3::20]]
    for name in names:
        place.page.locator("bdi:visible").get_by_text(name, exact=True).wait_for()
    assert len(names) == 4
    place.swap("payload", "form")
    place.check()


def test_churn_runs_none(place):
    """As names of groups, on curves, in tables, notes and refusals, and in the filter."""
    fill(place)
    page = place.page
    page.goto(f"{place.url}?tab=churn&by=node")
    page.locator(".churn .why", has_text="must be at least 10").first.wait_for()
    nodes = page.locator('.churn [data-ref="node"]')
    refresh = page.locator('.churn [data-ref="refresh"]').element_handle()
    asked = [nodes.element_handle(), refresh, 45]
    page.wait_for_function(ASK_AGAIN, arg=asked, polling=1_000)
    told = nodes.locator("option").all_text_contents()
    assert len(PAYLOADS) - len(place.missing(" ".join(told))) >= 40
    page.get_by_role("button", name="The week by hour: show as table").click()
    page.locator('[data-rows="hours"] td').first.wait_for()
    place.swap("answer", "tables")
    place.check()


def test_addresses_run_none(place, size):
    """Each argument of the page with such a text."""
    arguments = ("q", "node", "session", "sort", "order", "since", "by", "tz", "theme", "events")
    turns = size.n(3, len(PAYLOADS))
    for turn in range(turns):
        texts = {
            name: PAYLOADS[(turn * len(arguments) + at) % len(PAYLOADS)]
            for at, name in enumerate(arguments)
        }
        place.page.goto(f"{place.url}?{urlencode({'tab': 'sessions', **texts})}")
        place.page.locator('[data-ref="total"]', has_text="found").wait_for()
        assert place.page.get_by_role("searchbox").input_value()
        place.check()
    size.record(
        "texts that run, in each argument of the address",
        seed="none",
        n=turns * len(arguments),
        result="0 ran, 0 had to be blocked",
    )


class Reader(HTMLParser):
    """Notes each tag and attribute of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, sorted(name for name, _ in attrs)))


def test_login_and_refusals_stay_what_they_are():
    """Whatever the address or a wrong setting says."""
    credentials = Credentials(load({"KATO_PANEL_AUTH_TOKEN": "x" * 16}), b"secret")
    plain = Reader(write_page(credentials, "app", "trouble")).tags
    card = Reader(dashboard._refusal("title", ["reason"], "end").object).tags
    for text in PAYLOADS:
        assert Reader(write_page(credentials, text, text)).tags == plain
        assert Reader(dashboard._refusal(text, [text], text).object).tags == card
