"""
Frames of a history as CSV or JSON for other programs, a part at a time.

CSV is what `kato_panel.write_frame` writes: a spreadsheet runs nothing of it, and
`kato_panel.read_frame` has it back without loss. JSON is a list with an object for each row.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO, Final, Literal

import pandas as pd

from kato_panel.frame_files import csv_head, csv_lines, write_columns, write_json
from kato_panel.history_frames import HistoryFrames
from kato_panel.parts import FEW, read_parts

Form = Literal["csv", "json"]
_INSTANT: Final = timedelta(microseconds=1)


def write_export(
    frames: HistoryFrames,
    kind: str,
    since: datetime,
    until: datetime | None,
    *,
    node: str | None,
    form: Form,
    file: IO[str],
) -> int:
    """
    Write the rows of a frame, oldest first; parameters as for `export_parts`.

    Returns
    -------
    int
        How many rows there were.

    Raises
    ------
    HistoryError
        If the history cannot be read.
    """
    rows = 0
    for text, more in export_parts(frames, kind, since, until, node=node, form=form):
        file.write(text)
        rows += more
    return rows


def export_parts(
    frames: HistoryFrames,
    kind: str,
    since: datetime,
    until: datetime | None,
    *,
    node: str | None,
    form: Form,
) -> Iterator[tuple[str, int]]:
    """
    Write the rows of a frame, oldest first, a part at a time.

    Parameters
    ----------
    frames
        The history; read when the next part is asked for, and not between two of them.
    kind
        ``sessions``, ``events``, ``counts``, ``alerts`` or ``containers``.
    since, until
        The range, UTC; to the newest look if it has no end.
    node
        Sessions and events of this node only.
    form
        See above.

    Yields
    ------
    tuple of str and int
        A part of the file, and how many rows it has.

    Raises
    ------
    HistoryError
        If the history cannot be read.
    """
    is_csv, is_first = form == "csv", True
    yield csv_head(kind) if is_csv else "[", 0
    for part in _parts(frames, kind, since, until, node):
        for begin in range(0, len(part), FEW):
            columns = write_columns(part.iloc[begin : begin + FEW])
            if is_csv:
                lines = [*csv_lines(columns)]
            else:
                values = zip(*columns.values(), strict=True)
                texts = (write_json(dict(zip(columns, row, strict=True))) for row in values)
                lines = [
                    f"{',' if at or not is_first else ''}\n{one}" for at, one in enumerate(texts)
                ]
            is_first = False
            yield "".join(lines), len(lines)
    if not is_csv:
        yield "\n]\n", 0


def _parts(
    frames: HistoryFrames, kind: str, since: datetime, until: datetime | None, node: str | None
) -> Iterator[pd.DataFrame]:
    looked = frames.origin().looked
    end = until or (since if looked is None else looked + _INSTANT)
    if end <= since:
        return
    match kind:
        case "sessions":
            yield from read_parts(lambda a, b: _born(frames, a, b, since, node), since, end)
        case "events":
            yield from read_parts(lambda a, b: frames.events(a, b, node=node), since, end)
        case "containers":
            yield from read_parts(frames.containers, since, end)
        case "counts":  # few bytes a row, and each part of it would need to know what was before
            yield frames.counts(since, end)
        case _:
            yield frames.alerts(since, end)


def _born(
    frames: HistoryFrames, begin: datetime, end: datetime, since: datetime, node: str | None
) -> pd.DataFrame:
    """Read who is not told yet: those born in a part, and in the first all that lived before."""
    alive = frames.sessions(begin, end, node=node)
    return alive if begin == since else alive[alive.index >= begin]
