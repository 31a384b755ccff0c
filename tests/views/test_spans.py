"""Alerts behind a chart."""

import pytest

from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.rules import Alert, Rule, Severity
from kato_panel.views.spans import EDGE, FILL, MARKED, lay_out, name_alerts
from kato_panel.views.theme import LIGHT
from tests.conftest import moment

START = moment(0).wall.timestamp()


def entry(began, ended=None, severity=Severity.WARNING, message="m"):
    rule = Rule("r", "metric", ">", 0, severity=severity, message=message)
    over = None if ended is None else moment(ended)
    return AlertEntry(Alert(rule, "", moment(began), moment(began), 1.0, over))


def drawn(entries, since=0, until=1_000, marked=""):
    """Tell from when to when what is drawn, by its role."""
    columns = lay_out(entries, (START + since, START + until), LIGHT, marked)
    roles = {colour: role for role, colour in LIGHT.items()}
    return [
        (round(left - START), round(right - START), roles[colour])
        for left, right, colour, *_ in zip(*columns.values(), strict=True)
    ]


@pytest.mark.parametrize(
    ("began", "ended", "shown"),
    [
        (100, 200, [(100, 200)]),
        (-50, 50, [(0, 50)]),
        (900, None, [(900, 1_000)]),
        (100, 101, [(100, 104)]),
        (1_000, None, [(996, 1_000)]),
        (-50, -10, []),
        (2_000, None, []),
    ],
)
def test_alert_is_drawn_from_its_beginning_to_its_end(began, ended, shown):
    """Within the chart, and never too thin to be seen."""
    assert drawn([entry(began, ended)]) == [(*one, "warn") for one in shown]


def test_where_several_fired_the_worst_is_drawn():
    """One over the other would be a colour that means nothing."""
    error = entry(200, 300, Severity.ERROR)
    info = entry(250, 500, Severity.INFO)
    assert drawn([entry(100, 400), info, error]) == [
        (200, 300, "bad"),
        (100, 200, "warn"),
        (300, 400, "warn"),
        (400, 500, "accent"),
    ]
    assert drawn([entry(100, 200), entry(150, 300), entry(400, 500)]) == [
        (100, 300, "warn"),
        (400, 500, "warn"),
    ]


def test_alert_that_is_pointed_out_is_stronger():
    """And drawn over what fired with it."""
    one, other = entry(100, 200), entry(150, 300)
    columns = lay_out([one, other], (START, START + 1_000), LIGHT, one.alert.id)
    assert columns["fill"] == [FILL, FILL * MARKED]
    assert columns["edge"] == [EDGE, EDGE * MARKED]
    assert columns["right"][1] == START + 200


def test_alerts_are_named_in_the_slices_in_which_they_fired():
    """Two of them, how many more there were, and nothing that hides or reorders."""
    entries = [entry(15, 25, message=f"m{n}") for n in range(4)]
    starts = [START + at for at in (0, 10, 20, 30)]
    told = "m0 · m1 · and 2 more"
    assert name_alerts(entries, starts, 10) == ["", told, told, ""]
    assert name_alerts([entry(12, message="a\u202eb")], starts, 10) == ["", *["a·b"] * 3]
    assert name_alerts([entry(12, message="x" * 500)], starts[1:2], 10) == ["x" * 89 + "…"]
    assert name_alerts(entries, [], 10) == []
