"""The HTTP API."""

from typing import Any

from tornado.web import RequestHandler

from kato_panel import messages
from kato_panel.runtime import Runtime
from kato_panel.watcher import now

Route = tuple[str, type[RequestHandler], dict[str, Any]]


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

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say in JSON what went wrong; never with a traceback."""
        del status_code, kwargs
        code = self._reason.lower().replace(" ", "_")
        self.finish(messages.error(code, self._reason))


class HealthRequest(JsonRequest):
    """``GET /healthz``: 200 while the process and its watcher are alive, else 503 and why."""

    def get(self) -> None:
        """Answer."""
        trouble = self.runtime.trouble
        if trouble is None:
            self.finish({"status": "ok"})
        else:
            self.set_status(503)
            self.finish(messages.error("unhealthy", trouble))


class CountRequest(JsonRequest):
    """``GET /api/v1/sessions/count``."""

    def get(self) -> None:
        """Answer."""
        # What Tornado would write itself is a dictionary; the model knows its own JSON.
        count = messages.session_count(self.runtime.hub.snapshot, now())
        self.finish(count.model_dump_json())


class StartPageRequest(JsonRequest):
    """``GET /``: to the dashboard, wherever this is mounted."""

    def get(self) -> None:
        """Answer."""
        self.redirect("app")


class UnknownRequest(JsonRequest):
    """Whatever else is asked for below ``/api``."""

    def prepare(self) -> None:
        """Answer, whatever the method."""
        self.set_status(404)
        self.finish(messages.error("not_found", f"{self.request.path} is not known"))


def routes(runtime: Runtime) -> list[Route]:
    """List our routes, for the Tornado application that will have them."""
    runtime.has_routes = True
    given = {"runtime": runtime}
    return [
        (r"/healthz", HealthRequest, given),
        (r"/api/v1/sessions/count", CountRequest, given),
        (r"/api/.*", UnknownRequest, given),
    ]
