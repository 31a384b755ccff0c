"""A report of a range: one file, right offline and on paper, without a script."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kato_panel.domain.times import iso
from kato_panel.frames import Since
from kato_panel.report_figures import Figures, Reported, gather
from kato_panel.views import documents, report_cards
from kato_panel.views.wording import write_time


class Report:
    """
    What was in a range, in one file: for who reads it next month, offline, or on paper.

    Its figures are those of the frames and of `kato_panel.churn`; they are gathered when they are
    asked for first.

    Parameters
    ----------
    frames
        A `Monitor`, or what `open_history` returns.
    since, until
        Times with a zone, or how long before the newest look; without them, all that is known.
    node
        Sessions of this node only; the count, alerts and containers are of all.
    tz
        Name of the time zone in which times are shown.
    tell
        Called with what is being done.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from kato_panel import Monitor
    >>> with Monitor() as monitor:
    ...     monitor.wait()
    ...     report = Report(monitor, since=timedelta(hours=1))
    ...     "simulated data" in report.to_html()
    True
    True
    """

    def __init__(
        self,
        frames: Reported,
        *,
        since: Since = None,
        until: Since = None,
        node: str | None = None,
        tz: str = "UTC",
        tell: Callable[[str], object] = str,
    ) -> None:
        self._frames = frames
        self._since, self._until, self._node, self._tz = since, until, node, tz
        self._tell = tell

    @cached_property
    def figures(self) -> Figures:
        """
        All that it tells.

        Raises
        ------
        ValueError
            If the range is empty, a time has no zone, or `tz` is none.
        HistoryError
            If the history cannot be read.
        """
        return gather(
            self._frames,
            self._since,
            self._until,
            node=self._node,
            tz=self._tz,
            tell=self._tell,
        )

    def to_json(self) -> str:
        """Write the figures alone: each table as a list of rows, ``null`` for what is not known."""
        figures = self.figures
        tables = {
            name: {
                "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
                "remark": table.remark,
            }
            for name, table in figures.tables.items()
        }
        told = {
            "since": figures.since,
            "until": figures.until,
            "demo": figures.origin.is_demo,
            "notes": figures.notes,
            "tables": tables,
        }
        return json.dumps(told, default=_write, indent=2, allow_nan=False)

    def to_html(self) -> str:
        """Write it as a part of another page; its rules reach nothing else of that page."""
        return documents.write_part(report_cards.write_body(self.figures, self._made()))

    def save(self, path: str | Path) -> None:
        """
        Write it to a file.

        Parameters
        ----------
        path
            One that is there is replaced.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        body = report_cards.write_body(self.figures, self._made())
        documents.save(path, documents.write_document(self.title, body))

    @property
    def title(self) -> str:
        """What it is about, in a few words."""
        figures = self.figures
        if figures.since is None:
            return "KATO sessions"
        zone = ZoneInfo(figures.zone)
        first, last = (write_time(at, zone)[:16] for at in (figures.since, figures.until))
        return f"KATO sessions, {first} to {last} {figures.zone}"

    def __repr__(self) -> str:
        return f"<Report: {self.title}>"

    def _repr_html_(self) -> str:
        return self.to_html()

    def _made(self) -> str:
        now = write_time(datetime.now(UTC), ZoneInfo(self.figures.zone))
        return f"Made {now} {self.figures.zone} by kato-panel {version('kato-panel')}."


def _write(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)
