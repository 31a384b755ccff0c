"""
Tells other services of alerts: from the outbox, until each notice is taken.

A notice is on disk before it is sent, and again after it was taken: a kill in between sends it
twice under one id, never not at all. What a service refuses for good is given up, in words.
"""

import asyncio
import hashlib
import json
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import httpx

from kato_panel.domain.events import Clock
from kato_panel.domain.notices import write_notice
from kato_panel.domain.recorded import OutboxEntry
from kato_panel.domain.rules import Turned
from kato_panel.domain.targets import Target

logger = logging.getLogger(__name__)

SEND_SECONDS: Final = 5.0
FIRST_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 300.0
MAX_AGE_SECONDS: Final = 86_400.0
"""A notice that nobody took for a day is given up."""
MAX_WAITING: Final = 1_000
REFUSED_FOR_GOOD: Final = range(400, 500)
TRY_AGAIN: Final = {408, 425, 429}


@dataclass(slots=True)
class _Waiting:
    entry: OutboxEntry
    due_tick: float


class Notifier:
    """
    Sends what it is told, each target at its own pace.

    Parameters
    ----------
    targets
        Who is told.
    record
        Keeps entries of the outbox; returns at once.
    settle
        Returns once all that was recorded is on disk, or cannot be.
    clock
        Gives the time.
    panel_url
        Where this service is, for links.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        *,
        record: Callable[[OutboxEntry], None],
        settle: Callable[[], Any],
        clock: Clock,
        panel_url: str = "",
    ) -> None:
        # Two services may be at one place.
        self._targets: dict[str, Target] = {}
        for target in targets:
            number, name = 1, target.name
            while name in self._targets:
                number += 1
                name = f"{target.name} ({number})"
            self._targets[name] = replace(target, name=name)
        self._record = record
        self._settle = settle
        self._clock = clock
        self._panel_url = panel_url
        self._waiting: dict[str, dict[str, _Waiting]] = {name: {} for name in self._targets}
        self._filled: dict[str, asyncio.Event] = {name: asyncio.Event() for name in self._targets}
        self.troubles: dict[str, str] = {}
        """Why the newest notice was not taken, by target; empty where all is well."""

    def restore(self, entries: Iterable[OutboxEntry]) -> None:
        """Take over what an earlier run has not sent."""
        for entry in entries:
            if entry.target in self._targets:
                self._wait(entry, 0.0)
            else:
                self._record(replace(entry, given_up="its target is not set any more"))

    def tell(self, notices: Sequence[Turned]) -> None:
        """Put notices into the outbox; on the loop that `run` runs on."""
        at = self._clock()
        for turned in notices:
            for target in self._targets.values():
                notice_id = f"{turned.alert.id}/{turned.turn.value}"
                body = write_notice(target.form, turned, notice_id, self._panel_url)
                entry = OutboxEntry(
                    f"{notice_id}/{target.name}", at.wall, target.name, json.dumps(body)
                )
                self._record(entry)
                self._wait(entry, at.tick)

    def _wait(self, entry: OutboxEntry, due_tick: float) -> None:
        waiting = self._waiting[entry.target]
        waiting[entry.id] = _Waiting(entry, due_tick)
        while len(waiting) > MAX_WAITING:
            oldest = waiting.pop(next(iter(waiting))).entry
            self._record(replace(oldest, given_up=f"more than {MAX_WAITING} notices wait"))
        self._filled[entry.target].set()

    async def run(self) -> None:
        """Send for ever."""
        if not self._targets:
            return
        # A moved webhook is not followed, and no proxy is asked: the address is the operator's.
        async with (
            httpx.AsyncClient(
                timeout=SEND_SECONDS, follow_redirects=False, trust_env=False
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            for target in self._targets.values():
                group.create_task(self._send_all(client, target))

    async def _send_all(self, client: httpx.AsyncClient, target: Target) -> None:
        """Send what waits for one target, in its order: an end never before its beginning."""
        waiting, filled = self._waiting[target.name], self._filled[target.name]
        while True:
            if not waiting:
                filled.clear()
                await filled.wait()
            first = next(iter(waiting.values()))
            await asyncio.sleep(max(0.0, first.due_tick - self._clock().tick))
            if first.entry.id in waiting:
                await self._send(client, target, first)

    async def _send(self, client: httpx.AsyncClient, target: Target, one: _Waiting) -> None:
        if one.entry.attempts == 0:
            await asyncio.to_thread(self._settle)
        entry = replace(one.entry, attempts=one.entry.attempts + 1)
        trouble, is_final, rest_seconds = await self._post(client, target, entry)
        at = self._clock()
        if trouble and not is_final and _age_seconds(entry, at.wall) > MAX_AGE_SECONDS:
            trouble, is_final = f"nobody took it for a day: {trouble}", True
        if trouble != self.troubles.get(target.name, ""):
            if trouble:
                logger.warning("webhook %s takes no notice: %s", target.name, trouble)
            else:
                logger.info("webhook %s takes notices again", target.name)
        self.troubles[target.name] = trouble
        if trouble and not is_final:
            longest = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(entry.attempts, 10))
            jitter = longest / 2 * (1 + random.random())  # noqa: S311 - no secret
            one.entry, one.due_tick = entry, at.tick + max(rest_seconds, jitter)
            self._record(entry)
            return
        self._waiting[target.name].pop(entry.id, None)
        self._record(
            replace(entry, given_up=trouble) if trouble else replace(entry, sent_at=at.wall)
        )

    async def _post(
        self, client: httpx.AsyncClient, target: Target, entry: OutboxEntry
    ) -> tuple[str, bool, float]:
        """Send one notice; say why it was not taken, whether for good, and how long to rest."""
        # An id holds the subject's name, which may be any text.
        key = hashlib.sha256(entry.id.encode("utf-8", "replace")).hexdigest()[:32]
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            # What it says beside the status is not read, of whatever size it is.
            async with (
                asyncio.timeout(SEND_SECONDS),
                client.stream("POST", target.url, content=entry.body, headers=headers) as answer,
            ):
                pass
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            return type(error).__name__, False, 0.0
        except (httpx.InvalidURL, ValueError) as error:
            return type(error).__name__, True, 0.0
        if answer.is_success:
            return "", False, 0.0
        is_final = answer.status_code in REFUSED_FOR_GOOD and answer.status_code not in TRY_AGAIN
        return f"it answered {answer.status_code}", is_final, _rest_seconds(answer)


def _rest_seconds(answer: httpx.Response) -> float:
    """Read for how long the other side asks to be left alone."""
    given = answer.headers.get("Retry-After", "")
    return min(float(given), MAX_RETRY_SECONDS) if given.isascii() and given.isdigit() else 0.0


def _age_seconds(entry: OutboxEntry, now: datetime) -> float:
    return (now - entry.at).total_seconds()
