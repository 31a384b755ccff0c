"""The last day, in memory: what charts show."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_panel.domain import timeline as module
from kato_panel.domain.events import Kind, SessionEvent
from kato_panel.domain.recorded import Gap
from kato_panel.domain.series import Minute, Range, Slice, draw_week
from kato_panel.domain.timeline import Timeline
from tests.conftest import NOON, moment

START = NOON.timestamp()


def event(kind, delta, current):
    return SessionEvent(1, kind, NOON, 0, current, delta, "http")


def told(series):
    """Times as seconds after noon, with their values."""
    return [
        (round(at - START, 3), value) for at, value in zip(series.times, series.active, strict=True)
    ]


@pytest.fixture
def timeline():
    """One that saw 10 sessions at second 0."""
    timeline = Timeline(gap_seconds=9.0)
    timeline.observe(moment(0), 10)
    return timeline


def test_nothing_is_known_before_the_first_observation():
    """There is nothing to draw."""
    assert Timeline(9.0).series(Range.HOUR) is None


def test_line_steps_at_each_change_and_reaches_the_newest_observation(timeline):
    """A count that stays is observed too."""
    timeline.add(event(Kind.CREATED, 2, 12), moment(4))
    timeline.observe(moment(9), 12)
    assert told(timeline.series(Range.FIVE_MINUTES)) == [(0, 10), (4, 12), (9, 12)]


def test_line_begins_at_the_range_with_the_value_of_before(timeline):
    """The last change before the range says where it begins."""
    for second in range(3, 600, 3):
        timeline.observe(moment(second), 10)
    series = timeline.series(Range.FIVE_MINUTES)
    assert told(series) == [(297, 10), (597, 10)]
    assert series.until - series.since == 300


def test_gap_is_drawn_as_a_gap(timeline):
    """What was not observed is not drawn as if it had been."""
    timeline.observe(moment(3), 10)
    timeline.observe(moment(60), 14)
    timeline.add(event(Kind.CREATED, 4, 14), moment(60))
    assert told(timeline.series(Range.FIVE_MINUTES)) == [(0, 10), (3, None), (60, 10), (60, 14)]


def test_gap_that_is_over_before_the_range_is_not_drawn(timeline):
    """It is no news any more."""
    timeline.observe(moment(60), 10)
    for second in range(63, 900, 3):
        timeline.observe(moment(second), 10)
    assert None not in timeline.series(Range.FIVE_MINUTES).active
    assert None in timeline.series(Range.HOUR).active


def test_gap_that_reaches_into_the_range_begins_with_it(timeline):
    """The line cannot begin before the range."""
    timeline.observe(moment(500), 10)
    series = timeline.series(Range.FIVE_MINUTES)
    assert told(series) == [(200, None), (500, 10)]


def test_buckets_sum_up_created_and_ended(timeline):
    """On whole multiples of their width."""
    timeline.add(event(Kind.CREATED, 2, 12), moment(4))
    timeline.add(event(Kind.DESTROYED, 1, 11), moment(5))
    timeline.add(event(Kind.CREATED, 3, 14), moment(12))
    timeline.observe(moment(295), 14)
    series = timeline.series(Range.FIVE_MINUTES)
    assert [start - START for start in series.starts] == [0, 10]
    assert (series.created, series.ended) == ((2, 3), (1, 0))
    day = timeline.series(Range.DAY)
    assert (day.bucket_seconds, day.created[0], day.ended[0]) == (60, 5, 1)


@pytest.mark.parametrize(
    ("known_seconds", "span", "width"),
    [
        (1, Range.FIVE_MINUTES, 1),
        (48, Range.FIVE_MINUTES, 2),
        (300, Range.FIVE_MINUTES, 10),
        (90, Range.HOUR, 2),
        (3_600, Range.HOUR, 60),
        (90, Range.DAY, 60),
        (86_400, Range.DAY, 1_800),
        (90_000, Range.DAY, 1_800),
        (90, Range.WEEK, 60),
        (86_400, Range.WEEK, 1_800),
        (604_800, Range.WEEK, 10_800),
    ],
)
def test_buckets_are_narrow_while_little_is_known(timeline, known_seconds, span, width):
    """A chart of one minute has bars to compare; a full one has not too many."""
    timeline.observe(moment(known_seconds), 10)
    assert timeline.series(span).bucket_seconds == width


def test_slices_say_what_each_bucket_comes_to(timeline):
    """Where it ended, its bounds, and who came and went; unknown where nobody looked."""
    timeline.add(event(Kind.CREATED, 5, 15), moment(4))
    timeline.add(event(Kind.DESTROYED, 3, 12), moment(6))
    timeline.observe(moment(14), 12)
    timeline.observe(moment(295), 12)
    series = timeline.series(Range.FIVE_MINUTES)
    slices = series.slices()
    assert slices[0] == Slice(START, 12, 10, 15, 5, 3)
    assert slices[1] == Slice(START + 10, None, 12, 12)
    assert slices[2] == Slice(START + 20, None, None, None)
    assert slices[-1] == Slice(START + 290, 12, 12, 12)
    assert sum(one.created for one in slices) == sum(series.created)


def test_day_shows_the_bounds_of_each_minute(timeline):
    """Lowest and highest are kept where single changes are not."""
    timeline.add(event(Kind.CREATED, 20, 30), moment(10))
    timeline.add(event(Kind.DESTROYED, 25, 5), moment(20))
    timeline.add(event(Kind.CREATED, 1, 6), moment(30))
    timeline.observe(moment(61), 6)
    (first, second) = timeline.minutes()
    assert (first.last, first.lowest, first.highest) == (6, 5, 30)
    assert (first.created, first.ended) == (21, 25)
    assert (second.last, second.created) == (6, 0)
    assert [value for _, value in told(timeline.series(Range.DAY))] == [5, 30, 6, 6]


def test_memory_is_bounded(timeline, monkeypatch):
    """An hour of changes, a day of minutes."""
    monkeypatch.setattr(module, "MAX_CHANGES", 50)
    monkeypatch.setattr(module, "MINUTES", 5)
    for second in range(1, 1200):
        timeline.add(event(Kind.CREATED, 1, second), moment(second))
    assert len(timeline._changes) == 50
    assert len(timeline.minutes()) == 5


def test_changes_older_than_an_hour_are_forgotten(timeline):
    """But for the one that says where the hour begins."""
    for second in range(60, 9000, 60):
        timeline.add(event(Kind.CREATED, 1, second), moment(second))
    assert len(timeline._changes) == 62


def test_clock_that_is_set_back_does_not_turn_the_line_around(timeline):
    """Times never fall."""
    timeline.observe(moment(50), 10)
    back = type(moment(0))(moment(-3600).wall, moment(53).tick)
    timeline.add(event(Kind.CREATED, 1, 11), back)
    times = timeline.series(Range.HOUR).times
    assert list(times) == sorted(times)


def test_time_passes_and_gaps_are_noticed_whatever_the_clock_says(timeline):
    """By as much as has really passed."""

    def late(seconds):
        return type(moment(0))(moment(seconds - 1_800).wall, moment(seconds).tick)

    timeline.add(event(Kind.CREATED, 1, 11), late(4))
    timeline.add(event(Kind.CREATED, 1, 12), late(7))
    assert timeline.observe(late(12), 12) is None
    gap = timeline.observe(late(312), 12)
    assert gap == Gap(moment(12).wall, moment(312).wall)
    assert told(timeline.series(Range.HOUR))[:3] == [(0, 10), (4, 11), (7, 12)]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 500), min_size=601, max_size=2000))
def test_long_lines_are_thinned_to_their_bounds(values):
    """At most 602 points, and the extremes are among them."""
    timeline = Timeline(9.0)
    for number, value in enumerate(values):
        at = moment(number * 0.5)
        timeline.add(event(Kind.CREATED, 1, value), at)
    series = timeline.series(Range.HOUR)
    assert len(series.times) <= 602
    assert list(series.times) == sorted(series.times)
    assert max(series.active) == max(values)
    assert min(series.active) == min(values)
    assert series.active[-1] == values[-1]


def test_minutes_of_yesterday_are_not_drawn(timeline):
    """They are remembered only as long as there is room."""
    timeline.observe(moment(90_000), 12)
    assert len(timeline.minutes()) == 2
    assert told(timeline.series(Range.DAY))[-1] == (90_000, 12)


def test_gap_is_told_to_who_observed_its_end(timeline):
    """Once, and by its bounds; the newest are remembered."""
    assert timeline.observe(moment(3), 10) is None
    gap = Gap(moment(3).wall, moment(60).wall)
    assert timeline.observe(moment(60), 10) == gap
    assert timeline.add(event(Kind.CREATED, 1, 11), moment(63)) is None
    later = timeline.add(event(Kind.CREATED, 1, 12), moment(100))
    assert timeline.gaps == (gap, later)


def minutes(*values, start=START - 600):
    """One minute for each value, oldest first, with one session created in each."""
    return [
        Minute(int(start) + 60 * number, value, value, value, created=1)
        for number, value in enumerate(values)
    ]


def told_at(second, kind, delta, current):
    previous = current - delta if kind is Kind.CREATED else current + delta
    return SessionEvent(1, kind, moment(second).wall, previous, current, delta, "http")


def test_restored_line_goes_on_after_a_gap():
    """However short it was: nobody was there."""
    timeline = Timeline(9.0)
    events = [told_at(-290, Kind.CREATED, 3, 8), told_at(-200, Kind.DESTROYED, 2, 6)]
    old = Gap(moment(-500).wall, moment(-400).wall)
    timeline.restore(minutes(5, 5, 5, 5, 5, 8, 6), events, [old], moment(-190).wall)
    gap = timeline.observe(moment(-186), 9)
    assert timeline.gaps == (old, gap) == (old, Gap(moment(-190).wall, moment(-186).wall))
    line = told(timeline.series(Range.FIVE_MINUTES))
    assert line[-5:] == [(-290, 8), (-200, 6), (-190, None), (-186, 6), (-186, 9)]
    day = timeline.series(Range.DAY)
    assert sum(day.created) == 7


def test_restored_minutes_stand_for_events_that_are_not_known_any_more():
    """Each sum counts once, in bars of seconds too."""
    timeline = Timeline(9.0)
    timeline.restore(minutes(4, 5, 6), [told_at(-475, Kind.CREATED, 1, 6)], [], moment(-470).wall)
    series = timeline.series(Range.FIVE_MINUTES)
    assert told(series) == [(-600, 4), (-540, 5), (-475, 6), (-470, 6)]
    assert sum(series.created) == 3


def test_restored_line_begins_with_what_its_first_event_says():
    """Where nothing is known from before it, or where there was none."""
    timeline = Timeline(9.0)
    timeline.restore(minutes(6), [told_at(-590, Kind.CREATED, 4, 6)], [], moment(-580).wall)
    assert told(timeline.series(Range.HOUR)) == [(-600, 2), (-590, 6), (-580, 6)]
    timeline = Timeline(9.0)
    timeline.restore(minutes(6), [], [], moment(-580).wall)
    assert told(timeline.series(Range.HOUR)) == [(-600, 6), (-580, 6)]
    assert timeline.observe(moment(-575), 6) is not None
    assert told(timeline.series(Range.HOUR))[-1] == (-575, 6)


def test_what_a_clock_that_was_ahead_has_written_is_not_restored():
    """Times never fall."""
    timeline = Timeline(9.0)
    events = [told_at(-590, Kind.CREATED, 4, 6), told_at(900, Kind.CREATED, 1, 7)]
    timeline.restore(minutes(6), events, [], moment(-580).wall)
    timeline.observe(moment(-575), 7)
    times = timeline.series(Range.HOUR).times
    assert list(times) == sorted(times)


def test_nothing_is_restored_where_nothing_was_recorded():
    """An empty chart is no gap."""
    timeline = Timeline(9.0)
    timeline.restore([], [], [], moment(0).wall)
    assert timeline.series(Range.WEEK) is None
    assert timeline.observe(moment(5), 1) is None


def test_week_is_drawn_from_recorded_stretches():
    """Their bounds, their sums in whole buckets, and the gaps."""
    ten = [Minute(int(START) + 600 * n, 5, 3, 9, 2, 1) for n in range(6 * 24 * 7)]
    until = START + 600 * len(ten)
    gaps = [(START + 7_200, START + 14_400)]
    series = draw_week(ten, 600, gaps, until)
    assert (series.range, series.bucket_seconds) == (Range.WEEK, 10_800)
    assert (min(filter(None, series.active)), max(filter(None, series.active))) == (3, 9)
    assert None in series.active
    assert (sum(series.created), sum(series.ended)) == (2 * len(ten), len(ten))
    assert series.times[-1] == series.until == until
    assert draw_week([], 600, [], until) is None
