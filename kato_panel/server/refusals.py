"""How refusals are told: as JSON, and to a person who looks at a frame as a sentence."""

from dataclasses import dataclass, field
from typing import Final

from tornado.web import RequestHandler

from kato_panel import messages
from kato_panel.server.headers import WIDGETS
from kato_panel.views.documents import write_document
from kato_panel.views.markup import element

LONGEST: Final = 600
"""Characters of a sentence that is shown."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    Why a request is not answered.

    Parameters
    ----------
    status
        Of HTTP.
    code
        The same for programs.
    message
        The same in words.
    headers
        What else the answer says.
    wrong
        Which part of the question is wrong, if one is.
    """

    status: int
    code: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)
    wrong: str | None = None

    def answer(self, request: RequestHandler) -> None:
        """Answer a request with it."""
        request.set_status(self.status)
        request.set_header("Cache-Control", "no-store")
        for name, value in self.headers.items():
            request.set_header(name, value)
        prefix = getattr(request.application, "prefix", "")
        is_widget = request.request.path.removeprefix(prefix).startswith(WIDGETS)
        if is_widget and "text/html" in request.request.headers.get("Accept", ""):
            request.set_header("Content-Type", "text/html; charset=utf-8")
            sentence = f"{self.message[:1].upper()}{self.message[1:LONGEST]}."
            request.finish(write_document("KATO sessions", [element("p", sentence)]))
        else:
            request.set_header("Content-Type", "application/json; charset=utf-8")
            request.finish(messages.error(self.code, self.message, self.wrong))


class Refused(RequestHandler):
    """Answers what the guard has refused, whatever the method."""

    def initialize(self, refusal: Refusal) -> None:
        """Take what the guard said."""
        self._refusal = refusal

    def check_trusted_origin(self, origin: str) -> bool:
        """Let Tornado leave the refusing to the guard."""
        del origin
        return True

    def prepare(self) -> None:
        """Answer."""
        self._refusal.answer(self)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """Answer, where Tornado has refused it before."""
        del status_code, kwargs
        self._refusal.answer(self)
