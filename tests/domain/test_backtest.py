"""Backtest: rules over what was measured before fire as they would have fired then."""

import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from kato_panel.domain.alert_book import AlertBook
from kato_panel.domain.backtest import EPOCH, Looks, backtest
from kato_panel.domain.events import Moment
from kato_panel.domain.recorded import Gap
from kato_panel.domain.rules import Measured, Rule
from tests.conftest import NOON

RULE = Rule("busy", "sessions_active", ">", 10, for_seconds=30, cooldown_seconds=0)
STEP = 15
START = (NOON - EPOCH) // timedelta(microseconds=1)


def looks(values, *, metric="sessions_active", subject="", step=STEP):
    times = START + np.arange(len(values), dtype=np.int64) * step * 1_000_000
    known = [np.nan if value is None else value for value in values]
    return Looks(times, {(metric, subject): np.array(known, float)})


def told(alerts):
    """Alerts in seconds since noon: when each was pending, fired and over, and its value."""

    def seconds(at):
        return None if at is None else (at.wall - NOON).total_seconds()

    return [
        (seconds(one.pending_at), seconds(one.fired_at), seconds(one.resolved_at), one.value)
        for one in alerts
    ]


@pytest.mark.parametrize(
    ("values", "episodes"),
    [
        ([5, 20, 21, 22, 9, 5], [(15, 45, 60, 22)]),
        ([20, 21, 9, 22, 23, 24, 25], [(45, 75, None, 24)]),  # once too short, once not over
        ([20, 21, None, 22, 23, 24, 9], [(45, 75, 90, 24)]),  # what nobody saw ends a wait
        ([20, 21, 22, None, None, 9], [(0, 30, 75, 22)]),  # and no alert
        ([5, 6, None], []),
        ([], []),
        ([20], []),
    ],
)
def test_episodes_are_those_one_works_out_by_hand(values, episodes):
    """A look each 15 s, a rule that waits for 30."""
    assert told(backtest([RULE], looks(values))) == episodes


def test_time_without_looks_ends_a_wait():
    """Looks that are further apart than usual say nothing of the time between them."""
    whole = looks([20] * 9)
    torn = Looks(np.delete(whole.times, [2, 3, 4]), {("sessions_active", ""): np.full(6, 20.0)})
    assert told(backtest([RULE], torn)) == [(75, 105, None, 20)]
    assert told(backtest([RULE], whole)) == [(0, 30, None, 20)]


def test_gap_between_two_looks_ends_a_wait():
    """However short it is; one with looks in it is told by these."""
    at = NOON + timedelta(seconds=16)
    short = Gap(at, at + timedelta(seconds=3))
    assert told(backtest([RULE], looks([20] * 6), [short])) == [(30, 60, None, 20)]
    long = Gap(at, at + timedelta(seconds=50))
    assert told(backtest([RULE], looks([20] * 6), [long])) == [(0, 30, None, 20)]


def test_subject_that_was_gone_ends_its_alert():
    """With that reason, and its cooldown is forgotten; where nothing fires nothing ends."""
    rule = replace(RULE, metric="container_cpu_percent", for_seconds=0, cooldown_seconds=600)
    values = [5, None, 20, None, None, 20]
    one = looks(values, metric=rule.metric, subject="job")
    alerts = backtest([rule], replace(one, gone={(rule.metric, "job"): one.times[[1, 4]]}))
    assert told(alerts) == [(30, 30, 60, 20), (75, 75, None, 20)]
    assert [alert.reason for alert in alerts] == ["its container is gone", ""]
    assert all(alert.rule == rule for alert in alerts)


def test_looks_in_between_make_no_holes_of_the_others():
    """Where a value turns often, more of it is kept than usual."""
    dense = [0, *range(1, 12), 26, 41, 56]
    times = START + np.array(dense, np.int64) * 1_000_000
    series = {("sessions_active", ""): np.array([*[5, 20] * 5, 5, 20, 20, 20, 20], float)}
    assert told(backtest([RULE], Looks(times, series))) == [(11, 41, None, 20)]


def test_each_rule_and_subject_has_a_course_of_its_own():
    """Alerts come by when they fired; a metric that no rule names is passed over."""
    one = looks([20, 20, 20, 20], metric="container_cpu_percent", subject="kato")
    series = {
        **one.series,
        ("container_cpu_percent", "redis"): np.array([5, 20, 20, 20.0]),
        ("disk_percent", ""): np.array([99, 99, 99, 99.0]),
    }
    rules = [
        replace(RULE, metric="container_cpu_percent"),
        replace(RULE, name="soon", metric="container_cpu_percent", for_seconds=0),
    ]
    alerts = backtest(rules, Looks(one.times, series))
    assert [(alert.rule.name, alert.subject) for alert in alerts] == [
        ("soon", "kato"),
        ("soon", "redis"),
        ("busy", "kato"),
        ("busy", "redis"),
    ]


@pytest.mark.parametrize("seed", range(25))
def test_it_tells_what_the_live_service_tells_over_the_same_looks(seed):
    """All states of all rules, at each look."""
    draw = random.Random(seed)
    rules = [
        Rule(
            f"r{number}",
            draw.choice(["container_cpu_percent", "disk_percent"]),
            draw.choice([">", ">=", "<", "<=", "=="]),
            draw.randrange(3),
            for_seconds=draw.choice([0, 15, 40]),
            keep_firing_seconds=draw.choice([0, 15, 40]),
            cooldown_seconds=draw.choice([0, 60, 300]),
        )
        for number in range(6)
    ]
    keys = [("container_cpu_percent", "a"), ("container_cpu_percent", "b"), ("disk_percent", "")]
    times = looks([0] * 300).times
    series = {key: np.array(draw.choices([0, 1, 2, np.nan], [4, 4, 4, 1], k=300)) for key in keys}
    book = AlertBook(rules)
    entries = {}
    for place, time in enumerate(times.tolist()):
        measured = [
            Measured(metric, None if np.isnan(values[place]) else values[place], subject)
            for (metric, subject), values in series.items()
        ]
        at = Moment(EPOCH + timedelta(microseconds=time), time / 1_000_000)
        for entry in book.look(measured, at).entries:
            entries[entry.alert.id] = entry.alert
    alerts = backtest(rules, Looks(times, series))
    assert {alert.id: alert for alert in alerts} == entries
    assert len(entries) > 10
