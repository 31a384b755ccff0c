"""How many sockets may ask at a time, and for how long one may say nothing."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from kato_panel.allowed import Network
from kato_panel.server.addresses import is_in
from kato_panel.server.limits import household

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 20
"""For the head of a request, the first as well as the next: longer than what asks each 15 s."""
BODY_SECONDS: Final = 10
SOCKET_LIMITS: Final = {"idle_connection_timeout": IDLE_SECONDS, "body_timeout": BODY_SECONDS}
"""As Tornado's server takes them."""
MAX_SOCKETS: Final = 2_000
MAX_SOCKETS_PER_ADDRESS: Final = 200
"""A browser opens six; a proxy that is named speaks for many, and is not counted."""
MAX_FILES: Final = 65_536
QUIET_SECONDS: Final = 60.0
PROXY: Final = "a proxy"


class Sockets:
    """
    Bounds the sockets that have asked nothing yet, or may ask again.

    Those that became WebSockets have bounds of their own. One too many is closed at once.

    Parameters
    ----------
    proxies
        Whose sockets are not counted by address.
    clock
        Gives monotonic seconds.
    """

    def __init__(
        self, proxies: Sequence[Network], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._proxies, self._clock = proxies, clock
        self._open: Counter[str] = Counter()
        self._said_tick = float("-inf")

    def install(self, server: Any) -> None:
        """Stand before a server that takes sockets."""
        take, forget = server.handle_stream, server.on_close

        def handle_stream(stream: Any, address: Any) -> None:
            whose = self._name(address[0])
            if self._open.total() >= MAX_SOCKETS or self._open[whose] >= self._most(whose):
                stream.close()
                self._say(address[0])
                return
            self._open[whose] += 1
            take(stream, address)

        def on_close(connection: Any) -> None:
            whose = self._name(connection.context.address[0])
            self._open[whose] -= 1
            if not self._open[whose]:
                del self._open[whose]
            forget(connection)

        server.handle_stream, server.on_close = handle_stream, on_close

    def _name(self, address: str) -> str:
        return PROXY if is_in(address, self._proxies) else household(address)

    def _most(self, whose: str) -> int:
        return MAX_SOCKETS if whose == PROXY else MAX_SOCKETS_PER_ADDRESS

    def _say(self, address: str) -> None:
        """Say that sockets are turned away, not too often."""
        tick = self._clock()
        if tick - self._said_tick >= QUIET_SECONDS:
            self._said_tick = tick
            logger.warning("too many sockets are open: more are turned away, as from %s", address)


def allow_many_files() -> None:
    """Let this process have as many sockets as it may: the usual bound of 1,024 is soon reached."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
