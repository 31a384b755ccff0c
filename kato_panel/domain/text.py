"""Text from outside, made safe to stand in a page, and such as UTF-8 can say."""

import html
import unicodedata
from typing import Final

MARK: Final = "\N{MIDDLE DOT}"
"""Stands for what cannot be seen, or would reorder what is around it."""
_BREAKS: Final = frozenset({"Zl", "Zp"})


def safe(text: object, limit: int = 200) -> str:
    """
    Make a text of unknown origin safe to stand in HTML, between tags or in a quoted attribute.

    Parameters
    ----------
    text
        Anything; its words are taken.
    limit
        Characters that are kept, the sign of a cut among them.

    Returns
    -------
    str
        Bounded, without control characters and bidirectional overrides, and escaped.
    """
    return html.escape(legible(text, limit))


def legible(text: object, limit: int = 200) -> str:
    """
    Make a text of unknown origin safe to look at, where it is not taken for markup.

    Parameters
    ----------
    text, limit
        See `safe`.

    Returns
    -------
    str
        Bounded, without control characters and bidirectional overrides.
    """
    words = str(text)
    cut = words if len(words) <= limit else f"{words[: limit - 1]}…"
    return "".join(MARK if _is_hidden(sign) else sign for sign in cut)


def sayable(text: str) -> str:
    """Make any text one that UTF-8 can say: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _is_hidden(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category.startswith("C") or category in _BREAKS
