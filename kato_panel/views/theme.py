"""The colours of charts; the page's own stand in ``assets/live.css``, and a test compares them."""

from typing import Final

LIGHT: Final = {
    "line": "#e4e7ec",
    "faint": "#667080",
    "accent": "#2457c5",
    "made": "#007a58",
    "gone": "#b54800",
}
DARK: Final = {
    "line": "#262e3a",
    "faint": "#8290a2",
    "accent": "#84a9ff",
    "made": "#3ecf9f",
    "gone": "#ff9a5c",
}
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
