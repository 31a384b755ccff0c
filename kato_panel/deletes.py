"""Deletes through KATO's own call: one after the other, each with its outcome and its audit."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from kato_panel.domain.actions import ActionsState, Outcome, Result
from kato_panel.domain.events import Clock
from kato_panel.domain.recorded import AuditEntry
from kato_panel.errors import ActionRefused, SourceError, SourceUnavailable

logger = logging.getLogger(__name__)

MAX_WHO: Final = 200
NO_HISTORY: Final = "the history is off"


class Deleter(Protocol):
    """What is expected of whoever can delete."""

    async def delete(self, session_id: str) -> bool:
        """Delete a session, and say whether it was there."""


class Deletes:
    """
    Deletes sessions, where that is allowed.

    Parameters
    ----------
    deleter
        KATO's own call.
    clock
        Gives the time.
    judge
        Says whether deletes are allowed.
    audit
        Takes each delete, on the loop that deletes; has to return at once.
    doubt
        Says why what `audit` takes will not be kept; empty while it will.
    """

    def __init__(
        self,
        deleter: Deleter,
        clock: Clock,
        judge: Callable[[], ActionsState],
        audit: Callable[[AuditEntry], None] | None = None,
        doubt: Callable[[], str] = str,
    ) -> None:
        self._deleter = deleter
        self._clock = clock
        self._judge = judge
        self._audit = audit
        self._doubt = doubt

    @property
    def state(self) -> ActionsState:
        """Whether deletes are allowed at present and why not, and whether a record is kept."""
        return replace(self._judge(), unrecorded=self._unrecorded)

    @property
    def _unrecorded(self) -> str:
        return NO_HISTORY if self._audit is None else self._doubt()

    def check(self, who: str) -> None:
        """
        Refuse where deletes are not allowed.

        Raises
        ------
        ActionRefused
            With the reason.
        """
        state = self.state
        if not state.allowed:
            logger.warning("delete refused to %r: %s", who[:MAX_WHO], state.reason)
            raise ActionRefused(state.reason)

    async def run(self, session_ids: Sequence[str], who: str) -> tuple[Outcome, ...]:
        """
        Delete sessions.

        Parameters
        ----------
        session_ids
            Of KATO's form.
        who
            Who asks for it.

        Returns
        -------
        tuple of Outcome
            One for each session. Once KATO does not answer, the rest is not tried.

        Raises
        ------
        ActionRefused
            If deletes are not allowed.
        """
        self.check(who)
        outcomes: list[Outcome] = []
        trouble = ""
        for session_id in session_ids:
            if trouble:
                outcome = Outcome(session_id, Result.FAILED, f"not tried: {trouble}")
            else:
                outcome, trouble = await self._delete(session_id, who)
            self._note(outcome, who)
            outcomes.append(outcome)
        return tuple(outcomes)

    async def _delete(self, session_id: str, who: str) -> tuple[Outcome, str]:
        """Delete one session; say how that ended, and why no other need be tried."""
        try:
            was_there = await self._deleter.delete(session_id)
        except SourceUnavailable as error:
            reason = f"{error.reason}; it may have been deleted all the same"
            return Outcome(session_id, Result.FAILED, reason), error.reason
        except SourceError as error:
            return Outcome(session_id, Result.FAILED, error.reason), ""
        except asyncio.CancelledError:
            self._note(Outcome(session_id, Result.FAILED, "ended before the answer"), who)
            raise
        return Outcome(session_id, Result.DELETED if was_there else Result.NOT_FOUND), ""

    def _note(self, outcome: Outcome, who: str) -> None:
        result = f"{outcome.result}: {outcome.reason}" if outcome.reason else str(outcome.result)
        who = who[:MAX_WHO]
        unrecorded = self._unrecorded
        if unrecorded:  # then the log alone knows of it
            logger.warning(
                "delete of %r by %r: %s; no record is kept: %s",
                outcome.session_id,
                who,
                result,
                unrecorded,
            )
        else:
            logger.info("delete of %r by %r: %s", outcome.session_id, who, result)
        if self._audit is not None:
            at = self._clock().wall
            self._audit(AuditEntry(at, who, "delete", outcome.session_id, result))
