"""
Frames as CSV and JSON, out and back without loss.

Times are written in ISO 8601, UTC, to the microsecond; spans as seconds, which are numbers in JSON;
lists as JSON; what is not known is an empty cell, or ``null``. Attributes are not written, nor are
categories that no row has. A text that a spreadsheet would take for a formula is guarded in CSV,
and read back as it was.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from kato_panel.csv_text import read_text, write_line
from kato_panel.frames import LAYOUTS, LISTS, SPAN, TIME, lay_out

INDEX: Final = "time"
_UNKNOWN: Final = np.iinfo(np.int64).min
_SECOND: Final = 1_000_000


def write_frame(frame: pd.DataFrame, path: str | Path) -> None:
    """
    Write a frame of ours to a file.

    Parameters
    ----------
    frame
        As ``sessions()``, ``events()`` and their like give it; rows may be left out, columns not.
        Names that stand in none of the rows are no categories any more when it is read.
    path
        Ends in ``.csv`` or ``.json``.

    Raises
    ------
    ValueError
        If it is none of these frames, or the path ends otherwise.
    """
    kind, path = _kind_of(frame.columns), Path(path)
    texts = write_columns(frame)
    if _is_csv(path):
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_head(kind))
            file.writelines(csv_lines(texts))
    else:
        path.write_text(write_json({"frame": kind, **texts}), encoding="utf-8")


def write_columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Write a frame of ours as values for `write_json` or `csv_lines`, the index first."""
    texts = {INDEX: _write_column(frame.index, TIME)}
    for name, type_ in LAYOUTS[_kind_of(frame.columns)].items():
        texts[name] = _write_column(frame[name], type_)
    return texts


def write_json(values: Mapping[str, Any]) -> str:
    """Write what is made of `write_columns` as JSON; a float has each microsecond of 200 years."""
    return json.dumps(values, allow_nan=False, default=float)


def csv_head(kind: str) -> str:
    """Write the first line of a frame's CSV."""
    return write_line([INDEX, *LAYOUTS[kind]])


def csv_lines(texts: Mapping[str, list[Any]]) -> Iterator[str]:
    """Write a line for each row of what `write_columns` gave."""
    return map(write_line, zip(*map(_cells, texts.values()), strict=True))


def read_frame(path: str | Path) -> pd.DataFrame:
    """
    Read a frame that `write_frame` wrote.

    Parameters
    ----------
    path
        Ends in ``.csv`` or ``.json``.

    Raises
    ------
    ValueError
        If it holds something else.
    """
    path = Path(path)
    try:
        if _is_csv(path):
            with path.open(encoding="utf-8", newline="") as file:
                names, *rows = csv.reader(file)
            kind = _kind_of(names[1:])
            columns = zip(*rows, strict=True) if rows else [()] * len(names)
            types = {INDEX: TIME, **LAYOUTS[kind]}
            texts = {
                name: [_read_cell(cell, types[name]) for cell in column]
                for name, column in zip(names, columns, strict=True)
            }
        else:
            texts = json.loads(path.read_text(encoding="utf-8"))
            kind = _kind_of(name for name in texts if name not in {INDEX, "frame"})
        return lay_out(
            kind,
            _read_column(texts[INDEX], TIME),
            {name: _read_column(texts[name], type_) for name, type_ in LAYOUTS[kind].items()},
        )
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{path} holds no frame that was written by this program") from error


def _kind_of(columns: Iterable[Any]) -> str:
    names = [*columns]
    for kind, layout in LAYOUTS.items():
        if sorted(map(str, names)) == sorted(layout):
            return kind
    raise ValueError(f"columns are {names}, must be those of one of {', '.join(LAYOUTS)}")


def _is_csv(path: Path) -> bool:
    if path.suffix not in {".csv", ".json"}:
        raise ValueError(f"path is {str(path)!r}, must end in .csv or .json")
    return path.suffix == ".csv"


def _write_column(values: Any, type_: str | tuple[str, ...]) -> list[Any]:
    if type_ == TIME:
        return [None if time is pd.NaT else time.isoformat() for time in values]
    if type_ == SPAN:
        micros = values.array.as_unit("us").asi8
        return [None if one == _UNKNOWN else Decimal(int(one)) / _SECOND for one in micros]
    if type_ == LISTS:
        return [*values]
    return [None if pd.isna(value) else value for value in values.astype(object)]


def _cells(values: list[Any]) -> Iterator[Any]:
    for one in values:
        match one:
            case list():
                yield json.dumps(one)
            case Decimal():
                yield str(one)
            case _:
                yield one


def _read_cell(cell: str, type_: str | tuple[str, ...]) -> Any:
    text = read_text(cell)
    match type_:
        case "Int64":
            return int(text) if text else None
        case "Float64":
            return float(text) if text else None
        case "string":
            return text
        case _ if type_ == LISTS:
            return json.loads(text)
    return text or None


def _read_column(values: list[Any], type_: str | tuple[str, ...]) -> Any:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no column")
    if type_ == SPAN:
        spans = [_UNKNOWN if one is None else int(Decimal(str(one)) * _SECOND) for one in values]
        return np.array(spans, dtype=np.int64)
    if type_ == TIME:
        return pd.to_datetime(values, utc=True, format="ISO8601")
    return values
