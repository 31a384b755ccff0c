"""What upstream says of itself: kept by parts, each as old as it is."""

import dataclasses

import pytest

from kato_panel.domain.events import CountObserved, Service
from kato_panel.domain.figures_kept import FiguresKept
from kato_panel.domain.measuring import measure_upstream
from kato_panel.domain.metrics import METRICS
from kato_panel.domain.upstream_figures import (
    ALWAYS_0,
    FIGURES,
    OF_ONE_WORKER,
    MetricsSeen,
    Part,
    RedisFigures,
    RedisSeen,
    UpstreamFigures,
    WorkerMetrics,
)
from tests.conftest import moment

METRICS_READ = WorkerMetrics(
    requests=200.0,
    errors=0.0,
    requests_per_second=0.7,
    response_seconds=0.0025,
    cpu_percent=0.0,
    memory_percent=2.8,
    disk_percent=24.4,
    body={"timestamp": 1.0},
)


def kept(*observations):
    keeper = FiguresKept()
    for observation in observations:
        keeper.observe(observation)
    return keeper.figures


def polled(at, service=None):
    return CountObserved("http", 3, moment(at), moment(at), service=service)


def metrics(at=0, read=METRICS_READ):
    return MetricsSeen("figures", moment(at), read)


def redis(at, evicted):
    return RedisSeen("redis", moment(at), RedisFigures(1_000, None, evicted, 3, "7.0.15"))


def values(figures, at=0):
    return {one.metric: (one.value, one.samples) for one in measure_upstream(figures, moment(at))}


def test_each_part_is_the_newest_of_its_kind():
    """And is as old as its own reading."""
    figures = kept(polled(0, Service("healthy", 35.0)), metrics(5), redis(8, 0), polled(9))
    assert figures.health == Service("healthy", 35.0)
    ages = [figures.age_seconds(part, moment(10)) for part in Part]
    assert ages == [10, 5, 2]
    read = {one.name: one.read(figures) for one in FIGURES}
    assert (read["uptime_seconds"], read["disk_percent"], read["redis_clients"]) == (35, 24.4, 3)
    assert read["redis_memory_limit_bytes"] is None


def test_nothing_is_known_at_first():
    """Unknown is not zero."""
    figures = UpstreamFigures()
    assert {one.read(figures) for one in FIGURES} == {None}
    assert {figures.age_seconds(part, moment(0)) for part in Part} == {None}
    assert {value for value, _ in values(figures).values()} == {None}
    assert figures.body(moment(0)) is None


def test_every_figure_of_a_worker_is_labelled():
    """What is of one worker, or always 0, says so in the table and where the field is explained."""
    remarks = {one.name: one.remark for one in FIGURES}
    for name in ("requests", "requests_per_second", "response_seconds", "uptime_seconds"):
        assert OF_ONE_WORKER in remarks[name]
    for name in ("errors", "error_ratio"):
        assert remarks[name] == ALWAYS_0
    text = " ".join(WorkerMetrics.__doc__.split())
    named = [field.name for field in dataclasses.fields(WorkerMetrics)]
    explained = [text.index(f" {name} ") for name in named]
    assert explained == sorted(explained)
    assert "errors Failed requests among them. Of one worker, and always 0 in KATO 3.10." in text
    assert len({one.name for one in FIGURES}) == len(FIGURES)


@pytest.mark.parametrize(("age", "body"), [(44.9, {"timestamp": 1.0}), (45, None)])
def test_body_is_told_until_it_is_old(age, body):
    """Three intervals."""
    assert kept(metrics(0)).body(moment(age)) == body


def test_what_is_not_offered_is_not_known():
    """But when that was found is."""
    figures = kept(metrics(0), metrics(15, None))
    assert (figures.metrics, figures.metrics_at) == (None, moment(15))
    assert figures.body(moment(15)) is None
    assert values(figures, 15)["disk_percent"][0] is None


def test_rules_are_held_against_what_upstream_reports():
    """Disk and errors of `/metrics`, evictions of two readings of Redis."""
    figures = kept(metrics(0), redis(0, 100), redis(60, 160))
    assert figures.evictions_per_minute == 60
    told = values(figures, 20)
    assert told == {
        "disk_percent": (24.4, 1),
        "error_ratio": (0.0, 200),
        "redis_evictions_per_minute": (60, 1),
    }
    assert told.keys() <= METRICS.keys()


def test_errors_are_a_part_of_as_many_requests():
    """So that one error in two requests can stay quiet."""
    read = dataclasses.replace(METRICS_READ, requests=2.0, errors=1.0)
    assert values(kept(metrics(0, read)))["error_ratio"] == (0.5, 2)
    more = dataclasses.replace(read, errors=9.0)
    assert values(kept(metrics(0, more)))["error_ratio"] == (1.0, 2)


@pytest.mark.parametrize("odd", [{"requests": 0.0}, {"requests": None}, {"errors": None}])
def test_no_requests_are_no_ratio(odd):
    """Nor is there one where either is not told."""
    read = dataclasses.replace(METRICS_READ, **odd)
    assert values(kept(metrics(0, read)))["error_ratio"] == (None, 0)


def test_old_figures_resolve_nothing():
    """Each part for itself."""
    figures = kept(metrics(0), redis(0, 100), redis(40, 160))
    told = values(figures, 60)
    assert (told["disk_percent"][0], told["error_ratio"][0]) == (None, None)
    assert told["redis_evictions_per_minute"][0] == 90
    assert values(figures, 90)["redis_evictions_per_minute"][0] is None
