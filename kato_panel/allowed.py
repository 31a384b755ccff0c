"""What settings may be where a range does not say it: addresses, secrets, names, networks."""

import json
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

MAX_PORT: Final = 65_535
HISTORY_OFF: Final = "off"
MIN_TOKEN: Final = 16
MIN_PASSWORD: Final = 8
MAX_CONTAINERS: Final = 32
_CONTAINER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}", re.ASCII)
Network = IPv4Network | IPv6Network


def check_url(url: str) -> str:
    """Refuse what is no address of an HTTP service."""
    allowed = "must be http:// or https:// with a host, and without query, fragment or blanks"
    parts = _split_url(url, allowed)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(allowed)
    if parts.query or parts.fragment:
        raise ValueError(allowed)
    return parts.geturl().rstrip("/")


def check_redis_url(url: str) -> str:
    """Refuse what is no address of a Redis."""
    allowed = (
        "must be redis://, rediss:// or unix://, with a host or a socket's path, "
        "and without query but ?db="
    )
    parts = _split_url(url, allowed)
    is_socket = parts.scheme == "unix"
    place = parts.path if is_socket else parts.hostname
    if parts.scheme not in {"redis", "rediss", "unix"} or not place:
        raise ValueError(allowed)
    database = parts.path.removeprefix("/")
    if parts.fragment or (parts.query and not re.fullmatch(r"db=\d{1,4}", parts.query)):
        raise ValueError(allowed)
    if not is_socket and database and not re.fullmatch(r"\d{1,4}", database):
        raise ValueError(f"{allowed}; its path is the number of a database")
    return url


def _split_url(url: str, allowed: str) -> SplitResult:
    """Take an address apart; refuse blanks, and what is no port."""
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ValueError(allowed)
    parts = urlsplit(url)
    try:
        has_port = parts.port is None or 0 < parts.port <= MAX_PORT
    except ValueError as error:
        raise ValueError(f"{allowed}; its port is no number") from error
    if not has_port:
        raise ValueError(allowed)
    return parts


def check_history_url(url: str) -> str:
    """Refuse what names no history that we can keep."""
    is_file = url.startswith("sqlite:///") and len(url) > len("sqlite:///") and "?" not in url
    if is_file or url in {HISTORY_OFF, "sqlite://"}:
        return url
    raise ValueError(f"must be sqlite:///path, sqlite:// for one in memory, or {HISTORY_OFF}")


def check_token(token: SecretStr) -> SecretStr:
    """Refuse a token that can be guessed, or that no header can carry."""
    text = token.get_secret_value()
    if len(text) < MIN_TOKEN or not text.isascii() or not all("!" <= sign <= "~" for sign in text):
        raise ValueError(f"must be at least {MIN_TOKEN} printable ASCII characters without blanks")
    return token


def check_passwords(given: SecretStr) -> SecretStr:
    """Refuse a password that is short, and a file that holds no users."""
    read_passwords(given.get_secret_value())
    return given


def read_passwords(given: str) -> dict[str, str]:
    """
    Read who may log in with which password.

    Parameters
    ----------
    given
        A password, a JSON object with a password for each user, or the path of a file of that.

    Returns
    -------
    dict of str to str
        Password of each user; of the user with the empty name, where there is but one password.

    Raises
    ------
    ValueError
        If it is neither.
    """
    allowed = (
        f"must be a password of at least {MIN_PASSWORD} characters without /, or users as "
        '{"user": "password"} with such passwords, or the path of a readable .json file of them'
    )
    users: Any = {"": given}
    has_users = True
    try:
        if given.lstrip().startswith("{"):
            users = json.loads(given)
        elif "/" in given or given.endswith(".json") or _is_file(given):
            # A path that leads nowhere must not become a password that everybody can guess.
            users = json.loads(Path(given).read_text(encoding="utf-8"))
        else:
            has_users = False
    except (OSError, ValueError) as error:
        raise ValueError(allowed) from error
    is_sound = (
        isinstance(users, dict)
        and users
        and all(isinstance(one, str) and len(one) >= MIN_PASSWORD for one in users.values())
        and not (has_users and "" in users)
    )
    if not is_sound:
        raise ValueError(allowed)
    return dict(users)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long for one, or with a NUL in it
        return False


def split(text: str) -> tuple[str, ...]:
    """Read a list that is separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def check_hosts(text: str) -> str:
    """Refuse what is no list of names."""
    for name in split(text):
        if not re.fullmatch(
            r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]", name
        ):
            raise ValueError("must be names or addresses without port, separated by commas")
    return text


def check_origins(text: str) -> str:
    """Refuse what is no list of origins."""
    for origin in split(text):
        if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", origin):
            raise ValueError("must be addresses as https://name:port, separated by commas")
    return text


def check_framers(text: str) -> str:
    """Refuse what is no list of origins that a browser finds in a policy."""
    check_origins(text)
    if "[" in text:
        raise ValueError("must be names or IPv4 addresses: policies cannot say an IPv6 address")
    return text


def check_networks(text: str) -> str:
    """Refuse what is no list of networks."""
    for network in split(text):
        try:
            ip_network(network)
        except ValueError as error:
            raise ValueError(
                "must be addresses or networks as 10.0.0.0/8, separated by commas"
            ) from error
    return text


def check_container_names(names: str) -> str:
    """Refuse what is no list of containers' names."""
    listed = [name.strip() for name in names.split(",")]
    if len(listed) > MAX_CONTAINERS or not all(map(_CONTAINER_NAME.fullmatch, listed)):
        raise ValueError(
            f"must be 1 to {MAX_CONTAINERS} names of containers with commas between them, each of "
            "letters, digits, and after the first one also _ . -"
        )
    return ",".join(listed)


def check_label(label: str) -> str:
    """Refuse what is no label."""
    key = label.partition("=")[0]
    if not key or any(letter.isspace() or not letter.isprintable() for letter in key):
        raise ValueError("must be key or key=value, without blanks in the key")
    return label
