"""The service as it lives through a past: every observation goes the way of the live one."""

from kato_panel.demo_rows import BIRTH, LOOK, SOURCE, describe, happenings, scan, when
from kato_panel.domain.events import CountObserved, LookFailed, SourceHeard
from kato_panel.domain.keys import KeyChange, KeyChanged, KeysChanged
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.recorded import Gap
from kato_panel.domain.telling import KeyedCount
from kato_panel.history import History
from kato_panel.history.rows import moment
from kato_panel.recall import recall
from kato_panel.recording import Recorder
from kato_panel.sources import payloads
from tests.conftest import NOON, ManualClock

CHANGES = (KeyChange.DELETED, KeyChange.EXPIRED, KeyChange.EVICTED)


def live_through(path, past, runs, look):
    """Record what is seen in the stretches of some runs; gives what the last one left open."""
    for number, spells in enumerate(runs):
        clock = ManualClock()
        clock.wall = moment(spells[0].began)
        history = History.open(
            f"sqlite:///{path}", "http://kato:8000", is_demo=False, epoch=str(number), clock=clock
        )
        _Service(history, past, look).live(spells)
        assert history.flush(60)
        history.close()


class _Service:
    def __init__(self, history, past, look):
        self.past, self.look = past, look
        recalled = recall(history.reader, NOON.replace(year=9000))
        self.ledger = Ledger(payloads.created_in)
        if recalled.records is not None:
            self.ledger.restore(recalled.records, recalled.evictions)
        self.seen_at = recalled.seen_at
        self.teller = KeyedCount(
            self.ledger, seen_at=recalled.keys_seen_at, after_seq=len(recalled.events)
        )
        self.recorder = Recorder(
            history, open_records=self.ledger.open_records, generation=history.generation
        )

    def live(self, spells):
        for spell in spells:
            if self.seen_at is not None:
                self.recorder.miss(Gap(self.seen_at, moment(spell.began)))
            for observation in scan(self.past, spell.began):
                self.observe(observation)
            found = happenings(self.past, spell, self.look)
            for at, kind, place in zip(
                *(array.tolist() for array in (found.times, found.kinds, found.places)),
                strict=True,
            ):
                (self.hear if kind == LOOK else self.change)(at, place, kind)
            self.seen_at = moment(spell.ended)
            self.observe(LookFailed(SOURCE, "away", when(self.past, spell.ended)))

    def hear(self, at, counted, _):
        now = when(self.past, at)
        self.observe(SourceHeard(SOURCE, now))
        if not self.past.stopped.began <= at < self.past.stopped.ended:
            self.observe(CountObserved("http", counted, now, now))

    def change(self, at, place, kind):
        is_birth = kind == BIRTH
        change = KeyChange.BORN if is_birth else CHANGES[self.past.lives.how[place]]
        details = describe(self.past, place) if is_birth else None
        changed = KeyChanged(change, self.past.ids[place], when(self.past, at), details)
        self.observe(KeysChanged(SOURCE, (changed,)))

    def observe(self, observation):
        told = self.teller.observe(observation)
        self.recorder.record(told, self.teller.standing)
