"""Settings from all their places, and what is said when they are wrong."""

import logging
from pathlib import Path

import pytest

from kato_panel import config
from kato_panel.domain.container_readings import KATO_CONTAINERS, Wanted
from kato_panel.errors import ConfigError

DOCS = Path(__file__).parents[1] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _empty_place(tmp_path, monkeypatch):
    """A folder without files, an environment without our names."""
    monkeypatch.chdir(tmp_path)
    for name in config.names():
        monkeypatch.delenv(name, raising=False)


def test_defaults_watch_the_demo_on_loopback():
    """One command without any setting works."""
    settings = config.load()
    assert (settings.is_demo, settings.host, settings.port) == (True, "127.0.0.1", 5006)
    assert settings.follows_stream


def test_flag_beats_environment_beats_env_file_beats_toml_beats_default(tmp_path, monkeypatch):
    """Each place in its turn."""
    name = "KATO_PANEL_PORT"
    seen = [config.load().port]
    (tmp_path / "kato_panel.toml").write_text(f"{name} = 1001\n")
    seen.append(config.load().port)
    (tmp_path / ".env").write_text(f"{name}=1002\n")
    seen.append(config.load().port)
    monkeypatch.setenv(name, "1003")
    seen.append(config.load().port)
    seen.append(config.load({name: "1004"}).port)
    seen.append(config.load({name: None}).port)
    assert seen == [5006, 1001, 1002, 1003, 1004, 1003]


def test_every_wrong_setting_is_named_at_once(tmp_path, monkeypatch):
    """With what was given, and what is allowed."""
    monkeypatch.setenv("KATO_API_URL", "htp://x")
    monkeypatch.setenv("KATO_PANEL_POLL_INTERVAL_SECONDS", "0")
    monkeypatch.setenv("WEBSOCKET_SESSION_EVENTS", "perhaps")
    (tmp_path / ".env").write_text("KATO_PANEL_STREAM=sometimes\n")
    (tmp_path / "kato_panel.toml").write_text('KATO_PANEL_TOAST_SECONDS = "soon"\n')
    with pytest.raises(ConfigError) as caught:
        config.load({"KATO_PANEL_PORT": "seven"})
    text = str(caught.value)
    assert text.startswith("6 settings are wrong:")
    for sentence in (
        "KATO_API_URL is 'htp://x', must be http:// or https:// with a host",
        "KATO_PANEL_POLL_INTERVAL_SECONDS is '0', must be a number from 0.5 to 60",
        "WEBSOCKET_SESSION_EVENTS is 'perhaps', must be a valid boolean",
        "KATO_PANEL_STREAM is 'sometimes', must be 'auto', 'on' or 'off'",
        "KATO_PANEL_TOAST_SECONDS is 'soon', must be a number from 1 to 60",
        "KATO_PANEL_PORT is 'seven', must be a whole number from 0 to 65535",
    ):
        assert sentence in text


@pytest.mark.parametrize(
    "url",
    ["", "kato", "ftp://kato", "http://", "http://h:0", "http://h:99999", "http://h:x",
     "http://h/?a=1", "http://h/#a", "file:///etc/passwd",
     " http://h", "http://h\n", "http://a b"],
)  # fmt: skip
def test_odd_address_is_refused(url):
    """Only http and https, and only a place."""
    with pytest.raises(ConfigError, match="KATO_API_URL is"):
        config.load({"KATO_API_URL": url})


@pytest.mark.parametrize("url", ["http://h", "https://h:8000/", "http://[::1]:8000/kato"])
def test_address_of_a_service_is_taken(url):
    """With or without port and path; a slash at its end does not matter."""
    assert config.load({"KATO_API_URL": url}).kato_api_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["ftp://admin:hunter2@kato", "admin:hunter2@kato:8000", "http:/admin:hunter2@kato",
     "http://admin:hunter2/x@kato", "http://admin:hunter2@kato/ "],
)  # fmt: skip
def test_password_in_a_wrong_address_is_never_shown(url):
    """However odd the address."""
    with pytest.raises(ConfigError) as caught:
        config.load({"KATO_API_URL": url})
    assert "hunter2" not in str(caught.value)


def test_login_is_taken_out_of_the_address():
    """What is shown, logged and asked for holds none."""
    url, header = config.split_login("http://admin:hunt%40r2@kato:1/x")
    assert url == "http://kato:1/x"
    assert header == {"Authorization": "Basic YWRtaW46aHVudEByMg=="}
    assert config.split_login("http://token@kato")[1] == {"Authorization": "Basic dG9rZW46"}
    assert config.split_login("http://kato:1/p@th") == ("http://kato:1/p@th", {})


@pytest.mark.parametrize("name", [".env", "kato_panel.toml"])
def test_settings_file_that_is_no_text_is_named(name, tmp_path):
    """It stops the start, in words."""
    (tmp_path / name).write_bytes(b"KATO_PANEL_PORT=\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load()


def test_unknown_name_is_warned_about_with_the_nearest(tmp_path, monkeypatch, caplog):
    """A typing error is told, and stops nothing."""
    monkeypatch.setenv("KATO_PANEL_POL_INTERVAL_SECONDS", "3")
    (tmp_path / "kato_panel.toml").write_text("toast = 3\n")
    with caplog.at_level(logging.WARNING):
        config.load()
    assert "did you mean KATO_PANEL_POLL_INTERVAL_SECONDS?" in caplog.text
    assert "setting toast is not known" in caplog.text


def test_broken_settings_file_is_named(tmp_path):
    """It stops the start, in words."""
    (tmp_path / "kato_panel.toml").write_text("x = [")
    with pytest.raises(ConfigError, match=r"kato_panel\.toml cannot be read"):
        config.load()


def test_switching_events_off_switches_the_stream_off():
    """As does the setting of its own."""
    assert not config.load({"WEBSOCKET_SESSION_EVENTS": "false"}).follows_stream
    assert not config.load({"KATO_PANEL_STREAM": "off"}).follows_stream


def test_every_setting_is_documented_with_its_default():
    """``docs/settings.md`` and the code say the same."""
    text = DOCS.read_text(encoding="utf-8")
    for field in config.Settings.model_fields.values():
        (row,) = [line for line in text.splitlines() if f"`{field.validation_alias}`" in line]
        default = {None: "", True: "true", False: "false"}.get(field.default, str(field.default))
        assert f"| {default.removesuffix('.0')} |" in row, row
        assert field.description in row, row


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis:6379/0",
        "redis://redis",
        "rediss://user:p%40ss@redis:6380/15",
        "unix:///run/redis.sock?db=1",
        "unix://user:pass@/run/redis.sock",
    ],
)
def test_address_of_a_redis_is_taken_as_it_is(url):
    """With a user and a password, over TLS, or through a socket's file."""
    assert config.load({"REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://redis:6379",
        "redis://",
        "redis://redis:70000",
        "redis://redis:six",
        "redis://redis/zero",
        "redis://redis/0#part",
        "redis://redis/0?ssl_cert_reqs=none",
        "unix://",
        "redis://redis /0",
    ],
)
def test_what_is_no_address_of_a_redis_is_refused(url):
    """With what is allowed."""
    with pytest.raises(ConfigError, match="must be redis://, rediss:// or unix://"):
        config.load({"REDIS_URL": url})


@pytest.mark.parametrize("url", ["redis://u:hunter2@h/x", "redis://h/0?password=hunter2"])
def test_wrong_address_of_a_redis_shows_no_password(url):
    """Neither before the host, nor in the query."""
    with pytest.raises(ConfigError) as caught:
        config.load({"REDIS_URL": url})
    assert "hunter2" not in str(caught.value)


def test_history_is_kept_unless_it_is_off():
    """A file, or memory; by default in the usual place."""
    assert config.load().keeps_history
    assert config.load({"KATO_PANEL_HISTORY_URL": "sqlite:///h.db"}).keeps_history
    assert config.load({"KATO_PANEL_HISTORY_URL": "sqlite://"}).keeps_history
    assert not config.load({"KATO_PANEL_HISTORY_URL": "off"}).keeps_history


@pytest.mark.parametrize("url", ["sqlite:///", "postgresql://h/d", "h.db", "sqlite:///h?mode=ro"])
def test_history_elsewhere_is_refused(url):
    """Until another engine is tried out."""
    with pytest.raises(ConfigError, match=r"must be sqlite:///path, sqlite:// for one in memory"):
        config.load({"KATO_PANEL_HISTORY_URL": url})


def test_large_bounds_are_written_out():
    """Nobody sets a size in powers of ten."""
    with pytest.raises(ConfigError, match="whole number from 1048576 to 1099511627776"):
        config.load({"KATO_PANEL_HISTORY_MAX_BYTES": "1"})


def test_secret_is_read_from_its_file(tmp_path, monkeypatch):
    """With or without a line's end; whatever place names it."""
    (tmp_path / "redis").write_text("redis://:hunter2@redis\n")
    (tmp_path / "token").write_text("a-token-of-some-length")
    (tmp_path / ".env").write_text("KATO_PANEL_AUTH_TOKEN_FILE=token\n")
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path / "redis"))
    settings = config.load()
    assert settings.redis_url == "redis://:hunter2@redis"
    assert settings.auth_token.get_secret_value() == "a-token-of-some-length"
    assert settings.has_login
    assert config.unknown_names() == []


def test_secret_s_file_that_is_wrong_is_named_and_not_told(tmp_path, monkeypatch):
    """Together with whatever else is wrong."""
    (tmp_path / "url").write_text("redis:/hunter2")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("REDIS_URL_FILE", "url")
    monkeypatch.setenv("KATO_API_URL_FILE", "empty")
    monkeypatch.setenv("KATO_PANEL_AUTH_TOKEN_FILE", "nowhere")
    monkeypatch.setenv("KATO_PANEL_BASIC_AUTH_FILE", "binary")
    monkeypatch.setenv("KATO_PANEL_PORT", "x")
    with pytest.raises(ConfigError) as caught:
        config.load()
    text = str(caught.value)
    assert "REDIS_URL in the file 'url' is wrong, must be redis://" in text
    assert "KATO_API_URL_FILE is 'empty', must hold 1 to 4096 bytes" in text
    assert "AUTH_TOKEN_FILE is 'nowhere', which cannot be read: No such file" in text
    assert "BASIC_AUTH_FILE is 'binary', which cannot be read: it is no text" in text
    assert "KATO_PANEL_PORT is 'x'" in text
    assert "hunter2" not in text


def test_blank_at_a_password_s_end_is_its_own_and_the_line_s_end_is_not(tmp_path, monkeypatch):
    """What is kept in a file is what its owner types."""
    (tmp_path / "password").write_text(" with blanks \r\n")
    monkeypatch.setenv("KATO_PANEL_BASIC_AUTH_FILE", "password")
    assert config.load().basic_auth.get_secret_value() == " with blanks "


def test_secret_is_given_once(tmp_path, monkeypatch):
    """As itself or as a file."""
    (tmp_path / "url").write_text("http://kato")
    monkeypatch.setenv("KATO_API_URL", "http://kato")
    monkeypatch.setenv("KATO_API_URL_FILE", "url")
    with pytest.raises(ConfigError, match="KATO_API_URL and KATO_API_URL_FILE are both set"):
        config.load()


def test_containers_are_those_of_katos_compose_file():
    """Unless others are named, by whatever way; then only those."""
    assert config.load().container_stats
    assert config.load().wanted_containers == Wanted(KATO_CONTAINERS)
    named = config.load({"KATO_PANEL_CONTAINERS": " a ,b.c-1"})
    assert named.wanted_containers == Wanted(("a", "b.c-1"))
    labelled = config.load({"KATO_PANEL_CONTAINER_LABEL": "x=y z"})
    assert labelled.wanted_containers == Wanted(label="x=y z")
    composed = config.load({"KATO_PANEL_COMPOSE_PROJECT": "kato"})
    assert composed.wanted_containers == Wanted(project="kato")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("AUTH_TOKEN", "short", "at least 16 printable ASCII"),
        ("AUTH_TOKEN", "with blanks in its midst", "at least 16 printable ASCII"),
        ("AUTH_TOKEN", "übermäßig-lang-und-gut", "at least 16 printable ASCII"),
        ("BASIC_AUTH", "short", "at least 8 characters"),
        ("BASIC_AUTH", "/run/secrets/nowhere", "the path of a readable .json file"),
        ("BASIC_AUTH", "user-list.json", "the path of a readable .json file"),
        ("BASIC_AUTH", '{"anna": "her password"', "or users as"),
        ("BASIC_AUTH", '{"": "a long password"}', "or users as"),
        ("ALLOWED_HOSTS", "*", "names or addresses without port"),
        ("ALLOWED_HOSTS", "kato:80", "names or addresses without port"),
        ("ALLOWED_ORIGINS", "kato.example", "addresses as https://name:port"),
        ("WIDGET_ORIGINS", "https://a.example; script-src *", "addresses as https://name:port"),
        ("WIDGET_ORIGINS", "*", "addresses as https://name:port"),
        ("WIDGET_ORIGINS", "http://[::1]:80", "policies cannot say an IPv6 address"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "addresses or networks as 10.0.0.0/8"),
    ],
)
def test_lock_that_would_not_hold_is_refused(name, value, allowed):
    """With what is allowed."""
    with pytest.raises(ConfigError, match=allowed):
        config.load({f"KATO_PANEL_{name}": value})


def test_lists_of_the_doors_are_read():
    """Separated by commas, without regard to case."""
    settings = config.load(
        {
            "KATO_PANEL_ALLOWED_HOSTS": "Kato.Example, [::1]",
            "KATO_PANEL_ALLOWED_ORIGINS": "https://Other.example:8443",
            "KATO_PANEL_WIDGET_ORIGINS": "https://Wiki.example, http://10.0.0.7:8080",
            "KATO_PANEL_TRUSTED_PROXIES": "10.0.0.0/8,::1",
        }
    )
    assert settings.hosts == {"kato.example", "::1"}
    assert settings.origins == {"https://other.example:8443"}
    assert settings.framers == {"https://wiki.example", "http://10.0.0.7:8080"}
    assert [str(network) for network in settings.proxies] == ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("KATO_PANEL_CONTAINERS", "a,,b", "must be 1 to 32 names of containers"),
        ("KATO_PANEL_CONTAINERS", "a b", "must be 1 to 32 names of containers"),
        ("KATO_PANEL_CONTAINERS", ",".join("abc"[:1] * 33), "must be 1 to 32 names"),
        ("KATO_PANEL_CONTAINER_LABEL", "=x", "must be key or key=value"),
        ("KATO_PANEL_CONTAINER_LABEL", "a b=x", "must be key or key=value"),
        ("KATO_PANEL_CONTAINER_INTERVAL_SECONDS", "0.5", "must be a number from 1 to 60"),
        ("WEBSOCKET_CONTAINER_STATS", "perhaps", "must be a valid boolean"),
    ],
)
def test_wrong_choice_of_containers_is_refused(name, value, allowed):
    """In words that say what it may be."""
    with pytest.raises(ConfigError, match=allowed):
        config.load({name: value})


def test_webhooks_come_from_the_setting_and_from_the_file(tmp_path, monkeypatch):
    """All of them are told; the file's other parts are no unknown settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kato_panel.toml").write_text(
        "[[webhooks]]\nurl = 'https://b/x'\nform = 'slack'\n[[rules]]\nname = 'x'\n"
    )
    monkeypatch.setenv("KATO_PANEL_WEBHOOK_URLS", "json+https://a/y")
    settings = config.load()
    assert [(one.name, one.form) for one in settings.targets] == [("a", "json"), ("b", "slack")]
    assert "https" not in repr(settings)
    assert not {"rules", "webhooks"} & {*config.unknown_names()}
    monkeypatch.delenv("KATO_PANEL_WEBHOOK_URLS")
    assert [one.name for one in config.load().targets] == ["b"]
    (tmp_path / "kato_panel.toml").unlink()
    assert config.load().targets == ()


def test_wrong_webhooks_are_named_and_not_told(tmp_path, monkeypatch):
    """Those of the setting as one, those of the file each."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KATO_PANEL_WEBHOOK_URLS", "ftp://s3cret")
    (tmp_path / "kato_panel.toml").write_text("[[webhooks]]\nurl = 'ftp://s3cret'\n")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert "s3cret" not in str(caught.value)
    assert {problem.partition(" ")[0] for problem in caught.value.problems} == {
        "kato_panel.toml,",
        "KATO_PANEL_WEBHOOK_URLS",
    }
