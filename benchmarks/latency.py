"""
From a create at upstream to the pixel: how long, beside the limit taken in the same run.

``python benchmarks/latency.py [--samples 200]`` starts a simulator, a service, a real page and
protocol clients, and prints a table. The limit is a bare websockets client on the same stream:
nothing that watches upstream can be earlier. Figures are from the moment before the POST is sent.
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
from bokeh.document import Document
from bokeh.document.events import MessageSentEvent
from bokeh.events import DocumentReady
from bokeh.protocol import Protocol
from playwright.sync_api import sync_playwright
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync
from websockets.typing import Subprotocol

AIMS = {0: 50, 3: None, 20: 100}
PAUSE_SECONDS = 0.12
BUSY = 503
TRIES = 20
OBSERVE = """() => {
  const figure = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)
    .map((root) => root.querySelector('[data-figure="active"]')).find(Boolean);
  window.__seen = {};
  new MutationObserver(() => {
    const count = figure.textContent.replace(/\\D/g, "");
    window.__seen[count] ??= performance.timeOrigin + performance.now();
  }).observe(figure, { childList: true, characterData: true, subtree: true });
  return Number(figure.textContent.replace(/\\D/g, ""));
}"""


async def be_client(url, patches):
    """
    Open a visit as a browser does, and read what it is sent.

    `bokeh.client` is no such client: it never says that its document is ready, and Panel sends
    nothing to a visit that has not.
    """
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
        for _ in range(TRIES):
            if answer.status_code != BUSY:
                break
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            answer = await client.get(url)
        html = answer.text
    token = re.search(r'"token":"([^"]+)"', html)[1]
    pull = Protocol().create("PULL-DOC-REQ")
    ready = Protocol().create(
        "PATCH-DOC", [MessageSentEvent(Document(), "bokeh_event", DocumentReady())]
    )
    protocols = [Subprotocol("bokeh"), Subprotocol(token)]
    origin = url.removesuffix("/app")
    address = "ws" + url.removeprefix("http") + "/ws"
    async with connect(
        address, subprotocols=protocols, origin=origin, proxy=None, max_size=None
    ) as socket:
        await socket.recv()  # the acknowledgement
        for message in (pull, ready):
            for part in (message.header_json, message.metadata_json, message.content_json):
                await socket.send(part)
        async for frame in socket:
            patches["n"] += "PATCH-DOC" in str(frame[:200])


async def be_clients(url, count):
    """Hold so many visits open until killed."""
    patches = {"n": 0}
    clients = [asyncio.create_task(be_client(url, patches)) for _ in range(count)]
    await asyncio.sleep(4 + count)  # a few pages a second may be opened
    assert patches["n"] >= count, f"{patches['n']} patches for {count} clients: they hear nothing"
    print("ready", flush=True)
    await asyncio.gather(*clients)


@contextlib.contextmanager
def spawned(*command, **settings):
    """Run a process; give it; end it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PATH": os.environ["PATH"], "HOME": folder, **settings}
        child = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()


def read_address(child):
    """Read the last word of the next line: an address, or what it says when it is ready."""
    return child.stdout.readline().strip().rsplit(" ", 1)[-1]


@contextlib.contextmanager
def running(*command, **settings):
    """Run a process; give the last word of its first line; end it."""
    with spawned(*command, **settings) as child:
        yield read_address(child)


def measure(upstream, page, samples):
    """Create so many sessions; return milliseconds to the bare client and to the DOM."""
    heard, stop = {}, threading.Event()

    def listen():
        with connect_sync(
            "ws" + upstream.removeprefix("http") + "/ws/events", proxy=None
        ) as stream:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    frame = stream.recv(timeout=0.5)
                    if "session.created" in frame:
                        heard[len(heard)] = time.time()

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(1)
    shown = page.evaluate(OBSERVE)
    sent = []
    with httpx.Client(trust_env=False) as client:
        for _ in range(samples):
            sent.append(time.time())
            client.post(f"{upstream}/sessions", json={"node_id": "bench"}).raise_for_status()
            time.sleep(PAUSE_SECONDS)
    page.wait_for_timeout(4_000)
    seen = page.evaluate("window.__seen")
    stop.set()
    listener.join()
    bare = [1000 * (heard[i] - sent[i]) for i in range(samples)]
    # A count that was painted over at once by a higher one was shown when that one was.
    painted = sorted((int(count), at) for count, at in seen.items())
    dom = [
        next(at for count, at in painted if count > shown + i) - 1000 * sent[i]
        for i in range(samples)
    ]
    return bare, dom


def percentiles(values):
    """Give p50 and p95."""
    cuts = statistics.quantiles(values, n=20)
    return statistics.median(values), cuts[18]


@contextlib.contextmanager
def open_browser():
    """Start Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def join_visits(url, count):
    """Hold so many further visits open, from another process."""
    if not count:
        return contextlib.nullcontext()
    return running(str(Path(__file__).resolve()), "--clients", url, str(count))


def measure_among(browser, upstream, url, clients, samples):
    """Open a page among so many other visits, and measure."""
    with join_visits(url, clients):
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector('[data-figure="active"]')
        page.wait_for_timeout(1_500)
        measured = measure(upstream, page, samples)
        page.close()
    return measured


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--clients", nargs=2, metavar=("URL", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clients:
        asyncio.run(be_clients(options.clients[0], int(options.clients[1])))
        return
    print("| page among | n | limit p50 / p95 ms | DOM p50 / p95 ms | p95 ratio | aim p95 |")
    print("|---|---|---|---|---|---|")
    with (
        running("-m", "kato_panel.simulator", "--port", "0", "--rate", "0") as upstream,
        running("-m", "kato_panel", "serve", "--port", "0", KATO_API_URL=upstream) as url,
        open_browser() as browser,
    ):
        for clients, aim in AIMS.items():
            bare, dom = measure_among(browser, upstream, url, clients, options.samples)
            (bare50, bare95), (dom50, dom95) = percentiles(bare), percentiles(dom)
            verdict = "" if aim is None else f"{aim} ms: {'met' if dom95 <= aim else 'missed'}"
            print(
                f"| {clients} clients | {len(dom)} | {bare50:.1f} / {bare95:.1f} "
                f"| {dom50:.1f} / {dom95:.1f} | {dom95 / bare95:.1f} | {verdict} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
