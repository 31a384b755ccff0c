"""Histories that reports and exports are made of."""

from kato_panel.domain.events import Kind, Name
from kato_panel.domain.recorded import AlertEntry, Figure, Gap, Looked, Note, Sample
from kato_panel.domain.records import Reason, Witness
from kato_panel.domain.rules import Rule
from kato_panel.history.rows import micros
from kato_panel.history.writer import RECORDS_SINCE
from kato_panel.recording import KEYS_SEEN
from tests.history.making import KATO, alert, at, event, open_history, record

SECONDS = 7_200


def keep(path, *items, **more):
    """Make a history of these, and close it."""
    history = open_history(path, **more)
    history.record(items)
    assert history.flush()
    history.close()
    return path


def two_hours(names=("node-1", "node-2"), subject="kato", count=60):
    """Sessions a minute apart, some still open; a gap, two alerts, a container, events."""
    yield Note(RECORDS_SINCE, micros(at(0)), keeps_first=True)
    for number in range(count):
        born, node = 100.0 * number, names[number % len(names)]
        end = born + 300 * (number % 7 + 1)
        is_over = end < SECONDS
        reason = Reason.DELETED if number % 3 else Reason.EXPIRED
        yield record(
            f"s{number}-{node}",
            born,
            end if is_over else None,
            node,
            reason=reason,
            born_by=Witness.KEY_EVENT,
        )
        yield Sample(at(born), number % 9 + 3)
        yield event(2 * number + 1, born, names=[Name(f"s{number}-{node}", node)])
        yield event(2 * number + 2, born + 50, kind=Kind.DESTROYED, reason="deleted")
        yield Figure(at(born), "container_cpu_percent", subject, float(number % 10))
        yield Figure(at(born), "container_memory_percent", subject, 40.0)
    yield Gap(at(3_000), at(3_600))
    yield AlertEntry(alert(600, ended=900, reason="over", subject=subject), at(650), names[0])
    yield AlertEntry(alert(5_000, subject=subject, rule=Rule(subject, "sessions_active", ">", 5.0)))
    yield Note(KEYS_SEEN, micros(at(SECONDS)))
    yield Looked(at(SECONDS))


__all__ = ["KATO", "SECONDS", "keep", "two_hours"]
