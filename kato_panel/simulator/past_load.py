"""What could be measured at an upstream in its past: its load, and what its containers needed."""

import math
from typing import Final

import numpy as np

from .past import DAY, EVICTED, HOUR, MINUTE, SECOND, Figures, Mask, Past, Times
from .past_containers import NEEDS, load
from .workers import DISK_PERCENT

WINDOW: Final = 5 * MINUTE
"""What a rate is taken over."""
RESTARTS_WINDOW: Final = 10 * MINUTE
DOWN_AFTER: Final = 9 * SECOND
"""So long something has to be away until its source is down, and a count stale."""
MERGE: Final = (3 * HOUR, 12 * MINUTE)
"""When of a day ClickHouse merges its parts, and for how long."""
RESTART_MINUTES: Final = (1, 2, 4, 6)
"""When KATO's container is started again, once it is down."""

Measured = dict[tuple[str, str], Figures]
"""By metric and subject; NaN where nothing is known."""


def measure(past: Past, looks: Times) -> Measured:
    """
    Measure all that rules can be about, but what is about its watcher alone.

    Parameters
    ----------
    past
        What happened.
    looks
        When somebody looked, in microseconds, the oldest first.
    """
    rng = np.random.default_rng([past.seed, 2])
    alive = past.alive_at(looks)
    created = _rate(past.lives.created, looks)
    return (
        _of_sessions(past, looks, alive, created, rng)
        | _of_containers(past, looks, load(alive), rng)
        | {
            ("disk_percent", ""): _unless(
                past.stopped.holds(looks),
                DISK_PERCENT - 9.0 * (past.until - looks) / (past.until - past.since),
            ),
            ("error_ratio", ""): _unless(past.stopped.holds(looks), np.zeros(len(looks))),
            ("loop_lag_seconds", ""): 0.002 + rng.gamma(2.0, 0.003, len(looks)),
        }
    )


def _of_sessions(
    past: Past, looks: Times, alive: Times, created: Figures, rng: np.random.Generator
) -> Measured:
    lives = past.lives
    is_blind = _is_down(past.storeless.began, past.storeless.ended, looks)
    is_new = np.zeros(len(looks), bool)
    for spell in (past.storeless, past.unwatched):
        is_new |= (looks >= spell.began) & (looks < spell.ended + WINDOW)
    is_new |= looks < past.since + WINDOW
    age = rng.uniform(0, 2, len(looks))
    away = past.storeless.holds(looks)
    age[away] += (looks[away] - past.storeless.began) / SECOND
    lapsed = np.sort(lives.ended[lives.how != 0])
    evicted = lives.ended[lives.how == EVICTED]
    is_stopped = _is_down(past.stopped.began, past.stopped.ended, looks)
    return {
        ("sessions_active", ""): _unless(is_blind, alive),
        ("sessions_drift", ""): _unless(is_blind, np.searchsorted(lapsed, looks, side="right")),
        ("sessions_created_per_minute", ""): _unless(is_new, created),
        ("sessions_ended_per_minute", ""): _unless(is_new, _rate(lives.ended, looks)),
        ("sessions_age_seconds", ""): _unless(is_blind, age),
        ("redis_evictions_per_minute", ""): _unless(is_blind, _rate(evicted, looks)),
        ("source_down", "http"): is_stopped.astype(float),
        ("source_down", "stream"): _unless(is_stopped, np.zeros(len(looks))),
        ("source_down", "redis"): is_blind.astype(float),
        ("source_down", "docker"): np.zeros(len(looks)),
    }


def _of_containers(past: Past, looks: Times, loads: Figures, rng: np.random.Generator) -> Measured:
    days_left = (past.until - looks) / DAY
    starve = np.clip((looks - past.starved.began) / (40 * MINUTE) + 1, 0, 1)
    starve[looks >= past.starved.ended] = 0
    begins, lasts = MERGE
    merges = (looks % DAY >= begins) & (looks % DAY < begins + lasts)
    cpu_more = {"kato-clickhouse": 82 * merges}
    memory_more = {
        "kato-redis": (58 - 8 * np.minimum(loads, 1)) * starve**3,
        "kato-clickhouse": 9 * merges - 4 * np.sin(2 * math.pi * days_left),
        "kato-qdrant": -1.6 * days_left,
    }
    never = np.zeros(len(looks), bool)
    stops = {"kato": past.stopped.holds(looks), "kato-redis": past.storeless.holds(looks)}
    restarts = {
        "kato": [past.stopped.began + at * MINUTE for at in RESTART_MINUTES],
        "kato-redis": [past.storeless.ended],
    }
    measured: Measured = {}
    for name, needs in NEEDS.items():
        stands = stops.get(name, never)
        used = needs.cpu + needs.cpu_load * loads + cpu_more.get(name, 0)
        noisy = used * rng.lognormal(0, 0.08, len(looks))
        measured["container_cpu_percent", name] = _unless(stands, np.clip(noisy, 0, 100))
        used = needs.memory + needs.memory_load * loads + memory_more.get(name, 0)
        noisy = used + rng.normal(0, 0.4, len(looks))
        measured["container_memory_percent", name] = _unless(stands, np.clip(noisy, 0, 100))
        measured["container_not_running", name] = stands.astype(float)
        begun = np.array(restarts.get(name, []), np.int64)
        measured["container_restarts", name] = _within(begun, looks, RESTARTS_WINDOW).astype(float)
    return measured


def _within(times: Times, looks: Times, window: int) -> Times:
    """Count the times in the window before each look."""
    ordered = np.sort(times)
    before = np.searchsorted(ordered, looks, side="right")
    return before - np.searchsorted(ordered, looks - window, side="right")


def _rate(times: Times, looks: Times) -> Figures:
    return _within(times, looks, WINDOW) / (WINDOW // MINUTE)


def _is_down(began: int, ended: int, looks: Times) -> Mask:
    return (looks >= began + DOWN_AFTER) & (looks < ended)


def _unless(is_unknown: Mask, values: Figures | Times) -> Figures:
    return np.where(is_unknown, np.nan, values.astype(np.float64))
