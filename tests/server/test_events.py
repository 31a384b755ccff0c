"""The route of recorded events, and its export."""

import asyncio
import csv
import io
import threading

import httpx
import pytest

from kato_panel.csv_text import read_text
from kato_panel.domain.events import Kind, Name
from kato_panel.errors import HistoryError
from kato_panel.history import History
from kato_panel.server.reading import MAX_WAITING, READS
from tests.asking import asking, still_runtime
from tests.history.making import event, open_history

PATH = "/api/v1/events"
HOSTILE = '=HYPERLINK("http://evil.example")'


@pytest.fixture
def history(tmp_path):
    history = open_history(tmp_path / "history.db")
    yield history
    history.close()


def fill(history, events):
    history.record(events)
    assert history.flush()


def many(count):
    return [event(seq, seq, current=seq) for seq in range(1, count + 1)]


async def test_events_come_oldest_first_a_page_at_a_time(history):
    """The cursor leads to each once, up to the end."""
    fill(history, many(25))
    async with asking(still_runtime(history=history)) as client:
        seen, cursor = [], ""
        for _ in range(3):
            body = (await client.get(f"{PATH}?limit=10&cursor={cursor}")).json()
            seen += [one["event_seq"] for one in body["events"]]
            cursor = body["next"]
        last = body["events"][-1]["id"]
        fill(history, [event(26, 26)])
        later = (await client.get(f"{PATH}?cursor={last}")).json()
    assert seen == [*range(1, 26)]
    assert cursor is None
    assert [one["event_seq"] for one in later["events"]] == [26]


async def test_questions_choose_events(history):
    """By time, kind and node; each is told as `session_event` tells it."""
    named = event(3, 3, kind=Kind.DESTROYED, names=[Name("s", "node \0 b")], reason="deleted")
    fill(history, [*many(2), named])
    async with asking(still_runtime(history=history)) as client:

        async def seqs(query):
            answer = await client.get(f"{PATH}?{query}")
            assert answer.status_code == 200
            return [one["event_seq"] for one in answer.json()["events"]]

        assert await seqs("type=session_destroyed") == [3]
        assert await seqs("node=node%20%00%20b") == [3]
        assert await seqs("node=other") == []
        assert await seqs("since=2026-11-22T12:00:02Z") == [2, 3]
        assert await seqs("since=2026-11-22T12:00:01%2B00:00&until=2026-11-22T12:00:02Z") == [1]
        assert await seqs("until=36500d") == []
        body = (await client.get(f"{PATH}?type=session_destroyed")).json()
    assert body["demo"] is False
    assert body["events"][0]["data"]["node_ids"] == ["node \0 b"]
    assert body["events"][0]["event_type"] == "session_destroyed"


@pytest.mark.parametrize("query", ["limit=0", "since=now", "type=x", "cursor=x", "node=%ff", "x=1"])
async def test_wrong_question_names_its_field(history, query):
    """With status 422, and what is allowed."""
    async with asking(still_runtime(history=history)) as client:
        answer = await client.get(f"{PATH}?{query}")
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ("invalid", query.partition("=")[0])
    assert "must be" in error["message"]


async def test_history_that_is_off_or_unreadable_is_no_empty_list(history):
    """Status 503, in words."""
    async with asking(still_runtime()) as client:
        answer = await client.get(PATH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert "no history is kept" in answer.json()["error"]["message"]
        csv_answer = await client.get(f"{PATH}?format=csv")
        assert csv_answer.status_code == 503
        assert csv_answer.headers["content-type"].lower() == "application/json; charset=utf-8"
    refused = History.open("sqlite:////proc/no/history.db", "http://kato", is_demo=False)
    async with asking(still_runtime(history=refused)) as client:
        assert (await client.get(PATH)).status_code == 503
    refused.close()


def rows_of(answer):
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


async def test_export_has_all_that_is_recorded(history):
    """More than one read gives, in order, and nothing that a spreadsheet would run."""
    fill(history, [*many(2_300), event(2_301, 1, names=[Name("s", HOSTILE)], reason=HOSTILE)])
    async with asking(still_runtime(history=history)) as client:
        answer = await client.get(f"{PATH}?format=csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        assert 'filename="kato-events.csv"' in answer.headers["content-disposition"]
        rows = rows_of(answer)
        part = await client.get(f"{PATH}?format=csv&limit=10")
        assert [row["event_seq"] for row in rows_of(part)] == [str(seq) for seq in range(1, 11)]
        again = await client.get(f"{PATH}?format=csv&cursor={part.headers['x-next-cursor']}")
        assert rows_of(again)[0]["event_seq"] == "11"
        head = await client.head(f"{PATH}?format=csv")
        assert (head.status_code, head.content) == (200, b"")
    assert [row["event_seq"] for row in rows] == [str(seq) for seq in range(1, 2_302)]
    assert not [cell for row in rows for cell in row.values() if cell[:1] == "="]
    assert read_text(rows[-1]["reason"]) == HOSTILE
    assert HOSTILE.replace('"', '\\"') in rows[-1]["node_ids"]
    assert {row["demo"] for row in rows} == {"false"}


async def test_export_that_breaks_off_does_not_look_whole(history, monkeypatch):
    """The connection ends without the end of the answer."""
    fill(history, many(1_500))
    reader, reads = history.reader, []
    read = reader.events

    def events(*args, **more):
        reads.append(more["cursor"])
        if len(reads) == 2:
            raise HistoryError("the disk is gone")
        return read(*args, **more)

    monkeypatch.setattr(reader, "events", events)
    async with asking(still_runtime(history=history)) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"{PATH}?format=csv")
    assert len(reads) == 2


async def test_slow_reads_hold_up_neither_the_loop_nor_memory(history, monkeypatch):
    """A few read at once, some wait, the others are refused; another route answers meanwhile."""
    gate, began = threading.Event(), threading.Semaphore(0)
    read = history.reader.events

    def events(*args, **more):
        began.release()
        assert gate.wait(20)
        return read(*args, **more)

    monkeypatch.setattr(history.reader, "events", events)
    async with asking(still_runtime(history=history)) as client:
        tasks = [asyncio.create_task(client.get(PATH)) for _ in range(MAX_WAITING + 3)]
        for _ in range(READS):
            assert await asyncio.to_thread(began.acquire, timeout=20)
        refused = [task for task in tasks if task.done()]
        while len(refused) < 3:
            await asyncio.wait(set(tasks) - set(refused), return_when=asyncio.FIRST_COMPLETED)
            refused = [task for task in tasks if task.done()]
        assert (await client.get("/api/v1/sessions/count")).status_code == 200
        assert not began.acquire(blocking=False)
        gate.set()
        answers = await asyncio.gather(*tasks)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * MAX_WAITING + [503] * 3
