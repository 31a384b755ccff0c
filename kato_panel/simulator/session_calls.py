"""The calls under ``/sessions``, with both of their 404 shapes."""

from . import wire
from .call import Call
from .session import Session


class Sessions(Call):
    """``POST /sessions``; there is no list."""

    route = "/sessions"

    async def post(self) -> None:
        """Begin a session."""
        try:
            order = wire.read_create(self.request.body)
        except wire.BodyError as error:
            await self.answer(error.body, error.status)
            return
        if not 0 <= (order.ttl_seconds or 0) <= wire.TTL_LIMIT_SECONDS:
            self.clear_header("X-Trace-ID")
            await self.plain(500, "Internal Server Error")
            self.tcp.close()  # upstream's crash takes the kept-alive connection along
            return
        session = await self.upstream.create(self.worker, order)
        body = wire.session_body(
            session, expires_at=session.expires_at, ttl_seconds=session.ttl_seconds
        )
        await self.answer(body)


class SessionsSlash(Call):
    """``/sessions/``, which leads to ``/sessions``."""

    route = "/sessions/"

    async def get(self) -> None:
        """Redirect with an empty body."""
        self.set_status(307)
        self.set_header("Location", f"http://{self.request.host}/sessions")
        self.clear_header("Content-Type")
        await self.send(b"")

    post = get


class SessionsCount(Call):
    """``GET /sessions/count``: the index's size, up to 5.1 s old."""

    route = "/sessions/count"

    async def get(self) -> None:
        """Tell the count."""
        active = self.upstream.active(self.worker)
        await self.answer(self.worker.count(self.upstream.clock(), active))


class Exists(Call):
    """``GET /sessions/{session_id}/exists``: 200 for unknown ids, too; moves no TTL."""

    route = "/sessions/{session_id}/exists"

    async def get(self, session_id: str) -> None:
        """Tell whether there is such a session."""
        found = self.upstream.world.look(session_id, self.upstream.clock())
        await self.answer(
            {"exists": found == "there", "expired": found == "late", "session_id": session_id}
        )


class SessionCall(Call):
    """A call behind upstream's middleware, which reads the session first: its TTL moves."""

    session: Session | None = None

    async def prepare(self) -> None:
        """Find the session, or answer 404 in the middleware's shape."""
        await super().prepare()
        if self._finished:
            return
        session_id = self.path_args[0]
        self.session = self.upstream.world.read(session_id, self.upstream.clock())
        if self.session is None:
            await self.answer(wire.gone_in_middleware(session_id), 404)
        else:
            self.set_header("X-Session-ID", session_id)


class OneSession(SessionCall):
    """``/sessions/{session_id}``; the middleware lets its ``GET`` through."""

    route = "/sessions/{session_id}"

    async def prepare(self) -> None:
        """Leave the session to the endpoint if it is only looked at."""
        if self.request.method == "GET":
            await Call.prepare(self)
        else:
            await super().prepare()

    async def get(self, session_id: str) -> None:
        """Describe the session, with the expiry that this very read has moved."""
        now = self.upstream.clock()
        session = self.upstream.world.read(session_id, now)
        if session is None:
            await self.answer(wire.gone_in_endpoint(session_id), 404)
            return
        # upstream looks at its clock again after moving the expiry: 120 is reported as 119
        left_seconds = max(0, session.ttl_seconds - 1)
        body = wire.session_body(
            session, expires_at=session.key_expires_at, ttl_seconds=left_seconds
        )
        await self.answer(body)

    async def delete(self, session_id: str) -> None:
        """End the session."""
        await self.upstream.delete(self.worker, session_id)
        await self.answer({"status": "deleted", "session_id": session_id})


class Stm(SessionCall):
    """``GET /sessions/{session_id}/stm``."""

    route = "/sessions/{session_id}/stm"

    async def get(self, session_id: str) -> None:
        """Show the short-term memory."""
        stm = self.session.stm if self.session is not None else ()
        await self.answer({"stm": stm, "session_id": session_id, "length": len(stm)})


class Config(SessionCall):
    """``GET /sessions/{session_id}/config``."""

    route = "/sessions/{session_id}/config"

    async def get(self, session_id: str) -> None:
        """Show the settings that hold for the session."""
        if self.session is not None:
            config = wire.effective_config(self.session)
            await self.answer({"session_id": session_id, "config": config})


class Extend(SessionCall):
    """``POST /sessions/{session_id}/extend?ttl_seconds=``."""

    route = "/sessions/{session_id}/extend"

    async def post(self, session_id: str) -> None:
        """Give the session's key another TTL, until the next read."""
        ttl_seconds = await self.query_whole("ttl_seconds", 3600)
        if ttl_seconds is not None:
            self.upstream.world.extend(session_id, ttl_seconds, self.upstream.clock())
            await self.answer(
                {"status": "extended", "session_id": session_id, "ttl_seconds": ttl_seconds}
            )


class Elsewhere(SessionCall):
    """Paths below a session that the simulator does not have."""

    async def prepare(self) -> None:
        """Answer 404, in the shape that fits whether the session exists."""
        await super().prepare()
        if not self._finished:
            await self.answer({"detail": "Not Found"}, 404)
