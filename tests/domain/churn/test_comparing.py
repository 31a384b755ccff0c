"""Groups side by side."""

import numpy as np
import pytest

from kato_panel.domain.churn import comparing
from kato_panel.domain.churn.lives import Lives
from kato_panel.domain.records import Reason
from kato_panel.errors import TooLittle
from tests.domain.churn.making import frame, life, window


def lives(rows):
    return Lives.of(frame(rows), window())


def rows(node, n, seconds, **more):
    return [life(f"{node}-{k}", k, k + seconds + k % 5, node=node, **more) for k in range(n)]


def test_groups_have_curves_or_a_reason_why_not():
    """And the test is over those that have."""
    seen = lives([*rows("n1", 20, 100), *rows("n2", 15, 500), *rows("n3", 3, 100)])
    found = comparing.compare(seen, "node", "UTC")
    assert list(found.curves) == ["n1", "n2"]
    assert found.refused == {"n3": "3 sessions of known age ended, must be at least 10"}
    assert found.log_rank.groups == ("n1", "n2")
    assert found.log_rank.degrees == 1
    assert found.log_rank.p_value < 1e-6
    assert sum(found.log_rank.expected) == pytest.approx(35)
    shown = found.frame()
    assert list(shown["sessions"]) == [20, 15]
    assert shown.loc["n1", "median_seconds"] == 102
    assert "1 group has fewer than 10 ends" in found.notes[0]


def test_group_whose_curve_was_emptied_is_named():
    """One was too old when watching began for the ages at which all others ended."""
    old = life("old", -1_000, node="n1", born_by=None)
    seen = lives([*rows("n1", 20, 100), old, *rows("n2", 20, 500)])
    (note,) = comparing.compare(seen, "node", "UTC").notes
    assert note == (
        "all who were under observation ended, but others were watched at greater ages, in n1: "
        "from there on such a curve says nothing"
    )


def test_one_group_is_not_tested():
    """There is nobody to hold it against."""
    found = comparing.compare(lives(rows("n1", 20, 100)), "node", "UTC")
    assert found.log_rank is None
    assert found.frame()["expected_ends"].isna().all()
    with pytest.raises(TooLittle):
        comparing.compare(lives(rows("n1", 5, 100)), "node", "UTC")


def test_by_reason_it_says_that_open_sessions_are_left_out():
    """And by many nodes, that the smaller ones stand together."""
    some = [*rows("n1", 20, 100), *rows("n2", 20, 300, reason=Reason.DELETED), life("z", 1)]
    found = comparing.compare(lives(some), "reason", "UTC")
    assert list(found.curves) == ["deleted", "expired"]
    assert "have no reason yet" in found.notes[0]
    many = [row for n in range(14) for row in rows(f"n{n:02d}", 12, 100)]
    notes = comparing.compare(lives(many), "node", "UTC").notes
    assert notes == ("the smaller groups stand together as others",)
    assert comparing.compare(lives(rows("others", 20, 100)), "node", "UTC").notes == ()


def test_test_is_the_same_in_chunks(monkeypatch):
    """Of a few ages at once, as of all; and 0 where groups are alike."""
    seen = lives([*rows("n1", 40, 100), *rows("n2", 30, 101)])
    whole = comparing.compare(seen, "node", "UTC").log_rank
    monkeypatch.setattr(comparing, "CHUNK", 2)
    parts = comparing.compare(seen, "node", "UTC").log_rank
    assert np.isclose(whole.chi_square, parts.chi_square, rtol=1e-12)
    assert 0 < whole.p_value < 1
    alike = lives([*rows("n1", 20, 100), *rows("n2", 20, 100)])
    assert comparing.compare(alike, "node", "UTC").log_rank.p_value == pytest.approx(1)
