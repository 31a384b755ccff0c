"""The Param models follow the hub, and only the hub."""

import subprocess
import sys
from dataclasses import replace

import param
import pytest

from kato_panel import models as module
from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.recent import Rates
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.domain.upstream_figures import UpstreamFigures, WorkerMetrics
from kato_panel.hub import Update
from kato_panel.models import AlertLog, Connection, EventLog, Models, SessionSummary, Upstream
from tests.conftest import NOON, moment


def event(seq):
    return SessionEvent(seq, Kind.CREATED, NOON, seq - 1, seq, 1, "http")


def snapshot(active):
    return SessionSnapshot(
        moment(4),
        active,
        reported=active,
        at=moment(3),
        rates=Rates(60.0, 6, 2, 4),
        sources=(SourceState("http", "KATO", Health.UP),),
    )


@pytest.mark.parametrize(
    "model", [SessionSummary, Connection, EventLog, AlertLog, Upstream, Models]
)
def test_every_parameter_says_what_it_is(model):
    """Documentation travels with the parameter, and nobody else sets it."""
    for name, parameter in model.param.objects("existing").items():
        if name != "name":
            assert parameter.doc, name
            assert parameter.constant, name


def test_summary_knows_nothing_at_first():
    """``None``, never zero."""
    summary = Models().summary
    assert summary.active is None
    assert summary.created_per_minute is None


def test_models_are_read_only_from_outside():
    """A notebook cannot change what was observed."""
    with pytest.raises(TypeError, match="Constant parameter 'active'"):
        Models().summary.active = 3


def test_update_reaches_all_models_before_the_revision_changes():
    """A view of several models watches one parameter."""
    models = Models()
    seen = []
    models.param.watch(
        lambda _: seen.append((models.summary.active, len(models.event_log.events))), "revision"
    )
    models.apply(Update(snapshot(5), (event(1),), 0))
    assert seen == [(5, 1)]


def test_summary_takes_over_count_rates_and_age():
    """Each with its window."""
    models = Models()
    models.begin(Update(snapshot(5), (), 0))
    summary, connection = models.summary, models.connection
    assert (summary.active, summary.age_seconds, summary.window_seconds) == (5, 1, 60)
    assert (summary.created_per_minute, summary.ended_per_minute, summary.change) == (6, 2, 4)
    assert (connection.state, connection.sources[0].label) == ("polling", "KATO")


def test_watchers_hear_of_changes_only():
    """The same state again is no news."""
    models = Models()
    heard = []
    models.summary.param.watch(lambda *_: heard.append(1), ["active", "reported"])
    models.apply(Update(snapshot(5), (), 0))
    models.apply(Update(snapshot(5), (), 0))
    assert len(heard) == 1


def test_log_knows_what_was_there_before_it_began():
    """So that old events are shown, and not announced."""
    log = Models().event_log
    log.begin((event(3), event(4)))
    assert (log.backlog_until, len(log.events)) == (4, 2)


def test_alerts_are_taken_over_where_they_are_told():
    """From the first update on; one without them changes nothing."""
    models = Models()
    assert models.alert_log.board is None
    board = AlertBoard(revision=1)
    models.begin(Update(None, (), 0, surroundings=Surroundings(alerts=board)))
    assert models.alert_log.board is board
    models.apply(Update(snapshot(5), (), 0))
    assert models.alert_log.board is board
    models.apply(Update(None, (), 0, surroundings=Surroundings()))
    assert models.alert_log.board is None


def test_event_told_again_is_replaced_in_place():
    """Its names became known; its place stays."""
    log = Models().event_log
    log.apply((event(1), event(2)), 0)
    named = replace(event(1), names=(Name("a"),))
    log.apply((named,), 0)
    assert log.events == [named, event(2)]
    assert log.latest == [named]
    log.apply((), 0)
    assert log.latest == []


def test_log_is_bounded_and_counts_what_it_never_got(monkeypatch):
    """Both over the whole life of the log."""
    monkeypatch.setattr(module, "MAX_LOGGED", 2)
    log = Models().event_log
    log.apply((event(1), event(2), event(3)), 2)
    log.apply((), 3)
    assert [kept.seq for kept in log.events] == [2, 3]
    assert log.skipped == 5


def test_sets_of_models_are_strangers():
    """One set per visit."""
    first, second = Models(), Models()
    first.apply(Update(snapshot(5), (event(1),), 0))
    assert second.summary.active is None
    assert second.event_log.events == []
    assert isinstance(second, param.Parameterized)


def test_importing_the_models_loads_no_panel():
    """Scripts and notebooks pay for views only when they show one."""
    code = "import sys, kato_panel.models, kato_panel.runtime; print('panel' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_figures_of_upstream_are_taken_over_and_grow_old():
    """With each state; an update that tells none leaves them."""
    models = Models()
    assert models.upstream.figures == UpstreamFigures()
    figures = UpstreamFigures(metrics=WorkerMetrics(disk_percent=24.4), metrics_at=moment(1))
    models.apply(Update(snapshot(7), (), 0, surroundings=Surroundings(figures=figures)))
    assert models.upstream.figures is figures
    assert models.upstream.ages == {"health": None, "metrics": 3, "redis": None}
    models.apply(Update(replace(snapshot(7), made_at=moment(9)), (), 0))
    assert models.upstream.ages["metrics"] == 8
    models.apply(Update(None, (), 0, surroundings=Surroundings()))
    assert models.upstream.figures is figures
