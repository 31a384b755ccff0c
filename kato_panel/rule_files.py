"""Where rules stand: the settings' file and the rules' file; what is built in comes before them."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kato_panel.domain.rule_texts import read_rules
from kato_panel.domain.rules import Rule
from kato_panel.errors import ConfigError

logger = logging.getLogger(__name__)

MAX_BYTES: Final = 1_048_576

_Sign = tuple[int, int, int] | None
"""By which a change of a file is seen; ``None`` where there is none."""


@dataclass(frozen=True, slots=True)
class RulesRead:
    """
    What was found in the rules' files.

    Parameters
    ----------
    rules
        All that is to be judged; empty where something is wrong.
    problems
        One sentence for each mistake, with its file and line; empty where all is well.
    """

    rules: tuple[Rule, ...] = ()
    problems: tuple[str, ...] = ()


class RuleFiles:
    """
    Reads rules from files that may change.

    Parameters
    ----------
    built_in
        The rules that are there without any file; a user's rule of the same name takes the place
        of one.
    files
        Each has to be there; read in their order.
    may_lack
        Files that need not be there, unless they once held rules.
    cooldown_seconds
        Of rules that say nothing about it.
    """

    def __init__(
        self,
        built_in: Iterable[Rule],
        files: Iterable[Path] = (),
        *,
        may_lack: Iterable[Path] = (),
        cooldown_seconds: float = 60.0,
    ) -> None:
        self._built_in = tuple(built_in)
        # Somebody may change the folder that this process works in.
        self._needed = tuple(path.absolute() for path in files)
        self._files = (*(path.absolute() for path in may_lack), *self._needed)
        self._cooldown_seconds = cooldown_seconds
        self._signs: Sequence[_Sign] = ()
        self._with_rules: set[Path] = set()

    def read(self) -> tuple[Rule, ...]:
        """
        Read them all.

        Raises
        ------
        ConfigError
            One sentence for each mistake in any of them.
        """
        found = self._read()
        if found.problems:
            raise ConfigError([*found.problems])
        return found.rules

    def remark(self, rule: Rule) -> str:
        """Say where a rule is from."""
        if rule.is_built_in:
            return " (built in)"
        is_replaced = any(one.name == rule.name for one in self._built_in)
        return " (in place of the built-in one)" if is_replaced else ""

    def read_changed(self) -> RulesRead | None:
        """Read them all if one has changed since they were read last; ``None`` if none has."""
        if self._signs == [_sign(path) for path in self._files]:
            return None
        found = self._read()
        if found.problems:
            logger.warning("the rules of before stay: %s", "; ".join(found.problems))
        else:
            logger.info("the rules have changed: %d are judged", len(found.rules))
        return found

    def _read(self) -> RulesRead:
        # Before they are read: whatever is written meanwhile is a change.
        self._signs = [_sign(path) for path in self._files]
        rules: dict[str, Rule] = {}
        places: dict[str, Path] = {}
        problems: list[str] = []
        for path, sign in zip(self._files, self._signs, strict=True):
            if sign is None and path not in {*self._needed, *self._with_rules}:
                continue
            try:
                found = read_rules(
                    read_text(path),
                    cooldown_seconds=self._cooldown_seconds,
                    has_others=path not in self._needed,
                )
            except ConfigError as error:
                problems += [f"{path.name}, {problem}" for problem in error.problems]
                continue
            for rule in found:
                if rule.name in places:
                    problems.append(f"{path.name}: {rule.name} is in {places[rule.name].name}, too")
                rules[rule.name], places[rule.name] = rule, path
        if problems:
            return RulesRead(problems=tuple(problems))
        self._with_rules = {*places.values()}
        built_in = (rules.pop(rule.name, rule) for rule in self._built_in)
        return RulesRead((*built_in, *rules.values()))


def read_text(path: Path) -> str:
    """
    Read a rules' file.

    Raises
    ------
    ConfigError
        If it cannot be read, or is too long.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError([f"longer than {MAX_BYTES} bytes"])
        return content.decode()
    except OSError as error:
        raise ConfigError([f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"cannot be read: it is not UTF-8: {error.reason}"]) from error


def _sign(path: Path) -> _Sign:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
