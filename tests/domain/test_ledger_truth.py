"""The ledger against a store whose truth is known, with every fault that a watcher meets."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from kato_panel.domain.keys import KeyChange, KeyChanged, KeysSeen, ScanEnded, SessionDetails
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.records import Reason, Record, Step, Transition, Witness
from tests.conftest import Size, moment

BORN, DELETED, EXPIRED, EVICTED = KeyChange

PART = 3
"""Keys in one part of a scan: few, so that changes come between the parts."""


@dataclass
class Life:
    """The truth of one session."""

    ttl_seconds: float
    expires: float
    ended: float | None = None
    change: KeyChange | None = None


@dataclass
class Store:
    """Keys with their times to live, upstream's index, and the channel that tells changes."""

    seconds: float = 0.0
    lives: dict[str, Life] = field(default_factory=dict)
    index: set[str] = field(default_factory=set)
    evictions: int = 0
    told: list[KeyChanged] = field(default_factory=list)

    @property
    def live(self) -> set[str]:
        return {who for who, life in self.lives.items() if life.ended is None}

    def tell(self, change: KeyChange, who: str) -> None:
        life = self.lives[who]
        details = None
        if change is BORN:
            details = SessionDetails(
                who, f"node-{who}", ttl_seconds=life.ttl_seconds, expires=wall(life.expires)
            )
        self.told.append(KeyChanged(change, who, moment(self.seconds), details))

    def end(self, who: str, change: KeyChange) -> None:
        life = self.lives[who]
        life.ended, life.change = self.seconds, change
        if change is DELETED:
            self.index.discard(who)
        self.evictions += change is EVICTED
        self.tell(change, who)

    def pass_time(self, seconds: float) -> None:
        """Let sessions expire in their order, each at its second."""
        until = self.seconds + seconds
        for who in sorted(self.live, key=lambda who: self.lives[who].expires):
            if self.lives[who].expires <= until:
                self.seconds = self.lives[who].expires
                self.end(who, EXPIRED)
        self.seconds = until


def wall(seconds: float) -> datetime:
    return moment(seconds).wall


class LedgerMachine(RuleBasedStateMachine):
    """Births, accesses and ends at a store; deliveries, losses, scans and restarts at ours."""

    def __init__(self):
        super().__init__()
        self.store = Store()
        self.history: dict[str, Record] = {}
        self.delivered: list[KeyChanged] = []
        self.scan: list[str] | None = None
        self.index: set[str] = set()
        self.number = 0
        self.is_disordered = False
        """Whether changes were told in a way that a connection never does; a scan settles it."""
        self.settles = True
        """Whether none were since the scan under way began."""
        self.has_lost, self.is_whole = True, False
        """Whether the connection is broken; whether a scan ended since it came back."""
        self.ledger = Ledger(lambda _: None)
        for _ in range(4):
            self.bear(600.0)
        self.look()

    # What happens at the store.

    @rule(ttl=st.sampled_from([5.0, 30.0, 600.0]))
    def bear(self, ttl):
        self.number += 1
        who = f"s{self.number}"
        self.store.lives[who] = Life(ttl, self.store.seconds + ttl)
        self.store.index.add(who)
        self.store.tell(BORN, who)

    @rule(data=st.data(), change=st.sampled_from([DELETED, DELETED, EVICTED]))
    def end(self, data, change):
        if live := sorted(self.store.live):
            self.store.end(data.draw(st.sampled_from(live)), change)

    @rule(data=st.data())
    def access(self, data):
        """An access gives a session its whole time again, and nobody tells."""
        if live := sorted(self.store.live):
            life = self.store.lives[data.draw(st.sampled_from(live))]
            life.expires = self.store.seconds + life.ttl_seconds

    @rule(data=st.data())
    def bear_again(self, data):
        """KATO writes the key of a session that is gone."""
        lapsed = sorted(self.store.index - self.store.live)
        if lapsed:
            who = data.draw(st.sampled_from(lapsed))
            life = self.store.lives[who]
            life.ended, life.change = None, None
            life.expires = self.store.seconds + life.ttl_seconds
            self.store.tell(BORN, who)
            self.disorder()  # a late birth and a second one look alike until a scan

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 40.0]))
    def pass_time(self, seconds):
        self.store.pass_time(seconds)

    # What reaches the ledger.

    @rule()
    def deliver(self):
        """The channel keeps its order."""
        told, self.store.told = self.store.told, []
        for changed in told:
            self.take(self.ledger.change(changed, Witness.KEY_EVENT))
        self.delivered = (self.delivered + told)[-20:]
        if self.is_whole and not self.is_disordered:
            self.check()

    @rule()
    def deliver_in_disorder(self):
        if len(self.store.told) > 1:
            self.disorder()
        self.store.told.reverse()
        self.deliver()

    @rule(data=st.data())
    def repeat(self, data):
        if self.delivered:
            changed = data.draw(st.sampled_from(self.delivered))
            self.disorder()
            self.take(self.ledger.change(changed, Witness.KEY_EVENT))

    @rule()
    def lose(self):
        """The connection breaks: what was told is lost, and so is the scan under way."""
        self.store.told.clear()
        self.ledger.abort_scan()
        self.scan, self.has_lost, self.is_whole = None, True, False

    @rule(data=st.data())
    def read_value(self, data):
        if live := sorted(self.store.live):
            who = data.draw(st.sampled_from(live))
            ttl_seconds = self.store.lives[who].ttl_seconds
            details = SessionDetails(who, f"node-{who}", ttl_seconds=ttl_seconds)
            self.take(self.ledger.describe(details, moment(self.store.seconds)))

    @rule()
    def begin_scan(self):
        if not self.has_lost:
            self.scan = sorted(self.store.index | self.store.live)
            self.index = set(self.store.index)
            self.found, self.lapsed = set(), set()
            self.settles = True
            self.ledger.begin_scan()

    @rule()
    def scan_part(self):
        if self.scan:
            part, self.scan = self.scan[:PART], self.scan[PART:]
            self.see(part)

    @rule()
    def end_scan(self):
        """Everything told before its end is delivered before its end."""
        if self.scan is None:
            return
        while self.scan:
            self.scan_part()
        self.scan = None
        self.deliver()
        at = moment(self.store.seconds)
        is_lost = self.index.isdisjoint(self.found) if self.found else not self.index
        ended = ScanEnded("redis", at, set(self.lapsed), self.store.evictions, is_lost)
        self.take(self.ledger.end_scan(ended))
        if self.ledger.is_suspicious or not self.settles:
            self.begin_scan()
            self.end_scan()
        else:
            self.is_disordered, self.is_whole = False, True
            self.check()

    @rule(data=st.data())
    def scan_amid_changes(self, data):
        """Between any two parts anything may happen, and be told."""
        if self.has_lost:
            self.store.told.clear()
            self.has_lost = False
        self.begin_scan()
        while self.scan:
            for change in data.draw(st.lists(st.sampled_from("bbdexat!"), max_size=4)):
                match change:
                    case "b":
                        self.bear(data.draw(st.sampled_from([5.0, 600.0])))
                    case "d" | "e":
                        self.end(data, DELETED if change == "d" else EVICTED)
                    case "x":
                        self.bear_again(data)
                    case "a":
                        self.access(data)
                    case "t":
                        self.pass_time(3.0)
                    case "!":
                        self.deliver()
            self.scan_part()
        self.end_scan()

    @rule()
    def look(self):
        """Connect if that is lost, and look at everything."""
        if self.has_lost:
            self.store.told.clear()
            self.has_lost = False
        self.begin_scan()
        self.end_scan()

    @rule()
    def restart(self):
        """The history knows what was open; all else is forgotten."""
        self.lose()
        self.delivered = []
        self.ledger = Ledger(lambda _: None)
        self.ledger.restore(r for r in self.history.values() if r.ending is None)

    @rule()
    def begin_anew(self):
        """Without a history, whatever is there is no news."""
        self.lose()
        self.delivered, self.history = [], {}
        self.ledger = Ledger(lambda _: None)

    # What has to hold.

    @invariant()
    def transitions_add_up_to_the_count(self):
        """Whoever sums them up has the shown count."""
        if self.ledger.count is not None:
            assert self.ledger.count == sum(r.ending is None for r in self.history.values())

    def disorder(self):
        self.is_disordered, self.settles = True, False

    def see(self, part):
        expiries = {
            who: wall(self.store.lives[who].expires) for who in part if who in self.store.live
        }
        self.ledger.see(KeysSeen("redis", moment(self.store.seconds), expiries))
        self.found |= expiries.keys()
        self.lapsed |= (self.index & set(part)) - expiries.keys()

    def take(self, transitions: list[Transition]):
        """Record as a history would; each step has to fit what was recorded before."""
        for step, record, _ in transitions:
            known = self.history.get(record.session_id)
            is_open = known is not None and known.ending is None
            match step:
                case Step.FOUND | Step.BORN:
                    assert not is_open, f"{record.session_id} was born twice"
                    assert record.ending is None
                case Step.ENDED:
                    assert is_open, f"{record.session_id} ended twice"
                    self.check_ending(record)
                case Step.AMENDED:
                    assert known is not None
            self.history[record.session_id] = record

    def check_ending(self, record: Record):
        """Hold an end against the truth, unless the session has been born again since."""
        life, ending = self.store.lives[record.session_id], record.ending
        if life.ended is None or self.is_disordered:
            return
        assert ending.earliest <= wall(life.ended) <= ending.latest
        if ending.witness is Witness.KEY_EVENT:
            assert ending.reason == life.change.value
            assert ending.is_exact
        elif life.change is EVICTED:
            assert ending.reason in {Reason.EVICTED, Reason.EXPIRED, Reason.UNKNOWN}
        elif life.change is EXPIRED:
            assert ending.reason in {Reason.EXPIRED, Reason.EVICTED, Reason.UNKNOWN}
            if self.store.evictions == 0:
                assert ending.reason is Reason.EXPIRED
        else:
            assert ending.reason is Reason.DELETED

    def check(self):
        """After an undisturbed scan everything is exact."""
        assert {record.session_id for record in self.ledger.open_records()} == self.store.live
        assert self.ledger.count == len(self.store.live)
        assert self.ledger.drift == len(self.store.index - self.store.live)
        for who in self.store.live:
            assert self.history[who].ending is None
        for who, record in self.history.items():
            assert record.node_id in {None, f"node-{who}"}
            assert who in self.store.live or record.ending is not None


def test_ledger_is_exact_after_every_fault(size: Size):
    """Duplicates, disorder, losses, gaps, restarts and moved expiries leave 0 mismatches."""
    steps = size.n(2_000, 20_000)
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(max_examples=steps // 50, stateful_step_count=50),
    )
    size.record(
        "ledger against a store with faults, disorder and restarts",
        seed="derandomised",
        n=steps,
        result="0 mismatches of open sessions, drift, ends and reasons",
    )


def test_expiry_in_a_gap_is_exact_where_nobody_can_have_moved_it():
    """Seen with a minute to live, gone 20 s later: an access would have kept it alive."""
    ledger = Ledger(lambda _: None)
    seen = moment(0).wall
    record = Record("a", seen, ttl_seconds=60, expires=seen + timedelta(seconds=10))
    ledger.restore([record])
    ledger.begin_scan()
    (told,) = ledger.end_scan(ScanEnded("redis", moment(20), {"a"}, 0))
    assert told.record.ending.is_exact
    assert told.record.ending.latest == moment(10).wall
