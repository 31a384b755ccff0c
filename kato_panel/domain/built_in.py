"""The rules that come with the program; a user's rule of the same name takes the place of one."""

from dataclasses import replace
from typing import Final

from kato_panel.domain.rules import Rule, Severity

MIN_REQUESTS: Final = 50
"""Below this, a share of failed requests says more about chance than about errors."""
WARNING, ERROR = Severity.WARNING, Severity.ERROR


def built_in_rules(
    *,
    cpu_percent: float,
    memory_percent: float,
    error_ratio: float,
    cooldown_seconds: float,
) -> tuple[Rule, ...]:
    """
    Make the built-in rules.

    Parameters
    ----------
    cpu_percent, memory_percent
        Of a container's limit, else of the host.
    error_ratio
        Failed requests of all.
    cooldown_seconds
        See `Rule`.
    """
    rules = (
        Rule(
            "source_down",
            "source_down",
            ">=",
            1.0,
            for_seconds=5.0,  # the stream of a KATO that is away fails before the next poll does
            severity=ERROR,
            message="Source {subject} does not answer",
        ),
        Rule(
            "sessions_stale",
            "sessions_age_seconds",
            ">",
            60.0,
            severity=ERROR,
            message="The count of sessions is {value:.0f} s old",
        ),
        Rule(
            "container_not_running",
            "container_not_running",
            ">=",
            1.0,
            for_seconds=5.0,
            severity=ERROR,
            message="Container {subject} does not run",
        ),
        Rule(
            "container_cpu",
            "container_cpu_percent",
            ">",
            cpu_percent,
            for_seconds=60.0,
            severity=WARNING,
            message="Container {subject} needs {value:.0f} % of its processor time",
        ),
        Rule(
            "container_memory",
            "container_memory_percent",
            ">",
            memory_percent,
            for_seconds=60.0,
            severity=WARNING,
            message="Container {subject} needs {value:.0f} % of its memory",
        ),
        Rule(
            "container_restarts",
            "container_restarts",
            ">",
            2.0,
            severity=WARNING,
            message="Container {subject} was restarted {value:.0f} times in ten minutes",
        ),
        Rule(
            "disk_full",
            "disk_percent",
            ">",
            90.0,
            for_seconds=60.0,
            severity=WARNING,
            message="KATO's disk is {value:.0f} % full",
        ),
        Rule(
            "errors",
            "error_ratio",
            ">",
            error_ratio,
            for_seconds=60.0,
            min_samples=MIN_REQUESTS,
            severity=WARNING,
            message="{value:.1%} of requests fail, as KATO reports it",
        ),
        Rule(
            "redis_evictions",
            "redis_evictions_per_minute",
            ">",
            0.0,
            severity=ERROR,
            message="Redis gives up {value:.0f} keys a minute for lack of memory",
        ),
        Rule(
            "own_loop_late",
            "loop_lag_seconds",
            ">",
            1.0,
            for_seconds=10.0,
            severity=WARNING,
            message="This service is {value:.1f} s late",
        ),
    )
    return tuple(
        replace(rule, cooldown_seconds=cooldown_seconds, is_built_in=True) for rule in rules
    )
