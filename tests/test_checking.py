"""``kato-panel check``: what it finds, and that it changes nothing."""

import json
import socket

import pytest
from click.testing import CliRunner

from kato_panel import checking, cli, config
from kato_panel.checking import Finding, State
from kato_panel.config import load
from kato_panel.errors import ConfigError
from kato_panel.ports import find_place
from kato_panel.simulator import EmbeddedSimulator
from tests.history.making import event, open_history
from tests.openid_provider import OpenidProvider
from tests.redis_server import RedisServer
from tests.sources.redis_rig import RedisRig, Writer

DEAD = "http://user:hunter2@127.0.0.1:1"
ACL = (
    "~kato:session:*", "&__keyevent@*", "+@read", "+@connection", "-@dangerous", "+info",
    "+subscribe", "+unsubscribe",
)  # fmt: skip


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Nothing is set but what a test sets."""
    monkeypatch.chdir(tmp_path)
    for name in config.names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("KATO_PANEL_PORT", "0")
    monkeypatch.setenv("KATO_PANEL_HISTORY_URL", "off")


@pytest.fixture(scope="module")
def simulator():
    with EmbeddedSimulator(rate=0, initial=5, engine_port=0) as simulator:
        yield simulator


def run(*words):
    told = CliRunner().invoke(cli.main, ["check", *words])
    assert "hunter2" not in told.output
    return told.exit_code, told.output


def find(subject, **flags):
    (found,) = [one for one in checking.check(load(flags)) if one.subject == subject]
    return found


def test_all_is_well_in_the_demo():
    """Nothing has to be there for it."""
    code, text = run()
    assert code == 0
    assert "All is well" in text
    assert "a demo is watched" in text


def test_kato_that_answers_is_well(simulator):
    """With its count; its stream lets us follow."""
    code, text = run("--kato-url", simulator.url)
    assert code == 0
    assert f"{simulator.url} reports 5 sessions" in text
    assert "/ws/events lets us follow" in text


def test_what_cannot_be_reached_is_named_with_what_to_do(tmp_path):
    """All of it at once, with code 2, and no password anywhere."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, text = run("--kato-url", DEAD, "--redis-url", "redis://:hunter2@127.0.0.1:1/0",
                         "--port", port, "--history-url", "sqlite:////dev/null/h.db")  # fmt: skip
    assert code == 2
    failed = [line.split()[1] for line in text.splitlines() if line.startswith("  failed")]
    assert failed == ["KATO", "Redis", "History", "Port"]
    assert "http://…@127.0.0.1:1" in text
    assert "--kato-url" in text
    assert "Address already in use" in text
    assert "4 of 8 failed" in text


def test_port_that_answers_otherwise_than_kato_is_no_kato(simulator):
    """Nor one that says nothing, within the limit."""
    assert find("KATO", KATO_API_URL=f"{simulator.url}/nowhere").state is State.FAILED
    assert find("Stream", KATO_API_URL=f"{simulator.url}/nowhere").state is State.FAILED


def test_silence_ends_with_the_limit(monkeypatch):
    """As of a port that accepts and never answers."""
    monkeypatch.setattr(checking, "LIMIT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = load({
            "KATO_API_URL": f"http://127.0.0.1:{port}",
            "REDIS_URL": f"redis://127.0.0.1:{port}",
        })  # fmt: skip
        findings = {one.subject: one for one in checking.check(settings)}
    for subject in ("KATO", "Redis"):
        assert findings[subject].state is State.FAILED
        assert findings[subject].words.endswith("no answer within 0.3 s")
    assert findings["Stream"].state is State.NOTE


@pytest.mark.parametrize("flags", ["Egxen", ""])
def test_redis_is_asked_for_its_key_events(tmp_path, flags):
    """On is well; off is a note that says how to turn them on; nothing is changed or moved."""
    rig = RedisRig(tmp_path, flags)
    writer = Writer(rig)
    session_id = writer.create(ttl_seconds=1_000)
    try:
        before = rig.cli("PEXPIRETIME", f"kato:session:{session_id}")
        found = find("Redis", KATO_API_URL=DEAD, REDIS_URL=rig.url)
        assert rig.cli("PEXPIRETIME", f"kato:session:{session_id}") == before
        assert set(rig.cli("CONFIG", "GET", "notify-keyspace-events")[1].decode()) == set(flags)
        assert rig.cli("DBSIZE") == 2
    finally:
        writer.close()
        rig.kill()
    assert found.state is (State.OK if flags else State.NOTE)
    assert ("config set notify-keyspace-events Egxen" in found.advice) is not bool(flags)


def test_redis_with_rights_too_few_says_which():
    """A user as the documents name it may do all that is needed; without one right it is told."""
    with RedisServer({"requirepass": "hunter2"}) as server:
        server.password = "hunter2"
        server.cli("ACL", "SETUSER", "panel", "on", ">hunter2", *ACL)
        url = server.url_of(user="panel", password="hunter2")
        good = find("Redis", KATO_API_URL=DEAD, REDIS_URL=url)
        assert good.state is State.NOTE
        assert "+config|get would let it" in good.advice
        server.cli("ACL", "SETUSER", "panel", "-mget", "-subscribe", "-info")
        poor = find("Redis", KATO_API_URL=DEAD, REDIS_URL=url)
        assert (poor.state, poor.words) == (State.FAILED, "refuses MGET, SUBSCRIBE")
        wrong = server.url_of(user="panel", password="hunter3")
        refused = find("Redis", KATO_API_URL=DEAD, REDIS_URL=wrong)
        assert refused.words == "Redis refuses the user or the password"
        assert "hunter3" not in str(refused)


def test_redis_beside_a_demo_is_not_asked():
    """It is not used either."""
    assert find("Redis", REDIS_URL="redis://127.0.0.1:1").state is State.NOTE


def test_what_is_switched_off_is_no_failure():
    """And says so."""
    assert find("Stream", WEBSOCKET_SESSION_EVENTS="false").state is State.OFF
    assert find("History", KATO_PANEL_HISTORY_URL="off").state is State.OFF
    assert find("Redis").state is State.OFF


def test_place_of_the_history_is_looked_at_and_left_alone(tmp_path):
    """In memory, not there yet, there, of another KATO, not ours, damaged, and no folder."""
    assert "in memory" in find("History", KATO_PANEL_HISTORY_URL="sqlite://").words
    path = tmp_path / "deep" / "history.db"
    place = {"KATO_PANEL_HISTORY_URL": f"sqlite:///{path}", "KATO_API_URL": "http://kato:8000"}
    found = find("History", **place)
    assert (found.state, found.words) == (State.OK, f"{path}, not there yet")
    assert not path.parent.exists()
    path.parent.mkdir()
    history = open_history(path)
    history.record([event(1)])
    history.close()
    before = path.read_bytes()
    assert find("History", **place).state is State.OK
    other = find("History", **{**place, "KATO_API_URL": "http://other:8000"})
    assert other.state is State.FAILED
    assert "it is left as it is" in other.words
    assert path.read_bytes() == before
    path.write_bytes(before[:18] + b"\7\7" + before[20:])
    damaged = find("History", **place)
    assert "moves it aside" in damaged.words
    path.write_text("a letter")
    assert "no SQLite database" in find("History", **place).words
    below = f"sqlite:///{path}/history.db"
    assert "is no folder" in find("History", KATO_PANEL_HISTORY_URL=below).words


def test_wrong_setting_ends_with_1():
    """Before anything is asked."""
    code, text = run("--port", "x")
    assert code == 1
    assert "KATO_PANEL_PORT is 'x'" in text


@pytest.mark.parametrize("words", [["--no-such-flag"], ["--port"], ["stray"]])
def test_wrong_use_ends_with_1_too(words):
    """2 is for what cannot be reached."""
    assert run(*words)[0] == 1


def test_what_serve_refuses_is_not_well(monkeypatch):
    """An address that other machines reach without a login, and a host that is none."""
    code, text = run("--host", "0.0.0.0")
    assert code == 2
    assert "which other machines reach" in text
    assert "KATO_PANEL_ALLOW_ANONYMOUS=true" in text
    assert run("--host", "0.0.0.0", "--allow-anonymous")[0] == 0
    elsewhere = find("Port", KATO_PANEL_HOST="192.0.2.1", KATO_PANEL_ALLOW_ANONYMOUS="true")
    assert elsewhere.words.startswith("KATO_PANEL_HOST is 192.0.2.1, which cannot be listened on")

    def fail(*given, **named):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    settings = load({"KATO_PANEL_HOST": "nowhere.invalid", "KATO_PANEL_PORT": 5006})
    with pytest.raises(ConfigError, match=r"HOST is nowhere\.invalid.*Name or service not known"):
        find_place(settings)


def test_programs_get_json(simulator):
    """The same in another form."""
    code, text = run("--json", "--kato-url", simulator.url.replace("//", "//u:hunter2@"))
    told = json.loads(text)
    assert (code, told["ok"]) == (0, True)
    settings = {one["name"]: one for one in told["settings"]}
    assert set(settings) == set(config.names())
    assert settings["KATO_API_URL"]["from"] == "flag"
    assert settings["KATO_API_URL"]["value"].startswith("http://…@")
    assert {one["subject"] for one in told["connections"]} == {
        "KATO", "Stream", "Redis", "Containers", "History", "Rules", "Webhooks", "Port",
    }  # fmt: skip


def test_container_engine_is_asked(simulator, monkeypatch, tmp_path):
    """Each watched container by name; none of them; and nobody there, which matters if named."""
    url = {"KATO_API_URL": simulator.url}
    assert find("Containers").words == "the demo has an engine of its own"
    assert find("Containers", WEBSOCKET_CONTAINER_STATS=False, **url).state is State.OFF
    monkeypatch.setenv("DOCKER_HOST", simulator.engine_host)
    found = find("Containers", **url)
    assert found.state is State.OK
    assert "kato running, kato-clickhouse running" in found.words
    none = find("Containers", KATO_PANEL_CONTAINERS="nobody", **url)
    assert (none.state, none.words) == (State.NOTE, "the engine has none that is watched")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    away = find("Containers", **url)
    assert (away.state, "nobody.sock" in away.words) == (State.FAILED, True)
    assert "DOCKER_HOST" in away.advice


def test_columns_are_aligned():
    """Advice stands below what it is about."""
    findings = [Finding("A", State.OK, "well"), Finding("Long", State.FAILED, "bad", "mend it")]
    places = dict.fromkeys(config.names(), "default")
    lines = checking.as_text(load(), places, findings).splitlines()
    begin = lines.index("Connections")
    assert lines[begin + 1 :] == [
        "  ok      A     well",
        "  failed  Long  bad",
        "                mend it",
        "",
        "1 of 2 failed",
    ]


def test_login_elsewhere_is_tried_with_a_code_that_nobody_gave():
    """All is well, the secret is wrong, or nobody is there; without it nothing is said."""
    assert all(one.subject != "Login" for one in checking.check(load()))
    with OpenidProvider() as provider:
        good = find("Login", **provider.settings)
        assert (good.state, good.words) == (State.OK, "Example answers, and knows this service")
        wrong = find("Login", **{**provider.settings, "KATO_PANEL_OAUTH_SECRET": "hunter2"})
        assert wrong.state is State.FAILED
        assert "refuses the key, or the secret" in wrong.words
        assert "hunter2" not in str(wrong)
        provider.faults["user"] = 404
        assert find("Login", **provider.settings).state is State.NOTE
    gone = find("Login", **provider.settings)
    assert gone.state is State.FAILED
    assert f"localhost:{provider.port}: connection refused" in gone.words


RULES = """
[[rules]]
name = "container_cpu"
metric = "sessions_active"
op = ">"
threshold = 5
"""


def test_rules_and_webhooks_are_named(tmp_path):
    """Services by their host alone; a mistake with its line."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    told = {"KATO_PANEL_RULES_FILE": str(file)}
    webhook = "slack+https://hooks.slack.com/services/hunter2"
    found = find("Webhooks", KATO_PANEL_WEBHOOK_URLS=webhook)
    assert found.state is State.OK
    assert found.words.startswith("hooks.slack.com (slack): not tried")
    assert find("Rules", **told).words == "10 are judged, 1 of them from files"
    file.write_text(RULES.replace("5", "'5'"))
    assert find("Rules", **told).state is State.FAILED
    assert "rules.toml, line 6: threshold is '5'" in find("Rules", **told).words
    for subject in ("Rules", "Webhooks"):
        assert find(subject, WEBSOCKET_SYSTEM_ALERTS=False).state is State.OFF


def test_file_of_rules_is_checked_alone(tmp_path):
    """What would be judged with it, or every mistake."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    told = CliRunner().invoke(cli.main, ["rules", "check", str(file)])
    assert told.exit_code == 0
    mine = "container_cpu: sessions_active > 5, warning (in place of the built-in one)"
    assert mine in told.output.splitlines()
    assert len(told.output.splitlines()) == 10
    file.write_text(RULES.replace("5", "'5'").replace("op", "operator"))
    told = CliRunner().invoke(cli.main, ["rules", "check", str(file)])
    assert told.exit_code == 2
    for problem in ("line 5: operator is no field", "line 6: threshold", "line 2: op is missing"):
        assert f"rules.toml, {problem}" in told.output
    told = CliRunner().invoke(cli.main, ["rules", "check", str(tmp_path / "nothing.toml")])
    assert (told.exit_code, "cannot be read" in told.output) == (2, True)


def test_webhooks_of_the_file_are_shown_as_set_there(tmp_path):
    """And not what they are."""
    (tmp_path / config.TOML_FILE).write_text("[[webhooks]]\nurl = 'https://a/hunter2'\n")
    _, text = run()
    (row,) = [line for line in text.splitlines() if config.WEBHOOKS in line]
    assert row.split()[1:] == ["(set)", config.TOML_FILE]
