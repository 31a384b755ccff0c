"""Who is told of alerts: addresses as settings have them, which hold a password as often as not."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from kato_panel.domain.notices import Form

SEPARATOR: Final = ","
FIELDS: Final = ("url", "form")
MAX_LETTERS: Final = 2_048
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """
    A service that is told.

    Parameters
    ----------
    name
        Holds no secret.
    url
        May hold one; never shown or logged.
    form
        Of the body.
    """

    name: str
    url: str = field(repr=False)
    form: Form = Form.ALERTMANAGER


def read_target(address: str) -> Target:
    """
    Read an address as settings have it.

    Parameters
    ----------
    address
        ``http(s)://…`` for Alertmanager's body; ``slack+https://…`` and ``json+http://…`` for
        the others.

    Raises
    ------
    ValueError
        If it is none; says what is allowed.
    """
    allowed = "must be http(s)://, slack+http(s):// or json+http(s):// with a host"
    scheme, _, rest = address.partition("://")
    prefix, _, plain = scheme.rpartition("+")
    forms = {"": Form.ALERTMANAGER, "slack": Form.SLACK, "json": Form.JSON}
    url = f"{plain}://{rest}"
    try:
        parts = urlsplit(url)
        is_sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise ValueError(allowed) from error
    is_plain = address.isprintable() and " " not in address and len(address) <= MAX_LETTERS
    is_sound = is_sound and _is_host(parts.hostname or "", is_address="[" in parts.netloc)
    if not is_sound or not is_plain or plain not in {"http", "https"} or prefix not in forms:
        raise ValueError(allowed)
    # The path of a webhook is its password as often as not.
    name = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    return Target(name, url, forms[prefix])


def _is_host(name: str, *, is_address: bool) -> bool:
    """Say whether a name can be looked up: an address, or letters that need no other form."""
    try:
        ip_address(name)
    except ValueError:
        return not is_address and bool(_HOST.fullmatch(name)) and _has_sound_labels(name)
    return True


def _has_sound_labels(name: str) -> bool:
    try:
        return all(label.encode().decode("idna") for label in name.split("."))
    except UnicodeError:
        return False


def read_targets(addresses: str) -> tuple[Target, ...]:
    """
    Read addresses with commas between them.

    Raises
    ------
    ValueError
        If one is none, or there is none; says what is allowed.
    """
    listed = [one.strip() for one in addresses.split(SEPARATOR) if one.strip()]
    if not listed:
        raise ValueError("must be addresses with commas between them")
    return tuple(map(read_target, listed))


def read_tables(tables: Any) -> list[str]:
    """
    Read ``[[webhooks]]`` of the settings' file.

    Parameters
    ----------
    tables
        As TOML gives them; each has an `url`, and perhaps a `form`.

    Returns
    -------
    list of str
        Addresses for `read_targets`.

    Raises
    ------
    ValueError
        A sentence for each mistake, each an argument; none holds an address.
    """
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ValueError("webhooks must be written as [[webhooks]], one after another")
    addresses: list[str] = []
    problems: list[str] = []
    for number, table in enumerate(tables, 1):
        try:
            addresses.append(_read_table(table))
        except ValueError as error:
            problems.append(f"webhook {number}: {error}")
    if problems:
        raise ValueError(*problems)
    return addresses


def _read_table(table: dict[str, Any]) -> str:
    unknown = sorted(table.keys() - {*FIELDS})
    if unknown:
        raise ValueError(f"{unknown[0]} is no field: {', '.join(FIELDS)}")
    url, form = table.get("url"), table.get("form", Form.ALERTMANAGER)
    if form not in [*Form]:
        raise ValueError(f"form must be one of {' '.join(Form)}")
    if not isinstance(url, str) or "+" in url.partition("://")[0]:
        raise ValueError("url must be http:// or https:// with a host")
    # A comma stands between addresses, and means the same when it is written so.
    address = url.replace(SEPARATOR, "%2C")
    if form != Form.ALERTMANAGER:
        address = f"{form}+{address}"
    read_target(address)
    return address
