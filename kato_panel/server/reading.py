"""What the routes that read the history have in common: whose turn it is, and files in parts."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeVar

from tornado.iostream import StreamClosedError

from kato_panel.domain.event_query import Form
from kato_panel.errors import KatoPanelError, SourceUnavailable
from kato_panel.runtime import Runtime
from kato_panel.server.answers import JsonRequest

T = TypeVar("T")

TYPES: Final[dict[Form, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json; charset=utf-8",
}
READS: Final = 2
"""At once: a read keeps a thread busy, and the disk."""
MAX_WAITING: Final = 16


class Desk:
    """Reads the history for requests, beside the server's loop, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(READS)
        self._waiting = 0

    async def read(self, read: Callable[[], T]) -> T:
        """
        Read on a thread, when it is this request's turn.

        Raises
        ------
        SourceUnavailable
            If too many others wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise SourceUnavailable(f"{MAX_WAITING} others wait for the history; ask again later")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(read)
        finally:
            self._waiting -= 1


class ReadingRequest(JsonRequest):
    """A route that reads the history."""

    def initialize(self, runtime: Runtime, desk: Desk | None = None) -> None:
        """Take what the route was made with."""
        super().initialize(runtime)
        self.desk = desk or Desk()

    async def send_file(self, kind: str, form: Form, parts: Iterator[str]) -> None:
        """
        Answer with a file, a part at a time: what others ask meanwhile comes between two parts.

        Once a part has gone out, only a connection that breaks off can say that some is missing.

        Parameters
        ----------
        kind, form
            What is in it, and in which form; its name is made of these.
        parts
            Read at the desk, each when the one before has gone out.

        Raises
        ------
        KatoPanelError
            If not even the first part can be read.
        """
        read = partial(next, parts, None)
        part = await self.desk.read(read)
        self.set_header("Content-Type", TYPES[form])
        whose = "-demo" if self.runtime.settings.is_demo else ""
        name = f"kato-{kind}{whose}.{form}"
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        try:
            while part is not None and self.request.method != "HEAD":
                self.write(part)
                await self.flush()
                part = await self.desk.read(read)
        except StreamClosedError:
            return  # nobody reads any more
        except KatoPanelError:
            self.detach().close()
            return
        self.finish()
