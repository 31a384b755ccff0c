"""What may be asked of churn."""

from datetime import timedelta

import pytest

from kato_panel.domain.churn_questions import Question
from kato_panel.errors import QueryError


def test_question_is_read_as_it_was_asked():
    """What is left out is usual; equal questions are one."""
    asked = {"since": "7d", "node": "planner-7", "by": "ttl", "zone": "Europe/Berlin"}
    question = Question.read(asked)
    assert question == Question("7d", "planner-7", "ttl", "Europe/Berlin")
    assert question.since == timedelta(days=7)
    assert Question.read({}) == Question()
    assert Question("all").since is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"since": "5m"}, "since is '5m', must be one of 1h"),
        ({"since": ["1h"]}, "since is a list"),
        ({"by": "pulse"}, "by is 'pulse'"),
        ({"node": 7}, "node is 7"),
        ({"node": "x" * 1_001}, "at most 1000 characters"),
        ({"zone": "Mars/Olympus"}, "zone is 'Mars/Olympus'"),
        ({"zone": "../etc/passwd"}, "zone is"),
        ({"zone": "America"}, "zone is"),
        ({"zone": "x" * 5_000}, "zone is"),
        ({"zone": None}, "zone is None"),
        ({"tea": 1}, "question is 'tea'"),
    ],
)
def test_anything_else_is_refused_in_words(asked, said):
    """A page may be forged, or old."""
    with pytest.raises(QueryError, match=said):
        Question.read(asked)
