"""``kato-panel``: the command line."""

import logging
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kato_panel import checking, config, resolved
from kato_panel.alerting import rule_files
from kato_panel.demo import Demo, demo_folder
from kato_panel.domain.rule_texts import write_rule
from kato_panel.errors import ConfigError, HistoryError, QueryError
from kato_panel.flags import take_settings
from kato_panel.report_commands import export, report
from kato_panel.rule_commands import test_rules
from kato_panel.runtime import Runtime

if TYPE_CHECKING:
    from kato_panel.replaying import Replay


NOBODY_READS: Final = 141
"""What a shell says of a program that ends because nobody reads on: 128 and SIGPIPE's number."""


class _Quiet(click.Group):
    """Commands that end without a word when whoever reads their output has had enough."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()  # what fails does so here, and not when Python ends
        except BrokenPipeError as error:
            # Python writes what is left when it ends, and would tell that it could not.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(NOBODY_READS) from error
        return found


@click.group(cls=_Quiet, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kato-panel")
def main() -> None:
    """Show the sessions of a KATO service, live."""


@main.command()
@take_settings
def serve(**flags: Any) -> None:
    """Serve the dashboard and the HTTP API; flags win over the environment."""
    _serve(flags)


def _serve(
    flags: Mapping[str, Any],
    demo: Demo | None = None,
    replay: "Replay | None" = None,
) -> None:
    # Panel takes its time to import; `--help` and a wrong setting should not wait for it.
    from kato_panel.server.service import Service  # noqa: PLC0415
    from kato_panel.views.dashboard import page  # noqa: PLC0415

    try:
        settings = config.load(flags)
        if demo is not None:  # whatever the environment has others watch
            settings = settings.model_copy(update={"kato_api_url": None, "redis_url": None})
        if replay is not None:  # of whom it is the record; nobody is asked
            owner = replay.recording.owner
            settings = settings.model_copy(
                update={"kato_api_url": None if owner.is_demo else owner.upstream}
            )
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        for chatty in ("httpx", "httpcore", "websockets", "bokeh", "tornado.access"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        service = Service(Runtime(settings, demo, replay), page)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    service.run(partial(click.echo, f"KATO sessions at {service.url}"))


class _WrongUse(click.UsageError):
    exit_code = 1


class _Check(click.Command):
    """A command for which a wrong flag is a wrong setting: 2 means something else here."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise _WrongUse(error.format_message(), ctx) from error


main.add_command(report)
main.add_command(export)


@main.group()
def rules() -> None:
    """See to the rules that alerts come from."""


@rules.command(name="check")
@click.argument("file", type=click.Path(path_type=Path))
def check_rules(file: Path) -> None:
    """
    Say what is wrong with a file of rules, or what would be judged with it.

    Ends with 0 if all is well, with 1 if a setting is wrong, with 2 if a rule is.
    """
    try:
        found = rule_files(config.load(), file)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    try:
        judged = found.read()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        raise click.exceptions.Exit(2) from error
    for rule in judged:
        click.echo(f"{write_rule(rule)}{found.remark(rule)}")


rules.add_command(test_rules)


@main.command()
@click.option("--port", "KATO_PANEL_PORT", metavar="…", help="Port to listen on.")
def demo(**flags: Any) -> None:
    """
    Serve the dashboard of a simulated KATO that has a week behind it.

    Other settings are read from the environment. The week is made anew at each start, and ends
    with this command; no history of yours is touched. Where redis-server is installed, a Redis of
    its own tells what follows the week; REDIS_URL is not read.
    """
    click.echo("A week of history is made first, which takes some seconds.", err=True)
    from kato_panel.demo_week import make_week  # noqa: PLC0415 - the same

    with demo_folder() as folder:
        places = {"KATO_PANEL_HISTORY_URL": f"sqlite:///{folder}/demo.db"}
        _serve(flags | places, Demo(make_week, folder))


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--speed", default=1.0, show_default=True, help="Its seconds in one of ours.")
@click.option("--from", "since", help="Where to begin: a time with its zone, or 2h before its end.")
@click.option("--port", "KATO_PANEL_PORT", metavar="…", help="Port to listen on.")
def replay(*, file: Path, speed: float, since: str | None, **flags: Any) -> None:
    """
    Serve the dashboard of a recorded history, as it went.

    FILE is what a service has kept; it is only read. Events, counts, containers and alerts are
    those of the record: nothing is judged anew, and nobody is told. Other settings are read from
    the environment.
    """
    from kato_panel.replaying import Replay  # noqa: PLC0415 - the same

    try:
        told = Replay.open(file, since=since, speed=speed)
    except QueryError as error:
        raise click.BadParameter(str(error), param_hint=f"--{error.field}") from error
    except HistoryError as error:
        raise click.ClickException(str(error)) from error
    logging.getLogger("kato_panel.watcher").setLevel(logging.ERROR)  # it would tell each event
    _serve(flags, replay=told)


@main.command(cls=_Check)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@take_settings
def check(*, as_json: bool, **flags: Any) -> None:
    """
    Say what is set, and whether everything that it names can be reached.

    Nothing is changed anywhere. Ends with 0 if all is well, with 1 if a setting is wrong, with 2
    if something cannot be reached, or is missing.
    """
    try:
        settings = config.load(flags)
        places = resolved.places(flags)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    findings = checking.check(settings)
    show = checking.as_json if as_json else checking.as_text
    click.echo(show(settings, places, findings))
    raise click.exceptions.Exit(checking.exit_code(findings))
