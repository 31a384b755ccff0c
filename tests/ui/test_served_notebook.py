"""The notebooks as pages of ``panel serve``."""

import pytest

from tests.ui.conftest import Watched

WEEK_MS = 90_000
"""The demo's week takes 5 s of a processor, which may have other things to do."""


def test_each_visit_of_the_served_notebook_is_live(panel_serve, simulator, caller, context):
    """Its last cell ends no page, and a second visit leaves the first one alone."""
    base = panel_serve("notebooks/01_live.ipynb", KATO_API_URL=simulator.url)
    first, second = Watched(context), Watched(context)
    for visit in (first, second):
        visit.open(f"{base}/01_live").count("5")
    caller.create()
    for visit in (first, second):
        visit.count("6")
        outside = [u for u in visit.requests if not u.startswith((base, "blob:", "data:"))]
        assert (outside, visit.complaints) == ([], [])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("02_churn", "do not live equally long"),
        ("03_your_kato", "which takes REDIS_URL"),
        ("05_alert_rules", "threshold"),
    ],
)
def test_served_notebook_answers(panel_serve, simulator, watched, name, told):
    """With its view, on what it has: a week, or a KATO without Redis."""
    base = panel_serve(f"notebooks/{name}.ipynb", KATO_API_URL=simulator.url)
    watched.page.goto(f"{base}/{name}", timeout=WEEK_MS)
    watched.page.get_by_text(told).first.wait_for(timeout=WEEK_MS)
    outside = [u for u in watched.requests if not u.startswith((base, "blob:", "data:"))]
    assert (outside, watched.complaints) == ([], [])
