"""
``GET /metrics``: what is known, as Prometheus reads it.

Each figure is made of a frozen value when it is asked for. What is not known has no sample, and
no label holds a value that others choose, but for the names of at most 32 containers.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate
from time import monotonic
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from kato_panel.bodies import Container
from kato_panel.domain.containers import ContainerState
from kato_panel.domain.health import Health
from kato_panel.domain.rules import RuleState, Stage
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.tally import Lag, Spread, Tallied
from kato_panel.runtime import Runtime
from kato_panel.server.answers import JsonRequest
from kato_panel.server.containers import tell_containers
from kato_panel.watcher import now

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "kato_panel_"
TURN_SECONDS: Final = 1.0
MAX_CONTAINERS: Final = 32
UNASKED_TURNS: Final = 300
"""So long after nobody asked, the lag of the server's loop is no longer measured."""


class FeedFigures(Protocol):
    """What is told of the clients of ``/ws``."""

    @property
    def clients(self) -> int:
        """Clients that are connected."""

    @property
    def dropped(self) -> int:
        """Clients that were cut for being slow, since the start."""


class LoopLag:
    """Measures by how much the server's loop is late, from the first question on."""

    def __init__(self) -> None:
        self._lag = Lag()
        self._turns_left = 0

    def ask(self) -> float | None:
        """Return the largest lag of the last minute, in seconds; ``None`` at first."""
        is_measuring = self._turns_left > 0
        self._turns_left = UNASKED_TURNS
        if not is_measuring:
            self._lag = Lag()
            self._begin_turn()
        return self._lag.seconds

    def _begin_turn(self) -> None:
        due_tick = monotonic() + TURN_SECONDS
        asyncio.get_running_loop().call_later(TURN_SECONDS, self._end_turn, due_tick)

    def _end_turn(self, due_tick: float) -> None:
        self._lag.add(monotonic() - due_tick)
        self._turns_left -= 1
        if self._turns_left > 0:
            self._begin_turn()


class Exposition:
    """
    Collects what is known, when a registry asks for it.

    Parameters
    ----------
    runtime
        Whose figures they are.
    count_visits
        Says how many pages are open; without it, nobody knows.
    feed
        Of ``/ws``; without it, nothing is said of its clients.
    server_lag
        Of the server's loop.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        count_visits: Callable[[], int | None],
        feed: FeedFigures | None,
        server_lag: LoopLag,
    ) -> None:
        self._runtime = runtime
        self._count_visits = count_visits
        self._feed = feed
        self._server_lag = server_lag

    def collect(self) -> Iterator[Metric]:
        """Give each figure with its samples."""
        info = _gauge("info", "What runs here.", labels=("version", "demo"))
        is_demo = str(self._runtime.settings.is_demo).lower()
        info.add_metric([version("kato-panel"), is_demo], 1)
        yield info
        snapshot = self._runtime.hub.snapshot
        yield from self._tell_counts(snapshot)
        yield from self._tell_sources(snapshot)
        yield from self._tell_churn(snapshot)
        yield from self._tell_work()
        yield from self._tell_clients()
        if self._runtime.settings.system_alerts:
            yield from self._tell_alerts()
        if self._runtime.settings.container_stats:
            yield from self._tell_containers()

    def _tell_counts(self, snapshot: SessionSnapshot | None) -> Iterator[Metric]:
        # What is stale was true once: a gap in the graph, as in our own chart.
        at = now()
        known = SessionSnapshot(at) if snapshot is None or snapshot.is_stale_at(at) else snapshot
        yield _gauge("sessions_active", "Sessions alive, as shown.", known.active)
        yield _gauge("sessions_reported", "Sessions, as KATO reported them.", known.reported)
        text = "Sessions that KATO counts though they are gone."
        yield _gauge("sessions_drift", text, known.drift)

    def _tell_sources(self, snapshot: SessionSnapshot | None) -> Iterator[Metric]:
        up = _gauge("source_up", "Whether a source could look last.", labels=("source",))
        age = _gauge(
            "source_age_seconds", "Since a source's newest good observation.", labels=("source",)
        )
        at = now()
        for source in snapshot.sources if snapshot is not None else ():
            if source.health not in {Health.STARTING, Health.OFF}:
                up.add_metric([source.name], float(source.health is Health.UP))
            age_seconds = source.age_seconds(at)
            if age_seconds is not None and source.health is not Health.OFF:
                age.add_metric([source.name], age_seconds)
        yield up
        yield age

    @property
    def _tallied(self) -> Tallied | None:
        tally = self._runtime.tally
        return None if tally is None else tally.tallied

    def _tell_churn(self, snapshot: SessionSnapshot | None) -> Iterator[Metric]:
        created = CounterMetricFamily(
            f"{PREFIX}sessions_created", "Sessions that came, since the start."
        )
        ended = CounterMetricFamily(
            f"{PREFIX}sessions_ended", "Sessions that went, since the start.", labels=("reason",)
        )
        lifetimes = None
        figures = self._tallied
        if figures is not None and snapshot is not None and snapshot.at is not None:
            created.add_metric([], figures.created)
            for reason, count in figures.ended.items():
                ended.add_metric([reason.value], count)
            lifetimes = figures.lifetimes
        yield created
        yield ended
        yield _histogram(
            "session_lifetime_seconds",
            "How long sessions lived that ended since the start.",
            lifetimes,
        )

    def _tell_work(self) -> Iterator[Metric]:
        figures = self._tallied
        yield _histogram(
            "poll_duration_seconds",
            "How long KATO's answers to polls took.",
            None if figures is None else figures.polls,
        )
        lag = _gauge(
            "loop_lag_seconds",
            "By how much a loop was late at most, in the last minute.",
            labels=("loop",),
        )
        lags = {
            "watcher": None if figures is None else figures.lag_seconds,
            "server": self._server_lag.ask(),
        }
        for loop, seconds in lags.items():
            if seconds is not None:
                lag.add_metric([loop], seconds)
        yield lag

    def _tell_clients(self) -> Iterator[Metric]:
        yield _gauge("visits", "Pages that are open.", self._count_visits())
        feed = self._feed
        yield _gauge("ws_clients", "Clients of /ws.", None if feed is None else feed.clients)
        dropped = CounterMetricFamily(
            f"{PREFIX}ws_dropped", "Clients of /ws that were cut for being slow."
        )
        if feed is not None:
            dropped.add_metric([], feed.dropped)
        yield dropped

    def _tell_alerts(self) -> Iterator[Metric]:
        """Tell how many subjects each rule has in each state; rules are what their users wrote."""
        family = _gauge(
            "alerts", "Subjects of a rule that are in a state.", labels=("name", "state")
        )
        surroundings = self._runtime.hub.surroundings
        board = None if surroundings is None else surroundings.alerts
        counts = Counter() if board is None else Counter(map(_state, board.states))
        for rule in () if board is None else board.rules:
            for stage in Stage:
                family.add_metric([rule.name, stage.value], counts[rule.name, stage])
        yield family

    def _tell_containers(self) -> Iterator[Metric]:
        told = tell_containers(self._runtime)
        # Those that are there come before those that vanished, of whom one may share their name.
        present_first = sorted(told.containers, key=lambda one: one.gone_since is not None)
        by_name: dict[str, Container] = {}
        for one in () if told.stale else present_first:
            if len(by_name) < MAX_CONTAINERS:
                by_name.setdefault(one.name, one)
        for kind, name, text, read in _CONTAINER_FIGURES:
            family = kind(f"{PREFIX}container_{name}", text, labels=("name",))
            for one in by_name.values():
                value = read(one)
                if value is not None:
                    family.add_metric([one.name], value)
            yield family


def _running(one: Container) -> float | None:
    is_known = one.status is not ContainerState.UNKNOWN
    return float(one.status is ContainerState.RUNNING) if is_known else None


_CONTAINER_FIGURES: Final[
    Sequence[tuple[type[Any], str, str, Callable[[Container], float | None]]]
] = (
    (GaugeMetricFamily, "running", "Whether a container runs.", _running),
    (
        GaugeMetricFamily,
        "cpu_percent",
        "Processor time since the look before, of one processor.",
        lambda one: one.cpu,
    ),
    (
        GaugeMetricFamily,
        "cpu_share_percent",
        "The same, of its limit or of all processors of the host.",
        lambda one: one.cpu_share_percent,
    ),
    (
        GaugeMetricFamily,
        "memory_bytes",
        "Memory used, without page cache.",
        lambda one: one.memory.usage_bytes,
    ),
    (
        GaugeMetricFamily,
        "memory_limit_bytes",
        "Its limit, or the host's memory.",
        lambda one: one.memory.limit_bytes,
    ),
    (
        CounterMetricFamily,
        "received_bytes",
        "Received over its networks, since it was started.",
        lambda one: one.network.rx_bytes,
    ),
    (
        CounterMetricFamily,
        "sent_bytes",
        "Sent over its networks, since it was started.",
        lambda one: one.network.tx_bytes,
    ),
    (
        CounterMetricFamily,
        "read_bytes",
        "Read from block devices, since it was started.",
        lambda one: one.block_io.read_bytes,
    ),
    (
        CounterMetricFamily,
        "written_bytes",
        "Written to block devices, since it was started.",
        lambda one: one.block_io.write_bytes,
    ),
    (
        CounterMetricFamily,
        "restarts",
        "Restarts by the engine's own policy, since it was created.",
        lambda one: one.restarts,
    ),
    (
        CounterMetricFamily,
        "oom_kills",
        "Kills for want of memory that the engine told, since the start.",
        lambda one: one.oom_kills,
    ),
)


class MetricsRequest(JsonRequest):
    """``GET /metrics``."""

    def initialize(
        self, runtime: Runtime, feed: FeedFigures | None = None, lag: LoopLag | None = None
    ) -> None:
        """Take what the route was made with."""
        super().initialize(runtime)
        self._registry = CollectorRegistry(auto_describe=False)
        exposition = Exposition(
            runtime, count_visits=self._count_visits, feed=feed, server_lag=lag or LoopLag()
        )
        self._registry.register(exposition)

    def get(self) -> None:
        """Answer."""
        text = generate_latest(self._registry)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(text)

    def _count_visits(self) -> int | None:
        """Count the pages with an open socket, on the server that serves this."""
        server: Any = self.application
        if not hasattr(server, "app_paths"):
            return None  # ours alone, without Panel's
        visits = [visit for path in server.app_paths for visit in server.get_sessions(path)]
        return len([visit for visit in visits if visit.connection_count > 0])


def _state(state: RuleState) -> tuple[str, Stage]:
    return state.rule.name, state.stage


def _gauge(
    name: str, text: str, value: float | None = None, labels: Sequence[str] = ()
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    if value is not None:
        family.add_metric([], value)
    return family


def _histogram(name: str, text: str, spread: Spread | None) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"{PREFIX}{name}", text)
    if spread is not None:
        bounds = [*(f"{bound:g}" for bound in spread.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
        family.add_metric([], buckets, spread.sum_seconds)
    return family
