"""What the containers' cards are fed with."""

import json

import pytest

from kato_panel import ContainerCards, ContainerTable
from kato_panel.domain.containers import ContainerFigures, ContainersSeen, ContainerState, total
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.domain.trends import Trend
from kato_panel.hub import Update
from kato_panel.models import Models
from kato_panel.watcher import now


def update(*names, health=Health.UP, reason=""):
    """What the hub tells after a look."""
    at = now()
    figures = tuple(
        ContainerFigures(name, name, at, state=ContainerState.RUNNING, cpu_percent=5.0)
        for name in names
    )
    trends = tuple(Trend(name, (None, 5.04), (None, 3 << 20)) for name in names)
    state = SourceState("docker", "Containers", health, at, reason=reason)
    snapshot = SessionSnapshot(at, 7, at=at, sources=(state,))
    seen = ContainersSeen("docker", at, figures, total(figures))
    return Update(snapshot, (), 0, None, Surroundings(seen, trends=trends))


@pytest.fixture
def models():
    return Models()


@pytest.fixture
def view(models):
    view = ContainerCards(models)
    view.__panel__().get_root()
    yield view
    view.close()


def payload(view):
    return json.loads(view.__panel__().payload)


def test_nothing_is_known_at_first(view):
    """No container, and no zero."""
    told = payload(view)
    assert (told["containers"], told["health"]) == ([], "starting")
    assert told["aggregated"]["container_count"] is None


def test_each_look_is_told_with_the_last_minutes(view, models):
    """Figures as programs get them; percent and MiB for the small pictures."""
    models.apply(update("kato", "kato-redis"))
    told = payload(view)
    assert [one["name"] for one in told["containers"]] == ["kato", "kato-redis"]
    assert told["trends"]["kato"] == {"cpu": [None, 5.0], "memory": [None, 3.0]}
    assert told["aggregated"]["total_cpu_percent"] == 10.0
    assert (told["stale_after_seconds"], told["health"]) == (9.0, "up")


def test_nothing_is_sent_between_two_looks(view, models):
    """However often the count changes."""
    models.apply(update("kato"))
    before = view.__panel__().payload
    at = now()
    models.apply(Update(SessionSnapshot(at, 8, at=at, sources=(_up(),)), (), 0))
    assert view.__panel__().payload == before


def _up():
    return SourceState("docker", "Containers", Health.UP, now())


def test_failure_of_the_source_is_told(view, models):
    """With the last look."""
    models.apply(update("kato"))
    models.apply(update("kato", health=Health.DEGRADED, reason="no answer within 2 s"))
    told = payload(view)
    assert (told["health"], told["reason"]) == ("degraded", "no answer within 2 s")


def test_view_that_is_not_shown_follows_nothing(models):
    """Before it is, and after; shown again, it has what came meanwhile."""
    view = ContainerTable(models)
    board = view.__panel__()
    models.apply(update("kato"))
    assert board.payload == ""
    root = board.get_root()
    assert payload(view)["containers"][0]["name"] == "kato"
    board._cleanup(root)
    models.apply(update("other"))
    assert payload(view)["containers"][0]["name"] == "kato"
    board.get_root()
    assert payload(view)["containers"][0]["name"] == "other"
    view.close()


def test_end_of_the_watching_is_told(view, models):
    """Never merely stale."""
    models.apply(update("kato"))
    models.end()
    assert payload(view)["over"] is True


def test_what_is_neither_monitor_nor_models_is_refused():
    """With what was given."""
    with pytest.raises(TypeError, match="source is 3, must be a Monitor or its models"):
        ContainerCards(3)


def test_model_follows_the_looks(models):
    """For notebooks: plain values, one change for each look."""
    seen = []
    models.container_list.param.watch(lambda event: seen.append(event.new), "figures")
    assert models.container_list.totals is None
    models.apply(update("kato"))
    models.apply(Update(None, (), 0))
    assert [[one.name for one in figures] for figures in seen] == [["kato"]]
    assert models.container_list.totals.count == 1
    assert models.container_list.trends[0].name == "kato"
