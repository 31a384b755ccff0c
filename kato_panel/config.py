"""
Settings: flag, then environment, then ``.env``, then ``kato_panel.toml``, then default.

Names and meaning are listed in ``docs/settings.md``; a test holds the two together.
"""

import difflib
import logging
import os
import re
import tomllib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kato_panel import allowed, providers
from kato_panel.allowed import Network
from kato_panel.domain.container_readings import KATO_CONTAINERS, Wanted
from kato_panel.domain.identity import read_users
from kato_panel.domain.targets import SEPARATOR, Target, read_tables, read_targets
from kato_panel.errors import ConfigError

logger = logging.getLogger(__name__)

PREFIX: Final = "KATO_PANEL_"
TOML_FILE: Final = "kato_panel.toml"
ENV_FILE: Final = ".env"
SECRETS: Final = (
    *("KATO_API_URL", "REDIS_URL"),
    *("KATO_PANEL_AUTH_TOKEN", "KATO_PANEL_BASIC_AUTH", "KATO_PANEL_OAUTH_SECRET"),
    "KATO_PANEL_WEBHOOK_URLS",
)
"""Settings that may hold a password; each may also be the content of a file."""
ADDRESSES: Final = ("_URL", "_URLS", "_URI")
"""Ends of the names of settings that are addresses."""
WEBHOOKS: Final = "KATO_PANEL_WEBHOOK_URLS"
FILE_SUFFIX: Final = "_FILE"
TABLES: Final = {"rules", "webhooks"}
"""Parts of the settings' file that are no settings."""
MAX_SECRET_BYTES: Final = 4_096


def _check_webhooks(urls: SecretStr) -> SecretStr:
    """Refuse what is no list of webhooks."""
    read_targets(urls.get_secret_value())
    return urls


Url = Annotated[str, AfterValidator(allowed.check_url)]
Token = Annotated[SecretStr, AfterValidator(allowed.check_token)]
Passwords = Annotated[SecretStr, AfterValidator(allowed.check_passwords)]
RedisUrl = Annotated[str, AfterValidator(allowed.check_redis_url)]
HistoryUrl = Annotated[str, AfterValidator(allowed.check_history_url)]
ContainerNames = Annotated[str, AfterValidator(allowed.check_container_names)]
Webhooks = Annotated[SecretStr, AfterValidator(_check_webhooks)]
Label = Annotated[str, AfterValidator(allowed.check_label)]


def _named(name: str, default: Any, description: str, **bounds: Any) -> Any:
    return Field(default, validation_alias=name, description=description, **bounds)


class Settings(BaseSettings):
    """
    Everything that can be set.

    Parameters
    ----------
    **values
        Flags of the command line, by the settings' full names; they win over everything else.
    """

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        toml_file=TOML_FILE,
        extra="ignore",
        frozen=True,
        case_sensitive=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    kato_api_url: Url | None = _named(
        "KATO_API_URL",
        None,
        "Where KATO answers; without it the embedded simulator is watched.",
        repr=False,
    )
    redis_url: RedisUrl | None = _named(
        "REDIS_URL",
        None,
        "KATO's Redis: each session is then known, and the count is exact.",
        repr=False,
    )
    redis_enables_events: bool = _named(
        "KATO_PANEL_REDIS_ENABLE_EVENTS", False, "Turn on key events in that Redis, if off."
    )
    websocket_enabled: bool = _named(
        "WEBSOCKET_ENABLED", True, "Tell programs by WebSocket, at `/ws`; off: no such route."
    )
    selective_subscriptions: bool = _named(
        "WEBSOCKET_SELECTIVE_SUBSCRIPTIONS", True, "Let each of them choose; off: all get all."
    )
    session_events: bool = _named(
        "WEBSOCKET_SESSION_EVENTS", True, "Tell each session that comes or goes; off: the count."
    )
    container_stats: bool = _named(
        "WEBSOCKET_CONTAINER_STATS", True, "Watch the containers that KATO runs in."
    )
    containers: ContainerNames | None = _named(
        "KATO_PANEL_CONTAINERS",
        None,
        "Their names; with no label and no project either, those of KATO's compose file.",
    )
    container_label: Label | None = _named(
        "KATO_PANEL_CONTAINER_LABEL", None, "Watch those with this label, too."
    )
    compose_project: str | None = _named(
        "KATO_PANEL_COMPOSE_PROJECT",
        None,
        "Watch those of this project of compose, too.",
        min_length=1,
        max_length=128,
    )
    container_interval_seconds: float = _named(
        "KATO_PANEL_CONTAINER_INTERVAL_SECONDS",
        3.0,
        "Between two looks at the containers.",
        ge=1,
        le=60,
    )
    system_alerts: bool = _named(
        "WEBSOCKET_SYSTEM_ALERTS", True, "Judge rules, and tell what is wrong."
    )
    alert_cpu_percent: float = _named(
        "ALERT_CPU_THRESHOLD",
        80.0,
        "Processor time of a container above which it alerts: percent of its limit, else the host.",
        ge=0,
        le=100,
    )
    alert_memory_percent: float = _named(
        "ALERT_MEMORY_THRESHOLD",
        85.0,
        "Memory of a container above which it alerts: percent of its limit, else of the host.",
        ge=0,
        le=100,
    )
    alert_error_ratio: float = _named(
        "ALERT_ERROR_RATE_THRESHOLD",
        0.05,
        "Share of failed requests above which it alerts.",
        ge=0,
        le=1,
    )
    alert_cooldown_seconds: float = _named(
        "ALERT_COOLDOWN_SECONDS",
        60.0,
        "At least between two times that an alert begins; no end is delayed.",
        ge=0,
        le=86_400,
    )
    rules_file: str | None = _named(
        "KATO_PANEL_RULES_FILE",
        None,
        "A TOML file of `[[rules]]`; see [alerts.md](alerts.md).",
        min_length=1,
    )
    webhook_urls: Webhooks | None = _named(
        "KATO_PANEL_WEBHOOK_URLS", None, "Services that are told of alerts."
    )
    allow_actions: bool = _named(
        "KATO_PANEL_ALLOW_ACTIONS",
        False,
        "Let people delete sessions: who is logged in, or is at this machine.",
    )
    auth_token: Token | None = _named(
        "KATO_PANEL_AUTH_TOKEN", None, "Locks everything: people log in with it, programs send it."
    )
    basic_auth: Passwords | None = _named(
        "KATO_PANEL_BASIC_AUTH", None, "Locks everything: a password, or a JSON file of users."
    )
    oauth_provider: providers.ProviderName | None = _named(
        "KATO_PANEL_OAUTH_PROVIDER", None, "Locks everything: people log in there."
    )
    oauth_key: str | None = _named(
        "KATO_PANEL_OAUTH_KEY",
        None,
        "What this service is called there: its client id.",
        max_length=500,
    )
    oauth_secret: SecretStr | None = _named(
        "KATO_PANEL_OAUTH_SECRET", None, "What proves it there: its client secret."
    )
    oauth_users: Annotated[str, AfterValidator(providers.check_users)] = _named(
        "KATO_PANEL_OAUTH_USERS", "", "Who of those who log in there may come in."
    )
    oauth_redirect_uri: Annotated[str, AfterValidator(providers.check_redirect)] | None = _named(
        "KATO_PANEL_OAUTH_REDIRECT_URI",
        None,
        "Where they come back to; without it, by the address that they came by.",
    )
    oauth_extra_params: Annotated[str, AfterValidator(providers.check_params)] = _named(
        "KATO_PANEL_OAUTH_EXTRA_PARAMS", "", "What a provider takes beside its name."
    )
    allow_anonymous: bool = _named(
        "KATO_PANEL_ALLOW_ANONYMOUS",
        False,
        "Let everybody look without a login, and change nothing.",
    )
    allowed_hosts: Annotated[str, AfterValidator(allowed.check_hosts)] = _named(
        "KATO_PANEL_ALLOWED_HOSTS", "", "Names it is reached by, beside its own addresses."
    )
    allowed_origins: Annotated[str, AfterValidator(allowed.check_origins)] = _named(
        "KATO_PANEL_ALLOWED_ORIGINS", "", "Other sites whose pages may open its sockets."
    )
    widget_origins: Annotated[str, AfterValidator(allowed.check_framers)] = _named(
        "KATO_PANEL_WIDGET_ORIGINS", "", "Other sites whose pages may frame its widgets."
    )
    trusted_proxies: Annotated[str, AfterValidator(allowed.check_networks)] = _named(
        "KATO_PANEL_TRUSTED_PROXIES", "", "Proxies whose X-Forwarded-For and -Proto are believed."
    )
    host: str = _named(
        "KATO_PANEL_HOST", "127.0.0.1", "Address to listen on.", min_length=1, max_length=253
    )
    port: int = _named(
        "KATO_PANEL_PORT", 5006, "Port to listen on; 0 picks a free one.", ge=0, le=allowed.MAX_PORT
    )
    poll_interval_seconds: float = _named(
        "KATO_PANEL_POLL_INTERVAL_SECONDS", 3.0, "Between two polls of the count.", ge=0.5, le=60
    )
    fallback_interval_seconds: float = _named(
        "KATO_PANEL_FALLBACK_INTERVAL_SECONDS",
        10.0,
        "Between a page's HTTP requests while its socket is down.",
        ge=1,
        le=300,
    )
    toast_seconds: float = _named(
        "KATO_PANEL_TOAST_SECONDS", 4.0, "How long a toast stays.", ge=1, le=60
    )
    stream: Literal["auto", "on", "off"] = _named(
        "KATO_PANEL_STREAM", "auto", "Whether to follow KATO's event stream; auto is on."
    )
    history_url: HistoryUrl | None = _named(
        "KATO_PANEL_HISTORY_URL",
        None,
        "Where the history is kept; without it in a file for each KATO, in this user's data.",
    )
    history_raw_days: float = _named(
        "KATO_PANEL_HISTORY_RAW_DAYS",
        7.0,
        "Days for which events and single counts are kept.",
        ge=0.01,
        le=3_650,
    )
    history_minute_days: float = _named(
        "KATO_PANEL_HISTORY_MINUTE_DAYS",
        90.0,
        "Days for which minutes, ended sessions and gaps are kept; hours stay.",
        ge=0.01,
        le=36_500,
    )
    history_max_bytes: int = _named(
        "KATO_PANEL_HISTORY_MAX_BYTES",
        2_147_483_648,
        "Size of the history above which the oldest is given up earlier.",
        ge=1_048_576,
        le=1_099_511_627_776,
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _named(
        "KATO_PANEL_LOG_LEVEL", "INFO", "The least severe log line to print."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the places where settings are looked up."""
        del file_secret_settings
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            TomlConfigSettingsSource(settings_cls),
        )

    @property
    def is_demo(self) -> bool:
        """Whether the embedded simulator is watched."""
        return self.kato_api_url is None

    @property
    def has_login(self) -> bool:
        """Whether nobody gets in without a token, a password or a login elsewhere."""
        return self.takes_secrets or self.oauth_provider is not None

    @property
    def takes_secrets(self) -> bool:
        """Whether there is something that people type to get in."""
        return self.auth_token is not None or self.basic_auth is not None

    @property
    def login_provider(self) -> providers.Provider | None:
        """Where people log in; ``None`` where they do not elsewhere."""
        if self.oauth_provider is None:
            return None
        return providers.choose_provider(self.oauth_provider, self.oauth_extra_params)

    @property
    def users(self) -> frozenset[str]:
        """Who of those who log in elsewhere may come in."""
        return read_users(allowed.split(self.oauth_users))

    @property
    def hosts(self) -> frozenset[str]:
        """Names that this service is reached by, beside its own addresses."""
        return frozenset(name.lower().strip("[]") for name in allowed.split(self.allowed_hosts))

    @property
    def origins(self) -> frozenset[str]:
        """Origins of other sites whose pages may open sockets here."""
        return frozenset(origin.lower() for origin in allowed.split(self.allowed_origins))

    @property
    def framers(self) -> frozenset[str]:
        """Origins of other sites whose pages may frame widgets."""
        return frozenset(origin.lower() for origin in allowed.split(self.widget_origins))

    @property
    def proxies(self) -> tuple[Network, ...]:
        """Networks of the proxies that are believed."""
        return tuple(ip_network(network) for network in allowed.split(self.trusted_proxies))

    @property
    def keeps_history(self) -> bool:
        """Whether there is a history, if only in memory."""
        return self.history_url != allowed.HISTORY_OFF

    @property
    def wanted_containers(self) -> Wanted:
        """Which containers are watched; by default those of KATO's own compose file."""
        wanted = Wanted(
            tuple(self.containers.split(",")) if self.containers else (),
            self.container_label or "",
            self.compose_project or "",
        )
        return Wanted(KATO_CONTAINERS) if wanted == Wanted() else wanted

    @property
    def targets(self) -> tuple[Target, ...]:
        """Who is told of alerts."""
        urls = self.webhook_urls
        return () if urls is None else read_targets(urls.get_secret_value())

    @property
    def expects_engine(self) -> bool:
        """Whether somebody said which containers are watched; ``DOCKER_HOST`` says so too."""
        return any((self.containers, self.container_label, self.compose_project))

    @property
    def follows_stream(self) -> bool:
        """Whether the `stream` source runs."""
        return self.session_events and self.stream != "off"


def names() -> tuple[str, ...]:
    """List the full names of all settings."""
    return tuple(str(field.validation_alias) for field in Settings.model_fields.values())


def load(flags: Mapping[str, Any] | None = None) -> Settings:
    """
    Read the settings from all their places.

    Parameters
    ----------
    flags
        Values from the command line, by full name; ``None`` stands for not given.

    Raises
    ------
    ConfigError
        If any is wrong: names every wrong one, what was given, and what is allowed.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        for name in unknown_names():
            nearest = difflib.get_close_matches(name, names(), n=1, cutoff=0.0)
            logger.warning("setting %s is not known; did you mean %s?", name, nearest[0])
        places = (given, os.environ, dotenv_values(ENV_FILE), read_toml())
        secrets, problems = _read_secrets(places)
        problems += _add_webhooks(secrets, places)
        settings = None
        try:
            settings = Settings(**{**given, **secrets})
        except ValidationError as error:
            problems += [_sentence(problem, places) for problem in error.errors()]
        if settings is not None and settings.allow_anonymous and settings.has_login:
            problems.append(
                "KATO_PANEL_ALLOW_ANONYMOUS is true, must be false where a login is set"
            )
        if settings is not None:
            problems += _judge_oauth(settings)
    except UnicodeDecodeError as error:
        raise ConfigError([f"{ENV_FILE} cannot be read: {error}"]) from error
    if settings is None or problems:
        raise ConfigError(problems)
    return settings


def _judge_oauth(settings: Settings) -> list[str]:
    """Say what a login elsewhere lacks, or what is set for one that there is not."""
    secret = settings.oauth_secret and settings.oauth_secret.get_secret_value()
    given = {"KEY": settings.oauth_key, "SECRET": secret, "USERS": settings.users}
    return [
        f"{PREFIX}OAUTH_{problem}"
        for problem in providers.find_problems(
            settings.oauth_provider, given, settings.oauth_extra_params
        )
    ]


Places = Sequence[Mapping[str, Any]]
"""Where settings are looked up, the strongest first."""


def _given(name: str, places: Places) -> Any:
    """Find what was given for a setting; ``None`` where nothing was."""
    return next((place[name] for place in places if place.get(name) is not None), None)


def _read_secrets(places: Places) -> tuple[dict[str, str], list[str]]:
    """Read the secrets that are given as files; say what is wrong with those that cannot be."""
    found: dict[str, str] = {}
    problems: list[str] = []
    for name in SECRETS:
        path = _given(name + FILE_SUFFIX, places)
        if not path:
            continue
        if _given(name, places):
            problems.append(f"{name} and {name}{FILE_SUFFIX} are both set, must be one of them")
            continue
        try:
            content = Path(str(path)).read_bytes()[: MAX_SECRET_BYTES + 1]
            text = content.decode().strip("\r\n")  # a password may begin or end with a blank
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            problems.append(f"{name}{FILE_SUFFIX} is {str(path)!r}, which cannot be read: {why}")
            continue
        if not text or len(content) > MAX_SECRET_BYTES:
            size = f"must hold 1 to {MAX_SECRET_BYTES} bytes"
            problems.append(f"{name}{FILE_SUFFIX} is {str(path)!r}, {size}")
            continue
        found[name] = text
    return found, problems


def _add_webhooks(secrets: dict[str, str], places: Places) -> list[str]:
    """Add the webhooks of the settings' file to the others; say what is wrong with them."""
    try:
        addresses = read_tables(read_toml().get("webhooks", []))
    except ValueError as error:
        return [f"{TOML_FILE}, {problem}" for problem in error.args]
    if addresses:
        given = secrets.get(WEBHOOKS) or _given(WEBHOOKS, places)
        secrets[WEBHOOKS] = SEPARATOR.join([*([str(given)] if given else []), *addresses])
    return []


def unknown_names() -> list[str]:
    """List names in the environment, ``.env`` and the file that look like ours and are not."""
    seen = [name for name in (*os.environ, *dotenv_values(ENV_FILE)) if name.startswith(PREFIX)]
    files = {name + FILE_SUFFIX for name in SECRETS}
    return sorted({*seen, *read_toml()} - {*names()} - files - TABLES)


def split_login(url: str) -> tuple[str, dict[str, str]]:
    """
    Take user and password out of an address, so that nothing that is shown or logged holds them.

    Parameters
    ----------
    url
        As `Settings.kato_api_url` has it.

    Returns
    -------
    tuple of str and dict
        The address without them, and the header that says the same; empty where there are none.
    """
    parts = urlsplit(url)
    if not parts.username and not parts.password:
        return url, {}
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    header = f"Basic {b64encode(login.encode()).decode()}"
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=place).geturl(), {"Authorization": header}


def _sentence(problem: Any, places: Places) -> str:
    name = str(problem["loc"][0])
    given = _given(name, places)
    if name in SECRETS and (given is None or name.startswith(PREFIX)):
        file = _given(name + FILE_SUFFIX, places)
        source = "that is set" if file is None else f"in the file {str(file)!r}"
        return f"{name} {source} is wrong, {_allowed(name, problem)}"
    # Whatever stands before an @ may be a password, however odd the address; and in an address,
    # whatever follows a ? or a #.
    shown = re.sub(r".*@", "…@", given, flags=re.DOTALL) if isinstance(given, str) else given
    if name.endswith(ADDRESSES):
        shown = re.sub(r"([?#]).*", r"\1…", str(shown), flags=re.DOTALL)
    return f"{name} is {shown!r}, {_allowed(name, problem)}"


def _allowed(name: str, problem: Any) -> str:
    """Say what a setting may be: its range, where it has one, else in the check's words."""
    field = next(
        field for field in Settings.model_fields.values() if field.validation_alias == name
    )
    lowest, highest = (
        next((getattr(bound, side) for bound in field.metadata if hasattr(bound, side)), None)
        for side in ("ge", "le")
    )
    if lowest is not None:
        noun = "a whole number" if field.annotation is int else "a number"
        return f"must be {noun} from {_plain(lowest)} to {_plain(highest)}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return str(message).replace("should be", "must be", 1)


def _plain(number: Any) -> str:
    """Write a number without an exponent."""
    return str(number) if isinstance(number, int) else f"{number:g}"


def read_toml() -> Mapping[str, Any]:
    """Read the settings' file; empty where there is none."""
    path = Path(TOML_FILE)
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError([f"{TOML_FILE} cannot be read: {error}"]) from error
