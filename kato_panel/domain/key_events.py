"""Whether each change of a key is told at once: from the setting, else from what is observed."""

from shlex import quote
from typing import Final

from kato_panel.domain.keys import KeyChange

COMMAND: Final = "redis-cli config set notify-keyspace-events"
NEEDED: Final = "Egxen"
ALL: Final = "g$lshzxetd"
"""What ``A`` stands for; neither ``n`` nor ``m`` are among them."""
DISTRUST_SECONDS: Final = 60.0
"""After a scan found what no key event told, for so long none of them is believed to be all."""


class KeyEvents:
    """
    Judges whether key events tell every birth and every end.

    Where the setting cannot be read, they count as on once one has come. Where a scan finds a
    birth or an end that none told, they count as off, whatever the setting was; and as on again
    once a birth is told, for that one is not among those that other uses turn on.
    """

    def __init__(self) -> None:
        self._flags: str | None = None
        self._is_on = False
        self._has_been_on = False
        self._missed_tick: float | None = None

    @property
    def are_on(self) -> bool:
        """Whether they tell everything, as far as anybody can know."""
        return self._is_on

    @property
    def wanted_flags(self) -> str:
        """The setting as it is, with what is missing."""
        flags = self._flags or ""
        given = {*flags, *(ALL if "A" in flags else "")}
        return flags + "".join(flag for flag in NEEDED if flag not in given)

    @property
    def remark(self) -> str:
        """What an operator has to know; empty while they are on."""
        if self._is_on:
            return ""
        if self._has_been_on:
            why = "key events miss changes"
        elif self._flags is None and self._missed_tick is None:
            why = "no key event seen yet"
        else:
            why = "key events are off"
        if self.wanted_flags == self._flags:  # so that nobody can do anything about it
            return f"{why}: scanning"
        return f"{why}: scanning; to turn them on: {COMMAND} {quote(self.wanted_flags)}"

    def begin(self, flags: str | None) -> None:
        """Take the setting as a connection found it; ``None`` where it may not be read."""
        self._flags, self._missed_tick = flags, None
        self._is_on = self._has_been_on = flags is not None and self.wanted_flags == flags

    def tell(self, change: KeyChange, tick: float) -> None:
        """Note that a key event has come."""
        if self._missed_tick is None and self._flags is None:
            self._is_on = True
        elif change is KeyChange.BORN:
            since = self._missed_tick
            self._is_on = self._is_on or since is None or tick - since > DISTRUST_SECONDS
        self._has_been_on = self._has_been_on or self._is_on

    def miss(self, tick: float) -> None:
        """Note that a scan found a birth or an end that none has told."""
        if self._is_on or self._flags is None:
            self._missed_tick, self._is_on = tick, False
