"""The notebook as a page of ``panel serve``."""

from tests.ui.conftest import Watched


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
