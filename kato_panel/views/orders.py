"""What a visit orders about alerts: that one was seen, or that nobody be told for a while."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Any, Protocol

from kato_panel.domain.events import Clock
from kato_panel.domain.silencing import read_until
from kato_panel.errors import KatoPanelError, QueryError
from kato_panel.views.answers import read_question, say_error, write_answer
from kato_panel.views.drawing import find_zone


class Alarms(Protocol):
    """What is expected of whoever keeps the alerts; may be asked on any loop."""

    def acknowledge(self, alert_id: str, who: str) -> Awaitable[Any]:
        """Note that somebody has seen an alert."""

    def silence(self, rule: str, subject: str, until: datetime, who: str) -> Awaitable[Any]:
        """Let a rule be silent until some time; one that is past ends it."""


class Orders:
    """
    Takes a visit's orders, and answers them.

    Parameters
    ----------
    alarms
        Who carries them out, with an audit.
    who
        In whose name.
    clock
        Gives the time.
    """

    def __init__(self, alarms: Alarms, who: str, clock: Clock) -> None:
        self._alarms = alarms
        self._who = who
        self._clock = clock

    async def take(self, text: str, zone: str) -> str:
        """
        Carry out one order; the page may have been forged, so nothing in it is taken on trust.

        Parameters
        ----------
        text
            JSON text with ``id``, and ``acknowledge`` or ``silence``.
        zone
            IANA name of the page's time zone.

        Returns
        -------
        str
            JSON text with the same ``id``, and ``error`` where it was not carried out.
        """
        order = read_question(text)
        answer: dict[str, Any] = {"id": order.get("id")}
        try:
            match order:
                case {"acknowledge": str(alert_id)}:
                    await self._alarms.acknowledge(alert_id, self._who)
                case {"silence": {"rule": str(rule), "subject": str(of), "until": str(wanted)}}:
                    until = read_until(wanted, find_zone(zone), self._clock().wall)
                    await self._alarms.silence(rule, of, until, self._who)
                case _:
                    raise QueryError("order", None, "one to acknowledge or to silence")
        except KatoPanelError as error:
            answer["error"] = say_error(error)
        return write_answer(answer)
