"""What tests share: clocks, sizes, and the table of the full-size checks."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser, sync_playwright

from kato_panel.domain.events import Moment

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
IS_PROOF = os.environ.get("KATO_PANEL_TEST_SIZE", "short") == "full"
TABLE = Path(__file__).parents[1] / "docs" / "reliability.md"

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]

hypothesis_settings.register_profile("project", deadline=None, derandomize=True)
hypothesis_settings.load_profile("project")


def moment(seconds: float) -> Moment:
    """Both clocks, so many seconds after noon."""
    return Moment(NOON + timedelta(seconds=seconds), 1000.0 + seconds)


@dataclass
class ManualClock:
    """A clock that a test moves."""

    seconds: float = 0.0

    def __call__(self) -> Moment:
        return moment(self.seconds)


@dataclass
class Size:
    """How large a long check is run, and where its result goes."""

    command: str
    rows: list[str] = field(default_factory=list)

    def n(self, short: int, full: int) -> int:
        """Choose the number of trials."""
        return full if IS_PROOF else short

    def record(self, what: str, *, seed: str, n: int, result: str) -> None:
        """Note a result for the table."""
        self.rows.append(f"| {what} | `{self.command}` | {seed} | {n} | {result} |")


TABLE_MARK = "<!-- table -->"
ROWS: list[str] = []


@pytest.fixture
def size(request: pytest.FixtureRequest) -> Iterator[Size]:
    """The size of this run; its results are printed at the end, and kept after a full one."""
    node = request.node.nodeid.partition("[")[0]
    size = Size(f"pytest {node}")
    yield size
    ROWS.extend(size.rows)


@pytest.fixture(scope="session", autouse=True)
def keep_out_of_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test leaves a history in the user's home, nor finds one of another test there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("KATO_PANEL_HISTORY_URL", "sqlite://")
        yield


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """
    Debian's chromium, found and never downloaded.

    One for each module: Playwright keeps an event loop running in the main thread, which modules
    with asynchronous tests could not share.
    """
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert path, "the browser tests need Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that open pages first: they take longest, and nothing should wait for one."""
    items.sort(key=lambda item: "ui" not in item.path.parts)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the rows of a worker to the process that prints them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["rows"] = ROWS


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the rows of a worker."""
    ROWS.extend(getattr(node, "workeroutput", {}).get("rows", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of the long checks."""
    if ROWS:
        terminalreporter.section("long checks, at " + ("full" if IS_PROOF else "short") + " size")
        for row in ROWS:
            terminalreporter.write_line(row)
    if ROWS and IS_PROOF and not terminalreporter.stats.get("failed"):
        head, _, known = TABLE.read_text(encoding="utf-8").partition(TABLE_MARK)
        rows = {_row_key(row): row for row in (*known.splitlines()[3:], *ROWS)}
        lines = [TABLE_MARK, "| what | command | seed | n | result |", "|---|---|---|---|---|"]
        TABLE.write_text(head + "\n".join([*lines, *rows.values()]) + "\n", encoding="utf-8")


def _row_key(row: str) -> str:
    """Name the check that a row of the table is about."""
    return row.split("|")[2] + row.split("|")[1].split(":", maxsplit=1)[0]
