"""Work on short-lived threads."""

import asyncio
import threading

import pytest

from kato_panel.errors import SourceUnavailable
from kato_panel.sources.errands import Errands

WAIT_SECONDS = 5.0


@pytest.fixture
def errands():
    return Errands("errand")


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


def is_running(key):
    return any(one.name == f"errand-{key}" for one in threading.enumerate())


async def test_answer_and_failure_come_back(errands):
    """On the loop; the thread has ended by then."""
    assert await errands.send("a", lambda: 5) == 5

    def fail():
        raise SourceUnavailable("away")

    with pytest.raises(SourceUnavailable, match="away"):
        await errands.send("a", fail)
    assert not is_running("a")
    assert not errands.is_under_way("a")


async def test_key_has_one_thread_at_a_time(errands, gate):
    """A second call is refused; another key's is not, and waits for nobody."""
    first = errands.send("a", lambda: gate.wait(WAIT_SECONDS))
    assert errands.is_under_way("a")
    with pytest.raises(SourceUnavailable, match="no answer yet to the call before"):
        errands.send("a", lambda: 1)
    assert await errands.send("b", lambda: 2) == 2
    gate.set()
    assert await first


async def test_who_stops_waiting_ends_nothing(errands, gate):
    """The thread goes on until its work ends, and can be waited for."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await errands.send("a", lambda: gate.wait(WAIT_SECONDS))
    await errands.wait(0.01)
    assert is_running("a")
    gate.set()
    await errands.wait(WAIT_SECONDS)
    assert not is_running("a")
    await errands.wait(WAIT_SECONDS)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_mistake_breaks_who_waits(errands):
    """It is no failure to look; Python prints where it was."""
    with pytest.raises(RuntimeError, match="the work of a broke"):
        await errands.send("a", lambda: 1 / 0)


async def test_thread_is_none_that_a_process_waits_for(errands, gate):
    """At its end."""
    waiting = errands.send("a", lambda: gate.wait(WAIT_SECONDS))
    (thread,) = (one for one in threading.enumerate() if one.name == "errand-a")
    assert thread.daemon
    gate.set()
    await waiting


def test_loop_may_end_before_its_thread(errands, gate):
    """Nobody is there to be told, and nothing breaks."""

    async def leave():
        errands.send("a", lambda: gate.wait(WAIT_SECONDS))

    asyncio.run(leave())
    (thread,) = (one for one in threading.enumerate() if one.name == "errand-a")
    gate.set()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
