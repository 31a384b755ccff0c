"""Widgets: one card alone, for other sites' pages. Nothing can be ordered from one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import panel as pn

from kato_panel import runtime as runtimes
from kato_panel.domain.churn_questions import SPANS
from kato_panel.domain.series import Range
from kato_panel.models import Models
from kato_panel.runtime import Runtime
from kato_panel.views.containers import ContainerCards
from kato_panel.views.dashboard import CHURN, ServedView, Visit, dress


@dataclass(frozen=True, slots=True)
class Widget:
    """
    What a widget shows, and what its address may choose.

    Parameters
    ----------
    part
        Of the page's live cards; empty if it shows something else.
    card
        Class of the card that it shows otherwise, by its name.
    spans
        Ranges that ``since`` may name.
    takes_node
        Whether ``node`` may name one.
    """

    part: str = ""
    card: str = ""
    spans: tuple[str, ...] = ()
    takes_node: bool = False


def _of_churn(card: str) -> Widget:
    return Widget(card=card, spans=tuple(SPANS), takes_node=True)


OFFERED: Final[Mapping[str, Widget]] = MappingProxyType(
    {
        "count": Widget("count"),
        "rates": Widget("rates"),
        "sources": Widget("sources"),
        "chart": Widget("chart", spans=tuple(span.value for span in Range)),
        "events": Widget("events"),
        "upstream": Widget("upstream"),
        "containers": Widget(card=ContainerCards.__name__),
        "alerts": Widget("alerts"),
        "rules": Widget("rules"),
        "survival": _of_churn("SurvivalChart"),
        "median": _of_churn("MedianLifetime"),
        "churn": _of_churn("RateChart"),
        "lifetimes": _of_churn("LifetimeChart"),
        "reasons": _of_churn("ReasonChart"),
        "cohorts": _of_churn("CohortTable"),
        "hours": _of_churn("HourTable"),
    }
)
"""All of them, by the name in their address."""


def why_off(widget: Widget, runtime: Runtime) -> str:
    """Say why a service has not got a widget that others have; empty if it has it."""
    settings = runtime.settings
    if widget.part == "upstream" and runtime.replay is not None:
        return "it is not recorded"
    if widget.part == "events" and not settings.session_events:
        return "WEBSOCKET_SESSION_EVENTS is off"
    if widget.part in {"alerts", "rules"} and not settings.system_alerts:
        return "WEBSOCKET_SYSTEM_ALERTS is off"
    if widget.card == ContainerCards.__name__ and not settings.container_stats:
        return "WEBSOCKET_CONTAINER_STATS is off"
    return ""


class WidgetView(ServedView):
    """
    One card alone on its page, without header, tabs and orders.

    Parameters
    ----------
    models, runtime
        As for `ServedView`.
    widget
        What is shown.
    chosen
        What the address says, checked.
    """

    def __init__(
        self, models: Models, runtime: Runtime, widget: Widget, chosen: Mapping[str, str]
    ) -> None:
        self.parts = (widget.part,) if widget.part else ()  # type: ignore[misc]
        self._widget = widget
        self._chosen = {name: chosen[name] for name in ("since", "node") if name in chosen}
        super().__init__(models, runtime)

    async def show_card(self) -> None:
        """Build what is none of the live cards; after the first paint, as it takes longer."""
        name = self._widget.card
        if name == ContainerCards.__name__:
            self._board.body = ContainerCards(self._models)
        elif name:
            churn = await asyncio.to_thread(import_module, CHURN)
            self._board.body = getattr(churn, name)(self._runtime.churn, **self._chosen)


def show_widget() -> Any:
    """Build the widget of the current visit; that there is such a one was judged before."""
    runtime = runtimes.current()
    doc = dress(pn.state.curdoc, is_widget=True)
    request = doc.session_context.request
    widget = OFFERED[request.route_params["name"]]
    chosen = {name: values[-1].decode() for name, values in request.arguments.items()}
    view = Visit(runtime, doc, lambda models: WidgetView(models, runtime, widget, chosen)).view
    pn.state.onload(view.show_card)
    return view
