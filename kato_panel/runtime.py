"""The composition root: from settings to the one watcher of this process."""

import atexit
import logging
import os
import threading
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from kato_panel import recording
from kato_panel.alarms import Alarms, AlertDesk
from kato_panel.alerting import Alerting
from kato_panel.churn_desk import ChurnDesk
from kato_panel.config import Settings, load, split_login
from kato_panel.deletes import NO_HISTORY, Deletes
from kato_panel.demo import Demo
from kato_panel.directory import SessionDirectory
from kato_panel.domain.actions import ActionsState, judge_actions
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.ledger import Ledger
from kato_panel.domain.named import NamedSessions
from kato_panel.domain.tally import Tally
from kato_panel.domain.telling import KeyedCount, PolledCount
from kato_panel.domain.timeline import Timeline
from kato_panel.history import History, Retention
from kato_panel.hub import Hub
from kato_panel.oversight import Oversight
from kato_panel.recall import Recalled, recall
from kato_panel.recording import KEYS_SEEN, Recorder
from kato_panel.replaying import RecordedCount, RecordedSurroundings, Replay, ReplaySource
from kato_panel.rereading import LOOK_SECONDS, Before, Recording
from kato_panel.roles import Source, Teller
from kato_panel.sources import payloads
from kato_panel.sources.docker import DockerSource
from kato_panel.sources.http import HttpSource
from kato_panel.sources.kato_metrics import MetricsSource
from kato_panel.sources.kato_sessions import KatoSessions
from kato_panel.sources.redis import RedisSource
from kato_panel.sources.stream import StreamSource
from kato_panel.watcher import Watcher, now

if TYPE_CHECKING:
    from kato_panel.history_frames import HistoryFrames

logger = logging.getLogger(__name__)


class Runtime:
    """
    The built object graph of one process.

    Parameters
    ----------
    settings
        What to watch, and how.
    demo
        What is watched where the settings name no upstream; without a past if it is not given.
    replay
        What is told again, in place of watching.

    Attributes
    ----------
    settings, hub, watcher, sessions, churn, history, alarms
        The parts that others use; the last two are ``None`` where no history is kept, and where
        nothing is judged.
    tally
        What is counted since `start`; ``None`` before.
    listens_on
        Addresses that this process serves on; ``None`` where nobody knows them.
    has_routes
        Whether this process serves our routes beside the page.
    replay
        What is told again; ``None`` where it is watched.
    upstream
        Address of what is watched, without a password; empty before `start`.

    Raises
    ------
    ConfigError
        If a rule is wrong, or the file of them cannot be read: names each mistake with its line.
    """

    def __init__(
        self,
        settings: Settings,
        demo: Demo | None = None,
        replay: Replay | None = None,
    ) -> None:
        self.settings = settings
        self.replay = replay
        self.hub = Hub()
        self.upstream = ""
        self.has_routes = False
        self.listens_on: tuple[str, ...] | None = None
        self.watcher: Watcher | None = None
        self.sessions: SessionDirectory | None = None
        self.churn: ChurnDesk | None = None
        self.history: History | None = None
        self.alarms: AlertDesk | None = None
        self.tally: Tally | None = None
        self._demo = Demo() if demo is None else demo
        self._alarms: Alarms | None = None
        is_judged = settings.system_alerts and replay is None
        self._alerting = Alerting(settings) if is_judged else None

    @property
    def trouble(self) -> str | None:
        """Why nothing is watched; ``None`` while all is well."""
        return "the watcher is not running" if self.watcher is None else self.watcher.trouble

    @property
    def record(self) -> Recording | History | None:
        """What is replayed, or kept; its ``reader`` reads it."""
        return self.history if self.replay is None else self.replay.recording

    def now(self) -> datetime:
        """Give the time of what is shown; UTC."""
        return (now() if self.replay is None else self.replay.player.now()).wall

    def start(self) -> None:
        """Begin to watch; in the demo, start what is watched first. What fails leaves nothing."""
        try:
            if self.replay is None:
                self._start()
            else:
                self._start_replay(self.replay)
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        settings = self.settings
        url = settings.kato_api_url
        if url is None:
            at = now().wall.timestamp()
            url = self._demo.start(at, has_engine=settings.container_stats)
        self.upstream, login = split_login(url)
        sources: list[Source] = [
            HttpSource(self.upstream, settings.poll_interval_seconds, now, headers=login)
        ]
        off: list[SourceState] = []
        recalled = self._open_history()
        generation = None if self.history is None else self.history.generation
        after_seq = len(recalled.events)
        teller: Teller = PolledCount(after_seq=after_seq)
        redis: RedisSource | None = None
        ledger: Ledger | None = None
        named: NamedSessions | None = None
        redis_url = self._redis_url()
        if redis_url is not None:
            redis = RedisSource(redis_url, now, enables_events=settings.redis_enables_events)
            sources.insert(0, redis)
            ledger = Ledger(payloads.created_in)
            if recalled.records is not None:
                ledger.restore(recalled.records, recalled.evictions)
            teller = KeyedCount(
                ledger,
                keeps_stream=settings.stream == "on",
                seen_at=recalled.keys_seen_at,
                after_seq=after_seq,
            )
        if settings.follows_stream:
            named = NamedSessions(payloads.created_in) if ledger is None else None
            sources.append(StreamSource(self.upstream, now, headers=login))
        else:
            why = "switched off" if settings.session_events else "events are switched off"
            off.append(
                SourceState(StreamSource.name, StreamSource.label, health=Health.OFF, reason=why)
            )
        sources.append(MetricsSource(self.upstream, now, headers=login))
        if settings.container_stats:
            sources.append(self._docker())
        recorder = self._record(ledger, generation if recalled.is_read else None)
        if recorder is None:
            off.append(recording.SWITCHED_OFF)
        self.tally = Tally(has_records=ledger is not None)
        self.tally.begin(after_seq)
        recalled.fill(timeline := Timeline(0.0))
        if settings.session_events:
            self.hub.publish(None, recalled.events)
        self.watcher = Watcher(
            sources,
            self.hub,
            interval_seconds=settings.poll_interval_seconds,
            teller=teller,
            recorder=recorder,
            timeline=timeline,
            tally=self.tally,
            overseer=self._oversee(recorder, recalled),
            overhear=None if named is None else named.overhear,
            tells_events=settings.session_events,
            off=off,
        )
        kato = KatoSessions(self.upstream, headers=login)
        audit = None if recorder is None else recorder.audit
        self.sessions = SessionDirectory(
            self.watcher.submit,
            kato,
            now,
            kept=ledger or named,
            keys=redis,
            deletes=Deletes(kato, now, self._judge_actions, audit, self._doubt_record),
        )
        if self._alarms is not None:
            self.alarms = AlertDesk(self._alarms, self.watcher, self.judge_orders)
        self.watcher.start()
        self._open_desk(has_records=ledger is not None or recalled.keys_seen_at is not None)
        logger.info("watching %s%s", self.upstream, " (demo)" if settings.is_demo else "")

    def _start_replay(self, replay: Replay) -> None:
        """Tell a recording: nobody is asked, nothing is judged, and nothing is written."""
        recording, player = replay.recording, replay.player
        self.upstream = recording.owner.upstream
        teller = RecordedCount()
        overseer = RecordedSurroundings(recording.alerts if self.settings.system_alerts else ())
        self.tally = Tally()

        def begin(before: Before) -> None:
            timeline = Timeline(0.0)
            events = teller.number(before.events)
            timeline.restore(before.minutes, events, before.gaps, before.at)
            overseer.begin()
            self.hub.forget_events()
            watcher.begin_anew(timeline)
            if self.settings.session_events:
                self.hub.publish(None, events)

        watcher = self.watcher = Watcher(
            [ReplaySource(replay, begin)],
            self.hub,
            interval_seconds=LOOK_SECONDS,
            teller=teller,
            tally=self.tally,
            overseer=overseer,
            tells_events=self.settings.session_events,
            clock=player.now,
        )
        watcher.start()
        has_records = recording.reader.note(KEYS_SEEN) is not None
        self.churn = ChurnDesk(self.frames, has_records=has_records)
        self.churn.start()
        logger.info("replaying %s, from %s to %s", self.upstream, recording.first, recording.last)

    def _redis_url(self) -> str | None:
        """Say which Redis is watched; the demo's own in the demo."""
        settings = self.settings
        if not settings.is_demo:
            return settings.redis_url
        if settings.redis_url is not None:
            logger.warning("REDIS_URL is set, but the demo is watched: KATO_API_URL is not set")
        return self._demo.redis_url

    def _open_history(self) -> Recalled:
        """Open the history, if one is kept; return what an earlier run left in it."""
        settings = self.settings
        if not settings.keeps_history:
            return Recalled()
        self.history = History.open(
            settings.history_url,
            self.upstream,
            is_demo=settings.is_demo,
            epoch=self.hub.epoch,
            retention=Retention(
                settings.history_raw_days,
                settings.history_minute_days,
                settings.history_max_bytes,
            ),
        )
        if settings.is_demo and self.history.status.trouble is not None:
            return Recalled()  # another demo's past
        if self._demo.week is not None:
            self.history.fill(self._demo.week.fill)
        return recall(self.history.reader, now().wall)

    def _docker(self) -> DockerSource:
        # The demo has its own; an engine of this machine is none of its business.
        is_demo = self.settings.is_demo
        return DockerSource(
            self.settings.wanted_containers,
            now,
            {"DOCKER_HOST": self._demo.engine_host} if is_demo else os.environ,
            interval_seconds=self.settings.container_interval_seconds,
            is_expected=self.settings.expects_engine,
        )

    def _record(self, ledger: Ledger | None, generation: int | None) -> Recorder | None:
        """Record what is known, if a history is kept."""
        if self.history is None:
            return None
        open_records = None if ledger is None else ledger.open_records
        return Recorder(self.history, open_records=open_records, generation=generation)

    def _oversee(self, recorder: Recorder | None, recalled: Recalled) -> Oversight:
        """Keep an eye on what is beside the sessions."""
        if self._alerting is not None:
            self._alarms = self._alerting.make(self.history, recalled)
        return Oversight(
            now,
            alarms=self._alarms,
            rule_files=None if self._alerting is None else self._alerting.files,
            usual=None if recorder is None else recorder.usual,
            container_interval_seconds=self.settings.container_interval_seconds,
            median_lifetime_seconds=self._median_seconds,
        )

    def _judge_actions(self) -> ActionsState:
        return self._judge(is_set=self.settings.allow_actions)

    def judge_orders(self) -> ActionsState:
        """Say whether alerts and a replay take orders: that changes nothing upstream."""
        return self._judge(is_set=True)

    def _judge(self, *, is_set: bool) -> ActionsState:
        settings = self.settings
        return judge_actions(
            self.listens_on,
            is_set=is_set,
            has_login=settings.has_login,
            is_anonymous=settings.allow_anonymous,
        )

    def _doubt_record(self) -> str:
        """Say why what people do would not be found in the history later."""
        if self.history is None:
            return NO_HISTORY
        status = self.history.status
        if status.trouble is None and status.path is None:
            return "the history is in memory alone, and ends with this service"
        return status.trouble or ""

    def _open_desk(self, *, has_records: bool) -> None:
        """Begin to answer questions of churn."""
        keeps = self.history is not None
        self.churn = ChurnDesk(self.frames if keeps else None, has_records=has_records)
        self.churn.start()

    def _median_seconds(self) -> float | None:
        return None if self.churn is None else self.churn.median.value_seconds

    def frames(self) -> "HistoryFrames | None":
        """
        Give the history as data frames; ``None`` where none is kept.

        Loads pandas for who asks first: not to be called on a loop.
        """
        record = self.record
        if record is None:
            return None
        from kato_panel.history_frames import HistoryFrames  # noqa: PLC0415

        return HistoryFrames(lambda: record.reader)

    def stop(self) -> None:
        """End everything that `start` began. Stopping twice is allowed."""
        if self.churn is not None:
            self.churn.close()
        if self.watcher is not None:
            self.watcher.stop()
        if self.history is not None:
            self.history.close()  # after the last of what it is given
        if self.replay is not None:
            self.replay.recording.close()
        self._demo.stop()


class _Shared:
    """The runtimes that several monitors of this process use, and how many do."""

    lock = threading.Lock()
    users: ClassVar[dict[Runtime, int]] = {}


def share(settings: Settings) -> Runtime:
    """
    Return a runtime with these settings, started; who is done with it says so to `leave`.

    Watching is one per process and upstream, however many monitors look on.
    """
    with _Shared.lock:
        runtime = next((one for one in _Shared.users if one.settings == settings), None)
        if runtime is None:
            runtime = Runtime(settings)
            runtime.start()
        _Shared.users[runtime] = _Shared.users.get(runtime, 0) + 1
        return runtime


def leave(runtime: Runtime) -> None:
    """Give back what `share` gave; the last one to leave ends it."""
    with _Shared.lock:
        _Shared.users[runtime] -= 1
        if _Shared.users[runtime]:
            return
        del _Shared.users[runtime]
    runtime.stop()


class _Process:
    """The one runtime of this process, once somebody needs it."""

    lock = threading.Lock()
    runtime: Runtime | None = None


def current() -> Runtime:
    """
    Return the runtime of this process; the first call starts it.

    Raises
    ------
    ConfigError
        If the settings are wrong.
    """
    with _Process.lock:
        runtime = _Process.runtime
        if runtime is None:
            runtime = Runtime(load())
            runtime.start()
            install(runtime)
        return runtime


def install(runtime: Runtime | None) -> None:
    """Make a started runtime the one of this process; it ends with the process."""
    _Process.runtime = runtime
    if runtime is not None:
        atexit.register(runtime.stop)
