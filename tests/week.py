"""Lives for tests of churn, and a history of them that nobody has to wait for."""

from datetime import timedelta

import numpy as np

from kato_panel.domain.recorded import Looked, Note
from kato_panel.domain.records import Ending, Reason, Record, Witness
from kato_panel.history import History
from kato_panel.history.rows import micros
from kato_panel.history.writer import RECORDS_SINCE
from kato_panel.recording import KEYS_SEEN

SEED = 7
HOURS = timedelta(hours=2)
NODES = ("planner", "vision")


def lives_until(end, count=300, nodes=NODES, span=HOURS):
    """Two hours of lives of 900 s in the mean, and of 300 s on the last node; some are open."""
    random = np.random.default_rng(SEED)
    for number, born in enumerate(sorted(random.uniform(0, span.total_seconds(), count))):
        place = number % len(nodes)
        began = end - span + timedelta(seconds=float(born))
        seconds = random.exponential(300 if place == len(nodes) - 1 else 900)
        left = began + timedelta(seconds=float(seconds))
        reason = Reason.DELETED if number % 5 == 0 else Reason.EXPIRED
        over = Ending(left, left, reason, Witness.KEY_EVENT) if left < end else None
        yield Record(
            f"session-{number:032x}-{micros(began) // 1000}",
            began,
            nodes[place],
            began,
            ttl_seconds=3_600.0,
            born_by=Witness.KEY_EVENT,
            ending=over,
        )


def watch(path, lives, end, upstream="http://kato", span=HOURS):
    """Write a history in which all of this was watched, for two hours if nothing else is said."""
    history = History.open(f"sqlite:///{path}", upstream, is_demo=False)
    notes = (Note(RECORDS_SINCE, micros(end - span)), Note(KEYS_SEEN, micros(end)), Looked(end))
    history.record([*notes, *lives])
    assert history.flush(), history.status
    history.close()
