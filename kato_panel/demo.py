"""The upstream of the demo: the simulator, with a week behind it and a Redis where there is one."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kato_panel.history.lock import WriterLock
from kato_panel.simulator import EmbeddedSimulator, OwnRedis

if TYPE_CHECKING:
    from kato_panel.demo_week import DemoWeek  # which needs NumPy

SEED: Final = 1
SESSIONS: Final = 120
RATE: Final = 0.5
PREFIX: Final = "kato-panel-demo-"
IN_USE: Final = "in-use"
FRESH_SECONDS: Final = 60.0
"""A folder may be so young before it is locked."""


class Demo:
    """
    What is watched where no upstream is named.

    Parameters
    ----------
    make_week
        Makes the week behind it, given its end in epoch seconds; without it there is none.
    folder
        For a Redis of its own; without it there is none either.

    Attributes
    ----------
    week
        What is behind it, once it is started.
    """

    def __init__(
        self,
        make_week: "Callable[[float], DemoWeek] | None" = None,
        folder: Path | None = None,
    ) -> None:
        self._make_week = make_week
        self._folder = folder
        self._simulator: EmbeddedSimulator | None = None
        self._redis: OwnRedis | None = None
        self.week: DemoWeek | None = None

    def start(self, at: float, *, has_engine: bool) -> str:
        """
        Start it, and wait until it listens; return its address.

        Parameters
        ----------
        at
            The present, in epoch seconds: the end of the week.
        has_engine
            Whether it has containers.
        """
        if self._folder is not None:
            self._redis = OwnRedis.start_if_there(self._folder)
        if self._make_week is not None:
            self.week = self._make_week(at)
        self._simulator = EmbeddedSimulator(
            seed=SEED,
            initial=SESSIONS,
            rate=RATE,
            redis_url=self.redis_url,
            engine_port=0 if has_engine else None,
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


@contextmanager
def demo_folder() -> Iterator[Path]:
    """Have a folder as long as a demo runs, and remove those of demos that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's
            _remove_unused(folder)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        lock = WriterLock(Path(name) / IN_USE)
        lock.take()
        try:
            yield Path(name)
        finally:
            lock.release()


def _remove_unused(folder: Path) -> None:
    if folder.is_symlink() or time.time() - folder.stat().st_mtime < FRESH_SECONDS:
        return
    lock = WriterLock(folder / IN_USE)
    if lock.take() is None:
        lock.release()
        shutil.rmtree(folder)
