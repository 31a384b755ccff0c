"""
Frames of a history as CSV or JSON for other programs, a part at a time.

CSV is what `kato_panel.write_frame` writes: a spreadsheet runs nothing of it, and
`kato_panel.read_frame` has it back without loss. JSON is a list with an object for each row.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO, Final, Literal

import pandas as pd

from kato_panel.frame_files import csv_head, csv_lines, write_columns
from kato_panel.frames import empty_frame
from kato_panel.history_frames import HistoryFrames
from kato_panel.parts import read_parts

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
    Write the rows of a frame, oldest first.

    Parameters
    ----------
    frames
        The history.
    kind
        ``sessions``, ``events``, ``counts``, ``alerts`` or ``containers``.
    since, until
        The range, UTC; to the newest look if it has no end.
    node
        Sessions and events of this node only.
    form
        See above.
    file
        Where to.

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
    file.write(csv_head(kind) if form == "csv" else "[")
    for part in _parts(frames, kind, since, until, node):
        columns = write_columns(part)
        if form == "csv":
            file.writelines(csv_lines(columns))
        else:
            for values in zip(*columns.values(), strict=True):
                row = json.dumps(dict(zip(columns, values, strict=True)), allow_nan=False)
                file.write(f"{',' if rows else ''}\n{row}")
                rows += 1
            continue
        rows += len(part)
    if form == "json":
        file.write("\n]\n")
    return rows


def _parts(
    frames: HistoryFrames, kind: str, since: datetime, until: datetime | None, node: str | None
) -> Iterator[pd.DataFrame]:
    looked = frames.origin().looked
    end = until or (since if looked is None else looked + _INSTANT)
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
    yield empty_frame(kind)


def _born(
    frames: HistoryFrames, begin: datetime, end: datetime, since: datetime, node: str | None
) -> pd.DataFrame:
    """Read who is not told yet: those born in a part, and in the first all that lived before."""
    alive = frames.sessions(begin, end, node=node)
    return alive if begin == since else alive[alive.index >= begin]
