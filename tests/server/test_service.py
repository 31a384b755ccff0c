"""The full service, from the command line and inside this process."""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import panel as pn
import psutil
import pytest
from bokeh.document import Document
from tornado.ioloop import IOLoop
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as websocket

from kato_panel import runtime as runtimes
from kato_panel.config import load
from kato_panel.errors import ConfigError
from kato_panel.runtime import Runtime
from kato_panel.server.service import Service
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.views.dashboard import page
from tests.conftest import Size
from tests.following import Caller, Reader
from tests.ports import free_port


@contextmanager
def service_in_thread(url, *, options=None, **settings):
    """A service on a loop of its own in this process, so that its inside can be counted."""
    runtime = Runtime(load({"KATO_API_URL": url, "KATO_PANEL_PORT": 0, **settings}))
    before = runtimes._Process.runtime
    ready, ended, box = threading.Event(), threading.Event(), {}

    async def serve():
        box["loop"] = asyncio.get_running_loop()
        box["stop"] = asyncio.Event()
        IOLoop.current()
        service = Service(runtime, page, **{"unused_seconds": 0.5, **(options or {})})
        service.start()
        box["service"] = service
        ready.set()
        await box["stop"].wait()
        service.stop()
        ended.set()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield box
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(10)
        runtimes.install(before)  # a page without one would start its own
    assert ended.is_set()


ROOT = Path(__file__).parents[2]


def get(url, path):
    return httpx.get(url.removesuffix("/app") + path, trust_env=False, timeout=60)


@pytest.fixture
def simulator():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


def test_service_answers_on_its_routes(simulator):
    """Health, count, start page, and a 404 in words."""
    with service_in_thread(simulator.url) as box:
        url = box["service"].url
        Reader(box["service"].runtime.hub).until(lambda seen: seen.active is not None)
        assert get(url, "/healthz").json() == {"status": "ok"}
        count = get(url, "/api/v1/sessions/count")
        assert count.json()["active_count"] == count.json()["active_sessions"] == 5
        assert count.headers["content-type"].startswith("application/json")
        assert count.headers["x-kato-panel-epoch"] == box["service"].runtime.hub.epoch
        assert get(url, "/").headers["location"].endswith("app")
        assert get(url, "/api/nope").status_code == 404
        assert get(url, "/api/nope").json()["error"]["code"] == "not_found"
        refused = httpx.post(url.removesuffix("/app") + "/api/v1/sessions/count", trust_env=False)
        assert refused.status_code == 405
        assert "error" in refused.json()
        box["service"].runtime.watcher.stop()
        sick = get(url, "/healthz")
        assert (sick.status_code, sick.json()["error"]["code"]) == (503, "unhealthy")
        assert "not running" in sick.json()["error"]["message"]


@pytest.mark.parametrize("flag", ["true", "false"])
def test_routes_are_the_same_with_events_on_and_off(simulator, flag):
    """The flag takes away the events, and no answer: asked over the live router."""
    with service_in_thread(simulator.url, WEBSOCKET_SESSION_EVENTS=flag) as box:
        asked = ["/healthz", "/api/v1/sessions/count", "/app", "/", "/ws", "/metrics"]
        seen = {path: get(box["service"].url, path).status_code for path in asked}
    assert seen == {
        "/healthz": 200,
        "/api/v1/sessions/count": 200,
        "/app": 200,
        "/": 302,
        "/ws": 400,
        "/metrics": 200,
    }


def read_to_the_end(client):
    """Read what a service still says; raises with how it closed."""
    while client.recv(20):
        pass


def test_programs_follow_the_service_until_it_stops(simulator):
    """What upstream tells reaches a client; the end is said, and leaves nothing behind."""
    with service_in_thread(simulator.url) as box:
        service = box["service"]
        reader = Reader(service.runtime.hub)
        reader.until(lambda seen: seen.active == 5)
        with websocket(
            service.url.replace("http", "ws").replace("/app", "/ws"), proxy=None
        ) as client:
            kinds = [json.loads(client.recv(20))["type"] for _ in range(2)]
            assert kinds == ["connected", "realtime_update"]
            Caller(simulator.url).create()
            while (frame := json.loads(client.recv(20)))["type"] != "session_event":
                pass
            assert frame["data"]["current_count"] == 6
            box["loop"].call_soon_threadsafe(service.feed.stop)
            with pytest.raises(ConnectionClosed) as closed:
                read_to_the_end(client)
            assert closed.value.rcvd.code == 1001
        assert service.runtime.hub.readers == 1  # the test's own


def test_endpoint_that_is_switched_off_leaves_the_rest(simulator):
    """No route and no feed; all else answers."""
    with service_in_thread(simulator.url, WEBSOCKET_ENABLED="false") as box:
        assert box["service"].feed is None
        asked = ["/ws", "/healthz", "/app"]
        seen = [get(box["service"].url, path).status_code for path in asked]
    assert seen == [404, 200, 200]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)],
)
def test_deletes_are_allowed_on_loopback_only(simulator, host, allowed):
    """By the addresses that are really listened on, whatever name they were given by."""
    settings = {"KATO_PANEL_HOST": host, "KATO_PANEL_ALLOW_ACTIONS": "true"}
    if not allowed:
        settings["KATO_PANEL_ALLOW_ANONYMOUS"] = "true"
    with service_in_thread(simulator.url, **settings) as box:
        actions = box["service"].runtime.sessions.actions
    assert actions.allowed is allowed
    assert allowed or "KATO_PANEL_ALLOW_ANONYMOUS" in actions.reason


def test_service_listens_on_ipv6_too(simulator):
    """Its address is written with brackets."""
    with service_in_thread(simulator.url, KATO_PANEL_HOST="::1") as box:
        assert box["service"].url.startswith("http://[::1]:")
        assert get(box["service"].url, "/healthz").status_code == 200


def test_visit_that_ends_while_something_is_published_harms_nobody(simulator):
    """Its document is gone before it stops listening; the others go on."""
    with service_in_thread(simulator.url) as box:
        hub = box["service"].runtime.hub
        reader = Reader(hub)
        reader.until(lambda seen: seen.active is not None)
        get(box["service"].url, "/app")
        reader.until(lambda _: hub.readers == 2)
        gone = threading.Event()

        def end_visits():
            server = box["service"]._server
            for session in server.get_sessions("/app"):
                session.destroy()
            gone.set()

        box["loop"].call_soon_threadsafe(end_visits)
        assert gone.wait(5)
        for _ in range(3):
            Caller(simulator.url).create()
        reader.until(lambda seen: seen.active == 8)
        assert box["service"].runtime.trouble is None


def census(runtime):
    """Everything a visit could leave behind."""
    gc.collect()
    return {
        "documents": sum(isinstance(thing, Document) for thing in gc.get_objects()),
        "views": len(pn.state._views),
        "readers": runtime.hub.readers,
        "threads": threading.active_count(),
        "sockets": sum(c.status == "ESTABLISHED" for c in psutil.Process().net_connections("tcp")),
    }


LATE_DOCUMENTS = 2
MAX_GROWTH_MB = 10
"""In the second half of the events, when what is kept is nearly full."""


def resident_mb():
    return psutil.Process().memory_info().rss / 1e6


def churn(caller, seconds):
    """Let sessions come and go for so long."""
    stop = threading.Event()
    threading.Timer(seconds, stop.set).start()
    while not stop.wait(0.05):
        caller.delete(caller.create())


async def count_tasks():
    return len(asyncio.all_tasks())


@pytest.fixture
def plain_records():
    """Let log records hold text only: pytest keeps them, and a traceback keeps its document."""
    make, formatter = logging.getLogRecordFactory(), logging.Formatter()

    def make_plain(*arguments, **more):
        record = make(*arguments, **more)
        if record.exc_info and record.exc_info[0]:
            record.exc_text = formatter.formatException(record.exc_info)
        record.exc_info = None
        return record

    logging.setLogRecordFactory(make_plain)
    yield
    logging.setLogRecordFactory(make)


@pytest.mark.usefixtures("plain_records")
def test_visits_leave_nothing_behind(simulator, chromium, caplog, size: Size):
    """Pages opened and closed in a real browser while sessions come and go."""
    visits, seconds = size.n(9, 30), size.n(3, 120)
    caller = Caller(simulator.url)
    with service_in_thread(simulator.url) as box:
        service = box["service"]
        reader = Reader(service.runtime.hub)
        reader.until(lambda seen: seen.active is not None)

        def open_and_close(count):
            context = chromium.new_context()
            for _ in range(count):
                tab = context.new_page()
                tab.goto(service.url)
                tab.wait_for_selector('[data-figure="active"]')
                caller.delete(caller.create())
            context.close()

        def tasks():
            loops = (box["loop"], service.runtime.watcher._loop)
            counts = [asyncio.run_coroutine_threadsafe(count_tasks(), loop) for loop in loops]
            return sum(count.result(5) for count in counts)

        def measure(wanted=None):
            """Count twice alike, once the visits are over; what is only late gets 20 s to go."""
            waiting, deadline, found = threading.Event(), time.monotonic() + 20, {}
            while True:
                is_late = time.monotonic() > deadline
                is_over = len(pn.state._views) <= others and service.runtime.hub.readers == 1
                if is_over or is_late:
                    last, found = found, {**census(service.runtime), "tasks": tasks()}
                    if is_late or (found == last and wanted in {None, tuple(found.items())}):
                        return found
                waiting.wait(0.2)

        others = len(pn.state._views)  # of visits that other tests ended by force
        open_and_close(2)  # what is loaded and cached once is no leak
        before = measure()
        memory = []
        for _ in range(3):
            open_and_close(visits // 3)
            measure()
            memory.append(resident_mb())
        watching = chromium.new_context()
        watching.new_page().goto(service.url)
        for _ in range(2):
            churn(caller, seconds / 2)
            memory.append(resident_mb())
        watching.close()
        after = measure(tuple(before.items()))
        reader.close()
    # The collector may be late with the last ones; a document for each visit would be far more.
    assert after.pop("documents") - before.pop("documents") <= LATE_DOCUMENTS < visits / 4
    # Threads that were only late with their work may have ended since.
    assert after.pop("threads") <= before.pop("threads")
    assert after == before
    assert "broke" not in caplog.text
    assert memory[-1] - memory[-2] < MAX_GROWTH_MB
    rss = " → ".join(f"{mb:.0f}" for mb in memory)
    size.record(
        f"{visits} visits and {seconds} s of events: left behind",
        seed="1",
        n=visits,
        result=f"0 of {', '.join(before)}, documents within {LATE_DOCUMENTS}; RSS {rss} MB",
    )


def test_taken_port_is_named():
    """With a way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"KATO_PANEL_PORT is {port} on 127.0.0.1"):
            Service(Runtime(load({"KATO_PANEL_PORT": port})), page)


def run(*arguments, folder, **settings):
    command = [sys.executable, "-m", "kato_panel", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_wrong_settings_stop_the_start_with_one_message(tmp_path):
    """Every wrong field at once, without a traceback."""
    ended = run(
        "serve",
        "--port",
        "70000",
        folder=tmp_path,
        KATO_API_URL="htp://x",
        KATO_PANEL_POLL_INTERVAL_SECONDS="0",
    )
    assert ended.returncode == 1
    assert "3 settings are wrong" in ended.stderr
    for name in ("KATO_API_URL is 'htp://x'", "_INTERVAL_SECONDS is '0'", "PORT is '70000'"):
        assert name in ended.stderr
    assert "Traceback" not in ended.stderr


FREEZING = """
import gc
from tornado.ioloop import IOLoop
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as websocket
from kato_panel.config import load
from kato_panel.runtime import Runtime
from kato_panel.server.service import Service
from kato_panel.views.dashboard import page

def look():
    if not gc.isenabled():  # until the first look is over
        IOLoop.current().call_later(0.05, look)
        return
    print(gc.get_freeze_count(), len(gc.get_objects()), runtime.hub.snapshot.active)
    IOLoop.current().stop()

runtime = Runtime(load({"KATO_PANEL_PORT": 0}))
service = Service(runtime, page)
IOLoop.current().add_callback(look)
service.run()
"""


def test_what_is_there_at_the_first_look_is_never_searched_for_garbage():
    """Looking through all of it would hold up the loop after each visit; then it is searched."""
    seen = subprocess.run(
        [sys.executable, "-c", FREEZING], capture_output=True, text=True, timeout=30, check=True
    )
    frozen, others, active = map(int, seen.stdout.split())
    assert frozen > 20 * others
    assert active > 0


def test_help_names_every_flag(tmp_path):
    """And the group its commands."""
    assert "serve" in run("--help", folder=tmp_path).stdout
    text = run("serve", "--help", folder=tmp_path).stdout
    assert all(flag in text for flag in ("--kato-url", "--host", "--port"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_service_promptly(tmp_path, number):
    """Within 6 s, with exit code 0 and nothing on standard error but the log."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "kato_panel", "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = process.stdout.readline().rsplit(" ", 1)[-1].strip()
    with httpx.stream("GET", url, trust_env=False) as answer:
        assert answer.status_code == 200
    process.send_signal(number)
    _, log = process.communicate(timeout=6)
    assert process.returncode == 0
    assert "Traceback" not in log


PANEL_SERVE = [sys.executable, "-m", "panel", "serve", "app.py", "--port"]


@pytest.mark.parametrize("plugins", [[], ["--plugins", "kato_panel.server"]])
def test_panel_serve_works_too(simulator, plugins, tmp_path):
    """The page alone, or with our routes; it ends when it is told to."""
    port = free_port()
    process = subprocess.Popen(
        [*PANEL_SERVE, str(port), *plugins],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KATO_API_URL": simulator.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        lines = []
        while not any("Bokeh app running" in line for line in lines):
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        url = f"http://localhost:{port}"
        assert "KATO sessions" in get(url, "/app").text
        status = get(url, "/api/v1/sessions/count").status_code
        assert status == (200 if plugins else 404)
        status = get(url, "/ws").status_code
        assert status == (400 if plugins else 404)  # there, but to be asked for as a WebSocket
        script = get(url, "/static/js/bokeh.min.js")
        assert script.headers.get("content-encoding") == ("gzip" if plugins else None)
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}


def test_make_run_serves_and_ends(tmp_path):
    """The README's first command: a page within seconds, and TERM ends it."""
    assert (ROOT / ".venv" / "run.stamp").exists(), "no environment here: `make test` makes it"
    port = free_port()
    process = subprocess.Popen(
        ["make", "run", f"PORT={port}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == f"KATO sessions at http://127.0.0.1:{port}/app\n"
    assert get(f"http://127.0.0.1:{port}", "/app").status_code == 200
    process.terminate()
    process.communicate(timeout=30)
    with pytest.raises(httpx.ConnectError):
        get(f"http://127.0.0.1:{port}", "/healthz")
