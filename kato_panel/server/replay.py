"""The route of a replay: how it goes, and orders to go on otherwise."""

import logging
from typing import Any, Final

from kato_panel import messages
from kato_panel.domain.event_query import read_time
from kato_panel.errors import KatoPanelError, QueryError
from kato_panel.runtime import Runtime
from kato_panel.server.answers import JsonRequest
from kato_panel.server.orders import check_visitor, read_order

logger = logging.getLogger(__name__)

FIELDS: Final = "paused, speed or position"


class ReplayRequest(JsonRequest):
    """``GET /api/v1/replay``, and ``POST`` with ``{"paused": …, "speed": …, "position": …}``."""

    def initialize(self, runtime: Runtime) -> None:
        """Take what the route was made with."""
        super().initialize(runtime)
        assert runtime.replay is not None  # noqa: S101 - or there is no such route
        self._player = runtime.replay.player

    def get(self) -> None:
        """Answer."""
        self.finish(messages.replay(self._player.playing).model_dump_json())

    def post(self) -> None:
        """Go on otherwise, for everybody who looks on."""
        try:
            who = check_visitor(self.runtime, self.request, self.runtime.judge_orders())
            order = read_order(self.request, FIELDS)
            self._order(order)
        except KatoPanelError as error:
            self.refuse(error)
        else:
            logger.info("%s orders of the replay: %r", who, order)
            self.get()

    def _order(self, order: dict[str, Any]) -> None:
        paused, speed, position = (order.get(name) for name in ("paused", "speed", "position"))
        if not isinstance(paused, bool | None):
            raise QueryError("paused", paused, "true or false")
        if isinstance(speed, bool) or not isinstance(speed, int | float | None):
            raise QueryError("speed", speed, "a number")
        if not isinstance(position, str | None):
            raise QueryError("position", position, "a time with its zone")
        if paused is None and speed is None and position is None:
            raise QueryError("body", "nothing", FIELDS)
        self._player.order(
            is_paused=paused,
            speed=speed,
            position=read_time("position", position, self._player.playing.last),
        )
