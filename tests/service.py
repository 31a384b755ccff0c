"""The service in a process of its own, for tests that kill it or look at it from outside."""

import os
import signal
import subprocess
import sys


class ServiceProcess:
    """``kato-panel serve`` in a process of its own."""

    def __init__(self, folder, *flags, **settings):
        command = [sys.executable, "-m", "kato_panel", "serve", "--port", "0", *flags]
        self.log = folder / "service.log"
        # The service's own environment: the tests' must not decide what is watched.
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self._process.stdout.readline()
        assert line, self.log.read_text()
        self.url = line.rsplit(" ", 1)[-1].strip()
        self.base = self.url.removesuffix("/app")

    def kill(self):
        """Let it vanish."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def end(self, timeout_seconds=6):
        """Send TERM; return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout_seconds)
        self._process.stdout.close()
        return 0 if code == -signal.SIGKILL else code
