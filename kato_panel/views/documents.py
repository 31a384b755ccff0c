"""
Documents of one file: what is shown, its one stylesheet, and no script at all.

A document's own policy lets nothing be fetched and nothing run, whatever stands in it.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from kato_panel.churn_tables import Table
from kato_panel.views.markup import Markup, element
from kato_panel.views.theme import ASSETS, DARK, GROUPS_DARK, GROUPS_LIGHT, LIGHT, variables
from kato_panel.views.wording import write_value
from kato_panel.whole_files import writing_whole

TIMES: Final = frozenset({"time", "resolved", "ended", "since", "at"})
WORDS: Final = frozenset(
    {
        *("figure", "item", "container", "metric", "rule", "subject", "severity", "reason"),
        *(
            "acknowledged_by",
            "node",
            "source",
            "state",
            "sessions_named",
            "image",
            "status",
            "session",
        ),
    }
)


def stylesheet() -> str:
    """Write the documents' stylesheet: light, dark where the reader's screen is, light on paper."""
    dark = variables(DARK | _name(GROUPS_DARK))
    dark = f"@media screen and (prefers-color-scheme: dark) {{ .kato-doc {{ {dark} }} }}"
    light = variables(LIGHT | _name(GROUPS_LIGHT))
    light = f".kato-doc {{ {light} color-scheme: light dark; }}"
    return "\n".join((light, dark, (ASSETS / "document.css").read_text(encoding="utf-8")))


def _name(hues: Sequence[str]) -> dict[str, str]:
    return {f"g{place}": hue for place, hue in enumerate(hues)}


def write_part(body: Sequence[Markup]) -> str:
    """Write what another page may hold: its rules reach nothing else of that page."""
    style = Markup(f"<style>{stylesheet()}</style>")
    return element("div", style, *body, cls="kato-doc")


def write_document(title: str, body: Sequence[Markup]) -> str:
    """Write a whole document; `body` as for `write_part`."""
    # Its ground is that of the part, to the edges of the window.
    sheet = stylesheet() + (
        f"html {{ background: {LIGHT['bg']}; }} body {{ margin: 0; }}\n"
        "@media screen and (prefers-color-scheme: dark) "
        f"{{ html {{ background: {DARK['bg']}; }} }}\n"
        "@media print { html { background: none; } }"
    )
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="generator" content="kato-panel">'
    )
    inner = element("main", *body, cls="kato-doc")
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}'
        + element("title", title)
        + f"<style>{sheet}</style></head><body>{inner}</body></html>\n"
    )


def save(path: str | Path, text: str) -> None:
    """Write a document to a file; one that was there is replaced, whole or not at all."""
    with writing_whole(path) as file:
        file.write(text)


def write_tile(name: str, value: str, more: str = "", role: str = "") -> Markup:
    """Write one figure, large."""
    return element(
        "div",
        element("div", name, cls="name"),
        element("div", value, cls="value"),
        element("div", more, cls="more") if more else None,
        cls=f"tile {role}".strip(),
    )


def write_card(title: str, *children: Markup | None, is_long: bool = False) -> Markup:
    """Write a part of a document with its title."""
    return element(
        "section", element("h2", title), *children, cls="card long" if is_long else "card"
    )


def write_remark(text: str) -> Markup | None:
    """Write what has to be known to read something."""
    return element("p", text, cls="remark") if text else None


def write_key(entries: Iterable[tuple[str, str]]) -> Markup:
    """Write what the colours of a chart mean: class and word of each."""
    return element("p", *(element("span", word, cls=name) for name, word in entries), cls="key")


def write_details(table: Markup, words: str = "Show as table") -> Markup:
    """Write the table of a chart, to be opened."""
    return element("details", element("summary", words), table)


def write_table(
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[Any]],
    zone: ZoneInfo,
    *,
    cls: str | None = None,
) -> Markup:
    """
    Write a table.

    Parameters
    ----------
    columns
        Name and heading of each; the name says its unit.
    rows
        Values, or what is markup already.
    zone
        Of times.
    cls
        Its class, if it has one.
    """
    head = element("tr", *(element("th", title, cls=_side(name)) for name, title in columns))
    body = [
        element(
            "tr",
            *(
                value
                if isinstance(value, Markup)
                else element("td", write_value(name, value, zone), cls=_side(name))
                for (name, _), value in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    ]
    table = element("table", element("thead", head), element("tbody", *body), cls=cls)
    return element("div", table, cls="scroll", tabindex="0", role="group", aria_label="table")


def heading_of(name: str) -> str:
    """Make a heading of a column's name; the unit is written with each value."""
    for unit in ("_seconds", "_percent", "_sessions"):
        name = name.removesuffix(unit)
    words = name.replace("_per_minute", " per minute").replace("_", " ")
    return words[:1].upper() + words[1:]


def write_columns(table: Table, names: Sequence[str], zone: ZoneInfo) -> Markup:
    """Write some columns of a table, each with a heading that its name gives."""
    places = [table.columns.index(name) for name in names]
    rows = ([row[place] for place in places] for row in table.rows)
    return write_table([(name, heading_of(name)) for name in names], rows, zone)


def _side(name: str) -> str | None:
    if name in TIMES:
        return "text time"
    return "text" if name in WORDS else None
