"""The notebooks: stored without outputs, and each cell runs in a real kernel."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from kato_panel import churn, open_history
from kato_panel.domain.recorded import Figure, Sample
from tests.history.making import at
from tests.history.making import open_history as open_recording
from tests.week import NODES, lives_until, watch

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONGEST_LINE = 100
CELL_SECONDS = 90
"""The demo's week takes 5 s of a processor, which may have other things to do."""
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


def numbers(text):
    """All numbers that a sentence tells, in their order."""
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_churn_notebook_answers_on_the_demo_week(tmp_path, monkeypatch):
    """What its texts say of each figure is what the cell below or above shows."""
    shown = run("02_churn.ipynb", tmp_path, monkeypatch)
    text = {name: outputs[-1].get("text/plain", "") for name, outputs in shown.items() if outputs}
    for name in ("curve", "view", "pair", "cohorts", "chart"):
        assert "data-root-id" in shown[name][-1]["text/html"], name

    # Of lifetimes that are exponential with a mean of 900 s, half reach 900 s times ln 2.
    median, low, high, mean, bias, still_open = numbers(text["tell"])
    assert low < 624 < high
    assert low < median < high
    assert mean < 500
    assert bias < -40
    assert "is biased by -" in text["tell"]
    assert 100 < still_open < 400
    assert text["tell"].endswith(f"{still_open:.0f} sessions are still open.'")
    assert "naive_mean_bias_percent" in shown["exponential"][-1]["text/html"]

    before, after = (numbers(line) for line in text["fresh"].splitlines())
    assert after[3] < before[3] / 2  # the plain means
    assert after[1] < before[0] < after[2]  # the medians

    medians = dict(re.findall(r"(vision-[ab])(?: +\d+){3} +([\d.]+)", text["nodes"]))
    assert float(medians["vision-a"]) > 1.5 * float(medians["vision-b"])
    assert float(re.search(r"p_value=([\d.e-]+)", text["test"])[1]) < 1e-9
    expired = re.search(r"eval-9 +[\d.]+ +([\d.]+)", text["expired"])
    assert 0.5 < float(expired[1]) < 0.6
    assert "2026-03-01 14:00:00+00:00" in text["rates"].splitlines()[2]
    for name, in_it, usual in re.findall(r"([\w-]+) +(0\.\d+) +(0\.\d+)", text["own"]):
        assert float(in_it) == pytest.approx(float(usual), abs=0.02), name
    assert "create_burst" in text["alerts"]


def test_own_notebook_runs_on_the_demo_and_says_what_is_not_known(tmp_path, monkeypatch):
    """Rates with their bounds; no lifetimes, and why; the last cell ends all."""
    shown = run("03_your_kato.ipynb", tmp_path, monkeypatch)
    assert "embedded simulator" in shown["upstream"][-1]["text/plain"]
    assert "data-root-id" in shown["view"][-1]["text/html"]
    assert "arrivals_high_per_minute" in shown["rates"][-1]["text/html"]
    assert "lower bounds" in shown["ask"][-1]["text/html"]
    for name in ("lifetimes", "naive", "nodes", "test", "cohorts", "reasons"):
        assert "which takes REDIS_URL" in shown[name][-1]["text/plain"], name
    assert shown["over"][-1]["text/plain"] == "[]"


def test_own_notebook_answers_from_the_file_of_a_service(tmp_path, monkeypatch):
    """With the figures of that file."""
    path, now = tmp_path / "history.db", datetime.now(UTC)
    watch(path, lives_until(now), now)
    with open_history(path) as opened:
        found = churn(opened)
    shown = run("03_your_kato.ipynb", tmp_path, monkeypatch, history=f"FILE = {str(path)!r}")
    assert shown["ask"][-1]["text/plain"] == repr(found)
    assert shown["naive"][-1]["text/plain"] == repr(found.naive)
    assert shown["test"][-1]["text/plain"] == repr(found.groups.log_rank)
    for name in NODES:
        assert name in shown["nodes"][-1]["text/plain"]
        assert name in shown["own"][-1]["text/plain"]
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
    for part in ("part", "churn"):
        assert "kato-doc" in shown[part][-1]["text/html"]
        assert "<script" not in shown[part][-1]["text/html"]
    assert shown["rows"][-1]["text/plain"] == "['active']"
    assert shown["over"][-1]["text/plain"] == "[]"


def test_rule_notebook_finds_a_rule_on_the_demo_week(tmp_path, monkeypatch):
    """One that tells of the burst alone; saved, checked, and tried on the file of a service."""
    path = tmp_path / "history.db"
    history = open_recording(path)
    for step in range(9):
        figure = "sessions_created_per_minute", "", 30.0 if 2 <= step < 7 else 5.0
        history.record([Figure(at(15 * step), *figure), Sample(at(15 * step), 7)])
    assert history.flush()
    history.close()
    shown = run("05_alert_rules.ipynb", tmp_path, monkeypatch, test=f"FILE = {str(path)!r}")
    text = {name: outputs[-1].get("text/plain", "") for name, outputs in shown.items() if outputs}
    assert "2026-03-01 14:00:00+00:00" in text["question"].splitlines()[2]
    assert "create_burst" in text["episodes"]
    assert numbers(text["day"])[0] > 20
    for name in ("try", "late"):
        assert [numbers(line)[0] for line in text[name].splitlines()[2:]] == [8, 10, 12, 14, 20, 30]
    first, *_, last = (numbers(line)[1:] for line in text["try"].splitlines()[2:])
    assert (first[0] > 20, first == sorted(first, reverse=True), last) == (True, True, [0] * 4)
    assert "NaN" in text["late"].splitlines()[-1]
    assert "data-root-id" in shown["chart"][-1]["text/html"]
    threshold, hold, false, late = (line.split()[-1] for line in text["choose"].splitlines()[:4])
    assert (threshold, hold, float(false), float(late)) == ("14", "0s", 0, 2)
    checked, tested = (shown[name][-1]["text"] for name in ("save", "test"))
    assert "create_burst: sessions_created_per_minute > 14, warning" in checked
    assert "create_burst  —        2026-11-22 12:00:30  2026-11-22 12:00:30" in tested
    assert "create_burst 1 (" in tested
    assert shown["over"][-1]["text/plain"] == "[]"
