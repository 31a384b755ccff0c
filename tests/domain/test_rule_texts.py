"""Rules as their users write them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_panel.domain.metrics import METRICS
from kato_panel.domain.rule_texts import read_rules, write_rule
from kato_panel.domain.rules import Rule, Severity
from kato_panel.domain.times import read_duration, write_duration
from kato_panel.errors import ConfigError

PUBLISHED = """
[[rules]]
name = "many_sessions"
metric = "sessions_active"          # names listed in docs/alerts.md, each with its unit
op = ">"                            # > >= < <= ==
threshold = 500
for = "2m"                          # default 0s
keep_firing_for = "1m"              # default 0s; the only hysteresis
min_samples = 1                     # default 1
severity = "warning"                # info | warning (default) | error
message = "{value:.0f} sessions are open"
"""
LEAST = 'name = "a"\nmetric = "disk_percent"\nop = ">="\nthreshold = 90\n'


def problems(text):
    with pytest.raises(ConfigError) as raised:
        read_rules(text)
    return raised.value.problems


def test_published_example_is_read():
    """Beside whatever else the file holds."""
    (rule,) = read_rules('KATO_PANEL_PORT = 5006\n[[webhooks]]\nurl = "x"\n' + PUBLISHED)
    assert rule == Rule(
        "many_sessions",
        "sessions_active",
        ">",
        500.0,
        for_seconds=120.0,
        keep_firing_seconds=60.0,
        message="{value:.0f} sessions are open",
    )
    assert rule.say("", 501) == "501 sessions are open"


def test_least_rule_has_the_defaults():
    """The cooldown's comes from the settings."""
    (rule,) = read_rules("[[rules]]\n" + LEAST, cooldown_seconds=5)
    assert (rule.for_seconds, rule.min_samples, rule.cooldown_seconds) == (0, 1, 5)
    assert (rule.severity, rule.say("", 91)) == (Severity.WARNING, "a: 91")
    (inline,) = read_rules('rules = [{name="a", metric="disk_percent", op=">", threshold=1}]')
    assert inline.threshold == 1
    assert read_rules("") == ()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("1" + "0" * 400, "line 5: threshold is 1000"),
        ("0x" + "f" * 5_000, "line 5: threshold is a very long number, must be a number"),
        ("1" + "0" * 5_000, "no TOML: "),
        ("[" * 5_000, "no TOML: "),
    ],
)
def test_numbers_and_nestings_without_end_are_mistakes(value, told):
    """And nothing else."""
    (problem,) = problems(f"[[rules]]\n{LEAST.replace('90', value)}")
    assert problem.startswith(told)


def test_file_of_rules_holds_nothing_else():
    """So that a word that is misspelt is no rule that nobody judges."""
    text = "x = 1\n[[rule]]\n" + LEAST
    assert read_rules(text) == ()
    with pytest.raises(ConfigError) as raised:
        read_rules(text + '["a b"]', has_others=False)
    assert raised.value.problems == [
        "line 1: x is not rules",
        "line 2: rule is not rules",
        "line 7: a b is not rules",
    ]
    with pytest.raises(ConfigError, match="a line: é is not rules"):
        read_rules('"\\u00e9" = 1', has_others=False)


def test_every_mistake_is_told_at_once_with_its_line():
    """What was given, and what is allowed."""
    text = """[[rules]]
name = "two words"
metric = "sessions_activ"
op = "=>"
threshold = "many"
for = "2 minutes"
keep_firing_for = 3
min_samples = true
severity = "fatal"
message = "{value.real}"
colour = 1

[other]
name = 3
[[rules]]
metric = "nothing of the kind"
  op = ">"
threshold = nan
message = "{value:d}"
[[rules]]
name = "a"
"""
    told = problems(text)
    begins = [one.partition(",")[0] for one in told]
    assert begins == [
        "line 2: name is 'two words'",
        "line 3: metric is 'sessions_activ'",
        "line 4: op is '=>'",
        "line 5: threshold is 'many'",
        "line 6: for is '2 minutes'",
        "line 7: keep_firing_for is 3",
        "line 8: min_samples is True",
        "line 9: severity is 'fatal'",
        "line 10: message is '{value.real}'",
        "line 11: colour is no field: name",
        "line 16: metric is 'nothing of the kind'",
        "line 18: threshold is nan",
        "line 19: message is '{value:d}'",
        "line 15: name is missing",
        "line 20: metric is missing",
        "line 20: op is missing",
        "line 20: threshold is missing",
    ]
    assert "did you mean sessions_active?" in told[1]
    assert "90s, 5m, 2h or 1d" in told[4]
    assert "{value} {threshold} {subject} {name}" in told[8]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rules]\n", "no TOML: .*line 1"),
        ("rules = 3", "must be written as"),
        ("rules = [3]", "must be written as"),
        (f"[[rules]]\n{LEAST}[[rules]]\n{LEAST}", "line 7: name a is there twice"),
        ("rules = [{}]", "rule 1: name is missing"),
        (f'[[rules]]\n{LEAST}message = ""', "line 6: message is ''"),
        (f'[[rules]]\n{LEAST}message = "{{"', "line 6: message is"),
        (f'[[rules]]\n{LEAST}message = "{{0}}"', "line 6: message is"),
        (f'[[rules]]\n{LEAST}message = "{{value:9999}}"', "line 6: message is"),
        (f'[[rules]]\n{LEAST}message = "{{value[0]}}"', "line 6: message is"),
        (f"[[rules]]\n{LEAST}min_samples = 0", "from 1 to 1000000"),
        (f"[[rules]]\n{LEAST}severity = [1]", "info warning error"),
        (f"[[rules]]\n{LEAST.replace('>=', '!=')}", "> >= < <= =="),
        ("[[rules]]\n" + LEAST.replace('"disk_percent"', "[1]"), "line 3: metric is"),
        ("[[rules]]\n" + LEAST.replace('">="', "[1]"), "line 4: op is"),
        (f'[[rules]]\n{LEAST}message = "{{value!r}}"', "line 6: message is"),
        (f'[[rules]]\n{LEAST}message = "{{subject:9}}"', "line 6: message is"),
        (f"[[rules]]\n{LEAST}op = 3", "no TOML"),
    ],
)
def test_what_is_wrong_is_said(text, says):
    """Also where the file as a whole is."""
    with pytest.raises(ConfigError, match=says):
        read_rules(text)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text):
    """It is rules, or it says what is wrong."""
    for whole in (text, f"[[rules]]\n{text}", f"[[rules]]\n{LEAST}message = '''{text}'''"):
        try:
            rules = read_rules(whole)
        except ConfigError as error:
            assert error.problems  # noqa: PT017 - most texts raise nothing
            continue
        assert all(rule.say("x", 1.5) is not None for rule in rules)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7_200), ("1d", 86_400), ("0.5s", 0.5)]
)
def test_durations_are_read_and_written(text, seconds):
    """Both ways."""
    assert read_duration(text) == seconds
    assert write_duration(seconds) == text


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m", "1e3s", "٣s", "9999999999s", "5m\n"])
def test_what_is_no_duration_is_refused(text):
    """With an example of one."""
    with pytest.raises(ValueError, match="90s, 5m, 2h or 1d"):
        read_duration(text)


def test_every_metric_says_what_it_is():
    """In one sentence, with its unit."""
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.meaning.endswith(".")
        assert metric.unit


def test_rule_is_said_in_one_line():
    """With how long it has to last, where it has to."""
    (rule,) = read_rules(
        "[[rules]]\nname='a'\nmetric='sessions_active'\nop='>'\nthreshold=5\nfor='90s'"
    )
    assert write_rule(rule) == "a: sessions_active > 5 for 90s, warning"
    assert write_rule(replace(rule, for_seconds=0.0)) == "a: sessions_active > 5, warning"
