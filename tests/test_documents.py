"""What the documents say, held against the code."""

import json
import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import get_args

import pytest
import yaml

from kato_panel import composing, config, messages, wire
from kato_panel.bodies import Ready
from kato_panel.domain.actions import Outcome, Result, check_ids
from kato_panel.domain.detail import Detail, Mark, Reading
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.listing import Page, Row
from kato_panel.domain.snapshot import SessionSnapshot
from tests.asking import asking, still_runtime
from tests.conftest import moment

ROOT = Path(__file__).parents[1]
DOCS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEST_SETTINGS = {"KATO_PANEL_TEST_SIZE"}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(params=DOCS, ids=name_of)
def document(request):
    return request.param


def test_environment_of_conda_follows_pyproject():
    """The same names with the same bounds; on conda-forge two of them are called otherwise."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python = f"python{PROJECT['requires-python']}"
    listed = [re.sub("^(docker|redis)>", r"\1-py>", name) for name in PROJECT["dependencies"]]
    assert sorted(environment["dependencies"]) == sorted([python, *listed])
    assert environment["name"] == PROJECT["name"]
    assert environment["channels"] == ["conda-forge"]


def test_links_to_files_resolve(document):
    """Pictures aside, which `make screenshots` makes."""
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", text):
        if "://" not in target:
            path = document.parent / target.partition("#")[0]
            assert path.exists(), f"{name_of(document)} links to {target}"


def test_named_modules_exist(document):
    """A path in backticks is one of this project, or of the package."""
    text = document.read_text(encoding="utf-8")
    for path in re.findall(r"`([\w/]+(?:\.(?:py|js|css|md)|/))`", text):
        places = (ROOT / path, ROOT / "kato_panel" / path)
        assert any(place.exists() for place in places), f"{name_of(document)} names {path}"


def test_named_settings_exist(document):
    """Nobody is told to set what nobody reads."""
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:KATO_PANEL|WEBSOCKET)_[A-Z_]+[A-Z]\b", text))
    files = {name + config.FILE_SUFFIX for name in config.SECRETS}
    assert named <= {*config.names(), *files, *TEST_SETTINGS}


def test_table_of_reliability_has_its_place():
    """A full run writes below this line."""
    lines = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").splitlines()
    assert lines.count("<!-- table -->") == 1


def test_hooks_run_what_lint_runs():
    """And are local: a commit downloads nothing."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = hooks["repos"]
    assert local["repo"] == "local"
    entries = [hook["entry"].replace(" --force-exclude", "") for hook in local["hooks"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    lines = recipe.group(1).replace("$(BIN)", ".venv/bin").splitlines()
    assert entries == [line.strip().removesuffix(" .") for line in lines]


def examples(heading):
    """JSON blocks below one heading of ``docs/messages.md``."""
    text = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [json.loads(block) for block in blocks]


def test_examples_of_the_count_are_counts():
    """Known, and not known yet."""
    known, unknown = examples("Count")
    snapshot = SessionSnapshot(moment(5), 127, reported=127, at=moment(5))
    assert known == messages.session_count(snapshot, moment(5)).model_dump()
    assert unknown == messages.session_count(None, moment(5)).model_dump()


@pytest.mark.parametrize("example", examples("session_event"))
def test_examples_of_session_event_are_what_is_told(example):
    """Read back into an event, they are told as they stand; and programs can read them."""
    assert wire.read_message(json.dumps(example)).model_dump(mode="json") == example
    event = event_of(example)
    assert composing.compose_session_event(event, example["epoch"], example["seq"]) == example
    page = {name: value for name, value in example.items() if name not in {"epoch", "event_seq"}}
    assert messages.session_event(event) == {**page, "seq": example["event_seq"]}
    assert event.current - event.previous == event.signed_delta


def event_of(example):
    """An event, as it was before it was told."""
    data = example["data"]
    names = zip(data["session_ids"], data["node_ids"], strict=True)
    return SessionEvent(
        seq=example["event_seq"],
        kind=Kind(example["event_type"]),
        at=datetime.fromisoformat(example["timestamp"]),
        previous=data["previous_count"],
        current=data["current_count"],
        delta=data["delta"],
        source=data["source"],
        names=tuple(Name(*name) for name in names),
        reason=data["reason"],
        after_gap_seconds=data["after_gap_seconds"],
        since_last_event_seconds=data["time_since_last_event"],
    )


def test_examples_of_recorded_events_are_what_is_told():
    """With their place, and where the next ones begin."""
    (example,) = examples("Events")
    told = [
        messages.recorded_event(one["id"], one["epoch"], event_of(one)) for one in example["events"]
    ]
    body = messages.recorded_events(told, example["next"], is_demo=example["demo"])
    assert body.model_dump(mode="json") == example
    cells = messages.event_cells(told[0], is_demo=False)
    assert len(cells) == len(messages.EVENT_COLUMNS)
    given = {**example["events"][0], **example["events"][0]["data"], "demo": False}
    for name, cell in zip(messages.EVENT_COLUMNS, cells, strict=True):
        expected = given[name]
        assert cell == (json.dumps(expected) if isinstance(expected, list) else expected)


@pytest.mark.parametrize("example", examples("WebSocket"), ids=lambda one: one["type"])
def test_examples_of_frames_are_read_as_they_stand(example):
    """Those of the service by the models, those of clients by the service."""
    is_order = "seq" not in example
    read = wire.read_order if is_order else wire.read_message
    assert read(json.dumps(example)).model_dump(mode="json", exclude_unset=True) == example


def test_every_frame_has_an_example():
    """In both directions."""
    told = {example["type"] for example in examples("WebSocket") + examples("session_event")}
    known = {
        name
        for model in (*get_args(wire.Message), *get_args(wire.Order))
        for name in get_args(model.model_fields["type"].annotation)
    }
    assert told == known


def at(text):
    return None if text is None else datetime.fromisoformat(text)


def row_of(example):
    """A row of the list, as it was before it was written."""
    times = {name: at(example[name]) for name in ("created_at", "last_accessed", "expires_at")}
    return Row(**{**example, **times})


@pytest.mark.parametrize("example", examples("Sessions"))
def test_examples_of_the_list_are_pages(example):
    """Complete, and as the stream alone knows it."""
    page = Page(
        tuple(map(row_of, example["sessions"])),
        **{name: example[name] for name in ("total", "skip", "limit", "complete", "source")},
        at=at(example["at"]),
    )
    assert messages.session_page(page).model_dump(mode="json") == example


@pytest.mark.parametrize("example", examples("One session"))
def test_examples_of_one_session_are_details(example):
    """Open and ended."""
    names = ("value", "value_bytes", "is_cut", "trouble")
    reading = Reading(row_of(example["session"]), **{name: example[name] for name in names})
    timeline = tuple(
        Mark(mark["what"], at(mark["earliest"]), at(mark["latest"]), mark["how"], mark["reason"])
        for mark in example["timeline"]
    )
    detail = Detail(reading, timeline, example["source"], example["has_touched"], at(example["at"]))
    assert messages.session_detail(detail).model_dump(mode="json") == example


def test_examples_of_deletes_are_an_order_and_its_outcomes():
    """Each in its own words."""
    order, *answers = examples("Deletes")
    assert list(check_ids(order["session_ids"])) == order["session_ids"]
    for told in (answers[0], *answers[1]["results"]):
        outcome = Outcome(told["session_id"], Result(told["result"]), told["reason"])
        assert messages.session_outcome(outcome).model_dump(mode="json") == told
    outcomes = [
        Outcome(one["session_id"], Result(one["result"]), one["reason"])
        for one in answers[1]["results"]
    ]
    assert messages.session_outcomes(outcomes).model_dump(mode="json") == answers[1]


def names_in(example):
    """Names of fields, at every depth but that of flags."""
    for name, value in example.items():
        yield name
        parts = value if isinstance(value, list) else [value]
        if name != "feature_flags":
            for part in parts:
                if isinstance(part, dict):
                    yield from names_in(part)


def test_every_field_of_a_message_is_explained():
    """In the table below its examples."""
    text = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    explained = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)))
    )
    (count, _), (event, _) = examples("Count"), examples("session_event")
    (page, _), (detail, _) = examples("Sessions"), examples("One session")
    order, outcome, outcomes = examples("Deletes")
    (events,) = examples("Events")
    fields = set(count) | set(event["data"]) | set(event) - {"type", "data"}
    fields |= set(page) | set(page["sessions"][0]) | set(detail) | set(detail["timeline"][0])
    fields |= set(events) | set(events["events"][0])
    fields |= {name for example in examples("WebSocket") for name in names_in(example)}
    fields |= set(wire.Alert.model_fields)
    fields -= {"type", "data"}
    assert fields | set(order) | set(outcome) | set(outcomes) == explained


@pytest.fixture
async def ask():
    """Our routes on a socket of their own, with a watcher that runs or not."""
    runtime = still_runtime()
    async with asking(runtime) as client:

        async def ask(method, path, trouble=None):
            runtime.trouble = trouble
            answer = await client.request(method, path)
            return answer.status_code, answer.json()

        yield ask


async def test_examples_of_errors_and_health_are_answered(ask):
    """Word for word."""
    unknown, wrong, refused = examples("Error")
    well, sick = examples("Health")
    _, unready = examples("Ready")
    trouble = sick["error"]["message"]
    assert await ask("GET", "/api/v1/nope") == (404, unknown)
    assert await ask("GET", "/api/v1/sessions?limit=0") == (422, wrong)
    assert await ask("POST", "/api/v1/sessions/count") == (405, refused)
    assert await ask("GET", "/healthz") == (200, well)
    assert await ask("GET", "/healthz", trouble) == (503, sick)
    assert await ask("GET", "/readyz", "KATO: connection refused") == (503, unready)
    assert Ready().model_dump() == examples("Ready")[0]
    assert (await ask("GET", "/api/v1/sessions/count"))[1] == examples("Count")[1]
