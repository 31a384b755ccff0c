"""``kato-panel rules``: what can be done with a file of rules."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import starmap
from pathlib import Path
from time import perf_counter
from typing import Final

import click

from kato_panel import config
from kato_panel.alerting import rule_files
from kato_panel.asking_history import usual_history
from kato_panel.domain.rules import Alert, Rule
from kato_panel.domain.times import read_duration, write_duration
from kato_panel.errors import ConfigError, HistoryError

TITLES: Final = ("rule", "subject", "pending", "fired", "resolved", "value", "lasted")
RIGHT: Final = {"value", "lasted"}


@click.command("test")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--since", default="7d", show_default=True, help="How far back.")
@click.option("--history", help="A history's path or address; without it, that of the settings.")
@click.option("--alone", is_flag=True, help="Judge by the rules of the file and by no others.")
def test_rules(file: Path, since: str, history: str | None, *, alone: bool) -> None:
    """
    List the alerts that the service would have had over a history with a file of rules.

    It is judged by what `kato-panel rules check FILE` lists. Times are UTC. Nothing is changed,
    and nobody is told.
    """
    # `--help` should not wait for data frames.
    from kato_panel.backtesting import open_reader, try_rules  # noqa: PLC0415

    began = perf_counter()
    try:
        tried = rule_files(config.load(), file, alone=alone).read()
        span = timedelta(seconds=read_duration(since))
        with open_reader(history or usual_history()) as reader:
            alerts = try_rules(reader, tried, span)
    except OverflowError as error:
        raise click.BadParameter(f"{since!r} is too long ago", param_hint="--since") from error
    except ValueError as error:
        raise click.BadParameter(f"{since!r} {error}", param_hint="--since") from error
    except (ConfigError, HistoryError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(table(alerts))
    click.echo(summary(tried, alerts, since, perf_counter() - began))


def table(alerts: Sequence[Alert]) -> str:
    """Lay out alerts for a terminal; no line at all if there are none."""
    if not alerts:
        return "no alerts"
    rows = [TITLES, *map(_row, alerts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def lay(title: str, word: str, width: int) -> str:
        return word.rjust(width) if title in RIGHT else word.ljust(width)

    lines = ("  ".join(starmap(lay, zip(TITLES, row, widths, strict=True))) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _row(alert: Alert) -> tuple[str, ...]:
    over = alert.resolved_at
    lasted = None if over is None else round(over.tick - alert.fired_at.tick)
    return (
        alert.rule.name,
        alert.subject or "—",
        _say(alert.pending_at.wall),
        _say(alert.fired_at.wall),
        "fires" if over is None else _say(over.wall),
        f"{alert.value:.4g}",
        "—" if lasted is None else write_duration(lasted),
    )


def _say(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def summary(tried: Sequence[Rule], alerts: Sequence[Alert], since: str, seconds: float) -> str:
    """Say how often each rule would have fired."""
    number = Counter(alert.rule.name for alert in alerts)
    told = ", ".join(f"{rule.name} {number[rule.name]}" for rule in tried)
    return f"in {since}: {told or 'the file has no rules'} ({seconds:.1f} s)"
