"""
CSV as RFC 4180 has it, which a spreadsheet opens without running what stands in it.

Pure. A text that a spreadsheet would take for a formula gets an apostrophe before it, and so does
one that begins as if it had one: so each cell can be read back.
"""

import math
import re
from collections.abc import Iterable
from typing import Final

from kato_panel.domain.text import sayable

Cell = str | float | bool | None

LINE_END: Final = "\r\n"
GUARD: Final = "'"
_RISKY: Final = re.compile("'*[=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]")
"""The last four are the wide forms of the first four signs."""
_QUOTED: Final = re.compile('[",;\t\r\n]|^ | $')


def write_cell(value: Cell) -> str:
    """
    Write one cell.

    Parameters
    ----------
    value
        A text gets an apostrophe where it could be a formula; numbers and truths need none; what
        is not known is an empty cell, as is what is no number.
    """
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value) if math.isfinite(value) else ""
    text = sayable(value)
    if _RISKY.match(text):
        text = GUARD + text
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def write_line(values: Iterable[Cell]) -> str:
    """Write one line, with its end."""
    return ",".join(map(write_cell, values)) + LINE_END


def read_text(cell: str) -> str:
    """
    Read back a text that `write_cell` wrote.

    Parameters
    ----------
    cell
        As a reader of CSV gives it, without quotes.
    """
    return cell[1:] if cell.startswith(GUARD) and _RISKY.match(cell) else cell
