"""
Rules: what is wrong, since when, and when it is over again.

Pure; time comes in as an argument, and only monotonic time decides how long something lasted.
Each rule and subject, as a container is one, has a course of its own::

    inactive ──► pending ──► firing ──► inactive
                 (`for`)     (`keep_firing_for`)

*No data* stands beside these: whoever cannot look knows nothing. It ends a wait, and never an
alert. See ``docs/decisions/0020-rules.md``.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import eq, ge, gt, le, lt
from types import MappingProxyType
from typing import Final

from kato_panel.domain.events import Moment
from kato_panel.domain.metrics import METRICS

REMEMBERED_SECONDS: Final = 3_600.0
"""For so long a course is kept of which there is neither a value nor an alert."""
GONE: Final = {
    "container": "its container is gone",
    "source": "its source is not watched any more",
}
"""Why an alert is over of which there is no subject any more; by what its metric is for each of."""
There = Mapping[str, Collection[str]]
"""By metric, all subjects that there are, where that is known."""
NOBODY_KNOWS: Final[There] = MappingProxyType({})
OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
    "==": eq,
}


class Severity(StrEnum):
    """How much an alert matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Stage(StrEnum):
    """How it is with one rule and subject."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    NO_DATA = "no data"


class Turn(StrEnum):
    """What happened to an alert, for those who are told."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Rule:
    """
    What is wrong, and for how long it has to be.

    Parameters
    ----------
    name
        Unique; a word.
    metric
        What is measured; see `kato_panel.domain.metrics`.
    op, threshold
        The value is wrong while ``value op threshold`` holds.
    for_seconds
        It fires once it has been wrong, and seen to be, for so long.
    keep_firing_seconds
        It is over once it has been right, and seen to be, for so long.
    min_samples
        Of what the value is made of; with fewer there is no value.
    severity
        See `Severity`.
    message
        With ``{value}``, ``{threshold}``, ``{subject}`` and ``{name}`` to be filled in.
    cooldown_seconds
        At least between two times that it begins to fire for one subject.
    is_built_in
        Whether it came with the program.
    """

    name: str
    metric: str
    op: str
    threshold: float
    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0
    min_samples: int = 1
    severity: Severity = Severity.WARNING
    message: str = "{name}: {value:g}"
    cooldown_seconds: float = 60.0
    is_built_in: bool = False

    def holds(self, value: float) -> bool:
        """Say whether a value is wrong."""
        return OPERATORS[self.op](value, self.threshold)

    def say(self, subject: str, value: float) -> str:
        """Say in words what is wrong."""
        return self.message.format(
            value=value, threshold=self.threshold, subject=subject, name=self.name
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """
    One value of one metric.

    Parameters
    ----------
    metric
        Its name.
    value
        ``None`` if it is not known.
    subject
        Of what: a container's or a source's name; empty where there is only one.
    samples
        Of how many it is made.
    """

    metric: str
    value: float | None
    subject: str = ""
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Alert:
    """
    One time that a rule fires for a subject, from its beginning to its end.

    Parameters
    ----------
    rule
        As it was then.
    subject
        See `Measured`.
    pending_at
        When it was first seen to be wrong.
    fired_at
        When it had been for long enough.
    value
        When it fired.
    resolved_at
        When it was over; ``None`` while it fires.
    reason
        Why it is over, if not because its value is right again.
    """

    rule: Rule
    subject: str
    pending_at: Moment
    fired_at: Moment
    value: float
    resolved_at: Moment | None = None
    reason: str = ""

    @property
    def id(self) -> str:
        """The same for its firing and its end, and for nothing else."""
        return f"{self.rule.name}/{self.subject}/{self.fired_at.wall.isoformat()}"

    @property
    def message(self) -> str:
        """What is wrong."""
        return self.rule.say(self.subject, self.value)


@dataclass(frozen=True, slots=True)
class Turned:
    """An alert began to fire, or is over."""

    turn: Turn
    alert: Alert


@dataclass(frozen=True, slots=True)
class RuleState:
    """
    How it is with one rule and subject now.

    Parameters
    ----------
    rule, subject
        Of whom.
    stage
        See `Stage`.
    value
        The newest; ``None`` if it is not known.
    since
        When the stage began.
    alert
        The one that fires; also where there is no data.
    """

    rule: Rule
    subject: str
    stage: Stage
    value: float | None
    since: Moment
    alert: Alert | None = None


@dataclass(slots=True)
class _Course:
    """What is remembered of one rule and subject."""

    state: RuleState
    wrong_since: Moment | None = None
    right_since: Moment | None = None
    fired_tick: float | None = None
    """When it last began to fire; kept past its end, for the cooldown."""

    def rests(self, at: Moment) -> bool:
        """Say whether the cooldown lasts."""
        rule = self.state.rule
        return self.fired_tick is not None and at.tick - self.fired_tick < rule.cooldown_seconds


class Judge:
    """
    Holds measured values against rules.

    Parameters
    ----------
    rules
        By `Rule.name`, each once.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._courses: dict[tuple[str, str], _Course] = {}
        self._moved: set[tuple[str, str]] = set()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules."""
        return tuple(self._rules.values())

    @property
    def states(self) -> tuple[RuleState, ...]:
        """How it is with each rule and subject that is remembered, in the rules' order."""
        order = {name: place for place, name in enumerate(self._rules)}
        known = sorted(self._courses, key=lambda key: (order[key[0]], key[1]))
        return tuple(self._courses[key].state for key in known)

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that fire."""
        found = (course.state.alert for course in self._courses.values())
        return tuple(alert for alert in found if alert is not None)

    def restore(self, alerts: Iterable[Alert], at: Moment) -> list[Turned]:
        """
        Take over what fired when somebody looked last, before the first judgement.

        Parameters
        ----------
        alerts
            Of an earlier run, each still firing.
        at
            Now; until there is a value, there is no data.

        Returns
        -------
        list of Turned
            An end for each alert whose rule is gone or was changed.
        """
        ended = []
        for alert in alerts:
            rule = self._rules.get(alert.rule.name)
            if rule != alert.rule:
                ended.append(_end(alert, at, _gone(rule)))
                continue
            state = RuleState(rule, alert.subject, Stage.NO_DATA, None, at, alert)
            course = _Course(state, fired_tick=at.tick)
            self._courses[rule.name, alert.subject] = course
        return ended

    def change(self, rules: Iterable[Rule], at: Moment) -> list[Turned]:
        """
        Judge by other rules from now on; those that stay as they were go on.

        Returns
        -------
        list of Turned
            An end for each alert whose rule is gone or was changed.
        """
        self._rules = {rule.name: rule for rule in rules}
        ended = []
        for key, course in [*self._courses.items()]:
            rule = self._rules.get(key[0])
            if rule == course.state.rule:
                continue
            if course.state.alert is not None:
                ended.append(_end(course.state.alert, at, _gone(rule)))
            del self._courses[key]
        return ended

    @property
    def moved(self) -> frozenset[tuple[str, str]]:
        """
        Metrics and subjects whose value meant something else to a rule than the one before.

        Also those that are gone. Whoever keeps these values can judge again and come to the same.
        """
        return frozenset(self._moved)

    def judge(
        self,
        measured: Iterable[Measured],
        at: Moment,
        there: There = NOBODY_KNOWS,
    ) -> list[Turned]:
        """
        Take one look at everything.

        Parameters
        ----------
        measured
            All values that are known now; whatever was measured before and is not among them
            has no data.
        at
            When.
        there
            A subject that is not among these, where they are known, is gone. Its alerts are over,
            and it is forgotten.

        Returns
        -------
        list of Turned
            Alerts that began to fire or are over, in the rules' order.
        """
        values: dict[str, dict[str, Measured]] = {}
        for one in measured:
            values.setdefault(one.metric, {})[one.subject] = one
        self._moved.clear()
        transitions: list[Turned] = []
        for rule in self._rules.values():
            found = values.get(rule.metric, {})
            for subject in dict.fromkeys([*found, *self._subjects(rule)]):
                is_there = subject in found or subject in there.get(rule.metric, [subject])
                if not is_there:
                    transitions += self._part(rule, subject, at)
                    continue
                transitions += self._judge(rule, subject, found, at)
                if subject not in found and self._has_rested(rule, subject, at):
                    del self._courses[rule.name, subject]
        return transitions

    def _subjects(self, rule: Rule) -> list[str]:
        return [subject for name, subject in self._courses if name == rule.name]

    def _part(self, rule: Rule, subject: str, at: Moment) -> Iterable[Turned]:
        """Forget a subject that is gone, whatever was the matter with it."""
        alert = self._courses.pop((rule.name, subject)).state.alert
        self._moved.add((rule.metric, subject))
        if alert is not None:
            yield _end(alert, at, GONE[METRICS[rule.metric].subject])

    def _has_rested(self, rule: Rule, subject: str, at: Moment) -> bool:
        """Say whether there is nothing left to remember of a subject that is not measured."""
        course = self._courses[rule.name, subject]
        has_lasted = at.tick - course.state.since.tick >= REMEMBERED_SECONDS
        return course.state.alert is None and has_lasted and not course.rests(at)

    def _judge(
        self, rule: Rule, subject: str, found: Mapping[str, Measured], at: Moment
    ) -> Iterable[Turned]:
        one = found.get(subject)
        value = None if one is None or one.samples < rule.min_samples else one.value
        course = self._courses.get((rule.name, subject))
        if course is None:
            course = _Course(RuleState(rule, subject, Stage.NO_DATA, None, at))
            self._courses[rule.name, subject] = course
        before = course.state.stage, course.right_since is None
        yield from self._take(course, value, at)
        if before != (course.state.stage, course.right_since is None):
            self._moved.add((rule.metric, subject))

    def _take(self, course: _Course, value: float | None, at: Moment) -> Iterable[Turned]:
        """Take a value, or that there is none."""
        rule, alert = course.state.rule, course.state.alert
        if value is None:
            course.wrong_since = course.right_since = None
            _stand(course, Stage.NO_DATA, None, at, alert)
        elif alert is not None:
            yield from self._go_on(course, alert, value, at)
        elif rule.holds(value):
            yield from self._be_wrong(course, value, at)
        else:
            course.wrong_since = None
            _stand(course, Stage.INACTIVE, value, at, None)

    @staticmethod
    def _go_on(course: _Course, alert: Alert, value: float, at: Moment) -> Iterable[Turned]:
        """Take a value while the alert fires."""
        rule = alert.rule
        if rule.holds(value):
            course.right_since = None
        else:
            course.right_since = course.right_since or at
            if at.tick - course.right_since.tick >= rule.keep_firing_seconds:
                course.wrong_since = course.right_since = None
                _stand(course, Stage.INACTIVE, value, at, None)
                yield _end(alert, at)
                return
        _stand(course, Stage.FIRING, value, at, alert)

    @staticmethod
    def _be_wrong(course: _Course, value: float, at: Moment) -> Iterable[Turned]:
        """Take a value that is wrong while nothing fires."""
        rule, subject = course.state.rule, course.state.subject
        course.wrong_since = course.wrong_since or at
        has_lasted = at.tick - course.wrong_since.tick >= rule.for_seconds
        if not has_lasted or course.rests(at):
            _stand(course, Stage.PENDING, value, at, None)
            return
        alert = Alert(rule, subject, course.wrong_since, at, value)
        course.fired_tick = at.tick
        _stand(course, Stage.FIRING, value, at, alert)
        yield Turned(Turn.FIRING, alert)


def _stand(
    course: _Course, stage: Stage, value: float | None, at: Moment, alert: Alert | None
) -> None:
    before = course.state
    since = before.since if before.stage is stage else at
    course.state = replace(before, stage=stage, value=value, since=since, alert=alert)


def _end(alert: Alert, at: Moment, reason: str = "") -> Turned:
    return Turned(Turn.RESOLVED, replace(alert, resolved_at=at, reason=reason))


def _gone(rule: Rule | None) -> str:
    return "its rule was removed" if rule is None else "its rule was changed"
