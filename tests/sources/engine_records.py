"""What container engines answer: recorded from Podman, written by hand for Docker."""

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "recorded"


def recording(name: str) -> dict[str, Any]:
    """Read one file of ``tests/recorded``."""
    answer: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return answer


PODMAN = recording("podman-4.3.1-2026-11-22-docker_stats")
DOCKER_V1 = recording("docker-v1-stats-from-reference")
DOCKER_V2 = recording("docker-v2-stats-from-reference")
EVENTS = recording("docker-events-from-reference")["events"]
