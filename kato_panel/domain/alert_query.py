"""Which alerts are asked for, and until when a rule is to be silent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from kato_panel.domain.event_query import TIME_FORM, check_fields, read_number, read_time, read_word
from kato_panel.domain.recorded import AlertEntry
from kato_panel.domain.rules import Severity, Turn
from kato_panel.domain.times import read_duration
from kato_panel.errors import QueryError

MAX_ALERTS: Final = 1_000
DEFAULT_ALERTS: Final = 100
MAX_RULE: Final = 64
MAX_SILENCE: Final = timedelta(days=366)
FIELDS: Final = ("state", "severity", "rule", "since", "until", "limit", "cursor")
CURSOR_PATTERN: Final = "[0-9]{1,18}:[0-9]{1,18}"
_CURSOR: Final = re.compile(CURSOR_PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """
    Which alerts, and how many at once.

    Parameters
    ----------
    state
        Only those that fire, or only those that are over.
    severity, rule
        Only of these.
    since, until
        When they fired, from `since` to before `until`; UTC.
    limit
        Alerts at once, from 1 to 1,000.
    cursor
        Where the answer before ended.
    """

    state: Turn | None = None
    severity: Severity | None = None
    rule: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = DEFAULT_ALERTS
    cursor: str | None = None

    @classmethod
    def read(cls, given: Mapping[str, str], now: datetime) -> Self:
        """
        Read a query as an address has it.

        Parameters
        ----------
        given
            Text by field; one that is missing or empty has its default.
        now
            From when on *ago* is counted; UTC.

        Raises
        ------
        QueryError
            If a field is not known, or wrong.
        """
        check_fields(given, FIELDS)
        rule = given.get("rule") or None
        if rule is not None and len(rule) > MAX_RULE:
            raise QueryError("rule", rule, f"a name of at most {MAX_RULE} characters")
        cursor = given.get("cursor") or None
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise QueryError("cursor", cursor, "`next` of the answer before")
        return cls(
            state=read_word("state", given.get("state"), Turn),
            severity=read_word("severity", given.get("severity"), Severity),
            rule=rule,
            since=read_time("since", given.get("since"), now),
            until=read_time("until", given.get("until"), now),
            limit=read_number("limit", given.get("limit"), 1, MAX_ALERTS) or DEFAULT_ALERTS,
            cursor=cursor,
        )

    def fits(self, entry: AlertEntry) -> bool:
        """Say whether an alert is one of those that are asked for."""
        alert = entry.alert
        state = Turn.FIRING if alert.resolved_at is None else Turn.RESOLVED
        at = alert.fired_at.wall
        return (
            self.state in {None, state}
            and self.severity in {None, alert.rule.severity}
            and self.rule in {None, alert.rule.name}
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def read_end(given: object, now: datetime) -> datetime:
    """
    Read until when a rule is to be silent.

    Parameters
    ----------
    given
        A time with its zone, or how long from now on.
    now
        UTC.

    Raises
    ------
    QueryError
        If it is neither, or more than a year away.
    """
    allowed = f"{TIME_FORM.partition(',')[0]}, or how long from now on, as 30m or 2h"
    if not isinstance(given, str) or not given:
        raise QueryError("until", given, allowed)
    try:
        until = now + timedelta(seconds=read_duration(given))
    except OverflowError as error:
        raise QueryError("until", given, "at most 366d from now") from error
    except ValueError:
        until = read_time("until", given, now) or now
    if until > now + MAX_SILENCE:
        raise QueryError("until", given, "at most 366d from now")
    return until
