"""The routes of containers, and their part of what the clients of ``/ws`` are told."""

from typing import Final

from kato_panel import bodies, messages
from kato_panel.domain.health import STALE_AFTER_INTERVALS
from kato_panel.runtime import Runtime
from kato_panel.server.answers import JsonRequest
from kato_panel.sources.docker import DockerSource
from kato_panel.watcher import now

NAME: Final = DockerSource.name


def tell_containers(runtime: Runtime) -> bodies.Containers:
    """Say how the containers are at this moment."""
    surroundings, snapshot = runtime.hub.surroundings, runtime.hub.snapshot
    states = () if snapshot is None else snapshot.sources
    return messages.containers(
        None if surroundings is None else surroundings.containers,
        now(),
        stale_after_seconds=STALE_AFTER_INTERVALS * runtime.settings.container_interval_seconds,
        state=next((state for state in states if state.name == NAME), None),
    )


class ContainersRequest(JsonRequest):
    """``GET /api/v1/containers``."""

    def get(self) -> None:
        """Answer."""
        self.finish(tell_containers(self.runtime).model_dump_json())
