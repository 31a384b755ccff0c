"""
A week to look at: what a service would have recorded of the simulator's past.

Nothing is placed by hand: the alerts are those that the rules would have had over what could be
measured, and what nobody saw is known as little as it would be.
"""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from sqlalchemy import Connection, Index

from kato_panel.demo_rows import Position, write_figures, write_spell
from kato_panel.domain.backtest import Looks, backtest
from kato_panel.domain.built_in import built_in_rules
from kato_panel.domain.recorded import AlertEntry, Gap
from kato_panel.domain.rule_texts import read_rules
from kato_panel.domain.rules import Rule
from kato_panel.history import Reader, engines, schema
from kato_panel.history.file import Owner, fill
from kato_panel.history.rows import moment
from kato_panel.history.writer import Tail, begin_epoch, write
from kato_panel.history_frames import HistoryFrames
from kato_panel.hub import MAX_KEPT_EVENTS
from kato_panel.simulator.past import MINUTE, Past, Spell
from kato_panel.simulator.past_load import measure

SEED: Final = 1
UNTIL: Final = datetime(2026, 3, 6, 15, 0, tzinfo=UTC)
MIN_SPAN: Final = timedelta(hours=3)
"""In less, what goes wrong would not be over before the next does."""
LOOK: Final = MINUTE
"""Between two looks at what is measured, and two polls."""
EXAMPLE_RULES: Final = """\
[[rules]]
name = "many_sessions"
metric = "sessions_active"
op = ">"
threshold = 250
for = "5m"
severity = "warning"
message = "{value:.0f} sessions are alive"

[[rules]]
name = "create_burst"
metric = "sessions_created_per_minute"
op = ">"
threshold = 20
for = "2m"
keep_firing_for = "5m"
message = "{value:.0f} sessions are created a minute"
"""
"""Two rules of a user, as they stand in a file."""


def demo_rules() -> tuple[Rule, ...]:
    """Give the rules of the demo: those that come with the program, and two of a user."""
    built_in = built_in_rules(
        cpu_percent=80.0, memory_percent=85.0, error_ratio=0.05, cooldown_seconds=60.0
    )
    return (*built_in, *read_rules(EXAMPLE_RULES))


class DemoWeek:
    """
    One week, from what the simulator went through to what is known of it.

    Parameters
    ----------
    past
        What it went through.

    Attributes
    ----------
    past, looks
        The same, and what was measured of it.
    """

    def __init__(self, past: Past) -> None:
        self.past = past
        times = np.arange(past.since, past.until, LOOK, dtype=np.int64)
        times = times[~past.unwatched.holds(times)]
        self.looks = Looks(times, measure(past, times))

    def fill(self, connection: Connection) -> None:
        """Write the week into a history in which nothing is."""
        past, indexes = self.past, _indexes()
        for index in indexes:  # made at the end, all at once, they take a third of the time
            index.drop(connection)
        gaps: list[Gap] = []
        known = Position(Tail(epoch_id=0, event_id=0, ordered_at=0, setback=0, seq=0))
        for number, spells in enumerate(runs(past)):
            began = moment(spells[0].began)
            tail = begin_epoch(connection, f"demo-{past.seed}-{number}", began)
            recalled = min(known.tail.seq, MAX_KEPT_EVENTS)
            known = Position(replace(tail, seq=recalled), known.seen_at, known.keys_at)
            for spell in spells:
                if known.seen_at is not None:
                    gaps.append(Gap(moment(known.seen_at), moment(spell.began)))
                known = write_spell(connection, past, spell, known, LOOK)
                is_last = spell is spells[-1]
                # Only a new run has to go by what was noted.
                known = known if is_last else replace(known, keys_at=known.seen_at)
        write_figures(connection, self.looks)
        alerts = backtest(demo_rules(), self.looks, gaps)
        write(connection, map(AlertEntry, alerts), known.tail)
        for index in indexes:
            index.create(connection)


def runs(past: Past) -> tuple[tuple[Spell, ...], ...]:
    """List the runs of the service that watches, each with the times at which it saw the keys."""
    return (
        (Spell(past.since, past.unwatched.began),),
        (
            Spell(past.unwatched.ended, past.storeless.began),
            Spell(past.storeless.ended, past.until),
        ),
    )


def _indexes() -> list[Index]:
    return [index for table in schema.metadata.sorted_tables for index in table.indexes]


def make_week(until: float, *, seed: int = SEED, span: timedelta = timedelta(days=7)) -> DemoWeek:
    """
    Make a week, or a shorter stretch with as much in it.

    Parameters
    ----------
    until
        Its end; epoch seconds.
    seed
        The same seed and end give the same week.
    span
        Its length, at least `MIN_SPAN`.

    Raises
    ------
    ValueError
        If it is shorter.
    """
    if span < MIN_SPAN:
        raise ValueError(f"span is {span}, must be at least {MIN_SPAN}")
    return DemoWeek(Past(seed, until, span=span // timedelta(microseconds=1)))


def demo_history(
    until: datetime = UNTIL, *, seed: int = SEED, span: timedelta = timedelta(days=7)
) -> HistoryFrames:
    """
    Give the demo's week as a history in memory, to try things on.

    Parameters
    ----------
    until
        Its end, with a zone; without it a Friday afternoon, always the same.
    seed
        The same seed and end give the same week.
    span
        Its length, at least three hours.

    Returns
    -------
    HistoryFrames
        As `kato_panel.open_history` gives it, of a history that nobody writes any more.

    Raises
    ------
    ValueError
        If the span is shorter.
    """
    week = make_week(until.timestamp(), seed=seed, span=span)
    engine = engines.memory()
    with engine.begin() as connection:
        fill(connection, Owner("demo", is_demo=True))
        week.fill(connection)
    reader = Reader(engine, lock=threading.Lock())
    return HistoryFrames(lambda: reader)
