"""
Makes the frames of ``/ws`` that are sent, as dictionaries and then as bytes.

Pure. `wire.py` has the models that read them; making one of those for each event, to write it
once, would only cost time.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kato_panel import messages
from kato_panel.domain.events import Moment, SessionEvent
from kato_panel.domain.rules import Turned
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.text import sayable
from kato_panel.domain.times import iso


def encode(frame: Mapping[str, Any]) -> bytes:
    """Write a frame as ASCII, so that no text can be one that UTF-8 cannot say."""
    return json.dumps(frame, separators=(",", ":")).encode()


def compose(kind: str, at: datetime, epoch: str, seq: int, **payload: Any) -> dict[str, Any]:
    """Give a payload what every frame has."""
    return {"type": kind, "timestamp": iso(at), "epoch": epoch, "seq": seq, **payload}


def compose_session_event(event: SessionEvent, epoch: str, seq: int) -> dict[str, Any]:
    """Say that sessions came or went, under the number of this frame."""
    told = messages.session_event(event)
    told["data"]["session_ids"] = [sayable(one) for one in told["data"]["session_ids"]]
    told["data"]["node_ids"] = [one and sayable(one) for one in told["data"]["node_ids"]]
    return {**told, "epoch": epoch, "seq": seq, "event_seq": event.seq}


def compose_system_alert(turned: Turned, epoch: str, seq: int) -> dict[str, Any]:
    """Say that an alert began or is over, under the number of this frame."""
    alert = turned.alert
    at = (alert.resolved_at or alert.fired_at).wall
    alerts = [messages.system_alert(turned)]
    return compose("system_alert", at, epoch, seq, id=sayable(alert.id), alerts=alerts)


def compose_sessions(snapshot: SessionSnapshot | None, now: Moment) -> dict[str, Any]:
    """Say how many sessions there are: the part of a ``realtime_update``."""
    count = messages.session_count(snapshot, now)
    return count.model_dump(exclude={"active_sessions"})
