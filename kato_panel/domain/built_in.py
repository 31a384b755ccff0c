"""The rules that come with the program; a user's rule of the same name takes the place of one."""

from typing import Final

from kato_panel.domain.rules import Rule, Severity

MIN_REQUESTS: Final = 50
"""Below this, a share of failed requests says more about chance than about errors."""


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
    return (
        _rule(
            "source_down",
            "source_down",
            ">=",
            1,
            Severity.ERROR,
            "Source {subject} does not answer",
            cooldown_seconds,
        ),
        _rule(
            "sessions_stale",
            "sessions_age_seconds",
            ">",
            60,
            Severity.ERROR,
            "The count of sessions is {value:.0f} s old",
            cooldown_seconds,
        ),
        _rule(
            "container_not_running",
            "container_not_running",
            ">=",
            1,
            Severity.ERROR,
            "Container {subject} does not run",
            cooldown_seconds,
            for_seconds=5,
        ),
        _rule(
            "container_cpu",
            "container_cpu_percent",
            ">",
            cpu_percent,
            Severity.WARNING,
            "Container {subject} needs {value:.0f} % of its processor time",
            cooldown_seconds,
            for_seconds=60,
        ),
        _rule(
            "container_memory",
            "container_memory_percent",
            ">",
            memory_percent,
            Severity.WARNING,
            "Container {subject} needs {value:.0f} % of its memory",
            cooldown_seconds,
            for_seconds=60,
        ),
        _rule(
            "container_restarts",
            "container_restarts",
            ">",
            2,
            Severity.WARNING,
            "Container {subject} was restarted {value:.0f} times in ten minutes",
            cooldown_seconds,
        ),
        _rule(
            "disk_full",
            "disk_percent",
            ">",
            90,
            Severity.WARNING,
            "KATO's disk is {value:.0f} % full",
            cooldown_seconds,
            for_seconds=60,
        ),
        _rule(
            "errors",
            "error_ratio",
            ">",
            error_ratio,
            Severity.WARNING,
            "{value:.1%} of requests fail, as KATO reports it",
            cooldown_seconds,
            for_seconds=60,
            min_samples=MIN_REQUESTS,
        ),
        _rule(
            "redis_evictions",
            "redis_evictions_per_minute",
            ">",
            0,
            Severity.ERROR,
            "Redis gives up {value:.0f} keys a minute for lack of memory",
            cooldown_seconds,
        ),
        _rule(
            "own_loop_late",
            "loop_lag_seconds",
            ">",
            1,
            Severity.WARNING,
            "This service is {value:.1f} s late",
            cooldown_seconds,
            for_seconds=10,
        ),
    )


def _rule(  # noqa: PLR0917 - read as a table, above
    name: str,
    metric: str,
    op: str,
    threshold: float,
    severity: Severity,
    message: str,
    cooldown_seconds: float,
    *,
    for_seconds: float = 0.0,
    min_samples: int = 1,
) -> Rule:
    return Rule(
        name,
        metric,
        op,
        float(threshold),
        for_seconds=for_seconds,
        min_samples=min_samples,
        severity=severity,
        message=message,
        cooldown_seconds=cooldown_seconds,
        is_built_in=True,
    )
