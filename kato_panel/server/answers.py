"""What all our routes have in common."""

from http import HTTPStatus
from typing import Any, Final

from tornado.web import RequestHandler

from kato_panel import messages
from kato_panel.errors import (
    ActionRefused,
    KatoPanelError,
    QueryError,
    ReadWouldTouch,
    SessionUnknown,
)
from kato_panel.runtime import Runtime

_ANSWERS: Final[dict[type[KatoPanelError], tuple[int, str]]] = {
    QueryError: (422, "invalid"),
    SessionUnknown: (404, "not_found"),
    ActionRefused: (403, "forbidden"),
    ReadWouldTouch: (503, "would_touch"),
}
_UNAVAILABLE: Final = (503, "unavailable")


class JsonRequest(RequestHandler):
    """
    What all our routes have in common: they answer JSON, and errors in one form.

    Parameters
    ----------
    runtime
        What is asked; given with the route.
    """

    def initialize(self, runtime: Runtime) -> None:
        """Take what the route was made with."""
        self.runtime = runtime

    def set_default_headers(self) -> None:
        """Answers are of the moment, and JSON."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def head(self, *path: str) -> Any:
        """Answer as to GET; Tornado leaves the body out."""
        return self.get(*path)

    def options(self, *path: str) -> None:
        """Say which methods there are; nothing is allowed to other sites' pages."""
        del path
        self.set_header("Allow", ", ".join(self.methods))
        self.set_status(204)

    @property
    def methods(self) -> list[str]:
        """Those that this route has."""
        cls = type(self)
        return [
            name
            for name in self.SUPPORTED_METHODS
            if getattr(cls, "get" if name == "HEAD" else name.lower())
            is not RequestHandler._unimplemented_method  # noqa: SLF001 - how Tornado itself tells
        ]

    def refuse(self, error: KatoPanelError) -> None:
        """Say why there is no answer."""
        status, code = _ANSWERS.get(type(error), _UNAVAILABLE)
        field = error.field if isinstance(error, QueryError) else None
        self.set_status(status)
        self.finish(messages.error(code, str(error), field))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say in JSON what went wrong; never with a traceback."""
        del kwargs
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.methods))
        code = self._reason.lower().replace(" ", "_")
        self.finish(messages.error(code, self._reason))
