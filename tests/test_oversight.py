"""What is judged beside the sessions: a look at the containers that failed tells nothing."""

from dataclasses import replace

import pytest

from kato_panel.alarms import Alarms
from kato_panel.domain.container_readings import ContainerReading
from kato_panel.domain.containers import ContainerState
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.roster import Roster
from kato_panel.domain.rules import Rule
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.oversight import Oversight
from tests.conftest import moment

RULE = Rule("down", "container_not_running", ">=", 1, cooldown_seconds=0)
ENGINE = SourceState("docker", "engine", health=Health.UP)
ENGINE_BEGINS = SourceState("docker", "engine")


class Overseen:
    """An engine's containers, and the alerts about them."""

    def __init__(self, clock):
        self.alarms = Alarms([RULE], [], record=lambda _: None, settle=lambda: None, clock=clock)
        self.oversight = Oversight(clock, alarms=self.alarms)
        self.roster = Roster("docker")

    def see(self, seconds, *names):
        """A good look at containers that do not run; `look` says what follows."""
        at = moment(seconds)
        exited = [ContainerReading(at, "id", name, state=ContainerState.EXITED) for name in names]
        self.oversight.observe(self.roster.look(at, exited))
        return self.look(seconds)

    def look(self, seconds, engine=ENGINE):
        """Judge; give who fires, and the reasons of what is over."""
        snapshot = SessionSnapshot(moment(seconds), sources=(engine,))
        board = self.oversight.look(snapshot, None).alerts
        over = [one.alert.reason for one in board.recent if one.alert.resolved_at is not None]
        return [one.alert.subject for one in board.firing], over


@pytest.fixture
def overseen(clock):
    return Overseen(clock)


def test_alert_of_a_container_that_was_removed_goes_on(overseen):
    """It stays as gone: somebody has to know."""
    assert overseen.see(0, "job") == (["job"], [])
    assert overseen.see(3) == (["job"], [])


def test_alert_of_a_container_that_nobody_knows_any_more_is_over(overseen):
    """Here it has another name; the alert says why it is over."""
    assert overseen.see(0, "job") == (["job"], [])
    assert overseen.see(3, "other") == (["other"], ["its container is gone"])


def test_alert_of_a_source_that_is_not_watched_any_more_is_over(clock):
    """It was switched off, or nothing names it any more: no look will ever end the alert."""
    rule = Rule("away", "source_down", ">=", 1)
    for left in ((), (replace(ENGINE, health=Health.OFF),)):
        alarms = Alarms([rule], [], record=lambda _: None, settle=lambda: None, clock=clock)
        oversight = Oversight(clock, alarms=alarms)
        boards = [
            oversight.look(SessionSnapshot(moment(0), sources=sources), None).alerts
            for sources in ((replace(ENGINE, health=Health.DOWN),), (ENGINE_BEGINS,), left)
        ]
        assert [len(board.firing) for board in boards] == [1, 1, 0]
        assert boards[-1].recent[0].alert.reason == "its source is not watched any more"


def test_engine_that_does_not_answer_ends_nothing(overseen):
    """Neither at once nor when the newest look is long past."""
    assert overseen.see(0, "job") == (["job"], [])
    failed = replace(ENGINE, health=Health.DOWN, failures=3)
    assert overseen.look(3, failed) == (["job"], [])
    assert overseen.look(90 * 86_400) == (["job"], [])
