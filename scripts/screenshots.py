"""
Make the pictures: of the README from the demo at its fixed seed, and the gallery of all states.

Starts simulator and service as a user would, brings them into each state over real sockets, and
takes a picture of the page in Chromium. ``--only NAME`` makes one.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from kato_panel import ChurnView, Report, demo_history
from kato_panel.demo_week import UNTIL, make_week
from kato_panel.history import History
from kato_panel.simulator import EmbeddedSimulator

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests' Redis and foreign page
from tests.foreign_site import ForeignSite  # noqa: E402 - see above
from tests.ports import free_port  # noqa: E402 - see above
from tests.redis_server import RedisServer  # noqa: E402 - see above
from tests.week import lives_until, watch  # noqa: E402 - see above

DOCS = ROOT / "docs"
LIGHT: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"}
DARK: dict[str, Any] = {**LIGHT, "color_scheme": "dark"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "light",
    "device_scale_factor": 2,
}
SMALL: dict[str, Any] = {"viewport": {"width": 1120, "height": 760}, "color_scheme": "light"}
REPORT: dict[str, Any] = {"viewport": {"width": 1120, "height": 1500}, "color_scheme": "light"}
SHEET: dict[str, Any] = {"width": 696, "height": 1000}
PAPER: dict[str, Any] = {"width": 960, "height": 860}
WATCHED_SECONDS = 150
"""Long enough for rates, a full feed and a chart with a shape."""
HOW: dict[str, Any] = {"?tab=sessions&theme=dark": {"color_scheme": "dark"}}
TOKEN = "only-for-a-picture"  # nothing real is behind it
FAST = {"KATO_PANEL_POLL_INTERVAL_SECONDS": "0.5", "KATO_PANEL_FALLBACK_INTERVAL_SECONDS": "1"}


@contextlib.contextmanager
def serving(*command: str, **settings: str) -> Iterator[str]:
    """Run a service in an empty folder, our own if no other is named; give its page's address."""
    command = command or ("kato_panel", "serve", "--port", "0")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        service = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": folder, **settings},
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
        )
        while not (found := re.search(r"(http://[\w.:]+/app)\b", log.read_text())):
            assert service.poll() is None, log.read_text()
            time.sleep(0.1)
        yield found[1]
        service.send_signal(signal.SIGTERM)
        service.wait(10)


def serving_page_alone(**settings: str) -> contextlib.AbstractContextManager[str]:
    """Run plain ``panel serve``."""
    app, port = str(DOCS.parent / "app.py"), str(free_port())
    return serving("panel", "serve", app, "--port", port, **settings)


class Camera:
    """One open page, and the picture that is taken of it."""

    def __init__(self, browser: Browser, url: str, **how: Any) -> None:
        self._context = browser.new_context(**(how or SMALL))
        self._sockets: list[Any] = []
        self._is_cut = False
        self._context.route_web_socket(re.compile(r"/app/ws(\?|$)"), self._meet)
        self.page: Page = self._context.new_page()
        self.page.goto(url)

    def _meet(self, route: Any) -> None:
        if self._is_cut:
            route.close()
            return
        route.connect_to_server()
        self._sockets.append(route)

    def cut(self) -> None:
        """End the page's socket, and refuse it from now on."""
        self._is_cut = True
        for route in self._sockets:
            route.close()

    def see(self, text: str) -> None:
        """Wait until this is to be seen."""
        self.page.get_by_text(text).filter(visible=True).first.wait_for()

    def settle(self, seconds: float) -> None:
        """Let time pass, as it does for who looks on."""
        self.page.wait_for_timeout(1000 * seconds)

    def shoot(self, path: Path) -> None:
        """Take the picture."""
        self.page.bring_to_front()
        self.settle(0.4)  # until it has slid in
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
        self._context.close()
        print(path)


def shoot_readme(browser: Browser) -> None:
    """Take the README's pictures: light, dark, and on a phone."""
    looks = {"live-light": LIGHT, "live-dark": DARK, "live-phone": PHONE}
    with serving() as url:
        cameras = {name: Camera(browser, url, **how) for name, how in looks.items()}
        cameras["live-light"].settle(WATCHED_SECONDS)
        for name, camera in cameras.items():
            camera.page.bring_to_front()
            camera.page.locator(".toasts .toast").first.wait_for()
            camera.shoot(DOCS / "images" / f"{name}.png")


@contextlib.contextmanager
def watching(
    browser: Browser, *, initial: int = 48, rate: float = 0.0, address: str = "", **settings: str
) -> Iterator[tuple[Camera, EmbeddedSimulator]]:
    """A page on a simulator of its own."""
    with (
        EmbeddedSimulator(seed=1, initial=initial, rate=rate) as simulator,
        serving(KATO_API_URL=simulator.url, **settings) as url,
    ):
        yield Camera(browser, url + address), simulator


@contextlib.contextmanager
def watching_keys(
    browser: Browser, *, flags: str = "Egxen", address: str = "?tab=sessions", **settings: str
) -> Iterator[tuple[Camera, RedisServer]]:
    """A page on a simulator whose sessions are in a Redis."""
    with (
        RedisServer({"notify-keyspace-events": flags}, keeps=True) as redis,
        EmbeddedSimulator(seed=1, initial=64, rate=0.2, redis_url=redis.url) as simulator,
        serving(KATO_API_URL=simulator.url, REDIS_URL=redis.url, **FAST, **settings) as url,
    ):
        yield Camera(browser, url + address, **{**SMALL, **HOW.get(address, {})}), redis


RULES = """
[[rules]]
name = "many_sessions"
metric = "sessions_active"
op = ">"
threshold = 54
message = "{value:.0f} sessions are open"

[[rules]]
name = "too_many_sessions"
metric = "sessions_active"
op = ">"
threshold = 62
severity = "error"
message = "{value:.0f} sessions are open: more than this KATO was made for"

[[rules]]
name = "busy"
metric = "sessions_created_per_minute"
op = ">"
threshold = 20
severity = "info"
message = "{value:.0f} sessions a minute are created"
"""


@contextlib.contextmanager
def alerted(
    browser: Browser, *, address: str = "", rules: str = RULES, **how: Any
) -> Iterator[tuple[Camera, Path]]:
    """A page on which some alerts fire, and some are over; and the file of its rules."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.toml"
        file.write_text(rules, encoding="utf-8")
        settings = {
            "KATO_PANEL_RULES_FILE": str(file),
            "KATO_PANEL_ALLOW_ACTIONS": "true",
            "WEBSOCKET_CONTAINER_STATS": "false",
            "ALERT_COOLDOWN_SECONDS": "0",
        }
        with (
            EmbeddedSimulator(seed=1, initial=48, rate=0.4) as simulator,
            serving(KATO_API_URL=simulator.url, **settings, **FAST) as url,
        ):
            camera = Camera(browser, url + address, **{**SMALL, **how})
            camera.settle(8)
            nodes = [f"planner-{number}" for number in range(20)]
            first = create(simulator, *nodes)
            camera.settle(5)
            end(simulator, *first[2:])
            camera.settle(10)
            create(simulator, *nodes[:17])
            camera.page.locator(".alarms .toast[data-severity=error]").wait_for()
            yield camera, file


def create(simulator: EmbeddedSimulator, *nodes: str) -> list[str]:
    """Begin sessions; give their ids."""
    return [
        httpx.post(f"{simulator.url}/sessions", json={"node_id": node}, trust_env=False).json()[
            "session_id"
        ]
        for node in nodes
    ]


def end(simulator: EmbeddedSimulator, *sessions: str) -> None:
    """End sessions."""
    for session in sessions:
        httpx.delete(f"{simulator.url}/sessions/{session}", trust_env=False)


def order(simulator: EmbeddedSimulator, what: str, **body: Any) -> None:
    """Order misbehaviour."""
    httpx.post(f"{simulator.url}/_simulator/{what}", json=body, trust_env=False)


def connecting(browser: Browser, path: Path) -> None:
    """Before the first observation: somebody listens at KATO's address, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serving(KATO_API_URL=address) as url:
            camera = Camera(browser, url)
            camera.see("Waiting for the first observation")
            camera.shoot(path)


def never_reached(browser: Browser, path: Path) -> None:
    """KATO never answered: a dash, and the reason."""
    with serving(KATO_API_URL="http://127.0.0.1:1", **FAST) as url:
        camera = Camera(browser, url)
        camera.see("KATO has not answered yet")
        camera.shoot(path)


def empty(browser: Browser, path: Path) -> None:
    """No session at all: a zero that is known."""
    with watching(browser, initial=0) as (camera, _):
        camera.page.locator('[data-figure="active"]:text-is("0")').wait_for()
        camera.settle(4)
        camera.shoot(path)


def polling(browser: Browser, path: Path) -> None:
    """Without the event stream: events come by poll, and have no names."""
    with watching(browser, KATO_PANEL_STREAM="off", **FAST) as (camera, simulator):
        camera.see("Polling")
        end(simulator, *create(simulator, "planner-7", "vision-a", "nlp-batch")[:1])
        camera.see("names not seen")
        camera.settle(5)
        camera.shoot(path)


def stale(browser: Browser, path: Path) -> None:
    """KATO has not answered for three intervals: the last count stays, greyed."""
    with watching(browser, rate=2, **FAST) as (camera, simulator):
        camera.settle(12)
        order(simulator, "faults", path="/health", delay_seconds=30, times=50)
        camera.page.locator(".pill.warn", has_text="Stale since").wait_for()
        camera.shoot(path)


def unreachable(browser: Browser, path: Path) -> None:
    """KATO is away: since when, and why."""
    with watching(browser, rate=2, **FAST) as (camera, simulator):
        camera.settle(12)
        order(simulator, "restart", away_seconds=60, keep_state=True)
        camera.page.locator(".pill.bad", has_text="KATO unreachable").wait_for()
        camera.shoot(path)


def suspect(browser: Browser, path: Path) -> None:
    """A steep fall waits for the next poll to confirm it."""
    with watching(browser) as (camera, simulator):
        camera.settle(4)
        order(simulator, "restart", away_seconds=0, keep_state=False)
        camera.see("suspect: KATO says")
        camera.shoot(path)


def gap(browser: Browser, path: Path) -> None:
    """What was not observed is a gap in the chart, and the event after it says how long it was."""
    with watching(browser, rate=2, **FAST) as (camera, simulator):
        camera.settle(14)
        order(simulator, "restart", away_seconds=8, keep_state=True)
        camera.page.locator(".pill.bad").wait_for()
        camera.page.locator(".pill.ok").wait_for(timeout=60_000)
        camera.settle(8)
        camera.shoot(path)


def over_http(browser: Browser, path: Path) -> None:
    """The page's own socket is away: the count comes over HTTP."""
    with watching(browser, rate=2, **FAST) as (camera, _):
        camera.settle(8)
        camera.cut()
        camera.see("Over HTTP")
        camera.shoot(path)


def disconnected(browser: Browser, path: Path) -> None:
    """Nobody answers at all any more."""
    with EmbeddedSimulator(seed=1, initial=48, rate=2) as simulator:
        with serving(KATO_API_URL=simulator.url, **FAST) as url:
            camera = Camera(browser, url)
            camera.settle(8)
        camera.see("Disconnected since")
        camera.shoot(path)


def reading(browser: Browser, path: Path) -> None:
    """The feed is paused on the ended ones; what came since waits."""
    with watching(browser, rate=3, address="?events=gone") as (camera, _):
        camera.settle(14)
        camera.page.get_by_role("button", name="Pause").click()
        camera.page.get_by_text(" new ↑").wait_for()
        camera.settle(4)
        camera.shoot(path)


def burst(browser: Browser, path: Path) -> None:
    """Many changes at once: three toasts at most, the last sums up the rest."""
    with watching(browser) as (camera, simulator):
        camera.see("Live")
        nodes = [f"planner-{number}" for number in range(9)]
        end(simulator, *create(simulator, *nodes)[:3])
        camera.see("more changes")
        camera.shoot(path)


def hover(browser: Browser, path: Path) -> None:
    """What the chart says where it is pointed at."""
    with watching(browser, rate=3) as (camera, _):
        camera.settle(40)
        box = camera.page.locator(".plot").bounding_box()
        assert box is not None
        for step in (0.50, 0.55):
            camera.page.mouse.move(box["x"] + step * box["width"], box["y"] + 150)
            camera.settle(0.3)
        camera.shoot(path)


def events_off(browser: Browser, path: Path) -> None:
    """Events are switched off: no feed, no toasts, the count stays."""
    with watching(browser, rate=3, WEBSOCKET_SESSION_EVENTS="false") as (camera, _):
        camera.settle(20)
        camera.shoot(path)


def page_alone(browser: Browser, path: Path) -> None:
    """Plain ``panel serve``: the page says how to get the rest."""
    with (
        EmbeddedSimulator(seed=1, initial=48, rate=2) as simulator,
        serving_page_alone(KATO_API_URL=simulator.url) as url,
    ):
        camera = Camera(browser, url)
        camera.see("adds the HTTP API")
        camera.settle(8)
        camera.shoot(path)


def wrong_settings(browser: Browser, path: Path) -> None:
    """The settings are wrong: which, what was given, what is allowed."""
    wrong = {"KATO_API_URL": "kato:8000", "KATO_PANEL_POLL_INTERVAL_SECONDS": "0.01"}
    with serving_page_alone(**wrong) as url:
        camera = Camera(browser, url)
        camera.see("2 settings are wrong")
        camera.shoot(path)


def locked(browser: Browser, path: Path) -> None:
    """A service with a token: nothing is told before somebody logs in."""
    with serving(KATO_PANEL_AUTH_TOKEN=TOKEN) as url:
        Camera(browser, url).shoot(path)


def locked_phone(browser: Browser, path: Path) -> None:
    """The same in the dark, on a phone, after a wrong try."""
    with serving(KATO_PANEL_AUTH_TOKEN=TOKEN) as url:
        camera = Camera(browser, url, **{**PHONE, "color_scheme": "dark"})
        camera.page.get_by_label("Access token").fill("not this one")
        camera.page.get_by_role("button", name="Log in").click()
        camera.see("not right")
        camera.shoot(path)


def locked_elsewhere(browser: Browser, path: Path) -> None:
    """People log in with a provider, too: it says who they are, and a list who may come in."""
    elsewhere = {
        "KATO_PANEL_OAUTH_PROVIDER": "github",
        "KATO_PANEL_OAUTH_KEY": "key",
        "KATO_PANEL_OAUTH_SECRET": TOKEN,
        "KATO_PANEL_OAUTH_USERS": "anna",
    }
    with serving(KATO_PANEL_AUTH_TOKEN=TOKEN, **elsewhere) as url:
        Camera(browser, url).shoot(path)


def locked_page_alone(browser: Browser, path: Path) -> None:
    """Plain ``panel serve`` with a token: the page says how to start the full service."""
    with serving_page_alone(KATO_PANEL_AUTH_TOKEN=TOKEN) as url:
        camera = Camera(browser, url)
        camera.see("kato-panel serve")
        camera.shoot(path)


def drift(browser: Browser, path: Path) -> None:
    """With KATO's Redis: live keys are counted, and KATO's own number is explained."""
    with watching_keys(browser, address="") as (camera, redis):
        camera.settle(4)
        keys = redis.client().keys("kato:session:session-*")[:9]
        for key in keys:
            redis.client().pexpire(key, 1)
        camera.see("still counted there")
        camera.settle(4)
        camera.shoot(path)


def key_events_off(browser: Browser, path: Path) -> None:
    """Redis tells no changes of keys: it is scanned, and the page says how to turn them on."""
    with watching_keys(browser, flags="", address="") as (camera, _):
        camera.see("to turn them on")
        camera.settle(8)
        camera.shoot(path)


def sessions(browser: Browser, path: Path) -> None:
    """Every open session, a page at a time."""
    with watching_keys(browser) as (camera, _):
        camera.page.locator("tbody tr").first.wait_for()
        camera.settle(2)
        camera.shoot(path)


def sessions_dark(browser: Browser, path: Path) -> None:
    """The same in the dark, searched and sorted."""
    with watching_keys(browser, address="?tab=sessions&theme=dark") as (camera, _):
        camera.page.get_by_role("button", name="Time left").click()
        camera.page.get_by_role("searchbox").fill("planner")
        camera.see("found")
        camera.settle(2)
        camera.shoot(path)


def session_detail(browser: Browser, path: Path) -> None:
    """One session: its facts, its life, and what is in it."""
    with watching_keys(browser, KATO_PANEL_ALLOW_ACTIONS="true") as (camera, _):
        camera.page.locator("tbody tr [data-open]").nth(3).click()
        camera.see("Timeline")
        camera.settle(2)
        camera.shoot(path)


def deletion(browser: Browser, path: Path) -> None:
    """Where deletes are allowed: asked back, with the number to be typed."""
    with watching_keys(browser, KATO_PANEL_ALLOW_ACTIONS="true") as (camera, _):
        for number in range(3):
            camera.page.locator("tbody input[type=checkbox]").nth(number).check()
        camera.page.get_by_role("button", name="Delete 3 sessions").click()
        camera.see("Type 3 to go on")
        camera.shoot(path)


@contextlib.contextmanager
def watching_week(browser: Browser, address: str, **how: Any) -> Iterator[Camera]:
    """A page on a service with a week of lives behind it; nothing pops up before it."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedSimulator(rate=0) as simulator:
        path, now, span = Path(folder) / "week.db", datetime.now(UTC), timedelta(days=7)
        nodes = ("agent", "nlp-batch", "planner", "vision")
        watch(path, lives_until(now, 6_000, nodes, span), now, simulator.url, span)
        place = f"sqlite:///{path}"
        with serving(KATO_API_URL=simulator.url, KATO_PANEL_HISTORY_URL=place) as url:
            camera = Camera(browser, url + address, **how)
            camera.page.locator('.churn [data-figure="median"]').filter(has_not_text="—").wait_for()
            camera.settle(1)
            yield camera


def churn(browser: Browser, path: Path) -> None:
    """A week of churn: the median with its interval, and beside it the biased mean."""
    with watching_week(browser, "?tab=churn&since=7d", **LIGHT) as camera:
        camera.page.set_viewport_size({"width": 1440, "height": 1980})
        camera.shoot(path)


def churn_dark(browser: Browser, path: Path) -> None:
    """Nodes side by side, with the log-rank test in words."""
    with watching_week(browser, "?tab=churn&since=7d&by=node", **DARK) as camera:
        camera.page.set_viewport_size({"width": 1440, "height": 1080})
        camera.shoot(path)


def churn_phone(browser: Browser, path: Path) -> None:
    """The same on a phone."""
    with watching_week(browser, "?tab=churn&by=node", **PHONE) as camera:
        camera.page.locator('[data-part="survival"]').evaluate("card => card.scrollIntoView()")
        camera.page.mouse.wheel(0, -120)
        camera.shoot(path)


def churn_refused(browser: Browser, path: Path) -> None:
    """Too little was seen: it says so in words, and shows what can be said."""
    with watching(browser, initial=20, rate=1.0, address="?tab=churn", **FAST) as (camera, _):
        camera.see("No statement about lifetimes")
        camera.shoot(path)


def redis_away(browser: Browser, path: Path) -> None:
    """Redis does not answer: what was read stays, greyed, with the reason."""
    with watching_keys(browser) as (camera, redis):
        camera.page.locator("tbody tr").first.wait_for()
        redis.kill()
        camera.page.get_by_role("button", name="Refresh").click()
        camera.see("What is shown is from")
        camera.shoot(path)


def sessions_incomplete(browser: Browser, path: Path) -> None:
    """Without Redis: the sessions that the stream has named."""
    with watching(browser, rate=1, address="?tab=sessions") as (camera, _):
        camera.settle(10)
        camera.page.get_by_role("button", name="Refresh").click()
        camera.see("incomplete")
        camera.settle(1)
        camera.shoot(path)


def alerts(browser: Browser, path: Path) -> None:
    """Alerts: two fire, behind the chart and in toasts; the bell counts those that are unread."""
    with alerted(browser) as (camera, _):
        camera.settle(5)
        camera.shoot(path)


def alerts_drawer(browser: Browser, path: Path) -> None:
    """What fires, and what did; one is silenced, and nobody is told of another for a while."""
    with alerted(browser) as (camera, _):
        camera.page.locator(".bell").click()
        drawer = camera.page.get_by_role("dialog")
        row = drawer.locator('.alert[data-stage="firing"]').first
        row.get_by_role("button", name="Acknowledge").click()
        camera.see(" by page")
        drawer.get_by_role("button", name="Silence").nth(1).click()
        camera.shoot(path)


def alerts_drawer_dark(browser: Browser, path: Path) -> None:
    """The same in the dark, filtered, with a silence that lasts."""
    with alerted(browser, color_scheme="dark") as (camera, _):
        camera.page.locator(".bell").click()
        drawer = camera.page.get_by_role("dialog")
        drawer.get_by_role("button", name="Silence").first.click()
        drawer.get_by_role("button", name="1 h").click()
        camera.see("silenced until")
        drawer.get_by_role("searchbox").fill("sessions")
        camera.shoot(path)


def alerts_phone(browser: Browser, path: Path) -> None:
    """On a phone it is as wide as the page."""
    with alerted(browser, **PHONE) as (camera, _):
        camera.page.locator(".bell").click()
        camera.shoot(path)


def rules(browser: Browser, path: Path) -> None:
    """All rules, how it is with each, and every alert beside them."""
    with alerted(browser, address="?tab=alerts", **LIGHT) as (camera, _):
        camera.settle(5)
        camera.shoot(path)


def rules_wrong(browser: Browser, path: Path) -> None:
    """The file of rules was changed for the worse: each mistake with its line; dark."""
    with alerted(browser, address="?tab=alerts", color_scheme="dark") as (camera, file):
        wrong = RULES.replace("threshold = 54", "threshold = 'some'").replace(
            "_active", "_activ", 1
        )
        file.write_text(wrong, encoding="utf-8")
        camera.see("line 4")
        camera.settle(5)
        camera.shoot(path)


def alert_in_chart(browser: Browser, path: Path) -> None:
    """Shown in the chart, on a phone: its time is marked, and the chart names it."""
    with alerted(browser, **PHONE) as (camera, _):
        camera.page.locator(".bell").click()
        drawer = camera.page.get_by_role("dialog")
        drawer.get_by_role("button", name="Mark all read").click()
        over = drawer.locator('.alert[data-stage="resolved"]').first
        over.get_by_role("button", name="Show in chart").click()
        camera.settle(6)
        box = camera.page.locator(".plot").bounding_box()
        assert box is not None
        for step in (0.42, 0.45):
            camera.page.mouse.move(box["x"] + step * box["width"], box["y"] + 90)
            camera.settle(0.3)
        camera.shoot(path)


@contextlib.contextmanager
def watching_containers(
    browser: Browser, *, address: str = "", seconds: float = 100, **how: Any
) -> Iterator[tuple[Camera, EmbeddedSimulator]]:
    """A page on a simulator whose container engine is watched, too, for so long."""
    with (
        EmbeddedSimulator(seed=1, initial=120, rate=0.5, engine_port=0) as simulator,
        serving(
            KATO_API_URL=simulator.url,
            DOCKER_HOST=simulator.engine_host,
            KATO_PANEL_CONTAINER_INTERVAL_SECONDS="1",
        ) as url,
    ):
        time.sleep(seconds)
        camera = Camera(browser, f"{url}?tab=containers{address}", **how)
        camera.page.locator("[data-ref=running]").wait_for()
        yield camera, simulator


def hide_toasts(camera: Camera) -> None:
    """Take away what is not the subject."""
    camera.page.locator(".toasts").evaluate("toasts => (toasts.hidden = true)")


def containers(browser: Browser, path: Path) -> None:
    """The containers that KATO runs in: use, traffic, health, and the last minutes of each."""
    with watching_containers(browser, **{**LIGHT, "viewport": SMALL["viewport"]}) as (camera, _):
        hide_toasts(camera)
        camera.settle(2)
        camera.shoot(path)


def containers_dark(browser: Browser, path: Path) -> None:
    """In the dark: one is gone, one was killed for want of memory, one is unhealthy, one silent."""
    with watching_containers(browser, **{**SMALL, "color_scheme": "dark"}) as (camera, simulator):
        hide_toasts(camera)
        for name, do in (
            ("kato-redis", "oom"),
            ("kato-qdrant", "remove"),
            ("kato-clickhouse", "unhealthy"),
        ):
            order(simulator, "containers", name=name, do=do)
        camera.page.locator("li.box", has_text="gone since").wait_for()
        engine = simulator.engine_host.replace("tcp:", "http:")
        listed = httpx.get(f"{engine}/containers/json", trust_env=False).json()
        refusal = '{"message": "its cgroup is gone"}'
        stats = f"/containers/{listed[0]['Id']}/stats"
        order(simulator, "faults", path=stats, status=500, body=refusal, times=None)
        camera.see("its cgroup is gone")
        camera.settle(2)
        camera.shoot(path)


def containers_phone(browser: Browser, path: Path) -> None:
    """On a phone."""
    with watching_containers(browser, **PHONE) as (camera, _):
        hide_toasts(camera)
        camera.settle(2)
        camera.shoot(path)


def containers_table(browser: Browser, path: Path) -> None:
    """The same as a table, on demand."""
    with watching_containers(browser, address="&view=table", seconds=10, **SMALL) as (camera, _):
        hide_toasts(camera)
        camera.settle(2)
        camera.shoot(path)


def engine_hangs(browser: Browser, path: Path) -> None:
    """The container engine hangs: what was seen stays, greyed, with the reason."""
    with watching_containers(browser, seconds=30, **SMALL) as (camera, simulator):
        hide_toasts(camera)
        order(simulator, "faults", path="/containers/*", delay_seconds=3000, times=None)
        camera.see("What is shown is from")
        camera.see("as of")
        camera.shoot(path)


def no_engine(browser: Browser, path: Path) -> None:
    """No container engine, and nobody said that there is one: no alarm."""
    with watching(browser, address="?tab=containers", DOCKER_HOST="") as (camera, _):
        camera.see("No container engine here.")
        camera.shoot(path)


@contextlib.contextmanager
def reading_week(browser: Browser, name: str, **how: Any) -> Iterator[Camera]:
    """A saved report, or a saved view of churn, of the demo's week; without a network."""
    with tempfile.TemporaryDirectory() as folder:
        with demo_history() as opened:
            Report(opened).save(Path(folder) / "report.html")
            ChurnView(opened, since="7d", by="node").save(Path(folder) / "churn.html")
        yield Camera(browser, (Path(folder) / f"{name}.html").as_uri(), offline=True, **how)


def report(browser: Browser, path: Path) -> None:
    """A report of a week: one file, without a script."""
    with reading_week(browser, "report", **REPORT) as camera:
        camera.shoot(path)


def report_page(browser: Browser, path: Path) -> None:
    """The same as it is printed on A4."""
    with reading_week(browser, "report", **{**REPORT, "viewport": SHEET}) as camera:
        camera.page.emulate_media(media="print")
        camera.shoot(path)


def report_phone(browser: Browser, path: Path) -> None:
    """The same on a phone."""
    with reading_week(browser, "report", **PHONE) as camera:
        camera.shoot(path)


def churn_saved(browser: Browser, path: Path) -> None:
    """The view of churn as a file, in the dark."""
    with reading_week(browser, "churn", **{**REPORT, "color_scheme": "dark"}) as camera:
        camera.shoot(path)


def export_menu(browser: Browser, path: Path) -> None:
    """The menu of files: rows of the history for the range in view."""
    with watching(browser, rate=1.0) as (camera, _):
        camera.settle(8)
        hide_toasts(camera)
        camera.page.get_by_role("button", name="Export", exact=True).click()
        camera.shoot(path)


WIKI = """<meta name="viewport" content="width=device-width"><style>
  :root {{ color-scheme: light dark; --line: light-dark(#d8d3c8, #3d3a35); }}
  body {{ max-width: 880px; margin: 0 auto; padding: 28px 20px; font: 17px/1.6 Georgia, serif;
    background: light-dark(#fbf9f4, #1d1b18); color: light-dark(#33302a, #d9d4ca); }}
  h1 {{ margin: 0 0 4px; font-size: 30px; }} p {{ margin: 0 0 18px; }}
  div {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px; }}
  iframe {{ width: 100%; height: 210px; border: 1px solid var(--line); border-radius: 12px; }}
  .wide {{ grid-column: 1 / -1; height: 350px; }}
</style><h1>Agents in production</h1><p>How many of our agents are at work right now.</p><div>
<iframe src="{base}/widget/count" title="Active sessions"></iframe>
<iframe src="{base}/widget/rates" title="Sessions created and ended"></iframe>
<iframe class="wide" src="{base}/widget/chart?since=5m" title="Sessions over time"></iframe></div>
<p></p><p>Ask the platform team before you start a batch of more than a hundred.</p>"""


@contextlib.contextmanager
def replaying_week(browser: Browser, **how: Any) -> Iterator[Camera]:
    """The page on a replay of the demo's week, which stands still."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "week.db"
        history = History.open(f"sqlite:///{path}", "demo", is_demo=True)
        history.fill(make_week(UNTIL.timestamp()).fill)
        history.flush()
        history.close()
        command = ("replay", str(path), "--port", "0", "--from", "26h", "--speed", "60")
        with serving("kato_panel", *command) as url:
            camera = Camera(browser, url, **how)
            camera.page.get_by_role("button", name="Pause", exact=True).click()
            camera.page.get_by_role("button", name="Play", exact=True).wait_for()
            hide_toasts(camera)
            camera.settle(7)  # the chart draws every few seconds
            yield camera


def replay(browser: Browser, path: Path) -> None:
    """A recorded history, as it went: marked, and with a bar to pause it and to go elsewhere."""
    with replaying_week(browser, **LIGHT) as camera:
        camera.shoot(path)


def replay_dark(browser: Browser, path: Path) -> None:
    """The same in the dark."""
    with replaying_week(browser, **DARK) as camera:
        camera.shoot(path)


def replay_phone(browser: Browser, path: Path) -> None:
    """The same on a phone."""
    with replaying_week(browser, **PHONE) as camera:
        camera.shoot(path)


def widgets(browser: Browser, path: Path, **how: Any) -> None:
    """Three widgets in another team's page."""
    with (
        EmbeddedSimulator(seed=1, initial=120, rate=0.5) as simulator,
        ForeignSite().running() as site,
        serving(KATO_API_URL=simulator.url, KATO_PANEL_WIDGET_ORIGINS=site.origin) as url,
    ):
        time.sleep(WATCHED_SECONDS)
        site.body = WIKI.format(base=url.removesuffix("/app"))
        camera = Camera(browser, site.origin, **(how or {**SMALL, "viewport": PAPER}))
        for frame in camera.page.locator("iframe").all():
            frame.content_frame.locator(".pill.ok").wait_for()
        camera.settle(3)
        camera.shoot(path)


def widgets_phone(browser: Browser, path: Path) -> None:
    """The same on a phone, and in the dark: they follow the reader's system."""
    widgets(browser, path, **{**PHONE, "color_scheme": "dark"})


GALLERY = (
    *(connecting, never_reached, empty, polling, stale, unreachable, suspect, gap),
    *(over_http, disconnected, reading, burst, hover, events_off, page_alone, wrong_settings),
    *(locked, locked_phone, locked_elsewhere, locked_page_alone),
    *(drift, key_events_off, sessions, sessions_dark, session_detail, deletion),
    *(churn, churn_dark, churn_phone, churn_refused, redis_away, sessions_incomplete),
    *(containers, containers_dark, containers_phone, containers_table, engine_hangs, no_engine),
    *(alerts, alerts_drawer, alerts_drawer_dark, alerts_phone, alert_in_chart, rules, rules_wrong),
    *(report, report_page, report_phone, churn_saved, export_menu),
    *(widgets, widgets_phone, replay, replay_dark, replay_phone),
)


def write_index() -> None:
    """List the gallery's pictures, with what each shows."""
    lines = ["# Every state, once", "", "`make screenshots` makes these pictures.", ""]
    for state in GALLERY:
        name = state.__name__.replace("_", " ")
        text = " ".join(str(state.__doc__).split())
        lines += [f"## {name.capitalize()}", "", text, ""]
        lines += [f"![{name}]({state.__name__}.png)", ""]
    (DOCS / "gallery" / "README.md").write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    """Take all pictures, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ["readme", *(state.__name__ for state in GALLERY)]
    parser.add_argument("--only", choices=names)
    only = parser.parse_args().only
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for state in GALLERY:
            if only in {None, state.__name__}:
                state(browser, DOCS / "gallery" / f"{state.__name__}.png")
        if only in {None, "readme"}:
            shoot_readme(browser)
        browser.close()
    write_index()


if __name__ == "__main__":
    main()
