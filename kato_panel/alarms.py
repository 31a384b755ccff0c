"""
Alerts: rules are held against what is known, others are told, and all of it is kept.

All of it happens on the watcher's loop, browser or not; see ``docs/decisions/0020-rules.md``.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Final, Protocol

from kato_panel.domain.actions import ActionsState
from kato_panel.domain.alert_book import AlertBoard, AlertBook, Decided
from kato_panel.domain.events import Clock, Moment
from kato_panel.domain.recorded import (
    FIGURE_SECONDS,
    AlertEntry,
    AuditEntry,
    Figure,
    Lapse,
    OutboxEntry,
    Silence,
)
from kato_panel.domain.rules import NOBODY_KNOWS, Measured, Rule, There
from kato_panel.domain.targets import Target
from kato_panel.errors import ActionRefused, QueryError
from kato_panel.notifier import Notifier

SHOWN_SECONDS: Final = 3.0
"""Between two boards that differ in nothing but values."""
MAX_SUBJECT: Final = 300

Item = AlertEntry | Silence | AuditEntry | OutboxEntry | Figure | Lapse


class Alarms:
    """
    Judges, tells and keeps.

    Parameters
    ----------
    rules
        By which to judge.
    targets
        Who is told.
    record
        Keeps items, those of one call together or not at all; returns at once.
    settle
        Returns once all that was recorded is on disk, or cannot be.
    clock
        Gives the time.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        targets: Iterable[Target],
        *,
        record: Callable[[Iterable[Item]], None],
        settle: Callable[[], Any],
        clock: Clock,
    ) -> None:
        self._book = AlertBook(rules)
        self._record = record
        self._clock = clock
        self._group: list[Item] | None = None
        self._notifier = Notifier(targets, record=self._keep, settle=settle, clock=clock)
        self._board = self._book.board
        self._shown_tick = float("-inf")
        self._sampled: dict[tuple[str, str], float | None] = {}
        """When a sample was kept last; ``None`` once the value was not known any more."""

    @property
    def troubles(self) -> dict[str, str]:
        """Why the newest notice was not taken, by target; empty where all is well."""
        return dict(self._notifier.troubles)

    def restore(
        self,
        recent: Iterable[AlertEntry],
        silences: Iterable[Silence],
        unsent: Iterable[OutboxEntry],
    ) -> None:
        """Take over what an earlier run knew, and has not sent; before the first look."""
        self._notifier.restore(unsent)
        self._take(self._book.restore(recent, silences, self._clock()))

    def look(
        self, measured: Sequence[Measured], at: Moment, there: There = NOBODY_KNOWS
    ) -> AlertBoard:
        """
        Judge once.

        Parameters
        ----------
        measured
            All that is known now.
        at
            When.
        there
            See `Judge.judge`.

        Returns
        -------
        AlertBoard
            The one of before, where nothing is to be told anew.
        """
        self._take(self._book.look(measured, at, there))
        self._sample(measured, at, there)
        return self._show(at)

    def _sample(
        self, measured: Sequence[Measured], at: Moment, there: There = NOBODY_KNOWS
    ) -> None:
        """
        Keep a sample of each figure: at first, every so often, at each turn, and its lapse.

        What rules take their turns by is kept, so that whoever judges again what was kept comes
        to the same.
        """
        moved = self._book.moved
        values = {(one.metric, one.subject): one.value for one in measured}
        kept: list[Item] = []
        for key, value in values.items():
            if value is not None and (key in moved or self._is_due(key, at)):
                kept.append(Figure(at.wall, *key, float(value)))
                self._sampled[key] = at.tick
        for key in [key for key in {*self._sampled, *moved} if values.get(key) is None]:
            is_gone = key[1] not in there.get(key[0], key[1:]) and key not in values
            if is_gone or self._sampled.get(key) is not None:
                kept.append(Lapse(at.wall, *key, is_gone))
            self._sampled[key] = None
            if is_gone:
                del self._sampled[key]
        if kept:
            self._record(kept)

    def _is_due(self, key: tuple[str, str], at: Moment) -> bool:
        sampled_tick = self._sampled.get(key)
        return sampled_tick is None or at.tick - sampled_tick >= FIGURE_SECONDS

    def change_rules(self, rules: Iterable[Rule]) -> None:
        """Judge by other rules from now on."""
        self._take(self._book.change_rules(rules, self._clock()))

    def refuse_rules(self, problems: Iterable[str]) -> None:
        """Note why the rules' file is not used as it is."""
        self._book.refuse_rules(problems)

    def acknowledge(self, alert_id: str, who: str) -> None:
        """Note that somebody has seen an alert; see `AlertBook.acknowledge`."""
        self._take(self._book.acknowledge(alert_id, who, self._clock().wall))

    def silence(self, rule: str, subject: str, until: datetime, who: str) -> None:
        """Let a rule be silent; see `AlertBook.silence`."""
        if len(subject) > MAX_SUBJECT:
            raise QueryError("subject", subject, f"at most {MAX_SUBJECT} characters long")
        silence = Silence(rule, subject, until, self._clock().wall, who)
        self._take(self._book.silence(silence))

    async def run(self) -> None:
        """Send what is to be told, for ever; at once over where there is nobody to tell."""
        await self._notifier.run()

    def _take(self, decided: Decided) -> None:
        """Keep what was decided together with its notices: a kill leaves both or neither."""
        group: list[Item] = [*decided.entries]
        self._group = group
        try:
            self._notifier.tell(decided.notices)
        finally:
            self._group = None
        if group:
            self._record(group)

    def _keep(self, entry: OutboxEntry) -> None:
        if self._group is None:
            self._record([entry])
        else:
            self._group.append(entry)

    def _show(self, at: Moment) -> AlertBoard:
        before, board = self._board, self._book.board
        is_moved = board.revision != before.revision or _stages(board) != _stages(before)
        is_due = at.tick - self._shown_tick >= SHOWN_SECONDS and board.states != before.states
        if is_moved or is_due:
            self._board, self._shown_tick = board, at.tick
        return self._board


def _stages(board: AlertBoard) -> list[tuple[str, str, str]]:
    return [(state.rule.name, state.subject, state.stage) for state in board.states]


class Loop(Protocol):
    """What orders need of the watcher."""

    def submit(self, coroutine: Coroutine[Any, Any, None]) -> "Future[None]":
        """Run something on the watcher's loop; raises `RuntimeError` where that does not run."""

    def look_around(self) -> None:
        """Publish what has changed; on that loop."""


class AlertDesk:
    """
    Takes orders about alerts, from any thread's loop.

    Parameters
    ----------
    alarms
        Whose alerts they are.
    loop
        Where they are judged.
    judge
        Says whether anybody may order anything.
    """

    def __init__(self, alarms: Alarms, loop: Loop, judge: Callable[[], ActionsState]) -> None:
        self._alarms = alarms
        self._loop = loop
        self._judge = judge

    @property
    def state(self) -> ActionsState:
        """Whether orders are taken at present, and why not."""
        return self._judge()

    async def acknowledge(self, alert_id: str, who: str) -> None:
        """
        Note that somebody has seen an alert; the first one counts. It is audited.

        Parameters
        ----------
        alert_id
            Of one of the recent alerts.
        who
            Who says so.

        Raises
        ------
        QueryError
            If there is no such alert.
        ActionRefused
            If no orders are taken, or the watcher does not run.
        """
        await self._order(lambda: self._alarms.acknowledge(alert_id, who))

    async def silence(self, rule: str, subject: str, until: datetime, who: str) -> None:
        """
        Let a rule be silent until some time. It is audited.

        Parameters
        ----------
        rule, subject
            Which one, and of whom; without a subject, of all.
        until
            UTC; one that is past ends a silence.
        who
            Who orders it.

        Raises
        ------
        QueryError
            If there is no such rule.
        ActionRefused
            If no orders are taken, or the watcher does not run.
        """
        await self._order(lambda: self._alarms.silence(rule, subject, until, who))

    async def _order(self, order: Callable[[], None]) -> None:
        state = self.state
        if not state.allowed:
            raise ActionRefused(state.reason)
        try:
            ordered = asyncio.wrap_future(self._loop.submit(self._carry_out(order)))
        except RuntimeError as error:
            raise ActionRefused("the watcher is not running") from error
        await asyncio.shield(ordered)

    async def _carry_out(self, order: Callable[[], None]) -> None:
        order()
        self._loop.look_around()
