"""The simulator inside another process, on its own thread and loop."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .server import Options, Simulator, Story
from .session import KeysAwayError
from .store import StateFileError

START_SECONDS = 60.0
STOP_SECONDS = 2.0
TRUTH_SECONDS = 5.0


class EmbeddedSimulator:
    """
    A simulated upstream for a demo or a test; usable as a context manager.

    Parameters
    ----------
    seed, rate, speed, workers, port, state
        As on the command line; ``rate`` 0 stands still until somebody calls.
    initial
        Sessions alive at the start, spread over their lives.
    engine_port
        Where its container engine listens; 0 picks a free port, ``None`` is without one.
    redis_url
        A Redis in which the sessions live, as KATO's do; its clock ends them.
    clock
        Returns the present in epoch seconds; with ``rate`` 0 a test may move it at will.
    story
        What it has behind it and goes on with, in place of ``initial`` and ``rate``.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        initial: int = 120,
        rate: float = 0.5,
        speed: float = 1.0,
        workers: int = 1,
        port: int = 0,
        state: Path | None = None,
        redis_url: str | None = None,
        engine_port: int | None = None,
        clock: Callable[[], float] = time.time,
        story: Story | None = None,
    ) -> None:
        self._simulator = Simulator(
            Options(
                port=port,
                workers=workers,
                seed=seed,
                rate=rate,
                speed=speed,
                initial=initial,
                state=state,
                redis_url=redis_url,
                engine_port=engine_port,
            ),
            clock,
            story,
        )
        self._thread: threading.Thread | None = None
        self._run: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._settled = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens, once started; no slash at the end."""
        return self._simulator.url

    @property
    def engine_host(self) -> str:
        """Where its container engine listens, as ``DOCKER_HOST``; empty where there is none."""
        return self._simulator.engine_host

    def start(self) -> str:
        """
        Start it and wait until it listens.

        Returns
        -------
        str
            Its URL.

        Raises
        ------
        OSError
            If the port is taken.
        StateFileError
            If the state file cannot be used.
        KeysAwayError
            If the Redis cannot be used.
        RuntimeError
            If it was started before.
        """
        if self._thread is not None:
            raise RuntimeError("this simulator was started before; make another one")
        # A daemon: a process that is told to end must not wait for a demo.
        self._thread = threading.Thread(target=self._serve, name="kato-simulator", daemon=True)
        self._thread.start()
        settled = self._settled.wait(START_SECONDS)
        if self._run.done() or not settled:
            self.stop()
            self._run.result(0)
            raise RuntimeError(f"the simulator did not listen within {START_SECONDS:g} s")
        return self.url

    def stop(self) -> None:
        """Stop it and wait until all is closed; a second call does nothing."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def truth(self) -> dict[str, Any]:
        """
        Tell what is really so, from any thread: the answer of ``GET /_simulator/truth``.

        Raises
        ------
        RuntimeError
            If it is not running.
        """
        if self._loop is None or self._run.done():
            raise RuntimeError("the simulator is not running")
        asked = asyncio.run_coroutine_threadsafe(self._truth(), self._loop)
        return asked.result(TRUTH_SECONDS)

    async def _truth(self) -> dict[str, Any]:
        return self._simulator.upstream.truth()

    def _serve(self) -> None:
        try:
            asyncio.run(self._main())
        except (OSError, KeysAwayError, StateFileError) as error:
            self._run.set_exception(error)
        finally:
            if not self._run.done():
                self._run.set_result(None)
            self._settled.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self._simulator.serve(self._settled.set, self._stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
