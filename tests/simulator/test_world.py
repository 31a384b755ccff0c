import pytest

from kato_panel.simulator.world import World

NOON = 1_795_000_000.0


def test_same_seed_gives_the_same_ids():
    """Ids are drawn by the seed and carry the time of creation."""
    ids = [[World(seed).create("n", NOON).session_id for _ in "1"] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0][0].endswith("-1795000000000")
    assert ids[0][0][20] == "4"


def test_expiry_is_exact_however_late_it_is_noticed():
    """The truth says when the key went, not when somebody looked."""
    world = World()
    session = world.create("n", NOON, ttl_seconds=5)
    world.advance(NOON + 1000)
    assert [(one.how, one.ended_at) for one in world.ended] == [("expired", NOON + 5)]
    assert session.session_id in world.index


def test_a_change_that_cannot_be_told_is_not_made():
    """If the journal fails, the world is as it was."""

    def refuse(entry):
        raise OSError(entry["op"])

    world = World()
    session = world.create("n", NOON)
    world.journal = refuse
    with pytest.raises(OSError, match="create"):
        world.create("n", NOON)
    with pytest.raises(OSError, match="remove"):
        world.delete(session.session_id, NOON)
    assert list(world.sessions) == list(world.index) == [session.session_id]


def test_reading_forever_keeps_the_schedule_small():
    """A session read a million times does not fill the memory."""
    world = World()
    session_id = world.create("n", NOON, ttl_seconds=10**6).session_id
    for second in range(5000):
        world.read(session_id, NOON + second)
    assert len(world._expiries) < 1100


def test_use_is_an_access_and_moves_the_keys_end():
    """What is stored as the end stays, as upstream has it; who is gone cannot be used."""
    world = World()
    created = world.create("n", NOON, ttl_seconds=60)
    used = world.use(created.session_id, [["red"]], NOON + 30)
    assert used == world.sessions[created.session_id]
    assert (used.access_count, used.accessed_at, used.stm) == (1, NOON + 30, [["red"]])
    assert (used.key_expires_at, used.expires_at) == (NOON + 90, NOON + 60)
    assert world.use(created.session_id, [], NOON + 60) is None
    assert world.ended[0].how == "expired"


def test_restored_world_is_the_same():
    """Journal and short journal restore live sessions, index, truth and totals."""
    told = []
    world = World(journal=told.append)
    ids = [world.create("n", NOON, ttl_seconds=60 + number).session_id for number in range(6)]
    world.delete(ids[0], NOON + 1)
    world.read(ids[1], NOON + 30)
    world.extend(ids[2], 600, NOON + 30)
    world.use(ids[3], [["red", "cup"]], NOON + 30)
    for entries in (told, list(world.entries())):
        other = World()
        other.restore(entries, NOON + 70)
        world.advance(NOON + 70)
        assert other.sessions == world.sessions
        assert set(other.index) == set(world.index)
        assert list(other.ended) == list(world.ended)
        assert other.created_total == 6
        assert other.sessions[ids[3]].accessed_at == NOON + 30


def test_losing_everything_empties_the_index():
    """A store without persistence comes back empty, and the truth says lost."""
    told = []
    world = World(journal=told.append)
    world.create("n", NOON)
    world.lose_all(NOON + 1)
    other = World()
    other.restore(told, NOON + 2)
    for one in (world, other):
        assert (one.sessions, one.index) == ({}, {})
        assert [ended.how for ended in one.ended] == ["lost"]


def test_restored_world_draws_other_ids():
    """After a restart in the same millisecond no id comes twice."""
    told = []
    first = World(journal=told.append).create("n", NOON)
    other = World()
    other.restore(told, NOON)
    assert other.create("n", NOON).session_id != first.session_id
