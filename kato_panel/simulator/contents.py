"""What the simulator's own clients put into a session: metadata, short-term memory, accesses."""

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

TEAMS = ("planning", "vision", "language", "robotics", "evaluation")
TASKS = ("train", "replay", "probe", "triage", "nightly", "demo")
WORDS = ("red", "green", "left", "right", "open", "closed", "cup", "door", "near", "far", "stop")
ACCESS_GAP_SECONDS = 12.0
STM_MAX = 40
EVENT_MAX = 4
PLAIN_SHARE = 0.3


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """
    What a session holds at some age.

    ``idle_share`` is the part of its age since the last access; ``None`` without any access.
    """

    metadata: Mapping[str, Any]
    stm: Sequence[Sequence[str]]
    access_count: int
    idle_share: float | None


def draw_use(draw: random.Random, stm: Sequence[Sequence[str]]) -> list[list[str]]:
    """Draw what an access leaves in the short-term memory: one event more; a full one is learnt."""
    kept = [list(one) for one in stm] if len(stm) < STM_MAX else []
    return [*kept, draw.choices(WORDS, k=draw.randint(1, EVENT_MAX))]


def draw_contents(draw: random.Random, age_seconds: float) -> Contents:
    """
    Draw what a session holds.

    Parameters
    ----------
    age_seconds
        In simulated seconds; the older, the more it was used.
    """
    metadata = {}
    if draw.random() > PLAIN_SHARE:
        metadata = {"team": draw.choice(TEAMS), "task": draw.choice(TASKS)}
        if draw.random() > PLAIN_SHARE:
            metadata["run"] = str(draw.randrange(1, 1000))
    pace_seconds = ACCESS_GAP_SECONDS * draw.lognormvariate(0, 1)
    access_count = draw.randrange(4) + int(age_seconds / pace_seconds)
    length = draw.randint(0, min(access_count, STM_MAX))
    stm = [draw.choices(WORDS, k=draw.randint(1, EVENT_MAX)) for _ in range(length)]
    idle_share = draw.random() / (1 + access_count)
    return Contents(metadata, stm, access_count, idle_share if access_count else None)
