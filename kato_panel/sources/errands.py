"""Blocking work on short-lived threads: none holds up the loop, or the end of the process."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from kato_panel.errors import SourceError, SourceUnavailable

T = TypeVar("T")


class Errands:
    """
    Sends work to threads, one for each key at a time.

    Parameters
    ----------
    name
        What the threads are named after.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._under_way: dict[str, asyncio.Future[None]] = {}

    def is_under_way(self, key: str) -> bool:
        """Say whether the thread of a key has not come back."""
        return key in self._under_way

    def send(self, key: str, work: Callable[[], T]) -> "asyncio.Future[T]":
        """
        Do some work on a thread of its own.

        Parameters
        ----------
        key
            Whose work it is.
        work
            Ends by itself, also where nobody waits for it any longer. Its `SourceError` is raised
            to whoever waits; anything else is a mistake in it, and breaks whoever waits.

        Raises
        ------
        SourceUnavailable
            If the thread of this key has not come back from its work before.
        """
        if key in self._under_way:
            raise SourceUnavailable("no answer yet to the call before")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._under_way[key] = loop.create_future()

        def settle(values: list[T], error: SourceError | None) -> None:
            thread.join()  # to call us was the last that it did
            self._under_way.pop(key).set_result(None)
            if answer.cancelled():
                return
            if values:
                answer.set_result(values[0])
            else:
                answer.set_exception(error or RuntimeError(f"the work of {key} broke"))
                answer.exception()  # whoever no longer waits has not lost it

        def work_and_tell() -> None:
            values: list[T] = []
            failure: SourceError | None = None
            try:
                values.append(work())
            except SourceError as error:
                failure = error
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has ended before us
                    loop.call_soon_threadsafe(settle, values, failure)

        thread = threading.Thread(
            target=work_and_tell, name=f"{self._name}-{key[:12]}", daemon=True
        )
        thread.start()
        return answer

    async def wait(self, seconds: float) -> None:
        """Wait for all that is under way, but not longer than so."""
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=seconds)
