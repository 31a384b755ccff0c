"""What is known beside the sessions at one instant."""

from dataclasses import dataclass

from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.containers import ContainerChanged, ContainersSeen, NoEngine
from kato_panel.domain.trends import Trend
from kato_panel.domain.upstream_figures import MetricsSeen, RedisSeen, UpstreamFigures

SideObservation = ContainersSeen | ContainerChanged | NoEngine | MetricsSeen | RedisSeen
"""What is observed beside the sessions; no teller makes events of it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    Each part is ``None`` until something is known of it, and where it is switched off.

    Parameters
    ----------
    containers
        The newest good look at them.
    alerts
        What fires, what did, and by which rules.
    trends
        What each container used over the last minutes.
    figures
        What upstream and its Redis say of themselves.
    """

    containers: ContainersSeen | None = None
    alerts: AlertBoard | None = None
    trends: tuple[Trend, ...] = ()
    figures: UpstreamFigures | None = None
