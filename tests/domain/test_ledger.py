"""One record per session: born, ended, why, and how that is known."""

from datetime import timedelta

import pytest

from kato_panel.domain import ledger as module
from kato_panel.domain.keys import KeyChange, KeyChanged, KeysSeen, ScanEnded, SessionDetails
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.records import Reason, Record, Step, Witness
from tests.conftest import NOON, moment

BORN, DELETED, EXPIRED, EVICTED = KeyChange


def change(ledger, kind, who="a", at=1.0, *, witness=Witness.KEY_EVENT, details=None):
    return ledger.change(KeyChanged(kind, who, moment(at), details), witness)


def scan(ledger, *live, index=None, at=2.0, expires=3_600.0, evictions=0):
    """Look at everything at once; each live session expires at `expires`."""
    ledger.begin_scan()
    expiry = None if expires is None else moment(expires).wall
    ledger.see(KeysSeen("redis", moment(at), dict.fromkeys(live, expiry)))
    counted = set(live) if index is None else set(index)
    is_lost = counted.isdisjoint(live) if live else not counted
    return ledger.end_scan(ScanEnded("redis", moment(at), counted - {*live}, evictions, is_lost))


def steps(transitions):
    return [(step.value, record.session_id) for step, record, _ in transitions]


def restored(*records, evictions=None):
    ledger = Ledger(lambda _: None)
    ledger.restore(records, evictions)
    return ledger


def seen(who, **known):
    return Record(who, NOON, **known)


@pytest.fixture
def ledger():
    """One that has its baseline: `a` and `b` at second 0."""
    ledger = Ledger(lambda _: NOON)
    scan(ledger, "a", "b", at=0.0)
    return ledger


def test_nothing_is_known_before_a_scan_has_ended():
    """Unknown is not zero."""
    ledger = Ledger(lambda _: None)
    ledger.begin_scan()
    ledger.see(KeysSeen("redis", moment(0), {"a": None}))
    assert (ledger.count, ledger.drift, ledger.record("b")) == (None, None, None)


def test_first_look_finds_and_tells_no_birth():
    """What was there before anybody looked is no news."""
    ledger = Ledger(lambda _: NOON)
    assert steps(scan(ledger, "a", index=["a", "gone"])) == [("found", "a")]
    assert (ledger.count, ledger.drift) == (1, 1)
    record = ledger.record("a")
    assert (record.born_by, record.created, record.ending) == (None, NOON, None)


def test_birth_during_the_first_look_is_told_with_it():
    """It was seen, whether the scan saw its key or not."""
    ledger = Ledger(lambda _: None)
    ledger.begin_scan()
    assert change(ledger, BORN, "new") == []
    told = ledger.end_scan(ScanEnded("redis", moment(2), {"new"}, 0))
    assert steps(told) == [("born", "new")]


def test_end_during_the_first_look_of_what_nobody_saw_is_no_event():
    """Neither if its key was read before it went."""
    ledger = Ledger(lambda _: None)
    ledger.begin_scan()
    assert change(ledger, DELETED, "a") == []
    ledger.see(KeysSeen("redis", moment(1), {"a": None}))
    assert ledger.end_scan(ScanEnded("redis", moment(2), set(), 0)) == []
    assert (ledger.count, ledger.drift) == (0, 0)


def test_key_events_tell_birth_and_end_exactly(ledger):
    """With what the value says, and how it is known."""
    details = SessionDetails("c", "node-c", ttl_seconds=60.0, expires=moment(61).wall)
    (born,) = change(ledger, BORN, "c", 1.0, details=details)
    assert (born.step, born.record.node_id, born.record.born_by) == (
        Step.BORN,
        "node-c",
        Witness.KEY_EVENT,
    )
    (ended,) = change(ledger, EXPIRED, "c", 61.0)
    ending = ended.record.ending
    assert (ending.reason, ending.latest, ending.witness) == (
        Reason.EXPIRED,
        moment(61).wall,
        Witness.KEY_EVENT,
    )
    assert ending.is_exact
    assert (ledger.count, ledger.drift) == (2, 1)


@pytest.mark.parametrize(("kind", "drift"), [(DELETED, 0), (EXPIRED, 1), (EVICTED, 1)])
def test_key_events_keep_the_drift(ledger, kind, drift):
    """Upstream notices a deletion, and no other end."""
    change(ledger, kind)
    assert ledger.drift == drift


def test_repetitions_change_nothing(ledger):
    """Of a birth, of an end, of another end."""
    change(ledger, BORN, "c")
    change(ledger, DELETED, "a")
    again = [
        change(ledger, kind, who) for kind, who in ((BORN, "c"), (DELETED, "a"), (EXPIRED, "a"))
    ]
    assert again == [[], [], []]
    assert (ledger.count, ledger.drift) == (2, 0)


def test_end_of_an_unseen_session_tells_its_birth_too(ledger):
    """The count does not move; both happened."""
    assert steps(change(ledger, DELETED, "c")) == [("born", "c"), ("ended", "c")]
    assert ledger.count == 2


def test_late_birth_of_an_ended_session_waits_for_a_look_at_its_key(ledger):
    """It may have been born again: a scan that sees it says so."""
    change(ledger, EXPIRED, "a")
    assert change(ledger, BORN, "a") == []
    assert (ledger.count, ledger.is_suspicious) == (1, True)
    assert steps(scan(ledger, "a", "b")) == [("born", "a")]
    assert (ledger.count, ledger.drift, ledger.is_suspicious) == (2, 0, False)


def test_stream_s_late_words_are_no_suspicion(ledger):
    """It often tells after a scan has."""
    change(ledger, EXPIRED, "a")
    change(ledger, BORN, "a", witness=Witness.STREAM)
    ledger.begin_scan()
    change(ledger, BORN, "b", witness=Witness.STREAM)
    assert not ledger.is_suspicious


def test_repetition_during_a_scan_asks_for_another(ledger):
    """The scan may have read the state before it or after it."""
    ledger.begin_scan()
    change(ledger, BORN, "a")
    assert ledger.is_suspicious


def test_changes_told_during_a_scan_win_over_it(ledger):
    """Whichever state its parts have read."""
    ledger.begin_scan()
    ledger.see(KeysSeen("redis", moment(1), {"a": None, "b": None, "c": None}))
    change(ledger, DELETED, "a", 1.5)
    change(ledger, EXPIRED, "b", 1.5)
    change(ledger, BORN, "d", 1.5)
    ledger.see(KeysSeen("redis", moment(1.6), {"c": None}))
    told = ledger.end_scan(ScanEnded("redis", moment(2), set(), 0))
    assert steps(told) == [("born", "c")]
    assert {record.session_id for record in ledger.open_records()} == {"c", "d"}
    assert ledger.drift == 1  # b, although the index was read without it


def test_scan_that_was_broken_off_says_nothing(ledger):
    """The next one begins from the start."""
    ledger.begin_scan()
    ledger.see(KeysSeen("redis", moment(1), {"a": None, "c": None}))
    ledger.abort_scan()
    assert ledger.count == 2
    assert steps(scan(ledger, "a", "b")) == []


def test_scan_after_a_loss_finds_births_and_ends(ledger):
    """Ends lie between when it was seen and when it was missed."""
    told = scan(ledger, "b", "c", at=5.0)
    assert steps(told) == [("born", "c"), ("ended", "a")]
    ending = told[1].record.ending
    assert (ending.earliest, ending.latest) == (moment(0).wall, moment(5).wall)
    assert (ending.reason, ending.witness) == (Reason.DELETED, Witness.SCAN)
    assert told[0].record.born_by is Witness.SCAN


def test_key_event_after_a_scan_makes_the_end_exact(ledger):
    """The record is amended; no second event."""
    scan(ledger, "b", index=["a", "b"], at=5.0)
    (told,) = change(ledger, EXPIRED, "a", 5.1)
    assert told.step is Step.AMENDED
    assert told.record.ending.is_exact
    assert ledger.drift == 1


@pytest.mark.parametrize(
    ("known", "in_index", "evictions", "reason", "interval"),
    [
        ({}, False, (0, 0), Reason.DELETED, (0, 20)),
        ({"expires": 10}, False, (0, 0), Reason.DELETED, (0, 20)),
        ({"expires": 10, "ttl": 60}, True, (0, 0), Reason.EXPIRED, (10, 10)),
        ({"expires": 10, "ttl": 15}, True, (0, 0), Reason.EXPIRED, (10, 20)),
        ({"expires": 10}, True, (0, 0), Reason.EXPIRED, (10, 20)),
        ({"expires": 10, "ttl": 60}, True, (3, 3), Reason.EXPIRED, (10, 10)),
        ({"expires": 10, "ttl": 60}, True, (3, 4), Reason.EXPIRED, (0, 20)),
        ({"expires": 10, "ttl": 60}, True, (None, 4), Reason.EXPIRED, (0, 20)),
        ({"expires": 60}, True, (3, 4), Reason.EVICTED, (0, 20)),
        ({"expires": 60}, True, (9, 4), Reason.EVICTED, (0, 20)),
        ({"expires": 60}, True, (3, 3), Reason.UNKNOWN, (0, 20)),
        ({"expires": 60}, True, (3, None), Reason.UNKNOWN, (0, 20)),
        ({}, True, (0, 0), Reason.EXPIRED, (0, 20)),
        ({}, True, (3, 4), Reason.UNKNOWN, (0, 20)),
    ],
)
def test_reason_of_an_end_in_a_gap(known, in_index, evictions, reason, interval):
    """From the index, the expiry that was known, and whether keys were evicted."""
    expires = known.get("expires")
    record = seen(
        "a",
        expires=None if expires is None else moment(expires).wall,
        ttl_seconds=known.get("ttl"),
    )
    before, after = evictions
    ledger = restored(record, seen("b"), evictions=before)
    index = ["a", "b"] if in_index else ["b"]
    (told,) = scan(ledger, "b", index=index, at=20.0, evictions=after)
    ending = told.record.ending
    assert ending.reason is reason
    assert (ending.earliest, ending.latest) == tuple(moment(second).wall for second in interval)


@pytest.mark.parametrize(("expires", "reason"), [(10, Reason.EXPIRED), (60, Reason.UNKNOWN)])
def test_lost_index_deletes_nobody(expires, reason):
    """Some tools delete it: then it says nothing about who was deleted."""
    ledger = restored(seen("a", expires=moment(expires).wall), seen("b"))
    (told,) = scan(ledger, "b", index=[], at=20.0)
    assert told.record.ending.reason is reason


def test_store_that_came_back_empty_deletes_nobody():
    """Restarted without its data, or flushed; but the last one to be deleted takes the index."""
    several = restored(seen("a"), seen("b"))
    assert {told.record.ending.reason for told in scan(several, at=20.0)} == {Reason.UNKNOWN}
    (last,) = scan(restored(seen("a")), at=20.0)
    assert last.record.ending.reason is Reason.DELETED


@pytest.mark.parametrize(("evictions", "reason"), [(0, Reason.EXPIRED), (None, Reason.UNKNOWN)])
def test_end_of_whom_nobody_knows_when_they_expire_needs_evidence(evictions, reason):
    """Where keys may have been evicted, nobody can say that it expired."""
    ledger = restored(seen("a"), seen("b"), evictions=evictions)
    (told,) = scan(ledger, "b", index=["a", "b"], at=20.0, evictions=evictions)
    assert told.record.ending.reason is reason


def test_restored_records_end_or_live_on_and_others_were_born():
    """Until the first scan has ended, changes wait, and nothing is shown."""
    ledger = restored(seen("a"), seen("b", node_id="node-b"), seen("c"))
    (waiting,) = [change(ledger, DELETED, "c", 0.5)]
    assert (waiting, ledger.count) == ([], None)
    assert steps(scan(ledger, "b", "d")) == [("ended", "c"), ("born", "d"), ("ended", "a")]
    assert ledger.record("b").node_id == "node-b"


def test_values_are_added_to_records(ledger):
    """Told once; those of sessions under a scan are taken over with it."""
    details = SessionDetails("a", "node-a", NOON, NOON, 60.0)
    (told,) = ledger.describe(details, moment(1))
    assert (told.step, told.record.node_id, told.record.last_accessed) == (
        Step.AMENDED,
        "node-a",
        NOON,
    )
    assert ledger.describe(details, moment(1)) == []
    assert ledger.describe(SessionDetails("x", "node-x"), moment(1)) == []
    ledger.begin_scan()
    ledger.see(KeysSeen("redis", moment(1), {"a": None, "b": None, "c": None}))
    assert ledger.describe(SessionDetails("c", "node-c"), moment(1)) == []
    (born,) = ledger.end_scan(ScanEnded("redis", moment(2), set(), 0))
    assert born.record.node_id == "node-c"


def test_late_details_are_added_to_what_ended(ledger):
    """Under its old end."""
    change(ledger, DELETED, "a", 1.0)
    (told,) = change(ledger, BORN, "a", 1.1, details=SessionDetails("a", "node-a"))
    assert (told.step, told.record.node_id) == (Step.AMENDED, "node-a")
    assert told.record.ending.reason is Reason.DELETED


def test_session_born_again_keeps_what_is_known_of_it(ledger):
    """Its value may not have been read again yet."""
    ledger.describe(SessionDetails("a", "node-a"), moment(1))
    change(ledger, EXPIRED, "a", 1.0)
    (born,) = scan(ledger, "a", "b")
    assert (born.record.node_id, born.record.ending) == ("node-a", None)


def test_memory_is_bounded(monkeypatch, ledger):
    """Open sessions by a limit, ended ones by another."""
    monkeypatch.setattr(module, "MAX_OPEN", 3)
    monkeypatch.setattr(module, "MAX_ENDED", 2)
    assert steps(change(ledger, BORN, "c")) == [("born", "c")]
    assert change(ledger, BORN, "d") == []
    assert scan(ledger, "a", "b", "c", "e") == []
    assert ledger.count == 3
    for who in "abc":
        change(ledger, DELETED, who)
    assert (ledger.record("a"), ledger.record("b").session_id) == (None, "b")


def test_expiry_moves_with_each_scan(ledger):
    """The newest one is what an end is judged by."""
    scan(ledger, "a", "b", at=5.0, expires=60.0)
    assert ledger.record("a").expires == moment(60).wall
    assert ledger.record("a").seen == NOON + timedelta(seconds=5)


def test_open_lives_are_those_of_the_open_records(ledger):
    """For a reader on another thread; the list is its own."""
    lives = ledger.open_lives()
    scan(ledger, "a")
    assert [life.record.session_id for life in lives] == ["a", "b"]
    assert [one.session_id for one in ledger.open_records()] == ["a"]
