"""What rules can be about: each metric with its unit, and what it is measured for."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """
    One figure that rules may name.

    Parameters
    ----------
    name
        In rules, in the history and in the API.
    unit
        Of its value.
    meaning
        One sentence.
    subject
        What there is a value for each of; empty where there is one for all.
    """

    name: str
    unit: str
    meaning: str
    subject: str = ""


_ALL: Final = (
    Metric("sessions_active", "sessions", "Sessions alive, as shown."),
    Metric("sessions_drift", "sessions", "Sessions that KATO still counts but that are gone."),
    Metric("sessions_created_per_minute", "1/min", "Sessions created, over five minutes."),
    Metric("sessions_ended_per_minute", "1/min", "Sessions ended, over five minutes."),
    Metric(
        "sessions_active_of_usual",
        "ratio",
        "Sessions alive, divided by their median at this hour of the seven days before.",
    ),
    Metric(
        "median_lifetime_seconds",
        "seconds",
        "Age that half of the sessions of the last day reach; known with Redis, every few minutes.",
    ),
    Metric(
        "container_cpu_percent",
        "percent of its limit, else of the host",
        "Processor time of a container.",
        "container",
    ),
    Metric(
        "container_memory_percent",
        "percent of its limit, else of the host",
        "Memory of a container without the page cache.",
        "container",
    ),
    Metric("container_restarts", "restarts", "In the last ten minutes.", "container"),
    Metric("container_not_running", "0 or 1", "1 while a container does not run.", "container"),
    Metric("disk_percent", "percent of KATO's disk", "Full part of the disk, as KATO reports it."),
    Metric(
        "error_ratio",
        "ratio",
        "Failed requests of all, as KATO reports it: so far always 0.",
    ),
    Metric("source_down", "0 or 1", "1 while a source has failed three times in a row.", "source"),
    Metric(
        "sessions_age_seconds",
        "seconds",
        "Age of the newest good observation of the count; not known while its source is down.",
    ),
    Metric("redis_evictions_per_minute", "1/min", "Keys that Redis gave up for lack of memory."),
    Metric("loop_lag_seconds", "seconds", "How late this service's own loop is, at worst."),
)

METRICS: Final[dict[str, Metric]] = {metric.name: metric for metric in _ALL}
"""By name."""
CONTAINER_METRICS: Final = frozenset(one.name for one in _ALL if one.subject == "container")
"""Of which a look at the containers measures each, or knows that it is gone."""
