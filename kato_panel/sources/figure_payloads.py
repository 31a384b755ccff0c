"""
What upstream and its Redis say of themselves, in their own words, read strictly.

Source: KATO 3.10.1, as recorded in ``tests/recorded``; Redis 7.0, ``INFO``.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kato_panel.domain.events import Service
from kato_panel.domain.relaying import relayable
from kato_panel.domain.text import sayable
from kato_panel.domain.upstream_figures import RedisFigures, WorkerMetrics
from kato_panel.errors import PayloadError
from kato_panel.sources.payloads import evicted_keys

MAX_WORD: Final = 64
MAX_ISSUES: Final = 10
MAX_ISSUE: Final = 200
MAX_SECONDS: Final = 10.0**10
MAX_COUNT: Final = 10.0**15
MAX_BYTES: Final = 2**60
MAX_PERCENT: Final = 100.0

_VERSION: Final = re.compile(r"[0-9][0-9a-z.-]{0,31}", re.ASCII)


def service(payload: Mapping[str, Any]) -> Service:
    """
    Read what the answer of ``GET /health`` says beside the count.

    Parameters
    ----------
    payload
        Decoded JSON object.

    Returns
    -------
    Service
        What is missing or odd is ``None``: the count stands without it.
    """
    status, issues = payload.get("status"), payload.get("issues")
    return Service(
        sayable(status[:MAX_WORD]) if isinstance(status, str) and status else None,
        _number(payload.get("uptime_seconds"), MAX_SECONDS),
        tuple(
            sayable(issue[:MAX_ISSUE])
            for issue in (issues if isinstance(issues, list) else [])[:MAX_ISSUES]
            if isinstance(issue, str)
        ),
    )


def metrics(payload: Mapping[str, Any]) -> WorkerMetrics:
    """
    Read the answer of ``GET /metrics``: one worker's figures, up to 5 s old.

    Parameters
    ----------
    payload
        Decoded JSON object.

    Returns
    -------
    WorkerMetrics
        What is missing or odd is ``None``; the others still count.

    Raises
    ------
    PayloadError
        If none of its figures is there.
    """
    performance = _part(payload, "performance")
    resources, rates = _part(payload, "resources"), _part(payload, "rates")
    found = WorkerMetrics(
        _number(performance.get("total_requests"), MAX_COUNT),
        _number(performance.get("total_errors"), MAX_COUNT),
        _number(rates.get("requests_per_second"), MAX_COUNT),
        _number(performance.get("average_response_time"), MAX_SECONDS),
        _number(resources.get("cpu_percent"), MAX_PERCENT),
        _number(resources.get("memory_percent"), MAX_PERCENT),
        _number(resources.get("disk_percent"), MAX_PERCENT),
    )
    if found == WorkerMetrics():
        raise PayloadError("answer has none of KATO's figures")
    return replace(found, body=relayable(payload))


def redis_figures(info: Mapping[str, Any]) -> RedisFigures:
    """
    Read ``INFO``, as the client library gives it.

    Returns
    -------
    RedisFigures
        What is missing or odd is ``None``.
    """
    version = info.get("redis_version")
    return RedisFigures(
        memory_bytes=_whole(info.get("used_memory")),
        memory_limit_bytes=_whole(info.get("maxmemory")) or None,  # 0 says that there is none
        evicted_keys=evicted_keys(info),
        clients=_whole(info.get("connected_clients")),
        version=version if isinstance(version, str) and _VERSION.fullmatch(version) else None,
    )


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = payload.get(name)
    return part if isinstance(part, dict) else {}


def _number(value: object, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return float(value)


def _whole(value: object) -> int | None:
    # `type(...) is int`: True is an int for isinstance, and is no count.
    return value if type(value) is int and 0 <= value <= MAX_BYTES else None
