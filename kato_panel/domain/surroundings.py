"""What is known beside the sessions at one instant."""

from dataclasses import dataclass

from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.containers import ContainerChanged, ContainersSeen
from kato_panel.domain.upstream_figures import MetricsSeen, RedisSeen, UpstreamFigures

SideObservation = ContainersSeen | ContainerChanged | MetricsSeen | RedisSeen
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
    figures
        What upstream and its Redis say of themselves.
    """

    containers: ContainersSeen | None = None
    alerts: AlertBoard | None = None
    figures: UpstreamFigures | None = None
