"""The routes of sessions: the list, one session's detail, and deletes."""

from kato_panel import messages
from kato_panel.directory import SessionDirectory
from kato_panel.domain.actions import Outcome, Result
from kato_panel.domain.listing import Query
from kato_panel.errors import ActionRefused, KatoPanelError, QueryError, SourceUnavailable
from kato_panel.server.answers import JsonRequest
from kato_panel.server.asked import read_question
from kato_panel.server.guard import guard_of
from kato_panel.server.orders import read_order


class _DirectoryRequest(JsonRequest):
    """Asks the directory, and answers its refusals."""

    @property
    def directory(self) -> SessionDirectory:
        """What is asked."""
        directory: SessionDirectory | None = self.runtime.sessions
        if directory is None and self.runtime.replay is not None:
            raise SourceUnavailable("a replay lists no sessions")
        if directory is None:
            raise SourceUnavailable("the watcher is not running")
        return directory

    def check_allowed(self) -> None:
        """Refuse whoever may not change anything, before their order is read."""
        if not self.directory.actions.allowed:
            raise ActionRefused(self.directory.actions.reason)
        guard_of(self.runtime).check_change(self.request)

    async def delete_sessions(self, session_ids: list[str]) -> tuple[Outcome, ...]:
        """Delete for whoever sent this request."""
        visitor = guard_of(self.runtime).visitor_of(self.request)
        who = f"api, {visitor}" if visitor else "api"
        return await self.directory.delete(session_ids, f"{who}, from {self.request.remote_ip}")


class SessionsRequest(_DirectoryRequest):
    """``GET /api/v1/sessions?skip&limit&search&node&sort&order``."""

    async def get(self) -> None:
        """Answer."""
        try:
            query = Query.read(read_question(self.request))
            page = await self.directory.list(query)
        except KatoPanelError as error:
            self.refuse(error)
        else:
            self.finish(messages.session_page(page).model_dump_json())


class SessionRequest(_DirectoryRequest):
    """``/api/v1/sessions/{id}``."""

    async def get(self, session_id: str) -> None:
        """Tell everything of the session, without moving its life."""
        try:
            detail = await self.directory.detail(session_id)
        except KatoPanelError as error:
            self.refuse(error)
        else:
            self.finish(messages.session_detail(detail).model_dump_json())

    async def delete(self, session_id: str) -> None:
        """Delete the session."""
        try:
            self.check_allowed()
            (outcome,) = await self.delete_sessions([session_id])
        except KatoPanelError as error:
            self.refuse(error)
            return
        match outcome.result:
            case Result.DELETED:
                self.finish(messages.session_outcome(outcome).model_dump_json())
            case Result.NOT_FOUND:
                self.set_status(404)
                self.finish(messages.error("not_found", "KATO knows no such session"))
            case Result.FAILED:
                self.set_status(503)
                self.finish(messages.error("failed", outcome.reason))


class BulkDeleteRequest(_DirectoryRequest):
    """``POST /api/v1/sessions/bulk-delete`` with ``{"session_ids": […]}``, of at most 20."""

    async def post(self) -> None:
        """Delete the sessions, and say how each delete ended."""
        try:
            self.check_allowed()
            outcomes = await self.delete_sessions(self._ordered())
        except KatoPanelError as error:
            self.refuse(error)
        else:
            self.finish(messages.session_outcomes(outcomes).model_dump_json())

    def _ordered(self) -> list[str]:
        session_ids = read_order(self.request, "session_ids").get("session_ids")
        if not isinstance(session_ids, list):
            raise QueryError("session_ids", session_ids, "a list of ids")
        return session_ids
