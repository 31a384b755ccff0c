"""A proxy between browser and service that can cut the page's socket and let HTTP through."""

import asyncio
import contextlib
import threading
from urllib.parse import urlsplit


class Proxy:
    """
    Passes bytes on; as a context manager.

    `cut` ends every websocket and refuses further ones until `mend`; `mute` leaves them open and
    swallows what the service sends.
    """

    def __init__(self, target):
        self._target = urlsplit(target)
        self._is_cut = False
        self._is_mute = False
        self._sockets = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self):
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._meet, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_):
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _end(self):
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self):
        """End every websocket, and refuse new ones."""
        self._is_cut = True
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self):
        for writer in self._sockets:
            writer.transport.abort()

    def mute(self):
        """Swallow what the service sends over websockets, and leave them open."""
        self._is_mute = True

    def mend(self):
        """Let websockets through again."""
        self._is_cut = self._is_mute = False

    async def _meet(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            is_socket = b"upgrade: websocket" in head.lower()
            if is_socket and self._is_cut:
                return
            if is_socket:
                self._sockets.add(writer)
            else:
                # One request a connection, so that each is looked at.
                head = head.replace(b"keep-alive", b"close")
            await self._pass(head, reader, writer, is_socket=is_socket)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._sockets.discard(writer)
            writer.close()

    async def _pass(self, head, reader, writer, *, is_socket):
        host, port = self._target.hostname, self._target.port
        away_reader, away_writer = await asyncio.open_connection(host, port)
        away_writer.write(head)
        ways = [
            asyncio.create_task(self._copy(reader, away_writer)),
            asyncio.create_task(self._copy(away_reader, writer, may_mute=is_socket)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            away_writer.close()

    async def _copy(self, reader, writer, *, may_mute=False):
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                if not (may_mute and self._is_mute):
                    writer.write(chunk)
                    await writer.drain()
