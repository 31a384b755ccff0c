"""A recording is told again as it went: events, count, gaps, containers and alerts."""

import hashlib
from datetime import timedelta

import pytest

from kato_panel.config import Settings
from kato_panel.demo_week import UNTIL, make_week
from kato_panel.domain.playing import FASTEST
from kato_panel.domain.recorded import Gap, Looked, Sample
from kato_panel.domain.series import Range
from kato_panel.errors import HistoryError, QueryError
from kato_panel.history import History, Reader
from kato_panel.history.reader import MAX_GAPS
from kato_panel.replaying import Replay
from kato_panel.runtime import Runtime
from tests.following import Reader as Follower
from tests.history.making import at, event, open_history, wait_until

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
SPEED = 600.0


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    """The demo's week as a file that nobody writes any more."""
    path = tmp_path_factory.mktemp("week") / "week.db"
    week = make_week(UNTIL.timestamp())
    history = History.open(f"sqlite:///{path}", "demo", is_demo=True)
    history.fill(week.fill)
    assert history.flush(), history.status
    history.close()
    return path


@pytest.fixture
def replay(week):
    """Replay a part of the week; nothing of it may have changed in the end."""
    before = _trace(week)
    running = []

    def start(since, **more):
        replay = Replay.open(week, since=since.isoformat(), **more)
        running.append(Runtime(Settings(_env_file=None), replay=replay))
        return running[-1]

    yield start
    for runtime in running:
        runtime.stop()
    assert _trace(week) == before


def _trace(path):
    files = {one.name: one.stat().st_mtime_ns for one in path.parent.iterdir()}
    return files, hashlib.sha256(path.read_bytes()).hexdigest()


def _events(reader, since, until):
    cursor = None
    while True:
        page = reader.events(since, until, newest_first=False, limit=100, cursor=cursor)
        yield from (one.event for one in page.rows)
        cursor = page.next
        if cursor is None:
            return


def _counts(event):
    return event.previous, event.current


def _as_told(event):
    return (event.kind, event.at, event.previous, event.current, event.names, event.reason)


class Audience:
    """Notes what is told, and at which moments what was shown."""

    def __init__(self, runtime):
        self.follower = Follower(runtime.hub)
        self.backlog = set(self.follower.events)
        self.counts = {}
        self.boards = {}
        self._runtime = runtime

    def look(self, _):
        seen = self.follower.snapshot
        if seen is not None and seen.at is not None:
            self.counts[seen.at.wall] = seen.active
        around = self._runtime.hub.surroundings
        if around is not None and around.alerts is not None:
            for entry in around.alerts.recent:
                self.boards[entry.alert.id] = entry
        return self._runtime.replay.player.playing.is_over


def test_all_that_is_told_is_what_was_recorded(replay, week, size):
    """An hour of the week, the whole of it at full size; and nothing is written."""
    span = size.n(3_600, 604_800)
    with Reader.open(week) as reader:
        last = reader.last_seen()
        alerts = {one.alert.id: one for one in reader.alerts(limit=1_000).rows}
        since = max(reader.first_seen(), last - timedelta(seconds=span))
        recorded = [_as_told(event) for event in _events(reader, since, None)]
        runtime = replay(since, speed=SPEED)
        seconds = (last - since).total_seconds() / SPEED
        runtime.start()
        wait_until(lambda: runtime.hub.snapshot is not None)
        audience = Audience(runtime)
        told = {}

        def look(follower):
            told.update(follower.events)
            return audience.look(follower)

        audience.follower.until(look, timeout_seconds=2 * seconds + 60)
        events = [told[seq] for seq in sorted(told) if told[seq].at >= since]
        assert [_as_told(event) for event in events] == recorded
        assert len(recorded) > 100
        for at, active in audience.counts.items():
            after = at + timedelta(microseconds=1)
            follows = next(_events(reader, after, None), None)
            # Of events at this very moment, it may be from before or from after each.
            now = {one for event in _events(reader, at, after) for one in _counts(event)}
            if follows is not None and not reader.gaps(at, follows.at):
                assert active in {follows.previous, *now}, at
        assert runtime.hub.snapshot.active == recorded[-1][3]
        assert audience.boards == {
            one: entry for one, entry in alerts.items() if not _ended_before(entry, since)
        } | {one: entry for one, entry in audience.boards.items() if _ended_before(entry, since)}
    size.record(
        f"replay of the demo's week at speed {SPEED:g}: told otherwise than recorded",
        seed="none",
        n=span,
        result=f"0 of {len(recorded)} events, {len(audience.counts)} counts and "
        f"{len(audience.boards)} alerts; nothing was written",
    )


def _ended_before(entry, since):
    over = entry.alert.resolved_at
    return over is not None and over.wall < since


def test_containers_and_gaps_are_those_of_the_recording(replay, week):
    """Cards have what was sampled, the chart has the gap, and what is not known is not made up."""
    with Reader.open(week) as reader:
        gap = reader.gaps(reader.first_seen(), reader.last_seen())[0]
    runtime = replay(gap.began - timedelta(minutes=2), speed=FASTEST)
    runtime.start()
    follower = Follower(runtime.hub)
    after = gap.ended + timedelta(minutes=1)
    follower.until(lambda seen: seen.snapshot and seen.snapshot.made_at.wall > after)
    assert gap in follower.snapshot.gaps
    follower.until(lambda _: runtime.hub.surroundings.containers is not None)
    seen = runtime.hub.surroundings.containers
    assert len(seen.containers) == 4
    assert all(one.cpu_share_percent is not None for one in seen.containers)
    assert {one.rx_rate for one in seen.containers} == {None}


def test_position_is_chosen_and_what_was_known_there_is_known(replay, week):
    """Nothing of the time that was left stays; a recording that stands is no stalled service."""
    with Reader.open(week) as reader:
        last = reader.last_seen()
        back = last - timedelta(days=2)
        before = [one.event for one in reader.events(until=back, limit=3).rows]
    runtime = replay(last - HOUR, speed=60.0)
    runtime.start()
    player = runtime.replay.player
    wait_until(lambda: runtime.hub.snapshot is not None and runtime.hub.snapshot.at is not None)
    player.order(is_paused=True)
    player.order(position=back)
    wait_until(lambda: player.playing.jumps == 1 and runtime.hub.snapshot.made_at.wall == back)
    wait_until(lambda: runtime.hub.charts[Range.HOUR].times[-1] <= back.timestamp())
    _, update = runtime.hub.subscribe(lambda: None)
    assert [_as_told(one) for one in update.events[:-4:-1]] == [_as_told(one) for one in before]
    assert {one.at < back for one in update.events} == {True}
    assert runtime.trouble is None
    player.order(is_paused=False)
    wait_until(lambda: runtime.hub.snapshot.at.wall > back)
    assert all(series.times[-1] <= back.timestamp() for series in update.charts.values())


def test_events_at_the_edges_of_a_gap_and_within_it_are_told(tmp_path):
    """A gap begins with the last good look, which may have brought an event."""
    path = tmp_path / "gap.db"
    history = open_history(path)
    events = [event(seq, seconds) for seq, seconds in enumerate((50, 100, 150, 200, 300), 1)]
    history.record([*events, Gap(at(100), at(200)), Looked(at(300))])
    assert history.flush()
    history.close()
    recording = Replay.open(path).recording
    recording.begin(recording.first)
    told = recording.read(recording.first, recording.last)
    assert [one.event.seq for one in told if one.event] == [1, 2, 3, 4, 5]
    looks = [one for one in told if one.at.wall == at(200)]
    assert [one.event and one.event.seq for one in looks] == [None, 4]
    assert not [one for one in told if at(100) < one.at.wall < at(200) and not one.event]
    recording.close()


@pytest.mark.parametrize("cut", [37.3, 98, 100, 150, 200])
def test_gap_begins_where_it_did_however_the_recording_is_cut(tmp_path, cut):
    """It is read in pieces whose bounds are the clock's."""
    path = tmp_path / "gap.db"
    history = open_history(path)
    later = event(2, 290, current=10)
    history.record([event(1, 50), Gap(at(100), at(200)), later, Looked(at(300))])
    assert history.flush()
    history.close()
    recording = Replay.open(path).recording
    recording.begin(recording.first)
    told = recording.read(recording.first, at(cut)) + recording.read(at(cut), recording.last)
    looks = [one.at.wall for one in told if one.event is None]
    assert max(look for look in looks if look < at(200)) == at(100)
    assert min(look for look in looks if look > at(100)) == at(200)
    assert looks.count(at(100)) == 1
    assert {one.active for one in told if one.at.wall >= at(200)} == {9, 10}
    recording.close()


def test_each_of_many_gaps_is_told(tmp_path):
    """More than a chart shows: after each the count is that of its stretch, in it there is none."""
    path, many = tmp_path / "many.db", MAX_GAPS + 100
    history = open_history(path)
    history.record([one for n in range(many) for one in (Gap(at(60 * n), at(60 * n + 20)),
                                                         Sample(at(60 * n + 40), n))])  # fmt: skip
    history.record(Looked(at(60 * many)))
    assert history.flush()
    history.close()
    recording = Replay.open(path).recording
    recording.begin(recording.first)
    told = {one.at.wall: one.active for one in recording.read(recording.first, at(600))}
    assert [told[at(60 * n + 20)] for n in range(10)] == [*range(10)]
    assert not [n for n in range(10) if at(60 * n + 10) in told]
    recording.close()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"since": "2020-01-01T00:00:00Z"}, "from is .*within the recording"),
        ({"since": "noon"}, "from is 'noon'"),
        ({"speed": 0.0}, "speed is 0.0, must be 0.1 to 3600"),
    ],
)
def test_what_cannot_be_is_refused(week, more, words):
    """With the field, what was given and what is allowed."""
    with pytest.raises(QueryError, match=words):
        Replay.open(week, **more)


def test_file_without_a_look_is_refused(tmp_path):
    """There is nothing to tell."""
    path = tmp_path / "empty.db"
    open_history(path).close()
    with pytest.raises(HistoryError, match="nothing to replay"):
        Replay.open(path)
    with pytest.raises(HistoryError):
        Replay.open(tmp_path / "missing.db")
