"""Where each setting has its value from, and how it is shown without a secret."""

import os
import re
from collections.abc import Mapping
from typing import Any, get_args

from dotenv import dotenv_values
from pydantic import SecretStr

from kato_panel import config


def secret_names() -> frozenset[str]:
    """Name the settings that are never shown, and have no flag but that of a file."""
    return frozenset(
        str(field.validation_alias)
        for field in config.Settings.model_fields.values()
        if _is_secret(field.annotation)
        or (isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret"))
    )


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def places(flags: Mapping[str, Any] | None = None) -> dict[str, str]:
    """
    Say where each setting has its value from.

    Parameters
    ----------
    flags
        As for `load`.

    Returns
    -------
    dict
        By full name: ``flag``, ``environment``, ``.env``, ``kato_panel.toml`` or ``default``.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    # What is set to nothing in the environment or in .env is not set, as pydantic reads them.
    known: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("flag", given),
        ("environment", {name: value for name, value in os.environ.items() if value}),
        (
            config.ENV_FILE,
            {name: value for name, value in dotenv_values(config.ENV_FILE).items() if value},
        ),
        (config.TOML_FILE, _toml()),
    )
    # Those that are shown without their login may be in a file, too.
    in_files = secret_names().union(config.SECRETS)

    def find(name: str) -> str | None:
        return next((place for place, values in known if name in values), None)

    def find_file(name: str) -> str | None:
        place = find(name + config.FILE_SUFFIX) if name in in_files else None
        return None if place is None else f"a file that is named in: {place}"

    return {name: find(name) or find_file(name) or "default" for name in config.names()}


def _toml() -> Mapping[str, Any]:
    """Read the settings' file; what its webhooks are added to is set there, too."""
    content = config.read_toml()
    return {config.WEBHOOKS: True, **content} if content.get("webhooks") else content


def mask(name: str, value: object) -> str:
    """
    Write a setting's value so that it shows no secret.

    Parameters
    ----------
    name
        Its full name.
    value
        As `Settings` has it; ``None`` for none.
    """
    if value is None:
        return ""
    if name in secret_names():
        return "(set)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return re.sub(r"(?<=://).*@", "…@", str(value), flags=re.DOTALL)
