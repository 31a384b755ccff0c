"""
A container engine for the simulated upstream, over HTTP: the part of Docker's API that looks.

Faults of ``/_simulator/faults`` hold here, too: its paths begin with ``/containers`` or
``/events``.
"""

import asyncio
import json
from typing import Any

from tornado.web import Application, RequestHandler

from .containers import Container, Fleet
from .faults import FaultBook

JSON = "application/json"


class Engine:
    """
    What all of the engine's calls share.

    Parameters
    ----------
    fleet
        Its containers.
    faults
        Orders to misbehave.
    """

    def __init__(self, fleet: Fleet, faults: FaultBook) -> None:
        self.fleet = fleet
        self.faults = faults
        self.listeners: set[Events] = set()
        fleet.on_event = self.tell

    def tell(self, event: dict[str, Any]) -> None:
        """Tell an event to all who listen."""
        for listener in [*self.listeners]:
            listener.tell(event)

    def hang_up(self) -> None:
        """End all that listen."""
        for listener in [*self.listeners]:
            listener.gone.set()

    def application(self) -> Application:
        """Make what answers."""
        given = {"engine": self}
        return Application(
            [
                (r"/containers/json", List, given),
                (r"/containers/([^/]+)/json", Description, given),
                (r"/containers/([^/]+)/stats", Stats, given),
                (r"/events", Events, given),
            ],
            default_handler_class=NotFound,
            default_handler_args=given,
            log_function=lambda _: None,
        )


class EngineCall(RequestHandler):
    """What all of them have in common."""

    def initialize(self, engine: Engine) -> None:
        """Take what all calls share."""
        self.engine = engine
        self.gone = asyncio.Event()

    def compute_etag(self) -> None:
        """Send none, as engines do."""

    async def prepare(self) -> None:
        """Misbehave, if that is ordered; keep the time."""
        self.set_header("Content-Type", JSON)
        fault = self.engine.faults.take(self.request.method or "", self.request.path)
        self.live = self.engine.fleet.count()
        if fault is None:
            return
        try:
            async with asyncio.timeout(fault.delay_seconds):
                await self.gone.wait()
        except TimeoutError:
            pass
        if fault.close or self.gone.is_set():
            self.detach().close()
        elif fault.is_answer:
            self.set_status(fault.status or 200)
            await self.finish(fault.body or b"")

    def on_connection_close(self) -> None:
        """Wake whatever waits for this client."""
        self.gone.set()

    def refuse(self, message: str) -> None:
        """Answer 404 in the engine's form."""
        self.set_status(404)
        self.finish(json.dumps({"message": message}))

    def find(self, name: str) -> Container | None:
        """Find a container; refuse if there is none."""
        one = self.engine.fleet.find(name)
        if one is None:
            self.refuse(f"No such container: {name}")
        return one


class NotFound(EngineCall):
    """Whatever else is asked for."""

    def get(self, *path: str) -> None:
        """Know no such thing."""
        del path
        self.refuse("page not found")


class List(EngineCall):
    """``GET /containers/json``."""

    def get(self, *path: str) -> None:
        """List them; without ``all`` those that run."""
        del path
        fleet = self.engine.fleet
        is_all = self.get_query_argument("all", "") in {"1", "true"}
        rows = [
            fleet.row(one) for one in fleet.containers.values() if is_all or one.status == "running"
        ]
        self.finish(json.dumps(rows))


class Description(EngineCall):
    """``GET /containers/{id}/json``."""

    def get(self, *path: str) -> None:
        """Tell all of one."""
        if (one := self.find(path[0])) is not None:
            self.finish(json.dumps(self.engine.fleet.describe(one)))


class Stats(EngineCall):
    """``GET /containers/{id}/stats``: always one sample, at once."""

    def get(self, *path: str) -> None:
        """Tell what was counted of one."""
        if (one := self.find(path[0])) is not None:
            self.finish(json.dumps(self.engine.fleet.stats(one, self.live)))


class Events(EngineCall):
    """``GET /events``, from ``since`` on, until the client goes."""

    async def get(self, *path: str) -> None:
        """Tell what happens."""
        del path
        since = float(self.get_query_argument("since", "inf"))
        for event in self.engine.fleet.events:
            if event["timeNano"] >= since * 1e9:
                self.tell(event)
        self.engine.listeners.add(self)
        await self.flush()
        await self.gone.wait()
        self.engine.listeners.discard(self)

    def tell(self, event: dict[str, Any]) -> None:
        """Tell one event."""
        self.write(json.dumps(event) + "\n")
        self.flush()
