"""The README: each command it shows is covered by something that runs."""

import asyncio
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from click.testing import CliRunner

from kato_panel import cli, messages
from kato_panel.config import load
from kato_panel.domain.event_query import EventQuery
from kato_panel.domain.listing import Query
from kato_panel.errors import QueryError
from kato_panel.runtime import Runtime
from kato_panel.server.api import UnknownRequest, routes
from kato_panel.server.metrics import Exposition
from kato_panel.simulator import control
from kato_panel.simulator.__main__ import main as simulate
from tests.conftest import NOON
from tests.feed_rig import created, serving

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands():
    """Command lines, without comments."""
    lines = "".join(blocks("sh")).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def runs_target(target):
    """A target of the Makefile, which CI or a user's `make` runs."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make has no target {target}"


def runs_subcommand(name):
    """A command of ours that tells what it does."""
    told = CliRunner().invoke(cli.main, [name, "--help"])
    assert told.exit_code == 0, told.output


def runs_in_test(module, function):
    """A command that a test starts."""
    text = (ROOT / "tests" / module).read_text(encoding="utf-8")
    assert f"def {function}(" in text, f"{module} has no {function}"


def asks_route(path):
    """A path that one of our routes answers."""
    known = [
        route[0] for route in routes(Runtime(load({}))) if not issubclass(route[1], UnknownRequest)
    ]
    assert any(re.fullmatch(pattern, path) for pattern in known), f"{path} is no route"


def asks_list(query):
    """A question that the list of sessions understands."""
    asks_route("/api/v1/sessions")
    Query.read(dict(parse_qsl(query)))


def asks_events(query):
    """A question that the recorded events understand."""
    asks_route("/api/v1/events")
    EventQuery.read(dict(parse_qsl(query)), NOON)


def asks_simulator(path):
    """A path that the simulator's control routes answer."""
    assert any(re.fullmatch(route[0], path) for route in control.ROUTES), f"{path} is no route"


def runs_simulator(*options):
    """A simulator whose options exist."""
    known = {name for option in simulate.params for name in option.opts}
    assert set(options) <= known, f"{set(options) - known} are no options"


COVERED_BY: dict[str, Callable[[], None]] = {
    "make run": partial(runs_target, "run"),
    "make test": partial(runs_target, "test"),
    "PORT=5007 make run": partial(runs_target, "run"),
    "KATO_API_URL=http://127.0.0.1:8000 make run": partial(runs_target, "run"),
    "KATO_API_URL=http://127.0.0.1:8000 REDIS_URL=redis://127.0.0.1:6379/0 make run": partial(
        runs_target, "run"
    ),
    "make lab": partial(runs_target, "lab"),
    ".venv/bin/panel serve notebooks/01_live.ipynb": partial(
        runs_in_test, "ui/test_served_notebook.py", "test_each_visit_of_the_served_notebook_is_live"
    ),
    ".venv/bin/kato-panel serve": partial(runs_subcommand, "serve"),
    ".venv/bin/kato-panel demo": partial(runs_subcommand, "demo"),
    ".venv/bin/kato-panel rules test rules.toml --since 7d": partial(
        runs_in_test, "test_backtesting.py", "test_command_lists_alerts_and_sums_them_up"
    ),
    ".venv/bin/panel serve app.py --plugins kato_panel.server": partial(
        runs_in_test, "server/test_service.py", "test_panel_serve_works_too"
    ),
    ".venv/bin/panel serve app.py": partial(
        runs_in_test, "server/test_service.py", "test_panel_serve_works_too"
    ),
    "curl http://127.0.0.1:5006/healthz": partial(asks_route, "/healthz"),
    ".venv/bin/kato-panel check": partial(runs_subcommand, "check"),
    ".venv/bin/kato-panel replay history.db --speed 60 --from 2h": partial(
        runs_in_test, "ui/test_replay.py", "service"
    ),
    ".venv/bin/kato-panel report --since 24h -o report.html": partial(
        runs_in_test, "test_report.py", "test_command_reads_the_history_that_the_service_keeps"
    ),
    ".venv/bin/kato-panel export --format csv --since 7d -o exported sessions events counts": (
        partial(runs_in_test, "test_export.py", "test_several_kinds_take_a_folder")
    ),
    "curl http://127.0.0.1:5006/readyz": partial(asks_route, "/readyz"),
    "curl http://127.0.0.1:5006/metrics": partial(asks_route, "/metrics"),
    "curl http://127.0.0.1:5006/api/v1/openapi.json": partial(asks_route, "/api/v1/openapi.json"),
    "curl 'http://127.0.0.1:5006/api/v1/events?since=1h&type=session_destroyed&limit=50'": partial(
        asks_events, "since=1h&type=session_destroyed&limit=50"
    ),
    "curl -o events.csv 'http://127.0.0.1:5006/api/v1/events?since=1d&format=csv'": partial(
        asks_events, "since=1d&format=csv"
    ),
    "curl http://127.0.0.1:5006/api/v1/sessions/count": partial(
        asks_route, "/api/v1/sessions/count"
    ),
    "curl 'http://127.0.0.1:5006/api/v1/sessions?search=triage&sort=expires&order=asc&limit=20'": (
        partial(asks_list, "search=triage&sort=expires&order=asc&limit=20")
    ),
    ".venv/bin/python -m kato_panel.simulator"
    " --port 8000 --workers 4 --seed 1 --rate 2 --initial 120": partial(
        runs_simulator, "--port", "--workers", "--seed", "--rate", "--initial"
    ),
    "curl http://127.0.0.1:8000/_simulator/truth": partial(asks_simulator, "/_simulator/truth"),
}


@pytest.mark.parametrize("command", commands())
def test_each_command_is_covered(command):
    """One that nothing runs would rot unseen: add it to the table, with what runs it."""
    assert command in COVERED_BY, f"nothing is known to run: {command}"
    COVERED_BY[command]()


def test_table_holds_no_command_that_the_readme_lost():
    """What is covered is shown."""
    assert set(COVERED_BY) == set(commands())


@pytest.mark.parametrize(
    "check",
    [
        partial(runs_target, "tea"),
        partial(runs_subcommand, "brew"),
        partial(runs_in_test, "test_readme.py", "test_nothing"),
        partial(asks_route, "/api/v1/tea"),
        partial(asks_list, "tea=green"),
        partial(asks_events, "since=tea"),
        partial(asks_simulator, "/_simulator/tea"),
        partial(runs_simulator, "--tea"),
    ],
)
def test_checks_can_fail(check):
    """Each of them refuses what does not exist."""
    with pytest.raises((AssertionError, QueryError)):
        check()


def test_example_answer_has_the_fields_of_the_count():
    """No more and no fewer."""
    (example,) = map(json.loads, blocks("json"))
    assert list(example) == list(messages.SessionCount.model_fields)
    messages.SessionCount.model_validate(example)


def test_each_option_of_the_simulator_is_told():
    """With its default, in the table."""
    rows = [line for line in README.splitlines() if line.startswith("| `--")]
    told = {name for row in rows for name in re.findall(r"--[a-z]+", row)}
    known = {name: option for option in simulate.params for name in option.opts}
    assert told == set(known)
    for row in rows:
        defaults = [known[name].default for name in re.findall(r"--[a-z]+", row)]
        written = ", ".join(
            str(d).removesuffix(".0") for d in defaults if isinstance(d, str | int | float)
        )
        assert row.split("|")[2].strip() == (written or "none"), row


def test_every_figure_is_told():
    """Each that Prometheus may see, under its whole name, and no other."""
    told = {name for line in README.splitlines() if line.startswith("| `kato_panel_")
            for name in re.findall(r"`(kato_panel_\w+)", line.split("|")[1])}  # fmt: skip
    exposition = Exposition(
        Runtime(load({})), count_visits=lambda: None, feed=None, server_lag=Mute()
    )
    known = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in exposition.collect()
    }
    assert told == known


class Mute:
    """A loop of which nothing is known."""

    def ask(self):
        return None


def test_python_of_the_readme_runs(monkeypatch):
    """As it stands there, on the demo; the others have tests of their own."""
    monkeypatch.delenv("KATO_API_URL", raising=False)
    code, *_ = blocks("python")
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["monitor"].summary.active > 0
    assert not names["monitor"].is_running


async def test_program_of_the_readme_follows_a_service():
    """As it stands there, at another address, until it has told of a session."""
    (code,) = [block for block in blocks("python") if "asyncio" in block]
    async with serving() as rig:
        joined, join = asyncio.Event(), rig.feed.join
        rig.feed.join = lambda *given: (join(*given), joined.set())
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            "-uc",
            code.replace("http://127.0.0.1:5006", rig.url),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(20):
                await joined.wait()
                rig.tell(created(1))
                line = await program.stdout.readline()
        finally:
            program.kill()
            await program.communicate()
    assert line.decode().startswith("session_created ['session-00")
