"""What each container used over the last minutes."""

from kato_panel.domain.containers import ContainerFigures, ContainersSeen, ContainerState
from kato_panel.domain.trends import MAX_SLICES, SLICE_SECONDS, Trend, Trends
from tests.conftest import moment


def look(seconds, **cpu):
    """A look at containers, by name: their processor time, or ``None`` for one that is gone."""
    at = moment(seconds)
    figures = [
        ContainerFigures(name, name, at, cpu_percent=value, memory_bytes=value and int(value))
        if value != "gone"
        else ContainerFigures(name, name, at, state=ContainerState.GONE, gone_since=at)
        for name, value in cpu.items()
    ]
    return ContainersSeen("docker", at, tuple(figures))


def test_highest_figure_of_a_slice_is_kept():
    """A peak of one look stays to be seen."""
    trends = Trends()
    for second, value in enumerate([1.0, 9.0, 2.0]):
        (trend,) = trends.add(look(second, kato=value))
    assert trend == Trend("kato", (9.0,), (9,))


def test_slice_without_a_figure_is_a_gap():
    """Unknown is not zero; one that came later has none before."""
    trends = Trends()
    trends.add(look(0, kato=1.0))
    trends.add(look(SLICE_SECONDS, kato=None))
    redis, kato = sorted(
        trends.add(look(3 * SLICE_SECONDS, kato=3.0, redis=4.0)),
        key=lambda one: one.name,
        reverse=True,
    )
    assert kato.cpu_percent == kato.memory_bytes == (1.0, None, None, 3.0)
    assert redis.cpu_percent == (None, None, None, 4.0)


def test_ten_minutes_are_kept():
    """However long it goes on, and whoever asks more often."""
    trends = Trends()
    for second in range(0, 2_000, 5):
        (trend,) = trends.add(look(second, kato=float(second)))
    assert len(trend.cpu_percent) == MAX_SLICES
    assert trend.cpu_percent[-1] == 1_995.0
    assert trend.cpu_percent[0] == 1_995.0 - (MAX_SLICES - 1) * SLICE_SECONDS


def test_vanished_container_fades_away():
    """What it used is shown as long as it is in the picture, and then forgotten."""
    trends = Trends()
    trends.add(look(0, kato=1.0, redis=1.0))
    kept = trends.add(look(SLICE_SECONDS, kato=1.0, redis="gone"))
    assert [one.cpu_percent for one in kept] == [(1.0, 1.0), (1.0, None)]
    (left,) = trends.add(look(MAX_SLICES * SLICE_SECONDS, kato=1.0, redis="gone"))
    assert left.name == "kato"


def test_container_that_nobody_knows_any_more_is_forgotten():
    """At once: there may be ever new ones."""
    trends = Trends()
    trends.add(look(0, job=1.0))
    assert [one.name for one in trends.add(look(1, other=1.0))] == ["other"]
