"""Choosing a page of the list, held against the plainest way to do it."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_panel.domain.listing import MAX_FOUND, MAX_NODES, Index, Query
from kato_panel.domain.records import Record
from kato_panel.errors import QueryError
from tests.conftest import NOON


@dataclass
class Life:
    record: Record
    expires: datetime | None = None


def life(number, node="n", created=0.0, expires=None):
    at = None if created is None else NOON + timedelta(seconds=created)
    until = None if expires is None else NOON + timedelta(seconds=expires)
    return Life(Record(f"session-{number:032x}-1795381221106", NOON, node, at), until)


def ids(*numbers):
    return tuple(f"session-{number:032x}-1795381221106" for number in numbers)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("limit", 0, "limit is 0, must be a whole number from 1 to 200"),
        ("limit", 201, "limit is 201, must be a whole number from 1 to 200"),
        ("limit", True, "limit is True, must be a whole number from 1 to 200"),
        ("limit", "9", "limit is '9', must be a whole number from 1 to 200"),
        ("skip", -1, "skip is -1, must be a whole number from 0 to 1000000000"),
        ("skip", None, "skip is None, must be a whole number"),
        ("search", "x" * 201, "must be a text of at most 200 characters"),
        ("search", ["x"], "search is a list, must be a text"),
        ("node", "x" * 257, "must be a text of at most 256 characters"),
        ("sort", "size", "sort is 'size', must be one of created, expires, node, session"),
        ("order", "DESC", "order is 'DESC', must be one of desc, asc"),
    ],
)
def test_wrong_query_names_field_and_both_sides(field, value, said):
    """What was given, and what may be."""
    with pytest.raises(QueryError, match=f"^{field} is") as caught:
        Query(**{field: value})
    assert said in str(caught.value)
    assert caught.value.field == field


def test_query_is_read_from_an_address():
    """Empty fields have their defaults; no text becomes a number by chance."""
    assert Query.read({"skip": "10", "search": "", "order": "asc"}) == Query(skip=10, order="asc")
    for text in ("x", "1.5", "-1", "٣", "9" * 11):
        with pytest.raises(QueryError, match=r"^limit is"):
            Query.read({"limit": text})
    with pytest.raises(QueryError, match="colour is 'red', must be one of search"):
        Query.read({"colour": "red"})


@pytest.mark.parametrize(
    ("sort", "ascending"),
    [
        ("created", [2, 0, 3, 1]),
        ("expires", [3, 0, 1, 2]),
        ("node", [1, 3, 0, 2]),
        ("session", [0, 1, 2, 3]),
    ],
)
def test_each_order_both_ways_with_the_unknown_last(sort, ascending):
    """Whichever way it is sorted, what nobody knows is no smallest and no greatest."""
    index = Index(
        [
            life(0, "beta", 2, 20),
            life(1, "Alpha", None, 30),
            life(2, None, 1, None),
            life(3, "alpha", 3, 10),
        ]
    )
    last = {"created": [1], "expires": [2], "node": [2], "session": []}[sort]
    known = [number for number in ascending if number not in last]
    chosen, total = index.choose(Query(sort=sort, order="asc"))
    assert (chosen, total) == (ids(*known, *last), 4)
    chosen, _ = index.choose(Query(sort=sort))
    assert chosen == ids(*known[::-1], *last)


def test_search_finds_ids_and_nodes_in_any_case():
    """A part is enough; the node's filter wants all of it."""
    index = Index([life(0xABC, "Straße"), life(1, "beta\nx"), life(2, None), life(3, "BETA")])

    def found(**query):
        return index.choose(Query(**query, sort="session", order="asc"))

    assert found(search="ABC") == (ids(0xABC), 1)
    assert found(search="STRASSE") == (ids(0xABC), 1)
    assert found(search="beta") == (ids(1, 3), 2)
    assert found(node="BETA") == (ids(3), 1)
    assert found(search="beta", node="beta\nx") == (ids(1), 1)
    assert found(node="bet") == ((), 0)
    assert found(search="nobody") == ((), 0)


def test_pages_follow_one_another():
    """Without a hole and without an overlap; beyond the last there is nothing."""
    index = Index([life(number, created=number % 7) for number in range(95)])
    pages = [index.choose(Query(skip=skip, limit=20)) for skip in range(0, 120, 20)]
    together = [one for page, _ in pages for one in page]
    assert len(together) == len(set(together)) == len(index) == 95
    assert [len(page) for page, _ in pages] == [20, 20, 20, 20, 15, 0]
    assert {total for _, total in pages} == {95}


def test_empty_index_has_an_empty_page():
    """Nobody is there, in whatever order."""
    index = Index([])
    for sort in ("created", "expires", "node", "session"):
        assert index.choose(Query(search="x", sort=sort)) == ((), 0)
    assert index.nodes == ()


def test_nodes_are_the_largest_with_their_numbers():
    """At most as many as a menu holds; the unknown is no node."""
    lives = [life(number, f"node-{number % 60:02}") for number in range(150)]
    nodes = Index([*lives, life(999, None)]).nodes
    assert len(nodes) == MAX_NODES
    assert nodes[0] == ("node-00", 3)
    assert nodes[-1] == ("node-49", 2)


def test_searches_that_are_remembered_are_bounded():
    """Whatever is typed."""
    index = Index([life(1)])
    for number in range(3 * MAX_FOUND):
        index.choose(Query(search=str(number)))
    assert len(index._found) <= MAX_FOUND


def node_key(node, lives):
    """Small and capital letters are the same, but one node's sessions stay together."""
    names = list(dict.fromkeys(one.record.node_id for one in lives))
    return None if node is None else (node.casefold().encode().rstrip(b"\0"), names.index(node))


NODES = st.sampled_from(["", "a", "A", "b", "é", "\0", "\u202ex", "😀", "<img onerror>", None])
TIMES = st.one_of(st.none(), st.integers(0, 5).map(float))


@given(
    st.lists(st.tuples(NODES, TIMES, TIMES), max_size=30),
    st.sampled_from(["created", "expires", "node", "session"]),
    st.sampled_from(["desc", "asc"]),
    st.sampled_from(["", "a", "É", "0", "img", "\0"]),
    st.sampled_from(["", "a", "A", "\0"]),
    st.integers(0, 20),
)
def test_index_agrees_with_plain_sorting(rows, sort, order, search, node, skip):  # noqa: PLR0917
    """Whatever there is, and whatever is asked."""
    lives = [life(number, *row) for number, row in enumerate(rows)]
    random.Random(0).shuffle(lives)
    query = Query(search, node, sort, order, skip, 5)
    keys = {
        "created": lambda one: one.record.created,
        "expires": lambda one: one.expires,
        "node": lambda one: node_key(one.record.node_id, lives),
        "session": lambda one: one.record.session_id,
    }
    known = sorted((one for one in lives if keys[sort](one) is not None), key=keys[sort])
    known = known if order == "asc" else known[::-1]
    expected = [
        one.record
        for one in [*known, *(one for one in lives if keys[sort](one) is None)]
        if (not node or one.record.node_id == node)
        and any(
            search.casefold() in (text or "").casefold()
            for text in (one.record.session_id, one.record.node_id)
        )
    ]
    chosen, total = Index(lives).choose(query)
    assert chosen == tuple(record.session_id for record in expected[skip : skip + 5])
    assert total == len(expected)
