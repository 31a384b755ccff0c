"""
The engine's events: its words for what happens to a container.

Source: Docker Engine API 1.41 to 1.47, ``GET /events``; Podman 4.3.1 says *remove* for *destroy*.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kato_panel.domain.containers import ContainerChange, ContainerChanged
from kato_panel.domain.events import Moment
from kato_panel.sources.engine_words import (
    MAX_NAME,
    NANOSECONDS,
    read_epoch,
    read_health,
    read_labels,
    read_object,
    read_whole,
)

PATH: Final = "/events"
QUERY: Final = {"filters": '{"type":["container"]}'}

_CHANGES: Final = {
    **{change.value: change for change in ContainerChange},
    "remove": ContainerChange.REMOVED,  # Podman's words
    "died": ContainerChange.DIED,
}


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """
    One event of the engine.

    Parameters
    ----------
    changed
        What happened.
    labels
        Of the container.
    since
        When, as ``since`` of a later call takes it; empty where it was not told.
    """

    changed: ContainerChanged
    labels: Mapping[str, str]
    since: str


def event(source: str, answer: object, at: Moment) -> EngineEvent | None:
    """
    Read one object of ``GET /events``.

    Parameters
    ----------
    source
        Who heard it.
    answer
        The decoded object.
    at
        When it was heard.

    Returns
    -------
    EngineEvent or None
        ``None`` for whatever tells nothing that concerns us.
    """
    told = read_object(answer)
    actor = read_object(told.get("Actor"))
    attributes = read_labels(actor.get("Attributes"))
    word, _, detail = str(told.get("Action") or told.get("status") or "").partition(":")
    change = _CHANGES.get(word)
    container_id, name = actor.get("ID") or told.get("id"), attributes.get("name")
    if change is None or told.get("Type", "container") != "container":
        return None
    if not isinstance(container_id, str) or not container_id or not name:
        return None
    nanoseconds = read_whole(told.get("timeNano"))
    code = attributes.get("exitCode", "")
    changed = ContainerChanged(
        source,
        at,
        change,
        container_id[:MAX_NAME],
        name.removeprefix("/"),
        happened=read_epoch(nanoseconds),
        exit_code=int(code) if re.fullmatch(r"\d{1,3}", code, re.ASCII) else None,
        health=read_health(detail.strip() or attributes.get("health_status")),
    )
    since = f"{nanoseconds // NANOSECONDS}.{nanoseconds % NANOSECONDS:09}" if nanoseconds else ""
    return EngineEvent(changed, attributes, since)
