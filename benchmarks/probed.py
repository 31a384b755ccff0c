"""
The service in a process whose loop is measured: ``python benchmarks/probed.py page|empty``.

Prints the page's address. For each line on standard input it prints one line of JSON: its memory,
its visits, and the turns of its loop since the line before, each as [when it began, its seconds,
seconds of CPU]. A turn is what the loop does between two waits; nobody else is served meanwhile.
"""

import asyncio
import json
import selectors
import sys
import threading
import time

import panel as pn
import psutil
from panel.custom import JSComponent

from kato_panel import config
from kato_panel.runtime import Runtime
from kato_panel.server.service import Service
from kato_panel.views.dashboard import page

# As many pages as are asked for, and Panel's own empty page with its unmarked scripts.
FREE = {"unused_seconds": 2.0, "pages_per_second": 1_000, "has_policy": False}
"""So that closed visits are gone before memory is read."""


class TimedSelector(selectors.DefaultSelector):
    """Notes what happens between the end of one wait and the begin of the next."""

    def __init__(self):
        super().__init__()
        self.turns = []
        self._began = self._clocks()

    def _clocks(self):
        return time.time(), time.perf_counter(), time.thread_time()

    def select(self, timeout=None):
        """Wait for the next thing to do."""
        _, wall, cpu = self._clocks()
        began = self._began
        self.turns.append((began[0], wall - began[1], cpu - began[2]))
        try:
            return super().select(timeout)
        finally:
            self._began = self._clocks()


class EmptyPage(JSComponent):
    """The least that Panel can serve with a component of one's own."""

    _esm = """export function render() {
  const figure = document.createElement("p");
  figure.dataset.figure = "active";
  figure.textContent = "0";
  return figure;
}"""


def build_empty_page():
    """Build it for one visit."""
    return EmptyPage()


def answer(selector):
    """Report, once for each line of standard input."""
    process = psutil.Process()
    for _ in sys.stdin:
        turns, selector.turns = selector.turns, []
        # Panel's own list: a service counts nobody's visits.
        visits = len(pn.state._views)  # noqa: SLF001
        report = {"rss_bytes": process.memory_info().rss, "visits": visits, "turns": turns}
        print(json.dumps(report), flush=True)


def main():
    """Serve the page that is asked for, until killed."""
    selector = TimedSelector()
    asyncio.set_event_loop(asyncio.SelectorEventLoop(selector))
    threading.Thread(target=answer, args=(selector,), daemon=True).start()
    runtime = Runtime(config.load({"KATO_PANEL_PORT": 0}))
    build = {"page": page, "empty": build_empty_page}[sys.argv[1]]
    service = Service(runtime, build, **FREE)
    print(service.url, flush=True)
    service.run()


if __name__ == "__main__":
    main()
