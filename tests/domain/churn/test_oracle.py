"""Curves, bands, medians and tests, held against lifelines and SciPy in their own environment."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kato_panel.domain.churn.chances import chi_square_tail, poisson_interval
from kato_panel.domain.churn.comparing import log_rank
from kato_panel.domain.churn.survival import estimate

ORACLE = Path(sys.prefix) / "oracle" / "bin" / "python"
CLOSE = 1e-9
SIZES = (12, 60, 400)
COUNTS = [0, 1, 2, 5, 17, 100, 998, 999, 1_000, 1_234, 100_000, 1_000_000]
TAILS = [(0.01, 1), (3.841458820694124, 1), (7.5, 3), (40.0, 5), (300.0, 11), (1.0, 11)]


def watched(seed, n, *, late):
    """Exponential lives, censored at random, some of which are seen from some age on only."""
    random = np.random.default_rng(seed)
    lives, ends = random.exponential(900, n), random.uniform(0, 3_000, n)
    entries = np.where(np.arange(n) % 3 > 0, random.uniform(0, 120, n), 0.0) if late else 0 * ends
    is_seen = np.minimum(lives, ends) > entries
    if not late and seed % 2:  # a coarse clock: some live for no time, and many alike
        lives, ends = lives // 100 * 100, ends // 100 * 100
    exits = np.minimum(lives, ends)[is_seen]
    return exits, (lives <= ends)[is_seen], entries[is_seen]


def groups(seed):
    """Three groups, one of which lives shorter; times in whole seconds, so that there are ties."""
    random = np.random.default_rng(seed)
    parts = []
    for mean, n in ((900, 80), (900, 50), (600, 70)):
        lives, ends = random.exponential(mean, n).round() + 1, random.uniform(1, 3_000, n).round()
        parts.append((np.minimum(lives, ends), lives <= ends, np.zeros(n)))
    return parts


CURVES = [(seed, n, late) for seed in range(4) for n in SIZES for late in (False, True)]
LOG_RANKS = range(6)


def questions():
    for seed, n, late in CURVES:
        exits, ended, entries = watched(seed, n, late=late)
        found = estimate(exits, ended, entries)
        yield {
            "ask": "curve",
            "exits": exits.tolist(),
            "ended": ended.tolist(),
            "entries": entries.tolist() if late else None,
            "ages": found.ages_seconds.tolist(),
            "until": None if late else 1_000.0,
        }
    for seed in LOG_RANKS:
        parts = groups(seed)
        yield {
            "ask": "log_rank",
            "exits": np.concatenate([part[0] for part in parts]).tolist(),
            "ended": np.concatenate([part[1] for part in parts]).tolist(),
            "groups": np.repeat(["a", "b", "c"], [len(part[0]) for part in parts]).tolist(),
        }
    yield {"ask": "poisson", "counts": COUNTS, "tails": TAILS}


@pytest.fixture(scope="module")
def answers():
    """All answers of one run of the oracle, by kind."""
    assert ORACLE.exists(), f"there is no lifelines at {ORACLE}: make {ORACLE.parents[1]}.stamp"
    asked = list(questions())
    told = subprocess.run(
        [ORACLE, Path(__file__).with_name("lifelines_oracle.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    by_kind = {}
    for question, answer in zip(asked, json.loads(told.stdout), strict=True):
        by_kind.setdefault(question["ask"], []).append(answer)
    return by_kind


def test_curves_bands_and_medians_are_those_of_lifelines(answers):
    """To 1e-9, with and without entry times; where the curve is 0 our band stays what it was."""
    compared = 0
    for (seed, n, late), told in zip(CURVES, answers["curve"], strict=True):
        found = estimate(*watched(seed, n, late=late))
        above = found.survival > 0
        assert np.abs(found.survival - told["survival"]).max() < CLOSE
        for name in ("lower", "upper"):
            assert np.abs(getattr(found, name) - told[name])[above].max() < CLOSE, (seed, n, late)
        median = found.median_seconds
        pairs = list(zip((median.value, median.low, median.high), told["median"], strict=True))
        for ours, theirs in pairs[: 3 if above.all() else 2]:
            assert np.isclose(np.inf if ours is None else ours, theirs, rtol=CLOSE)
        if told["mean"] is not None:
            assert np.isclose(found.restricted_mean_seconds(1_000).value, told["mean"], rtol=CLOSE)
        compared += len(above)
        assert (found.ages_seconds[0] == 0) >= (n == max(SIZES) and seed % 2 and not late)
    assert compared > 1_000


def test_log_rank_is_that_of_lifelines(answers):
    """Over three groups, with ties."""
    for seed, told in zip(LOG_RANKS, answers["log_rank"], strict=True):
        found = log_rank(dict(zip("abc", [estimate(*part) for part in groups(seed)], strict=True)))
        assert np.isclose(found.chi_square, told["chi_square"], rtol=CLOSE)
        assert np.isclose(found.p_value, told["p_value"], rtol=CLOSE)


def test_poisson_intervals_and_tails_are_those_of_scipy(answers):
    """From nothing to a million; tails to the smallest."""
    (told,) = answers["poisson"]
    lower, upper = poisson_interval(np.array(COUNTS))
    assert np.allclose(lower, told["lower"], rtol=CLOSE, atol=0)
    assert np.allclose(upper, told["upper"], rtol=CLOSE, atol=0)
    tails = [chi_square_tail(value, degrees) for value, degrees in TAILS]
    assert np.allclose(tails, told["tails"], rtol=CLOSE, atol=0)
    assert chi_square_tail(0.0, 1) == 1.0
    assert all(low < high for low, high in pairwise(upper))
