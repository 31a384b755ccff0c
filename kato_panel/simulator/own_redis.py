"""A Redis of the simulator's own, where this machine has the program: it keeps nothing."""

import contextlib
import logging
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Self

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
    A running ``redis-server`` that listens on a socket in a folder of its own, and on no port.

    Parameters
    ----------
    program
        Where the program is.

    Attributes
    ----------
    url
        Its address.

    Raises
    ------
    OSError
        If it cannot be started, or ends before it answers.
    TimeoutError
        If it does not answer in time.
    """

    def __init__(self, program: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="kato-redis-"))
        place = self._folder / "redis.sock"
        self.url = f"unix://{place}"
        settings = {
            "port": "0",
            "unixsocket": str(place),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "save": "",
            "appendonly": "no",
            "notify-keyspace-events": KEY_EVENTS,
        }
        command = [program]
        for name, value in settings.items():
            command += [f"--{name}", value]
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(  # noqa: S603 - every word of it is ours
                [*_ends_with_us(), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is ours to answer: it is still asked meanwhile
            )
            self._wait(self._process)
        except BaseException:
            self.close()
            raise

    @classmethod
    def start_if_there(cls) -> Self | None:
        """Start one; ``None`` where the program is missing, or does not start."""
        program = shutil.which(PROGRAM)
        if program is None:
            logger.info("%s is not installed: the demo is watched without it", PROGRAM)
            return None
        try:
            return cls(program)
        except OSError as error:
            logger.warning("%s does not start: %s", program, error)
            return None

    def close(self) -> None:
        """End it, and remove its folder; a second call does nothing."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(
            self.url, socket_timeout=ASK_SECONDS, retry=Retry(NoBackoff(), 0)
        ) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    return
                code = process.poll()
                if code is not None:
                    raise OSError(f"it ended with {code}")
                time.sleep(0.02)
        raise TimeoutError(f"no answer within {START_SECONDS:g} s")


def _ends_with_us() -> list[str]:
    """Have it ended with this process even where that is killed, if the system can do so."""
    program = shutil.which("setpriv")
    return [] if program is None else [program, "--pdeathsig", "KILL", "--"]
