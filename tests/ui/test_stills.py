"""Every saved view, and a converted notebook, in one browser that has no network."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import kato_panel
from kato_panel import ChurnView, Monitor, Report, open_history
from tests.report_rig import keep, two_hours
from tests.ui.conftest import see_it_fit
from tests.ui.test_report import A4_WIDTH, Reader
from tests.views.test_stills import VIEWS

ROOT = Path(__file__).parents[2]
PAPER_WIDTH = A4_WIDTH - 98
"""Without the margins."""
COMMAND = re.compile(r"^jupyter (nbconvert .*) notebooks/04_report.ipynb$", re.MULTILINE)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Each view of a demo or of two hours of lives, by name."""
    folder = tmp_path_factory.mktemp("saved")
    path = keep(folder / "h.db", *two_hours())
    with open_history(path) as opened, Monitor() as monitor:
        assert monitor.wait()
        for name in VIEWS:
            view = getattr(kato_panel, name)
            given = {"since": "all", "by": "node"} if issubclass(view, ChurnView) else {}
            view(opened if given else monitor, **given).save(folder / f"{name}.html")
        Report(opened).save(folder / "Report.html")
    return folder


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The notebook of reports, by the command that the documents name."""
    folder = tmp_path_factory.mktemp("converted")
    words = shlex.split(COMMAND.search((ROOT / "docs" / "reports.md").read_text("utf-8"))[1])
    command = [sys.executable, "-m", "jupyter", *words, "--output-dir", str(folder)]
    subprocess.run(
        [*command, str(ROOT / "notebooks" / "04_report.ipynb")],
        check=True,
        capture_output=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        timeout=120,
    )
    return folder / "04_report.html"


@pytest.fixture(scope="module")
def context(chromium):
    """Without a network, for all of the module."""
    context = chromium.new_context(offline=True)
    context.set_default_timeout(30_000)
    yield context
    context.close()


def look(context, path):
    """Open a file on a phone and on paper; nothing is asked for, said, or cut off."""
    reader = Reader(context)
    page = reader.page
    page.set_viewport_size({"width": 390, "height": 844})
    reader.open(path)
    see_it_fit(page, 390)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER_WIDTH, "height": 1_000})
    see_it_fit(page, PAPER_WIDTH)
    too_wide = page.evaluate(
        "[...document.querySelectorAll('.kato-doc table')]"
        ".filter((one) => one.checkVisibility())"
        ".filter((one) => one.scrollWidth > one.parentElement.clientWidth + 1).length"
    )
    assert too_wide == 0
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    assert (reader.asked, reader.complaints) == ([path.as_uri()], [])
    return page


@pytest.mark.parametrize("name", [*VIEWS, "Report"])
def test_saved_view_is_right_offline_on_a_phone_and_on_paper(context, saved, name):
    """Without a request, and without a word in the console."""
    page = look(context, saved / f"{name}.html")
    assert page.locator("h1").text_content() == "KATO sessions"
    assert page.locator(".tile, .card").count() > 0
    page.close()


def test_converted_notebook_is_right_offline(context, converted):
    """With the report, a live view and churn in it, each as it is alone."""
    page = look(context, converted)
    assert page.locator(".kato-doc").count() == 3
    item = page.locator(".kato-doc td.text").first
    assert item.evaluate("one => getComputedStyle(one).textAlign") == "left"
    page.close()


def test_check_sees_what_it_looks_for(chromium, tmp_path):
    """A request, a word in the console, a page that is too wide: each fails it."""
    impatient = chromium.new_context(offline=True)
    impatient.set_default_timeout(1_000)
    for body in (
        "<img src='http://kato.example/x.png'>",
        "<script>console.warn('x')</script>",
        "<p style='width: 900px'>wide</p>",
    ):
        (tmp_path / "bad.html").write_text(f"<!doctype html><body>{body}", encoding="utf-8")
        with pytest.raises(AssertionError):
            look(impatient, tmp_path / "bad.html")
    impatient.close()
