"""``kato-panel report`` and ``kato-panel export``: what a history tells, for elsewhere."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from kato_panel.domain.event_query import EXPORTED, USUAL_RANGE
from kato_panel.errors import KatoPanelError
from kato_panel.whole_files import writing_whole

Command = TypeVar("Command", bound=Callable[..., Any])


def take_range(command: Command) -> Command:
    """Give a command the options that name a history, a range and a node."""
    for option in (
        click.option("--node", metavar="NAME", help="Sessions and events of this node only."),
        click.option(
            "--until", metavar="TIME", help="As --since; the newest look if it is not given."
        ),
        click.option(
            "--since",
            metavar="TIME",
            default=USUAL_RANGE,
            show_default=True,
            help="A time with a zone, or how long before the newest look: 90s, 5m, 24h or 7d.",
        ),
        click.option(
            "--history",
            metavar="PLACE",
            help="A history's file or address; the one that the service keeps if not given.",
        ),
    ):
        command = option(command)
    return command


class Progress:
    """Says on a terminal what is being done, and in the end what went wrong, if anything."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.clear()
        if isinstance(error, BrokenPipeError):
            return  # nobody reads the output any more, which is no mistake
        if isinstance(error, (KatoPanelError, ValueError, OSError)):
            raise click.ClickException(str(error)) from error

    def tell(self, what: str) -> None:
        """Say what is being done now."""
        if self._is_seen:
            click.echo(f"\r\x1b[K{what} …", err=True, nl=False)

    def clear(self) -> None:
        """Take it away again."""
        if self._is_seen:
            click.echo("\r\x1b[K", err=True, nl=False)


@click.command()
@take_range
@click.option("--tz", default="UTC", show_default=True, help="Time zone in which times are shown.")
@click.option(
    "-o", "--output", metavar="FILE", default="report.html", show_default=True, help="Where to."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures alone, as JSON.")
def report(  # noqa: PLR0917 - as many as there are options
    history: str | None,
    since: str,
    until: str | None,
    node: str | None,
    tz: str,
    output: str,
    *,
    as_json: bool,
) -> None:
    """Write what a history tells of a range into one HTML file; the history is only read."""
    # Pandas takes its time to import; `--help` and a wrong setting should not wait for it.
    from kato_panel import asking_history  # noqa: PLC0415
    from kato_panel.views.report import Report  # noqa: PLC0415

    with Progress() as shown, asking_history.find_history(history) as frames:
        first, after = asking_history.read_range(frames, since, until)
        made = Report(frames, since=first, until=after, node=node, tz=tz, tell=shown.tell)
        if as_json:
            text = made.to_json()
            shown.clear()
            click.echo(text)
        else:
            made.save(output)
            shown.clear()
            click.echo(f"{output}: {made.title}")


@click.command()
@click.argument("kinds", nargs=-1, required=True, type=click.Choice(EXPORTED))
@take_range
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="Of the files.",
)
@click.option(
    "-o",
    "--output",
    metavar="PLACE",
    help="A file; a folder for several; one kind alone goes to the standard output.",
)
def export(  # noqa: PLR0917 - as many as there are options
    kinds: tuple[str, ...],
    history: str | None,
    since: str,
    until: str | None,
    node: str | None,
    form: Any,
    output: str | None,
) -> None:
    """
    Write rows of a history for other programs; the history is only read.

    KINDS are sessions, events, counts, alerts, containers. In CSV nothing is a formula to a
    spreadsheet, and kato_panel.read_frame has it back without loss.
    """
    from kato_panel import asking_history, exporting  # noqa: PLC0415 - as above

    with Progress() as shown, asking_history.find_history(history) as frames:
        first, after = asking_history.read_range(frames, since, until)
        for kind, place in _places(kinds, form, output):
            shown.tell(kind)
            with writing_whole(place) if place else nullcontext(sys.stdout) as file:
                rows = exporting.write_export(
                    frames, kind, first, after, node=node, form=form, file=file
                )
            shown.clear()
            if place is not None:
                click.echo(f"{place}: {rows} rows")


def _places(kinds: tuple[str, ...], form: str, output: str | None) -> list[tuple[str, Path | None]]:
    """Say where each kind goes; ``None`` for the standard output."""
    if output is None:
        if len(kinds) > 1:
            raise ValueError("several kinds take a folder: name it with -o")
        return [(kinds[0], None)]
    place = Path(output)
    if len(kinds) > 1 or place.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return [(kind, place / f"{kind}.{form}") for kind in kinds]
    return [(kinds[0], place)]
