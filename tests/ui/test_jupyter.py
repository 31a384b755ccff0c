"""The notebooks in a real JupyterLab, run by clicks; nothing may leave this machine."""

import ast
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tests.ports import free_port

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
OUTSIDE = re.compile(r"^(?!(https?|wss?)://127\.0\.0\.1:)(?!blob:|data:)")
END_SECONDS = 60
PATIENCE_MS = 40_000
"""A kernel that starts and collects garbage takes its time on a machine that is busy."""
WEEK_MS = 45_000
"""And the demo's week takes 5 s of a processor; after 60 s a view would ask anew by itself."""
ALL_IN_SIGHT = {"width": 1280, "height": 4000}
"""Cards follow only while they are shown."""
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
ALL_THERE = {"windowingMode": "none"}
"""Or it would take out of the page, or leave undrawn, what is far from sight."""
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
json.dumps(found)
"""


class Lab:
    """``jupyter lab`` in a process of its own, with all it keeps in one folder."""

    def __init__(self, folder):
        config, notebooks = folder / "config", folder / "notebooks"
        notebooks.mkdir()
        chosen = config / "lab" / "user-settings" / "@jupyterlab"
        for name, values in (
            ("apputils-extension/notification", NO_NEWS),
            ("notebook-extension/tracker", ALL_THERE),
        ):
            path = chosen / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(values))
        (config / "jupyter_server_config.json").write_text(json.dumps(OFFLINE))
        self._notebooks, self._opened = notebooks, 0
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/lab"
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
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        told = []
        while "is running at" not in (line := self._process.stderr.readline()):
            told.append(line)
            assert line, "".join(told)
        # Whatever it goes on to say is read, or it would stand still in the end.
        self._reading = threading.Thread(target=self._process.stderr.read)
        self._reading.start()

    def keep(self, name, *, before="", after=""):
        """Keep a copy of a notebook, with code before and a cell after; return its address."""
        stored = nbformat.read(NOTEBOOKS / name, as_version=4)
        first = next(cell for cell in stored.cells if cell.cell_type == "code")
        first.source = f"{before}{first.source}"
        stored.cells += [new_code_cell(after)] if after else []
        self._opened += 1
        copy = f"{self._opened}_{name}"
        nbformat.write(stored, self._notebooks / copy)
        # A workspace of its own, or it would show what was open in the one before.
        return f"{self._url}/workspaces/{self._opened}/tree/{copy}"

    def end(self):
        """Send TERM; it ends its kernels."""
        self._process.terminate()
        self._process.wait(END_SECONDS)
        self._reading.join(END_SECONDS)
        self._process.stderr.close()


class Notebook:
    """The notebook in its page."""

    def __init__(self, watched, url, sight=ALL_IN_SIGHT):
        self.watched, self.page = watched, watched.page
        self.page.on("websocket", lambda opened: watched.requests.append(opened.url))
        self.page.context.route(OUTSIDE, lambda route: route.abort())
        self.page.set_viewport_size(sight)
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.goto(url)
        idle = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
        self.page.locator(idle).wait_for(state="attached")
        # It also says so while there is no kernel yet; the bar at the bottom knows.
        self.page.get_by_text(re.compile(r"\(ipykernel\) \| Idle")).first.wait_for()

    def cell(self, code):
        """Find the first cell with this code."""
        return self.page.locator(".jp-Notebook .jp-CodeCell", has_text=code).first

    def run_all(self):
        """Run all cells, by the menu."""
        self._choose("Run All Cells")

    def run_above(self, code):
        """Run all cells above this one, by the menu."""
        self.cell(code).locator(".jp-InputArea-editor").click()
        self._choose("Run All Above Selected Cell")

    def _choose(self, words):
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name=words, exact=True).click()
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
        result = self.run("Out.clear()").last.inner_text()
        return json.loads(ast.literal_eval(result))

    def check_quiet(self):
        """Nothing was asked of anybody else, nor complained about."""
        assert [url for url in self.watched.requests if OUTSIDE.search(url)] == []
        assert self.watched.complaints == []
        assert self.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.end()


@pytest.fixture
def notebook(lab, simulator, watched):
    """Give the live notebook, watching the simulator; one more cell takes a census."""
    upstream = f"import os\nos.environ['KATO_API_URL'] = '{simulator.url}'\n"
    return Notebook(watched, lab.keep("01_live.ipynb", before=upstream, after=CENSUS))


def test_notebook_runs_by_clicks_and_a_pushed_value_changes_the_page(notebook, caller):
    """And nothing is asked of anybody else, nor complained about."""
    notebook.run_above("monitor.stop()")
    notebook.count("monitor.view()", "5")
    notebook.cell("plot.step").locator(".bk-Figure").wait_for(state="attached")
    last_change = notebook.cell("last_change =").locator(".jp-OutputArea-output")
    last_change.get_by_text("no change").wait_for()

    caller.create()
    notebook.count("monitor.view()", "6")
    last_change.get_by_text("5 → 6 sessions").wait_for()
    notebook.count("SessionCount(monitor)", "6")
    notebook.check_quiet()


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
    # Panel keeps what is replaced before its page has connected to it; that follows nothing.
    may_stay = {kept: before.pop(kept) for kept in ("Document", "LiveBoard", "Models")}
    for _ in range(50):  # the page says a moment later that it has let go of what was replaced
        later = notebook.census()
        stayed = {kept: later.pop(kept) - number for kept, number in may_stay.items()}
        if later == before:
            break
    assert later == before
    assert max(stayed.values()) < 3 * len(CELLS) / 2

    caller.create()
    notebook.count("monitor.view()", "6")
    notebook.run("monitor.stop()")
    after = notebook.census()
    assert (after["threads"], after["Subscription"]) == ([], 0)


def test_churn_notebook_runs_by_clicks(lab, watched):
    """Curves, cohorts and rates are drawn, and the view answers what is asked of it there."""
    notebook = Notebook(watched, lab.keep("02_churn.ipynb"), {"width": 1280, "height": 12_000})
    notebook.page.set_default_timeout(WEEK_MS)
    notebook.run_all()
    notebook.cell("alerts[[").get_by_text("create_burst").wait_for()
    for code in ("SurvivalChart(found)", "SurvivalChart(pair)", "RateChart(found)"):
        notebook.cell(code).locator(".bk-Figure").first.wait_for(state="attached")
    notebook.cell("CohortTable(found)").get_by_role("columnheader").first.wait_for()
    notebook.cell("tell(exponential)").get_by_text(
        re.compile(r"biased by -4\d.* \d+ sessions are still open")
    ).wait_for()
    view = notebook.cell("ChurnView(history")
    view.get_by_role("rowheader", name="vision-a").wait_for()
    view.get_by_role("button", name="Reason", exact=True).click()
    view.get_by_role("rowheader", name="expired").first.wait_for()
    notebook.check_quiet()
