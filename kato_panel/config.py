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
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kato_panel.domain.container_readings import KATO_CONTAINERS, Wanted
from kato_panel.errors import ConfigError

logger = logging.getLogger(__name__)

PREFIX: Final = "KATO_PANEL_"
TOML_FILE: Final = "kato_panel.toml"
ENV_FILE: Final = ".env"
MAX_PORT: Final = 65_535
HISTORY_OFF: Final = "off"
MAX_CONTAINERS: Final = 32
_CONTAINER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}", re.ASCII)


def _check_url(url: str) -> str:
    """Refuse what is no address of an HTTP service."""
    allowed = "must be http:// or https:// with a host, and without query, fragment or blanks"
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ValueError(allowed)
    parts = urlsplit(url)
    try:
        has_port = parts.port is None or 0 < parts.port <= MAX_PORT
    except ValueError as error:
        raise ValueError(f"{allowed}; its port is no number") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not has_port:
        raise ValueError(allowed)
    if parts.query or parts.fragment:
        raise ValueError(allowed)
    return parts.geturl().rstrip("/")


def _check_redis_url(url: str) -> str:
    """Refuse what is no address of a Redis."""
    allowed = (
        "must be redis://, rediss:// or unix://, with a host or a socket's path, "
        "and without query but ?db="
    )
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ValueError(allowed)
    parts = urlsplit(url)
    try:
        has_port = parts.port is None or 0 < parts.port <= MAX_PORT
    except ValueError as error:
        raise ValueError(f"{allowed}; its port is no number") from error
    is_socket = parts.scheme == "unix"
    place = parts.path if is_socket else parts.hostname
    if parts.scheme not in {"redis", "rediss", "unix"} or not place or not has_port:
        raise ValueError(allowed)
    database = parts.path.removeprefix("/")
    if parts.fragment or (parts.query and not re.fullmatch(r"db=\d{1,4}", parts.query)):
        raise ValueError(allowed)
    if not is_socket and database and not re.fullmatch(r"\d{1,4}", database):
        raise ValueError(f"{allowed}; its path is the number of a database")
    return url


def _check_history_url(url: str) -> str:
    """Refuse what names no history that we can keep."""
    is_file = url.startswith("sqlite:///") and len(url) > len("sqlite:///") and "?" not in url
    if is_file or url in {HISTORY_OFF, "sqlite://"}:
        return url
    raise ValueError(f"must be sqlite:///path, sqlite:// for one in memory, or {HISTORY_OFF}")


def _check_container_names(names: str) -> str:
    """Refuse what is no list of containers' names."""
    listed = [name.strip() for name in names.split(",")]
    if len(listed) > MAX_CONTAINERS or not all(map(_CONTAINER_NAME.fullmatch, listed)):
        raise ValueError(
            f"must be 1 to {MAX_CONTAINERS} names of containers with commas between them, each of "
            "letters, digits, and after the first one also _ . -"
        )
    return ",".join(listed)


def _check_label(label: str) -> str:
    """Refuse what is no label."""
    key = label.partition("=")[0]
    if not key or any(letter.isspace() or not letter.isprintable() for letter in key):
        raise ValueError("must be key or key=value, without blanks in the key")
    return label


Url = Annotated[str, AfterValidator(_check_url)]
RedisUrl = Annotated[str, AfterValidator(_check_redis_url)]
HistoryUrl = Annotated[str, AfterValidator(_check_history_url)]
ContainerNames = Annotated[str, AfterValidator(_check_container_names)]
Label = Annotated[str, AfterValidator(_check_label)]


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
        "KATO_API_URL", None, "Where KATO answers; without it the embedded simulator is watched."
    )
    redis_url: RedisUrl | None = _named(
        "REDIS_URL", None, "KATO's Redis: each session is then known, and the count is exact."
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
    allow_actions: bool = _named(
        "KATO_PANEL_ALLOW_ACTIONS", False, "Let people delete sessions, while on loopback only."
    )
    host: str = _named(
        "KATO_PANEL_HOST", "127.0.0.1", "Address to listen on.", min_length=1, max_length=253
    )
    port: int = _named(
        "KATO_PANEL_PORT", 5006, "Port to listen on; 0 picks a free one.", ge=0, le=MAX_PORT
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
    def keeps_history(self) -> bool:
        """Whether there is a history, if only in memory."""
        return self.history_url != HISTORY_OFF

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
        return Settings(**given)
    except UnicodeDecodeError as error:
        raise ConfigError([f"{ENV_FILE} cannot be read: {error}"]) from error
    except ValidationError as error:
        raise ConfigError([_sentence(problem, given) for problem in error.errors()]) from error


def unknown_names() -> list[str]:
    """List names in the environment, ``.env`` and the file that look like ours and are not."""
    seen = [name for name in (*os.environ, *dotenv_values(ENV_FILE)) if name.startswith(PREFIX)]
    return sorted({*seen, *_toml()} - {*names()})


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


def _sentence(problem: Any, flags: Mapping[str, Any]) -> str:
    name = str(problem["loc"][0])
    given = next(
        (
            place[name]
            for place in (flags, os.environ, dotenv_values(ENV_FILE), _toml())
            if name in place
        ),
        None,
    )
    # Whatever stands before an @ may be a password, however odd the address.
    shown = re.sub(r".*@", "…@", given) if isinstance(given, str) else given
    if name == "REDIS_URL":  # whose query may hold one too
        shown = str(shown).partition("?")[0]
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


def _toml() -> Mapping[str, Any]:
    path = Path(TOML_FILE)
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError([f"{TOML_FILE} cannot be read: {error}"]) from error
