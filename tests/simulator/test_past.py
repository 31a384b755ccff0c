"""A past: who lives when the simulator starts, and how it goes on."""

from itertools import pairwise

import httpx
import numpy as np
import pytest

from kato_panel.simulator import EmbeddedSimulator
from kato_panel.simulator.containers import MEBIBYTE, Fleet
from kato_panel.simulator.contents import STM_MAX
from kato_panel.simulator.past import HABITS, HOUR, MINUTE, SECOND, Past
from kato_panel.simulator.past_load import measure
from kato_panel.simulator.world import World

START = 1_790_000_000.0


@pytest.fixture(scope="module")
def past():
    return Past(1, START, span=6 * HOUR)


def go_on(past):
    """Begin where it ends: its sessions in a world, and the schedule of what comes."""
    world, churn = World(1), past.churn()
    for session in past.sessions():
        world.take_over(session)
    churn.adopt(world)
    return world, churn


def test_simulator_begins_with_who_was_alive(past):
    """Same sessions, and a count that says so."""
    with EmbeddedSimulator(story=past, clock=lambda: START) as simulator:
        truth = simulator.truth()
    alive = {(one.session_id, one.node_id, one.created_at) for one in past.sessions()}
    assert {
        (one["session_id"], one["node_id"], one["created_at"]) for one in truth["live"]
    } == alive
    assert len(alive) == past.alive_at(np.array([past.until]))[0] > 0


def test_it_goes_on_as_it_was(past):
    """New sessions come at the same pace, from the same nodes, and the old ones end as planned."""
    world, churn = go_on(past)
    planned = {one.session_id: one.delete_at for one in past.sessions() if one.delete_at}
    changes = churn.advance(world, START + 3_600)
    created = [change.session for change in changes if change.what == "created"]
    destroyed = {one.session.session_id: one.at for one in changes if one.what == "destroyed"}
    due = {who: at for who, at in planned.items() if at <= START + 3_600}
    assert due
    assert due.items() <= destroyed.items()
    assert 60 < len(created) < 900
    assert {one.node_id for one in created} <= {habit.node_id for habit in HABITS}
    assert all(first.at <= second.at for first, second in pairwise(changes))


def test_who_will_be_deleted_is_used_until_then(past):
    """The others were forgotten: nobody accesses them, and their time runs out."""
    world, churn = go_on(past)
    churn.advance(world, START + 3_600)
    assert {one.how for one in world.ended} == {"deleted", "expired"}
    kept = [one for one in world.sessions.values() if one.created_at < START + 3_500]
    used = [one.accessed_at or one.created_at for one in kept if one.delete_at is not None]
    assert np.median(used) > START + 3_570
    assert max(used) <= START + 3_600
    forgotten = [one for one in kept if one.delete_at is None]
    assert forgotten
    for one in forgotten:
        assert one.accessed_at is None or one.accessed_at <= max(START, one.created_at)
    assert max(len(one.stm) for one in kept) <= STM_MAX


def test_containers_go_on_as_they_were(past):
    """Nothing falls or rises where the past ends and the simulator's own counting begins."""
    looks = np.arange(past.starved.ended, past.until, MINUTE)
    measured = measure(past, looks)
    now = [START]
    world, churn = go_on(past)
    fleet = Fleet(1, lambda: now[0], world, past.makes())
    before = {one.name: one.cpu_seconds for one in fleet.containers.values()}
    for _ in range(60):
        now[0] += 60
        churn.advance(world, now[0])
        live = fleet.count()
    for one in fleet.containers.values():
        make = one.make
        cpu_percent = 100 * (one.cpu_seconds - before[one.name]) / (3_600 * make.cpus)
        memory_percent = 100 * one.memory_bytes(live, now[0]) / (make.limit * MEBIBYTE)
        was = np.mean(measured["container_cpu_percent", one.name])
        assert cpu_percent == pytest.approx(was, rel=0.15)
        was = np.mean(measured["container_memory_percent", one.name])
        assert memory_percent == pytest.approx(was, rel=0.1)


def test_disk_is_as_full_as_it_was(past):
    """KATO goes on to say what it said last."""
    with EmbeddedSimulator(story=past, clock=lambda: START) as simulator:
        told = httpx.get(f"{simulator.url}/metrics").json()["resources"]["disk_percent"]
    was = measure(past, np.array([past.until - MINUTE]))["disk_percent", ""]
    assert told == pytest.approx(was[0], abs=0.1)


def test_arrivals_that_were_missed_are_dropped(past):
    """While upstream is away nobody comes, and who comes after it lives as planned."""
    world, churn = World(1), past.churn()
    churn.skip(START + 1_800)
    assert churn.next_at > START + 1_800
    changes = churn.advance(world, START + 3_600)
    assert changes
    assert min(change.at for change in changes) > START + 1_800


def test_nobody_comes_while_kato_or_its_redis_is_down(past):
    """And nobody is deleted."""
    for spell in (past.stopped, past.storeless):
        assert not spell.holds(past.lives.created).any()
        assert not (spell.holds(past.lives.ended) & (past.lives.how == 0)).any()


def test_what_cannot_be_known_is_not_measured(past):
    """A container that stands needs nothing, and a rate needs five minutes."""
    looks = np.arange(past.since, past.until, MINUTE)
    measured = measure(past, looks)
    stands = past.stopped.holds(looks)
    assert (np.isnan(measured["container_cpu_percent", "kato"]) == stands).all()
    assert (measured["container_not_running", "kato"] == stands).all()
    away = past.storeless.holds(looks) & (looks >= past.storeless.began + 9 * SECOND)
    assert np.isnan(measured["sessions_active", ""][away]).all()
    assert np.isnan(measured["sessions_created_per_minute", ""][:5]).all()
    known = ~np.isnan(measured["sessions_active", ""])
    assert (measured["sessions_active", ""][known] == past.alive_at(looks)[known]).all()
