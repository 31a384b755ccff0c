"""What every call on upstream has in common, misbehaviour included."""

import asyncio
import uuid
from http import HTTPStatus
from types import TracebackType
from typing import Any, cast

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from . import wire
from .faults import Fault
from .session import KeysAwayError, Session
from .upstream import Upstream
from .wire import Payload
from .workers import Worker


class Call(RequestHandler):
    """
    What all of upstream's calls have in common.

    ``route`` is what the call is counted under. ``worker`` is the worker of its connection.
    """

    route = "(unknown)"
    exempt = False
    session: Session | None = None
    fault: Fault | None = None

    def initialize(self, upstream: Upstream) -> None:
        """Take what all calls share."""
        self.upstream = upstream
        self.gone = asyncio.Event()

    def set_default_headers(self) -> None:
        """Send the headers that upstream sends."""
        self.set_header("Server", "uvicorn")
        self.set_header("Content-Type", wire.JSON)
        self.set_header("X-Trace-ID", f"kato-{uuid.uuid4().hex}")

    def compute_etag(self) -> None:
        """Send no ETag: upstream has none, and never answers 304."""

    async def prepare(self) -> None:
        """Count the call; misbehave if ordered; refuse if the worker is full."""
        task = asyncio.current_task()
        if task is not None:
            self.upstream.keep(task)
        self.tcp = cast("HTTP1Connection", self.request.connection).stream
        self.worker: Worker = self.upstream.worker_of(self.tcp)
        self.method_name = self.request.method or ""
        self.upstream.requests[f"{self.method_name} {self.route}"] += 1
        if not await self.misbehave() and self.worker.is_full and not self.exempt:
            self.clear_header("X-Trace-ID")
            self.set_header("Connection", "close")
            await self.plain(503, "Service Unavailable")

    async def misbehave(self) -> bool:
        """Carry out the order for this request, if any; true if it is answered by that."""
        fault = self.fault = self.upstream.faults.take(self.method_name, self.request.path)
        if fault is None:
            return False
        await self.pause(fault.delay_seconds)
        if fault.close or self.gone.is_set():
            self.hang_up()
            return True
        if not fault.is_answer:
            return False
        self.set_status(fault.status or 200)
        await self.send(fault.body or b"")
        return True

    def hang_up(self) -> None:
        """Close the connection without an answer."""
        self.detach()
        self.tcp.close()

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than the client does."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self.gone.wait()
            except TimeoutError:
                pass

    def on_connection_close(self) -> None:
        """Wake whatever waits for this client."""
        self.gone.set()

    async def answer(self, body: Payload, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        await self.send(wire.encode(body))

    async def plain(self, status: int, text: str) -> None:
        """Answer as the server around upstream's code does."""
        self.set_status(status)
        self.set_header("Content-Type", wire.PLAIN)
        await self.send(text.encode())

    async def send(self, body: bytes) -> None:
        """Send the answer, in drops if so ordered."""
        self.set_header("Content-Length", str(len(body)))
        trickle_seconds = None
        if self.fault is not None:
            trickle_seconds = self.fault.trickle_seconds
            for name, text in self.fault.headers.items():
                self.set_header(name, text)
        try:
            if trickle_seconds is not None:
                await self.flush()
                for place in range(len(body)):
                    await self.pause(trickle_seconds)
                    if self.gone.is_set():
                        return
                    self.write(body[place : place + 1])
                    await self.flush()
                await self.finish()
            else:
                await self.finish(body)
        except StreamClosedError:
            return

    def write_error(self, status_code: int, **_: Any) -> None:
        """Answer what Tornado refuses, and what went wrong here, as upstream does."""
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.finish(wire.encode({"detail": "Method Not Allowed"}))
            return
        self.clear_header("X-Trace-ID")
        self.set_header("Content-Type", wire.PLAIN)
        crashed = status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        self.finish(b"Internal Server Error" if crashed else b"Invalid HTTP request.")

    def log_exception(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep quiet about a place of the sessions that is away: it is ordered misbehaviour."""
        if not isinstance(error, KeysAwayError):
            super().log_exception(kind, error, trace)

    def on_finish(self) -> None:
        """Enter the call into its worker's figures."""
        if hasattr(self, "worker"):
            seconds = self.request.request_time()
            status = self.get_status()
            now = self.upstream.clock()
            self.worker.note(now, self.method_name, self.request.path, seconds, status)

    async def query_whole(self, name: str, default: int) -> int | None:
        """Read a whole number from the query; ``None`` once it is refused with 422."""
        given = self.get_query_argument(name, None)
        try:
            number = wire.read_whole(given, ["query", name])
        except wire.BodyError as error:
            await self.answer(error.body, error.status)
            return None
        return default if number is None else number
