"""Our JSON."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kato_panel import composing, messages
from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.events import Kind, Name, Service, SessionEvent
from kato_panel.domain.listing import Row
from kato_panel.domain.playing import Playing
from kato_panel.domain.recorded import AlertEntry, Silence
from kato_panel.domain.rules import Alert, Rule, RuleState, Stage, Turn, Turned
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.upstream_figures import UpstreamFigures, WorkerMetrics
from tests.conftest import NOON, moment


def test_count_before_the_first_observation_is_null():
    """Unknown is not zero."""
    count = messages.session_count(None, moment(0))
    assert (count.active_count, count.age_seconds, count.stale) == (None, None, False)


def test_count_speaks_the_document_s_names_too():
    """Clients written for it read `total_count` or `active_sessions`."""
    count = messages.session_count(
        SessionSnapshot(moment(4), 7, reported=7, at=moment(3.5)), moment(5)
    )
    assert count.model_dump() == {
        "active_count": 7,
        "total_count": 7,
        "active_sessions": 7,
        "reported_count": 7,
        "drift": None,
        "source": "http",
        "age_seconds": 1.5,
        "stale": False,
    }


def test_count_of_keys_names_its_source_and_drift():
    """KATO's own number stands beside it."""
    snapshot = SessionSnapshot(
        moment(0), active=7, reported=9, drift=2, at=moment(0), counted_by="redis"
    )
    count = messages.session_count(snapshot, moment(0))
    assert (count.active_count, count.reported_count, count.drift) == (7, 9, 2)
    assert count.source == "redis"


def test_session_event_has_the_document_s_fields():
    """Type, direction, counts and a positive delta; names and gap beside them."""
    event = SessionEvent(
        seq=4,
        kind=Kind.DESTROYED,
        at=NOON,
        previous=9,
        current=8,
        delta=1,
        source="stream",
        names=(Name("s1", "n1"),),
        reason="deleted",
        since_last_event_seconds=2.0,
    )
    assert messages.session_event(event) == {
        "type": "session_event",
        "event_type": "session_destroyed",
        "timestamp": "2026-11-22T12:00:00.000+00:00",
        "seq": 4,
        "data": {
            "current_count": 8,
            "previous_count": 9,
            "delta": 1,
            "time_since_last_event": 2.0,
            "session_ids": ["s1"],
            "node_ids": ["n1"],
            "reason": "deleted",
            "source": "stream",
            "after_gap_seconds": None,
        },
    }


def test_recorded_event_is_found_by_what_its_frame_tells():
    """Epoch and number of the event are the same in both; the frame's own number is another."""
    event = SessionEvent(4, Kind.CREATED, NOON, 8, 9, 1, "http")
    frame = composing.compose_session_event(event, "e", 7)
    recorded = messages.recorded_event(20, "e", event).model_dump()
    assert (frame["epoch"], frame["event_seq"], frame["seq"]) == ("e", 4, 7)
    assert (recorded["epoch"], recorded["event_seq"]) == ("e", 4)
    assert "seq" not in recorded


def test_error_names_its_field_where_it_has_one():
    """For programs and for people."""
    assert messages.error("x", "y") == {"error": {"code": "x", "message": "y"}}
    assert messages.error("x", "y", "limit")["error"]["field"] == "limit"


def test_row_of_which_nothing_is_known_is_null():
    """But for its id, and that nobody has seen it gone."""
    told = messages.session_row(Row("s")).model_dump()
    assert {key for key, value in told.items() if value is not None} == {"session_id", "is_gone"}


def alert(**more):
    rule = Rule("cpu", "container_cpu_percent", ">", 80, message="{subject} is busy")
    return replace(Alert(rule, "kato", moment(0), moment(60), 91.4), **more)


def test_alert_of_a_container_names_it():
    """The design document's field has it."""
    told = messages.system_alert(Turned(Turn.FIRING, alert()))
    assert (told["type"], told["container_name"], told["subject"]) == ("cpu", "kato", "kato")
    assert (told["state"], told["resolved_at"], told["reason"]) == ("firing", None, None)


@pytest.mark.parametrize("metric", ["sessions_active", "a_metric_of_another_version"])
def test_alert_of_anything_else_names_no_container(metric):
    """Also where nobody knows any more what it was about."""
    rule = Rule("busy", metric, ">", 10)
    over = alert(rule=rule, subject="", resolved_at=moment(90), reason="its rule was removed")
    told = messages.system_alert(Turned(Turn.RESOLVED, over))
    assert (told["container_name"], told["subject"]) == (None, None)
    assert (told["resolved_at"], told["reason"]) == (
        "2026-11-22T12:01:30.000+00:00",
        "its rule was removed",
    )


def test_board_is_told_with_its_alerts():
    """A text that UTF-8 cannot say is told all the same."""
    entry = AlertEntry(alert(subject="a\ud83d", resolved_at=moment(90)), NOON, "ann")
    rule = entry.alert.rule
    states = (RuleState(rule, "a\ud83d", Stage.NO_DATA, None, moment(90)),)
    silence = Silence("cpu", "", NOON, NOON, "bob")
    board = AlertBoard(1, states, (rule,), (entry,), (silence,), ("line 1: wrong",))
    told = messages.alerts(board, [entry], "5:6", is_demo=True)
    (row,) = told.alerts
    assert (row.state, row.acknowledged_by, told.next) == (Turn.RESOLVED, "ann", "5:6")
    assert told.rules[0].states[0].state == "no data"
    assert (told.silences[0].subject, told.problems) == (None, ["line 1: wrong"])
    assert told.model_dump_json().encode()


def test_replay_says_where_it_stands():
    """Times are ISO 8601, as everywhere."""
    last = NOON + timedelta(hours=1)
    playing = Playing(NOON, last, last, 60.0, is_paused=True, jumps=2)
    assert messages.replay(playing).model_dump() == {
        "first": "2026-11-22T12:00:00.000+00:00",
        "last": "2026-11-22T13:00:00.000+00:00",
        "position": "2026-11-22T13:00:00.000+00:00",
        "speed": 60.0,
        "paused": True,
        "over": True,
        "jumps": 2,
    }


def test_figures_before_anything_was_read_are_null():
    """Unknown is not zero, and not old."""
    told = messages.upstream_metrics(UpstreamFigures(), moment(0))
    assert (told.status, told.issues, told.redis_version, told.metrics) == (None, [], None, None)
    seen = {(one.value, one.age_seconds, one.stale) for one in told.figures}
    assert seen == {(None, None, False)}


def test_old_figures_are_told_as_such():
    """What KATO said last, with its age."""
    figures = UpstreamFigures(
        health=Service(issues=("High CPU usage",)),
        health_at=moment(58),
        metrics=WorkerMetrics(disk_percent=24.4, body={"timestamp": 1.0}),
        metrics_at=moment(0),
    )
    told = messages.upstream_metrics(figures, moment(60))
    found = {one.name: one for one in told.figures}
    disk, uptime = found["disk_percent"], found["uptime_seconds"]
    assert (disk.value, disk.age_seconds, disk.stale) == (24.4, 60, True)
    assert (uptime.value, uptime.age_seconds, uptime.stale) == (None, 2, False)
    assert (told.issues, told.metrics) == (["High CPU usage"], {"timestamp": 1.0})
