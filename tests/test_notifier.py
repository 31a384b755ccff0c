"""Webhooks, to a real receiver that misbehaves."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from kato_panel import notifier as module
from kato_panel.domain.notices import Form
from kato_panel.domain.recorded import OutboxEntry
from kato_panel.domain.rules import Alert, Rule, Turn, Turned
from kato_panel.domain.targets import Target
from kato_panel.notifier import Notifier
from kato_panel.watcher import now
from tests.conftest import moment
from tests.receiver import Receiver

RULE = Rule("cpu", "container_cpu_percent", ">", 80)
ALERT = Alert(RULE, "kato \ud83d\u202e\n", moment(0), moment(60), 91.4)
FIRING = Turned(Turn.FIRING, ALERT)
OVER = Turned(Turn.RESOLVED, replace(ALERT, resolved_at=moment(90)))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "SEND_SECONDS", 2.0)
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.05)


class Outbox:
    """Keeps entries as a history does."""

    def __init__(self):
        self.entries, self.settled = {}, 0

    def record(self, entry):
        self.entries[entry.id] = entry

    def settle(self):
        self.settled += 1

    @property
    def unsent(self):
        return [one for one in self.entries.values() if not one.sent_at and not one.given_up]


class Running:
    """A notifier on a loop."""

    def __init__(self, *targets, outbox=None):
        self.outbox = outbox or Outbox()
        self.notifier = Notifier(
            targets, record=self.outbox.record, settle=self.outbox.settle, clock=now
        )

    async def __aenter__(self):
        self._task = asyncio.create_task(self.notifier.run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, holds, seconds=10.0):
        async with asyncio.timeout(seconds):
            while not holds(self.outbox):  # noqa: ASYNC110 - the outbox is a dictionary
                await asyncio.sleep(0.01)


def states(receiver):
    return [body["state"] for body in receiver.taken]


async def test_each_notice_is_taken_once_however_the_receiver_behaves():
    """In their order, under the same id whenever it is tried."""
    with Receiver(500, "reset", "hang", 429, 503) as receiver:
        target = Target("ops", receiver.url, Form.JSON)
        async with Running(target) as running:
            running.notifier.tell([FIRING])
            running.notifier.tell([OVER])
            await running.until(lambda outbox: not outbox.unsent)
            assert running.notifier.troubles == {"ops": ""}
    assert states(receiver) == ["firing", "resolved"]
    assert len({body["id"] for _, body in receiver.seen[:6]}) == 1
    assert len(set(receiver.keys)) == 2
    first, second = running.outbox.entries.values()
    assert (first.attempts, second.attempts) == (6, 1)
    assert running.outbox.settled == 2


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_what_is_refused_for_good_is_given_up_in_words(status, caplog):
    """And does not hold up the next."""
    with Receiver(status) as receiver:
        async with Running(Target("ops", receiver.url + "?token=s3cret", Form.JSON)) as running:
            running.notifier.tell([FIRING, OVER])
            await running.until(lambda outbox: not outbox.unsent)
    assert states(receiver) == ["resolved"]
    given_up = next(iter(running.outbox.entries.values())).given_up
    assert given_up == f"it answered {status}"
    assert f"webhook ops takes no notice: it answered {status}" in caplog.text
    assert "s3cret" not in caplog.text + repr(running.notifier._targets)


async def test_service_that_is_away_holds_up_no_other():
    """Each target has a pace of its own; two of one name are told apart."""
    with Receiver() as receiver:
        away = Target("ops", "http://127.0.0.1:1/x", Form.SLACK)
        here = Target("ops", receiver.url, Form.ALERTMANAGER)
        async with Running(away, here) as running:
            running.notifier.tell([FIRING])
            await running.until(lambda outbox: len(outbox.unsent) == 1)
            assert running.outbox.unsent[0].target == "ops"
            assert receiver.taken[0]["version"] == "4"
            await running.until(lambda outbox: outbox.unsent[0].attempts > 1)
            assert running.notifier.troubles["ops"] == "ConnectError"
            assert running.notifier.troubles["ops (2)"] == ""


async def test_address_that_none_can_ask_is_given_up_and_stops_nobody():
    """Whatever the settings let through."""
    with Receiver() as receiver:
        wrong = Target("wrong", "http://[v1.a]/x", Form.JSON)
        right = Target("right", receiver.url, Form.JSON)
        async with Running(wrong, right) as running:
            running.notifier.tell([FIRING, OVER])
            await running.until(lambda outbox: not outbox.unsent)
    assert states(receiver) == ["firing", "resolved"]
    given_up = {one.target: one.given_up for one in running.outbox.entries.values()}
    assert given_up == {"wrong": "InvalidURL", "right": ""}


async def test_what_a_service_says_is_not_read():
    """It has taken the notice, and may talk on."""
    with Receiver("endless") as receiver:
        async with Running(Target("ops", receiver.url, Form.JSON)) as running:
            running.notifier.tell([FIRING, OVER])
            await running.until(lambda outbox: not outbox.unsent)
    assert states(receiver) == ["firing", "resolved"]
    assert len(receiver.seen) == 2


async def test_what_an_earlier_run_left_is_sent():
    """Under its id; what nobody can take any more is given up."""
    with Receiver() as receiver:
        running = Running(Target("ops", receiver.url, Form.JSON))
        left = OutboxEntry("old", now().wall, "ops", '{"state": "firing"}', attempts=3)
        lost = OutboxEntry("lost", now().wall, "gone", "{}")
        running.notifier.restore([left, lost])
        async with running:
            await running.until(lambda outbox: "old" in outbox.entries and not outbox.unsent)
    assert states(receiver) == ["firing"]
    assert running.outbox.settled == 0
    assert running.outbox.entries["lost"].given_up == "its target is not set any more"


async def test_rest_that_is_asked_for_is_given():
    """And is bounded."""
    with Receiver(503, headers={"Retry-After": "1"}) as receiver:
        async with Running(Target("ops", receiver.url, Form.JSON)) as running:
            began = now().tick
            running.notifier.tell([FIRING])
            await running.until(lambda outbox: not outbox.unsent)
    assert now().tick - began >= 1


async def test_notice_of_yesterday_is_given_up():
    """So is what is too much to wait."""
    running = Running(Target("ops", "http://127.0.0.1:1/", Form.JSON))
    old = OutboxEntry("old", now().wall - timedelta(days=2), "ops", "{}")
    running.notifier.restore([old])
    async with running:
        await running.until(lambda outbox: "old" in outbox.entries)
    assert running.outbox.entries["old"].given_up.startswith("nobody took it for a day")


async def test_only_so_many_wait(monkeypatch):
    """The oldest is given up, in words."""
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    running = Running(Target("ops", "http://127.0.0.1:1/", Form.JSON))
    running.notifier.tell([FIRING, OVER])
    first, second = running.outbox.entries.values()
    assert first.given_up == "more than 1 notices wait"
    assert second.given_up == ""


async def test_nobody_to_tell_is_no_work():
    """It ends at once."""
    running = Running()
    running.notifier.tell([FIRING])
    await running.notifier.run()
    assert running.outbox.entries == {}
