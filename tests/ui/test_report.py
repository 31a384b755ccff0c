"""A saved report in a browser that has no network: on a screen, on a phone and on paper."""

import json

import pytest

from kato_panel import Report, open_history
from kato_panel.domain.recorded import AlertEntry, Figure
from tests.history.making import alert, at
from tests.report_rig import keep, two_hours
from tests.ui.conftest import see_it_fit
from tests.ui.hostile import PAYLOADS

A4_WIDTH = 794
"""Pixels of CSS."""


class Reader:
    """Somebody who opens a file, and what the file asked for or complained of."""

    def __init__(self, context):
        self.page = context.new_page()
        self.asked, self.complaints = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))

    def open(self, path):
        self.page.goto(path.as_uri())
        assert self.asked == [path.as_uri()]
        return self.page


@pytest.fixture
def reader(context):
    context.set_offline(True)
    reader = Reader(context)
    yield reader
    assert reader.complaints == []
    assert len(reader.asked) == 1


@pytest.fixture
def saved(tmp_path):
    with open_history(keep(tmp_path / "h.db", *two_hours())) as opened:
        report = Report(opened)
        report.save(tmp_path / "r.html")
        yield report, tmp_path / "r.html"


def test_saved_report_asks_for_nothing_and_shows_the_figures(reader, saved):
    """Those of the frames, as numbers that are written for people."""
    report, path = saved
    page = reader.open(path)
    tiles = dict(
        zip(
            page.locator(".tile .name").all_text_contents(),
            page.locator(".tile .value").all_text_contents(),
            strict=True,
        )
    )
    told = {row["figure"]: row["value"] for row in
            json.loads(report.to_json())["tables"]["summary"]["rows"]}  # fmt: skip
    assert tiles["Created"] == str(told["created_sessions"])
    assert tiles["Ended"] == str(told["ended_sessions"])
    assert page.locator("svg.plot").count() == 4
    for plot in page.locator("svg.plot").all():
        assert plot.bounding_box()["width"] > 200
    page.locator("summary").first.click()
    assert page.locator("details[open] tbody tr").count() == len(
        report.figures.tables["count"].rows
    )


@pytest.mark.parametrize("width", [390, A4_WIDTH, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_window(reader, saved, width, scheme):
    """Tables that are wider scroll by themselves."""
    reader.page.set_viewport_size({"width": width, "height": 800})
    reader.page.emulate_media(color_scheme=scheme)
    page = reader.open(saved[1])
    see_it_fit(page, width)
    grounds = page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 28, 37)"}[scheme]


def test_it_prints_on_a4(reader, saved):
    """Light, whole, with nothing cut off at the side."""
    reader.page.set_viewport_size({"width": A4_WIDTH - 98, "height": 1_000})
    reader.page.emulate_media(media="print", color_scheme="dark")
    page = reader.open(saved[1])
    too_wide = page.evaluate(
        "[...document.querySelectorAll('table')]"
        ".filter((one) => one.scrollWidth > one.parentElement.clientWidth + 1).length"
    )
    assert too_wide == 0
    see_it_fit(page, A4_WIDTH - 98)
    made = page.evaluate("getComputedStyle(document.querySelector('.made .value')).color")
    assert made == "rgb(0, 122, 88)"
    printed = page.pdf(prefer_css_page_size=True)
    assert b"/MediaBox [0 0 594" in printed or b"/MediaBox [0 0 595" in printed


def test_hostile_names_stay_texts(reader, tmp_path):
    """Of nodes, containers, rules and people, in the document and in a part of another page."""
    items = [*two_hours(names=PAYLOADS[:5], subject=PAYLOADS[0])]
    for number, text in enumerate(PAYLOADS):
        fired = alert(1_000 + number, ended=2_000, subject=text, reason=text)
        items += [AlertEntry(fired, at(1_500), text)]
        items += [Figure(at(1_000), "container_cpu_percent", text, 1.0)]
    path = tmp_path / "r.html"
    with open_history(keep(tmp_path / "h.db", *items)) as opened:
        report = Report(opened)
        report.save(path)
        part = report.to_html()
    assert part.count("onerror") > len(PAYLOADS)
    page = reader.open(path)
    assert page.evaluate("window.__x") is None
    # A part has no policy of its own: only the escaping is left.
    other = tmp_path / "other.html"
    other.write_text(f"<!doctype html><meta charset=utf-8><body>{part}", encoding="utf-8")
    reader.asked.clear()
    page = reader.open(other)
    assert page.locator(".kato-doc tr").count() > len(PAYLOADS)
    page.locator("h1").click()
    assert page.evaluate("window.__x") is None
    assert page.locator(".kato-doc img, .kato-doc script, .kato-doc iframe").count() == 0


def test_menu_gives_files_of_the_range_in_view(serve, watched):
    """By links that follow the chart; without a history it says why there are none."""
    page = watched.open(serve().url).page
    page.get_by_role("button", name="24 h", exact=True).click()
    page.locator(".plot canvas").first.wait_for()  # what is moved into the page closes menus
    page.get_by_role("button", name="Export", exact=True).click()
    menu = page.get_by_role("dialog", name="Export")
    assert "the last 24 hours" in menu.inner_text()
    link = menu.get_by_role("link", name="counts as JSON")
    assert link.get_attribute("href") == "api/v1/export/counts?format=json&since=24h"
    with page.expect_download() as saved:
        link.click()
    assert saved.value.suggested_filename == "kato-counts-demo.json"
    rows = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert {"time", "active"} == {*rows[0]}
    page.goto(serve(KATO_PANEL_HISTORY_URL="off").url)
    page.locator(".plot canvas").first.wait_for()
    page.get_by_role("button", name="Export", exact=True).click()
    assert "No history is kept here" in menu.inner_text()
    assert menu.get_by_role("link").count() == 0
    assert watched.complaints == []
