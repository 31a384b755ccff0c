"""The containers that KATO runs in: as cards with small pictures, or as a table."""

import json
import secrets
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

import panel as pn
import param

from kato_panel import messages
from kato_panel.domain.health import Health
from kato_panel.domain.trends import Trend
from kato_panel.models import Models
from kato_panel.views.boards import FollowingBoard
from kato_panel.views.live import HasModels
from kato_panel.views.markup import Markup
from kato_panel.views.stills import Still, write_containers
from kato_panel.views.theme import join_modules, stylesheet
from kato_panel.watcher import now

MODULES: Final = (
    *("words", "pictogram", "alert_markup", "markup", "theme", "pictures"),
    *("container_rows", "containers"),
)
SOURCE: Final = "docker"


class ContainerBoard(FollowingBoard):
    """The ESM component; everything it shows is in `payload`."""

    payload = param.String(default="", doc="JSON text: the newest look, and the last minutes.")
    key = param.String(default="", constant=True, doc="Random per view; survives a reconnect.")
    form: Any = param.Selector(
        default="cards", objects=["cards", "table"], constant=True, doc="How it begins."
    )
    page = param.Boolean(
        default=False, constant=True, doc="Whether the page's address remembers the form."
    )

    _esm = join_modules(MODULES)
    _stylesheets: ClassVar[list[str]] = [stylesheet()]


class ContainerCards(Still, pn.viewable.Viewer):
    """
    Each watched container as a card: figures, the last ten minutes, and what is wrong with it.

    Whoever looks on may have them as a table. It follows its models while it is shown somewhere.

    Parameters
    ----------
    source
        A monitor, or one set of models.
    is_page
        Whether the page's address remembers what was chosen.

    Raises
    ------
    TypeError
        If `source` is neither.
    """

    form: ClassVar[str] = "cards"

    def __init__(self, source: HasModels | Models, *, is_page: bool = False) -> None:
        super().__init__()
        models = getattr(source, "models", source)
        if not isinstance(models, Models):
            raise TypeError(f"source is {source!r}, must be a Monitor or its models")
        self._models = models
        self._watcher: Any = None
        self._told: Any = None
        self._board = ContainerBoard(
            follow=self.follow,
            release=self.close,
            key=secrets.token_hex(8),
            form=self.form,
            page=is_page,
            sizing_mode="stretch_width",
        )

    def __panel__(self) -> ContainerBoard:
        return self._board

    def _still(self) -> list[Markup]:
        return write_containers(self._models, ZoneInfo("UTC"))

    def follow(self) -> None:
        """Follow the models from now on. Following twice is allowed."""
        if self._watcher is None:
            self._watcher = self._models.param.watch(self._tell, "revision")
            self._tell()

    def close(self) -> None:
        """Stop following the models, until it is shown again. Closing twice is allowed."""
        if self._watcher is not None:
            self._models.param.unwatch(self._watcher)
            self._watcher = None

    def _tell(self, *_: Any) -> None:
        """Write the newest look, if it is another, or if it is another thing with the source."""
        models = self._models
        listed = models.container_list
        state = next((one for one in models.connection.sources if one.name == SOURCE), None)
        health = Health.STARTING if state is None else state.health
        told = (listed.seen, health, "" if state is None else state.reason, models.is_over)
        if told == self._told:
            return
        self._told = told
        seen = messages.containers(
            listed.seen, now(), stale_after_seconds=listed.stale_after_seconds, state=state
        )
        self._board.payload = json.dumps(
            {
                **seen.model_dump(mode="json"),
                "stale_after_seconds": listed.stale_after_seconds,
                "health": health.value,
                "over": models.is_over,
                "trends": {one.name: _trend(one) for one in listed.trends},
            }
        )


class ContainerTable(ContainerCards):
    """The same, which begins as a table."""

    form = "table"


def _trend(one: Trend) -> dict[str, list[float | None]]:
    """Write the last minutes of a container: percent of one processor, and MiB."""
    return {
        "cpu": [None if value is None else round(value, 1) for value in one.cpu_percent],
        "memory": [
            None if value is None else round(value / messages.MEBIBYTE, 1)
            for value in one.memory_bytes
        ],
    }
