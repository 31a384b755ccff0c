"""The compressed static files."""

import asyncio
import gzip
import os
from collections import Counter
from pathlib import Path

import httpx
import panel as pn  # noqa: F401 - tells Bokeh where its scripts are
import pytest
from bokeh.settings import settings as bokeh_settings
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, StaticFileHandler

from kato_panel.server import static
from kato_panel.server.static import CompressedFiles, static_routes

TEXT = b"const answer = 42;\n" * 200
SCRIPT = "/static/js/bokeh.min.js"
GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "page.js").write_bytes(TEXT)
    (inside / "short.js").write_bytes(b"1")
    (inside / "picture.png").write_bytes(TEXT)
    (tmp_path / "secret.js").write_bytes(TEXT)
    (inside / "link.js").symlink_to(tmp_path / "secret.js")
    return inside


@pytest.fixture
def compressions(monkeypatch):
    """How often each file was compressed."""
    counts, compress = Counter(), static._compress

    def count(path):
        counts[Path(path).name] += 1
        return compress(path)

    monkeypatch.setattr(static, "_compress", count)
    return counts


@pytest.fixture
async def bokehs():
    """A client of the routes that the service has."""
    async with answering(static_routes()) as client:
        yield client


@pytest.fixture
async def client(folder):
    """A client of a folder of our own."""
    request = static._compressed(StaticFileHandler, CompressedFiles())
    async with answering([(r"/(.*)", request, {"path": str(folder)})]) as client:
        yield client


class answering:  # noqa: N801 - reads as the verb it is
    """A server with these routes on a free port, and a client of it."""

    def __init__(self, routes):
        self._server = HTTPServer(Application(routes))
        listening, port = bind_unused_port()
        self._server.add_socket(listening)
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    async def __aenter__(self):
        return self._client

    async def __aexit__(self, *_):
        await self._client.aclose()
        self._server.stop()
        await self._server.close_all_connections()


async def test_script_is_the_same_after_decompression(bokehs):
    """And a third of the size over the wire."""
    file = Path(bokeh_settings.bokehjs_path()) / "js" / "bokeh.min.js"
    answer = await bokehs.get(SCRIPT, headers=GZIP)
    assert answer.status_code == 200
    assert answer.content == file.read_bytes()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].endswith("/javascript")
    assert int(answer.headers["content-length"]) < file.stat().st_size / 3


async def test_panels_own_scripts_are_compressed_too(bokehs):
    """They have a route of their own."""
    answer = await bokehs.get("/static/extensions/panel/panel.min.js", headers=GZIP)
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")


@pytest.mark.parametrize(
    "accepted", ["identity", "br", "gzip;q=0", "gzip; q=0.0, *", "", "x-gzippy"]
)
async def test_who_cannot_read_gzip_gets_none(client, accepted):
    """The bytes as they are, marked as one of two forms."""
    answer = await client.get("/page.js", headers={"Accept-Encoding": accepted})
    assert answer.content == TEXT
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(TEXT)


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP", "deflate, gzip;q=0.5", "gzip ; q=1"])
async def test_who_can_read_gzip_gets_it(client, accepted):
    """Wherever it stands in the list."""
    answer = await client.get("/page.js", headers={"Accept-Encoding": accepted})
    assert answer.content == TEXT
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", ["picture.png", "short.js"])
async def test_what_does_not_shrink_is_left_as_it_is(client, name):
    """Pictures are compressed already, and a few bytes are not worth it."""
    answer = await client.get(f"/{name}", headers=GZIP)
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers


async def test_each_form_has_its_etag(client):
    """What is unchanged is not sent again, and neither form passes for the other."""
    tags = [(await client.get("/page.js", headers=h)).headers["etag"] for h in (GZIP, PLAIN)]
    assert tags[0] != tags[1]
    for headers, own, other in ((GZIP, *tags), (PLAIN, *reversed(tags))):
        same = await client.get("/page.js", headers={**headers, "If-None-Match": own})
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["vary"] == "Accept-Encoding"
        changed = await client.get("/page.js", headers={**headers, "If-None-Match": other})
        assert changed.status_code == 200


async def test_versioned_address_is_kept_for_years(client):
    """As the base does it; an address without a version is asked for again."""
    kept = await client.get("/page.js?v=1", headers=GZIP)
    assert int(kept.headers["cache-control"].removeprefix("max-age=")) > 86_400
    assert "cache-control" not in (await client.get("/page.js", headers=GZIP)).headers


@pytest.mark.parametrize("headers", [GZIP, PLAIN])
async def test_head_tells_what_get_would(client, headers):
    """A page that lost its link asks so whether the server is there."""
    told = await client.head("/page.js", headers=headers)
    got = await client.get("/page.js", headers=headers)
    assert (told.status_code, told.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "vary"):
        assert told.headers[name] == got.headers[name]
    assert told.headers.get("content-encoding") == got.headers.get("content-encoding")


async def test_part_of_a_file_is_a_part_of_its_own_bytes(client):
    """Not of its compressed form."""
    part = await client.get("/page.js", headers={**GZIP, "Range": "bytes=6-11"})
    assert (part.status_code, part.content) == (206, TEXT[6:12])
    assert "content-encoding" not in part.headers
    whole = await client.get("/page.js", headers=GZIP)
    assert whole.headers["accept-ranges"] == "none"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/%2e%2e/secret.js", 403),
        ("/..%2fsecret.js", 403),
        ("/link.js", 403),
        ("/missing.js", 404),
        ("/", 403),
    ],
)
async def test_nothing_outside_is_read(client, compressions, path, status):
    """Neither by a path that climbs nor by a link, compressed or not."""
    for headers in (GZIP, PLAIN):
        assert (await client.get(path, headers=headers)).status_code == status
    assert not compressions


async def test_each_file_is_compressed_once(client, compressions):
    """Even if many ask for it at one moment."""
    answers = await asyncio.gather(*(client.get("/page.js", headers=GZIP) for _ in range(20)))
    assert {answer.content for answer in answers} == {TEXT}
    assert compressions == {"page.js": 1}


async def test_changed_file_is_compressed_again(folder, compressions):
    """What is kept is for one time stamp and size."""
    files, path = CompressedFiles(), folder / "page.js"
    await files.read(str(path))
    path.write_bytes(b"other" * 300)
    os.utime(path, ns=(1, 1))
    assert gzip.decompress(await files.read(str(path))) == b"other" * 300
    assert compressions == {"page.js": 2}


async def test_what_was_read_longest_ago_goes_first(folder, compressions):
    """There is a bound to what is kept."""
    for name in "abc":
        (folder / name).write_bytes(os.urandom(1_000))
    files = CompressedFiles(max_kept_bytes=2_500)
    for name in "abacab":
        await files.read(str(folder / name))
    assert compressions == {"a": 1, "b": 2, "c": 1}


async def test_file_that_cannot_be_read_is_tried_again(folder, monkeypatch):
    """A failure is not kept."""
    files, path = CompressedFiles(), str(folder / "page.js")
    with monkeypatch.context() as broken:
        broken.setattr(static, "_compress", lambda path: Path(path + "-gone").read_bytes())
        with pytest.raises(FileNotFoundError):
            await files.read(path)
    assert gzip.decompress(await files.read(path)) == TEXT


async def test_who_gives_up_ends_it_for_nobody_else(folder):
    """Two wait for one file."""
    files, path = CompressedFiles(), str(folder / "page.js")
    first = asyncio.create_task(files.read(path))
    second = asyncio.create_task(files.read(path))
    await asyncio.sleep(0)
    first.cancel()
    assert gzip.decompress(await second) == TEXT
