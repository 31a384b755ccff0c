"""The flags of the command line, made of the settings: each flag is a name of the environment."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from pydantic.fields import FieldInfo

from kato_panel import config, resolved

Command = TypeVar("Command", bound=Callable[..., Any])

NAMES: Final = {"KATO_API_URL": "--kato-url"}
"""Flags that are not called as their settings are."""


def flag_of(name: str) -> str:
    """Name the flag of a setting, by its full name."""
    return NAMES.get(name) or "--" + name.removeprefix(config.PREFIX).lower().replace("_", "-")


def take_settings(command: Command) -> Command:
    """
    Give a command a flag for each setting; for a secret, one that names a file that holds it.

    What follows a flag on the command line can be read by everybody at this machine. The command
    gets a value by each full name; ``None`` where none was given.
    """
    for field in reversed(config.Settings.model_fields.values()):
        name = str(field.validation_alias)
        if name not in resolved.secret_names():
            command = _option(name, field)(command)
        else:
            named = name + config.FILE_SUFFIX
            text = f"A file that holds {name}."
            command = click.option(flag_of(named), named, metavar="…", help=text)(command)
    return command


def _option(name: str, field: FieldInfo) -> Callable[[Command], Command]:
    flag = flag_of(name)
    default = resolved.mask(name, field.default)
    text = f"{field.description}{f'  [default: {default}]' if default else ''}"
    if field.annotation is bool:
        return click.option(f"{flag}/--no-{flag.removeprefix('--')}", name, default=None, help=text)
    # A text, whatever it stands for: the settings check it, and name all that is wrong at once.
    return click.option(flag, name, metavar="…", help=text)
