"""What the tests of the history share: items, histories, and a process that writes."""

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from time import monotonic

from kato_panel.domain.events import Kind, Moment, SessionEvent
from kato_panel.domain.records import Ending, Reason, Record, Witness
from kato_panel.domain.rules import Alert, Rule, Severity
from kato_panel.history import History
from tests.conftest import NOON, ManualClock

KATO = "http://kato:8000"
RULE = Rule("cpu", "container_cpu_percent", ">", 80.0, severity=Severity.ERROR)


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


def alert(fired, *, ended=None, rule=None, subject="kato", **more):
    over = None if ended is None else moment_of_record(ended)
    began = moment_of_record(fired)
    return Alert(rule or RULE, subject, began, began, 91.5, over, **more)


def moment_of_record(seconds):
    """A moment as the history gives it back: another run's ticks are of no use."""
    return Moment(at(seconds), 0.0)


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
