"""What requests leave in the log: who asked for what, and nothing of what they brought along."""

import logging
from functools import cache
from types import TracebackType
from typing import Any, Final

from bokeh.server.views.ws import WSHandler
from tornado.web import HTTPError, RequestHandler

logger = logging.getLogger(__name__)

MAX_PATH: Final = 200


class Discreet(RequestHandler):
    """
    Goes before a class of requests: its lines in the log name no question, and stay lines.

    What follows the ``?`` may be a token that somebody took for a parameter, or a code that lets
    him in; and a path may hold any sign.
    """

    def _request_summary(self) -> str:
        """Say what was asked, wherever Tornado writes it down."""
        request = self.request
        return f"{request.method} {request.path[:MAX_PATH]!a} ({request.remote_ip})"

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """
        Write down what went wrong here; a refusal is in its status.

        A page's socket fails to open by what somebody sends who is no page: one line each.
        """
        if isinstance(value, HTTPError) or value is None:
            return
        if isinstance(self, WSHandler):
            logger.info("%s failed: %s", self._request_summary(), type(value).__name__)
            return
        logger.error("%s failed", self._request_summary(), exc_info=(typ or type(value), value, tb))


@cache
def discreet(request: type[RequestHandler]) -> type[RequestHandler]:
    """Make a class of requests discreet."""
    if issubclass(request, Discreet):
        return request
    return type(request.__name__, (Discreet, request), {})


def install(application: Any) -> None:
    """Make all requests to an application discreet, whatever their route."""
    make = application.get_handler_delegate

    def get_handler_delegate(request: Any, kind: Any, *given: Any, **named: Any) -> Any:
        return make(request, discreet(kind), *given, **named)

    application.get_handler_delegate = get_handler_delegate
