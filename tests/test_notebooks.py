"""The notebooks: stored without outputs, and each cell runs in a real kernel."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONGEST_LINE = 100
CELL_SECONDS = 30
UNTIL_SOMETHING_HAPPENED = """\
import asyncio

known = asyncio.Event()


def look(*_):
    if monitor.event_log.events and monitor.chart.series:
        known.set()


monitor.models.param.watch(look, "revision")
look()
async with asyncio.timeout(20):
    await known.wait()
"""
ALL_IS_OVER = """\
import threading

[thread.name for thread in threading.enumerate() if thread.name.startswith("kato")]
"""


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def path(request):
    return request.param


def test_stored_without_outputs(path):
    """Nor with counts or a machine's own words: a change shows what was changed."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    for cell in stored["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert stored["metadata"] == {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }


def test_readable_as_text(path):
    """Cells are named, code lines are short, and the file is as nbformat writes it."""
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    assert nbformat.writes(notebook) + "\n" == text
    names = [cell.id for cell in notebook.cells]
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names), names
    lines = [line for c in notebook.cells if c.cell_type == "code" for line in c.source.split("\n")]
    assert max(map(len, lines)) <= LONGEST_LINE


def run(name, tmp_path, monkeypatch, **before):
    """Execute a notebook on the demo, with a cell put before some; return outputs by cell."""
    monkeypatch.delenv("KATO_API_URL", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    for cell in [*notebook.cells]:
        if cell.id in before:
            at = notebook.cells.index(cell)
            notebook.cells.insert(at, new_code_cell(before[cell.id]))
    over = new_code_cell(ALL_IS_OVER, id="over")
    notebook.cells.append(over)
    NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3").execute()
    return {
        cell.id: [output.get("data", output) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


def test_live_notebook_runs_on_the_demo(tmp_path, monkeypatch):
    """Each cell shows what its text promises, and the last one ends all."""
    shown = run("01_live.ipynb", tmp_path, monkeypatch, events=UNTIL_SOMETHING_HAPPENED)
    assert shown["connect"][-1]["text/plain"] == "True"
    assert re.search(r"active sessions</th>.*<td>1\d\d</td>", shown["monitor"][-1]["text/html"])
    for name in ("view", "cards", "bind", "watch", "chart"):
        assert "data-root-id" in shown[name][-1]["text/html"], name
    assert re.search(r"active_count\W+1\d\d\b", shown["view"][-1]["text/html"])
    assert re.search(r"session_(created|destroyed)", shown["events"][-1]["text/plain"])
    assert re.search(r"\+00:00 +1\d\d\b", shown["counts"][-1]["text/plain"])
    assert shown["over"][-1]["text/plain"] == "[]"


def test_report_notebook_runs_on_the_demo(tmp_path, monkeypatch):
    """It shows a report that runs nothing, and writes what it says."""
    shown = run("04_report.ipynb", tmp_path, monkeypatch, report=UNTIL_SOMETHING_HAPPENED)
    report = shown["report"][-1]["text/html"]
    assert "demo data" in report
    assert "<script" not in report
    assert 10_000 < int(shown["save"][-1]["text/plain"]) < 5_000_000
    assert shown["figures"][-1]["text/plain"].startswith("(")
    assert shown["still"][-1]["text/plain"] == "['now.html', 'report.html']"
    assert shown["rows"][-1]["text/plain"] == "['active']"
    assert shown["over"][-1]["text/plain"] == "[]"
