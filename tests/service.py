"""
The service in a process of its own, for tests that kill it or look at it from outside.

Each is forked off one process that has imported everything, which is most of what a start costs;
``test_service.py`` and ``test_readme.py`` start it by its command, as users do.
"""

import multiprocessing
import os
import signal
import time

_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(["kato_panel.server.service", "kato_panel.views.dashboard", __name__])


class ServiceProcess:
    """``kato-panel serve`` in a process of its own, or another command that serves."""

    def __init__(self, folder, *flags, command=("serve",), **settings):
        self.log = folder / "service.log"
        # The service's own environment: the tests' must not decide what is watched.
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
        told, telling = _WARM.Pipe(duplex=False)
        self._process = _WARM.Process(
            target=_serve,
            args=(folder, self.log, environment, telling, [*command, "--port", "0", *flags]),
            daemon=True,
        )
        self._process.start()
        telling.close()
        with os.fdopen(os.dup(told.fileno())) as words:
            line = words.readline()
        assert line, self.log.read_text()
        self._told = told
        self.url = line.rsplit(" ", 1)[-1].strip()
        self.base = self.url.removesuffix("/app")

    def kill(self):
        """Let it vanish."""
        self._process.kill()
        self._process.join()

    def end(self, timeout_seconds=30):
        """Send TERM; return the exit code."""
        self._process.terminate()
        self._process.join(timeout_seconds)
        code = self._process.exitcode
        assert code is not None, f"not ended within {timeout_seconds} s"
        return 0 if code == -signal.SIGKILL else code


def _serve(folder, log, environment, telling, words):
    """Become what a shell would have started there."""
    from kato_panel.cli import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.dup2(telling.fileno(), 1)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 2)
    main(words, prog_name="kato-panel")
