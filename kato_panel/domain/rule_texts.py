"""Rules as their users write them, in TOML; every mistake is told at once, with its line."""

import difflib
import math
import re
import string
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kato_panel.domain.metrics import METRICS
from kato_panel.domain.rules import OPERATORS, Rule, Severity
from kato_panel.domain.times import ALLOWED, read_duration, write_duration
from kato_panel.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_HEADER: Final = re.compile(r"\s*\[\[\s*(\w+)\s*\]\]")
_TABLE: Final = re.compile(r"\s*\[")
_KEY: Final = re.compile(r"\s*(\w+)\s*=")
_PLACES: Final = ("value", "threshold", "subject", "name")
_NUMBER: Final = re.compile(r"[-+ ]?\d?\d?,?(\.\d)?[efg%]?", re.ASCII)
MAX_MESSAGE: Final = 200
MAX_SAMPLES: Final = 1_000_000
NEEDED: Final = ("name", "metric", "op", "threshold")


def _name(given: Any) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise ValueError("must be a word of letters, digits, _ and -, at most 64 long")
    return given


def _metric(given: Any) -> str:
    if not isinstance(given, str) or given not in METRICS:
        raise ValueError(f"must be a metric{_nearest(given, METRICS)}")
    return given


def _op(given: Any) -> str:
    if not isinstance(given, str) or given not in OPERATORS:
        raise ValueError(f"must be one of {' '.join(OPERATORS)}")
    return given


def _threshold(given: Any) -> float:
    try:
        number = float(given) if type(given) in {int, float} else math.nan
    except OverflowError:  # a whole number may be of any length
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("must be a number")
    return number


def _duration(given: Any) -> float:
    if not isinstance(given, str):
        raise ValueError(f"must be {ALLOWED}")  # noqa: TRY004 - one error for all mistakes
    return read_duration(given)


def _samples(given: Any) -> int:
    if type(given) is not int or not 1 <= given <= MAX_SAMPLES:
        raise ValueError(f"must be a whole number from 1 to {MAX_SAMPLES}")
    return given


def _severity(given: Any) -> Severity:
    if given not in [*Severity]:
        raise ValueError(f"must be one of {' '.join(Severity)}")
    return Severity(given)


def _message(given: Any) -> str:
    allowed = f"must be text of at most {MAX_MESSAGE} letters, with no places but "
    allowed += " ".join(f"{{{place}}}" for place in _PLACES)
    if not isinstance(given, str) or not 0 < len(given) <= MAX_MESSAGE:
        raise ValueError(allowed)
    try:
        parts = [part for part in string.Formatter().parse(given) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"{allowed}: {error}") from error
    for _, place, form, conversion in parts:
        is_number = place in {"value", "threshold"} and _NUMBER.fullmatch(form or "")
        if conversion or not (is_number or (place in {"subject", "name"} and not form)):
            raise ValueError(allowed)
    return given


@dataclass(frozen=True, slots=True)
class _Field:
    attribute: str
    read: Callable[[Any], Any]


_FIELDS: Final[dict[str, _Field]] = {
    "name": _Field("name", _name),
    "metric": _Field("metric", _metric),
    "op": _Field("op", _op),
    "threshold": _Field("threshold", _threshold),
    "for": _Field("for_seconds", _duration),
    "keep_firing_for": _Field("keep_firing_seconds", _duration),
    "cooldown": _Field("cooldown_seconds", _duration),
    "min_samples": _Field("min_samples", _samples),
    "severity": _Field("severity", _severity),
    "message": _Field("message", _message),
}


def read_rules(
    text: str, *, cooldown_seconds: float = 60.0, has_others: bool = True
) -> tuple[Rule, ...]:
    """
    Read the rules of a TOML file.

    Parameters
    ----------
    text
        Of the whole file.
    cooldown_seconds
        Of rules that say nothing about it.
    has_others
        Whether the file may hold other things, which are passed over.

    Returns
    -------
    tuple of Rule
        In their order.

    Raises
    ------
    ConfigError
        One sentence for each mistake, which begins with its line.
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number or a nesting without end
        raise ConfigError([f"no TOML: {error}"]) from error
    given = content.get("rules", [])
    lines = _Lines(text)
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ConfigError(["rules must be written as [[rules]], one after another"])
    problems: list[str] = []
    if not has_others:
        others = [key for key in content if key != "rules"]
        problems += [f"{_find_line(text, key)}: {key} is not rules" for key in others]
    rules: dict[str, Rule] = {}
    for number, one in enumerate(given):
        values = _read(one, number, lines, problems)
        if not values.keys() >= {*NEEDED}:
            continue
        rule = Rule(**{"cooldown_seconds": cooldown_seconds, **values})
        if rule.name in rules:
            problems.append(f"{lines.say(number, 'name')}: name {rule.name} is there twice")
        rules[rule.name] = rule
    if problems:
        raise ConfigError(problems)
    return tuple(rules.values())


def _find_line(text: str, key: str) -> str:
    """Say in which line a part of a file begins."""
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}\b""")
    found = [number for number, line in enumerate(text.splitlines(), 1) if begins.match(line)]
    return f"line {found[0]}" if found else "a line"


def write_rule(rule: Rule) -> str:
    """Say in one line what a rule judges."""
    lasting = f" for {write_duration(rule.for_seconds)}" if rule.for_seconds else ""
    return f"{rule.name}: {rule.metric} {rule.op} {rule.threshold:g}{lasting}, {rule.severity}"


def _read(
    given: Mapping[str, Any], number: int, lines: "_Lines", problems: list[str]
) -> dict[str, Any]:
    """Read the fields of one rule, and tell what is wrong with them."""
    values: dict[str, Any] = {}
    for key, value in given.items():
        field = _FIELDS.get(key)
        if field is None:
            problems.append(f"{lines.say(number, key)}: {key} is no field{_nearest(key, _FIELDS)}")
            continue
        try:
            values[field.attribute] = field.read(value)
        except ValueError as error:
            problems.append(f"{lines.say(number, key)}: {key} is {_say(value)}, {error}")
    problems += [f"{lines.say(number)}: {key} is missing" for key in NEEDED if key not in given]
    return values


def _say(value: Any) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a very long number"


def _nearest(given: Any, known: Mapping[str, object]) -> str:
    found = difflib.get_close_matches(str(given), known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else f": {', '.join(known)}"


class _Lines:
    """Where in the text each rule and each of its fields stands; the library does not say."""

    def __init__(self, text: str) -> None:
        self._headers: list[int] = []
        self._keys: dict[tuple[int, str], int] = {}
        is_inside = False
        for line, content in enumerate(text.splitlines(), 1):
            header = _HEADER.match(content)
            if header is not None and header[1] == "rules":
                self._headers.append(line)
                is_inside = True
            elif _TABLE.match(content):
                is_inside = False
            elif is_inside and (key := _KEY.match(content)):
                self._keys.setdefault((len(self._headers) - 1, key[1]), line)

    def say(self, number: int, key: str = "") -> str:
        """Say where a field stands, or else its rule."""
        line = self._keys.get((number, key))
        if line is None and number < len(self._headers):
            line = self._headers[number]
        return f"rule {number + 1}" if line is None else f"line {line}"
