"""Rules: never too early, once for each time, and never over without somebody having looked."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_panel.domain.events import Moment
from kato_panel.domain.rules import REMEMBERED_SECONDS, Judge, Measured, Rule, Severity, Stage, Turn
from tests.conftest import NOON, Size, moment

RULE = Rule("busy", "sessions_active", ">", 10, for_seconds=5, cooldown_seconds=0)


def look(judge, seconds, value, subject="", samples=1):
    """Judge one value; return what happened."""
    one = Measured("sessions_active", value, subject, samples)
    return [turned.turn.value for turned in judge.judge([one], moment(seconds))]


def stage(judge):
    (state,) = judge.states
    return state.stage


@pytest.mark.parametrize(
    ("op", "wrong", "right"),
    [(">", 11, 10), (">=", 10, 9), ("<", 9, 10), ("<=", 10, 11), ("==", 10, 11)],
)
def test_value_is_wrong_while_the_comparison_holds(op, wrong, right):
    """All five of them, at their edge."""
    rule = replace(RULE, op=op, for_seconds=0)
    assert look(Judge([rule]), 0, wrong) == ["firing"]
    assert look(Judge([rule]), 0, right) == []


def test_it_fires_once_it_has_lasted_and_ends_once():
    """And says what it was like when it fired."""
    judge = Judge([RULE])
    assert look(judge, 0, 11) == []
    assert stage(judge) is Stage.PENDING
    assert look(judge, 4.9, 12) == []
    (turned,) = judge.judge([Measured("sessions_active", 13)], moment(5))
    assert (turned.turn, turned.alert.value) == (Turn.FIRING, 13)
    assert (turned.alert.pending_at, turned.alert.fired_at) == (moment(0), moment(5))
    assert look(judge, 6, 14) == []
    assert judge.firing == (turned.alert,)
    (over,) = judge.judge([Measured("sessions_active", 10)], moment(7))
    assert (over.turn, over.alert.resolved_at) == (Turn.RESOLVED, moment(7))
    assert over.alert.id == turned.alert.id
    assert look(judge, 8, 9) == []
    assert (stage(judge), judge.firing) == (Stage.INACTIVE, ())


def test_wait_begins_again_when_the_value_was_right_or_unknown():
    """Nobody saw that it lasted."""
    for between in (10, None):
        judge = Judge([RULE])
        assert look(judge, 0, 11) == []
        assert look(judge, 4, between) == []
        assert look(judge, 5, 11) == []
        assert look(judge, 9.9, 11) == []
        assert look(judge, 10, 11) == ["firing"]


def test_no_data_ends_no_alert():
    """Neither an unknown value, nor one that is not there, nor one of too few samples."""
    judge = Judge([replace(RULE, for_seconds=0, min_samples=50)])
    assert look(judge, 0, 11, samples=50) == ["firing"]
    assert look(judge, 1, None) == []
    assert look(judge, 2, 0, samples=49) == []
    assert judge.judge([], moment(1_000)) == []
    assert stage(judge) is Stage.NO_DATA
    assert len(judge.firing) == 1
    assert look(judge, 1_001, 11, samples=50) == []
    assert stage(judge) is Stage.FIRING
    assert look(judge, 1_002, 0, samples=50) == ["resolved"]


def test_one_error_in_two_requests_stays_quiet():
    """Half of two is no rate."""
    rule = Rule("errors", "error_ratio", ">", 0.05, min_samples=50)
    judge = Judge([rule])
    assert judge.judge([Measured("error_ratio", 0.5, samples=2)], moment(0)) == []
    assert judge.judge([Measured("error_ratio", 0.5, samples=50)], moment(1)) != []


def test_it_is_over_once_it_has_been_right_for_long_enough():
    """A short dip ends nothing, and nobody having looked does not count."""
    judge = Judge([replace(RULE, for_seconds=0, keep_firing_seconds=10)])
    assert look(judge, 0, 11) == ["firing"]
    assert look(judge, 1, 0) == []
    assert look(judge, 9, 11) == []
    assert look(judge, 10, 0) == []
    assert look(judge, 19, None) == []
    assert look(judge, 20, 0) == []
    assert look(judge, 29.9, 0) == []
    assert look(judge, 30, 0) == ["resolved"]


def test_cooldown_delays_the_next_firing_and_no_end():
    """It waits, and fires if it is still wrong then."""
    judge = Judge([replace(RULE, for_seconds=0, cooldown_seconds=60)])
    assert look(judge, 0, 11) == ["firing"]
    assert look(judge, 1, 0) == ["resolved"]
    assert look(judge, 2, 11) == []
    assert stage(judge) is Stage.PENDING
    assert look(judge, 59.9, 11) == []
    assert look(judge, 60, 11) == ["firing"]


def test_each_subject_has_a_course_of_its_own():
    """In words that name it."""
    rule = Rule("cpu", "cpu", ">", 80, message="{subject}: {value:.0f} of {threshold:.0f}, {name}")
    judge = Judge([rule])
    told = judge.judge(
        [Measured("cpu", 90, "b"), Measured("cpu", 70, "a"), Measured("other", 99)], moment(0)
    )
    assert [turned.alert.message for turned in told] == ["b: 90 of 80, cpu"]
    assert [(state.subject, state.stage) for state in judge.states] == [
        ("a", Stage.INACTIVE),
        ("b", Stage.FIRING),
    ]
    assert told[0].alert.rule.severity is Severity.WARNING


def test_alert_of_an_earlier_run_goes_on():
    """No second firing, and an end that somebody saw."""
    judge = Judge([replace(RULE, for_seconds=0)])
    (fired,) = judge.judge([Measured("sessions_active", 11)], moment(0))
    again = Judge(judge.rules)
    assert again.restore([fired.alert], moment(60)) == []
    assert (stage(again), again.firing) == (Stage.NO_DATA, (fired.alert,))
    assert look(again, 61, 12) == []
    (over,) = again.judge([Measured("sessions_active", 1)], moment(62))
    assert over.alert.id == fired.alert.id


@pytest.mark.parametrize(
    ("rules", "reason"),
    [([], "its rule was removed"), ([replace(RULE, threshold=5)], "its rule was changed")],
)
def test_alert_whose_rule_is_gone_is_over(rules, reason):
    """While it runs, and at a start: an end follows every beginning."""
    judge = Judge([replace(RULE, for_seconds=0)])
    (fired,) = judge.judge([Measured("sessions_active", 11)], moment(0))
    (restored,) = Judge(rules).restore([fired.alert], moment(5))
    (changed,) = judge.change(rules, moment(5))
    assert restored == changed
    assert (changed.turn, changed.alert.reason) == (Turn.RESOLVED, reason)
    assert judge.firing == judge.states == ()


def test_rule_that_stays_goes_on_when_others_change():
    """And one that only waited is forgotten without a word."""
    other = replace(RULE, name="other")
    judge = Judge([RULE, other])
    look(judge, 0, 11)
    assert judge.change([RULE, replace(other, threshold=11)], moment(1)) == []
    assert look(judge, 5, 11) == ["firing"]


HOT = Rule("hot", "container_cpu_percent", ">", 80, cooldown_seconds=0)


def heat(judge, seconds, *, failed=False, **cpu):
    """Look at all containers there are; return who begins or ends, and why."""
    found = [Measured(HOT.metric, value, name) for name, value in cpu.items()]
    told = judge.judge(found, moment(seconds), {} if failed else {HOT.metric: [*cpu]})
    return [(one.alert.subject, one.turn.value, one.alert.reason) for one in told]


def test_alert_of_what_is_gone_is_over_with_that_reason():
    """Once, by a look at all; whoever waited or was well is forgotten without a word."""
    judge = Judge([HOT, replace(HOT, name="warm", for_seconds=60)])
    assert heat(judge, 0, a=90, b=10) == [("a", "firing", "")]
    assert heat(judge, 1, b=10) == [("a", "resolved", "its container is gone")]
    assert [state.subject for state in judge.states] == ["b", "b"]
    assert heat(judge, 2) == []
    assert judge.states == ()


def test_look_that_failed_forgets_nobody():
    """However long it lasts; nor does a value that is not known."""
    judge = Judge([HOT])
    assert heat(judge, 0, a=90) == [("a", "firing", "")]
    assert heat(judge, 1, failed=True) == []
    assert heat(judge, 90 * 86_400, failed=True) == []
    assert heat(judge, 90 * 86_400 + 1, a=None) == []
    assert [alert.subject for alert in judge.firing] == ["a"]


def test_course_without_data_and_alert_is_dropped_after_an_hour():
    """Unless it is still asked for, or its cooldown has to be known."""
    judge = Judge([replace(HOT, cooldown_seconds=2 * REMEMBERED_SECONDS)])
    heat(judge, 0, failed=True, a=10, b=None, c=90)
    heat(judge, 1, failed=True, b=None, c=10)
    heat(judge, REMEMBERED_SECONDS, failed=True, b=None)
    assert [state.subject for state in judge.states] == ["a", "b", "c"]
    heat(judge, REMEMBERED_SECONDS + 1, failed=True, b=None)
    assert [state.subject for state in judge.states] == ["b", "c"]
    assert heat(judge, 2 * REMEMBERED_SECONDS - 1, failed=True, b=None, c=90) == []
    heat(judge, 2 * REMEMBERED_SECONDS, failed=True, b=None)
    assert [state.subject for state in judge.states] == ["b", "c"]
    heat(judge, 3 * REMEMBERED_SECONDS, failed=True, b=None)
    assert [state.subject for state in judge.states] == ["b"]


def test_it_says_whose_value_took_a_turn():
    """At its beginning, when it fires, when it is right again, and when it is over."""
    judge = Judge([replace(RULE, for_seconds=2, keep_firing_seconds=2)])
    values = [5, 6, 11, 12, 13, 14, 5, 5, 11, 5, 5, 5, 5, None, None]
    moved = []
    for second, value in enumerate(values):
        look(judge, second, value)
        moved += [second] if judge.moved == {("sessions_active", "")} else []
    assert moved == [0, 2, 4, 6, 8, 9, 11, 13]


def test_clock_that_is_set_changes_nothing():
    """Only monotonic time decides."""
    judge = Judge([RULE])

    def at(tick, wall_seconds):
        return Moment(NOON + timedelta(seconds=wall_seconds), tick)

    one = [Measured("sessions_active", 11)]
    assert judge.judge(one, at(0, 0)) == []
    assert judge.judge(one, at(1, 3_600)) == []
    assert judge.judge(one, at(4, -3_600)) == []
    assert [turned.turn for turned in judge.judge(one, at(5, -3_599))] == [Turn.FIRING]


LOOKS = st.lists(
    st.tuples(
        st.floats(0.1, 20), st.one_of(st.none(), st.integers(8, 13)), st.sampled_from([1, 3])
    ),
    max_size=60,
)


def expect(rule, looks):
    """Say when it has to begin and end, from all looks at once."""
    told, fired_at, firing = [], None, False
    run, run_is_wrong = None, None
    for tick, value, samples in looks:
        known = value is not None and samples >= rule.min_samples
        is_wrong = rule.holds(value) if known else None
        if is_wrong is None or is_wrong is not run_is_wrong:
            run = tick
        run_is_wrong = is_wrong
        if is_wrong and not firing and tick - run >= rule.for_seconds:
            if fired_at is None or tick - fired_at >= rule.cooldown_seconds:
                told.append(("firing", tick))
                fired_at, firing = tick, True
        elif is_wrong is False and firing and tick - run >= rule.keep_firing_seconds:
            told.append(("resolved", tick))
            firing = False
    return told


def test_alerts_are_what_the_looks_say(size: Size):
    """Under any sampling, gaps and limits: each begins when it must, and ends once."""
    examples = size.n(300, 20_000)

    @settings(max_examples=examples, database=None)
    @given(
        LOOKS,
        st.sampled_from([0, 3, 10]),
        st.sampled_from([0, 7]),
        st.sampled_from([0, 30]),
        st.sampled_from([1, 2]),
    )
    def check(looks, for_seconds, keep_seconds, cooldown_seconds, min_samples):
        rule = replace(
            RULE,
            for_seconds=for_seconds,
            keep_firing_seconds=keep_seconds,
            cooldown_seconds=cooldown_seconds,
            min_samples=min_samples,
        )
        judge, tick, told, seen = Judge([rule]), 0.0, [], []
        for pause, value, samples in looks:
            tick += pause
            at = Moment(NOON, tick)
            seen.append((tick, value, samples))
            one = Measured("sessions_active", value, "", samples)
            told += [(turned.turn.value, tick) for turned in judge.judge([one], at)]
            assert len(judge.firing) <= 1
        assert told == expect(rule, seen)
        assert [turn for turn, _ in told] == ["firing", "resolved"] * (len(told) // 2) + [
            "firing"
        ] * (len(told) % 2)

    check()
    size.record(
        "alerts against what all looks together say",
        seed="derandomised",
        n=examples,
        result="0 too early, 0 too late, 0 twice",
    )
