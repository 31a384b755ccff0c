"""
Everything this package raises on purpose.

::

    KatoPanelError
    ├── ConfigError            a setting is wrong: the start stops, in words
    ├── QueryError             a question or an order is wrong: one field, what it may be
    ├── SessionUnknown         nobody knows such a session
    ├── ReadWouldTouch         only a read that moves the session's life is left
    ├── ActionRefused          this service may not change anything upstream
    ├── HistoryError           the durable record cannot be used: all else goes on
    ├── TooLittle              too little was seen for a statement
    ├── MessageError           a frame of `/ws` that is not understood
    ├── FeedRefused            `/ws` does not let this program in: to try again is no use
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


class QueryError(KatoPanelError):
    """
    A question or an order that makes no sense.

    Parameters
    ----------
    field
        Which part of it is wrong.
    given
        What it is.
    allowed
        What it may be, as a phrase after *must be*.
    """

    def __init__(self, field: str, given: object, allowed: str) -> None:
        self.field = field
        shown = f"a {type(given).__name__}"
        if given is None or isinstance(given, str | int | float):
            shown = ascii(given[:80] if isinstance(given, str) else given)
        super().__init__(f"{field} is {shown[:100]}, must be {allowed}")


class SessionUnknown(KatoPanelError):  # noqa: N818 - reads as what it says in `except`
    """
    Nobody knows such a session.

    Parameters
    ----------
    session_id
        Which one was asked for.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"session {session_id[:80]!a} is not known, or gone for long")


class ReadWouldTouch(KatoPanelError):  # noqa: N818 - the same
    """Nothing but KATO's own read could tell, and that moves the session's life."""

    def __init__(self) -> None:
        super().__init__(
            "without Redis only KATO's own read is left: it gives the session its whole time to "
            "live again, or ends it if that is over"
        )


class ActionRefused(KatoPanelError):  # noqa: N818 - the same
    """
    An action that this service may not carry out.

    Parameters
    ----------
    reason
        Why not.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class HistoryError(KatoPanelError):
    """
    The durable record cannot be read, or not in the way that was asked.

    Its text is the reason, in words an operator understands; it holds no secret.
    """


class TooLittle(KatoPanelError):  # noqa: N818 - reads as what it says in `except`
    """Too little was seen for a statement; its text says what, and how much it takes."""


class MessageError(KatoPanelError):
    """
    A frame that is not what the protocol of ``/ws`` says.

    Parameters
    ----------
    code
        For programs.
    message
        For people; holds nothing long.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class FeedRefused(KatoPanelError):  # noqa: N818 - reads as what it says in `except`
    """
    A service that does not let this program follow it.

    Parameters
    ----------
    status
        Of its answer, as 401 without a login or 404 where ``/ws`` is switched off.
    """

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"/ws is refused with status {status}")


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
