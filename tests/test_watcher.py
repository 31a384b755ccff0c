"""The loop: what the sources observe is detected, published and survived."""

import asyncio
import logging
import threading
from dataclasses import replace

import pytest

from kato_panel import watcher as module
from kato_panel.domain.events import (
    ChangeNamed,
    ChangesMissed,
    ChangesNamed,
    CountObserved,
    Kind,
    LookFailed,
    Name,
    SourceConnected,
    SourceHeard,
)
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.keys import (
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
from kato_panel.domain.series import Range
from kato_panel.domain.snapshot import Link
from kato_panel.domain.telling import KeyedCount
from kato_panel.hub import Hub
from kato_panel.watcher import Watcher, now
from tests.conftest import ManualClock
from tests.following import Keeper, Reader


class FakeSource:
    """Tells what a test puts in."""

    def __init__(self, name):
        self.name, self.label = name, name.title()
        self.prompts = 0

    def prompt(self):
        self.prompts += 1

    async def run(self, tell):
        await asyncio.Event().wait()


class Rig:
    """A watcher that does not run, on a clock that a test moves."""

    def __init__(self, **options):
        self.clock, self.hub = ManualClock(), Hub()
        self.http, self.stream = FakeSource("http"), FakeSource("stream")
        self.redis = FakeSource("redis")
        self.watcher = Watcher(
            [self.http, self.stream, *([self.redis] if "teller" in options else [])],
            self.hub,
            interval_seconds=3.0,
            clock=self.clock,
            **options,
        )

    def count(self, value, *, cached=False):
        at = self.clock()
        self.watcher.observe(CountObserved("http", value, at, at, is_cached=cached))

    def name(self, session_id, kind=Kind.CREATED):
        change = ChangeNamed(kind, Name(session_id), self.clock())
        self.watcher.observe(ChangesNamed("stream", (change,)))

    def fail(self, source="http"):
        self.watcher.observe(LookFailed(source, "connection refused", self.clock()))

    def source(self, name):
        return next(state for state in self.hub.snapshot.sources if state.name == name)


@pytest.fixture
def rig():
    return Rig()


def test_count_is_unknown_until_it_was_observed(rig):
    """A failed look before the first answer shows nothing, not zero."""
    rig.fail()
    assert rig.hub.snapshot.active is None
    assert rig.hub.snapshot.link is Link.STARTING


def test_observation_is_published_with_its_event(rig):
    """State and event reach a reader together."""
    reader = Reader(rig.hub)
    rig.count(5)
    rig.clock.seconds = 3
    rig.count(7)
    reader.read()
    assert reader.active == 7
    assert [event.delta for event in reader.events.values()] == [2]


def test_failing_to_look_is_no_event_and_changes_no_count(rig):
    """Health changes, and the reason is told."""
    rig.count(5)
    reader = Reader(rig.hub)
    for _ in range(3):
        rig.fail()
    reader.read()
    assert (reader.active, reader.events) == (5, {})
    assert rig.hub.snapshot.link is Link.UNREACHABLE
    assert rig.hub.snapshot.reason == "connection refused"


def test_health_is_degraded_then_down_then_up(rig):
    """Logged on the change only."""
    seen = []
    for _ in range(4):
        rig.fail()
        seen.append(rig.source("http").health)
    rig.count(1)
    seen.append(rig.source("http").health)
    assert seen == [Health.DEGRADED, Health.DEGRADED, Health.DOWN, Health.DOWN, Health.UP]


def test_transitions_are_logged_once(rig, caplog):
    """Not the ticks in between."""
    with caplog.at_level(logging.INFO, logger="kato_panel"):
        for _ in range(10):
            rig.fail()
        rig.count(1)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "source http is degraded: connection refused",
        "source http is down: connection refused",
        "source http is up",
    ]


def test_count_is_stale_after_three_intervals(rig):
    """It stays, marked."""
    rig.count(5)
    rig.clock.seconds = 9.5
    rig.fail()
    assert rig.hub.snapshot.is_stale
    assert (rig.hub.snapshot.active, rig.hub.snapshot.age_seconds) == (5, 9.5)
    assert rig.hub.snapshot.link is Link.STALE


def test_gap_is_told_with_the_first_event_after_it(rig):
    """And only with it."""
    rig.count(5)
    rig.clock.seconds = 3
    rig.fail()
    rig.clock.seconds = 30
    rig.count(6)
    reader = Reader(rig.hub)
    assert reader.events[1].after_gap_seconds == pytest.approx(30)


def test_failing_stream_leaves_no_gap(rig):
    """The poll went on."""
    rig.count(5)
    rig.fail("stream")
    rig.clock.seconds = 3
    rig.count(6)
    assert Reader(rig.hub).events[1].after_gap_seconds is None


def test_link_is_live_while_the_stream_is_up_and_polling_when_not(rig):
    """The page says which."""
    rig.count(5)
    assert rig.hub.snapshot.link is Link.POLLING
    rig.watcher.observe(SourceConnected("stream", rig.clock()))
    assert rig.hub.snapshot.link is Link.LIVE
    rig.fail("stream")
    assert rig.hub.snapshot.link is Link.POLLING


def test_connecting_or_missing_changes_asks_for_a_poll(rig):
    """What the stream may have missed, the count settles."""
    rig.watcher.observe(SourceConnected("stream", rig.clock()))
    rig.watcher.observe(ChangesMissed("stream", 7, rig.clock()))
    rig.watcher.observe(SourceHeard("stream", rig.clock()))
    assert (rig.http.prompts, rig.stream.prompts) == (2, 0)


def test_upstream_s_return_wakes_the_stream(rig):
    """The stream need not wait out its backoff."""
    rig.count(5)
    rig.fail()
    rig.count(5)
    rig.count(5)
    assert rig.stream.prompts == 1


def test_each_event_is_logged_and_a_large_one_as_a_warning(rig, caplog):
    """One line each; more than ten sessions at once are remarkable."""
    rig.count(100)
    with caplog.at_level(logging.INFO, logger=module.__name__):
        rig.clock.seconds = 1
        rig.name("a")
        rig.clock.seconds = 3
        rig.count(120)
    levels = [r.levelname for r in caplog.records if r.getMessage().startswith("event")]
    assert levels == ["INFO", "WARNING"]


def test_event_told_again_is_neither_logged_nor_summed_up_twice(rig, caplog):
    """Only its names are new."""
    rig.count(5)
    rig.clock.seconds = 12
    rig.count(6)
    with caplog.at_level(logging.INFO, logger=module.__name__):
        rig.name("a")
    assert "event" not in caplog.text
    assert rig.hub.snapshot.rates.created == 1
    assert Reader(rig.hub).events[1].names == (Name("a"),)


def test_suspect_count_is_shown_beside_the_old_one(rig, caplog):
    """And noted once."""
    rig.count(5000)
    rig.count(3)
    assert (rig.hub.snapshot.active, rig.hub.snapshot.suspect) == (5000, 3)
    rig.count(5000)
    assert rig.hub.snapshot.suspect is None
    assert caplog.text.count("suspect") == 1


def test_cached_count_says_so(rig):
    """As a remark of its source."""
    rig.count(5, cached=True)
    assert rig.hub.snapshot.is_cached
    assert "up to 5 s old" in rig.source("http").reason


def test_rates_stand_still_while_nobody_can_look(rig):
    """A time that was not watched is no quiet time."""
    rig.count(5)
    rig.clock.seconds = 60
    rig.count(11)
    before = rig.hub.snapshot.rates
    rig.clock.seconds = 600
    rig.fail()
    assert rig.hub.snapshot.rates == before
    assert before.created_per_minute == pytest.approx(6)


def test_switched_off_events_are_not_published():
    """The count is."""
    rig = Rig(tells_events=False, off=[SourceState("redis", "Redis", Health.OFF)])
    rig.count(5)
    rig.count(7)
    reader = Reader(rig.hub)
    assert (reader.active, reader.events) == (7, {})
    assert rig.source("redis").health is Health.OFF


class Counting(FakeSource):
    """Counts up; breaks when told to."""

    def __init__(self, breaks=0):
        super().__init__("http")
        self.breaks, self.runs = breaks, 0

    async def run(self, tell):
        self.runs += 1
        if self.runs <= self.breaks:
            raise RuntimeError("broken on purpose")
        for value in range(1000):
            at = now()
            tell(CountObserved("http", value, at, at))
            await asyncio.sleep(0.01)


def test_watcher_runs_in_a_thread_of_its_own_and_ends_with_it():
    """With no reader at all, and without leaving a thread."""
    before = threading.active_count()
    watcher = Watcher([Counting()], Hub(), interval_seconds=3.0)
    assert watcher.trouble == "the watcher is not running"
    watcher.start()
    assert watcher.trouble is None
    watcher.stop()
    watcher.stop()
    assert threading.active_count() == before
    assert watcher.trouble == "the watcher is not running"


def test_broken_source_costs_itself_a_restart_and_nobody_else_anything(monkeypatch, caplog):
    """The loop goes on."""
    monkeypatch.setattr(module, "MAX_RESTART_SECONDS", 0.01)
    source, hub = Counting(breaks=3), Hub()
    watcher = Watcher([source, FakeSource("stream")], hub, interval_seconds=3.0)
    reader = Reader(hub)
    watcher.start()
    try:
        reader.until(lambda seen: (seen.active or 0) > 2)
    finally:
        watcher.stop()
    assert source.runs == 4
    assert caplog.text.count("broken on purpose") >= 3


def test_broken_tick_is_restarted_too(monkeypatch, caplog):
    """Heartbeat and staleness depend on it."""
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(module, "MAX_RESTART_SECONDS", 0.01)
    hub = Hub()
    broken = []

    def wake():
        if len(broken) < 2:
            broken.append(1)
            subscription.take()
            raise RuntimeError("broken on purpose")

    subscription, _ = hub.subscribe(wake)
    watcher = Watcher([FakeSource("http")], hub, interval_seconds=3.0)
    watcher.start()
    try:
        reader = Reader(hub)
        first = now().tick
        reader.until(lambda seen: seen.snapshot and seen.snapshot.made_at.tick > first + 0.5)
    finally:
        watcher.stop()
    assert "the tick broke, restarting it" in caplog.text
    assert "source http" not in caplog.text


def test_stalled_watcher_says_so(monkeypatch):
    """Alive is not enough: it has to tick."""
    watcher = Watcher([FakeSource("http")], Hub(), interval_seconds=3.0)
    watcher.start()
    try:
        monkeypatch.setattr(module, "monotonic", lambda: 1e12)
        assert "has not ticked for" in watcher.trouble
    finally:
        monkeypatch.undo()
        watcher.stop()


def test_state_is_told_when_time_alone_has_changed_it(monkeypatch):
    """Nobody observes anything, and the count becomes stale all the same."""
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    clock, hub = ManualClock(), Hub()
    watcher = Watcher([FakeSource("http")], hub, interval_seconds=3.0, clock=clock)
    watcher.observe(CountObserved("http", 5, clock(), clock()))
    reader = Reader(hub)
    watcher.start()
    try:
        clock.seconds = 9.5
        reader.until(lambda seen: seen.snapshot.is_stale)
    finally:
        watcher.stop()


class KeyedRig(Rig):
    """A watcher that counts keys."""

    def __init__(self, **options):
        self.keeper = Keeper()
        self.steps = self.keeper.steps
        teller = KeyedCount(Ledger(lambda _: None))
        super().__init__(teller=teller, recorder=self.keeper, **options)

    def judge(self, *, on, remark=""):
        self.watcher.observe(KeyEventsJudged("redis", self.clock(), on, remark))

    def scan(self, *live, interval_seconds=0.0):
        at = self.clock()
        self.watcher.observe(ScanBegan("redis", at))
        self.watcher.observe(KeysSeen("redis", at, dict.fromkeys(live)))
        self.watcher.observe(ScanEnded("redis", at, set(), interval_seconds=interval_seconds))

    def change(self, kind, who):
        change = KeyChanged(kind, who, self.clock())
        self.watcher.observe(KeysChanged("redis", (change,)))


@pytest.fixture
def keyed():
    """Its baseline is `a` and `b`; key events are on."""
    rig = KeyedRig()
    rig.judge(on=True)
    rig.scan("a", "b")
    return rig


def test_live_keys_are_published_beside_kato_s_number(keyed):
    """Which only stands beside them."""
    keyed.count(9)
    snapshot = keyed.hub.snapshot
    assert (snapshot.active, snapshot.reported, snapshot.drift) == (2, 9, 0)
    assert (snapshot.counted_by, snapshot.link) == ("redis", Link.LIVE)


def test_changes_of_keys_are_published_and_their_records_kept(keyed):
    """The count moves with the event; whoever records gets each step."""
    keyed.clock.seconds = 1
    keyed.change(KeyChange.BORN, "c")
    reader = Reader(keyed.hub)
    assert (reader.active, reader.names()) == (3, [("session_created", "c")])
    assert [step.step.value for step in keyed.steps] == ["found", "found", "born"]


def test_stream_is_not_opened_until_it_is_needed(keyed):
    """And not followed while it is closed."""
    state = keyed.source("stream")
    assert (state.health, state.reason) == (Health.OFF, module.NOT_NEEDED)
    told = keyed.hub.snapshot.made_at
    keyed.clock.seconds = 1
    keyed.name("c")
    assert (keyed.hub.snapshot.active, keyed.hub.snapshot.made_at) == (2, told)
    keyed.judge(on=False, remark="key events are off")
    assert keyed.source("stream").health is Health.STARTING
    assert keyed.source("redis").reason == "key events are off"
    keyed.name("c")
    assert keyed.hub.snapshot.active == 3
    keyed.scan("a", "b", "c", interval_seconds=20.0)
    assert keyed.source("redis").reason == "key events are off"
    assert keyed.hub.snapshot.stale_after_seconds == 60.0
    keyed.judge(on=True)
    assert keyed.source("stream").health is Health.OFF


def test_suspicion_has_the_keys_looked_at(keyed):
    """At once, and by nobody else."""
    keyed.change(KeyChange.EXPIRED, "a")
    keyed.change(KeyChange.BORN, "a")
    assert (keyed.redis.prompts, keyed.http.prompts) == (1, 0)


def test_parts_of_a_scan_are_not_published(keyed):
    """A large one has hundreds; the values that follow have more."""
    reader = Reader(keyed.hub)
    before = reader.snapshot
    keyed.clock.seconds = 5
    keyed.watcher.observe(ScanBegan("redis", keyed.clock()))
    keyed.watcher.observe(KeysSeen("redis", keyed.clock(), {"a": None}))
    details = (SessionDetails("a", "node-a"),)
    keyed.watcher.observe(SessionsRead("redis", keyed.clock(), details))
    assert keyed.hub.snapshot is before
    assert keyed.steps[-1].record.node_id == "node-a"


def test_redis_away_makes_the_count_stale_and_opens_no_stream(keyed):
    """What is shown stays."""
    for _ in range(3):
        keyed.fail("redis")
    keyed.count(1)
    assert (keyed.hub.snapshot.active, keyed.hub.snapshot.link) == (2, Link.STALE)
    assert keyed.source("stream").health is Health.OFF


def test_keys_are_counted_without_events_where_those_are_off():
    """The count stays, marked as one that is asked for."""
    rig = KeyedRig(tells_events=False)
    rig.judge(on=True)
    rig.scan("a")
    rig.change(KeyChange.BORN, "b")
    assert (rig.hub.snapshot.active, rig.hub.snapshot.link) == (2, Link.POLLING)
    assert Reader(rig.hub).events == {}


def test_stream_runs_only_while_it_is_wanted():
    """Opened and closed by what is observed."""
    opened, closed = threading.Event(), threading.Event()

    class Stream(FakeSource):
        async def run(self, tell):
            opened.set()
            try:
                await asyncio.Event().wait()
            finally:
                closed.set()

    class Redis(FakeSource):
        async def run(self, tell):
            tell(KeyEventsJudged("redis", now(), are_on=False))
            await asyncio.to_thread(opened.wait, 5)
            tell(KeyEventsJudged("redis", now(), are_on=True))
            await asyncio.Event().wait()

    hub = Hub()
    teller = KeyedCount(Ledger(lambda _: None))
    watcher = Watcher([Stream("stream"), Redis("redis")], hub, interval_seconds=3.0, teller=teller)
    watcher.start()
    try:
        assert opened.wait(5)
        assert closed.wait(5)
        states = {state.name: state.health for state in hub.snapshot.sources}
        assert states == {"redis": Health.UP, "stream": Health.OFF}
    finally:
        watcher.stop()


def test_gap_is_told_to_the_recorder_and_with_the_state(keyed):
    """When it is over, with its bounds."""
    began = keyed.clock().wall
    keyed.clock.seconds += 60
    keyed.scan("a", "b")
    (gap,) = keyed.keeper.gaps
    assert (gap.began, gap.ended) == (began, keyed.clock().wall)
    assert keyed.hub.snapshot.gaps == (gap,)
    assert [state.name for state in keyed.hub.snapshot.sources][-1] == "history"


def test_long_scans_are_no_gaps(keyed):
    """What is stale after three of them is not observed only after three of them."""
    keyed.scan("a", "b", interval_seconds=30.0)
    keyed.clock.seconds += 80
    keyed.scan("a", "b", interval_seconds=30.0)
    assert keyed.keeper.gaps == []


def test_week_is_the_recorded_one_where_that_reaches_further_back():
    """Drawn beside the loop, and published with the other charts."""
    keeper, hub = Keeper(), Hub()
    source = FakeSource("http")
    watcher = Watcher([source], hub, interval_seconds=3.0, recorder=keeper)
    at = now()
    watcher.observe(CountObserved("http", 5, at, at))
    known = hub.charts[Range.WEEK]
    keeper.drawn = replace(known, times=(known.times[0] - 90_000, known.until), active=(1, 5))
    reader = Reader(hub)
    watcher.start()
    try:
        reader.until(lambda _: hub.charts[Range.WEEK] is keeper.drawn)
        assert hub.charts[Range.DAY].active == known.active
    finally:
        watcher.stop()
        reader.close()
