"""The rig that runs a real container engine does what tests believe of it."""

import shutil
from pathlib import Path

import pytest

from tests.engine import IDLE, PROGRAMS, Engine, find_processes


def test_nothing_is_left():
    """Containers, their guards, the service and its folder are gone when the test is."""
    with Engine({"kato": IDLE}) as engine:
        pid, folder = engine.pid, engine.folder
        with engine.client() as client:
            assert [one.name for one in client.containers.list()] == ["kato"]
    assert pid
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()
    assert find_processes(folder) == []
    engine.close()


@pytest.mark.parametrize(("program", "package"), PROGRAMS.items())
def test_missing_program_is_named(monkeypatch, program, package):
    """Whoever has none is told which package it is."""
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else found(name))
    with pytest.raises(AssertionError, match=f"the tests need Debian's package {package}"):
        Engine()


def test_start_that_fails_says_why():
    """In the engine's own words, and leaves nothing."""
    engine = Engine()
    engine.url = f"unix://{engine.folder}/busy.tar/docker.sock"
    with (
        pytest.raises(AssertionError, match="service did not start: Error: not a directory"),
        engine,
    ):
        pass
    assert not engine.folder.exists()
