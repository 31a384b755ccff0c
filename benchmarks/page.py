"""
What a page costs, beside the least page that Panel can serve, measured in the same run.

``python benchmarks/page.py [--samples 7]`` starts a simulator and two services, one with the page
and one with a component that shows a zero, and prints a table. Loads of both take turns, so that
whatever else the machine does meets both alike. Cold is an empty browser cache, warm a second load.
The loop's time is the processor's, which is the clock's on a machine that does nothing else.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from latency import be_client, measure_among, open_browser, percentiles, read_address, running
from latency import spawned as spawn

PROBED = str(Path(__file__).with_name("probed.py"))
PAINT_AIM_SECONDS = 1.5
LOOP_AIM_MS = 60
BYTES_AIM_MB = 1.5
VISIT_AIM_MB = 0.6
LATENCY_AIM_MS = 100
OTHER_VISITS = (0, 2, 19)
SETTLE_MS = 2_000
"""After the first paint, for the chart and whatever else is built late."""
VISITS_PER_STEP = 5
STEPS = 6
OPEN_SECONDS = 1.5
COLLECT_SECONDS = 7.0
"""Panel collects garbage five seconds after the last visit ended."""
WATCH_PAINT = """() => {
  const find = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.dataset?.figure === "active" && /\\d/.test(element.textContent)) return element;
      const found = element.shadowRoot && find(element.shadowRoot);
      if (found) return found;
    }
  };
  const look = () => {
    if (document.body && find(document.body)) window.__figureAt = performance.now();
    else requestAnimationFrame(look);
  };
  look();
}"""
READ_PAINT = """() => ({
  origin: performance.timeOrigin,
  content: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  figure: window.__figureAt,
})"""


class Probed:
    """A service whose loop and memory can be asked for."""

    def __init__(self, child):
        self._child = child
        self.url = read_address(child)

    def ask(self):
        """Read its memory, its visits, and the turns of its loop since the last time."""
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def wait_for_end(self):
        """Wait until all visits are gone; give the turns of its loop meanwhile."""
        turns = []
        while (report := self.ask())["visits"]:
            turns += report["turns"]
            time.sleep(0.2)
        return turns + report["turns"]


@dataclass(frozen=True)
class Load:
    """One load of a page; times in milliseconds, the loop's up to the figure and in all."""

    content: float
    figure: float
    loop_until_figure: float
    cpu_until_figure: float
    loop: float
    cpu: float
    longest_turn: float
    end: float
    script_bytes: int
    page_bytes: int
    other_bytes: int
    socket_bytes: int

    @property
    def all_bytes(self):
        """Everything over the wire."""
        return self.script_bytes + self.page_bytes + self.other_bytes + self.socket_bytes


def load_page(context, service):
    """Open the page in a tab of its own, wait until it is quiet, and close it."""
    page = context.new_page()
    page.add_init_script(f"({WATCH_PAINT})()")
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    kinds, sizes, frames = {}, {}, []
    devtools.on(
        "Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]})
    )
    devtools.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    devtools.on(
        "Network.webSocketFrameReceived",
        lambda event: frames.append(len(event["response"]["payloadData"])),
    )
    service.ask()
    page.goto(service.url)
    page.wait_for_function("window.__figureAt")
    page.wait_for_timeout(SETTLE_MS)
    turns = service.ask()["turns"]
    paint = page.evaluate(READ_PAINT)
    page.close()
    ending = service.wait_for_end()
    painted_at = (paint["origin"] + paint["figure"]) / 1000

    # What a turn does is seen by others once it is over: one that lasts beyond the paint, such as
    # the chart's, is none that the paint waited for.
    before = [turn for turn in turns if turn[0] + turn[1] <= painted_at]

    def count(*wanted):
        return sum(int(size) for key, size in sizes.items() if kinds.get(key) in wanted)

    scripts, documents = count("Script"), count("Document")
    return Load(
        content=paint["content"],
        figure=paint["figure"],
        loop_until_figure=1000 * sum(turn[1] for turn in before),
        cpu_until_figure=1000 * sum(turn[2] for turn in before),
        loop=1000 * sum(turn[1] for turn in turns),
        cpu=1000 * sum(turn[2] for turn in turns),
        longest_turn=1000 * max(turn[1] for turn in turns),
        end=1000 * sum(turn[1] for turn in ending),
        script_bytes=scripts,
        page_bytes=documents,
        other_bytes=int(sum(sizes.values())) - scripts - documents,
        socket_bytes=sum(frames),
    )


def load_pages(browser, services, samples):
    """Load each service's page so many times, cold and warm; by service and warmth."""
    loads = {}
    with contextlib.closing(browser.new_context()) as context:
        for service in services.values():  # what a process does once is no page load
            load_page(context, service)
    for _ in range(samples):
        for name, service in services.items():
            with contextlib.closing(browser.new_context()) as context:
                for warmth in ("cold", "warm"):
                    loads.setdefault((name, warmth), []).append(load_page(context, service))
    return loads


async def hold_visits(service):
    """Open visits in steps and close them; give memory in bytes at each step, and at the end."""
    clients, held = [], []
    for _ in range(STEPS):
        clients += [
            asyncio.create_task(be_client(service.url, {"n": 0})) for _ in range(VISITS_PER_STEP)
        ]
        await asyncio.sleep(OPEN_SECONDS)
        held.append(service.ask()["rss_bytes"])
    for client in clients:
        client.cancel()
    ended = await asyncio.gather(*clients, return_exceptions=True)
    broken = [end for end in ended if not isinstance(end, asyncio.CancelledError)]
    assert not broken, broken
    await asyncio.to_thread(service.wait_for_end)
    await asyncio.sleep(COLLECT_SECONDS)
    return held, service.ask()["rss_bytes"]


def measure_memory(service):
    """Return megabytes per open visit, and left behind by each closed one."""
    held, after = asyncio.run(hold_visits(service))
    # What the first visits take was partly left free by those before them.
    counts = range(0, STEPS * VISITS_PER_STEP, VISITS_PER_STEP)
    slope = statistics.linear_regression(counts[1:], held[1:]).slope
    # Memory that is free again is mostly kept by the process: only a second turn shows a leak.
    _, later = asyncio.run(hold_visits(service))
    return slope / 1e6, (later - after) / (STEPS * VISITS_PER_STEP) / 1e6


def write_row(what, unit, page, empty, aim=None):
    """Print a figure beside its limit and aim."""
    digits = 2 if unit in {"MB", "s"} else 1
    verdict = "" if aim is None else f"{aim} {unit}: {'met' if page <= aim else 'missed'}"
    ratio = f"{page / empty:.1f}" if empty > 0 else ""
    print(
        f"| {what} | {page:.{digits}f} {unit} | {empty:.{digits}f} {unit} | {ratio} | {verdict} |"
    )


def write_loads(loads):
    """Print what page loads come to; medians."""

    def row(what, unit, warmth, figure, *, scale=1.0, aim=None):
        page, empty = (
            statistics.median(scale * getattr(load, figure) for load in loads[name, warmth])
            for name in ("page", "empty")
        )
        write_row(f"{what}, {warmth}", unit, page, empty, aim)

    for warmth in ("cold", "warm"):
        row("first contentful paint", "s", warmth, "content", scale=1e-3)
        row("the count is shown", "s", warmth, "figure", scale=1e-3, aim=PAINT_AIM_SECONDS)
    for warmth in ("cold", "warm"):
        row("loop until the count is shown", "ms", warmth, "cpu_until_figure", aim=LOOP_AIM_MS)
        row("the same, by the clock", "ms", warmth, "loop_until_figure")
        row("loop in all", "ms", warmth, "cpu")
        row("the same, by the clock", "ms", warmth, "loop")
        row("longest turn of the loop", "ms", warmth, "longest_turn")
        row("loop at the end of the visit", "ms", warmth, "end")
    for part in ("script", "page", "other", "socket", "all"):
        aim = BYTES_AIM_MB if part == "all" else None
        row(f"bytes, {part}", "MB", "cold", f"{part}_bytes", scale=1e-6, aim=aim)
    row("bytes, all", "MB", "warm", "all_bytes", scale=1e-6)


def write_latency(browser, upstream, url, samples):
    """Print how long a create takes to the pixel, among visits; the limit is a bare client."""
    for others in OTHER_VISITS:
        bare, dom = measure_among(browser, upstream, url, others, samples)
        aim = LATENCY_AIM_MS if others == max(OTHER_VISITS) else None
        for name, which, goal in (("p50", 0, None), ("p95", 1, aim)):
            shown, heard = percentiles(dom)[which], percentiles(bare)[which]
            what = f"create to DOM, {name}, among {others + 1} visits; beside a bare client"
            write_row(what, "ms", shown, heard, goal)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=7, help="loads of each kind")
    parser.add_argument("--latency-samples", type=int, default=60, help="creates, per row")
    parser.add_argument("--only-loads", action="store_true", help="neither memory nor latency")
    options = parser.parse_args()
    begun = time.monotonic()
    print("| what | page | an empty page | ratio | aim |")
    print("|---|---|---|---|---|")
    with running("-m", "kato_panel.simulator", "--port", "0", "--rate", "0") as upstream:
        with (
            spawn(PROBED, "page", KATO_API_URL=upstream) as page,
            spawn(PROBED, "empty", KATO_API_URL=upstream) as empty,
        ):
            services = {"page": Probed(page), "empty": Probed(empty)}
            with open_browser() as browser:
                write_loads(load_pages(browser, services, options.samples))
            if options.only_loads:
                return
            memory = {name: measure_memory(service) for name, service in services.items()}
            for which, (what, aim) in enumerate(
                (("memory per open visit", VISIT_AIM_MB), ("left by each closed visit", None))
            ):
                write_row(what, "MB", memory["page"][which], memory["empty"][which], aim)
        with (
            running("-m", "kato_panel", "serve", "--port", "0", KATO_API_URL=upstream) as url,
            open_browser() as browser,
        ):
            write_latency(browser, upstream, url, options.latency_samples)
    print(f"\n{options.samples} loads of each kind, medians; {time.monotonic() - begun:.0f} s.")


if __name__ == "__main__":
    main()
