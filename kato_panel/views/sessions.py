"""The list of sessions, its details and its deletions; the directory pages, sorts and searches."""

import secrets
from dataclasses import asdict, replace
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

import panel as pn
import param
from panel.custom import JSComponent

from kato_panel.directory import SessionDirectory
from kato_panel.domain.actions import ActionsState
from kato_panel.domain.listing import Page, Query
from kato_panel.errors import ActionRefused, KatoPanelError, ReadWouldTouch, SessionUnknown
from kato_panel.views.answers import read_question, say_error, write_answer
from kato_panel.views.markup import Markup
from kato_panel.views.stills import Still, write_sessions
from kato_panel.views.theme import join_modules, stylesheet

MODULES: Final = (
    "words",
    "pictogram",
    "alert_markup",
    "markup",
    "theme",
    "asking",
    "copy",
    "tree",
    "table",
    "detail",
    "deletion",
    "sessions",
)


NOT_ALLOWED: Final = ActionsState(allowed=False, reason="this view may not delete")


class SessionBoard(JSComponent):
    """The ESM component; it asks by its first three properties, and is answered by the others."""

    query = param.String(default="", doc="JSON text: which page of the list is wanted.")
    wanted = param.String(default="", doc="JSON text: which session's details are wanted.")
    order = param.String(default="", doc="JSON text: which sessions are to be deleted.")
    answer = param.String(default="", doc="JSON text: a page of the list, or why there is none.")
    found = param.String(default="", doc="JSON text: a session's details.")
    outcome = param.String(default="", doc="JSON text: what became of each session.")
    key = param.String(default="", constant=True, doc="Random per view; survives a reconnect.")

    _esm = join_modules(MODULES)
    _stylesheets: ClassVar[list[str]] = [stylesheet()]


class SessionTable(Still, pn.viewable.Viewer):
    """
    Every open session, a page at a time, with details and, where it is allowed, deletion.

    Parameters
    ----------
    directory
        Who is asked; `Runtime.sessions`.
    may_act
        Whether whoever looks on may delete, if the directory may.
    who
        In whose name sessions are deleted; for the audit.
    """

    def __init__(
        self,
        directory: SessionDirectory,
        *,
        may_act: ActionsState = NOT_ALLOWED,
        who: str = "page",
    ) -> None:
        super().__init__()
        self._may_act = may_act
        self._directory = directory
        self._who = who
        self._shown: Page | None = None
        self._asked: Any = None
        self._board = SessionBoard(key=secrets.token_hex(8), sizing_mode="stretch_width")
        self._board.param.watch(self._list, "query")
        self._board.param.watch(self._find, "wanted")
        self._board.param.watch(self._delete, "order")

    def __panel__(self) -> SessionBoard:
        return self._board

    def _still(self) -> list[Markup]:
        """Write the page of the list that was shown last."""
        return write_sessions(self._shown, ZoneInfo("UTC"))

    @property
    def _actions(self) -> ActionsState:
        """Whether the page may show what deletes: both the service and the visit have to."""
        service = self._directory.actions
        if not service.allowed:
            return service
        return replace(self._may_act, unrecorded=service.unrecorded)

    async def _list(self, change: Any) -> None:
        asked = read_question(change.new)
        number = asked.pop("id", None)
        if number is not None and number == self._asked:
            return  # it is being answered, and the page got impatient
        self._asked = number
        answer: dict[str, Any]
        try:
            page = await self._directory.list(Query(**asked))
            nodes = await self._directory.nodes()
        except (KatoPanelError, TypeError) as error:
            answer = {"error": say_error(error)}
        else:
            self._shown = page
            answer = {**asdict(page), "nodes": nodes, "actions": asdict(self._actions)}
        # Whoever asked another question in the meantime waits for that answer.
        if number == self._asked:
            self._asked = None
            self._board.answer = write_answer({"id": number, **answer})

    async def _find(self, change: Any) -> None:
        asked = read_question(change.new)
        session_id = str(asked.get("session_id"))
        answer: dict[str, Any]
        try:
            found = await self._directory.detail(
                session_id, may_touch=asked.get("may_touch") is True
            )
        except ReadWouldTouch as warning:
            answer = {"warning": say_error(warning)}
        except SessionUnknown as error:
            answer = {"error": say_error(error), "is_unknown": True}
        except KatoPanelError as error:
            answer = {"error": say_error(error)}
        else:
            answer = {**asdict(found), "actions": asdict(self._actions)}
        asked_for = {"id": asked.get("id"), "session_id": session_id}
        self._board.found = write_answer({**asked_for, **answer})

    async def _delete(self, change: Any) -> None:
        """Delete, if that is allowed: the page may have been forged, so the directory decides."""
        ordered = read_question(change.new)
        wanted = ordered.get("session_ids")
        answer: dict[str, Any]
        try:
            if not self._may_act.allowed:
                raise ActionRefused(self._may_act.reason)
            wanted = wanted if isinstance(wanted, list) else []
            outcomes = await self._directory.delete(wanted, self._who)
        except KatoPanelError as error:
            answer = {"error": say_error(error)}
        else:
            answer = {"outcomes": [asdict(outcome) for outcome in outcomes]}
        self._board.outcome = write_answer({"id": ordered.get("id"), **answer})
