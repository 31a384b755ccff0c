"""The list of sessions, as the page asks it and is answered."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from kato_panel.domain.actions import ActionsState, Outcome, Result
from kato_panel.domain.listing import Page, Row
from kato_panel.errors import SessionUnknown, SourceUnavailable
from kato_panel.views.sessions import SessionTable

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ID = f"session-{'0' * 32}-1764000000000"


class Directory:
    """Answers from memory, and remembers what it was asked to delete."""

    actions = ActionsState(allowed=True)

    def __init__(self):
        self.deleted = []
        self.trouble = None

    async def list(self, query):
        if self.trouble:
            raise SourceUnavailable(self.trouble)
        return Page((Row(ID, "planner-7", NOON),), 1, query.skip, query.limit, True, "redis", NOON)

    async def nodes(self):
        return (("planner-7", 1),)

    async def detail(self, session_id, *, may_touch):
        raise SessionUnknown(session_id)

    async def delete(self, session_ids, who):
        self.deleted.append((tuple(session_ids), who))
        return tuple(Outcome(one, Result.DELETED) for one in session_ids)


@pytest.fixture
def directory():
    return Directory()


async def tell(table, name, question):
    """Ask as the page does; return what it is answered."""
    change = SimpleNamespace(new=json.dumps(question))
    table._board.param.update(**{name: change.new})
    answers = {"query": "answer", "wanted": "found", "order": "outcome"}
    asks = {"query": table._list, "wanted": table._find, "order": table._delete}
    await asks[name](change)
    return json.loads(getattr(table._board, answers[name]))


async def test_page_is_answered_with_the_question_s_number(directory):
    """So that it knows an old answer from the one that it waits for."""
    answer = await tell(SessionTable(directory), "query", {"id": 7, "limit": 20})
    assert (answer["id"], answer["total"], answer["limit"]) == (7, 1, 20)
    assert answer["rows"][0]["created_at"] == "2026-11-22T12:00:00.000+00:00"
    assert answer["nodes"] == [["planner-7", 1]]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"id": 1, "limit": 0}, "Limit is 0"),
        ({"id": 1, "tea": 1}, "tea"),
        ({"id": 1, "sort": "pulse"}, "Sort is"),
    ],
)
async def test_wrong_question_is_answered_in_words(directory, question, said):
    """A page may be forged, or old."""
    answer = await tell(SessionTable(directory), "query", question)
    assert answer["id"] == 1
    assert said in answer["error"]


async def test_list_that_cannot_be_read_is_no_empty_list(directory):
    """The reason is told instead."""
    directory.trouble = "Redis is away"
    answer = await tell(SessionTable(directory), "query", {"id": 2})
    assert answer == {"id": 2, "error": "Redis is away."}


async def test_session_that_nobody_knows_is_told_from_a_failure_to_look(directory):
    """A drawer that showed it then says that it is gone."""
    found = await tell(SessionTable(directory), "wanted", {"id": 5, "session_id": ID})
    assert found["is_unknown"] is True
    assert "not known" in found["error"]


async def test_visit_that_may_act_is_told_where_no_record_is_kept(directory):
    """Before it deletes."""
    directory.actions = ActionsState(allowed=True, unrecorded="the history is off")
    table = SessionTable(directory, may_act=ActionsState(allowed=True))
    answer = await tell(table, "query", {"id": 6})
    assert answer["actions"] == {"allowed": True, "reason": "", "unrecorded": "the history is off"}


async def test_visit_that_may_not_act_deletes_nothing(directory):
    """Whatever its page sends, and though the service itself may."""
    table = SessionTable(directory, may_act=ActionsState(allowed=False, reason="comes by proxy"))
    outcome = await tell(table, "order", {"id": 3, "session_ids": [ID]})
    assert outcome == {"id": 3, "error": "Comes by proxy."}
    answer = await tell(table, "query", {"id": 4})
    assert answer["actions"] == {
        "allowed": False,
        "reason": "comes by proxy",
        "unrecorded": "",
    }
    assert directory.deleted == []


async def test_view_may_not_act_unless_it_is_told_so(directory):
    """As in a notebook or an app of somebody's own."""
    outcome = await tell(SessionTable(directory), "order", {"id": 3, "session_ids": [ID]})
    assert "may not delete" in outcome["error"]
    assert directory.deleted == []


async def test_visit_that_may_act_is_told_each_outcome(directory):
    """In whose name, for the audit."""
    table = SessionTable(directory, may_act=ActionsState(allowed=True), who="page")
    outcome = await tell(table, "order", {"id": 3, "session_ids": [ID]})
    assert outcome["outcomes"] == [{"session_id": ID, "result": "deleted", "reason": ""}]
    assert directory.deleted == [((ID,), "page")]
