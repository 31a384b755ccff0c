"""Real ``redis-server`` processes for tests, each on a port of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.ports import free_port

START_SECONDS = 10.0
ASK_SECONDS = 5.0
REFUSALS = (redis.exceptions.AuthenticationError, redis.exceptions.ResponseError)
"""Answers all the same, to who has no right to ask."""


def find_program() -> str:
    """Find ``redis-server``, or say what to install."""
    path = shutil.which("redis-server")
    assert path, "the tests need Debian's package redis-server"
    return path


class RedisServer:
    """
    Debian's ``redis-server`` on a free port of loopback; a context manager that runs it.

    Parameters
    ----------
    config
        Its settings, as in ``redis.conf``; a setting that may stand there more than once, such
        as ``user``, has a list.
    keeps
        Whether its data survive :meth:`kill` and :meth:`start`; each write is on disk then.
    password
        What clients of :meth:`client` and ``url`` tell, if the settings ask for one.
    folder
        Where it works; a temporary folder if not given.
    """

    def __init__(
        self,
        config: Mapping[str, str | list[str]] | None = None,
        *,
        keeps: bool = False,
        password: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self._command = [find_program()]
        self.password = password
        self._is_folder_own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="redis-server-"))
        self.port = free_port()
        settings: dict[str, str | list[str]] = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes" if keeps else "no",
            "appendfsync": "always",
        }
        settings |= {"requirepass": password} if password else {}
        settings |= config or {}
        for name, value in settings.items():
            for one in [value] if isinstance(value, str) else value:
                # a user's rules are words of their own
                words = one.split() if name == "user" else [one]
                self._command += [f"--{name}", *words]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, with the password, for database 0."""
        return self.url_of()

    def url_of(self, database: int = 0, user: str = "", password: str | None = None) -> str:
        """Where it listens, for a database and a user."""
        secret = self.password if password is None else password
        who = f"{quote(user, safe='')}:{quote(secret, safe='')}@" if secret else ""
        return f"redis://{who}127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int | None:
        """The process; ``None`` while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start it on its port, and wait until it answers."""
        assert self._process is None, "this Redis runs already"
        log = (self.folder / "redis-server.log").open("ab")
        with log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            ended = self._process.poll()
            if ended is not None or time.monotonic() > deadline:
                told = (self.folder / "redis-server.log").read_text(errors="replace")
                self.kill()
                raise AssertionError(f"redis-server did not start: {told[-2000:]}")
        return self

    def kill(self) -> None:
        """End it at once, as a power cut would; what it does not keep is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an administrator does."""
        self._end(signal.SIGTERM)

    def close(self) -> None:
        """End it, and remove its own folder; a second call does nothing."""
        self.kill()
        if self._is_folder_own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def freeze(self) -> None:
        """Let it hang: its port still accepts, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def client(self, database: int = 0, **options: object) -> redis.Redis:
        """Return a client of its own; whoever takes it closes it."""
        settings = {
            "port": self.port,
            "db": database,
            "password": self.password,
            "socket_timeout": ASK_SECONDS,
            "retry": Retry(NoBackoff(), 0),  # its own would wait, while a server starts
        }
        return redis.Redis(**(settings | options))

    def cli(self, *words: object, database: int = 0) -> object:
        """Carry out one command; texts come back as bytes."""
        with self.client(database) as client:
            return client.execute_command(*words)

    def configure(self, name: str, value: str) -> None:
        """Change a setting while it runs."""
        self.cli("CONFIG", "SET", name, value)

    def _answers(self) -> bool:
        try:
            self.cli("PING")
        except REFUSALS:
            return True
        except redis.exceptions.ConnectionError:
            return False
        return True

    def _signal(self, number: int) -> None:
        assert self._process is not None, "this Redis does not run"
        os.kill(self._process.pid, number)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            if number != signal.SIGKILL:
                self._process.send_signal(signal.SIGCONT)
            self._process.wait(ASK_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except AssertionError:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
