"""From the frame of sessions to ages."""

from dataclasses import replace

import numpy as np
import pytest

from kato_panel.domain.churn.lives import MAX_GROUPS, OTHERS, Lives
from kato_panel.domain.records import Reason
from kato_panel.errors import TooLittle
from tests.domain.churn.making import frame, life, window


def lives(rows, *, since=0, until=3_600, **more):
    return Lives.of(frame(rows, **more), window(since, until))


def test_end_is_the_middle_of_its_interval_and_the_width_is_carried():
    """As the ledger has it."""
    found = lives([life("a", 10, 100, width=20)])
    assert list(found.exit_seconds) == [90]
    assert list(found.width_seconds) == [20]
    assert list(found.is_ended) == [True]


def test_who_was_there_before_comes_late_at_their_age():
    """When the records begin, or when the range does."""
    found = lives([life("a", -50, 100), life("b", 10, 200)], since=30)
    assert list(found.entry_seconds) == [80, 20]
    assert list(lives([life("a", -50, 100)]).entry_seconds) == [50]


def test_who_ends_after_the_range_lives_on_in_it():
    """And who ended before it, or was born after it, is not in it."""
    rows = [life("a", 10, 200), life("b", 10), life("c", 1, 5), life("d", 150, 160)]
    found = lives(rows, since=20, until=100, seen=90)
    assert list(found.is_ended) == [False, False]
    assert sorted(found.exit_seconds) == [80, 90]


def test_session_of_unknown_age_is_counted_and_has_no_lifetime():
    """Nor has one that was seen at one moment only, or ended before it was born."""
    rows = [
        life("a", 10, 60, created=None),
        life("b", 10, 60),
        life("c", 70, 60),
        replace(life("d", 10), created=None, born_by=None),
    ]
    found = lives(rows)
    assert len(found) == 4
    assert found.is_watched.sum() == 1
    assert found.is_birth.sum() == 3
    assert found.ends == 1


def test_who_ended_at_the_moment_of_birth_lived_for_no_time():
    """Which is a lifetime, if they were watched then; who was only seen then has none."""
    rows = [life("a", 10, 10), life("b", 10, 60), life("c", -5, -5), life("d", 20)]
    found = lives(rows, seen=20)
    assert list(found.exit_seconds) == [0, 50, 0]
    assert list(found.is_watched) == [True, True, False]


def test_who_left_before_they_were_watched_has_no_lifetime():
    """As one that ended while the first scan ran."""
    found = lives([life("a", -50, 5), life("b", -50, 15)], entered=10)
    assert list(found.is_watched) == [False, True]


def test_fewer_than_ten_ends_are_refused():
    """In words."""
    with pytest.raises(TooLittle, match="1 session of known age ended, must be at least 10"):
        lives([life("a", 1, 2)]).survival()
    with pytest.raises(TooLittle, match="9 sessions of known age"):
        lives([life(f"s{n}", 1, 2) for n in range(9)]).survival()
    assert lives([life(f"s{n}", 1, 2) for n in range(10)]).survival().ends == 10


def groups(rows, by, zone="UTC", **more):
    found, others = lives(rows, **more).groups(by, zone)
    assert others in {None, *found.categories[-1:]}
    return list(found.categories), list(found.codes)


def test_sessions_are_grouped_by_node():
    """Those without one stand together; the smaller groups too."""
    rows = [life("a", 1, node="n2"), life("b", 1, node="n1"), life("c", 1, node=None)]
    assert groups(rows, "node") == (["n1", "n2", "not known"], [1, 0, 2])
    many = [life(f"s{n}-{m}", 1, node=f"n{n:02d}") for n in range(15) for m in range(20 - n)]
    names, codes = groups(many, "node")
    assert names == [*(f"n{n:02d}" for n in range(MAX_GROUPS)), OTHERS]
    assert np.bincount(codes)[-1] == 8 + 7 + 6


def test_node_that_is_called_like_what_is_made_up_is_a_group_of_its_own():
    """Names come from outside; the made-up one goes into brackets."""
    rows = [life("a", 1, node="not known"), life("b", 1, node=None), life("c", 1, node="others")]
    assert groups(rows, "node") == (["not known", "others", "(not known)"], [0, 2, 1])
    many = [life(f"s{n}-{m}", 1, node=f"n{n:02d}") for n in range(14) for m in range(2)]
    many += [life(f"o{n}", 1, node="others") for n in range(5)]
    names, codes = groups(many, "node")
    assert names[-2:] == ["others", "(others)"]
    assert list(np.bincount(codes)[-2:]) == [5, 2 * (14 - MAX_GROUPS + 1)]


def test_sessions_are_grouped_by_the_day_of_their_birth_in_a_zone():
    """Half past eleven in the evening is another day further east."""
    rows = [life("a", 0, 5), life("b", 11.5 * 3_600)]
    assert groups(rows, "day", until=99_999)[0] == ["2026-11-22"]
    assert groups(rows, "day", "Asia/Kolkata", until=99_999)[0] == ["2026-11-22", "2026-11-23"]


def test_sessions_are_grouped_by_reason_if_they_ended():
    """Who lives on has none."""
    rows = [life("a", 1, 5, reason=Reason.DELETED), life("b", 1, 5), life("c", 1)]
    assert groups(rows, "reason") == (["deleted", "expired"], [0, 1, -1])
    assert groups(rows, "reason", until=3) == ([], [-1, -1, -1])


def test_sessions_are_grouped_by_their_time_to_live():
    """In classes, bounds included."""
    times = (60.0, 61.0, 3_600.0, 90_000.0, None)
    rows = [life(f"s{n}", 1, ttl_seconds=ttl) for n, ttl in enumerate(times)]
    names = ["up to 1 min", "up to 10 min", "up to 1 h", "above 1 day", "not known"]
    assert groups(rows, "ttl") == (names, [0, 1, 2, 3, 4])


def test_unknown_grouping_is_refused():
    """With those there are."""
    with pytest.raises(ValueError, match="by is 'colour', must be one of node, day, reason, ttl"):
        lives([life("a", 1, 2)]).groups("colour", "UTC")


def test_times_to_live_may_be_left_out():
    """Nobody asks for them but who groups by them."""
    rows = frame([life("a", 1, 2), life("b", 3)])
    seen = Lives.of(rows.drop(columns="ttl_seconds"), window())
    assert np.isnan(seen.ttl_seconds).all()
    assert list(seen.began) == list(Lives.of(rows, window()).began)
