"""Which scripts of a page are ours: they carry a mark that the server makes good for one visit."""

import re
import secrets
from typing import Final

MARK: Final = secrets.token_hex(16)
"""Stands in for the nonce until an answer leaves; nobody outside this process can know it."""
_SCRIPT: Final = re.compile(r"(<script\b)([^>]*>.*?</script\s*>)", re.DOTALL | re.IGNORECASE)


def mark_scripts(html: str) -> str:
    """
    Mark the scripts of markup that Panel or we have made.

    Text inside a script that looks like another script is left as it is.

    Parameters
    ----------
    html
        Must hold nothing from outside but in scripts.
    """
    return _SCRIPT.sub(rf'\1 nonce="{MARK}"\2', html)
