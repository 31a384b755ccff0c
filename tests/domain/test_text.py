"""Text from outside in a page."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_panel.domain.text import safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        (7, "7"),
        (None, "None"),
        ('<a href="x">\'&', "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;"),
        ("a\x00b\nc\x1b[31m", "a·b·c·[31m"),
        ("\u202eevil\u2066", "·evil·"),
        ("line\u2028break", "line·break"),
        ("naïve 👩", "naïve 👩"),
    ],
)
def test_text_is_shown_as_it_is_and_harms_nothing(text, shown):
    """Tags are text, and what is hidden shows."""
    assert safe(text) == shown


def test_long_text_is_cut_before_it_is_escaped():
    """A cut never leaves half of an escaped letter."""
    assert safe("<" * 300, 10) == "&lt;" * 9 + "…"
    assert safe("x" * 200) == "x" * 200


@given(st.text(), st.integers(1, 50))
def test_any_text_is_bounded_and_without_markup(text, limit):
    """Whatever it is."""
    made = safe(text, limit)
    assert len(html.unescape(made)) <= max(limit, 1)
    assert not set("<>\"'\n\r\0") & set(made)
