"""
What an upstream went through before it starts: a seeded week of sessions, load and mishaps.

No I/O and no clock. All is drawn at once, as arrays; times are whole microseconds since 1970. The
same seed and end give the same week, and what comes after the end goes on in the same way.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .churn import Churn, Plan
from .containers import Make
from .contents import ACCESS_GAP_SECONDS, draw_contents
from .past_containers import make_containers
from .session import Session

Times = NDArray[np.int64]
Figures = NDArray[np.float64]
Mask = NDArray[np.bool_]

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
SPAN: Final = 7 * DAY

PEAK_PER_MINUTE: Final = 9.0
"""Creates at the middle of a working day."""
NIGHT: Final = 0.35
WEEKEND: Final = 0.6
DELETED, EXPIRED, EVICTED = range(3)
BURST_FACTOR: Final = 5.0
EVICTIONS: Final = 45


@dataclass(frozen=True, slots=True)
class Habit:
    """
    How the sessions of one node live.

    Parameters
    ----------
    node_id, share
        Who, and its part of all sessions.
    scale_seconds, shape
        Of the Weibull distribution of lifetimes; a shape of 1 is the exponential one, below 1 its
        tail is heavy, above 1 it has next to none.
    ttl_seconds
        When a session ends that nobody has deleted by then.
    """

    node_id: str
    share: float
    scale_seconds: float
    shape: float
    ttl_seconds: int


HABITS: Final = (
    Habit("planner-7", 0.12, 900, 1.0, 3_600),
    Habit("planner-2", 0.10, 900, 1.0, 3_600),
    Habit("vision-a", 0.09, 1_200, 0.8, 3_600),
    Habit("vision-b", 0.09, 600, 0.8, 3_600),
    Habit("nlp-batch", 0.10, 900, 0.45, 43_200),
    Habit("nlp-live", 0.18, 240, 1.0, 900),
    Habit("agent-12", 0.09, 700, 2.0, 3_600),
    Habit("agent-3", 0.07, 700, 1.4, 3_600),
    Habit("eval-9", 0.07, 500, 1.0, 300),
    Habit("robot-arm-1", 0.04, 1_800, 3.0, 7_200),
    Habit("triage", 0.03, 120, 1.0, 900),
    Habit("notebook-kim", 0.02, 5_000, 0.7, 7_200),
)
LONGEST_SECONDS: Final = max(habit.ttl_seconds for habit in HABITS)


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time, in microseconds: from its beginning to before its end."""

    began: int
    ended: int

    def holds(self, times: Times) -> Mask:
        """Say which times are in it."""
        return (times >= self.began) & (times < self.ended)


@dataclass(frozen=True, slots=True)
class Lives:
    """Sessions, in the order of their births; each array has a place for each of them."""

    node: NDArray[np.int64]
    """The place in `HABITS`."""
    created: Times
    ended: Times
    how: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.created)

    def chosen(self, which: Any) -> "Lives":
        """Leave out some, or sort."""
        return Lives(self.node[which], self.created[which], self.ended[which], self.how[which])


def per_minute(times: Times) -> Figures:
    """Say how many sessions are created a minute: by day and night, on weekdays and weekends."""
    hour = (times % DAY) / HOUR
    daily = NIGHT + (1 - NIGHT) * (1 - np.cos(2 * math.pi * (hour - 2.0) / 24)) / 2
    weekday = (times // DAY + 3) % 7  # 1970 began on a Thursday
    return PEAK_PER_MINUTE * daily * np.where(weekday >= 5, WEEKEND, 1.0)  # noqa: PLR2004 - Saturday


def draw(rng: np.random.Generator, since: int, until: int, busy: Spell | None = None) -> Lives:
    """Draw the sessions that are created within a range, which is of whole minutes but its end."""
    minutes = np.arange(since, until, MINUTE, dtype=np.int64)
    rate = per_minute(minutes)
    if busy is not None:
        rate = np.where(busy.holds(minutes), BURST_FACTOR * rate, rate)
    numbers = rng.poisson(rate)
    created = np.sort(np.repeat(minutes, numbers) + rng.integers(0, MINUTE, numbers.sum()))
    created = created[created < until]
    node = rng.choice(len(HABITS), len(created), p=[habit.share for habit in HABITS])
    scale, shape, ttl = (
        np.array([getattr(habit, name) for habit in HABITS], float)[node]
        for name in ("scale_seconds", "shape", "ttl_seconds")
    )
    planned = np.maximum(1.0, scale * rng.weibull(shape))
    lived = (np.minimum(planned, ttl) * SECOND).astype(np.int64)
    return Lives(node, created, created + lived, np.where(planned < ttl, DELETED, EXPIRED))


class Past:
    """
    The week before the start, and how it goes on.

    Parameters
    ----------
    seed
        Same seed and end, same week.
    until
        Its end: the start of the upstream; epoch seconds.
    span
        Its length.

    Attributes
    ----------
    since, until
        Its bounds.
    busy, stopped, unwatched, storeless, starved
        A burst of creates; KATO's container is down and is started again and again; nobody looks;
        its Redis is down; that gives up sessions for lack of memory.
    lives
        All sessions that were alive within it. Those that end after its end are alive at it.
    """

    def __init__(self, seed: int, until: float, *, span: int = SPAN) -> None:
        self.seed = seed
        self.until = int(until * SECOND)
        self.since = self.until - span
        self.busy = self._spell(0.25, 50)
        self.unwatched = self._spell(0.42, 55)
        self.stopped = self._spell(0.60, 7)
        self.storeless = self._spell(0.74, 9)
        self.starved = self._spell(0.90, 6)
        rng = np.random.default_rng([seed, 0])
        earliest = (self.since - LONGEST_SECONDS * SECOND) // MINUTE * MINUTE
        lives = draw(rng, earliest, self.until, self.busy)
        self.lives = self._with_mishaps(lives.chosen(lives.ended > self.since), rng)
        self.ids = _draw_ids(rng, self.lives.created)

    def _spell(self, part: float, minutes: int) -> Spell:
        """Choose when something goes wrong: at the next busy hour, or at once in a short past."""
        began = (self.since + int(part * (self.until - self.since))) // MINUTE * MINUTE
        hours = began + HOUR * np.arange(12, dtype=np.int64)
        if self.until - self.since >= SPAN:
            began = int(hours[np.argmax(per_minute(hours))])
        return Spell(began, began + minutes * MINUTE)

    def _with_mishaps(self, lives: Lives, rng: np.random.Generator) -> Lives:
        """Let nobody create or delete where KATO or its Redis is down, and some be evicted."""
        created, ended, how = lives.created, lives.ended.copy(), lives.how.copy()
        is_refused = np.zeros(len(lives), bool)
        for spell in (self.stopped, self.storeless):
            is_refused |= spell.holds(created)
            late = spell.holds(ended) & (how == DELETED)
            ended[late] = spell.ended + rng.integers(1, 2 * MINUTE, late.sum())
        is_there = (created < self.starved.began) & (ended > self.starved.ended)
        given_up = rng.permutation(np.flatnonzero(is_there))[:EVICTIONS]
        ended[given_up] = rng.integers(self.starved.began, self.starved.ended, len(given_up))
        how[given_up] = EVICTED
        return Lives(lives.node, created, ended, how).chosen(~is_refused)

    def alive_at(self, times: Times) -> NDArray[np.int64]:
        """Count the sessions that live at each time."""
        born = np.searchsorted(self.lives.created, times, side="right")
        gone = np.searchsorted(np.sort(self.lives.ended), times, side="right")
        return born - gone

    def sessions(self) -> list[Session]:
        """Make the sessions that are alive at its end, as the world keeps them."""
        contents = random.Random(f"{self.seed}/contents")
        now = self.until / SECOND
        made = []
        for place in np.flatnonzero(self.lives.ended > self.until):
            created = int(self.lives.created[place]) / SECOND
            ended = int(self.lives.ended[place]) / SECOND
            habit = HABITS[self.lives.node[place]]
            holds = draw_contents(contents, now - created)
            idle, expires_at = holds.idle_share, created + habit.ttl_seconds
            made.append(
                Session(
                    session_id=self.ids[place],
                    node_id=habit.node_id,
                    created_at=created,
                    expires_at=expires_at,
                    key_expires_at=expires_at,
                    ttl_seconds=habit.ttl_seconds,
                    metadata=holds.metadata,
                    config={},
                    delete_at=ended if self.lives.how[place] == DELETED else None,
                    stm=holds.stm,
                    access_count=holds.access_count,
                    accessed_at=None if idle is None else now - idle * (now - created),
                )
            )
        return made

    def churn(self) -> Churn:
        """Make the schedule of what comes after."""
        return _GoesOn(self.seed, self.until)

    def makes(self) -> tuple[Make, ...]:
        """Give the containers it runs in, as they go on."""
        return make_containers()


class _GoesOn(Churn):
    """Sessions that come and live as they did in the week before."""

    def __init__(self, seed: int, until: int) -> None:
        self._plans: dict[float, Plan] = {}
        self._from = until
        self._rng = np.random.default_rng([seed, 1])
        super().__init__(
            seed, PEAK_PER_MINUTE / 60, 1.0, until / SECOND, access_gap_seconds=ACCESS_GAP_SECONDS
        )

    def _draw_arrivals(self) -> Iterator[float]:
        start = self._from
        while True:
            lives = draw(self._rng, start, start + HOUR)
            for node, created, ended, how in zip(
                *(array.tolist() for array in (lives.node, lives.created, lives.ended, lives.how)),
                strict=True,
            ):
                lifetime = (ended - created) / SECOND if how == DELETED else None
                habit = HABITS[node]
                at = created / SECOND
                self._plans[at] = Plan(habit.node_id, habit.ttl_seconds, lifetime)
                yield at
            start += HOUR

    def _plan_for(self, at: float) -> Plan:
        plan = self._plans.pop(at)
        self._plans = {later: kept for later, kept in self._plans.items() if later > at}
        return plan


def _draw_ids(rng: np.random.Generator, created: Times) -> list[str]:
    """Draw ids as KATO makes them: random, and the millisecond of their birth."""
    words = rng.bytes(16 * len(created)).hex()
    return [
        f"session-{words[at : at + 12]}4{words[at + 13 : at + 16]}8{words[at + 17 : at + 32]}-{ms}"
        for at, ms in zip(range(0, len(words), 32), (created // 1_000).tolist(), strict=True)
    ]
