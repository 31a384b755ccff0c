"""What the tests of the history share: items, histories, and a process that writes."""

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from time import monotonic

from kato_panel.domain.events import Kind, SessionEvent
from kato_panel.domain.records import Ending, Reason, Record, Witness
from kato_panel.history import History
from tests.conftest import NOON, ManualClock

KATO = "http://kato:8000"


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def event(seq, seconds=0.0, *, kind=Kind.CREATED, delta=1, current=5, names=(), **more):
    signed = delta if kind is Kind.CREATED else -delta
    return SessionEvent(
        seq, kind, at(seconds), current - signed, current, delta, "http", tuple(names), **more
    )


def record(session_id, created=0.0, ended=None, node="n1", reason=Reason.EXPIRED, **more):
    ending = None
    if ended is not None:
        ending = Ending(at(ended), at(ended), reason, Witness.KEY_EVENT)
    created_at = None if created is None else at(created)
    return Record(session_id, at(created or 0), node, created_at, ending=ending, **more)


def open_history(path, upstream=KATO, *, is_demo=False, clock=None, **more):
    url = "sqlite://" if path is None else f"sqlite:///{path}"
    return History.open(url, upstream, is_demo=is_demo, clock=clock or ManualClock(), **more)


def wait_until(holds, seconds=20.0):
    """Wait for something that another thread or process brings about."""
    end, pause = monotonic() + seconds, threading.Event()
    while not holds():
        assert monotonic() < end, "it did not come about in time"
        pause.wait(0.01)


def writing_process(path: Path, epoch="e"):
    """Start a process that writes events, and prints the number of each that is on disk."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.history.writes_until_killed", str(path), epoch],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
