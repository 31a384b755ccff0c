"""The flags of the command line."""

import click
import pytest
from click.testing import CliRunner
from pydantic import Field, SecretStr

from kato_panel import cli, config, flags, resolved

COMMANDS = {"serve": cli.serve, "check": cli.check}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_each_setting_has_a_flag(command):
    """But for secrets; each gives its value under the setting's full name."""
    known = {option.name: option for option in command.params if option.name != "as_json"}
    secrets = resolved.secret_names()
    files = {name + config.FILE_SUFFIX for name in secrets}
    assert set(known) == (set(config.names()) - secrets) | files
    for name, option in known.items():
        assert option.opts == [flags.flag_of(name)]
    given = command.make_context("command", []).params
    assert {given[name] for name in known} == {None}


def test_flags_that_were_there_before_stay():
    """Under the names by which people know them."""
    known = {name for option in cli.serve.params for name in option.opts}
    assert {"--kato-url", "--host", "--port", "--poll-interval-seconds", "--redis-url"} <= known
    assert {"--websocket-session-events", "--allow-actions"} <= known


def test_secret_has_the_flag_of_a_file_only(alone, monkeypatch):
    """Whoever is at this machine could read it in the list of processes."""

    class Secretive(config.Settings):
        token: SecretStr | None = Field(None, validation_alias="KATO_PANEL_X")
        word: str = Field("", validation_alias="KATO_PANEL_Y", json_schema_extra={"secret": True})

    monkeypatch.setattr(config, "Settings", Secretive)
    assert resolved.secret_names() >= {"KATO_PANEL_X", "KATO_PANEL_Y"}
    command = click.command()(flags.take_settings(lambda **_: None))
    known = {option.name: option.opts for option in command.params}
    assert not resolved.secret_names() & set(known)
    assert known["KATO_PANEL_X_FILE"] == ["--x-file"]
    assert resolved.mask("KATO_PANEL_X", SecretStr("hunter2")) == "(set)"
    places = resolved.places({"KATO_PANEL_X_FILE": "x"})
    assert places["KATO_PANEL_X"] == "a file that is named in: flag"
    assert places["KATO_PANEL_Y"] == "default"


def test_address_with_a_login_may_be_in_a_file_and_that_is_said(alone, monkeypatch):
    """It is shown, without its login, and so is where it is from."""
    monkeypatch.setenv("REDIS_URL_FILE", str(alone / "redis"))
    assert resolved.places()["REDIS_URL"] == "a file that is named in: environment"
    assert resolved.places()["KATO_API_URL"] == "default"


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Nothing is set but what a test sets."""
    monkeypatch.chdir(tmp_path)
    for name in config.names():
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_flag_wins_and_its_place_is_told(alone, monkeypatch):
    """Then the environment, then .env, then the file, then the default; empty is not set."""
    (alone / "kato_panel.toml").write_text("KATO_PANEL_PORT = 1\nKATO_PANEL_TOAST_SECONDS = 5\n")
    (alone / ".env").write_text("KATO_PANEL_PORT=2\nKATO_PANEL_STREAM=off\nKATO_PANEL_HOST=\n")
    monkeypatch.setenv("KATO_PANEL_PORT", "3")
    monkeypatch.setenv("KATO_PANEL_LOG_LEVEL", "ERROR")
    monkeypatch.setenv("KATO_API_URL", "")
    given = {"KATO_PANEL_PORT": "4", "KATO_PANEL_ALLOW_ACTIONS": None}
    settings, places = config.load(given), resolved.places(given)
    assert (settings.port, places["KATO_PANEL_PORT"]) == (4, "flag")
    assert (settings.log_level, places["KATO_PANEL_LOG_LEVEL"]) == ("ERROR", "environment")
    assert (settings.stream, places["KATO_PANEL_STREAM"]) == ("off", ".env")
    assert (settings.toast_seconds, places["KATO_PANEL_TOAST_SECONDS"]) == (5, "kato_panel.toml")
    for name in ("KATO_PANEL_HOST", "KATO_API_URL", "KATO_PANEL_ALLOW_ACTIONS"):
        assert places[name] == "default"
    assert resolved.places({})["KATO_PANEL_PORT"] == "environment"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (3.0, "3"),
        (5006, "5006"),
        ("http://user:hunter2@kato:1/p@th", "http://…@th"),
        ("redis://:hunter2@redis/0", "redis://…@redis/0"),
        ("unix://u:hunter2@/run/redis.sock", "unix://…@/run/redis.sock"),
        ("sqlite:///h.db", "sqlite:///h.db"),
    ],
)
def test_value_is_shown_without_its_login(value, shown):
    """Rather too little than a password."""
    assert resolved.mask("REDIS_URL", value) == shown


def test_wrong_flag_is_named_with_what_is_allowed(alone):
    """By the settings' own check; nothing starts."""
    for command in COMMANDS:
        told = CliRunner().invoke(cli.main, [command, "--port", "x", "--stream", "y"])
        assert told.exit_code == 1
        assert "KATO_PANEL_PORT is 'x', must be a whole number" in told.output
        assert "KATO_PANEL_STREAM is 'y', must be" in told.output
