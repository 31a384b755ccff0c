"""KATO's own calls about one session, for where its Redis does not tell, and for deletes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import httpx

from kato_panel.domain.detail import Reading, bound_value
from kato_panel.errors import PayloadError
from kato_panel.sources import payloads
from kato_panel.sources.calls import NOT_FOUND, OK, KatoCalls

DEADLINE_SECONDS: Final = 2.0
DELETE_SECONDS: Final = 5.0
"""KATO tells everyone on its stream before it answers."""
_FOUND_OR_NOT: Final = frozenset({OK, NOT_FOUND})


class KatoSessions:
    """
    Asks KATO about one session, and deletes it.

    Parameters
    ----------
    base_url
        Where upstream answers, without a path of its own calls.
    headers
        Sent along, as for a login.
    transport
        Stands in for the network in tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url
        self._headers = headers
        self._transport = transport
        self._kept: KatoCalls | None = None

    async def exists(self, session_id: str) -> bool:
        """
        Ask whether a session lives, which does not move its life; the connection is kept.

        Raises
        ------
        SourceError
            If KATO does not say.
        """
        if self._kept is None:
            self._kept = self._calls(DEADLINE_SECONDS, keeps_alive=True)
        # Not tried again: the next check is as good, and no call is made twice.
        answer = await self._kept.call("GET", payloads.session_path(session_id, "/exists"))
        return payloads.session_exists(payloads.decode(answer.body))

    async def read(self, session_id: str) -> Reading | None:
        """
        Read a session by KATO's own call, which moves its life.

        Returns
        -------
        Reading or None
            ``None`` if there is no such session.

        Raises
        ------
        SourceError
            If KATO does not say.
        """
        path = payloads.session_path(session_id)
        async with self._calls(DEADLINE_SECONDS) as calls:
            answer = await calls.call("GET", path, expected=_FOUND_OR_NOT)
        payload = payloads.decode(answer.body)
        if answer.status == NOT_FOUND:
            _check_missing(payload)
            return None
        value, is_cut = bound_value(payload)
        row = payloads.session_answer(session_id, payload)
        return Reading(row, value, len(answer.body), is_cut)

    async def delete(self, session_id: str) -> bool:
        """
        Delete a session; on a connection of its own, so that no dead one leaves it in doubt.

        Returns
        -------
        bool
            Whether it was there.

        Raises
        ------
        SourceError
            If KATO does not say that it has.
        """
        path = payloads.session_path(session_id)
        async with self._calls(DELETE_SECONDS) as calls:
            answer = await calls.call("DELETE", path, expected=_FOUND_OR_NOT)
        if answer.status == NOT_FOUND:
            _check_missing(payloads.decode(answer.body))
        return answer.status == OK

    async def close(self) -> None:
        """Close the connection that was kept; the next question opens another."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close()

    def _calls(self, deadline_seconds: float, *, keeps_alive: bool = False) -> KatoCalls:
        return KatoCalls(
            self._base_url,
            deadline_seconds,
            headers=self._headers,
            keeps_alive=keeps_alive,
            transport=self._transport,
        )


def _check_missing(payload: Mapping[str, object]) -> None:
    """Refuse a 404 that is not about the session, as from another service at that address."""
    if not payloads.is_session_missing(payload):
        raise PayloadError("answered 404, but not as KATO does: is this its address?")
