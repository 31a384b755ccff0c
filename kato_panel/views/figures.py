"""What the card of upstream's own figures is told."""

from typing import Any, Final

from kato_panel.domain.upstream_figures import FIGURES, SOURCE, Part
from kato_panel.models import Models

LABELS: Final = [
    [figure.name, figure.label, figure.unit, figure.part.value, figure.remark]
    for figure in FIGURES
    if figure.label
]
"""Name, title, unit, part and remark of each figure that the card may show."""


def write_figures(models: Models) -> dict[str, Any]:
    """
    Give the card's figures; those that nobody asks for are left out.

    Parameters
    ----------
    models
        What is known.
    """
    upstream, sources = models.upstream, models.connection.sources
    known = upstream.figures
    parts = {Part.HEALTH}
    if known.metrics is not None or known.metrics_at is None:
        parts.add(Part.METRICS)
    if any(source.name == "redis" for source in sources):
        parts.add(Part.REDIS)
    shown = (figure for figure in FIGURES if figure.label and figure.part in parts)
    asking = next((source for source in sources if source.name == SOURCE), None)
    note = "" if asking is None or not asking.reason else f"{asking.label}: {asking.reason}"
    health, redis = known.health, known.redis
    return {
        "status": "" if health is None else health.status,
        "issues": [] if health is None else list(health.issues),
        "figures": {figure.name: _rounded(figure.read(known)) for figure in shown},
        "ages": {part.value: _rounded(age) for part, age in upstream.ages.items()},
        "memory_limit": None if redis is None else redis.memory_limit_bytes,
        "note": note,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
