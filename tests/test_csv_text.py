"""CSV that no spreadsheet runs."""

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_panel.csv_text import read_text, write_cell, write_line

SIGNS = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"
RISKY = st.text(alphabet="'=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20\",; aé😀", max_size=12)


def read(line):
    (row,) = csv.reader(io.StringIO(line, newline=""))
    return row


@given(st.lists(st.one_of(RISKY, st.text(max_size=40)), min_size=2, max_size=6))
def test_texts_come_back_as_they_were(texts):
    """Through Python's own reader of CSV, letter by letter."""
    assert [read_text(cell) for cell in read(write_line(texts))] == texts


@given(st.lists(st.one_of(RISKY, st.text()), min_size=2, max_size=3))
def test_no_cell_begins_as_a_formula_does(texts):
    """Whatever stands in it."""
    assert not any(cell[:1] in SIGNS for cell in read(write_line(texts)) if cell)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("'=1", "''=1"),
        ("it's", "it's"),
        ('say "hi"', '"say ""hi"""'),
        ("a,b", '"a,b"'),
        (" a", '" a"'),
        ("", ""),
        ("x\ud800", "x?"),
        (None, ""),
        (True, "true"),
        (-3, "-3"),
        (1.5, "1.5"),
        (math.inf, ""),
    ],
)
def test_cell_is_written_so(value, cell):
    """Numbers keep their sign; what is not known is empty."""
    assert write_cell(value) == cell


def test_line_ends_as_the_standard_says():
    """With both characters."""
    assert write_line(["a", 1]) == "a,1\r\n"
