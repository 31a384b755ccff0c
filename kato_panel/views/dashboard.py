"""The page: one set of models and one view for each visit, gone when the visit ends."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import unquote

import panel as pn
from panel.io.resources import BASE_TEMPLATE, get_dist_path

from kato_panel import messages
from kato_panel import runtime as runtimes
from kato_panel.domain.actions import VISITOR, ActionsState, judge_request
from kato_panel.domain.text import safe
from kato_panel.errors import ConfigError
from kato_panel.models import Models
from kato_panel.runtime import Runtime
from kato_panel.views.containers import ContainerCards
from kato_panel.views.live import LiveView
from kato_panel.views.nonces import MARK, mark_scripts
from kato_panel.views.orders import Orders
from kato_panel.views.sessions import SessionTable
from kato_panel.views.theme import ASSETS, DARK, LIGHT, stylesheet
from kato_panel.views.turns import in_turns_of
from kato_panel.watcher import now

TITLE = "KATO sessions"
CHURN = "kato_panel.views.churn"
SENTENCE = 500
"""Characters of a reason that are shown."""
LOCKED = (
    "A login is set, and panel serve cannot ask for it.",
    "kato-panel serve can: start that instead.",
)
TEMPLATE = BASE_TEMPLATE.environment.from_string((ASSETS / "page.html").read_text(encoding="utf-8"))


NOBODY = ActionsState(False)


class AlertsTab(LiveView):
    """The rules with their present state, and what fires and did."""

    parts = ("rules", "alerts")
    is_within = True


class ServedView(LiveView):
    """
    What our service shows as a page: it heals its link, and asks our routes meanwhile.

    Parameters
    ----------
    models
        What is shown.
    runtime
        What the models follow; says how long things stay, and whether our routes are there to
        be asked while the page's socket is down.
    orders
        As for `LiveView`.
    may_act
        Whether this visit may change anything, if the service may.
    """

    is_page = True

    def __init__(
        self,
        models: Models,
        runtime: Runtime,
        orders: Orders | None = None,
        may_act: ActionsState = NOBODY,
    ) -> None:
        self._runtime = runtime
        self._may_act = may_act
        super().__init__(models, orders=orders)

    def _replay(self) -> dict[str, Any] | None:
        replay = self._runtime.replay
        if replay is None:
            return None
        acts = self._may_act.allowed and self._runtime.judge_orders().allowed
        told = messages.replay(replay.player.playing).model_dump()
        # A page hears nothing of what is as it was, and would take its link for lost.
        return {**told, "acts": acts, "beat": self._models.revision}

    def _features(self) -> dict[str, bool]:
        return {**super()._features(), "api": self._runtime.has_routes}

    def _settings(self) -> dict[str, float]:
        settings = self._runtime.settings
        return {
            "toast_seconds": settings.toast_seconds,
            "fallback_interval_seconds": settings.fallback_interval_seconds,
        }


class LivePage(ServedView):
    """
    The whole page: header, tabs and all cards. What another tab shows is built when it is chosen.

    Parameters
    ----------
    models, runtime, may_act
        As for `ServedView`.
    who
        In whose name it does so.
    """

    parts = ("header", *LiveView.parts, "lifetime")

    def __init__(
        self, models: Models, runtime: Runtime, may_act: ActionsState, who: str = "page"
    ) -> None:
        self._who = who
        self._bodies: dict[str, pn.viewable.Viewer] = {}
        super().__init__(models, runtime, _find_orders(runtime, may_act, who), may_act)
        self._board.param.watch(self._choose, "tab")

    @property
    def tabs(self) -> list[list[str]]:
        """Name and title of each view."""
        return [*super().tabs, *([name, title] for name, (title, _) in self._offers().items())]

    def _offers(self) -> dict[str, tuple[str, Callable[[], pn.viewable.Viewer]]]:
        """List the tabs beside the first: title, and what makes the view."""
        offers: dict[str, tuple[str, Callable[[], pn.viewable.Viewer]]] = {}
        if (sessions := self._runtime.sessions) is not None:
            offers["sessions"] = (
                "Sessions",
                partial(SessionTable, sessions, may_act=self._may_act, who=self._who),
            )
        if self._runtime.churn is not None:
            offers["churn"] = ("Churn", self._build_churn)
        if self._runtime.settings.container_stats:
            offers["containers"] = (
                "Containers",
                partial(ContainerCards, self._models, is_page=True),
            )
        if self._runtime.settings.system_alerts:
            offers["alerts"] = (
                "Alerts",
                partial(AlertsTab, self._models, orders=self._orders),
            )
        return offers

    def _build_churn(self) -> pn.viewable.Viewer:
        # Loads pandas, which `_choose` has done on another thread.
        from kato_panel.views.churn import ChurnPage  # noqa: PLC0415

        assert self._runtime.churn is not None  # noqa: S101 - or it is not offered
        return ChurnPage(self._runtime.churn)

    async def _choose(self, chosen: Any) -> None:
        name = chosen.new
        for other, body in self._bodies.items():
            if isinstance(body, ContainerCards):
                body.follow() if other == name else body.close()
        _, build = self._offers().get(name, ("", None))
        if build is None:
            return
        if name == "churn" and CHURN not in sys.modules:
            await asyncio.to_thread(import_module, CHURN)
        if name not in self._bodies:
            self._bodies[name] = build()
        if self._board.tab == name:  # or somebody went on meanwhile
            self._board.body = self._bodies[name]

    def _lifetime(self) -> dict[str, Any] | None:
        desk = self._runtime.churn
        # In a replay the median would be that of the recording's end.
        if desk is None or self._runtime.replay is not None:
            return None
        return asdict(desk.median)

    def _features(self) -> dict[str, bool]:
        runtime = self._runtime
        can_log_out = runtime.settings.has_login and runtime.listens_on is not None
        return {
            **super()._features(),
            "history": runtime.history is not None or runtime.replay is not None,
            "logout": can_log_out,
        }


class Visit:
    """
    One open page: follows the hub on the page's behalf.

    Parameters
    ----------
    runtime
        What is followed.
    doc
        The visit's document.
    build
        Makes of the visit's models what it shows.

    Attributes
    ----------
    view
        What the visit shows.
    """

    def __init__(self, runtime: Runtime, doc: Any, build: Callable[[Models], ServedView]) -> None:
        self._models = Models()
        self._subscription = self._models.follow(runtime, in_turns_of(doc, self._apply))
        self.view = build(self._models)
        doc.on_session_destroyed(self._end)
        pn.state.onload(self.view.show_chart)

    def _apply(self) -> None:
        self._models.apply(self._subscription.take())

    def _end(self, _: Any) -> None:
        self._subscription.close()
        self.view.close()


def _find_orders(runtime: Runtime, may_act: ActionsState, who: str) -> Orders | None:
    """Find who takes a visit's orders about alerts; nobody, where it may not give any."""
    alarms = runtime.alarms
    is_taken = alarms is not None and alarms.state.allowed and may_act.allowed
    return Orders(alarms, who, now) if alarms is not None and is_taken else None


def _judge_visit(runtime: Runtime, doc: Any) -> ActionsState:
    """Say whether a visit is one of a person who is logged in, or else at this machine."""
    if runtime.settings.has_login:
        return ActionsState(True)  # or there would be no visit
    headers = getattr(doc.session_context.request, "headers", {})
    return judge_request(_read_header(doc, "Host"), headers)


def _name_visitor(runtime: Runtime, doc: Any) -> str:
    """Say in whose name a visit acts; in the full service only the guard writes who that is."""
    visitor = unquote(_read_header(doc, VISITOR)) if runtime.listens_on else ""
    return f"page, {visitor}" if visitor else "page"


def _read_header(doc: Any, wanted: str) -> str:
    headers = getattr(doc.session_context.request, "headers", {})
    found = (value for name, value in headers.items() if name.lower() == wanted.lower())
    return str(next(found, ""))


def page() -> Any:
    """
    Build the page for the visit that is current, and let it follow the hub until it ends.

    Returns
    -------
    LiveView
        To be served; where the settings are wrong, what is wrong with them.
    """
    doc = dress(pn.state.curdoc)
    try:
        runtime = runtimes.current()
    except ConfigError as error:
        noun = "One setting is"
        if len(error.problems) > 1:
            noun = f"{len(error.problems)} settings are"
        end = "Nothing is watched until this is mended and the service is started again."
        return _refusal(f"{noun} wrong", error.problems, end)
    if _is_locked(runtime):
        return _refusal("This dashboard is locked", LOCKED, "Nothing is shown here until then.")
    may_act, who = _judge_visit(runtime, doc), _name_visitor(runtime, doc)
    return Visit(runtime, doc, lambda models: LivePage(models, runtime, may_act, who)).view


def dress(doc: Any, *, is_widget: bool = False) -> Any:
    """
    Give a visit's document our template, and what that needs.

    Parameters
    ----------
    doc
        The visit's document.
    is_widget
        Whether it is one level below the dashboard, and may stand in another's page.
    """
    doc.title = TITLE
    doc.template = TEMPLATE
    doc.template_variables["colours"] = {"light": LIGHT, "dark": DARK}
    doc.template_variables["is_widget"] = is_widget
    doc.template_variables["mark"] = MARK
    doc.template_variables["mark_scripts"] = mark_scripts
    # Panel takes this from the request of the page; a visit that a browser brings back after the
    # server's restart has none, and would ask Panel's content network for its stylesheets.
    doc.template_variables["dist_url"] = ("../" if is_widget else "") + get_dist_path()
    pn.config.reconnect = True
    return doc


def _is_locked(runtime: Runtime) -> bool:
    """
    Say whether a login is set that nobody here asks for.

    Plain ``panel serve`` listens on every address, and knows nothing of our settings; where it has
    a login of its own, whoever sees this page has passed it.
    """
    return (
        runtime.settings.has_login
        and runtime.listens_on is None
        and pn.state.user in {None, "guest"}
    )


def _refusal(title: str, reasons: Iterable[str], end: str) -> Any:
    """Draw why there is no dashboard."""
    items = "".join(f"<li>{safe(reason, SENTENCE)}</li>" for reason in reasons)
    card = (
        '<div class="kato page"><main class="refusal card" role="alert">'
        f"<h1>{safe(title)}</h1><ul>{items}</ul><p>{safe(end)}</p></main></div>"
    )
    return pn.pane.HTML(card, stylesheets=[stylesheet()], sizing_mode="stretch_width")
