"""
Everything about alerts that is decided: what fires, who has seen it, and who is told.

Pure. Others are told once that an alert fires and once that it is over, and of no end without
its beginning. What is silent is kept and shown, and nobody is told; once the silence is over,
they are told of what still fires.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from kato_panel.domain.events import Moment
from kato_panel.domain.recorded import AlertEntry, AuditEntry, Silence
from kato_panel.domain.rules import (
    NOBODY_KNOWS,
    Judge,
    Measured,
    Rule,
    RuleState,
    There,
    Turn,
    Turned,
)
from kato_panel.errors import QueryError

MAX_RECENT: Final = 200
MAX_NOTICES: Final = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """
    One thing that others are told.

    Parameters
    ----------
    number
        Counts from 1, within one start.
    turned
        What happened.
    """

    number: int
    turned: Turned


@dataclass(frozen=True, slots=True)
class AlertBoard:
    """
    What is known of alerts at one instant.

    Parameters
    ----------
    revision
        Moves whenever an alert, a silence or the rules change.
    states
        How it is with each rule and subject.
    rules
        All of them.
    recent
        The newest alerts, also those that are over; the newest first.
    silences
        Those that last.
    problems
        Why the rules' file is not used as it is now; empty while it is.
    notices
        The newest that others were told since the start, the oldest first.
    """

    revision: int = 0
    states: tuple[RuleState, ...] = ()
    rules: tuple[Rule, ...] = ()
    recent: tuple[AlertEntry, ...] = ()
    silences: tuple[Silence, ...] = ()
    problems: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def firing(self) -> tuple[AlertEntry, ...]:
        """Those that are not over."""
        return tuple(entry for entry in self.recent if entry.alert.resolved_at is None)

    def is_silent(self, rule: str, subject: str) -> bool:
        """Say whether nobody is told of a rule and subject."""
        return _hushes(self.silences, rule, subject)


@dataclass(frozen=True, slots=True)
class Decided:
    """
    What follows from one look or order.

    Parameters
    ----------
    entries
        To be kept.
    notices
        What others are to be told.
    """

    entries: Sequence[AlertEntry | Silence | AuditEntry] = ()
    notices: Sequence[Turned] = ()


class AlertBook:
    """
    Judges, and remembers what others were told.

    Parameters
    ----------
    rules
        See `Judge`.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._judge = Judge(rules)
        self._entries: OrderedDict[str, AlertEntry] = OrderedDict()
        self._silences: dict[tuple[str, str], Silence] = {}
        self._problems: tuple[str, ...] = ()
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._told = 0
        self._revision = 0

    @property
    def board(self) -> AlertBoard:
        """What is known now."""
        return AlertBoard(
            revision=self._revision,
            states=self._judge.states,
            rules=self._judge.rules,
            recent=tuple(reversed(self._entries.values())),
            silences=tuple(self._silences.values()),
            problems=self._problems,
            notices=tuple(self._notices),
        )

    def restore(
        self, recent: Iterable[AlertEntry], silences: Iterable[Silence], at: Moment
    ) -> Decided:
        """
        Take over what an earlier run knew, before the first look.

        Parameters
        ----------
        recent
            Alerts, the oldest first, among them all that were not over.
        silences
            Those that last.
        at
            Now.
        """
        self._silences = {(one.rule, one.subject): one for one in silences}
        for entry in recent:
            self._entries[entry.alert.id] = entry
        firing = [entry.alert for entry in self._entries.values()]
        open_ = [alert for alert in firing if alert.resolved_at is None]
        self._revision += 1
        return self._turn(self._judge.restore(open_, at))

    def change_rules(self, rules: Iterable[Rule], at: Moment) -> Decided:
        """Judge by other rules from now on."""
        self._problems = ()
        self._revision += 1
        return self._turn(self._judge.change(rules, at))

    def refuse_rules(self, problems: Iterable[str]) -> None:
        """Note why the rules' file is not used as it is; the rules of before stay."""
        self._problems = tuple(problems)
        self._revision += 1

    @property
    def moved(self) -> frozenset[tuple[str, str]]:
        """See `Judge.moved`."""
        return self._judge.moved

    def look(
        self, measured: Iterable[Measured], at: Moment, there: There = NOBODY_KNOWS
    ) -> Decided:
        """Judge, and tell what is to be told; see `Judge.judge`."""
        lasting = {key: one for key, one in self._silences.items() if one.until > at.wall}
        if lasting != self._silences:
            self._silences = lasting
            self._revision += 1
        return self._turn(self._judge.judge(measured, at, there))

    def acknowledge(self, alert_id: str, who: str, at: datetime) -> Decided:
        """
        Note that somebody has seen an alert; the first one counts.

        Raises
        ------
        QueryError
            If there is no such alert among the recent ones.
        """
        entry = self._entries.get(alert_id)
        if entry is None:
            raise QueryError("alert", alert_id, "one of the recent alerts")
        if entry.acknowledged_at is not None:
            return Decided()
        entry = replace(entry, acknowledged_at=at, acknowledged_by=who)
        self._entries[alert_id] = entry
        self._revision += 1
        audited = AuditEntry(at, who, "acknowledge", alert_id, "acknowledged")
        return Decided([entry, audited])

    def silence(self, silence: Silence) -> Decided:
        """
        Let a rule be silent until some time; one that is past ends it.

        Raises
        ------
        QueryError
            If there is no such rule.
        """
        if silence.rule not in {rule.name for rule in self._judge.rules}:
            raise QueryError("rule", silence.rule, "the name of a rule")
        key = (silence.rule, silence.subject)
        if silence.until > silence.at:
            self._silences[key] = silence
        else:
            self._silences.pop(key, None)
        self._revision += 1
        what = f"{silence.rule} {silence.subject}".strip()
        until = f"until {silence.until.isoformat(timespec='seconds')}"
        return Decided([silence, AuditEntry(silence.at, silence.who, "silence", what, until)])

    def _turn(self, turned: Sequence[Turned]) -> Decided:
        """Take what happened; say what is to be kept and told."""
        changed: dict[str, AlertEntry] = {}
        notices = []
        for one in turned:
            known = self._entries.get(one.alert.id, AlertEntry(one.alert, told=False))
            changed[one.alert.id] = replace(known, alert=one.alert)
            if one.turn is Turn.RESOLVED and known.told:
                notices.append(one)
        self._entries |= changed
        silences = self._silences.values()
        for key, entry in self._entries.items():
            alert = entry.alert
            is_due = alert.resolved_at is None and not entry.told
            if is_due and not _hushes(silences, alert.rule.name, alert.subject):
                changed[key] = replace(entry, told=True)
                notices.append(Turned(Turn.FIRING, alert))
        self._entries |= changed
        entries = list(changed.values())
        for one in notices:
            self._told += 1
            self._notices.append(Notice(self._told, one))
        self._revision += bool(entries or notices)
        self._forget()
        return Decided(entries, notices)

    def _forget(self) -> None:
        """Forget the oldest alerts that are over."""
        over = [key for key, entry in self._entries.items() if entry.alert.resolved_at]
        for key in over[: max(0, len(self._entries) - MAX_RECENT)]:
            del self._entries[key]


def _hushes(silences: Iterable[Silence], rule: str, subject: str) -> bool:
    return any(one.rule == rule and one.subject in {"", subject} for one in silences)
