"""What the documents say, held against the code."""

import json
import re
import tomllib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
import yaml

from kato_panel import bodies, composing, config, messages, wire
from kato_panel.bodies import Ready
from kato_panel.domain.actions import Outcome, Result, check_ids
from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.alert_query import read_end
from kato_panel.domain.built_in import built_in_rules
from kato_panel.domain.containers import (
    ContainerFigures,
    ContainerHealth,
    ContainersSeen,
    ContainerState,
    Of,
    total,
)
from kato_panel.domain.detail import Detail, Mark, Reading
from kato_panel.domain.events import Kind, Name, Service, SessionEvent
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.listing import Page, Row
from kato_panel.domain.metrics import METRICS
from kato_panel.domain.notices import Form, write_notice
from kato_panel.domain.playing import Playing
from kato_panel.domain.recorded import AlertEntry, Silence
from kato_panel.domain.rule_texts import read_rules, write_rule
from kato_panel.domain.rules import Alert, RuleState, Stage, Turn, Turned
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.targets import read_tables
from kato_panel.domain.upstream_figures import (
    FIGURES,
    RedisFigures,
    UpstreamFigures,
    WorkerMetrics,
)
from tests.asking import asking, still_runtime
from tests.conftest import NOON, moment

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
    listed = [re.sub("^(redis|docker)>", r"\1-py>", name) for name in PROJECT["dependencies"]]
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


def test_example_of_containers_is_what_is_told():
    """Of figures as the roster makes them; programs can read it as a part of an update."""
    (example,) = examples("Containers")
    figures = ContainerFigures(
        name="kato",
        container_id="cd162962a56d217a912e1737582df6c6261ce0532537e5e4f564bf5ae598f7c2",
        at=moment(5),
        image="kato:3.10.1",
        state=ContainerState.RUNNING,
        health=ContainerHealth.HEALTHY,
        restarts=0,
        started=NOON,
        was_oom_killed=False,
        oom_kills=0,
        cpu_percent=25.949,
        cpu_share_percent=12.9745,
        cpu_of=Of.LIMIT,
        cpus=2.0,
        memory_bytes=368_232_335,
        memory_limit_bytes=1 << 30,
        memory_of=Of.LIMIT,
        memory_percent=34.294,
        rx_bytes=10_559_099,
        tx_bytes=14_782_739,
        rx_rate=11_250.93,
        tx_rate=15_751.24,
        read_bytes=5_760_758,
        written_bytes=51_846_824,
        read_rate=5.95,
        written_rate=53.9,
    )
    seen = ContainersSeen("docker", moment(5), (figures,), total([figures]))
    told = messages.containers(seen, moment(6), stale_after_seconds=9)
    assert told.model_dump(mode="json") == example
    gone = replace(figures, state=ContainerState.GONE, gone_since=moment(5))
    old = ContainersSeen("docker", moment(5), (gone,), total([gone]), "its events are not told")
    told = messages.containers(old, moment(60), stale_after_seconds=9)
    assert told.containers[0].gone_since == "2026-11-22T12:00:05.000+00:00"
    assert (told.stale, told.reason) == (True, "its events are not told")
    assert told.aggregated.total_memory_percent is None


def test_example_of_containers_that_nobody_sees_is_what_is_told():
    """With the reason of their source, or none."""
    update = next(one for one in examples("WebSocket") if one["type"] == "realtime_update")
    part = update["data"]["containers"]
    state = SourceState("docker", "Containers", Health.OFF, reason=part["reason"])
    told = messages.containers(None, moment(6), stale_after_seconds=9, state=state)
    assert told.model_dump(mode="json") == part
    assert messages.containers(None, moment(6), stale_after_seconds=9).reason == ""


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


def test_example_of_a_replay_is_what_is_told():
    """As its player has it."""
    (example,) = examples("Replay")
    first, last, position = (
        datetime.fromisoformat(example[name]) for name in ("first", "last", "position")
    )
    playing = Playing(first, last, position, example["speed"], is_paused=False, jumps=1)
    assert messages.replay(playing).model_dump(mode="json") == example


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


BUILT_IN = built_in_rules(cpu_percent=80, memory_percent=85, error_ratio=0.05, cooldown_seconds=60)
CPU = next(rule for rule in BUILT_IN if rule.name == "container_cpu")
ALERT = Alert(CPU, "kato", moment(0), moment(60), 91.4)


def test_examples_of_alerts_are_what_is_told():
    """The answer, both orders, and that they were carried out."""
    told, acknowledge, silence, done = examples("Alerts")
    state = RuleState(CPU, "kato", Stage.FIRING, 91.4, moment(60), ALERT)
    hour = NOON + timedelta(hours=1)
    silent = Silence("container_cpu", "kato", hour, moment(120).wall, "api, ann, from 192.0.2.7")
    entry = AlertEntry(ALERT)
    board = AlertBoard(1, (state,), (CPU,), (entry,), (silent,))
    assert messages.alerts(board, [entry], None, is_demo=False).model_dump(mode="json") == told
    assert bodies.AcknowledgeOrder(**acknowledge).id == ALERT.id
    assert read_end(bodies.SilenceOrder(**silence).until, NOON) == NOON + timedelta(hours=2)
    assert bodies.Ordered(**done).model_dump() == done


def alerts_text():
    return (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")


def cells_below(heading):
    """Rows of the first table below a heading of ``docs/alerts.md``."""
    section = alerts_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)[1:]
    return [[cell.strip() for cell in row.split(" |")] for row in rows]


def test_every_metric_is_listed():
    """With its unit, and what there is one for each of."""
    found = [[cell.strip("| `") for cell in row] for row in cells_below("Metrics")]
    assert found == [[one.name, one.unit, one.subject, one.meaning] for one in METRICS.values()]


def test_every_built_in_rule_is_listed():
    """With its threshold and severity."""
    listed = {row[0].strip("`"): row for row in cells_below("Built-in rules")}
    assert [*listed] == [rule.name for rule in BUILT_IN]
    for rule in BUILT_IN:
        words = write_rule(rule).partition(": ")[2]
        condition, severity = words.rpartition(", ")[::2]
        assert listed[rule.name][1].replace("`", "").startswith(condition)
        assert listed[rule.name][2] == severity


def test_examples_of_notices_are_what_is_sent():
    """In each form."""
    blocks = re.findall(r"^```json\n(.*?)^```$", alerts_text(), re.MULTILINE | re.DOTALL)
    turned = Turned(Turn.FIRING, ALERT)
    sent = [write_notice(form, turned, f"{ALERT.id}/firing", "") for form in Form]
    assert [json.loads(block) for block in blocks] == sent


def test_example_of_a_rule_is_one():
    """As it stands."""
    first, webhooks = re.findall(r"^```toml\n(.*?)^```$", alerts_text(), re.MULTILINE | re.DOTALL)
    (rule,) = read_rules(first)
    assert write_rule(rule) == "many_sessions: sessions_active > 500 for 2m, warning"
    assert read_tables(tomllib.loads(webhooks)["webhooks"])[0].startswith("slack+https://")


def names_in(example):
    """Names of fields, at every depth but that of flags."""
    for name, value in example.items():
        yield name
        parts = value if isinstance(value, list) else [value]
        if name != "feature_flags":
            for part in parts:
                if isinstance(part, dict):
                    yield from names_in(part)


def test_example_of_figures_is_what_is_told():
    """Every figure is told; the example has some of them."""
    (example,) = examples("KATO's figures")
    read = WorkerMetrics(requests=25.0, requests_per_second=0.7, body=example["metrics"])
    figures = UpstreamFigures(
        health=Service("healthy", 35.0),
        health_at=moment(0),
        metrics=read,
        metrics_at=moment(6),
        redis=RedisFigures(1_234_567, version="7.0.15"),
        redis_at=moment(8),
    )
    told = messages.upstream_metrics(figures, moment(10)).model_dump(mode="json")
    assert [one["name"] for one in told["figures"]] == [one.name for one in FIGURES]
    shown = [one["name"] for one in example["figures"]]
    told["figures"] = [one for one in told["figures"] if one["name"] in shown]
    assert told == example


def test_every_figure_is_named_with_its_unit():
    """In the table below the example."""
    text = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## KATO's figures")
    rows = re.findall(r"^\| ([\w/]+) \| (`.*?`) \|", section.partition("\n## ")[0], re.MULTILINE)
    named = {(unit, name) for unit, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert named == {(one.unit, one.name) for one in FIGURES}


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
    (reported,) = examples("KATO's figures")
    fields = set(count) | set(event["data"]) | set(event) - {"type", "data"}
    fields |= set(page) | set(page["sessions"][0]) | set(detail) | set(detail["timeline"][0])
    fields |= set(reported) | set(reported["figures"][0])
    fields |= set(events) | set(events["events"][0])
    fields |= {name for example in examples("WebSocket") for name in names_in(example)}
    alerts, acknowledge, silence, done = examples("Alerts")
    fields |= {name for one in (alerts, acknowledge, silence, done) for name in names_in(one)}
    fields |= set(examples("Replay")[0])
    fields |= set(wire.Alert.model_fields)
    fields |= set(names_in(examples("Containers")[0]))
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
