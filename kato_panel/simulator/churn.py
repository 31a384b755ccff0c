"""
The simulator's own clients: seeded arrivals in bursts, lifetimes, and planned deletions.

All draws are made in simulated seconds since the start, so that the same seed gives the same
churn at every speed.
"""

import contextlib
import dataclasses
import heapq
import math
import random
from collections.abc import Iterator
from typing import Literal

from .contents import draw_contents, draw_use
from .session import DEFAULT_TTL_SECONDS, KeysAwayError, Session
from .world import World

NODES = (
    "planner-7",
    "planner-2",
    "vision-a",
    "vision-b",
    "nlp-batch",
    "nlp-live",
    "agent-12",
    "agent-3",
    "eval-9",
    "robot-arm-1",
    "triage",
    "notebook-kim",
)
DAY_SECONDS = 86_400.0
WAVE_DEPTH = 0.5
BURST_MEAN = 1.5
BURST_GAP_SECONDS = 0.3
RETRY_SECONDS = 1.0

EXPIRING_SHARE = 0.1
EXPIRING_TTLS_SECONDS = (120, 240, 300, 300)
LIFETIME_MEAN_SECONDS = 240.0
LIFETIME_SIGMA = 1.0
LIFETIME_MAX_SECONDS = 3000.0


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How one session will live; ``lifetime_seconds`` is ``None`` if its TTL ends it."""

    node_id: str
    ttl_seconds: int
    lifetime_seconds: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One session created or deleted by the simulator itself."""

    what: Literal["created", "destroyed"]
    at: float
    session: Session


def wave(simulated_seconds: float) -> float:
    """Return the factor on the rate at a time of the simulated day: 0.5 to 1.5, 1 at 0."""
    return 1 + WAVE_DEPTH * math.sin(2 * math.pi * simulated_seconds / DAY_SECONDS)


def _first(due: list[tuple[float, str]]) -> float:
    return due[0][0] if due else math.inf


class Churn:
    """
    The schedule of what the simulator does by itself.

    Parameters
    ----------
    seed
        Same seed, same schedule.
    rate
        Mean creates per simulated second; 0 stands still.
    speed
        Simulated seconds in one second.
    started_at
        Epoch seconds at which the simulated day begins.
    access_gap_seconds
        How long, in the mean, its client leaves a session alone; simulated. Those that nobody
        will delete are left alone for good.
    """

    def __init__(
        self,
        seed: int,
        rate: float,
        speed: float,
        started_at: float,
        access_gap_seconds: float = math.inf,
    ) -> None:
        self.rate = rate
        self.speed = speed
        self.started_at = started_at
        self._random = random.Random(f"{seed}/churn")
        self._contents_random = random.Random(f"{seed}/contents")
        self._arrivals = self._draw_arrivals()
        self._next_arrival = next(self._arrivals, math.inf)
        self._departures: list[tuple[float, str]] = []
        self._access_gap_seconds = access_gap_seconds
        self._access_random = random.Random(f"{seed}/accesses")
        self._accesses: list[tuple[float, str]] = []

    @property
    def next_at(self) -> float:
        """When there is something to do next, in epoch seconds; infinity if there never is."""
        return min(self._next_arrival, _first(self._departures), _first(self._accesses))

    def populate(self, world: World, count: int) -> None:
        """
        Begin ``count`` sessions in the middle of their lives, as a long-running upstream has.

        A session met at a random instant is longer-lived than the mean one, and of uniform age.
        """
        plans = [self._draw_plan(met=True) for _ in range(count)]
        ages = [self._random.random() * (p.lifetime_seconds or p.ttl_seconds) for p in plans]
        for age, plan in sorted(zip(ages, plans, strict=True), key=lambda pair: -pair[0]):
            self._create(world, plan, self.started_at - age / self.speed, age)

    def adopt(self, world: World) -> None:
        """Take over the plans of the sessions a restored world holds."""
        for session in world.sessions.values():
            self._watch(session)

    def advance(self, world: World, now: float, *, at_most: float = math.inf) -> list[Change]:
        """
        Make the changes that are due by ``now``, each at its own time, oldest first.

        With ``at_most`` it stops after so many; the rest stays due. Where the sessions are kept
        is away, whoever arrives is refused, and whoever wants to delete tries again.
        """
        changes: list[Change] = []
        while (at := self.next_at) <= now:
            if len(changes) >= at_most:
                return changes
            world.advance(at)
            if at == self._next_arrival:
                self._next_arrival = next(self._arrivals, math.inf)
                with contextlib.suppress(KeysAwayError):
                    created = self._create(world, self._plan_for(at), at)
                    changes.append(Change("created", at, created))
                continue
            if at == _first(self._accesses):
                self._use(world, at)
                continue
            _, session_id = heapq.heappop(self._departures)
            try:
                deleted = world.delete(session_id, at)
            except KeysAwayError:
                heapq.heappush(self._departures, (now + RETRY_SECONDS, session_id))
                continue
            if deleted is not None:
                changes.append(Change("destroyed", at, deleted))
        world.advance(now)
        return changes

    def skip(self, until: float) -> None:
        """Drop the arrivals due by ``until`` and put all else off to it: upstream was away."""
        while self._next_arrival <= until:
            self._next_arrival = next(self._arrivals, math.inf)
        for due in (self._departures, self._accesses):
            due[:] = [(max(at, until), one) for at, one in due]
            heapq.heapify(due)

    def _create(self, world: World, plan: Plan, at: float, age_seconds: float = 0.0) -> Session:
        lifetime = plan.lifetime_seconds
        holds = draw_contents(self._contents_random, age_seconds)
        idle = holds.idle_share
        session = world.create(
            plan.node_id,
            at,
            ttl_seconds=plan.ttl_seconds,
            delete_at=None if lifetime is None else at + lifetime / self.speed,
            metadata=holds.metadata,
            stm=holds.stm,
            access_count=holds.access_count,
            accessed_at=None if idle is None else at + (1 - idle) * age_seconds / self.speed,
        )
        self._watch(session)
        return session

    def _watch(self, session: Session) -> None:
        # At rate 0 nothing happens by itself, whatever was planned for a session.
        if self.rate and session.delete_at is not None:
            heapq.heappush(self._departures, (session.delete_at, session.session_id))
            self._plan_use(session, max(session.created_at, self.started_at))

    def _plan_use(self, session: Session, after: float) -> None:
        gap_seconds = self._access_random.expovariate(1.0) * self._access_gap_seconds / self.speed
        if session.delete_at is not None and after + gap_seconds < session.delete_at:
            heapq.heappush(self._accesses, (after + gap_seconds, session.session_id))

    def _use(self, world: World, at: float) -> None:
        """Work in the session whose turn it is, if it is still there."""
        _, session_id = heapq.heappop(self._accesses)
        session = world.sessions.get(session_id)
        if session is not None:
            with contextlib.suppress(KeysAwayError):
                world.use(session_id, draw_use(self._access_random, session.stm), at)
            self._plan_use(session, at)

    def _draw_arrivals(self) -> Iterator[float]:
        """Yield arrival times: bursts at random, thinned to follow the wave."""
        if self.rate == 0:
            return
        elapsed = 0.0
        followers: list[float] = []
        peak = (1 + WAVE_DEPTH) * self.rate / BURST_MEAN
        while True:
            elapsed += self._random.expovariate(peak)
            while followers and followers[0] <= elapsed:
                yield self.started_at + heapq.heappop(followers) / self.speed
            if self._random.random() * (1 + WAVE_DEPTH) > wave(elapsed):
                continue
            yield self.started_at + elapsed / self.speed
            at = elapsed
            while self._random.random() > 1 / BURST_MEAN:
                at += self._random.expovariate(1 / BURST_GAP_SECONDS)
                heapq.heappush(followers, at)

    def _plan_for(self, at: float) -> Plan:  # noqa: ARG002 - for who knows it beforehand
        """Say how the session that arrives at this time will live."""
        return self._draw_plan()

    def _draw_plan(self, *, met: bool = False) -> Plan:
        """Draw one life; ``met`` weighs it by its length, as a passer-by meets it."""
        node_id = self._random.choice(NODES)
        if self._random.random() < EXPIRING_SHARE:
            weights = EXPIRING_TTLS_SECONDS if met else None
            ttl_seconds = self._random.choices(EXPIRING_TTLS_SECONDS, weights)[0]
            return Plan(node_id, ttl_seconds, None)
        mu = math.log(LIFETIME_MEAN_SECONDS) - LIFETIME_SIGMA**2 / 2
        drawn = self._random.lognormvariate(mu + met * LIFETIME_SIGMA**2, LIFETIME_SIGMA)
        return Plan(node_id, DEFAULT_TTL_SECONDS, min(drawn, LIFETIME_MAX_SECONDS))
