"""
Everything this package raises on purpose.

::

    KatoPanelError
    ├── ConfigError            a setting is wrong: the start stops, in words
    ├── HistoryError           the durable record cannot be used: all else goes on
    └── SourceError            one look at upstream failed: health changes, the count does not
        ├── SourceUnavailable  nobody answered, or not in time
        └── PayloadError       somebody answered, but not what upstream's protocol says
"""


class KatoPanelError(Exception):
    """What a caller of this package may want to catch."""


class ConfigError(KatoPanelError):
    """
    Settings that cannot be used.

    Parameters
    ----------
    problems
        One sentence for each wrong field: its name, what was given, what is allowed.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        noun = "setting is" if len(problems) == 1 else "settings are"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{len(problems)} {noun} wrong:{lines}")


class HistoryError(KatoPanelError):
    """
    The durable record cannot be read, or not in the way that was asked.

    Its text is the reason, in words an operator understands; it holds no secret.
    """


class SourceError(KatoPanelError):
    """
    One look at upstream failed.

    Parameters
    ----------
    reason
        Why, in words an operator understands; holds no secret.
    retry_after_seconds
        How long upstream asked us to wait; 0 if it did not.
    """

    def __init__(self, reason: str, *, retry_after_seconds: float = 0.0) -> None:
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


class SourceUnavailable(SourceError):  # noqa: N818 - reads as what it says in `except`
    """Nobody answered, or not in time."""


class PayloadError(SourceError):
    """Somebody answered, but not what upstream's protocol says."""
