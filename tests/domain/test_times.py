"""Durations in words."""

import pytest

from kato_panel.domain.times import say_duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.012345, "0.0123 s"),
        (2.65228, "2.65 s"),
        (59.4, "59.4 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (6_186.26, "1 h 43 min"),
        (3_600, "1 h"),
        (3_605, "1 h"),
        (86_460, "1 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_duration_is_said_in_its_two_greatest_units(seconds, words):
    """What is finer is of no use in a sentence."""
    assert say_duration(seconds) == words
