"""Upstream's routes, and the calls that concern the service as a whole."""

from . import wire
from .call import Call
from .events import Events
from .session_calls import (
    Config,
    Elsewhere,
    Exists,
    Extend,
    OneSession,
    Sessions,
    SessionsCount,
    SessionsSlash,
    Stm,
)


class NotFound(Call):
    """Every path that upstream does not have."""

    async def prepare(self) -> None:
        """Answer 404, whatever the method."""
        await super().prepare()
        if not self._finished:
            await self.answer({"detail": "Not Found"}, 404)


class Root(Call):
    """``GET /``."""

    route = "/"

    async def get(self) -> None:
        """Name the service."""
        await self.answer(self.upstream.root())


class Health(Call):
    """``GET /health``: the index's size, never cached."""

    route = "/health"

    async def get(self) -> None:
        """Tell the state and the count."""
        await self.answer(self.upstream.health(self.worker))


class Metrics(Call):
    """``GET /metrics``."""

    route = "/metrics"

    async def get(self) -> None:
        """Tell this worker's figures, up to 5 s old."""
        active = self.upstream.active(self.worker)
        await self.answer(self.worker.metrics(self.upstream.clock(), active))


class Stats(Call):
    """``GET /stats``."""

    route = "/stats"

    async def get(self) -> None:
        """Tell this worker's time series."""
        minutes = await self.query_whole("minutes", 10)
        if minutes is not None:
            now = self.upstream.clock()
            stats = self.worker.stats(now, minutes)
            stats["current_status"]["timestamp"] = wire.utc(now)
            await self.answer(stats)


class Status(Call):
    """``GET /status``."""

    route = "/status"

    async def get(self) -> None:
        """Tell what this worker knows of its own sessions."""
        await self.answer(self.upstream.status(self.worker))


ROUTES: list[tuple[str, type[Call]]] = [
    (r"/", Root),
    (r"/health", Health),
    (r"/metrics", Metrics),
    (r"/stats", Stats),
    (r"/status", Status),
    (r"/sessions", Sessions),
    (r"/sessions/", SessionsSlash),
    (r"/sessions/count", SessionsCount),
    (r"/sessions/([^/]+)", OneSession),
    (r"/sessions/([^/]+)/exists", Exists),
    (r"/sessions/([^/]+)/stm", Stm),
    (r"/sessions/([^/]+)/config", Config),
    (r"/sessions/([^/]+)/extend", Extend),
    (r"/sessions/([^/]+)/.*", Elsewhere),
    (r"/ws/events", Events),
]
