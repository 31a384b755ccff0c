"""The notebook in a real JupyterLab, run by clicks; nothing may leave this machine."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_live.ipynb"
OUTSIDE = re.compile(r"^(?!(https?|wss?)://127\.0\.0\.1:)(?!blob:|data:)")
END_SECONDS = 15
PATIENCE_MS = 40_000
"""A kernel that starts and collects garbage takes its time on a machine that is busy."""
ALL_IN_SIGHT = {"width": 1280, "height": 2600}
"""JupyterLab may take out of the page what is far from sight."""
OFFLINE = {
    "LabApp": {
        "news_url": None,
        "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "extension_manager": "readonly",
    },
    "IdentityProvider": {"token": ""},
    "ServerApp": {"open_browser": False, "port_retries": 0},
}
"""Without what asks the internet, and without a login for this one browser."""
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
"""Or it would ask whether to fetch them."""
CELLS = (
    "Monitor().start()",
    "monitor.view()",
    "SessionCount(monitor)",
    "pn.bind(",
    "last_change =",
    "plot.step",
)
CENSUS = """\
import gc, json, threading
from bokeh.document import Document
from kato_panel.hub import Subscription
from kato_panel.models import Models
from kato_panel.views.live import LiveBoard
from kato_panel.watcher import Watcher

Out.clear()  # the kernel's history keeps whatever was shown, under these names too
for names in (globals(), get_ipython().user_ns_hidden):
    for name in [name for name in names if name.strip("_0123456789") == ""]:
        del names[name]
gc.collect()
everything = gc.get_objects()
kinds = (Document, LiveBoard, Models, Monitor, Subscription, Watcher)
found = {kind.__name__: sum(type(one) is kind for one in everything) for kind in kinds}
found["threads"] = sorted(t.name for t in threading.enumerate() if t.name.startswith("kato"))
found["views"] = len(pn.state._views)
found["followers"] = sum(
    len(watchers)
    for models in everything
    if type(models) is Models
    for kinds in models._param__private.watchers.values()
    for watchers in kinds.values()
)
del everything
print(json.dumps(found))
"""


class Lab:
    """``jupyter lab`` in a process of its own, with all it keeps in one folder."""

    def __init__(self, folder, **settings):
        config, notebooks = folder / "config", folder / "notebooks"
        news = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
        for path in (news, notebooks):
            path.mkdir(parents=True)
        (news / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS))
        (config / "jupyter_server_config.json").write_text(json.dumps(OFFLINE))
        self.notebook = notebooks / NOTEBOOK.name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}"
        command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--ip", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "--port", str(port), "--notebook-dir", str(notebooks)],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "JUPYTER_CONFIG_DIR": str(config),
                "JUPYTER_DATA_DIR": str(folder / "data"),
                "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
                "IPYTHONDIR": str(folder / "ipython"),
                **settings,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        told = []
        while "is running at" not in (line := self._process.stderr.readline()):
            told.append(line)
            assert line, "".join(told)

    def end(self):
        """Send TERM; it ends its kernels."""
        self._process.terminate()
        self._process.communicate(timeout=END_SECONDS)


class Notebook:
    """The notebook in its page."""

    def __init__(self, watched, url):
        self.watched, self.page = watched, watched.page
        self.page.on("websocket", lambda opened: watched.requests.append(opened.url))
        self.page.context.route(OUTSIDE, lambda route: route.abort())
        self.page.set_viewport_size(ALL_IN_SIGHT)
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.goto(url)
        idle = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
        self.page.locator(idle).wait_for(state="attached")
        # It also says so while there is no kernel yet; the bar at the bottom knows.
        self.page.get_by_text(re.compile(r"\(ipykernel\) \| Idle")).first.wait_for()

    def cell(self, code):
        """Find the first cell with this code."""
        return self.page.locator(".jp-Notebook .jp-CodeCell", has_text=code).first

    def run_above(self, code):
        """Run all cells above this one, by the menu."""
        self.cell(code).locator(".jp-InputArea-editor").click()
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Above Selected Cell").click()
        ran = self.page.locator(".jp-InputPrompt").filter(has_text=re.compile(r"\[(\*|\d+)\]"))
        ran.first.wait_for()

    def run(self, code):
        """Run one cell by its keys, and wait until it has run; return what it printed."""
        cell = self.cell(code)
        cell.locator(".jp-InputArea-editor").click()
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.page.keyboard.press("Control+Enter")
        ran = prompt.filter(has_text=re.compile(r"\[\d+\]")).filter(has_not_text=before)
        ran.wait_for()
        return cell.locator(".jp-OutputArea-output")

    def count(self, code, wanted):
        """Wait until the count that this cell shows is this text."""
        self.cell(code).locator(f'[data-figure="active"]:text-is("{wanted}")').wait_for()

    def census(self):
        """Count what the kernel holds."""
        printed = self.run("Out.clear()")
        return json.loads(printed.last.inner_text())


@pytest.fixture
def notebook(tmp_path, simulator, watched):
    """Give the notebook in JupyterLab, watching the simulator; one more cell takes a census."""
    lab = Lab(tmp_path, KATO_API_URL=simulator.url)
    stored = nbformat.read(NOTEBOOK, as_version=4)
    stored.cells.append(new_code_cell(CENSUS))
    nbformat.write(stored, lab.notebook)
    yield Notebook(watched, lab.url)
    lab.end()


def test_notebook_runs_by_clicks_and_a_pushed_value_changes_the_page(notebook, caller):
    """And nothing is asked of anybody else, nor complained about."""
    notebook.run_above("monitor.stop()")
    watched = notebook.watched
    notebook.count("monitor.view()", "5")
    notebook.cell("plot.step").locator(".bk-Figure").wait_for(state="attached")
    last_change = notebook.cell("last_change =").locator(".jp-OutputArea-output")
    last_change.get_by_text("no change").wait_for()

    caller.create()
    notebook.count("monitor.view()", "6")
    last_change.get_by_text("5 → 6 sessions").wait_for()
    notebook.count("SessionCount(monitor)", "6")
    assert [url for url in watched.requests if OUTSIDE.search(url)] == []
    assert watched.complaints == []
    assert notebook.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0


def test_cells_run_again_leave_nothing_behind(notebook, caller):
    """No watcher, view or thread; and the monitor's end ends all it began."""
    notebook.run_above("monitor.stop()")
    notebook.count("monitor.view()", "5")
    for code in CELLS:
        notebook.run(code)
    before = notebook.census()
    assert before["threads"] == ["kato-panel-history", "kato-panel-watcher"]
    assert before["Monitor"] == before["Watcher"] == before["Subscription"] == 1
    for _ in range(3):
        for code in CELLS:
            notebook.run(code)
    later = notebook.census()
    # Panel keeps what is replaced before its page has connected to it; that follows nothing.
    for kept in ("Document", "LiveBoard", "Models"):
        assert later.pop(kept) - before.pop(kept) < 3 * len(CELLS) / 2
    assert later == before

    caller.create()
    notebook.count("monitor.view()", "6")
    notebook.run("monitor.stop()")
    after = notebook.census()
    assert (after["threads"], after["Subscription"]) == ([], 0)
