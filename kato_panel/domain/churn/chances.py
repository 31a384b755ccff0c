"""
Intervals and tail probabilities, by the incomplete gamma function; no SciPy for three functions.

All intervals are of 95 %. See ``docs/decisions/0022-churn.md``.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIDE: Final = 0.025
"""What an interval leaves out on either side."""
Z: Final = NormalDist().inv_cdf(1 - SIDE)
"""Standard deviations on either side of a normal estimate."""
_CLOSE: Final = 1e-14
_STEPS: Final = 8
"""Newton's; the guess is so good that five are enough for any count."""
_SETTLED: Final = 1e-8
"""A relative step of Newton's after which the digits are all right: the error is squared."""
_TINY: Final = 1e-300
_MANY: Final = 1_000
"""A shape from which on Cornish and Fisher's series has all digits: it is off by 4e-15 at most."""


def poisson_interval(counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """
    Give the exact interval of each count's expectation, as Garwood had it in 1936.

    Parameters
    ----------
    counts
        How often something was seen, at least 0.

    Returns
    -------
    tuple of numpy.ndarray
        The lower and the upper bounds.
    """
    whole = np.asarray(counts, dtype=np.int64)
    distinct, places = np.unique(whole, return_inverse=True)
    lower, upper = _bounds(distinct.tobytes())
    return lower[places], upper[places]


@lru_cache(maxsize=64)
def _bounds(counts: bytes) -> tuple[Floats, Floats]:
    """Give the bounds of distinct counts; the same are asked for again by each part of a rate."""
    known = np.frombuffer(counts, dtype=np.int64).astype(float)
    lower: Floats = np.zeros(len(known))
    lower[known > 0] = _gamma_quantile(known[known > 0], SIDE)
    upper = _gamma_quantile(known + 1, 1 - SIDE)
    return lower, upper


def chi_square_tail(value: float, degrees: int) -> float:
    """Give the probability that a chi-square variable is above a value."""
    if value <= 0:
        return 1.0
    _, above = _gamma_parts(np.array([degrees / 2]), np.array([value / 2]))
    return float(above[0])


def _gamma_quantile(shapes: Floats, chance: float) -> Floats:
    """Find where the regularised lower incomplete gamma function has a value."""
    z = NormalDist().inv_cdf(chance)
    is_many = shapes >= _MANY
    found = np.empty(len(shapes))
    found[is_many] = _far_quantile(shapes[is_many], z)
    found[~is_many] = _near_quantile(shapes[~is_many], z, chance)
    return found


def _far_quantile(shapes: Floats, z: float) -> Floats:
    """Sum up Cornish and Fisher's series; the terms are those of Peiser, and of Goldberg."""
    roots = np.sqrt(shapes)
    terms = (
        z,
        (z**2 - 1) / 3,
        (z**3 - 7 * z) / 36,
        -(3 * z**4 + 7 * z**2 - 16) / 810,
        (9 * z**5 + 256 * z**3 - 433 * z) / 38_880,
        (12 * z**6 - 243 * z**4 - 923 * z**2 + 1_472) / 204_120,
        -(3_753 * z**7 + 4_353 * z**5 - 289_517 * z**3 - 289_717 * z) / 146_966_400,
    )
    series = np.zeros(len(shapes))
    for term in reversed(terms):
        series = series / roots + term
    return shapes + roots * series


def _near_quantile(shapes: Floats, z: float, chance: float) -> Floats:
    """Come nearer by Newton's steps."""
    if not len(shapes):
        return shapes
    log_gammas = _log_gammas(shapes)
    cubes = np.maximum(1 - 1 / (9 * shapes) + z / (3 * np.sqrt(shapes)), 0.05) ** 3
    found: Floats = shapes * cubes  # Wilson and Hilferty's guess
    moved, steps = 1.0, 0
    while moved > _SETTLED and steps < _STEPS:
        below = _gamma_parts(shapes, found)[0]
        density = np.exp((shapes - 1) * np.log(found) - found - log_gammas)
        nearer = np.maximum(found - (below - chance) / density, found / 8)
        moved = float(np.max(np.abs(nearer - found) / nearer))
        found, steps = nearer, steps + 1
    return found


def _gamma_parts(shapes: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Give the regularised lower and upper incomplete gamma function of values above 0."""
    front = np.exp(shapes * np.log(values) - values - _log_gammas(shapes))
    below, above = np.empty(len(shapes)), np.empty(len(shapes))
    low = values < shapes + 1
    below[low] = front[low] * _series(shapes[low], values[low])
    above[low] = 1 - below[low]
    above[~low] = front[~low] * _fraction(shapes[~low], values[~low])
    below[~low] = 1 - above[~low]
    return below, above


def _series(shapes: Floats, values: Floats) -> Floats:
    total = term = 1 / shapes
    n = 0
    while np.any(term > _CLOSE * total):
        n += 1
        term = term * values / (shapes + n)
        total = total + term
    return total


def _fraction(shapes: Floats, values: Floats) -> Floats:
    """Evaluate Lentz's continued fraction."""
    b = values + 1 - shapes
    c = np.full(len(shapes), 1 / _TINY)
    d = 1 / b
    total = step = d
    n = 0
    while np.any(np.abs(step - 1) > _CLOSE):
        n += 1
        factor = n * (shapes - n)
        b = b + 2
        d = 1 / _apart(factor * d + b)
        c = _apart(b + factor / c)
        step = d * c
        total = total * step
    return total


def _apart(values: Floats) -> Floats:
    kept: Floats = np.where(np.abs(values) < _TINY, _TINY, values)
    return kept


def _log_gammas(shapes: Floats) -> Floats:
    return np.array([math.lgamma(shape) for shape in shapes])
