"""The simulator as a running server: sockets, the simulator's own clients, restarts."""

import asyncio
import contextlib
import dataclasses
import math
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application

from . import calls, control
from .churn import Churn
from .containers import MAKES, Fleet, Make
from .engine import Engine
from .faults import RestartOrder
from .kept_world import KeptWorld
from .redis_keys import RedisKeys
from .session import Session
from .store import Store
from .upstream import Upstream
from .world import World

BACKLOG = 1024
CHANGES_AT_A_TIME = 1000
ENDING_SECONDS = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """
    How to simulate; the same words as on the command line.

    ``rate`` is in creates per simulated second, ``initial`` in sessions; ``port`` 0 picks a
    free one; without ``state`` or ``redis_url`` nothing survives the end. With ``redis_url``
    the sessions live in that Redis, as KATO's do; those that are there are taken over. With
    ``engine_port`` there is a container engine, too; 0 picks a free one.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    seed: int = 1
    rate: float = 2.0
    speed: float = 1.0
    initial: int = 0
    state: Path | None = None
    redis_url: str | None = None
    engine_port: int | None = None


class Story(Protocol):
    """Who lives when an upstream starts, how it goes on, and what it runs in."""

    def sessions(self) -> Iterable[Session]:
        """Give the sessions that are alive."""

    def churn(self) -> Churn:
        """Make the schedule of what comes."""

    def makes(self) -> Iterable[Make]:
        """Give the containers it runs in."""


class WorkerServer(HTTPServer):
    """Tornado's server, which gives each new connection to a worker."""

    upstream: Upstream

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        """Draw the connection's worker."""
        self.upstream.connect(stream)
        super().handle_stream(stream, address)


class Simulator:
    """
    One simulated upstream on one event loop.

    Parameters
    ----------
    options
        How to simulate.
    clock
        Returns the present in epoch seconds.
    story
        What it has behind it and goes on with, in place of the options' ``initial`` and ``rate``.
    """

    def __init__(
        self,
        options: Options,
        clock: Callable[[], float] = time.time,
        story: Story | None = None,
    ) -> None:
        self.options = options
        self._story = story
        self.clock = clock
        self._store: Store | None = None
        self._keys: RedisKeys | None = None
        self._server: WorkerServer | None = None
        self._port = options.port
        self._engine: Engine | None = None
        self._engine_server: HTTPServer | None = None
        self._engine_port = 0

    @property
    def url(self) -> str:
        """Where it listens, once it does."""
        host = self.options.host
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    @property
    def engine_host(self) -> str:
        """Where its container engine listens, as ``DOCKER_HOST``; empty where there is none."""
        if not self._engine_port:
            return ""
        host = self.options.host
        return (
            f"tcp://[{host}]:{self._engine_port}"
            if ":" in host
            else (f"tcp://{host}:{self._engine_port}")
        )

    async def serve(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """
        Run until ``stop`` is set; ``ready`` is called once it listens.

        Raises
        ------
        OSError
            If it cannot listen, at the start or after a restart.
        StateFileError
            If the state file cannot be used.
        KeysAwayError
            If the Redis cannot be used at the start.
        """
        try:
            # the port first: with it taken, the other simulator's state file stays untouched
            listening = self._bind(self._port)
            self._port = listening.getsockname()[1]
            self._open(listening)
            self._open_engine()
            ready()
            await self._until(stop)
        finally:
            await self._close()
            await self._close_engine()
            if self._store is not None:
                self._store.close()
            if self._keys is not None:
                self._keys.close()

    def _bind(self, port: int) -> socket.socket:
        # Tornado's own way leaves the socket open where the port is taken
        found = socket.getaddrinfo(self.options.host, port, type=socket.SOCK_STREAM)
        family, *_, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        listening.setblocking(False)
        return listening

    def _open_engine(self) -> None:
        """Begin to answer as a container engine, where one is wanted; it knows no restart."""
        if self.options.engine_port is None:
            return
        listening = self._bind(self.options.engine_port)
        self._engine_port = listening.getsockname()[1]
        makes = MAKES if self._story is None else self._story.makes()
        fleet = Fleet(self.options.seed, self.clock, self.upstream.world, makes)
        self.upstream.fleet = fleet
        self._engine = Engine(fleet, self.upstream.faults)
        self._engine_server = HTTPServer(self._engine.application())
        self._engine_server.add_socket(listening)

    async def _close_engine(self) -> None:
        if self._engine is None or self._engine_server is None:
            return
        self._engine.hang_up()
        self._engine_server.stop()
        await self._engine_server.close_all_connections()

    def _open(self, listening: socket.socket) -> None:
        with contextlib.ExitStack() as undo:
            undo.callback(listening.close)
            options, now = self.options, self.clock()
            world = self._make_world()
            if self._story is None:
                self.churn = Churn(options.seed, options.rate, options.speed, now)
            else:
                self.churn = self._story.churn()
                with world.together():
                    for session in self._story.sessions():
                        world.take_over(session)
            known = False
            if options.state is not None:
                self._store = Store(options.state)
                known = self._store.open(world, now)
            world.reconcile(self.clock)
            if known or world.index:
                world.reseed()
                self.churn.adopt(world)
            else:
                with world.together():
                    self.churn.populate(world, options.initial)
            self.upstream = Upstream(world, options.workers, options.seed, self.clock)
            undo.pop_all()
        self._listen(listening)

    def _make_world(self) -> World:
        options = self.options
        if options.redis_url is None:
            return World(options.seed, options.speed)
        self._keys = RedisKeys(options.redis_url, self.clock)
        return KeptWorld(self._keys, options.seed, options.speed)

    def _listen(self, listening: socket.socket) -> None:
        shared = {"upstream": self.upstream}
        application = Application(
            [(path, call, shared) for path, call in control.ROUTES + calls.ROUTES],
            default_handler_class=calls.NotFound,
            default_handler_args=shared,
            log_function=lambda _: None,  # misbehaviour is what it is for; no line for each
        )
        self._server = WorkerServer(application)
        self._server.upstream = self.upstream
        self._server.add_socket(listening)

    async def _until(self, stop: asyncio.Event) -> None:
        live = asyncio.create_task(self._live())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({live, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if live.done():
                live.result()
        finally:
            for task in (live, stopping):
                task.cancel()
            await asyncio.gather(live, stopping, return_exceptions=True)

    async def _live(self) -> None:
        """Be the simulator's own clients, and restart when told to."""
        while True:
            changes = self.churn.advance(
                self.upstream.world, self.clock(), at_most=CHANGES_AT_A_TIME
            )
            self.upstream.relay(changes)
            await asyncio.sleep(0)
            order = await self._next_order()
            if order is not None:
                await self._restart(order)

    async def _next_order(self) -> RestartOrder | None:
        """Wait for an order, or until the churn has something to do."""
        wait_seconds = self.churn.next_at - self.clock()
        try:
            async with asyncio.timeout(None if wait_seconds == math.inf else wait_seconds):
                return await self.upstream.restarts.get()
        except TimeoutError:
            return None

    async def _restart(self, order: RestartOrder) -> None:
        await self._close()
        if not order.keep_state:
            self.upstream.world.lose_all(self.clock())
        await asyncio.sleep(order.away_seconds)
        self.churn.skip(self.clock())
        self.upstream.begin()
        self._listen(self._bind(self._port))

    async def _close(self) -> None:
        """Stop listening, cut every connection, and see all tasks of the calls end."""
        if self._server is None:
            return
        self._server.stop()
        self.upstream.disconnect_all()
        await self._server.close_all_connections()
        self._server = None
        tasks = list(self.upstream.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=ENDING_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
