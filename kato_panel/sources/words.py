"""Why no connection came about, in words an operator understands."""

from typing import Final

_WORDS: Final = (
    ("CERTIFICATE_VERIFY_FAILED", "its TLS certificate is not trusted"),
    ("[SSL", "TLS failed"),
    ("Name or service not known", "its host name is not known"),
    ("nodename nor servname", "its host name is not known"),
    ("No address associated", "its host name is not known"),
    ("Temporary failure in name resolution", "its host name cannot be looked up"),
    ("refused", "connection refused"),
    ("Connect call failed", "connection refused"),
    ("attempts failed", "connection refused"),
    ("unreachable", "its network cannot be reached"),
    ("reset by peer", "connection was reset"),
)


def describe_failure(error: Exception) -> str:
    """
    Say why a connection failed.

    Parameters
    ----------
    error
        What a library raised; its text names no password, as ours hold none.
    """
    text = str(error)
    return next((words for sign, words in _WORDS if sign in text), text[:120] or "unreachable")
