"""The curve, from lives that are seen in part."""

import numpy as np
import pytest

from kato_panel.domain.churn.survival import Interval, estimate


def curve(exits, ended=None, entries=None):
    exits = np.array(exits, dtype=float)
    ended = np.ones(len(exits), bool) if ended is None else np.array(ended, bool)
    entries = np.zeros(len(exits)) if entries is None else np.array(entries, dtype=float)
    return estimate(exits, ended, entries)


def test_open_sessions_are_at_risk_until_they_were_seen_last():
    """At the same age, who ends goes before who was seen last."""
    found = curve([1, 2, 2, 3], [1, 1, 0, 1])
    assert list(found.ages_seconds) == [1, 2, 3]
    assert list(found.at_risk) == [4, 3, 1]
    assert np.allclose(found.survival, [3 / 4, 1 / 2, 0])
    assert (found.sessions, found.ends, found.still_open) == (4, 3, 1)


def test_who_came_late_is_at_risk_at_greater_ages_only():
    """Not at the age at which they came."""
    found = curve([2, 3, 4, 5], entries=[0, 2, 0, 0])
    assert list(found.at_risk) == [3, 3, 2, 1]
    assert found.late_entries == 1


def test_where_the_curve_is_0_the_upper_bound_stays():
    """The form has no value there, and a band of no width would be a lie."""
    found = curve([1, 2, 3])
    assert found.survival[-1] == found.lower[-1] == 0
    assert found.upper[-1] == found.upper[-2] > 0.5
    alone = curve([1])
    assert (alone.survival[0], alone.lower[0], alone.upper[0]) == (0, 0, 1)


def test_age_that_is_not_reached_is_not_known():
    """An interval may have one end only."""
    found = curve([1, 5, 5, 5, 5, 5, 5, 5, 5, 5], [1] + [0] * 9)
    assert found.quantile_seconds(0.1) == Interval(1.0, 1.0, None)
    assert (found.median_seconds.value, found.median_seconds.high) == (None, None)
    low = curve(range(1, 11), [1] * 5 + [0] * 5).median_seconds
    assert (low.value, low.high) == (5.0, None)
    assert low.low is not None


def test_curve_is_read_at_any_age():
    """Beyond the greatest that was watched nobody knows."""
    read = curve([10, 20, 30], [1, 0, 1]).at([0, 10, 15, 30, 31])
    assert np.allclose(read["survival"], [1, 2 / 3, 2 / 3, 0, np.nan], equal_nan=True)
    assert list(read["at_risk"]) == [3, 3, 2, 1, 0]
    assert read.index.name == "age"
    assert read.index[2].total_seconds() == 15


def test_frame_is_the_curve_and_can_be_thinned():
    """Evenly over its fall, with both ends."""
    found = curve(np.arange(1, 1_001))
    whole, thin = found.frame(), found.frame(most=20)
    assert len(whole) == 1_001
    assert len(thin) <= 20
    assert whole.iloc[0].tolist() == [1, 1, 1, 1_000, 0]
    assert thin["survival"].iloc[-1] == 0
    assert np.abs(np.diff(thin["survival"])).max() < 0.1
    assert len(curve([1, 2]).frame(most=20)) == 3


def test_restricted_mean_is_the_area_with_bounds():
    """By hand: 1, 2/3 and 1/3, each for a second, and to 2.5 half of the last."""
    found = curve([1, 2, 3])
    assert found.restricted_mean_seconds().value == pytest.approx(2)
    half = found.restricted_mean_seconds(2.5)
    assert half.value == pytest.approx(1 + 2 / 3 + 1 / 6)
    assert half.low < half.value < half.high <= 2.5
    # By hand: the areas beyond 1 and 2 are 5/6 and 1/6, their terms 1/6 and 1/2.
    variance = (5 / 6) ** 2 / 6 + (1 / 6) ** 2 / 2
    assert half.low == pytest.approx(half.value - 1.959964 * variance**0.5)
    assert found.restricted_mean_seconds(99).value == pytest.approx(2)


def test_curve_that_dies_out_early_says_so():
    """With late entries everybody under observation may end, and others come."""
    found = curve([1, 5, 6, 7], entries=[0, 2, 2, 2])
    assert list(found.survival) == [0, 0, 0, 0]
    assert "ended at age 1 s, but others were watched up to age 7 s" in found.notes[0]
    assert "only 1 sessions were under observation at the median" in found.notes[1]
    assert curve(range(1, 41)).notes == ()


def test_curve_says_nothing_beyond_the_age_at_which_it_was_emptied():
    """An open session that is older than the last that was seen to end is no death."""
    found = curve([*range(1, 21), 30], entries=[0] * 20 + [25], ended=[True] * 20 + [False])
    assert found.told_seconds == 20
    assert "ended at age 20 s, but others were watched up to age 30 s" in found.notes[0]
    at = found.at([20, 21, 28])
    assert list(at["survival"].isna()) == [False, True, True]
    assert list(at["at_risk"]) == [1, 0, 1]
    whole = curve(range(1, 21))
    assert (whole.told_seconds, whole.notes) == (20, ())


def test_ages_and_shares_that_are_none_are_refused():
    """By their names."""
    found = curve(range(1, 21))
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="ages_seconds has"):
            found.at([3.0, wrong])
        with pytest.raises(ValueError, match="until_age_seconds is"):
            found.restricted_mean_seconds(wrong)
        with pytest.raises(ValueError, match="share is"):
            found.quantile_seconds(wrong)
    with pytest.raises(ValueError, match="share is 90, must be 0 to 1"):
        found.quantile_seconds(90)


def test_curve_of_which_nobody_was_watched_from_birth_says_so():
    """It holds for those that reach the age from which on somebody was watched."""
    found = curve([11, 12, 13], entries=[5, 6, 7])
    assert found.notes[0].startswith("nobody was under observation below age 5 s")
    assert found.at([0])["at_risk"].item() == 0
    late = curve(range(1, 41), entries=[0] * 30 + [5] * 10)
    assert late.notes == ()


def test_ages_between_at_which_nobody_was_watched_are_told():
    """Who was open is out of sight, and the next are older already."""
    found = curve([3, 4, 9, 10], [1, 0, 1, 1], entries=[0, 0, 8, 7])
    assert found.notes[0].startswith("nobody was under observation from age 4 s to 7 s")
    for entries in ([0, 0, 8, 4], [0, 0, 3, 3]):
        notes = curve([3, 4, 9, 10], [1, 0, 1, 1], entries=entries).notes
        assert not any("nobody was" in note for note in notes)


def test_bound_is_the_first_age_at_which_the_band_is_low_enough():
    """With late entries the band may rise again; who was there first counts."""
    late = 10 + np.random.default_rng(1).exponential(300, 3_000)
    found = curve([1, *range(50, 59), *late], entries=[0] * 10 + [2] * 3_000)
    assert found.lower[0] <= 0.5 < found.lower.max()
    assert found.median_seconds.low == 1


def test_lifetime_of_no_length_is_an_end_at_age_0():
    """Among all that were watched from birth; the curve begins with it."""
    found = curve([0, 0, 2, 3, 4], entries=[0, 0, 0, 0, 1])
    assert list(found.at_risk) == [4, 3, 2, 1]
    assert list(found.ended) == [2, 1, 1, 1]
    assert found.survival[0] == 0.5
    frame = found.frame()
    assert list(frame.index.total_seconds()) == [0, 2, 3, 4]
    assert frame["at_risk"].iloc[0] == 4
    assert found.restricted_mean_seconds().value == pytest.approx(0.5 * (2 + 2 / 3 + 1 / 3))
