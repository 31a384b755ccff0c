"""Who is believed, and what follows from what they observe."""

import pytest

from kato_panel.domain.events import (
    ChangeNamed,
    ChangesMissed,
    ChangesNamed,
    CountObserved,
    Kind,
    LookFailed,
    Name,
    SourceHeard,
)
from kato_panel.domain.keys import (
    HEARTBEAT_SECONDS,
    KeyChange,
    KeyChanged,
    KeyEventsJudged,
    KeysChanged,
    KeysSeen,
    ScanBegan,
    ScanEnded,
    SessionDetails,
    SessionsRead,
)
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.records import Record
from kato_panel.domain.telling import KeyedCount, PolledCount
from tests.conftest import NOON, moment

BORN, DELETED, EXPIRED, EVICTED = KeyChange
C, D = Kind.CREATED, Kind.DESTROYED


def scan(teller, *live, at, index=None):
    teller.observe(ScanBegan("redis", moment(at)))
    teller.observe(KeysSeen("redis", moment(at), dict.fromkeys(live)))
    lapsed = set(index or ()) - {*live}
    return teller.observe(ScanEnded("redis", moment(at), lapsed, 0, interval_seconds=4.0))


def keys(teller, at, *changes):
    told = tuple(
        KeyChanged(kind, who, moment(at), SessionDetails(who, f"node-{who}"))
        for kind, who in changes
    )
    return teller.observe(KeysChanged("redis", told))


def stream(teller, at, kind, who, reason=None):
    change = ChangeNamed(kind, Name(who, f"node-{who}"), moment(at), reason)
    return teller.observe(ChangesNamed("stream", (change,)))


def reported(teller, count, at):
    teller.observe(CountObserved("http", count, moment(at), moment(at)))


def judge(teller, *, on):
    teller.observe(KeyEventsJudged("redis", moment(0), on))


@pytest.fixture
def teller():
    """One whose baseline is `a` and `b`, at second 0, with key events."""
    teller = KeyedCount(Ledger(lambda _: None))
    judge(teller, on=True)
    told = scan(teller, "a", "b", at=0, index=["a", "b", "gone"])
    assert (told.events, len(told.transitions)) == ([], 2)
    return teller


def test_polled_count_is_kato_s_number_and_its_stream():
    """As settled; a failed poll leaves a gap, other failures do not."""
    teller = PolledCount()
    reported(teller, 5, 0)
    (event,) = stream(teller, 1, C, "a").events
    assert (event.current, event.source) == (6, "stream")
    teller.observe(LookFailed("stream", "away", moment(2)))
    teller.observe(LookFailed("http", "away", moment(3)))
    teller.observe(ChangesMissed("stream", 1, moment(3)))
    (event,) = teller.observe(CountObserved("http", 7, moment(9), moment(9))).events
    assert event.after_gap_seconds == pytest.approx(9)
    standing = teller.standing
    assert (standing.shown, standing.reported, standing.drift) == (7, 7, None)
    assert standing.wants_stream


def test_nothing_is_known_without_an_observation():
    """Of either kind."""
    for teller in (PolledCount(), KeyedCount(Ledger(lambda _: None))):
        assert (teller.standing.shown, teller.standing.at) == (None, None)
        assert (teller.standing.reported, teller.standing.drift) == (None, None)


def test_live_keys_are_shown_beside_kato_s_number(teller):
    """Which takes nobody's place."""
    reported(teller, 3, 1)
    standing = teller.standing
    assert (standing.shown, standing.reported, standing.drift) == (2, 3, 1)
    assert (standing.at, standing.interval_seconds) == (moment(0), 4.0)
    assert standing.has_key_events
    assert not standing.wants_stream
    assert not standing.wants_look


def test_key_events_found_together_are_two_chained_events(teller):
    """All births, then all ends, with nodes; and a reason where it is one."""
    told = keys(teller, 1, (BORN, "c"), (DELETED, "a"), (BORN, "d"), (DELETED, "c"))
    created, destroyed = told.events
    assert (created.kind, created.previous, created.current, created.delta) == (C, 2, 4, 2)
    assert (destroyed.kind, destroyed.previous, destroyed.current) == (D, 4, 2)
    assert destroyed.names == (Name("a", None), Name("c", "node-c"))
    assert (destroyed.reason, destroyed.after_gap_seconds) == ("deleted", None)
    assert destroyed.since_last_event_seconds == 0
    assert len(told.transitions) == 4


def test_ends_for_several_reasons_have_none_in_common(teller):
    """Each record has its own."""
    (event,) = keys(teller, 1, (DELETED, "a"), (EXPIRED, "b")).events
    assert (event.delta, event.reason) == (2, None)


def test_at_most_twenty_names_are_told(teller):
    """The others are counted."""
    (event,) = keys(teller, 1, *((BORN, f"n{n}") for n in range(30))).events
    assert (event.delta, len(event.names)) == (30, 20)


def test_loss_is_told_with_its_length(teller):
    """By what the scan after it finds; a scan without a loss has no gap."""
    teller.observe(LookFailed("redis", "away", moment(5)))
    born, ended = scan(teller, "b", "c", at=60).events
    assert (born.after_gap_seconds, ended.after_gap_seconds) == (60, 60)
    (event,) = scan(teller, "b", at=70).events
    assert event.after_gap_seconds is None


def test_while_redis_is_away_nothing_moves(teller):
    """Neither by the stream, nor by KATO's number; nor does anything become fresh."""
    teller.observe(LookFailed("redis", "away", moment(5)))
    assert stream(teller, 6, C, "c").events == ()
    reported(teller, 9, 7)
    teller.observe(SourceHeard("redis", moment(8)))
    assert (teller.standing.shown, teller.standing.at) == (2, moment(0))
    assert not teller.standing.wants_stream


def test_key_events_before_the_scan_after_a_loss_count_at_once(teller):
    """They are seen; only freshness waits for the scan."""
    teller.observe(LookFailed("redis", "away", moment(5)))
    (event,) = keys(teller, 6, (DELETED, "a")).events
    assert (event.current, teller.standing.at) == (1, moment(0))


def test_restart_tells_what_happened_in_between():
    """From the records that were open, and with the time nobody looked."""
    ledger = Ledger(lambda _: None)
    ledger.restore([Record("a", NOON), Record("b", NOON)])
    teller = KeyedCount(ledger, seen_at=moment(0))
    assert keys(teller, 19, (DELETED, "a")).events == []
    created, destroyed = scan(teller, "b", "c", "d", at=20).events
    assert (created.previous, created.current, destroyed.current) == (2, 4, 3)
    assert (created.after_gap_seconds, destroyed.after_gap_seconds) == (20, 20)
    assert scan(teller, "b", "c", "d", at=25).events == []


def test_without_key_events_the_stream_tells_and_each_session_once(teller):
    """Whoever is second says nothing."""
    judge(teller, on=False)
    assert teller.standing.wants_stream
    (event,) = stream(teller, 1, C, "c").events
    assert (event.source, event.names) == ("stream", (Name("c", "node-c"),))
    assert scan(teller, "a", "b", "c", at=2).events == []
    (event,) = stream(teller, 3, D, "c", "expired").events
    assert event.reason == "expired"
    (event,) = stream(teller, 3, D, "a").events
    assert event.reason == "deleted"
    assert scan(teller, "b", at=4).events == []


def test_silence_is_fresh_only_with_key_events(teller):
    """Without them, only a scan is."""
    teller.observe(SourceHeard("redis", moment(2)))
    assert teller.standing.at == moment(2)
    judge(teller, on=False)
    teller.observe(SourceHeard("redis", moment(4)))
    teller.observe(SourceHeard("stream", moment(4)))
    assert teller.standing.at == moment(2)


def test_stream_is_kept_where_it_was_asked_for():
    """`KATO_PANEL_STREAM=on`."""
    teller = KeyedCount(Ledger(lambda _: None), keeps_stream=True)
    judge(teller, on=True)
    assert teller.standing.wants_stream


def test_values_are_told_as_transitions_only(teller):
    """They are no events."""
    told = teller.observe(SessionsRead("redis", moment(1), (SessionDetails("a", "node-a"),)))
    assert (told.events, [step.record.node_id for step in told.transitions]) == ((), ["node-a"])


def test_lasting_difference_of_the_numbers_asks_for_a_look_once(teller):
    """The same in three polls; KATO's number counts the drift too."""
    wants = []
    for at, count in enumerate([3, 3, 3, 7, 7, 7, 7, 6, 7]):
        reported(teller, count, at)
        wants.append(teller.standing.wants_look)
    assert wants == [False] * 5 + [True] + [False] * 3


def test_scan_settles_a_lasting_difference(teller):
    """It is not asked for again until the difference changes."""
    for at in range(3):
        reported(teller, 7, at)
    assert teller.standing.wants_look
    scan(teller, "a", "b", at=4)
    reported(teller, 7, 5)
    assert not teller.standing.wants_look


def test_suspicion_asks_for_a_look(teller):
    """Until a scan begins."""
    keys(teller, 1, (EXPIRED, "a"))
    keys(teller, 2, (BORN, "a"))
    assert teller.standing.wants_look
    teller.observe(ScanBegan("redis", moment(3)))
    assert not teller.standing.wants_look


def test_sign_of_life_is_no_gap_however_often_others_are_asked():
    """A source that tells each change is heard every two seconds."""
    teller = KeyedCount(Ledger(lambda _: None))
    teller.observe(ScanBegan("redis", moment(0)))
    teller.observe(ScanEnded("redis", moment(0), set()))
    assert teller.standing.interval_seconds == HEARTBEAT_SECONDS == 2


def test_number_of_kato_is_held_against_nothing_before_the_first_look():
    """Unknown is not zero: no difference has lasted yet."""
    teller = KeyedCount(Ledger(lambda _: None))
    for second in range(5):
        teller.observe(CountObserved("http", 7, moment(second), moment(second), is_cached=False))
    assert (teller.standing.reported, teller.standing.wants_look) == (7, False)
