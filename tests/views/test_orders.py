"""What a visit orders about alerts."""

import json
from datetime import timedelta

import pytest

from kato_panel.errors import QueryError
from kato_panel.views.orders import Orders
from tests.conftest import NOON, moment


class Alarms:
    """Remembers what it was told."""

    def __init__(self):
        self.told = []

    async def acknowledge(self, alert_id, who):
        if alert_id == "gone":
            raise QueryError("alert", alert_id, "one of the recent alerts")
        self.told.append((alert_id, who))

    async def silence(self, rule, subject, until, who):
        self.told.append((rule, subject, until, who))


@pytest.fixture
def alarms():
    return Alarms()


@pytest.fixture
def take(alarms):
    orders = Orders(alarms, "page, ann", lambda: moment(0))

    async def take(order, zone="Europe/Berlin"):
        return json.loads(await orders.take(json.dumps(order), zone))

    return take


def ask_silence(until):
    return {"id": 7, "silence": {"rule": "cpu", "subject": "kato", "until": until}}


async def test_acknowledgement_is_handed_on_in_the_visit_s_name(take, alarms):
    """And answered with the order's number."""
    assert await take({"id": 7, "acknowledge": "cpu/kato/1"}) == {"id": 7}
    assert alarms.told == [("cpu/kato/1", "page, ann")]


async def test_silence_is_until_a_time_of_the_page_s_zone(take, alarms):
    """Eight in the morning there; in UTC, if there is no such zone."""
    assert await take(ask_silence("1h")) == {"id": 7}
    await take(ask_silence("tomorrow"))
    await take(ask_silence("tomorrow"), zone="Nowhere/At all")
    untils = [until - NOON for _, _, until, _ in alarms.told]
    assert untils == [timedelta(hours=hours) for hours in (1, 19, 20)]
    assert {(rule, subject, who) for rule, subject, _, who in alarms.told} == {
        ("cpu", "kato", "page, ann")
    }


async def test_what_cannot_be_done_is_answered_in_words(take, alarms):
    """Whoever keeps the alerts refuses, or the time makes no sense."""
    answer = await take({"id": 7, "acknowledge": "gone"})
    assert answer["error"] == "Alert is 'gone', must be one of the recent alerts."
    answer = await take(ask_silence("2020-01-01T00:00"))
    assert answer["error"] == "Until is '2020-01-01T00:00', must be a time to come."
    assert alarms.told == []


@pytest.mark.parametrize(
    "order",
    [
        *({}, [], None, {"acknowledge": 7}, {"silence": "cpu"}, {"silence": {"rule": "cpu"}}),
        {"silence": {"rule": "cpu", "subject": None, "until": "1h"}},
    ],
)
async def test_nonsense_is_refused(take, alarms, order):
    """The page may have been forged."""
    assert "must be one to acknowledge or to silence" in (await take(order))["error"]
    assert alarms.told == []
