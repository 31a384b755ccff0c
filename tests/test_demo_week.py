"""The demo's week: what is written is what the live service writes."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from kato_panel import demo_rows, demo_week
from kato_panel.demo_week import MIN_SPAN, DemoWeek, demo_history, demo_rules, make_week
from kato_panel.domain.alert_book import AlertBook
from kato_panel.domain.recorded import AlertEntry, Figure
from kato_panel.domain.rules import Measured
from kato_panel.history import History, Reader
from kato_panel.history.rows import moment
from kato_panel.recording import EVICTIONS, KEYS_SEEN
from kato_panel.simulator.past import DELETED, MINUTE, SPAN, Past, Spell
from tests.conftest import NOON
from tests.live_week import live_through

HOURS = timedelta(hours=6)
UNTIL = NOON + HOURS
ALL = (NOON - timedelta(days=1), NOON + timedelta(days=1))


@pytest.fixture(scope="module")
def week():
    return make_week(UNTIL.timestamp(), span=HOURS)


@pytest.fixture(scope="module")
def written():
    return demo_history(UNTIL, span=HOURS).reader


@pytest.fixture(scope="module")
def lived(week, tmp_path_factory):
    """The history of a service that lived through the same hours."""
    past, path = week.past, tmp_path_factory.mktemp("lived") / "h.db"
    live_through(path, past, demo_week.runs(past), demo_week.LOOK)
    with Reader.open(path) as reader:
        yield reader


def events(reader):
    """Every event but for the names of its start, with times between them to the microsecond."""
    cursor, told = None, []
    while True:
        page = reader.events(newest_first=False, limit=1000, cursor=cursor)
        told += [row.event for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
    return [
        replace(
            event,
            since_last_event_seconds=None
            if event.since_last_event_seconds is None
            else round(event.since_last_event_seconds, 6),
        )
        for event in told
    ]


def records(reader):
    page = reader.records(limit=1000)
    told = [*page.rows]
    while page.next is not None:
        page = reader.records(limit=1000, cursor=page.next)
        told += page.rows
    return sorted(told, key=lambda record: record.session_id)


def test_events_are_those_of_the_live_service(written, lived):
    """Numbers, counts, names, reasons, and what was found after a gap."""
    told = events(written)
    assert told == events(lived)
    assert len(told) > 2_000
    assert {event.reason for event in told} >= {"deleted", "expired", "evicted"}
    assert any(event.after_gap_seconds for event in told)


def test_records_are_those_of_the_live_service(written, lived):
    """With the interval in which each ended that nobody saw."""
    told = records(written)
    assert told == records(lived)
    assert any(one.ending and not one.ending.is_exact for one in told)
    assert [one for one in told if one.ending is None]


def test_counts_gaps_and_notes_are_those_of_the_live_service(written, lived):
    """Single counts, minutes and hours."""
    spans = [
        ALL,
        (NOON, NOON + HOURS),
        (NOON - timedelta(days=20), NOON + timedelta(days=20)),
        *pairwise(NOON + timedelta(minutes=50 * part) for part in range(8)),
    ]
    for since, until in spans:
        assert written.counts(since, until) == lived.counts(since, until)
    assert written.gaps(*ALL) == lived.gaps(*ALL)
    assert len(written.gaps(*ALL)) == 2
    assert written.last_seen() == lived.last_seen() == UNTIL
    for key in (KEYS_SEEN, EVICTIONS):
        assert written.note(key) == lived.note(key) is not None


def test_events_of_a_node_are_found(written, lived):
    """By the list of each node's events."""
    of_node = [reader.events(node="vision-a", limit=100).rows for reader in (written, lived)]
    assert len(of_node[0]) == 100
    assert [row.event.seq for row in of_node[0]] == [row.event.seq for row in of_node[1]]


def test_figures_are_those_that_the_history_would_have_written(week, written, tmp_path):
    """And their minutes."""
    figures = [
        Figure(moment(at), metric, subject, value)
        for (metric, subject), values in week.looks.series.items()
        for at, value in zip(week.looks.times.tolist(), values.tolist(), strict=True)
        if not np.isnan(value)
    ]
    history = History.open(f"sqlite:///{tmp_path / 'h.db'}", "http://kato:8000", is_demo=False)
    history.record(sorted(figures, key=lambda figure: figure.at))
    assert history.flush(30)
    for metric, subject in week.looks.series:
        asked = (metric, subject, *ALL)
        assert written.figures(*asked) == history.reader.figures(*asked)
    chosen = "metric, subject, start, last, lowest, highest"
    minutes = [
        sorted(rows(reader, chosen, "figure_minutes")) for reader in (written, history.reader)
    ]
    assert minutes[0] == minutes[1]
    history.close()


def rows(reader, columns, table):
    with reader.reading() as connection:
        found = connection.exec_driver_sql(f"SELECT {columns} FROM {table}")
        return [tuple(row) for row in found]


def test_alerts_are_those_that_the_live_rules_have_over_the_same_figures(week, written):
    """At each look all that is known is judged, and in the gap nothing."""
    book, entries = AlertBook(demo_rules()), {}
    before = None
    for place, time in enumerate(week.looks.times.tolist()):
        if before is not None and time - before > 3 * MINUTE:
            book.look([], demo_rows.when(week.past, before + 1))
        before = time
        measured = [
            Measured(metric, None if np.isnan(values[place]) else values[place], subject, 1000)
            for (metric, subject), values in week.looks.series.items()
        ]
        for entry in book.look(measured, demo_rows.when(week.past, time)).entries:
            entries[entry.alert.id] = entry
    kept = {entry.alert.id: entry for entry in written.alerts(limit=500).rows}
    assert {key: summed(entry) for key, entry in kept.items()} == {
        key: summed(entry) for key, entry in entries.items()
    }
    assert {entry.alert.rule.name for entry in kept.values()} >= {
        *("source_down", "container_not_running", "container_cpu"),
        *("container_restarts", "redis_evictions", "create_burst"),
    }


def summed(entry: AlertEntry):
    alert = entry.alert
    ended = alert.resolved_at and alert.resolved_at.wall
    return (alert.rule, alert.pending_at.wall, alert.fired_at.wall, ended, alert.value)


def test_week_is_the_same_for_the_same_seed_and_end_and_another_for_another():
    """All of it is drawn, nothing is measured."""
    until = UNTIL.timestamp()
    one, same, other = (Past(seed, until) for seed in (1, 1, 2))
    assert one.ids == same.ids
    assert (one.lives.ended == same.lives.ended).all()
    assert one.ids != other.ids
    figures = [DemoWeek(past).looks.series["container_cpu_percent", "kato"] for past in (one, same)]
    np.testing.assert_array_equal(*figures)


def test_week_has_enough_to_be_looked_at():
    """Sessions, days unlike nights, and nodes whose sessions live for unlike times."""
    past = Past(1, UNTIL.timestamp())
    lives = past.lives
    assert 30_000 < len(lives) < 80_000
    hours = (lives.created // (60 * MINUTE)) % 24
    by_hour = np.bincount(hours, minlength=24)
    assert by_hour[14] > 2 * by_hour[2]
    lived = (lives.ended - lives.created)[lives.how == DELETED]
    node = lives.node[lives.how == DELETED]
    medians = [np.median(lived[node == number]) for number in np.unique(node)]
    assert max(medians) > 10 * min(medians)
    assert past.until - past.since == SPAN


def test_those_who_are_open_at_the_end_are_those_the_simulator_begins_with(week, written):
    """Same ids, nodes, and times of birth."""
    alive = {
        one.session_id: (one.node_id, round(one.created_at, 6)) for one in week.past.sessions()
    }
    known = {
        one.session_id: (one.node_id, round(one.created.timestamp(), 6))
        for one in written.open_records()
    }
    assert alive == known
    assert alive


@pytest.mark.parametrize("seed", range(3))
def test_shortest_span_works_and_shorter_ones_are_refused(seed):
    """With what is allowed."""
    until = UNTIL + timedelta(minutes=37 * seed, seconds=seed)
    week = demo_history(until, seed=seed, span=MIN_SPAN)
    assert (week.watched()[1], week.watched()[0]) == (until, until - MIN_SPAN)
    assert len(week.counts()) > 100
    for span in (MIN_SPAN - timedelta(microseconds=1), timedelta(0), timedelta(hours=-9)):
        with pytest.raises(ValueError, match=r"span is .*, must be at least 3:00:00"):
            demo_history(until, seed=seed, span=span)


def test_spell_holds_its_beginning_and_not_its_end():
    """So that two in a row share no moment."""
    assert Spell(5, 7).holds(np.array([4, 5, 6, 7])).tolist() == [False, True, True, False]
