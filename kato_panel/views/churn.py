"""Churn: the tab, and each of its cards alone; a desk computes, these show."""

import asyncio
import json
import logging
import secrets
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, ClassVar, Final, cast

import panel as pn
import param
from panel.custom import Child, JSComponent

from kato_panel.churn_desk import ChurnDesk
from kato_panel.churn_report import ALL, Report, make_report
from kato_panel.churning import Frames
from kato_panel.csv_text import write_line
from kato_panel.domain.churn import Churn
from kato_panel.domain.churn_questions import Question
from kato_panel.domain.times import iso
from kato_panel.errors import KatoPanelError, QueryError
from kato_panel.views.answers import read_question, say_error
from kato_panel.views.churn_charts import ChurnPlot, LifetimePlot, RatePlot
from kato_panel.views.churn_stills import write_churn, write_refusal
from kato_panel.views.markup import Markup
from kato_panel.views.stills import Still
from kato_panel.views.survival_chart import SurvivalPlot
from kato_panel.views.theme import GROUPS_DARK, GROUPS_LIGHT, join_modules, stylesheet

logger = logging.getLogger(__name__)

MODULES: Final = (
    *("words", "pictogram", "alert_markup", "markup", "theme", "asking"),
    *("churn_markup", "churn_heat", "churn_words", "churn"),
)
MAX_ROWS: Final = 500
"""Of a table on the page; the file has all of them."""
UNEXPECTED: Final = "Churn cannot be computed; the log of the service says why."
PARTS: Final = (
    *("controls", "figures", "survival", "groups", "rates", "reasons"),
    *("lifetimes", "cohorts", "hours"),
)


_desks: "weakref.WeakKeyDictionary[Any, ChurnDesk]" = weakref.WeakKeyDictionary()
"""Of monitors and histories: their cards share what is computed."""


class ChurnBoard(JSComponent):
    """The ESM component; it asks by its first two properties, and is answered by the others."""

    query = param.String(default="", doc="JSON text: the range, and how it is grouped.")
    wanted = param.String(default="", doc="JSON text: the cards whose tables are wanted.")
    answer = param.String(default="", doc="JSON text: the figures, or why there are none.")
    tables = param.String(default="", doc="JSON text: their rows and files, and whose they are.")
    dark = param.Boolean(default=False, doc="Whether the page is dark at present.")
    key = param.String(default="", constant=True, doc="Random per view; survives a reconnect.")
    page = param.Boolean(default=False, constant=True, doc="Whether the address remembers.")
    first = param.Dict(default={}, constant=True, doc="What is chosen at first.")
    asks = param.Boolean(default=True, constant=True, doc="Whether a range can be chosen.")
    parts = param.List(default=[], item_type=str, constant=True, doc="Names of the cards shown.")
    hues = param.List(default=[], constant=True, doc="Colours of groups, light and dark.")
    survival = Child(doc="The curves.")
    rates = Child(doc="Arrivals and departures over time.")
    lifetimes = Child(doc="How long those lived that ended.")

    _esm = join_modules(MODULES)
    _stylesheets: ClassVar[list[str]] = [stylesheet()]


class ChurnView(Still, pn.viewable.Viewer):
    """
    How sessions come and go, and how long they live, with all cards and controls.

    Works in a page, in a notebook and in a layout. A single card is one of the classes below.

    Parameters
    ----------
    source
        A monitor, an opened history, or a churn; what is computed anew while it is shown, and
        grouped otherwise, takes one of the first two.
    since
        The range at first: 1h, 24h, 7d or all.
    by
        What groups are made by at first: all, node, day, reason or ttl.
    node
        Only sessions of this node.

    Raises
    ------
    TypeError
        If `source` is none of these.
    ValueError
        If a choice is none of these.
    """

    parts: ClassVar[tuple[str, ...]] = PARTS
    is_page: ClassVar[bool] = False

    def __init__(
        self,
        source: ChurnDesk | Frames | Churn,
        *,
        since: str = "24h",
        by: str = ALL,
        node: str | None = None,
    ) -> None:
        super().__init__()
        try:
            self._first = Question(since, node, by)
        except QueryError as error:
            raise ValueError(str(error)) from error
        self._source = source
        self._desk = _find_desk(source)
        self._report: Report | None = None
        self._number: int | None = None
        plots: dict[str, ChurnPlot] = {"survival": SurvivalPlot(), "rates": RatePlot(),
                                       "lifetimes": LifetimePlot()}  # fmt: skip
        self._plots = {name: plot for name, plot in plots.items() if name in self.parts}
        self._board = ChurnBoard(
            key=secrets.token_hex(8),
            page=self.is_page,
            parts=list(self.parts),
            first={"since": self._first.span, "by": self._first.by, "node": self._first.node or ""},
            asks=self._desk is not None,
            hues=[list(GROUPS_LIGHT), list(GROUPS_DARK)],
            sizing_mode="stretch_width",
            **self._plots,
        )
        if isinstance(source, Churn):
            self._take(Report.of(source, source.by), {"id": None})
        self._board.param.watch(self._ask, "query")
        self._board.param.watch(self._tell_tables, "wanted")
        self._board.param.watch(self._paint, "dark")

    def __panel__(self) -> ChurnBoard:
        return self._board

    def _still(self) -> list[Markup]:
        """Write what was asked last; of what nobody asked yet, the first question is asked."""
        origin = getattr(self._source, "origin", None)
        is_demo = origin is not None and origin().is_demo
        try:
            report = self._report or self._make()
        except KatoPanelError as error:
            return write_refusal(str(error), is_demo=is_demo)
        return write_churn(report, self.parts, is_demo=is_demo)

    def _make(self) -> Report:
        """Answer the first question here and now: a still leaves no thread of a desk behind."""
        if isinstance(self._source, ChurnDesk):
            return self._source.ask(self._first).result()
        return make_report(cast("Frames", self._source), self._first)

    def _paint(self, change: Any) -> None:
        for plot in self._plots.values():
            plot.dark = change.new

    async def _ask(self, change: Any) -> None:
        asked = read_question(change.new)
        number, anew = _read_number(asked.pop("id", None)), asked.pop("anew", None) is True
        if self._desk is None:
            return
        given = {"since": self._first.span, "by": self._first.by, "node": self._first.node}
        try:
            question = Question.read({**given, **asked})
            report = await _wait(self._desk.ask(question, anew=anew))
            # Whoever asked again in the meantime waits for the newer answer.
            if change.new == self._board.query:
                asked = {"since": question.span, "by": question.by, "node": question.node}
                self._take(report, {"id": number, "asked": asked})
        except Exception as error:  # a page that waits has to hear of any
            is_known = isinstance(error, KatoPanelError)
            if not is_known:
                logger.exception("a question of churn cannot be answered")
            if change.new == self._board.query:
                words = say_error(error) if is_known else UNEXPECTED
                self._board.answer = json.dumps({"id": number, "error": words})

    def _take(self, report: Report, head: Mapping[str, Any]) -> None:
        """Show a report: with it, in one message, come the tables that are open."""
        self._report, self._number = report, head["id"]
        for plot in self._plots.values():
            plot.draw(report)
        answer = json.dumps({**head, **_tell(report)})
        self._board.param.update(answer=answer, tables=self._write_tables(files=False))

    def _tell_tables(self, _: Any) -> None:
        self._board.tables = self._write_tables()

    def _write_tables(self, *, files: bool = True) -> str:
        """
        Write the tables of all cards that are wanted at present, and of which answer they are.

        A page names all of them whenever one is opened: two changes of a property may come as one.
        """
        asked = read_question(self._board.wanted)
        shown, saved = (
            [card for card in self.parts if card in names] if isinstance(names, list) else []
            for names in (asked.get("cards"), files and asked.get("files"))
        )
        tables = {card: self._write_table(card, has_file=card in saved) for card in self.parts
                  if card in shown or card in saved}  # fmt: skip
        head = {"id": _read_number(asked.get("id")), "of": self._number}
        return json.dumps({**head, "tables": tables})

    def _write_table(self, card: str, *, has_file: bool) -> dict[str, Any]:
        names, rows = ([], []) if self._report is None else self._report.table(card)
        if self._report is not None and names and card == "hours":
            # The hours of a week are those of a zone: they have no UTC.
            names, rows = [*names, "zone"], [[*row, self._report.zone] for row in rows]
        table = {"names": names, "rows": rows[:MAX_ROWS], "total": len(rows)}
        if has_file:
            table["file"] = "".join(map(write_line, [names, *rows])) if names else ""
        return table


class ChurnPage(ChurnView):
    """The tab: its choices stand in the address."""

    is_page = True


class SurvivalChart(ChurnView):
    """The share of sessions that reach an age, with its band, those at risk, and the groups."""

    parts = ("survival", "groups")


class MedianLifetime(ChurnView):
    """The median lifetime, and beside it the mean of those that ended, with its bias."""

    parts = ("figures",)


class RateChart(ChurnView):
    """Arrivals, departures and net per minute, with their intervals."""

    parts = ("rates",)


class LifetimeChart(ChurnView):
    """How long those lived that ended."""

    parts = ("lifetimes",)


class ReasonChart(ChurnView):
    """Why sessions ended."""

    parts = ("reasons",)


class CohortTable(ChurnView):
    """How many of those born together reach an age."""

    parts = ("cohorts",)


class HourTable(ChurnView):
    """The week by hour and weekday."""

    parts = ("hours",)


def _find_desk(source: Any) -> ChurnDesk | None:
    """Return who is asked; nobody where the answer is there already."""
    if isinstance(source, Churn):
        return None
    if isinstance(source, ChurnDesk):
        return source
    if not all(hasattr(source, name) for name in ("watched", "sessions", "events", "gaps")):
        raise TypeError(f"source is {source!r}, must be a Monitor, an opened history or a Churn")
    if source not in _desks:
        reference = weakref.ref(source)
        _desks[source] = ChurnDesk(reference, has_records=True)
    return _desks[source]


async def _wait(answer: Future[Report]) -> Report:
    """Wait for an answer that others may wait for, too: who goes away does not end it."""
    return await asyncio.shield(asyncio.wrap_future(answer))


def _tell(report: Report) -> dict[str, Any]:
    """Write what the page draws by itself; charts have drawn theirs."""
    frames = report.frames
    naive, test = report.naive, report.log_rank
    return {
        "since": iso(report.since),
        "until": iso(report.until),
        "zone": report.zone,
        "by": report.by,
        "sessions": report.sessions,
        "notes": report.notes,
        "refusal": report.refusal,
        "is_lower_bound": report.is_lower_bound,
        "rates": {name: _interval(rate) for name, rate in report.rates_per_minute.items()},
        "median": _interval(report.median),
        "mean": _interval(report.mean),
        "naive": naive and {
            "mean_seconds": naive.mean_seconds,
            "ended": naive.ended,
            "still_open": naive.still_open,
            "bias_percent": naive.bias_percent,
            "is_off": naive.is_off,
        },
        "groups": _rows(frames.get("groups")),
        "refused": dict(report.refused),
        "log_rank": test and {"p_value": test.p_value, "groups": len(test.groups)},
        "reasons": _rows(frames.get("reasons")),
        "cohorts": _rows(frames.get("cohorts")),
        "ages": report.cohort_ages_seconds,
        "hours": _rows(frames.get("hours")),
        "nodes": report.nodes,
    }  # fmt: skip


def _interval(one: Any) -> list[float | None] | None:
    return None if one is None else [one.value, one.low, one.high]


def _rows(frame: Any) -> list[dict[str, Any]] | None:
    """Write a frame for the page: whole records, ``null`` for what is not known."""
    if frame is None:
        return None
    rows: list[dict[str, Any]] = json.loads(
        frame.reset_index().to_json(orient="records", date_format="iso", double_precision=15)
    )
    return rows


def _read_number(value: Any) -> int | None:
    return value if type(value) is int else None
