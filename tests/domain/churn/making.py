"""Sessions for the tests of churn: seconds after noon in, frames out."""

from datetime import timedelta

from kato_panel.domain.churn import Churn, Window
from kato_panel.domain.records import Ending, Reason, Record, Witness
from kato_panel.frames import session_frame
from tests.conftest import NOON


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def life(name, born, ended=None, *, node="n1", width=0.0, reason=Reason.EXPIRED, **more):
    """A session; `ended` is the middle of an interval of a width."""
    ending = None
    if ended is not None:
        half = width / 2
        ending = Ending(at(ended - half), at(ended + half), reason, Witness.KEY_EVENT)
    given = {"created": at(born), "born_by": Witness.KEY_EVENT, "ttl_seconds": 3600.0, **more}
    return Record(name, at(born), node, ending=ending, **given)


def frame(lives, *, entered=0, seen=3_600):
    return session_frame(lives, at(entered), at(seen))


def window(since=0, until=3_600, gaps=()):
    return Window.of(at(since), at(until), [(at(began), at(ended)) for began, ended in gaps])


def churn(lives, *, by="node", zone="UTC", gaps=(), until=3_600, **more):
    return Churn(
        frame(lives, seen=until), None, window(until=until, gaps=gaps), by=by, zone=zone, **more
    )
