"""The upstream of the demo: the simulator, with a week behind it and a Redis where there is one."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kato_panel.simulator import EmbeddedSimulator, OwnRedis

if TYPE_CHECKING:
    from kato_panel.demo_week import DemoWeek  # which needs NumPy

SEED: Final = 1
SESSIONS: Final = 120
RATE: Final = 0.5


class Demo:
    """
    What is watched where no upstream is named.

    Parameters
    ----------
    make_week
        Makes the week behind it, given its end in epoch seconds; without it there is none, and
        no Redis either.
    has_engine
        Whether it has containers.

    Attributes
    ----------
    week
        What is behind it, once it is started.
    """

    def __init__(
        self, make_week: "Callable[[float], DemoWeek] | None" = None, *, has_engine: bool
    ) -> None:
        self._make_week = make_week
        self._has_engine = has_engine
        self._simulator: EmbeddedSimulator | None = None
        self._redis: OwnRedis | None = None
        self.week: DemoWeek | None = None

    def start(self, at: float) -> str:
        """
        Start it, and wait until it listens; return its address.

        Parameters
        ----------
        at
            The present, in epoch seconds: the end of the week.
        """
        if self._make_week is not None:
            self._redis = OwnRedis.start_if_there()
            self.week = self._make_week(at)
        self._simulator = EmbeddedSimulator(
            seed=SEED,
            initial=SESSIONS,
            rate=RATE,
            redis_url=self.redis_url,
            engine_port=0 if self._has_engine else None,
            story=None if self.week is None else self.week.past,
        )
        return self._simulator.start()

    @property
    def redis_url(self) -> str | None:
        """Where its sessions live; ``None`` without a Redis."""
        return None if self._redis is None else self._redis.url

    @property
    def engine_host(self) -> str:
        """Where its container engine listens, as ``DOCKER_HOST``; empty where there is none."""
        return "" if self._simulator is None else self._simulator.engine_host

    def stop(self) -> None:
        """End all of it. Stopping twice is allowed."""
        if self._simulator is not None:
            self._simulator.stop()
        if self._redis is not None:
            self._redis.close()
