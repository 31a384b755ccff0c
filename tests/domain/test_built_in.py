"""The rules that come with the program."""

from kato_panel.domain.built_in import built_in_rules
from kato_panel.domain.metrics import METRICS

RULES = built_in_rules(cpu_percent=80, memory_percent=85, error_ratio=0.05, cooldown_seconds=60)


def test_every_rule_is_about_a_metric_and_can_be_said():
    """Each under a name of its own."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.metric in METRICS
        assert "{" not in rule.say("kato", 1.5)
        assert ("{subject}" in rule.message) == bool(METRICS[rule.metric].subject)
        assert rule.is_built_in


def test_settings_are_thresholds():
    """Under the design document's names."""
    thresholds = {rule.name: rule.threshold for rule in RULES}
    assert thresholds["container_cpu"] == 80
    assert thresholds["container_memory"] == 85
    assert thresholds["errors"] == 0.05
    assert {rule.cooldown_seconds for rule in RULES} == {60}
    assert next(rule for rule in RULES if rule.name == "errors").min_samples == 50
