"""
Kaplan and Meier's curve, from lives that are seen in part.

Sessions that are still open are censored; those that were open before anybody looked come under
observation at the age they had then. Both bias the plain mean, and neither biases this.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kato_panel.domain.churn.chances import Floats, Z
from kato_panel.domain.times import say_duration

Integers = NDArray[np.int64]
MICROSECONDS: Final = 1_000_000
"""In a second."""
FEW_AT_RISK: Final = 10
"""Below so many sessions under observation, the curve says little."""


@dataclass(frozen=True, slots=True)
class Interval:
    """
    A figure with its bounds of 95 %.

    Parameters
    ----------
    value, low, high
        In the unit that the name of what holds it says; ``None`` where the data do not reach.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """
    The share of sessions that reach an age.

    Parameters
    ----------
    ages_seconds
        Each age at which sessions ended, rising. All arrays have this length.
    survival
        Share, 0 to 1, that lives on after this age; from 0 to the first age it is 1.
    lower, upper
        Its bounds of 95 %, of log-log form, each age for itself. Where the curve is 0 that form
        has no value, and the upper bound of the age before stays.
    at_risk, ended
        Sessions under observation just before this age, and ended at it.
    sessions, ends
        How many lives it is made of, and how many of them ended.
    late_entries
        How many of them came under observation after their birth.
    last_age_seconds
        The greatest age at which anybody was watched.
    notes
        What has to be known to read it.
    late_seconds, open_seconds
        The ages at which those came under observation who did after their birth, and at which
        those were seen last who had not ended; each rising.
    """

    ages_seconds: Floats
    survival: Floats
    lower: Floats
    upper: Floats
    at_risk: Integers
    ended: Integers
    sessions: int
    ends: int
    late_entries: int
    last_age_seconds: float
    notes: tuple[str, ...]
    late_seconds: Floats
    open_seconds: Floats

    @property
    def still_open(self) -> int:
        """How many had not ended when they were seen last."""
        return self.sessions - self.ends

    @property
    def told_seconds(self) -> float:
        """
        The greatest age of which the curve says anything.

        That is the greatest at which anybody was watched; or an age at which all who were under
        observation ended, though others were watched at greater ones: there it is 0 for good.
        """
        emptied = _find_emptied(self.ages_seconds, self.at_risk, self.ended, self.last_age_seconds)
        return self.last_age_seconds if emptied is None else emptied

    @property
    def median_seconds(self) -> Interval:
        """The age that half of the sessions reach."""
        return self.quantile_seconds(0.5)

    def quantile_seconds(self, share: float) -> Interval:
        """
        Give the age that a share of the sessions, 0 to 1, does not outlive.

        Parameters
        ----------
        share
            Of the sessions.

        Raises
        ------
        ValueError
            If it is no share.

        Returns
        -------
        Interval
            The first age at which the curve, and each of its bounds, is at most what is left. A
            bound need not fall with the curve: where it rises again, the first age counts, as in
            lifelines.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share!r}, must be 0 to 1")
        left = 1 - share
        return Interval(
            self._age_at(self.survival, left),
            self._age_at(self.lower, left),
            self._age_at(self.upper, left),
        )

    def _age_at(self, curve: Floats, left: float) -> float | None:
        is_below = curve <= left
        return float(self.ages_seconds[np.argmax(is_below)]) if is_below.any() else None

    def at(self, ages_seconds: NDArray[np.float64] | list[float]) -> pd.DataFrame:
        """
        Read the curve at some ages.

        Parameters
        ----------
        ages_seconds
            At least 0.

        Returns
        -------
        pandas.DataFrame
            One row per age, in this order; index `age`: timedelta; columns: `survival`, `lower`,
            `upper` (float64, share of 0 to 1; ``NaN`` beyond `told_seconds`), `at_risk` (int64,
            sessions under observation at this age).

        Raises
        ------
        ValueError
            If one of them is none.
        """
        ages = np.asarray(ages_seconds, dtype=float)
        if not (ages >= 0).all():
            wrong = ages[~(ages >= 0)][0]
            raise ValueError(f"ages_seconds has {wrong:g}, must be at least 0 each")
        place = np.searchsorted(self.ages_seconds, ages, side="right")
        is_beyond = ages > self.told_seconds
        frame = pd.DataFrame(
            {
                name: np.where(is_beyond, np.nan, np.concatenate([[1.0], curve])[place])
                for name, curve in (
                    ("survival", self.survival),
                    ("lower", self.lower),
                    ("upper", self.upper),
                )
            },
            index=_age_index(ages),
        )
        frame["at_risk"] = self._entered_at(ages)
        return frame

    def frame(self, most: int | None = None) -> pd.DataFrame:
        """
        Lay out the curve.

        Parameters
        ----------
        most
            Rows at most, evenly spread over the curve's fall; all if it is not given.

        Returns
        -------
        pandas.DataFrame
            One row per age at which sessions ended, after one for the age 0 unless some ended
            at that; index `age`: timedelta; columns: `survival`, `lower`, `upper` (float64,
            share), `at_risk`, `ended` (int64, sessions).
        """
        place = np.arange(len(self.ages_seconds))
        if most is not None and len(place) >= most:
            wanted = np.linspace(self.survival[0], self.survival[-1], most - 1)
            place = np.unique(np.searchsorted(-self.survival, -wanted).clip(max=place[-1]))
        first = np.array([self._entered_at(np.zeros(1))[0]])
        one, none = np.ones(1), np.zeros(1, dtype=np.int64)
        frame = pd.DataFrame(
            {
                "survival": np.concatenate([one, self.survival[place]]),
                "lower": np.concatenate([one, self.lower[place]]),
                "upper": np.concatenate([one, self.upper[place]]),
                "at_risk": np.concatenate([first, self.at_risk[place]]),
                "ended": np.concatenate([none, self.ended[place]]),
            },
            index=_age_index(np.concatenate([np.zeros(1), self.ages_seconds[place]])),
        )
        return frame[1:] if self.ages_seconds[0] == 0 else frame

    def restricted_mean_seconds(self, until_age_seconds: float | None = None) -> Interval:
        """
        Give the mean of the part of each life that is below an age.

        Parameters
        ----------
        until_age_seconds
            That age; the greatest that was watched if it is not given, or is greater.

        Returns
        -------
        Interval
            Bounds by Greenwood's variance of the area.

        Raises
        ------
        ValueError
            If it is below 0.
        """
        until = self.last_age_seconds
        if until_age_seconds is not None:
            if not until_age_seconds >= 0:
                raise ValueError(f"until_age_seconds is {until_age_seconds}, must be at least 0")
            until = min(until, until_age_seconds)
        used = int(np.searchsorted(self.ages_seconds, until, side="left"))
        ages = self.ages_seconds[:used]
        heights = np.concatenate([[1.0], self.survival[:used]])
        areas = heights * np.diff(np.concatenate([[0.0], ages, [until]]))
        mean = float(areas.sum())
        beyond = mean - np.cumsum(areas[:-1])
        risk, ended = self.at_risk[:used].astype(float), self.ended[:used]
        left = risk - ended
        has_left = left > 0
        terms = beyond[has_left] ** 2 * ended[has_left] / (risk[has_left] * left[has_left])
        spread = Z * float(np.sqrt(terms.sum()))
        return Interval(mean, max(0.0, mean - spread), min(until, mean + spread))

    def _entered_at(self, ages: Floats) -> Integers:
        """Count those who are under observation at ages: entered by then, and not out before."""
        late = np.searchsorted(self.late_seconds, ages, side="right")
        ended = np.concatenate([[0], np.cumsum(self.ended)])
        ended_below = ended[np.searchsorted(self.ages_seconds, ages, side="left")]
        open_below = np.searchsorted(self.open_seconds, ages, side="left")
        counts: Integers = self.sessions - self.late_entries + late - ended_below - open_below
        return counts


def estimate(
    exits_seconds: Floats, is_ended: NDArray[np.bool_], entries_seconds: Floats
) -> Survival:
    """
    Estimate a curve.

    Parameters
    ----------
    exits_seconds
        The age at which each session was seen last; above its entry.
    is_ended
        Whether it ended then; else it lived on.
    entries_seconds
        The age at which it came under observation; 0 if at birth. It counts for ages above, and
        who is watched from birth for the age 0, too.
    """
    at_end = np.sort(exits_seconds[is_ended])
    censored = np.sort(exits_seconds[~is_ended])
    is_late = entries_seconds > 0
    late = np.sort(entries_seconds[is_late])
    is_new = np.empty(len(at_end), dtype=bool)
    is_new[:1] = True
    np.not_equal(at_end[1:], at_end[:-1], out=is_new[1:])
    ended_before = np.flatnonzero(is_new)
    ages = at_end[ended_before]
    ended = np.diff(np.append(ended_before, len(at_end)))
    entered = len(exits_seconds) - len(late) + np.searchsorted(late, ages, side="left")
    at_risk = entered - ended_before - np.searchsorted(censored, ages, side="left")
    curve, lower, upper = _curve(at_risk, ended)
    from_birth = len(exits_seconds) - len(late)
    unwatched = _first_unwatched(from_birth, late, censored, at_end)
    last_age = float(exits_seconds.max(initial=0.0))
    return Survival(
        ages_seconds=ages,
        survival=curve,
        lower=lower,
        upper=upper,
        at_risk=at_risk,
        ended=ended,
        sessions=len(exits_seconds),
        ends=len(at_end),
        late_entries=len(late),
        last_age_seconds=last_age,
        notes=(*_note_unwatched(unwatched), *_read_notes(ages, at_risk, ended, curve, last_age)),
        late_seconds=late,
        open_seconds=censored,
    )


def _curve(at_risk: Integers, ended: Integers) -> tuple[Floats, Floats, Floats]:
    """Multiply up the shares that live on; Greenwood's variance, on the log-log scale."""
    left = at_risk - ended
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.cumsum(np.log(left) - np.log(at_risk))
        variance = np.cumsum(ended / (at_risk.astype(float) * left))
        spread = Z * np.sqrt(variance) / logs
        lower = np.exp(logs * np.exp(-spread))
        upper = np.exp(logs * np.exp(spread))
    curve = np.exp(logs)
    over = np.isneginf(logs)
    lower[over] = 0.0
    if over.any():
        first = int(np.argmax(over))
        upper[over] = upper[first - 1] if first else 1.0
    return curve, lower, upper


def _age_index(ages_seconds: Floats) -> pd.TimedeltaIndex:
    micros = np.rint(ages_seconds * MICROSECONDS).astype("timedelta64[us]")
    return pd.TimedeltaIndex(micros, name="age")


def _first_unwatched(
    from_birth: int, late: Floats, censored: Floats, at_end: Floats
) -> tuple[float, float] | None:
    """Find the first ages at which nobody was watched though nobody's end had emptied them."""
    if not len(late):
        return None
    if not from_birth:
        return 0.0, float(late[0])
    entered = from_birth + np.searchsorted(late, censored, side="right")
    left = np.searchsorted(at_end, censored, side="right")
    left += np.searchsorted(censored, censored, side="right")
    emptied = censored[(entered == left) & (censored < late[-1])]
    if not len(emptied):
        return None
    return float(emptied[0]), float(late[np.searchsorted(late, emptied[0], side="right")])


def _note_unwatched(ages_seconds: tuple[float, float] | None) -> list[str]:
    if ages_seconds is None:
        return []
    begin, end = ages_seconds
    until = say_duration(end)
    where = f"from age {say_duration(begin)} to {until}" if begin else f"below age {until}"
    note = (
        f"nobody was under observation {where}: figures hold for sessions that reach that age, "
        "and are too long for all"
    )
    return [note]


def _find_emptied(
    ages: Floats, at_risk: Integers, ended: Integers, last_age_seconds: float
) -> float | None:
    """Find the first age at which all ended who were under observation, but not all there were."""
    emptied = ages[at_risk == ended]
    return float(emptied[0]) if len(emptied) and emptied[0] < last_age_seconds else None


def _read_notes(
    ages: Floats, at_risk: Integers, ended: Integers, curve: Floats, last_age_seconds: float
) -> list[str]:
    notes = []
    emptied = _find_emptied(ages, at_risk, ended, last_age_seconds)
    if emptied is not None:
        notes.append(
            f"everybody under observation ended at age {say_duration(emptied)}, but others were "
            f"watched up to age {say_duration(last_age_seconds)}: from there on the curve is 0 and "
            "says nothing, and the mean lifetime is too short"
        )
    half = int(np.searchsorted(-curve, -0.5))
    if half < len(curve) and at_risk[half] < FEW_AT_RISK:
        notes.append(f"only {at_risk[half]} sessions were under observation at the median")
    return notes
