"""The simulated upstream without its sockets: workers in front of one world."""

import asyncio
import contextlib
import random
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from tornado.iostream import IOStream

from . import wire
from .churn import Change
from .containers import Fleet
from .faults import FaultBook, RestartOrder
from .session import DEFAULT_TTL_SECONDS, KeysAwayError, Session
from .wire import Payload
from .workers import Stream, Worker, processors
from .world import World

Clock = Callable[[], float]
PENDING_LIMIT = 10_000


class Upstream:
    """
    All that the calls share.

    Parameters
    ----------
    world
        The store behind the workers.
    workers
        How many there are.
    seed
        Draws the worker of each connection and of each change the simulator makes itself.
    clock
        Returns the present in epoch seconds.
    """

    def __init__(self, world: World, workers: int, seed: int, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self.faults = FaultBook()
        self.fleet: Fleet | None = None
        self.requests: Counter[str] = Counter()
        self.restarts: asyncio.Queue[RestartOrder] = asyncio.Queue()
        self.tasks: set[asyncio.Task[Any]] = set()
        self._worker_count = workers
        # weak: Tornado alone decides how long a connection lives
        self._connections: weakref.WeakKeyDictionary[IOStream, Worker] = weakref.WeakKeyDictionary()
        self._random = random.Random(f"{seed}/workers")
        self._churn_random = random.Random(f"{seed}/churn-workers")
        self.begin()

    def begin(self) -> None:
        """Start the worker processes (anew): what only they knew is gone."""
        self.started_at = self.clock()
        self.workers = [Worker(number, self.started_at) for number in range(self._worker_count)]

    def connect(self, tcp: IOStream) -> None:
        """Give a new connection to a drawn worker, for as long as it lasts."""
        self._connections[tcp] = self._random.choice(self.workers)

    def worker_of(self, tcp: IOStream) -> Worker:
        """Return the worker that serves a connection."""
        return self._connections[tcp]

    def disconnect_all(self) -> None:
        """Cut every connection, streams included."""
        for tcp in list(self._connections):
            tcp.close()

    @property
    def streams(self) -> list[Stream]:
        """All open streams, worker by worker."""
        return [stream for worker in self.workers for stream in worker.streams]

    async def create(self, worker: Worker, order: wire.CreateOrder) -> Session:
        """
        Begin a session and tell the worker's streams; returns when all have taken it.

        Raises
        ------
        KeysAwayError
            If there is no place to keep it.
        """
        session = self.world.create(
            order.node_id,
            self.clock(),
            ttl_seconds=order.ttl_seconds or DEFAULT_TTL_SECONDS,
            metadata=order.metadata,
            config=order.config,
        )
        worker.local.add(session.session_id)
        await worker.announce(wire.created_frame(session, self.clock()))
        return session

    async def delete(self, worker: Worker, session_id: str) -> None:
        """End a live session and tell the worker's streams; returns when all have taken it."""
        self.world.delete(session_id, self.clock())
        worker.local.discard(session_id)
        await worker.announce(wire.destroyed_frame(session_id, self.clock()))

    def relay(self, changes: list[Change]) -> None:
        """
        Tell of the simulator's own changes, each to the streams of a drawn worker.

        Nobody waits for it here: a stream that does not read holds up calls, not the world.
        """
        for change in changes:
            worker = self._churn_random.choice(self.workers)
            session_id = change.session.session_id
            if change.what == "created":
                worker.local.add(session_id)
                text = wire.created_frame(change.session, self.clock())
            else:
                worker.local.discard(session_id)
                text = wire.destroyed_frame(session_id, self.clock())
            if worker.streams and len(self.tasks) < PENDING_LIMIT:
                self.start(worker.announce(text))

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Run a job beside the calls."""
        self.keep(asyncio.get_running_loop().create_task(job))

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a task until it is done, so that stopping can wait for it."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def active(self, worker: Worker) -> int:
        """
        Return what upstream reports as active: the size of its index.

        Where it cannot be read, the worker counts the sessions it made itself, and does not say.
        """
        self.world.advance(self.clock())
        try:
            return self.world.count()
        except KeysAwayError:
            return len(worker.local)

    def uptime_seconds(self) -> float:
        """Return how long the worker processes run."""
        return self.clock() - self.started_at

    def root(self) -> Payload:
        """Answer ``GET /``."""
        return {
            "service": "KATO API",
            "version": wire.VERSION,
            "description": "Knowledge Abstraction for Traceable Outcomes with Multi-User Support",
            "docs": "/docs",
            "health": "/health",
            "status": "running",
            "uptime_seconds": self.uptime_seconds(),
            "architecture": "modular",
            "session_support": True,
        }

    def health(self, worker: Worker) -> Payload:
        """Answer ``GET /health``; never cached."""
        return {
            "status": "healthy",
            "processor_status": "healthy",
            "service_name": "kato",
            "uptime_seconds": self.uptime_seconds(),
            "issues": [],
            "metrics_collected": 19,
            "last_collection": self.started_at,
            "active_sessions": self.active(worker),
            "timestamp": wire.utc(self.clock()),
        }

    def status(self, worker: Worker) -> Payload:
        """Answer ``GET /status``: sessions this worker made and nobody deleted here."""
        return {
            "status": "healthy",
            "base_processor_id": "kato",
            "uptime_seconds": self.uptime_seconds(),
            "sessions": {
                "total_sessions": len(worker.local),
                "active_sessions": len(worker.local),
                "expired_sessions": 0,
                "backend": "redis",
                "redis_url": "redis://127.0.0.1:6379",
            },
            "processors": processors(),
            "version": wire.VERSION,
        }

    def truth(self) -> Payload:
        """Say what is really so, or was when last it could be seen; times are epoch seconds."""
        with contextlib.suppress(KeysAwayError):
            self.world.reconcile(self.clock)
        now = self.clock()
        return {
            "at": now,
            "live": [
                {
                    "session_id": session.session_id,
                    "node_id": session.node_id,
                    "created_at": session.created_at,
                }
                for session in self.world.sessions.values()
            ],
            "live_size": len(self.world.sessions),
            "index_size": len(self.world.index),
            "created_total": self.world.created_total,
            "ended": [
                {
                    "session_id": ended.session_id,
                    "node_id": ended.node_id,
                    "created_at": ended.created_at,
                    "ended_at": ended.ended_at,
                    "how": ended.how,
                }
                for ended in self.world.ended
            ],
        }
