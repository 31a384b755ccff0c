"""Containers together, and which of them are wanted."""

import pytest

from kato_panel.domain.container_readings import PROJECT_LABEL, Wanted
from kato_panel.domain.containers import ContainerFigures, ContainerState, Of, share, total
from tests.conftest import moment


def figures(name="kato", state=ContainerState.RUNNING, **known):
    return ContainerFigures(name, f"id of {name}", moment(0), state=state, **known)


def limited(name, used, limit, cpu=1.0):
    return figures(
        name, cpu_percent=cpu, memory_bytes=used, memory_limit_bytes=limit, memory_of=Of.LIMIT
    )


def hosted(name, used, cpu=1.0):
    return figures(
        name, cpu_percent=cpu, memory_bytes=used, memory_limit_bytes=1_000, memory_of=Of.HOST
    )


def test_limits_of_running_containers_add_up():
    """Those that do not run use nothing, and count for nothing."""
    stopped = figures("c", ContainerState.EXITED)
    told = total([limited("a", 50, 100, 150.0), limited("b", 10, 300, 25.0), stopped])
    assert (told.count, told.cpu_percent) == (2, 175.0)
    assert (told.memory_bytes, told.memory_limit_bytes, told.memory_percent) == (60, 400, 15.0)


def test_without_a_limit_it_is_the_hosts_memory():
    """Once, however many have none; a limit beside it adds nothing to what there is."""
    told = total([hosted("a", 50), hosted("b", 30), limited("c", 20, 500)])
    assert (told.memory_limit_bytes, told.memory_percent) == (1_000, 10.0)


def test_sum_with_an_unknown_part_is_unknown():
    """What the others come to would be a bound, shown as a fact."""
    told = total([limited("a", 50, 100), figures("b")])
    assert told.count == 2
    assert told.cpu_percent is None
    assert told.memory_bytes is None
    assert told.memory_limit_bytes is None
    assert told.memory_percent is None


def test_no_container_is_no_figure():
    """Nobody runs: that is a count of 0, and nothing else."""
    told = total([figures("a", ContainerState.GONE)])
    assert told == total([])
    assert (told.count, told.cpu_percent, told.memory_bytes) == (0, None, None)


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [(1, 4, 25.0), (0, 4, 0.0), (None, 4, None), (1, None, None), (1, 0, None)],
)
def test_share_is_never_infinite(part, whole, percent):
    """Of nothing, or of what is not known, there is no share."""
    assert share(part, whole) == percent


@pytest.mark.parametrize(
    ("wanted", "name", "labels", "is_wanted"),
    [
        (Wanted(("kato",)), "kato", {}, True),
        (Wanted(("kato",)), "kato-redis", {}, False),
        (Wanted(("kato",)), "KATO", {}, False),
        (Wanted(label="tier"), "a", {"tier": "x"}, True),
        (Wanted(label="tier=x"), "a", {"tier": "x"}, True),
        (Wanted(label="tier=x"), "a", {"tier": "y"}, False),
        (Wanted(label="tier="), "a", {"tier": "y"}, False),
        (Wanted(label="tier=x=y"), "a", {"tier": "x=y"}, True),
        (Wanted(label="tier"), "tier", {}, False),
        (Wanted(project="kato"), "a", {PROJECT_LABEL: "kato"}, True),
        (Wanted(project="kato"), "kato", {PROJECT_LABEL: "other"}, False),
        (Wanted(("b",), label="tier", project="p"), "a", {PROJECT_LABEL: "p"}, True),
        (Wanted(), "", {"": "", PROJECT_LABEL: ""}, False),
    ],
)
def test_container_is_wanted_by_any_of_its_names(wanted, name, labels, is_wanted):
    """By its own, a label's, or its compose project's."""
    assert wanted.includes(name, labels) is is_wanted


def test_wanted_says_who_is_looked_for():
    """In words for an operator who sees nobody."""
    assert str(Wanted(("a", "b"))) == "named a or b"
    assert (
        str(Wanted(label="x=y", project="p")) == "with the label x=y, or of the compose project p"
    )
