"""Items between those who record and the one thread that writes."""

from kato_panel.domain.recorded import AuditEntry, Looked, Sample
from kato_panel.history.backlog import Backlog
from tests.history.making import at


def test_group_that_is_being_written_is_not_given_up():
    """It counts as written once it is."""
    backlog = Backlog()
    backlog.put(Sample(at(n), n) for n in range(5))
    group, _ = backlog.next_group()
    backlog.bound(3)
    backlog.put([Sample(at(9), 9)])
    assert backlog.tally.lost == 1
    backlog.settle(group, is_written=True)
    assert (backlog.tally.waiting, backlog.tally.written, backlog.tally.lost) == (0, 5, 1)


def test_what_people_did_is_kept_before_all_else():
    """Until nothing can be kept at all."""
    backlog = Backlog()
    done = [AuditEntry(at(n), "ann", "delete", f"s{n}", "deleted") for n in range(2)]
    backlog.bound(3)
    backlog.put([done[0], Sample(at(0), 0), done[1], Sample(at(1), 1), Sample(at(2), 2)])
    group, _ = backlog.next_group()
    assert group == [*done, Sample(at(2), 2)]
    backlog.bound(0)
    assert (backlog.tally.waiting, backlog.tally.lost) == (0, 5)


def test_look_is_not_told_after_the_count_that_followed_it():
    """Who looked last would else be set back."""
    backlog = Backlog()
    backlog.put([Looked(at(1)), Sample(at(2), 5)])
    group, _ = backlog.next_group()
    assert group == [Sample(at(2), 5)]
    backlog.put([Sample(at(3), 5), Looked(at(4))])
    backlog.settle(group, is_written=True)
    group, _ = backlog.next_group()
    assert group == [Sample(at(3), 5), Looked(at(4))]
