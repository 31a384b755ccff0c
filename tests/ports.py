"""Ports that nobody else takes between being found and being used."""

import os
import socket
from itertools import count
from typing import Final

FIRST: Final = 20_000
"""Below those that the system hands out to whoever asks for any, and to outgoing connections."""
EACH: Final = 1_000
"""For each worker of the tests."""

_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_numbers = count(os.getpid())


def free_port() -> int:
    """Find a free port on this machine's own address; another at each call."""
    ports = (FIRST + _WORKER * EACH + number % EACH for number in _numbers)
    return next(filter(_is_free, ports))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
