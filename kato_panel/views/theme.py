"""
The look: every colour has its role and its one place here, light and dark.

Page, cards and charts take them from here; `stylesheet` is the one stylesheet of them all.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ASSETS: Final = Path(__file__).with_name("assets")
_LEFT_OUT: Final = re.compile(
    r"^import [^\n]*\n|^export (?!function render)|^\s*/\*\*.*?\*/\n|^[ \t]+",
    re.MULTILINE | re.DOTALL,
)
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"

# Created and ended are a bluish green and a vermilion: safe for colour-blind eyes, and never the
# only sign. `old` is for large figures only, of which AA asks 3:1; all other text has 4.5:1.
LIGHT: Final = {
    "bg": "#f6f7f9",
    "card": "#ffffff",
    "line": "#e4e7ec",
    "text": "#141a24",
    "dim": "#5b6675",
    "faint": "#667080",
    "old": "#8a94a3",
    "accent": "#2457c5",
    "accent-soft": "#e8eefb",
    "made": "#007a58",
    "made-soft": "#e2f3ee",
    "gone": "#b54800",
    "gone-soft": "#fbeadf",
    "warn": "#8a6100",
    "warn-soft": "#fdf3d8",
    "bad": "#b3261e",
    "bad-soft": "#fbe6e4",
    "neutral-soft": "#eef0f4",
    "shadow": "0 1px 2px rgb(16 24 40 / .05)",
    "lift": "0 8px 28px rgb(16 24 40 / .16)",
    "scrim": "rgb(16 24 40 / .35)",
}
DARK: Final = {
    "bg": "#0e1218",
    "card": "#161c25",
    "line": "#262e3a",
    "text": "#e8ecf2",
    "dim": "#9aa6b6",
    "faint": "#8290a2",
    "old": "#6d7888",
    "accent": "#84a9ff",
    "accent-soft": "#1b2740",
    "made": "#3ecf9f",
    "made-soft": "#12302a",
    "gone": "#ff9a5c",
    "gone-soft": "#38230f",
    "warn": "#f0c35a",
    "warn-soft": "#332812",
    "bad": "#ff8a80",
    "bad-soft": "#3a1d1b",
    "neutral-soft": "#202835",
    "shadow": "none",
    "lift": "0 8px 28px rgb(0 0 0 / .5)",
    "scrim": "rgb(0 0 0 / .55)",
}

# Told apart by colour-blind eyes, after Okabe and Ito, darker or lighter to be read on a card;
# further groups begin anew, and each has its name beside it.
GROUPS_LIGHT: Final = (
    *("#2457c5", "#b54800", "#007a58", "#a3348b", "#8a6100", "#1b7f9e", "#5b6675", "#7a3df0"),
)
GROUPS_DARK: Final = (
    *("#84a9ff", "#ff9a5c", "#3ecf9f", "#f08ad8", "#f0c35a", "#6fd0ee", "#b6c0ce", "#b9a0ff"),
)


def variables(colours: dict[str, str]) -> str:
    """Write a theme as CSS declarations, one variable for each role."""
    return " ".join(f"--{role}: {value};" for role, value in colours.items())


def stylesheet() -> str:
    """Write the one stylesheet: the roles, light and dark, and what is made of them."""
    themes = (
        f":host, .kato {{ {variables(LIGHT)} color-scheme: light; }}\n"
        f".kato[data-theme=dark] {{ {variables(DARK)} color-scheme: dark; }}\n"
    )
    sheets = ("live.css", "sessions.css", "containers.css", "alerts.css", "churn.css")
    return themes + "".join((ASSETS / sheet).read_text(encoding="utf-8") for sheet in sheets)


def join_modules(names: Iterable[str]) -> str:
    """
    Join modules of the page's code into the one that Panel takes for a component.

    Panel hands a component to the browser as a blob, from which nothing relative can be imported;
    so the modules' imports of one another are dropped, and they share one scope. Each page load
    is sent all of it: the comments and what lines begin with stay behind.

    Parameters
    ----------
    names
        Of the modules, each before those that import it.
    """
    texts = [(ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in names]
    return _LEFT_OUT.sub("", "\n".join(texts))
