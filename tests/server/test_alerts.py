"""The routes of alerts."""

import asyncio
from datetime import datetime, timedelta

import pytest

from kato_panel.alarms import Alarms, AlertDesk
from kato_panel.config import load
from kato_panel.domain.actions import ActionsState
from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.rules import Alert, Measured, Rule, Severity, Stage
from kato_panel.domain.surroundings import Surroundings
from kato_panel.history import History
from kato_panel.watcher import now
from tests.asking import asking, still_runtime
from tests.conftest import moment

BUSY = Rule("busy", "sessions_active", ">", 10, cooldown_seconds=0)
DOWN = Rule("down", "source_down", ">=", 1, severity=Severity.ERROR)


class Rig:
    """Alerts without a watcher: orders are carried out at once."""

    def __init__(self, **parts):
        self.items = []
        self.alarms = Alarms(
            [BUSY, DOWN], [], record=self.items.extend, settle=lambda: None, clock=now
        )
        self.state = ActionsState(allowed=True)
        desk = AlertDesk(self.alarms, self, lambda: self.state)
        self.runtime = still_runtime(alarms=desk, **parts)
        self.look_around()

    def submit(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, asyncio.get_running_loop())

    def look_around(self):
        self.look()

    def look(self, active=None, **down):
        """Judge, and publish."""
        measured = [Measured("sessions_active", active)]
        measured += [Measured("source_down", value, name) for name, value in down.items()]
        board = self.alarms.look(measured, now())
        self.runtime.hub.publish(None, (), None, Surroundings(alerts=board))
        return board


async def alerts_of(client, **asked):
    answer = await client.get("/api/v1/alerts", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_fires_is_told_with_its_rules():
    """Without a history from what is known, the newest first."""
    rig = Rig()
    rig.look(11)
    rig.look(11, http=1.0)
    async with asking(rig.runtime) as client:
        told = await alerts_of(client)
        assert [(one["rule"], one["subject"]) for one in told["alerts"]] == [
            ("down", "http"),
            ("busy", None),
        ]
        assert [rule["name"] for rule in told["rules"]] == ["busy", "down"]
        assert told["rules"][0]["states"][0]["state"] == Stage.FIRING
        assert told["demo"] is False
        chosen = await alerts_of(client, severity="error", state="firing", limit=5, since="1h")
        assert [one["rule"] for one in chosen["alerts"]] == ["down"]
        assert (await alerts_of(client, rule="busy", limit=1))["alerts"][0]["value"] == 11
        assert (await alerts_of(client, state="resolved"))["alerts"] == []


async def test_what_is_kept_is_told_a_page_at_a_time():
    """Also what this start knows nothing of any more."""
    with_history = History.open("sqlite://", "http://127.0.0.1:1", is_demo=False)
    for number in range(3):
        at = moment(number)
        over = None if number == 2 else moment(10)
        with_history.record(AlertEntry(Alert(BUSY, str(number), at, at, 11, over)))
    assert with_history.flush()
    async with asking(Rig(history=with_history).runtime) as client:
        first = await alerts_of(client, limit=2)
        assert [one["subject"] for one in first["alerts"]] == ["2", "1"]
        rest = await alerts_of(client, limit=2, cursor=first["next"])
        assert ([one["subject"] for one in rest["alerts"]], rest["next"]) == (["0"], None)
        over = await alerts_of(client, state="resolved", severity="warning", rule="busy")
        assert [one["subject"] for one in over["alerts"]] == ["1", "0"]
        assert [one["subject"] for one in (await alerts_of(client, state="firing"))["alerts"]] == [
            "2"
        ]
    with_history.close()


async def test_nothing_is_told_before_anything_was_judged():
    """That is not the same as no alert."""
    async with asking(still_runtime()) as client:
        answer = await client.get("/api/v1/alerts")
        order = await client.post("/api/v1/alerts/acknowledge", json={"id": "x"})
    assert (answer.status_code, order.status_code) == (503, 503)


async def test_alert_is_acknowledged_and_a_rule_silenced():
    """Both are audited, with who it was."""
    rig = Rig()
    (entry,) = rig.look(11).firing
    async with asking(rig.runtime) as client:
        url = "/api/v1/alerts/"
        answer = await client.post(url + "acknowledge", json={"id": entry.alert.id})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        answer = await client.post(url + "silences", json={"rule": "down", "until": "2h"})
        assert answer.status_code == 200
        told = await alerts_of(client)
    assert told["alerts"][0]["acknowledged_by"] == "api, from 127.0.0.1"
    (silence,) = told["silences"]
    assert (silence["rule"], silence["subject"]) == ("down", None)
    lasts = datetime.fromisoformat(silence["until"]) - datetime.fromisoformat(silence["at"])
    assert abs(lasts - timedelta(hours=2)) < timedelta(seconds=1)
    audited = [one.action for one in rig.items if hasattr(one, "action")]
    assert audited == ["acknowledge", "silence"]


@pytest.mark.parametrize(
    ("route", "order", "field"),
    [
        ("acknowledge", {}, "id"),
        ("acknowledge", {"id": 5}, "id"),
        ("acknowledge", ["x"], "id"),
        ("acknowledge", {"id": "unknown"}, "alert"),
        ("silences", {"rule": "busy"}, "until"),
        ("silences", {"rule": "unknown", "until": "1h"}, "rule"),
        ("silences", {"rule": None, "until": "1h"}, "rule"),
        ("silences", {"rule": "busy", "until": "1h", "subject": 5}, "subject"),
        ("silences", {"rule": "busy", "until": "1h", "subject": "x" * 301}, "subject"),
        ("silences", {"rule": "busy", "until": "500d"}, "until"),
    ],
)
async def test_wrong_order_changes_nothing(route, order, field):
    """Its field is named."""
    rig = Rig()
    before = rig.look(11)
    async with asking(rig.runtime) as client:
        answer = await client.post(f"/api/v1/alerts/{route}", json=order)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert rig.look(11).silences == before.silences == ()


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "192.0.2.1"}, {"Host": "evil.example"}])
async def test_only_somebody_at_this_machine_orders_without_a_login(headers):
    """Nor does anybody where everybody may look."""
    rig = Rig()
    async with asking(rig.runtime) as client:
        order = {"json": {"rule": "busy", "until": "1h"}}
        answer = await client.post("/api/v1/alerts/silences", headers=headers, **order)
        assert answer.status_code == 403
        rig.state = ActionsState(allowed=False, reason="everybody may look")
        answer = await client.post("/api/v1/alerts/silences", **order)
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            403,
            "everybody may look",
        )
        assert rig.look().silences == ()


async def test_flag_that_is_off_leaves_no_route():
    """None of the three."""
    runtime = still_runtime()
    runtime.settings = load({"WEBSOCKET_SYSTEM_ALERTS": False})
    async with asking(runtime) as client:
        for verb, path in (("GET", ""), ("POST", "/acknowledge"), ("POST", "/silences")):
            assert (await client.request(verb, f"/api/v1/alerts{path}")).status_code == 404
