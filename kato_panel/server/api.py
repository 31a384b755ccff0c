"""The HTTP API."""

from typing import Any, Final

from tornado.web import RequestHandler

from kato_panel import bodies, messages
from kato_panel.domain.event_query import EXPORTED
from kato_panel.domain.events import SESSION_SOURCES
from kato_panel.domain.upstream_figures import UpstreamFigures
from kato_panel.runtime import Runtime
from kato_panel.server.alerts import AcknowledgeRequest, AlertsRequest, SilenceRequest
from kato_panel.server.answers import JsonRequest
from kato_panel.server.containers import ContainersRequest
from kato_panel.server.endpoint import Endpoint
from kato_panel.server.events import EventsRequest
from kato_panel.server.export import ExportRequest
from kato_panel.server.feed import Feed
from kato_panel.server.guard import guard_of, guarded
from kato_panel.server.metrics import LoopLag, MetricsRequest
from kato_panel.server.openapi import OpenApiRequest
from kato_panel.server.reading import Desk
from kato_panel.server.replay import ReplayRequest
from kato_panel.server.sessions import BulkDeleteRequest, SessionRequest, SessionsRequest
from kato_panel.watcher import now

NOTHING_SEEN: Final = "nothing was observed yet"
EPOCH_HEADER: Final = "X-Kato-Panel-Epoch"
"""By it a page that lost its link knows that the service was restarted, and loads itself again."""

Route = tuple[str, type[RequestHandler], dict[str, Any]]


class HealthRequest(JsonRequest):
    """``GET /healthz``: 200 while the process and its watcher are alive, else 503 and why."""

    def get(self) -> None:
        """Answer."""
        trouble = self.runtime.trouble
        if trouble is None:
            self.finish(bodies.Alive().model_dump_json())
        else:
            self.set_status(503)
            self.finish(messages.error("unhealthy", trouble))


class ReadyRequest(JsonRequest):
    """``GET /readyz``: 200 once any source of sessions has observed something, else 503 and why."""

    def get(self) -> None:
        """Answer."""
        snapshot = self.runtime.hub.snapshot
        reason = self.runtime.trouble or NOTHING_SEEN
        if snapshot is not None:
            sources = [source for source in snapshot.sources if source.name in SESSION_SOURCES]
            if any(source.good_at for source in sources):
                self.finish(bodies.Ready().model_dump_json())
                return
            failing = (f"{one.label}: {one.reason}" for one in sources if one.failures)
            reason = "; ".join(failing) or reason
        self.set_status(503)
        self.finish(messages.error("not_ready", reason))


class CountRequest(JsonRequest):
    """``GET /api/v1/sessions/count``."""

    def get(self) -> None:
        """Answer."""
        # What Tornado would write itself is a dictionary; the model knows its own JSON.
        count = messages.session_count(self.runtime.hub.snapshot, now())
        self.set_header(EPOCH_HEADER, self.runtime.hub.epoch)
        self.finish(count.model_dump_json())


class UpstreamMetricsRequest(JsonRequest):
    """``GET /api/v1/metrics``."""

    def get(self) -> None:
        """Answer."""
        surroundings = self.runtime.hub.surroundings
        figures = None if surroundings is None else surroundings.figures
        told = messages.upstream_metrics(figures or UpstreamFigures(), now())
        self.finish(told.model_dump_json())


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


def make_feed(runtime: Runtime) -> Feed | None:
    """Make what the clients of ``/ws`` are told by; ``None`` where that is switched off."""
    return Feed(runtime) if runtime.settings.websocket_enabled else None


def routes(runtime: Runtime, feed: Feed | None = None) -> list[Route]:
    """
    List our routes, for the Tornado application that will have them.

    Parameters
    ----------
    runtime
        What they ask.
    feed
        By which the clients of ``/ws`` are told, and of which ``/metrics`` tells; without one
        there is no such route.
    """
    runtime.has_routes = True
    given = {"runtime": runtime}
    endpoint: list[Route] = []
    if feed is not None:
        endpoint.append((r"/ws", Endpoint, {**given, "feed": feed}))
    desk = Desk()
    alert_routes: list[Route] = []
    if runtime.settings.system_alerts:
        alert_routes = [
            (r"/api/v1/alerts", AlertsRequest, {**given, "desk": desk}),
            (r"/api/v1/alerts/acknowledge", AcknowledgeRequest, given),
            (r"/api/v1/alerts/silences", SilenceRequest, given),
        ]
    if runtime.settings.container_stats:
        endpoint.append((r"/api/v1/containers", ContainersRequest, given))
    replay_routes: list[Route] = []
    if runtime.replay is not None:
        replay_routes = [(r"/api/v1/replay", ReplayRequest, given)]
    listed: list[Route] = [
        *endpoint,
        (r"/healthz", HealthRequest, given),
        (r"/metrics", MetricsRequest, {**given, "feed": feed, "lag": LoopLag()}),
        (r"/readyz", ReadyRequest, given),
        (r"/api/v1/openapi\.json", OpenApiRequest, given),
        (r"/api/v1/events", EventsRequest, {**given, "desk": desk}),
        (rf"/api/v1/export/({'|'.join(EXPORTED)})", ExportRequest, {**given, "desk": desk}),
        *alert_routes,
        *replay_routes,
        (r"/api/v1/metrics", UpstreamMetricsRequest, given),
        (r"/api/v1/sessions/count", CountRequest, given),
        (r"/api/v1/sessions", SessionsRequest, given),
        (r"/api/v1/sessions/bulk-delete", BulkDeleteRequest, given),
        (r"/api/v1/sessions/([^/]+)", SessionRequest, given),
        (r"/api/.*", UnknownRequest, given),
    ]
    return guarded(listed, guard_of(runtime))
