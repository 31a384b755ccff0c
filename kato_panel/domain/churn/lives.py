"""Lives as they were seen in a range: from the frame of sessions to ages."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kato_panel.domain.churn.chances import Floats
from kato_panel.domain.churn.survival import Survival, estimate
from kato_panel.domain.churn.window import SECOND, UNKNOWN, Whole, Window, column_micros
from kato_panel.domain.records import Reason
from kato_panel.errors import TooLittle

MIN_ENDS: Final = 10
"""With fewer, no statement about lifetimes is made."""
MAX_GROUPS: Final = 12
OTHERS: Final = "others"
NOT_KNOWN: Final = "not known"
BY: Final = ("node", "day", "reason", "ttl")
"""What sessions may be compared by."""
_TTL_BOUNDS: Final = ((60, "1 min"), (600, "10 min"), (3_600, "1 h"), (86_400, "1 day"))


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """
    Each session that was alive in a range, as far as it was watched there.

    Parameters
    ----------
    began, left
        When it was born, or else seen first; when it ended, or else was seen last, at most the
        end of the range. In microseconds since 1970. All arrays have this length.
    is_ended
        Whether it ended then.
    is_birth
        Whether its birth was witnessed, or is known.
    entry_seconds, exit_seconds
        Its age when it came under observation in the range, and when it left.
    width_seconds
        Of the interval in which it ended; 0 for who lives on.
    is_watched
        Whether these ages can be used: its birth is known, and it was watched for some time, or
        else from its birth to an end at the same moment.
    node, reason
        Of each; ``NaN`` where not known.
    ttl_seconds
        Its time to live; ``NaN`` where not known.
    """

    began: Whole
    left: Whole
    is_ended: NDArray[np.bool_]
    is_birth: NDArray[np.bool_]
    entry_seconds: Floats
    exit_seconds: Floats
    width_seconds: Floats
    is_watched: NDArray[np.bool_]
    node: pd.Categorical
    reason: pd.Categorical
    ttl_seconds: Floats

    @classmethod
    def of(cls, sessions: pd.DataFrame, window: Window) -> Self:
        """
        Read the frame of sessions.

        Parameters
        ----------
        sessions
            As `kato_panel.Monitor.lives` gives it; `ttl_seconds` may be left out.
        window
            What is looked at; a session that ends after it lives on in it.
        """
        began = column_micros(sessions.index)
        created = column_micros(sessions["created"])
        entered = np.maximum(column_micros(sessions["entered"]), window.since)
        earliest = column_micros(sessions["ended_earliest"])
        latest = column_micros(sessions["ended_latest"])
        has_end = latest != UNKNOWN
        middle = np.where(has_end, earliest, 0) + np.where(has_end, latest - earliest, 0) // 2
        is_ended = has_end & (middle < window.until)
        seen = np.where(has_end, window.until, column_micros(sessions["last_seen"]))
        left = np.where(is_ended, middle, np.minimum(seen, window.until))
        alive = (began < window.until) & (left >= window.since)
        is_alive = slice(None) if alive.all() else alive  # what is taken whole is not copied
        is_known = created != UNKNOWN
        born = np.where(is_known, created, began)
        ttl_seconds = (
            sessions["ttl_seconds"].to_numpy(dtype=float, na_value=np.nan)
            if "ttl_seconds" in sessions
            else np.full(len(began), np.nan)
        )
        is_seen = (left > entered) & (left > born)
        # Who ended at the moment of birth was watched all the same: in a clock of whole
        # milliseconds that is how the shortest look.
        is_momentary = is_ended & (left == born) & (entered == born)
        return cls(
            began=began[is_alive],
            left=left[is_alive],
            is_ended=is_ended[is_alive],
            is_birth=(is_known | sessions["born_by"].notna().to_numpy())[is_alive],
            entry_seconds=np.maximum(entered - born, 0)[is_alive] / SECOND,
            exit_seconds=(left - born)[is_alive] / SECOND,
            width_seconds=np.where(is_ended, latest - earliest, 0)[is_alive] / SECOND,
            is_watched=(is_known & (is_seen | is_momentary))[is_alive],
            node=_categories(sessions["node"])[is_alive],
            reason=_categories(sessions["reason"], [reason.value for reason in Reason])[is_alive],
            ttl_seconds=ttl_seconds[is_alive],
        )

    def __len__(self) -> int:
        return len(self.began)

    @property
    def ends(self) -> int:
        """How many lives of known age ended while they were watched."""
        return int((self.is_ended & self.is_watched).sum())

    def survival(self, places: NDArray[np.int64] | None = None) -> Survival:
        """
        Estimate the curve of all, or of those at some places.

        Raises
        ------
        TooLittle
            If fewer than 10 of them ended.
        """
        used = self.is_watched if places is None else places[self.is_watched[places]]
        is_ended = self.is_ended[used]
        check_ends(int(is_ended.sum()))
        return estimate(self.exit_seconds[used], is_ended, self.entry_seconds[used])

    def groups(self, by: str, zone: str) -> tuple[pd.Categorical, str | None]:
        """
        Say to which group each session belongs.

        Parameters
        ----------
        by
            One of `BY`: its node, the day of its birth, why it ended, or its time to live.
        zone
            Name of the time zone in which days are counted.

        Returns
        -------
        tuple of pandas.Categorical and str or None
            At most `MAX_GROUPS` of the greatest groups by name, then *others*; who has no reason
            because they live on is in none. And the name of the others, if there are any.

        Notes
        -----
        A node may be called what is made up here: the made-up name is put into brackets then.
        """
        check_by(by)
        match by:
            case "node":
                unknown = _apart(NOT_KNOWN, self.node.categories)
                labels = self.node.add_categories([unknown]).fillna(unknown)
            case "reason":
                codes = np.where(self.is_ended, self.reason.codes, -1)
                labels = pd.Categorical.from_codes(codes, self.reason.categories)
            case "day":
                labels = _days(self.began, zone)
            case _:
                labels = _ttl_classes(self.ttl_seconds)
        return _greatest(labels)


def check_by(by: str) -> None:
    """Raise `ValueError` unless sessions can be compared by it."""
    if by not in BY:
        raise ValueError(f"by is {by!r}, must be one of {', '.join(BY)}")


def check_ends(ends: int) -> None:
    """Raise `TooLittle` if so few ends allow no statement."""
    if ends < MIN_ENDS:
        noun = "session" if ends == 1 else "sessions"
        raise TooLittle(f"{ends} {noun} of known age ended, must be at least {MIN_ENDS}")


def _categories(names: "pd.Series[str]", known: list[str] | None = None) -> pd.Categorical:
    """Give names as categories; pandas forgets that they are where frames are joined."""
    array = names.array
    return array if isinstance(array, pd.Categorical) else pd.Categorical(array, known)


def _days(began: Whole, zone: str) -> pd.Categorical:
    hours, places = np.unique(began // (900 * SECOND), return_inverse=True)
    starts = pd.to_datetime(hours * 900, unit="s", utc=True).tz_convert(zone)
    return pd.Categorical(starts.strftime("%Y-%m-%d").to_numpy(dtype=object)[places])


def _ttl_classes(ttl_seconds: Floats) -> pd.Categorical:
    names = [f"up to {name}" for _, name in _TTL_BOUNDS]
    names = [*names, f"above {_TTL_BOUNDS[-1][1]}", NOT_KNOWN]
    codes = np.searchsorted([bound for bound, _ in _TTL_BOUNDS], ttl_seconds, side="left")
    codes[np.isnan(ttl_seconds)] = len(names) - 1
    return pd.Categorical.from_codes(codes, names)


def _apart(made_up: str, names: Iterable[str]) -> str:
    """Keep a made-up name apart from real ones."""
    taken = set(names)
    while made_up in taken:
        made_up = f"({made_up})"
    return made_up


def _greatest(labels: pd.Categorical) -> tuple[pd.Categorical, str | None]:
    """Keep the greatest groups, and put the others into one."""
    sizes = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))
    by_size = np.argsort(-sizes, kind="stable")
    kept = np.sort(by_size[:MAX_GROUPS][sizes[by_size[:MAX_GROUPS]] > 0])
    names = [str(labels.categories[place]) for place in kept]
    others = _apart(OTHERS, names) if sizes.sum() > sizes[kept].sum() else None
    codes = np.full(len(labels.categories) + 1, len(kept))
    codes[kept] = np.arange(len(kept))
    codes[-1] = -1  # where a code is -1 already
    shown = names if others is None else [*names, others]
    return pd.Categorical.from_codes(codes[labels.codes], shown), others
