"""The sessions that the stream has named."""

from datetime import timedelta

from kato_panel.domain.events import (
    ChangeNamed,
    ChangesNamed,
    CountObserved,
    Kind,
    Name,
)
from kato_panel.domain.named import MAX_GONE, MAX_NAMED, NamedSessions
from tests.conftest import NOON, moment


def named_at(seconds, *names, kind=Kind.CREATED, named=None):
    named = NamedSessions(lambda _: NOON - timedelta(hours=1)) if named is None else named
    changes = tuple(ChangeNamed(kind, Name(name, "n"), moment(seconds)) for name in names)
    named.overhear(ChangesNamed("stream", changes))
    return named


def tick(seconds):
    return moment(seconds).tick


def who(named):
    return [life.record.session_id for life in named.open_lives()]


def test_named_sessions_are_listed_until_told_gone():
    """Each once; the id tells when it was created."""
    named = named_at(0, "a", "b", "a")
    named.overhear(CountObserved("http", 3, moment(0), moment(0)))
    assert who(named) == ["a", "b"]
    assert named.record("a").created == NOON - timedelta(hours=1)
    revision = named.revision
    named_at(1, "a", "unheard-of", kind=Kind.DESTROYED, named=named)
    assert who(named) == ["b"]
    assert named.revision == revision + 1
    assert named.record("a") is None


def test_beginning_told_after_its_end_is_no_session():
    """Frames of two workers may cross."""
    named = named_at(0, "a", kind=Kind.DESTROYED)
    named_at(0.1, "a", named=named)
    assert who(named) == []


def test_memory_is_bounded():
    """The oldest are forgotten, of the living and of the gone."""
    named = named_at(0, *(str(number) for number in range(MAX_NAMED + 5)))
    assert len(who(named)) == MAX_NAMED
    assert who(named)[0] == "5"
    named_at(1, *(f"x{number}" for number in range(MAX_GONE + 5)), kind=Kind.DESTROYED, named=named)
    assert len(named._gone) == MAX_GONE


def test_nobody_is_checked_while_nobody_looks():
    """And no longer than half a minute after the last look."""
    named = named_at(0, "a")
    assert named.rest_seconds(tick(0)) is None
    named.look(["a"], tick(5))
    assert named.rest_seconds(tick(5)) == 0
    assert named.rest_seconds(tick(35)) == 0
    assert named.rest_seconds(tick(35.1)) is None


def test_checks_are_a_second_apart_and_the_visible_page_comes_first():
    """Then the others, the one that was checked longest ago first."""
    named = named_at(0, "a", "b", "c", "d")
    named.look(["c", "d", "gone"], tick(20))
    assert [named.next_check(tick(20)) for _ in range(5)] == ["c", "d", "a", "b", None]
    assert named.rest_seconds(tick(20.25)) == 0.75
    assert named.next_check(tick(29)) is None
    assert named.next_check(tick(30)) == "c"


def test_page_that_is_no_longer_looked_at_loses_its_precedence():
    """Half a minute after it was shown last."""
    named = named_at(0, "a", "b")
    named.look(["b"], tick(20))
    named.look(["a"], tick(45))
    named.next_check(tick(51))
    assert set(named._looked) == {"a"}


def test_found_gone_leaves_the_list_and_found_there_stays():
    """By the answer of a check."""
    named = named_at(0, "a", "b")
    named.look(["a", "b"], tick(1))
    named.settle("a", exists=False)
    named.settle("b", exists=True)
    assert who(named) == ["b"]
    assert named.next_check(tick(20)) == "b"
    named.settle("b", exists=False)
    assert named.next_check(tick(40)) is None
