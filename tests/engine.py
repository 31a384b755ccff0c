"""
A real container engine for tests: Podman's service for Docker's API, with small containers.

Everything it has is in one temporary folder, and gone with it.
"""

import contextlib
import resource
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker

START_SECONDS = 20.0
CALL_SECONDS = 30.0
LIFE_SECONDS = 1_800
IMAGE = "busy:1"
PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "newuidmap": "uidmap",
    "busybox": "busybox-static",
}
IDLE = "while :; do /bin/busybox sleep 60; done"
BURNING = (
    "while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; /bin/busybox usleep 100000; done"
)
"""Computes for a while, sleeps for a tenth of a second, and so on."""
HOLDING = f"x=$(/bin/busybox head -c 8000000 /dev/zero | /bin/busybox tr '\\0' x); {IDLE}"
"""Keeps 8 MB and more."""
FOUR = {"kato": BURNING, "kato-redis": HOLDING, "kato-clickhouse": IDLE, "kato-qdrant": IDLE}


def find_programs() -> None:
    """Find what the engine needs, or say what to install."""
    for program, package in PROGRAMS.items():
        assert shutil.which(program), f"the tests need Debian's package {package}"


def find_processes(folder: Path) -> list[str]:
    """Find who was started for what is in a folder: their command lines."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            lines.append((process / "cmdline").read_text(errors="replace").replace("\0", " "))
    return [line for line in lines if str(folder) in line]


class Engine:
    """
    Podman's service on a socket of its own; a context manager that runs it.

    Parameters
    ----------
    containers
        What the shell of each container runs, by the container's name.
    """

    def __init__(self, containers: dict[str, str] | None = None) -> None:
        find_programs()
        self._containers = FOUR if containers is None else containers
        self.folder = Path(tempfile.mkdtemp(prefix="engine-"))
        self.socket = self.folder / "docker.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What names this engine to a client."""
        return {"DOCKER_HOST": self.url}

    @property
    def pid(self) -> int | None:
        """The service's process; ``None`` while there is none."""
        return None if self._process is None else self._process.pid

    def podman(self, *words: str) -> str:
        """Carry out one command of Podman's own."""
        done = subprocess.run(
            self._command(*words), check=False, capture_output=True, timeout=CALL_SECONDS
        )
        assert done.returncode == 0, f"podman {words[0]}: {done.stderr.decode(errors='replace')}"
        return done.stdout.decode()

    def start(self) -> Self:
        """Start service and containers, and wait until both answer."""
        self._make_image()
        log = (self.folder / "service.log").open("wb")
        with log:
            self._process = subprocess.Popen(
                self._command("system", "service", "--time=0", self.url), stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                told = (self.folder / "service.log").read_text(errors="replace")
                raise AssertionError(f"podman's service did not start: {told[-2000:]}")
        for name, script in self._containers.items():
            self.run(name, script)
        return self

    def run(self, name: str, script: str, *options: str) -> str:
        """Begin a container, and return its id."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        limits = ["--ulimit", f"nofile={files}:{files}", "--ulimit", "nproc=4096:4096"]
        # None outlives a run of the tests that was killed for long.
        life = f"--timeout={LIFE_SECONDS}"
        words = ["run", "-d", "--name", name, "--network=host", life, *limits, *options]
        return self.podman(*words, IMAGE, "/bin/sh", "-c", script).strip()

    @contextlib.contextmanager
    def client(self) -> Any:
        """Give docker-py's own client, which asks the engine itself."""
        client = docker.DockerClient(base_url=self.url, timeout=CALL_SECONDS)
        try:
            yield client
        finally:
            client.close()

    def close(self) -> None:
        """End containers and service, and remove their folder; a second call does nothing."""
        if not self.folder.exists():
            return
        try:
            self.podman("rm", "--force", "--all", "--time", "0")
        finally:
            if self._process is not None:
                self._process.send_signal(signal.SIGTERM)
                self._process.wait(CALL_SECONDS)
                self._process = None
            self._remove_folder()

    def _remove_folder(self) -> None:
        """Remove it once those have ended who clean up behind each container, and write there."""
        deadline = time.monotonic() + CALL_SECONDS
        while find_processes(self.folder):
            assert time.monotonic() < deadline, f"still at work: {find_processes(self.folder)}"
        shutil.rmtree(self.folder)

    def _make_image(self) -> None:
        tar = self.folder / "busy.tar"
        busybox = shutil.which("busybox")
        assert busybox
        with tarfile.open(tar, "w") as archive:
            archive.add(Path(busybox).resolve(), "bin/busybox")
            link = tarfile.TarInfo("bin/sh")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        self.podman("import", "--quiet", str(tar), IMAGE)

    def _command(self, *words: str) -> list[str]:
        places = {"root": "store", "runroot": "run", "tmpdir": "tmp"}
        return [
            "podman",
            *(f"--{option}={self.folder / place}" for option, place in places.items()),
            "--events-backend=file",
            "--storage-driver=vfs",
            "--runtime=runc",
            "--cgroup-manager=cgroupfs",
            *words,
        ]

    def _answers(self) -> bool:
        # Before docker-py, which forgets to close a socket that does not connect.
        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.connect(str(self.socket))
            except OSError:
                return False
        with self.client() as client:
            return bool(client.ping())

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
