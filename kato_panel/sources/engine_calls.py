"""
Reading calls to a container engine, on whatever thread asks: nothing here may run on the loop.

docker-py finds the engine as ``docker`` itself does, and speaks to it over a socket, TCP or TLS.
Its own calls wait for ever for events, take bodies of any size, and ask for a version first, so
only its connections are used.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import DockerException
from docker.utils import kwargs_from_env
from urllib3.exceptions import HTTPError

from kato_panel.errors import PayloadError, SourceUnavailable
from kato_panel.sources import engine_events, engine_payloads
from kato_panel.sources.engine_words import decode
from kato_panel.sources.words import describe_failure

USUAL_HOST: Final = "unix:///var/run/docker.sock"
MAX_BODY_BYTES: Final = 8 << 20
MAX_EVENT_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 16
QUIET_SECONDS: Final = 30.0
"""Without any event for so long, the events are asked for anew: the line may be dead."""
API_VERSION: Final = "1.41"
"""Named so that docker-py asks nobody; our calls name none, and take the engine's own."""
NOT_FOUND: Final = 404
FORBIDDEN: Final = (401, 403)


class NotThere(SourceUnavailable):
    """The container is not there any more."""


class NoSocket(SourceUnavailable):
    """There is no socket where the engine is looked for."""


class EngineCalls:
    """
    Asks one engine, and only reads.

    Parameters
    ----------
    environment
        As ``docker`` reads it: ``DOCKER_HOST``, ``DOCKER_TLS_VERIFY``, ``DOCKER_CERT_PATH``.
    deadline_seconds
        For one call, from its first byte to its last.
    max_connections
        That are kept open between calls.

    Raises
    ------
    SourceUnavailable
        If these name no engine that can be asked.
    """

    def __init__(
        self, environment: Mapping[str, str], deadline_seconds: float, max_connections: int
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self.host = environment.get("DOCKER_HOST") or USUAL_HOST
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self.is_closed = False
        try:
            # An empty mapping would stand for this process' own environment.
            options = kwargs_from_env({**environment, "DOCKER_HOST": self.host})
            self._client = docker.APIClient(
                version=API_VERSION,
                timeout=deadline_seconds,
                max_pool_size=max_connections,
                **options,
            )
        except (DockerException, OSError, ValueError) as error:
            words = _bound(error).replace(self.host, self._place)
            raise SourceUnavailable(f"DOCKER_HOST cannot be used: {words}") from error
        # What libraries do for the open web: see docs/decisions/0006.
        self._client.trust_env = False
        self._client.headers["Accept-Encoding"] = "identity"
        self._try_socket()

    def get(
        self, path: str, query: Mapping[str, str] | None = None, *, until_tick: float | None = None
    ) -> Any:
        """
        Ask, and wait for the answer.

        Parameters
        ----------
        path, query
            What to ask for.
        until_tick
            By monotonic time, when to give up; by default at the deadline.

        Returns
        -------
        object
            The decoded JSON.

        Raises
        ------
        NotThere
            If the engine knows no such container.
        SourceUnavailable, PayloadError
            If there is no answer in time, or no usable one.
        """
        until_tick = monotonic() + self._deadline_seconds if until_tick is None else until_tick
        with self._asking(path, query, until_tick) as response:
            body = bytearray()
            # Piece by piece as it comes, since a body that trickles would hold us for ever.
            while piece := response.raw.read1(CHUNK_BYTES):
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    raise PayloadError(f"answer is longer than {MAX_BODY_BYTES >> 20} MiB")
                if monotonic() > until_tick:
                    raise SourceUnavailable(self._silence)
        return decode(bytes(body))

    def listen(self, since: str, begin: Callable[[], None], hear: Callable[[Any], None]) -> None:
        """
        Follow the engine's events until they end, nothing comes for long, or `hang_up`.

        Parameters
        ----------
        since
            Events from before are told again from here on; empty for none.
        begin
            Called once they are followed.
        hear
            Takes each decoded event.

        Raises
        ------
        SourceUnavailable, PayloadError
            If the engine does not answer, or with what is no JSON.
        """
        query = engine_events.QUERY | ({"since": since} if since else {})
        until_tick = monotonic() + self._deadline_seconds
        with self._asking(engine_events.PATH, query, until_tick) as response:
            self._take_line(response)
            begin()
            try:
                for line in _lines(response):
                    hear(decode(line))
            except TimeoutError:
                return  # quiet for long: not a failure
            finally:
                with self._lock:
                    self._line = None

    def hang_up(self) -> None:
        """End `listen` at once, on whatever thread it is; no other can begin."""
        with self._lock:
            self.is_closed = True
            if self._line is not None:
                with contextlib.suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close what is kept open; calls under way end by their own deadline."""
        self.hang_up()
        self._client.close()

    def _try_socket(self) -> None:
        """Connect once, where it is a socket: docker-py forgets to close one that fails to."""
        if not self._client.base_url.startswith("http+docker://localhost"):
            return
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(self._deadline_seconds)
            try:
                line.connect(self._place)
            except OSError as error:
                self._client.close()
                raise self._translate(error) from error

    @property
    def _silence(self) -> str:
        return f"no answer within {self._deadline_seconds:g} s"

    @contextlib.contextmanager
    def _asking(
        self, path: str, query: Mapping[str, str] | None, until_tick: float
    ) -> Iterator[requests.Response]:
        """Have an answer whose head is good, and translate what goes wrong with it."""
        left_seconds = until_tick - monotonic()
        if left_seconds <= 0:
            raise SourceUnavailable(self._silence)
        try:
            with self._client.get(
                self._client.base_url + path,
                params=query,
                stream=True,
                allow_redirects=False,
                timeout=left_seconds,
            ) as response:
                self._check(response, path)
                yield response
        except TimeoutError:
            raise
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise self._translate(error) from error

    def _check(self, response: requests.Response, path: str) -> None:
        code = response.status_code
        if code == requests.codes.ok:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise PayloadError("answer is compressed, and was asked not to be")
            return
        said = engine_payloads.refusal(response.raw.read1(CHUNK_BYTES))
        call = path.split("/")[1]
        if code == NOT_FOUND and call == "containers" and path != engine_payloads.LIST_PATH:
            raise NotThere("it is not there any more")
        if code in FORBIDDEN:
            part = call.upper()
            raise SourceUnavailable(
                f"the engine at {self._place} refuses to tell its {call} ({code}): "
                f"a socket proxy has to allow {part}" + (f"; it says {said}" if said else "")
            )
        words = f": {said}" if said else ""
        raise SourceUnavailable(f"the engine answers {code} to GET {path[:40]}{words}")

    def _take_line(self, response: requests.Response) -> None:
        """Keep hold of the socket, so that others can end the waiting for events."""
        # As docker-py's own CancellableStream finds it.
        line: socket.socket = response.raw._fp.fp.raw._sock  # noqa: SLF001 - there is no other way
        with self._lock:
            if self.is_closed:
                raise SourceUnavailable("ended")
            self._line = line
        line.settimeout(QUIET_SECONDS)

    @property
    def _place(self) -> str:
        """Where the engine is, without a password."""
        parts = urlsplit(self.host)
        if parts.scheme in {"unix", "http+unix"}:
            return f"/{(parts.netloc + parts.path).lstrip('/')}"
        return ascii(self.host.rpartition("@")[2].removeprefix(f"{parts.scheme}://"))[1:-1][:120]

    def _translate(self, error: Exception) -> SourceUnavailable:
        """Say why nobody answered, in words an operator understands."""
        if isinstance(error, requests.Timeout):
            return SourceUnavailable(self._silence)
        causes = [*_causes(error)]
        if any(isinstance(cause, FileNotFoundError) for cause in causes):
            return NoSocket(
                f"there is no socket {self._place}: no engine runs here, or at DOCKER_HOST"
            )
        kinds = [
            (TimeoutError, self._silence),
            (BlockingIOError, self._silence),  # a socket whose owner accepts nobody
            (
                PermissionError,
                f"no permission to read {self._place}: add this user to the group docker",
            ),
            (ConnectionRefusedError, f"no engine listens at {self._place}"),
        ]
        for kind, words in kinds:
            if any(isinstance(cause, kind) for cause in causes):
                return SourceUnavailable(words)
        return SourceUnavailable(f"the engine at {self._place} is away: {_bound(error)}")


def _lines(response: requests.Response) -> Iterator[bytes]:
    """Cut what comes into lines, each as soon as it is whole."""
    begun = bytearray()
    while piece := _read_some(response):
        begun += piece
        *whole, rest = begun.split(b"\n")
        yield from (bytes(line) for line in whole if line.strip())
        begun = bytearray(rest)
        if len(begun) > MAX_EVENT_BYTES:
            raise PayloadError(f"event is longer than {MAX_EVENT_BYTES >> 20} MiB")


def _read_some(response: requests.Response) -> bytes:
    try:
        piece: bytes = response.raw.read1(CHUNK_BYTES)
    except HTTPError as error:
        if any(isinstance(cause, TimeoutError) for cause in _causes(error)):
            raise TimeoutError from error
        raise
    return piece


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Go down to what the system said: requests and urllib3 wrap it in one another."""
    waiting, seen = [error], 0
    while waiting and seen < 20:  # noqa: PLR2004 - deeper than any of them wraps
        one, seen = waiting.pop(0), seen + 1
        yield one
        inner = [one.__cause__, one.__context__, *one.args, getattr(one, "reason", None)]
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]


def _bound(error: Exception) -> str:
    return ascii(describe_failure(error))[1:-1][:120]
