"""The route of exports: the very bytes of the command, a part at a time, beside everything else."""

import asyncio
import threading

import pytest
from click.testing import CliRunner

from kato_panel import cli, parts
from kato_panel.domain.event_query import EXPORTED
from kato_panel.errors import HistoryError
from kato_panel.history_frames import HistoryFrames
from tests.asking import asking, still_runtime
from tests.history.making import at, open_history
from tests.report_rig import two_hours

RISKY = ("=cmd()", "+1", "@SUM(A1)", "'=x")
PATH = "/api/v1/export"


@pytest.fixture
def kept(tmp_path):
    history = open_history(tmp_path / "h.db")
    history.record([*two_hours(names=RISKY)])
    assert history.flush()
    yield history, tmp_path / "h.db"
    history.close()


def by_command(path, *args):
    return CliRunner().invoke(cli.main, ["export", "--history", str(path), *args]).stdout_bytes


@pytest.mark.parametrize("few", [20_000, 7])
@pytest.mark.parametrize("form", ["csv", "json"])
async def test_file_has_the_bytes_of_the_command(kept, monkeypatch, form, few):
    """Of each kind, and of a range and a node; also where it comes in many parts."""
    history, path = kept
    monkeypatch.setattr(parts, "FEW", few)
    monkeypatch.setattr("kato_panel.exporting.FEW", few)
    span = ("--since", at(1_200).isoformat(), "--until", at(4_000).isoformat())
    asked = {"format": form, "since": span[1], "until": span[3]}
    async with asking(still_runtime(history=history)) as client:
        for kind in EXPORTED:
            answer = await client.get(f"{PATH}/{kind}", params={"format": form})
            assert answer.status_code == 200
            assert answer.content == by_command(path, "--format", form, kind)
            disposition = f'attachment; filename="kato-{kind}.{form}"'
            assert answer.headers["Content-Disposition"] == disposition
            assert form in answer.headers["Content-Type"]
        node = await client.get(f"{PATH}/sessions", params={**asked, "node": "+1"})
        twice = await client.get(f"{PATH}/sessions", params={**asked, "node": "+1"})
    whole = by_command(path, "--format", form, *span, "--node", "+1", "sessions")
    assert whole.count(b"session") > 2 if form == "json" else whole.count(b"\n") > 2
    assert node.content == twice.content == whole


@pytest.mark.parametrize(
    "query", ["format=xml", "since=soon", "since=1h&until=2h", "node=%ff", "limit=3"]
)
async def test_wrong_question_names_its_field(kept, query):
    """And is answered in JSON, whatever was asked for."""
    async with asking(still_runtime(history=kept[0])) as client:
        answer = await client.get(f"{PATH}/counts?{query}")
        unknown = await client.get(f"{PATH}/people")
    assert answer.status_code == 422
    assert answer.json()["error"]["field"]
    assert unknown.status_code == 404


async def test_without_a_history_it_says_why():
    """And which setting would help."""
    async with asking(still_runtime()) as client:
        answer = await client.get(f"{PATH}/counts")
    assert answer.status_code == 503
    assert "KATO_PANEL_HISTORY_URL is off" in answer.json()["error"]["message"]


async def test_reading_holds_nobody_up(kept, monkeypatch):
    """While a part is read, other routes answer."""
    reads, goes_on, began = HistoryFrames.events, threading.Event(), threading.Event()

    def wait(*args, **more):
        began.set()
        assert goes_on.wait(20)
        return reads(*args, **more)

    monkeypatch.setattr(HistoryFrames, "events", wait)
    async with asking(still_runtime(history=kept[0])) as client:
        file = asyncio.create_task(client.get(f"{PATH}/events"))
        assert await asyncio.to_thread(began.wait, 20)
        assert (await client.get("/api/v1/sessions/count")).status_code == 200
        assert not file.done()
        goes_on.set()
        assert (await file).status_code == 200


async def test_file_that_breaks_off_has_no_end(kept, monkeypatch):
    """Whoever reads it knows that it is not whole."""

    def fail(*_, **__):
        raise HistoryError("the disk is gone")

    monkeypatch.setattr(HistoryFrames, "events", fail)
    async with asking(still_runtime(history=kept[0])) as client:
        with pytest.raises(Exception, match="peer closed connection"):
            await client.get(f"{PATH}/events")
