"""A Redis of the simulator's own, where this machine has the program: it keeps nothing."""

import contextlib
import logging
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PROGRAM: Final = "redis-server"
START_SECONDS: Final = 5.0
STOP_SECONDS: Final = 2.0
ASK_SECONDS: Final = 1.0
KEY_EVENTS: Final = "Egxen"
"""All that tells births and ends of keys."""

logger = logging.getLogger(__name__)


class OwnRedis:
    """
    A running ``redis-server`` that listens on a socket in a folder, and on no port.

    Parameters
    ----------
    program
        Where the program is.
    folder
        Where its socket and its log are; whoever gives it removes it.
    guard
        Words before its command, of a program that becomes it.

    Attributes
    ----------
    url
        Its address.

    Raises
    ------
    OSError
        If it cannot be started, ends before it answers, or does not answer in time.
    """

    def __init__(self, program: str, folder: Path, guard: Sequence[str] = ()) -> None:
        place = folder / "redis.sock"
        self.url = f"unix://{quote(str(place))}"
        self._log = folder / "redis.log"
        settings = {
            "port": "0",
            "unixsocket": str(place),
            "unixsocketperm": "700",
            "dir": str(folder),
            "save": "",
            "appendonly": "no",
            "notify-keyspace-events": KEY_EVENTS,
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - every word of it is ours
                [*guard, program, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to answer: it is still asked meanwhile
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    @classmethod
    def start_if_there(cls, folder: Path) -> Self | None:
        """
        Start one; ``None`` where the program is missing, or does not start.

        On Linux it ends with the thread that calls this, even if that is killed.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            logger.info("%s is not installed: the demo is watched without it", PROGRAM)
            return None
        for guard in _guards():
            try:
                return cls(program, folder, guard)
            except OSError as error:
                logger.warning("%s does not start: %s", " ".join((*guard, program)), error)
        return None

    def close(self) -> None:
        """End it; a second call does nothing."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(
            self.url, socket_timeout=ASK_SECONDS, retry=Retry(NoBackoff(), 0)
        ) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    return
                code = self._process.poll()
                if code is not None:
                    told = self._log.read_text(errors="replace").strip().splitlines()
                    raise OSError(f"it ended with {code}: {told[-1] if told else 'no word'}")
                time.sleep(0.02)
        raise TimeoutError(f"no answer within {START_SECONDS:g} s")


def _guards() -> list[list[str]]:
    """List what may see to it that it does not outlive us; at last, nothing."""
    program = shutil.which("setpriv")
    return [[]] if program is None else [[program, "--pdeathsig", "KILL", "--"], []]
