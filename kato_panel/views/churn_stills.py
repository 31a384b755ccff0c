"""Churn as still pictures: the cards of a report that was computed, as parts of a document."""

from collections.abc import Callable, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from kato_panel import churn_tables
from kato_panel.churn_report import Report
from kato_panel.domain.churn import Interval, NaiveMean
from kato_panel.views import churn_cards, documents
from kato_panel.views.markup import Markup, element
from kato_panel.views.wording import write_number, write_span, write_time

TITLE: Final = "KATO sessions"


def write_churn(report: Report, parts: Sequence[str], *, is_demo: bool) -> list[Markup]:
    """
    Write cards of churn.

    Parameters
    ----------
    report
        What they tell.
    parts
        Names of the cards.
    is_demo
        Whether it is of simulated data.
    """
    zone = ZoneInfo(report.zone)
    first, last = (write_time(at, zone) for at in (report.since, report.until))
    body = _write_head(f"Churn, {first} to {last}, {report.zone}", is_demo=is_demo)
    notes = [note[:1].upper() + note[1:].removesuffix(".") + "." for note in report.notes]
    if report.refusal is not None:
        notes.insert(0, _say_refusal(report))
    if "figures" in parts:
        body.append(_write_figures(report))
    if notes:
        listed = element("ul", *(element("li", note) for note in notes))
        body.append(documents.write_card("What has to be known to read it", listed))
    cards = [CARDS[part](report, zone) for part in parts if part in CARDS]
    return [*body, *(card for card in cards if card is not None)]


def write_refusal(why: str, *, is_demo: bool) -> list[Markup]:
    """Write why there is nothing to be shown."""
    sentence = documents.write_remark(f"There is no churn: {why}.")
    return [*_write_head("Churn", is_demo=is_demo), documents.write_card("Churn", sentence)]


def _write_head(range_: str, *, is_demo: bool) -> list[Markup]:
    mark = element("span", "demo data", cls="mark") if is_demo else None
    return [
        element("header", element("h1", TITLE), mark, cls="head"),
        element("p", range_, cls="range"),
    ]


def _write_figures(report: Report) -> Markup:
    rates, naive, least = report.rates_per_minute, report.naive, ""
    if report.is_lower_bound:
        least = "at least, "
    median = report.median
    tiles = [
        documents.write_tile(
            "Median lifetime",
            write_span(None if median is None else median.value),
            _bounds(median, write_span),
        ),
        documents.write_tile(
            "Mean of closed sessions",
            write_span(None if naive is None else naive.mean_seconds),
            "" if naive is None else _say_bias(naive, report.mean),
        ),
        *(
            documents.write_tile(
                name,
                write_number(rates[key].value),
                least + _bounds(rates[key], write_number),
                role,
            )
            for key, name, role in (
                ("arrivals", "Created per minute", "made"),
                ("departures", "Ended per minute", "gone"),
                ("net", "Net per minute", ""),
            )
        ),
    ]
    return element("div", *tiles, cls="tiles")


def _say_bias(naive: NaiveMean, mean: Interval | None) -> str:
    """Say whether chance explains how far the mean of the closed is off, and who is left out."""
    open_ = f"{write_number(naive.still_open)} still open"
    if not naive.is_off:
        return f"no bias to be told from chance, {open_}; of all {_bounds(mean, write_span)}"
    way = "short" if naive.bias_percent < 0 else "long"
    off = f"biased, {write_number(abs(round(naive.bias_percent, 1)))} % too {way}"
    return f"{off}, {open_}; of all {_bounds(mean, write_span)}"


def _bounds(one: Interval | None, write: Callable[[float | None], str]) -> str:
    if one is None or (one.low is None and one.high is None):
        return ""
    high = "not reached" if one.high is None else write(one.high)
    return f"95 %: {write(one.low)} to {high}"


def _say_refusal(report: Report) -> str:
    return f"There are no lifetimes: {report.refusal}."


def _refused(report: Report, name: str) -> churn_tables.Table:
    return churn_tables.empty_tables(_say_refusal(report))[name]


def _write_survival(report: Report, zone: ZoneInfo) -> Markup:
    frame = report.frames.get("at_risk")
    if frame is None:
        return churn_cards.write_survival(_refused(report, "survival"), {}, zone, 0.0)
    table = churn_tables.survival_table(frame)
    return churn_cards.write_survival(table, report.curves, zone, report.shown_seconds)


def _write_groups(report: Report, zone: ZoneInfo) -> Markup | None:
    frame = report.frames.get("groups")
    if frame is None:
        return None
    noun = "time to live" if report.by == "ttl" else report.by
    table = churn_tables.group_table(frame, (), report.log_rank, noun)
    return churn_cards.write_groups(table, f"Lifetimes by {noun}", zone)


def _write_rates(report: Report, zone: ZoneInfo) -> Markup:
    table = churn_tables.rate_table(report.frames["rates"], is_bound=report.is_lower_bound)
    return churn_cards.write_rates(table, (report.since, report.until), zone)


def _write_reasons(report: Report, zone: ZoneInfo) -> Markup:
    return churn_cards.write_reasons(churn_tables.reason_table(report.frames.get("reasons")), zone)


def _write_lifetimes(report: Report, zone: ZoneInfo) -> Markup:
    frame = report.frames.get("lifetimes")
    if frame is None or frame.empty:
        why = churn_tables.NO_END if report.refusal is None else _say_refusal(report)
        return documents.write_card(churn_cards.LIFETIMES, documents.write_remark(why))
    return churn_cards.write_lifetimes(frame, zone)


def _write_cohorts(report: Report, zone: ZoneInfo) -> Markup:
    frame = report.frames.get("cohorts")
    if frame is None:
        return churn_cards.write_cohorts(_refused(report, "cohorts"), zone)
    born = frame[frame["members"] > 0]
    return churn_cards.write_cohorts(churn_tables.cohort_table(born), zone)


def _write_hours(report: Report, zone: ZoneInfo) -> Markup:
    return churn_cards.write_hours(report.frames["hours"], zone)


CARDS: Final[dict[str, Callable[[Report, ZoneInfo], Markup | None]]] = {
    "survival": _write_survival,
    "groups": _write_groups,
    "rates": _write_rates,
    "reasons": _write_reasons,
    "lifetimes": _write_lifetimes,
    "cohorts": _write_cohorts,
    "hours": _write_hours,
}
