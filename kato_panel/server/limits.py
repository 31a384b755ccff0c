"""How much of something is let through in a time."""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import ip_network
from typing import Final

from kato_panel.server.addresses import parse

MAX_ADDRESSES: Final = 10_000
"""Addresses that are remembered; the one that was quiet the longest is forgotten."""
IPV6_PREFIX: Final = 64
"""Who has one IPv6 address has as many as that."""


class Bucket:
    """
    Lets so many through a second, and some more at once after a while of less.

    Parameters
    ----------
    per_second
        How many in the long run.
    burst
        How many at once.
    clock
        Gives monotonic seconds.
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._left, self._at = float(burst), clock()

    def take(self) -> bool:
        """Take one, if there is one left."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Throttle:
    """
    Lets each address try so often in a time.

    Parameters
    ----------
    tries
        How often.
    seconds
        In which time.
    clock
        Gives monotonic seconds.
    """

    def __init__(
        self, tries: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tries, self._seconds, self._clock = tries, seconds, clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_seconds(self, address: str) -> int:
        """Note a try; say how long to wait before the next, or 0 if this one is let through."""
        key, now = household(address), self._clock()
        tries = self._seen.setdefault(key, deque())
        self._seen.move_to_end(key)
        if len(self._seen) > MAX_ADDRESSES:
            self._seen.popitem(last=False)
        while tries and tries[0] <= now - self._seconds:
            tries.popleft()
        if len(tries) >= self._tries:
            return math.ceil(tries[0] + self._seconds - now)
        tries.append(now)
        return 0


def household(address: str) -> str:
    """Name what one person can choose his address from."""
    parsed = parse(address)
    if parsed is None or parsed.version == 4:  # noqa: PLR2004 - its name
        return str(parsed or address)
    return str(ip_network((parsed, IPV6_PREFIX), strict=False))
