"""Cohorts, reasons, and the week."""

import numpy as np
import pytest

from kato_panel.domain.churn.lives import Lives
from kato_panel.domain.churn.rates import Changes
from kato_panel.domain.churn.tables import count_reasons, sort_into_cohorts, sum_up_hours
from kato_panel.domain.records import Reason
from tests.domain.churn.making import frame, life, window


def test_cohorts_are_blank_where_nobody_can_know_yet():
    """The youngest of a cohort has to be of that age."""
    rows = [life(f"s{n}", 60 * n, 60 * n + (100 if n % 2 else 1_000)) for n in range(60)]
    given = window(0, 3_600)
    found = sort_into_cohorts(Lives.of(frame(rows), given), given)
    assert found.width_seconds == 600
    assert list(found.members) == [10] * 6
    shown = found.frame()
    assert shown.index.name == "time"
    assert np.allclose(shown["survival_at_120_seconds"].iloc[:5], 0.5)
    assert np.isnan(shown["survival_at_120_seconds"].iloc[5])
    assert list(shown["survival_at_900_seconds"].notna()) == [True] * 4 + [False] * 2
    assert list(shown["survival_at_1800_seconds"].dropna()) == [0] * 3


def test_cohort_that_nobody_watched_from_birth_is_blank():
    """As one that was born in a gap; one without members has none."""
    rows = [life(f"s{n}", 10, 100) for n in range(20)] + [life("t", 1_300, 1_400)]
    given = window(0, 2_400)
    found = sort_into_cohorts(Lives.of(frame(rows, entered=60, seen=2_400), given), given)
    assert list(found.members) == [20, 0, 1, 0]
    assert np.isnan(found.survival[:2]).all()
    assert found.survival[2, 0] == 1


def test_long_ranges_have_wide_cohorts():
    """So that there are few enough to see."""
    given = window(0, 30 * 86_400)
    seen = Lives.of(frame([life("a", 1, 5)], seen=30 * 86_400), given)
    assert sort_into_cohorts(seen, given).width_seconds == 86_400
    ages = window(0, 400 * 7 * 86_400)
    assert sort_into_cohorts(seen, ages).width_seconds == 28 * 86_400


def test_reasons_are_counted_with_bounds():
    """Of those that ended in the range."""
    rows = [life(f"s{n}", 1, 5, reason=Reason.DELETED) for n in range(3)]
    rows += [life("x", 1, 5), life("y", 1, 9_000), life("z", 1)]
    shown = count_reasons(Lives.of(frame(rows), window())).frame()
    assert list(shown["ended"]) == [3, 1, 0, 0]
    assert list(shown["share_percent"]) == [75, 25, 0, 0]
    assert shown.loc["deleted", "low"] == pytest.approx(0.618672)
    assert shown.loc["deleted", "high"] == pytest.approx(8.767273)


def test_week_is_summed_up_in_a_zone_without_gaps():
    """NOON is a Sunday; half an hour of it nobody looked."""
    rows = [life("a", 60, 5_000), life("b", 3_700, 3_800), life("c", 2_000, 2_100)]
    given = window(0, 7_200, [(1_800, 3_600)])
    changes = Changes.of_lives(Lives.of(frame(rows, seen=7_200), given))
    shown = sum_up_hours(changes, given, "UTC").frame()
    assert len(shown) == 168
    assert shown.loc[("Sun", 12)].tolist() == [0.5, 1, 0, 2, 0]
    assert shown.loc[("Sun", 13)].tolist() == [1, 1, 2, 1, 2]
    assert np.isnan(shown.loc[("Mon", 12), "arrivals_per_hour"])
    east = sum_up_hours(changes, given, "Asia/Kolkata").frame()
    assert east.loc[("Sun", 17), "observed_hours"] == 0.5
    assert east.loc[("Sun", 18), "observed_hours"] == 0.5
