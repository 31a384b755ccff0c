"""Who is told of what: once of each beginning, once of its end, and of nothing in silence."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from kato_panel.domain import alert_book as module
from kato_panel.domain.alert_book import MAX_RECENT, AlertBook
from kato_panel.domain.built_in import built_in_rules
from kato_panel.domain.container_readings import ContainerReading
from kato_panel.domain.containers import ContainerState
from kato_panel.domain.measuring import measure_containers
from kato_panel.domain.metrics import CONTAINER_METRICS
from kato_panel.domain.recorded import AlertEntry, AuditEntry, Silence
from kato_panel.domain.roster import MAX_GONE, Roster
from kato_panel.domain.rules import Measured, Rule, Turn
from kato_panel.domain.trends import Trends
from kato_panel.errors import QueryError
from tests.conftest import NOON, Size, moment

MAX_WATCHED = 32
RUNS = [ContainerState.RUNNING] * 5
EXITED = ContainerState.EXITED
RULE = Rule("busy", "sessions_active", ">", 10, cooldown_seconds=0)


@pytest.fixture
def book():
    return AlertBook([RULE])


def look(book, seconds, value, subject=""):
    """Look once; return who is told what."""
    decided = book.look([Measured("sessions_active", value, subject)], moment(seconds))
    return [one.turn.value for one in decided.notices]


def hush(book, seconds, until, subject=""):
    at = NOON + timedelta(seconds=seconds)
    silence = Silence("busy", subject, NOON + timedelta(seconds=until), at, "ann")
    return book.silence(silence)


def test_beginning_and_end_are_told_once(book):
    """And both are kept."""
    decided = book.look([Measured("sessions_active", 11)], moment(0))
    (entry,) = decided.entries
    assert [one.turn.value for one in decided.notices] == ["firing"]
    assert book.board.firing == (entry,)
    assert look(book, 1, 12) == []
    assert look(book, 2, 1) == ["resolved"]
    assert look(book, 3, 1) == []
    assert book.board.firing == ()
    assert book.board.recent[0].alert.resolved_at == moment(2)


def test_silence_keeps_and_tells_nothing(book):
    """Neither of what begins and ends in it."""
    hush(book, 0, 60)
    decided = book.look([Measured("sessions_active", 11)], moment(1))
    assert (len(decided.entries), decided.notices) == (1, [])
    assert book.board.is_silent("busy", "anything")
    assert look(book, 2, 1) == []
    assert len(book.board.recent) == 1


def test_what_still_fires_after_a_silence_is_told_then(book):
    """Once, and its end too."""
    hush(book, 0, 60)
    assert look(book, 1, 11) == []
    assert look(book, 59, 11) == []
    revision = book.board.revision
    assert look(book, 60, 11) == ["firing"]
    assert book.board.revision > revision
    assert look(book, 61, 11) == []
    assert look(book, 62, 1) == ["resolved"]


def test_end_of_what_was_told_is_told_in_silence_too(book):
    """An end follows every beginning."""
    assert look(book, 0, 11) == ["firing"]
    hush(book, 1, 60)
    assert look(book, 2, 1) == ["resolved"]


def test_silence_of_one_subject_is_not_that_of_others(book):
    """And can be ended early."""
    hush(book, 0, 60, "a")
    assert look(book, 1, 11, "a") == []
    assert look(book, 1, 11, "b") == ["firing"]
    decided = hush(book, 2, 2, "a")
    assert book.board.silences == ()
    assert decided.entries[1] == AuditEntry(
        NOON + timedelta(seconds=2), "ann", "silence", "busy a", "until 2026-11-22T12:00:02+00:00"
    )
    assert look(book, 3, 11, "a") == ["firing"]


def test_first_who_has_seen_an_alert_is_kept(book):
    """With the audit; a second one changes nothing."""
    look(book, 0, 11)
    (entry,) = book.board.firing
    decided = book.acknowledge(entry.alert.id, "ann", NOON)
    assert decided.entries == [
        replace(entry, acknowledged_at=NOON, acknowledged_by="ann"),
        AuditEntry(NOON, "ann", "acknowledge", entry.alert.id, "acknowledged"),
    ]
    assert book.acknowledge(entry.alert.id, "bob", NOON) == module.Decided()
    assert look(book, 1, 1) == ["resolved"]
    assert book.board.recent[0].acknowledged_by == "ann"


def test_what_is_not_there_is_refused(book):
    """In words that name it."""
    with pytest.raises(QueryError, match="alert is 'nobody', must be one of the recent alerts"):
        book.acknowledge("nobody", "ann", NOON)
    with pytest.raises(QueryError, match="rule is 'nobody', must be the name of a rule"):
        book.silence(Silence("nobody", "", NOON, NOON, "ann"))


def test_later_run_goes_on_where_the_last_one_ended(book):
    """What was told before is not told again; what was silent is told after it."""
    look(book, 0, 11, "a")
    hush(book, 1, 100, "b")
    look(book, 2, 11, "b")
    board = book.board
    again = AlertBook([RULE])
    assert again.restore(board.recent[::-1], board.silences, moment(50)) == module.Decided([], [])
    assert again.board.firing == board.firing
    assert look(again, 51, 11, "a") == []
    assert look(again, 101, 11, "b") == ["firing"]
    assert look(again, 102, 1, "a") == ["resolved"]
    other = AlertBook([])
    decided = other.restore(board.recent[::-1], (), moment(50))
    assert [one.turn.value for one in decided.notices] == ["resolved"]
    assert [one.alert.subject for one in decided.notices] == ["a"]
    over = [
        replace(entry, alert=replace(entry.alert, resolved_at=moment(9)))
        for entry in [AlertEntry(board.firing[0].alert)]
    ]
    assert AlertBook([RULE]).restore(over, (), moment(50)) == module.Decided([], [])


def test_rules_change_while_it_runs(book):
    """A file that is wrong changes nothing, and is told."""
    look(book, 0, 11)
    book.refuse_rules(["line 3: op is '='"])
    assert book.board.problems == ("line 3: op is '='",)
    assert book.board.rules == (RULE,)
    decided = book.change_rules([], moment(1))
    assert [one.turn.value for one in decided.notices] == ["resolved"]
    assert (book.board.problems, book.board.rules) == ((), ())


def test_only_the_newest_are_remembered(book, monkeypatch):
    """But all that fire."""
    monkeypatch.setattr(module, "MAX_RECENT", 3)
    for number in range(5):
        look(book, 2 * number, 11, "kept")
        look(book, 2 * number, 11, f"s{number}")
        look(book, 2 * number + 1, 1, f"s{number}")
    subjects = [entry.alert.subject for entry in book.board.recent]
    assert subjects == ["s4", "s3", "kept"]


def test_what_others_are_told_has_numbers(book):
    """In the order in which they are told, and not what they are not."""
    look(book, 0, 11)
    look(book, 1, 1)
    hush(book, 1, 60)
    look(book, 2, 11)
    told = [(one.number, one.turned.turn.value) for one in book.board.notices]
    assert told == [(1, "firing"), (2, "resolved")]
    look(book, 60, 11)
    assert book.board.notices[-1].number == 3


def test_only_the_newest_of_it_is_kept(book, monkeypatch):
    """Their numbers say how many there were."""
    for second in range(module.MAX_NOTICES):
        look(book, 2 * second, 11)
        look(book, 2 * second + 1, 1)
    numbers = [one.number for one in book.board.notices]
    assert numbers == list(range(module.MAX_NOTICES + 1, 2 * module.MAX_NOTICES + 1))


def test_end_of_what_an_earlier_run_told_is_told_though_it_is_silent_now():
    """Only what began in silence was told to nobody."""
    first = AlertBook([RULE])
    first.look([Measured("sessions_active", 11)], moment(0))
    at = NOON + timedelta(seconds=1)
    silence = Silence("busy", "", NOON + timedelta(seconds=60), at, "ann")
    second = AlertBook([RULE])
    second.restore(first.board.firing, [silence], moment(2))
    assert look(second, 3, 1) == ["resolved"]


@pytest.mark.parametrize("extended", [False, True])
def test_what_fired_in_silence_is_told_by_a_later_run_once_it_is_over(book, extended):
    """Whether the silence ended while nothing ran, or another one took its place since."""
    hush(book, 0, 60)
    assert look(book, 1, 11) == []
    if extended:
        hush(book, 2, 90)
    later = AlertBook([RULE])
    decided = later.restore(book.board.recent, book.board.silences if extended else (), moment(61))
    if extended:
        assert decided == module.Decided([], [])
        assert look(later, 89, 11) == []
        decided = later.look([Measured("sessions_active", 11)], moment(90))
    assert [one.turn.value for one in decided.notices] == ["firing"]
    assert decided.entries == list(later.board.firing)
    last = AlertBook([RULE])
    assert last.restore(decided.entries, (), moment(91)) == module.Decided([], [])
    assert look(last, 92, 11) == []
    assert look(last, 93, 1) == ["resolved"]


def test_end_of_what_is_gone_is_told_once():
    """As any other end, with its reason."""
    rule = replace(RULE, metric="container_restarts")
    book = AlertBook([rule])
    book.look([Measured(rule.metric, 11, "job")], moment(0))
    (told,) = book.look([], moment(1), {rule.metric: ()}).notices
    assert (told.turn.value, told.alert.reason) == ("resolved", "its container is gone")
    assert book.moved == {(rule.metric, "job")}
    assert book.look([], moment(2), {rule.metric: ()}) == module.Decided([], [])
    assert book.board.recent[0].alert.reason == "its container is gone"


def test_ever_new_containers_leave_nothing_behind(size: Size):
    """
    Days of jobs that come and go, on an engine that is not always there.

    Each end follows a look that was good; in silence of the engine nothing ends.
    """
    draw = random.Random(1)
    roster, trends = Roster("docker"), Trends()
    rules = [replace(rule, cooldown_seconds=0) for rule in built_in_rules(
        cpu_percent=80, memory_percent=85, error_ratio=0.05, cooldown_seconds=60)]  # fmt: skip
    book, there, told, is_up = AlertBook(rules), [], [], True
    about = {rule.name for rule in rules if rule.metric in CONTAINER_METRICS}
    step, most = 300, MAX_WATCHED + MAX_GONE
    for number in range(size.n(2, 30) * 86_400 // step):
        at = moment(number * step)
        is_up = draw.random() < (0.99 if is_up else 0.02)
        measured, alive = [Measured("source_down", float(not is_up), "docker")], {}
        if is_up:
            there = [name for name in there if draw.random() < 0.5]
            there += [f"job-{number}-{n}" for n in range(MAX_WATCHED - len(there))]
            seen = roster.look(at, [
                ContainerReading(at, name, name, state=draw.choice([*RUNS, EXITED]))
                for name in there])  # fmt: skip
            measured += measure_containers(seen)
            alive = {key: {one.name for one in seen.containers} for key in CONTAINER_METRICS}
            assert len(trends.add(seen)) <= most
        decided = book.look(measured, at, alive)
        told += decided.notices
        ended = [one.alert for one in decided.notices if one.turn is Turn.RESOLVED]
        assert is_up or not [one for one in ended if one.rule.name in about]
        board = book.board
        assert len(measured) <= 4 * most + 1
        assert len(board.states) <= len(about) * most + len(rules)
        assert len(board.firing) <= len(about) * most + 1
        assert len(board.recent) <= max(MAX_RECENT, len(board.firing))
    assert len({one.alert.id for one in told}) > 1_000
    assert len({(one.alert.id, one.turn) for one in told}) == len(told)
    reasons = {one.alert.reason for one in told if one.turn is Turn.RESOLVED}
    assert reasons == {"", "its container is gone"}
