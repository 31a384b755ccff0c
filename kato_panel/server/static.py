"""
The page's scripts and styles, compressed.

Tornado's own compression would compress each answer anew, on the loop. Here each file is compressed
once, in a thread, when it is first asked for, and kept in memory.
"""

import asyncio
import gzip
import os
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

from bokeh.server.urls import toplevel_patterns
from tornado.web import RequestHandler, StaticFileHandler

SUFFIXES: Final = frozenset({".css", ".html", ".js", ".json", ".map", ".mjs", ".svg", ".txt"})
LEVEL: Final = 9
LEAST_BYTES: Final = 1_024
MOST_BYTES: Final = 8 * 1_024**2
MAX_KEPT_BYTES: Final = 8 * 1_024**2
"""The page needs 0.8 MB of it; the rest is room for what else Panel has."""

Stamp = tuple[int, int]


class CompressedFiles:
    """
    Files, compressed when they are first read and kept until they change.

    Belongs to one loop. What was read longest ago goes when there is too much.

    Parameters
    ----------
    max_kept_bytes
        How much is kept, compressed.
    """

    def __init__(self, max_kept_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_kept_bytes = max_kept_bytes
        self._kept: OrderedDict[str, tuple[Stamp, asyncio.Future[bytes]]] = OrderedDict()

    async def read(self, path: str) -> bytes:
        """
        Read a file in the form of gzip.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        stat = os.stat(path)  # noqa: PTH116 - as Tornado does, microseconds
        stamp = (stat.st_mtime_ns, stat.st_size)
        known, future = self._kept.get(path, (None, None))
        if future is None or known != stamp:
            future = asyncio.get_running_loop().run_in_executor(None, _compress, path)
            self._kept[path] = (stamp, future)
        self._kept.move_to_end(path)
        try:
            # Others wait for the same file: who gives up must not end it for them.
            content = await asyncio.shield(future)
        except OSError:
            self._kept.pop(path, None)
            raise
        self._limit()
        return content

    def _limit(self) -> None:
        ready = {
            path: len(future.result())
            for path, (_, future) in self._kept.items()
            if future.done() and not future.exception()
        }
        total = sum(ready.values())
        for path, size in ready.items():
            if total <= self._max_kept_bytes:
                return
            del self._kept[path]
            total -= size


class CompressedRequest(StaticFileHandler):
    """
    ``GET`` and ``HEAD`` of a static file, compressed for those who can read that.

    Goes before a class of Bokeh's that knows where its files are. A request for a part of a file
    gets that part as it is: parts of a compressed file are of no use.
    """

    files: CompressedFiles
    _is_compressed = False

    async def get(self, path: str, include_body: bool = True) -> None:  # noqa: FBT001, FBT002 - as Tornado calls it
        """Answer."""
        if not self._may_compress():
            await super().get(path, include_body)
            return
        # As the base does it: these are the checks that nothing outside is read.
        self.path = self.parse_url_path(path)
        absolute_path = self.get_absolute_path(self.root, self.path)
        self.absolute_path = self.validate_absolute_path(self.root, absolute_path)
        if self.absolute_path is None:
            return
        size = self.get_content_size()
        if not self._is_text() or not LEAST_BYTES <= size <= MOST_BYTES:
            await super().get(path, include_body)
            return
        content = await self.files.read(self.absolute_path)
        self._is_compressed = True
        self.modified = self.get_modified_time()
        self.set_headers()
        if self.should_return_304():
            self.set_status(304)
            return
        self.set_header("Content-Length", len(content))
        if include_body:
            self.write(content)

    def compute_etag(self) -> str | None:
        """Name the compressed form differently, for its bytes differ."""
        etag = super().compute_etag()
        return f'{etag[:-1]}-gzip"' if etag and self._is_compressed else etag

    def set_extra_headers(self, path: str) -> None:
        """Say which form this is, and that there is another."""
        super().set_extra_headers(path)
        if self._is_text():
            self.set_header("Vary", "Accept-Encoding")
        if self._is_compressed:
            self.set_header("Content-Encoding", "gzip")
            self.set_header("Accept-Ranges", "none")

    def _is_text(self) -> bool:
        return Path(self.path).suffix in SUFFIXES

    def _may_compress(self) -> bool:
        headers = self.request.headers
        return "Range" not in headers and _takes_gzip(headers.get("Accept-Encoding", ""))


def static_routes() -> list[tuple[Any, ...]]:
    """List Bokeh's routes of static files again, to be found before Bokeh's own."""
    files = CompressedFiles()
    return [
        (pattern, _compressed(request, files), *arguments)
        for pattern, request, *arguments in toplevel_patterns
        if issubclass(request, StaticFileHandler)
    ]


def _compressed(request: type[StaticFileHandler], files: CompressedFiles) -> type[RequestHandler]:
    return type(f"Compressed{request.__name__}", (CompressedRequest, request), {"files": files})


def _compress(path: str) -> bytes:
    return gzip.compress(Path(path).read_bytes(), LEVEL, mtime=0)


def _takes_gzip(accepted: str) -> bool:
    """Read ``Accept-Encoding``."""
    for choice in accepted.lower().split(","):
        coding, _, weight = choice.partition(";")
        if coding.strip() == "gzip":
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False
