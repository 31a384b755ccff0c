"""
Our JSON: what programs and the page are told. The published form is ``docs/messages.md``.

Pure: from frozen values to dictionaries, and to the models of ``bodies.py``. Unknown is ``null``,
never 0.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from kato_panel.bodies import (
    AlertRow,
    Alerts,
    Container,
    ContainerBlocks,
    ContainerMemory,
    ContainerNetwork,
    Containers,
    ContainerSums,
    ErrorBody,
    LifeMark,
    RecordedEvent,
    RecordedEvents,
    Replay,
    RuleRow,
    RuleStateRow,
    SessionCount,
    SessionDetail,
    SessionOutcome,
    SessionOutcomes,
    SessionPage,
    SessionRow,
    SilenceRow,
    UpstreamFigure,
    UpstreamMetrics,
)
from kato_panel.domain.actions import Outcome
from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.containers import ContainerFigures, ContainersSeen
from kato_panel.domain.detail import Detail
from kato_panel.domain.events import Moment, SessionEvent
from kato_panel.domain.health import SourceState
from kato_panel.domain.listing import Page, Row
from kato_panel.domain.metrics import METRICS
from kato_panel.domain.playing import Playing
from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.rules import Rule, RuleState, Turn, Turned
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.text import sayable
from kato_panel.domain.times import iso
from kato_panel.domain.upstream_figures import FIGURES, UpstreamFigures


def session_count(snapshot: SessionSnapshot | None, now: Moment) -> SessionCount:
    """
    Say how many sessions there are.

    Parameters
    ----------
    snapshot
        The newest state; ``None`` before there is one.
    now
        When it is asked for: the age is counted up to then.
    """
    snapshot = replace(snapshot or SessionSnapshot(now), made_at=now)
    age_seconds = snapshot.age_seconds
    return SessionCount(
        active_count=snapshot.active,
        total_count=snapshot.active,
        active_sessions=snapshot.active,
        reported_count=snapshot.reported,
        drift=snapshot.drift,
        source=snapshot.counted_by,
        age_seconds=None if age_seconds is None else round(age_seconds, 3),
        stale=snapshot.is_stale,
    )


def session_event(event: SessionEvent) -> dict[str, Any]:
    """
    Say that sessions came or went.

    Parameters
    ----------
    event
        What happened.

    Returns
    -------
    dict
        ``type``, ``event_type``, ``timestamp``, ``seq`` and ``data`` of a ``session_event``.
    """
    return {
        "type": "session_event",
        "event_type": event.kind.value,
        "timestamp": iso(event.at),
        "seq": event.seq,
        "data": {
            "current_count": event.current,
            "previous_count": event.previous,
            "delta": event.delta,
            "time_since_last_event": event.since_last_event_seconds,
            "session_ids": [name.session_id for name in event.names],
            "node_ids": [name.node_id for name in event.names],
            "reason": event.reason,
            "source": event.source,
            "after_gap_seconds": event.after_gap_seconds,
        },
    }


def session_row(row: Row) -> SessionRow:
    """Say what the list shows of one session."""
    return SessionRow(
        session_id=row.session_id,
        node_id=row.node_id,
        created_at=_iso(row.created_at),
        last_accessed=_iso(row.last_accessed),
        expires_at=_iso(row.expires_at),
        ttl_seconds=row.ttl_seconds,
        ttl_remaining_seconds=row.ttl_remaining_seconds,
        stm_length=row.stm_length,
        access_count=row.access_count,
        is_gone=row.is_gone,
    )


def session_page(page: Page) -> SessionPage:
    """Say who is on one page of the list."""
    return SessionPage(
        sessions=[session_row(row) for row in page.rows],
        total=page.total,
        skip=page.skip,
        limit=page.limit,
        complete=page.complete,
        source=page.source,
        at=iso(page.at),
    )


def session_detail(detail: Detail) -> SessionDetail:
    """Say everything of one session."""
    reading = detail.reading
    return SessionDetail(
        session=session_row(reading.row),
        value=reading.value,
        value_bytes=reading.value_bytes,
        is_cut=reading.is_cut,
        trouble=reading.trouble,
        timeline=[
            LifeMark(
                what=mark.what,
                earliest=iso(mark.earliest),
                latest=iso(mark.latest),
                how=mark.how,
                reason=mark.reason,
            )
            for mark in detail.timeline
        ],
        source=detail.source,
        has_touched=detail.has_touched,
        at=iso(detail.at),
    )


def session_outcome(outcome: Outcome) -> SessionOutcome:
    """Say how a delete ended."""
    return SessionOutcome(
        session_id=outcome.session_id, result=outcome.result, reason=outcome.reason
    )


def session_outcomes(outcomes: Iterable[Outcome]) -> SessionOutcomes:
    """Say how each of several deletes ended."""
    return SessionOutcomes(results=[session_outcome(outcome) for outcome in outcomes])


def recorded_event(id: int, epoch: str, event: SessionEvent) -> RecordedEvent:  # noqa: A002 - the wire's word
    """Say what was recorded of an event: as it was told, with its place in the history."""
    told = session_event(event)
    return RecordedEvent(id=id, epoch=epoch, event_seq=told.pop("seq"), **told)


def recorded_events(
    events: Iterable[RecordedEvent], following: str | None, *, is_demo: bool
) -> RecordedEvents:
    """
    Say some of the recorded events.

    Parameters
    ----------
    events
        Oldest first.
    following
        The cursor of those after them; ``None`` where there are none.
    is_demo
        Whether they are the demo's.
    """
    return RecordedEvents(events=list(events), next=following, demo=is_demo)


def system_alert(turned: Turned) -> dict[str, Any]:
    """Say that an alert began or is over: one of the list of a ``system_alert``."""
    alert, rule = turned.alert, turned.alert.rule
    metric = METRICS.get(rule.metric)  # an alert of another version may have had another
    is_of_container = metric is not None and metric.subject == "container"
    return {
        "level": rule.severity.value,
        "type": rule.name,
        "message": sayable(alert.message),
        "value": alert.value,
        "threshold": rule.threshold,
        "container_name": sayable(alert.subject) if is_of_container else None,
        "state": turned.turn.value,
        "since": iso(alert.fired_at.wall),
        "metric": rule.metric,
        "subject": sayable(alert.subject) or None,
        "resolved_at": None if alert.resolved_at is None else iso(alert.resolved_at.wall),
        "reason": alert.reason or None,
    }


def alert_row(entry: AlertEntry) -> AlertRow:
    """Say everything of one alert."""
    alert, rule = entry.alert, entry.alert.rule
    return AlertRow(
        id=sayable(alert.id),
        rule=rule.name,
        subject=sayable(alert.subject) or None,
        severity=rule.severity.value,
        state=Turn.FIRING if alert.resolved_at is None else Turn.RESOLVED,
        message=sayable(alert.message),
        metric=rule.metric,
        value=alert.value,
        threshold=rule.threshold,
        pending_at=iso(alert.pending_at.wall),
        since=iso(alert.fired_at.wall),
        resolved_at=None if alert.resolved_at is None else iso(alert.resolved_at.wall),
        reason=alert.reason or None,
        acknowledged_at=_iso(entry.acknowledged_at),
        acknowledged_by=sayable(entry.acknowledged_by) or None,
    )


def _rule_row(rule: Rule, states: Iterable[RuleState]) -> RuleRow:
    return RuleRow(
        name=rule.name,
        metric=rule.metric,
        unit=METRICS[rule.metric].unit,
        op=rule.op,
        threshold=rule.threshold,
        for_seconds=rule.for_seconds,
        keep_firing_for_seconds=rule.keep_firing_seconds,
        cooldown_seconds=rule.cooldown_seconds,
        min_samples=rule.min_samples,
        severity=rule.severity.value,
        built_in=rule.is_built_in,
        states=[
            RuleStateRow(
                subject=sayable(state.subject) or None,
                state=state.stage.value,
                value=state.value,
                since=iso(state.since.wall),
                alert_id=None if state.alert is None else sayable(state.alert.id),
            )
            for state in states
        ],
    )


def alerts(
    board: AlertBoard, entries: Iterable[AlertEntry], following: str | None, *, is_demo: bool
) -> Alerts:
    """
    Say what fires, what did, and by which rules.

    Parameters
    ----------
    board
        The present state.
    entries
        The alerts that were asked for, the newest first.
    following
        The cursor of those before them; ``None`` where there are none.
    is_demo
        Whether they are the demo's.
    """
    states: dict[str, list[RuleState]] = {}
    for state in board.states:
        states.setdefault(state.rule.name, []).append(state)
    return Alerts(
        alerts=[alert_row(entry) for entry in entries],
        next=following,
        rules=[_rule_row(rule, states.get(rule.name, ())) for rule in board.rules],
        silences=[
            SilenceRow(
                rule=one.rule,
                subject=sayable(one.subject) or None,
                until=iso(one.until),
                at=iso(one.at),
                by=sayable(one.who),
            )
            for one in board.silences
        ],
        problems=[sayable(problem) for problem in board.problems],
        demo=is_demo,
    )


def replay(playing: Playing) -> Replay:
    """Say how a replay goes."""
    return Replay(
        first=iso(playing.first),
        last=iso(playing.last),
        position=iso(playing.position),
        speed=playing.speed,
        paused=playing.is_paused,
        over=playing.is_over,
        jumps=playing.jumps,
    )


MEBIBYTE: Final = 1 << 20


def containers(
    seen: ContainersSeen | None,
    now: Moment,
    *,
    stale_after_seconds: float,
    state: SourceState | None = None,
) -> Containers:
    """
    Say how the containers are.

    Parameters
    ----------
    seen
        The newest good look; ``None`` before there is one.
    now
        When it is asked for: ages are counted up to then.
    stale_after_seconds
        From which age on it is stale.
    state
        How their source is; ``None`` where nobody knows.
    """
    if seen is None:
        nothing = ContainerSums(
            total_cpu_percent=None,
            total_memory_mb=None,
            total_memory_limit_mb=None,
            total_memory_percent=None,
            container_count=None,
            timestamp=None,
        )
        reason = "" if state is None else state.reason
        return Containers(containers=[], aggregated=nothing, reason=reason)
    totals = seen.totals
    age_seconds = max(0.0, now.tick - seen.at.tick)
    return Containers(
        containers=[_container(one, now) for one in seen.containers],
        aggregated=ContainerSums(
            total_cpu_percent=_rounded(totals.cpu_percent),
            total_memory_mb=_mebibytes(totals.memory_bytes),
            total_memory_limit_mb=_mebibytes(totals.memory_limit_bytes),
            total_memory_percent=_rounded(totals.memory_percent),
            container_count=totals.count,
            timestamp=iso(seen.at.wall),
        ),
        age_seconds=round(age_seconds, 3),
        stale=age_seconds > stale_after_seconds,
        reason=seen.remark if state is None else state.reason,
    )


def _container(one: ContainerFigures, now: Moment) -> Container:
    return Container(
        name=one.name,
        container_id=one.container_id,
        image=one.image,
        status=one.state,
        health=one.health,
        cpu=_rounded(one.cpu_percent),
        cpu_share_percent=_rounded(one.cpu_share_percent),
        cpus=one.cpus,
        cpu_of=one.cpu_of,
        memory=ContainerMemory(
            usage_bytes=one.memory_bytes,
            limit_bytes=one.memory_limit_bytes,
            usage_mb=_mebibytes(one.memory_bytes),
            limit_mb=_mebibytes(one.memory_limit_bytes),
            usage_percent=_rounded(one.memory_percent),
            of=one.memory_of,
        ),
        network=ContainerNetwork(
            rx_bytes=one.rx_bytes,
            tx_bytes=one.tx_bytes,
            rx_mb=_mebibytes(one.rx_bytes),
            tx_mb=_mebibytes(one.tx_bytes),
            rx_bytes_per_second=_rounded(one.rx_rate),
            tx_bytes_per_second=_rounded(one.tx_rate),
        ),
        block_io=ContainerBlocks(
            read_bytes=one.read_bytes,
            write_bytes=one.written_bytes,
            read_mb=_mebibytes(one.read_bytes),
            write_mb=_mebibytes(one.written_bytes),
            read_bytes_per_second=_rounded(one.read_rate),
            write_bytes_per_second=_rounded(one.written_rate),
        ),
        restarts=one.restarts,
        recent_restarts=one.recent_restarts,
        oom_kills=one.oom_kills,
        was_oom_killed=one.was_oom_killed,
        exit_code=one.exit_code,
        started_at=_iso(one.started),
        finished_at=_iso(one.finished),
        gone_since=None if one.gone_since is None else iso(one.gone_since.wall),
        trouble=one.trouble,
        timestamp=iso(one.at.wall),
        age_seconds=round(max(0.0, now.tick - one.at.tick), 3),
    )


def upstream_metrics(figures: UpstreamFigures, now: Moment) -> UpstreamMetrics:
    """
    Say what KATO and its Redis report of themselves.

    Parameters
    ----------
    figures
        As they were read last.
    now
        When it is asked for: ages are counted up to then.
    """
    told = []
    for figure in FIGURES:
        age_seconds = figures.age_seconds(figure.part, now)
        told.append(
            UpstreamFigure(
                name=figure.name,
                value=figure.read(figures),
                unit=figure.unit,
                part=figure.part,
                remark=figure.remark,
                age_seconds=None if age_seconds is None else round(age_seconds, 3),
                stale=age_seconds is not None and not figures.is_fresh(figure.part, now),
            )
        )
    health, metrics, redis = figures.health, figures.metrics, figures.redis
    body = None if metrics is None else metrics.body
    return UpstreamMetrics(
        status=None if health is None else health.status,
        issues=[] if health is None else list(health.issues),
        redis_version=None if redis is None else redis.version,
        figures=told,
        metrics=None if body is None else dict(body),
    )


EVENT_COLUMNS: Final = (
    "timestamp",
    "event_type",
    "delta",
    "previous_count",
    "current_count",
    "session_ids",
    "node_ids",
    "reason",
    "source",
    "after_gap_seconds",
    "time_since_last_event",
    "epoch",
    "event_seq",
    "id",
    "demo",
)
"""Of an export."""


def event_cells(recorded: RecordedEvent, *, is_demo: bool) -> list[str | float | None]:
    """Give an event's cells, as `EVENT_COLUMNS` names them; lists are JSON."""
    told = recorded.data
    return [
        recorded.timestamp,
        recorded.event_type,
        told.delta,
        told.previous_count,
        told.current_count,
        json.dumps(told.session_ids, ensure_ascii=False),
        json.dumps(told.node_ids, ensure_ascii=False),
        told.reason,
        told.source,
        told.after_gap_seconds,
        told.time_since_last_event,
        recorded.epoch,
        recorded.event_seq,
        recorded.id,
        is_demo,
    ]


def error(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    """Say why a request was refused."""
    body = ErrorBody(code=code, message=message, field=field)
    return {"error": body.model_dump(exclude_none=True)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _mebibytes(count: int | None) -> float | None:
    return None if count is None else round(count / MEBIBYTE, 2)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso(at)
