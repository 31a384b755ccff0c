"""Which widgets there are, and what their addresses may say: judged before one is built."""

from collections.abc import Mapping
from typing import Final

from tornado.httputil import HTTPServerRequest

from kato_panel.domain.churn_questions import MAX_NAME, is_name, is_zone
from kato_panel.errors import QueryError
from kato_panel.runtime import Runtime
from kato_panel.server.asked import read_question
from kato_panel.server.headers import WIDGETS
from kato_panel.server.refusals import Refusal
from kato_panel.views.widgets import OFFERED, Widget, why_off

THEMES: Final = ("light", "dark", "system")
ENDS: Final = ("", "/ws")
"""What is answered of a widget: the page, and its socket. Nothing else of Panel's is needed."""


def check_widget(runtime: Runtime, request: HTTPServerRequest, path: str) -> Refusal | None:
    """
    Say why there is no such widget.

    Parameters
    ----------
    runtime
        Whose settings say what there is.
    request
        As it came.
    path
        Of it, without what everything is mounted below.

    Returns
    -------
    Refusal or None
        ``None`` lets it pass.
    """
    name, slash, rest = path.removeprefix(WIDGETS).partition("/")
    widget = OFFERED.get(name)
    if widget is None or slash + rest not in ENDS:
        return Refusal(404, "not_found", f"the widgets are {', '.join(OFFERED)}")
    reason = why_off(widget, runtime)
    if reason:
        return Refusal(404, "not_found", f"there is no widget {name}: {reason}")
    if rest:
        return None
    try:
        _check_choices(read_question(request), widget)
    except QueryError as error:
        return Refusal(422, "invalid", str(error), wrong=error.field)
    return None


def _check_choices(given: Mapping[str, str], widget: Widget) -> None:
    """Refuse what a widget's address cannot say."""
    allowed = ["theme", "tz"]
    allowed += ["since"] if widget.spans else []
    allowed += ["node"] if widget.takes_node else []
    for name in given:
        if name not in allowed:
            raise QueryError("argument", name, f"one of {', '.join(allowed)}")
    if given.get("theme", "system") not in THEMES:
        raise QueryError("theme", given["theme"], f"one of {', '.join(THEMES)}")
    if not is_zone(given.get("tz", "UTC")):
        raise QueryError("tz", given["tz"], "the IANA name of a time zone")
    if "since" in given and given["since"] not in widget.spans:
        raise QueryError("since", given["since"], f"one of {', '.join(widget.spans)}")
    if not is_name(given.get("node", "")):
        raise QueryError("node", given["node"], f"a name of at most {MAX_NAME} characters")
