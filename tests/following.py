"""What tests use to watch a watcher: readers to wait on, and callers of upstream."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from kato_panel.domain.events import Moment, SessionEvent
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.recorded import Gap
from kato_panel.domain.records import Transition
from kato_panel.domain.series import Series
from kato_panel.domain.snapshot import Link, SessionSnapshot
from kato_panel.domain.telling import Standing, Told
from kato_panel.hub import Hub


class Reader:
    """Follows a hub, and waits for what a test expects."""

    def __init__(self, hub: Hub) -> None:
        self._woken = threading.Event()
        self._subscription, before = hub.subscribe(self._woken.set)
        self.snapshot: SessionSnapshot | None = before.snapshot
        self.events: dict[int, SessionEvent] = {event.seq: event for event in before.events}

    def until(self, is_enough: Callable[["Reader"], object], timeout_seconds: float = 20) -> None:
        """Read until the condition holds; fail when it does not in time."""
        deadline = threading.Event()
        timer = threading.Timer(timeout_seconds, lambda: (deadline.set(), self._woken.set()))
        timer.start()
        try:
            while not is_enough(self):
                assert not deadline.is_set(), f"not in {timeout_seconds} s: {self.snapshot}"
                self._woken.wait()
                self._woken.clear()
                self.read()
        finally:
            timer.cancel()
            timer.join()

    def read(self) -> None:
        """Take what there is."""
        update = self._subscription.take()
        self.snapshot = update.snapshot or self.snapshot
        self.events.update({event.seq: event for event in update.events})

    @property
    def active(self) -> int | None:
        """The shown count."""
        return self.snapshot.active if self.snapshot else None

    @property
    def link(self) -> Link | None:
        """How upstream is seen."""
        return self.snapshot.link if self.snapshot else None

    @property
    def signed_sum(self) -> int:
        """All deltas together."""
        return sum(event.signed_delta for event in self.events.values())

    def is_chained(self, start: int) -> bool:
        """Whether each event begins where the one before ended."""
        events = [self.events[seq] for seq in sorted(self.events)]
        ends = [start, *(event.current for event in events)]
        return [event.previous for event in events] == ends[:-1]

    def names(self) -> list[tuple[str, str]]:
        """Every kind and session that was told."""
        return [
            (event.kind.value, name.session_id)
            for event in self.events.values()
            for name in event.names
        ]

    def close(self) -> None:
        """Stop following."""
        self._subscription.close()


class Keeper:
    """Keeps what a watcher records; a test looks into it."""

    def __init__(self) -> None:
        self.steps: list[Transition] = []
        self.events: list[SessionEvent] = []
        self.gaps: list[Gap] = []
        self.drawn: Series | None = None

    def record(self, told: Told, standing: Standing) -> None:
        """Take what follows from one observation."""
        del standing
        self.steps += told.transitions
        self.events += told.events

    def miss(self, gap: Gap) -> None:
        """Take a gap."""
        self.gaps.append(gap)

    def state(self, at: Moment) -> SourceState:
        """Be well."""
        return SourceState("history", "History", Health.UP, at)

    def week(self, until: datetime) -> Series | None:
        """Give what a test drew."""
        del until
        return self.drawn


class Caller:
    """Creates and deletes sessions, each call on a connection of its own as KATO's users do."""

    def __init__(self, url: str) -> None:
        self.url = url

    def create(self, node: str = "tester") -> str:
        """Create a session; return its id."""
        answer = httpx.post(f"{self.url}/sessions", json={"node_id": node}, trust_env=False)
        return str(answer.raise_for_status().json()["session_id"])

    def delete(self, session_id: str) -> None:
        """Delete a session."""
        answer = httpx.delete(f"{self.url}/sessions/{session_id}", trust_env=False)
        answer.raise_for_status()

    def health_count(self) -> int:
        """Ask as the `http` source does."""
        return int(httpx.get(f"{self.url}/health", trust_env=False).json()["active_sessions"])

    def cached_count(self) -> int:
        """Ask as an old client does."""
        answer = httpx.get(f"{self.url}/sessions/count", trust_env=False)
        return int(answer.json()["active_session_count"])

    def asked(self) -> dict[str, Any]:
        """Tell what upstream was asked, and how many streams are open."""
        answer = httpx.get(f"{self.url}/_simulator/requests", trust_env=False)
        return dict(answer.json())

    def order(self, what: str, **body: object) -> None:
        """Order misbehaviour."""
        httpx.post(f"{self.url}/_simulator/{what}", json=body, trust_env=False).raise_for_status()
