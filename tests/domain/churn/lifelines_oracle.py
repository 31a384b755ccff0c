"""Answers questions by lifelines, in an environment of its own; reads and writes JSON."""

import json
import sys
import warnings

import numpy as np
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import median_survival_times, restricted_mean_survival_time
from scipy.stats import chi2


def curve(case):
    """One Kaplan-Meier fit: the curve and its band at the asked ages."""
    fitter = KaplanMeierFitter().fit(case["exits"], case["ended"], entry=case["entries"])
    at = np.array(case["ages"])
    band = fitter.confidence_interval_
    place = np.searchsorted(band.index, at, side="right") - 1
    median = median_survival_times(band)
    until = case["until"]
    return {
        "survival": fitter.survival_function_at_times(at).tolist(),
        "lower": band.iloc[place, 0].tolist(),
        "upper": band.iloc[place, 1].tolist(),
        "median": [
            fitter.median_survival_time_,
            float(median.iloc[0, 0]),
            float(median.iloc[0, 1]),
        ],
        "mean": None if until is None else float(restricted_mean_survival_time(fitter, until)),
    }


def log_rank(case):
    """One log-rank test over several groups."""
    found = multivariate_logrank_test(case["exits"], case["groups"], case["ended"])
    return {"chi_square": float(found.test_statistic), "p_value": float(found.p_value)}


def poisson(case):
    """Garwood's interval by SciPy's chi-square quantiles."""
    counts = np.array(case["counts"])
    lower = np.where(counts > 0, chi2.ppf(0.025, 2 * counts) / 2, 0.0)
    tails = [float(chi2.sf(value, degrees)) for value, degrees in case["tails"]]
    return {
        "lower": lower.tolist(),
        "upper": (chi2.ppf(0.975, 2 * counts + 2) / 2).tolist(),
        "tails": tails,
    }


warnings.simplefilter("ignore")
ANSWERS = {"curve": curve, "log_rank": log_rank, "poisson": poisson}
cases = json.load(sys.stdin)
print(json.dumps([ANSWERS[case["ask"]](case) for case in cases]))
