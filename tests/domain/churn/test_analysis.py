"""All that can be said of churn in a range."""

from datetime import timedelta

import numpy as np
import pytest

from kato_panel.domain.churn import Churn
from kato_panel.domain.events import Kind, SessionEvent
from kato_panel.errors import TooLittle
from kato_panel.frames import empty_frame, event_frame
from tests.domain.churn.making import at, churn, life, window

TRUE_MEDIAN_SECONDS = 624


@pytest.fixture(scope="module")
def found():
    """An hour and a half of exponential lives, many of which are still open."""
    random = np.random.default_rng(2)
    born = np.sort(random.uniform(-3_600, 5_400, 1_500))
    rows = [
        life(f"s{n}", begin, begin + lived if begin + lived < 5_400 else None, node=f"n{n % 3}")
        for n, (begin, lived) in enumerate(zip(born, random.exponential(900, 1_500), strict=True))
        if begin + lived > 0
    ]
    return churn(rows, until=5_400)


def test_median_holds_the_truth_and_the_naive_mean_does_not(found):
    """With sessions still open, and others that were open before."""
    median = found.median_lifetime_seconds
    assert median.low <= TRUE_MEDIAN_SECONDS <= median.high
    assert median.high - median.low < 150
    mean = found.mean_lifetime_seconds
    assert mean.low <= 900 <= mean.high
    naive = found.naive
    assert naive.bias_percent < -3
    assert naive.is_off == (not mean.low <= naive.mean_seconds <= mean.high)
    assert naive.bias_seconds == pytest.approx(naive.mean_seconds - mean.value)
    assert naive.still_open == found.survival.still_open > 100
    assert naive.ended + naive.still_open == found.lives.is_watched.sum()


def test_mean_is_off_where_chance_does_not_explain_it():
    """Most live on: those that ended are the short ones."""
    ended = [life(f"s{n}", n, 60 + 2 * n) for n in range(30)]
    found = churn([*ended, *(life(f"o{n}", n, None) for n in range(60))])
    assert found.naive.mean_seconds < found.mean_lifetime_seconds.low
    assert found.naive.is_off
    alike = churn([life(f"s{n}", 7 * n, 7 * n + 0.1) for n in range(30)])
    assert not alike.naive.is_off  # its bounds are the mean itself, but for rounding


def test_main_figures_are_a_table(found):
    """With their units in their names, and bounds where there are some."""
    shown = found.frame()
    assert list(shown.index) == [
        "arrivals_per_minute",
        "departures_per_minute",
        "net_per_minute",
        "mean_active_sessions",
        "median_lifetime_seconds",
        "mean_lifetime_seconds",
        "naive_mean_lifetime_seconds",
        "naive_mean_bias_percent",
        "still_open_sessions",
    ]
    assert shown.loc["median_lifetime_seconds", "value"] == found.median_lifetime_seconds.value
    assert shown["low"].isna().sum() == 4
    assert shown.loc["mean_active_sessions", "value"] == pytest.approx(found.active.mean)
    assert [str(kind) for kind in shown.dtypes] == ["Float64"] * 3


def test_parts_are_there(found):
    """Each is made once, and fits the others."""
    assert found.groups is found.groups
    assert list(found.groups.curves) == ["n0", "n1", "n2"]
    assert found.littles_law.ratio == pytest.approx(1, abs=0.1)
    hourly = found.rates()
    assert hourly.arrivals.sum() == found.total.arrivals[0]
    assert len(found.rates(timedelta(minutes=15)).starts) == 6
    assert found.reasons.ended == (0, int(found.total.departures[0]), 0, 0)
    assert found.cohorts.members.sum() < len(found.lives)
    assert found.hours.arrivals.sum() == found.total.arrivals[0]
    assert (found.since, found.until) == (at(0), at(5_400))
    for wrong in (timedelta(milliseconds=1_500), timedelta(0), 60):
        with pytest.raises(ValueError, match=r"bucket is .*, must be a timedelta of whole seconds"):
            found.rates(wrong)


def test_it_shows_itself(found):
    """With what has to be known, and without markup from outside."""
    assert repr(found).startswith("<Churn from 2026-11-22 12:00 to 2026-11-22 13:30 UTC: ")
    assert "median lifetime " in repr(found)
    assert "median_lifetime_seconds" in found._repr_html_()
    hostile = churn([], notes=("<script>",))
    assert "&lt;script&gt;" in hostile._repr_html_()
    assert "0 sessions of known age ended" in hostile._repr_html_()
    open_ones = [life(f"s{n}", 1, 5 if n < 10 else None) for n in range(40)]
    assert repr(churn(open_ones)).endswith("40 sessions, median lifetime not reached>")


def test_too_little_is_refused_with_a_reason():
    """Rates there are all the same."""
    few = churn([life("a", 1, 5)])
    assert few.refusal == "1 session of known age ended, must be at least 10"
    for part in ("survival", "groups", "cohorts", "naive", "littles_law", "median_width_seconds"):
        with pytest.raises(TooLittle, match="1 session"):
            getattr(few, part)
    assert few.total.arrivals[0] == 1
    assert "still_open_sessions" not in few.frame().index


def test_without_records_there_are_rates_alone_and_they_are_bounds():
    """And it says what it takes to know more."""
    events = event_frame([SessionEvent(1, Kind.CREATED, at(5), 0, 2, 2, "http")], None)
    found = Churn(empty_frame("sessions"), events, window(), by="node", zone="UTC")
    assert found.total.arrivals[0] == 2
    assert "REDIS_URL" in found.refusal
    assert "lower bounds" in found.notes[0]
    for part in ("survival", "active", "reasons"):
        with pytest.raises(TooLittle, match="REDIS_URL"):
            getattr(found, part)
    assert list(found.frame().index) == [
        "arrivals_per_minute",
        "departures_per_minute",
        "net_per_minute",
    ]


def test_gaps_wide_ends_and_unknown_ages_are_told():
    """Each in its words; a range that nobody watched has no rate."""
    rows = [life(f"s{n}", 1, 100, width=12) for n in range(20)]
    found = churn([*rows, life("x", 1, created=None)], gaps=[(600, 960)], notes=("first",))
    assert found.notes[0] == "first"
    assert "6 min of the range, 10 %" in found.notes[1]
    assert "1 of 21 sessions are left out" in found.notes[2]
    assert "to within 12 s (median), more than 5 %" in found.notes[3]
    narrow = churn([life(f"s{n}", 1, 100, width=4) for n in range(20)])
    assert narrow.notes == ()
    assert narrow.median_width_seconds == 4
    blind = churn([life(f"s{n}", 1, 100) for n in range(20)], gaps=[(0, 3_600)])
    assert blind.littles_law.arrivals_per_second == 0
    assert blind.frame()["value"].isna().sum() == 3


def test_unknown_zone_is_refused_at_once():
    """Not when a table is asked for."""
    with pytest.raises(Exception, match="Nowhere"):
        churn([], zone="Nowhere/Land")


def test_who_all_ended_at_birth_have_lifetimes_of_0():
    """And nothing to be off by."""
    found = churn([life(f"s{n}", n, n) for n in range(30)])
    assert (found.median_lifetime_seconds.value, found.notes) == (0, ())
    assert (found.naive.bias_seconds, found.naive.bias_percent) == (0, 0)
    assert not found.naive.is_off
    assert found.lifetimes.ended.sum() == 30
    assert found.cohorts.members.sum() == 30
    assert found.littles_law.expected_active == 0
