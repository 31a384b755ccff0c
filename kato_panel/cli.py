"""``kato-panel``: the command line."""

import logging
from typing import Any

import click

from kato_panel import config
from kato_panel.errors import ConfigError
from kato_panel.runtime import Runtime


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kato-panel")
def main() -> None:
    """Show the sessions of a KATO service, live."""


@main.command()
@click.option("--kato-url", "KATO_API_URL", help="Where KATO answers; without it, a demo.")
@click.option("--host", "KATO_PANEL_HOST", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", "KATO_PANEL_PORT", help="Port to listen on, 0 for any.  [default: 5006]")
def serve(**flags: Any) -> None:
    """Serve the dashboard and the HTTP API; flags win over the environment."""
    # Panel takes its time to import; `--help` and a wrong setting should not wait for it.
    from kato_panel.server.service import Service  # noqa: PLC0415
    from kato_panel.views.dashboard import page  # noqa: PLC0415

    try:
        settings = config.load(flags)
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        for chatty in ("httpx", "httpcore", "websockets", "bokeh", "tornado.access"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        service = Service(Runtime(settings), page)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"KATO sessions at {service.url}")
    service.run()
