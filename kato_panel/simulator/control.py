"""The control routes under ``/_simulator``: the truth, and misbehaviour on order."""

import json
from typing import Any

from tornado.web import RequestHandler

from .containers import Container, Fleet
from .events import Events
from .faults import (
    ControlError,
    StreamOrder,
    read_container_order,
    read_fault,
    read_restart,
    read_stream_order,
)
from .upstream import Upstream
from .wire import JSON, Payload


class Control(RequestHandler):
    """What all control calls have in common; none is counted, delayed or refused."""

    def initialize(self, upstream: Upstream) -> None:
        """Take what all calls share."""
        self.upstream = upstream

    def read(self) -> Any:
        """Decode the request's body; raises :class:`ControlError`."""
        try:
            return json.loads(self.request.body)
        except (ValueError, RecursionError) as error:
            raise ControlError("the body is not JSON, must be a JSON object") from error

    async def answer(self, body: Payload, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", JSON)
        await self.finish(json.dumps(body))

    async def refuse(self, error: ControlError) -> None:
        """Say what was wrong with the order."""
        await self.answer({"detail": str(error)}, 422)


class Truth(Control):
    """``GET /_simulator/truth``."""

    async def get(self) -> None:
        """Tell who lives, since when, and how the others ended."""
        await self.answer(self.upstream.truth())


class Requests(Control):
    """``GET /_simulator/requests``."""

    async def get(self) -> None:
        """Tell how often each call was made, and how many streams are open."""
        await self.answer(
            {
                "requests": dict(self.upstream.requests),
                "open_streams": len(self.upstream.streams),
                "open_streams_by_worker": [len(one.streams) for one in self.upstream.workers],
            }
        )


class Faults(Control):
    """``/_simulator/faults``."""

    async def get(self) -> None:
        """Tell how many orders are open."""
        await self.answer({"open": len(self.upstream.faults)})

    async def post(self) -> None:
        """Take an order to misbehave."""
        try:
            fault = read_fault(self.read())
        except ControlError as error:
            await self.refuse(error)
            return
        self.upstream.faults.add(fault)
        await self.answer({"open": len(self.upstream.faults)})

    async def delete(self) -> None:
        """Forget all orders."""
        self.upstream.faults.clear()
        await self.answer({"open": 0})


class Streams(Control):
    """``POST /_simulator/streams``."""

    async def post(self) -> None:
        """Do to every open stream what is ordered; answers at once."""
        try:
            order = read_stream_order(self.read())
        except ControlError as error:
            await self.refuse(error)
            return
        streams = [stream for stream in self.upstream.streams if isinstance(stream, Events)]
        for stream in streams:
            self.apply(order, stream)
        await self.answer({"streams": len(streams)})

    def apply(self, order: StreamOrder, stream: Events) -> None:
        """Carry the order out on one stream."""
        if order.close is not None:
            stream.close(order.close)
        elif order.drop:
            stream.drop()
        elif order.send is not None:
            self.upstream.start(stream.repeat(order.send, order.times))


class Restart(Control):
    """``POST /_simulator/restart``."""

    async def post(self) -> None:
        """Answer, then go away and come back as ordered."""
        try:
            order = read_restart(self.read())
        except ControlError as error:
            await self.refuse(error)
            return
        if self.upstream.world.is_kept and not order.keep_state:
            words = "keep_state is false, must be true where a Redis keeps the sessions"
            await self.refuse(ControlError(words))
            return
        await self.answer({"away_seconds": order.away_seconds, "keep_state": order.keep_state})
        self.upstream.restarts.put_nowait(order)


class Containers(Control):
    """``POST /_simulator/containers``."""

    async def post(self) -> None:
        """Do something to one of the containers; answers once it is done."""
        try:
            order = read_container_order(self.read())
            fleet, one = self.find(order.name)
        except ControlError as error:
            await self.refuse(error)
            return
        fleet.order(one, order.do, order.to)
        await self.answer({"containers": len(fleet.containers)})

    def find(self, name: str) -> tuple[Fleet, Container]:
        """Find a container; raises :class:`ControlError`."""
        fleet = self.upstream.fleet
        one = None if fleet is None else fleet.find(name)
        if fleet is None or one is None:
            raise ControlError(f"name is {name!r}, must be a container's")
        return fleet, one


ROUTES: list[tuple[str, type[Control]]] = [
    (r"/_simulator/truth", Truth),
    (r"/_simulator/requests", Requests),
    (r"/_simulator/faults", Faults),
    (r"/_simulator/streams", Streams),
    (r"/_simulator/restart", Restart),
    (r"/_simulator/containers", Containers),
]
