"""The command line: ``python -m kato_panel.simulator``."""

import asyncio
import contextlib
import math
import signal
from pathlib import Path
from typing import Any

import click

from .server import Options, Simulator
from .session import KeysAwayError
from .store import StateFileError


class FiniteRange(click.FloatRange):
    """A range of numbers; click's own lets NaN through, which compares with nothing."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read one value."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return float(number)


@click.command(context_settings={"show_default": True})
@click.option("--host", default="127.0.0.1", help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0 picks a free one.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, help="Upstream's worker processes."
)
@click.option("--seed", type=int, default=1, help="Same seed, same churn.")
@click.option(
    "--rate",
    type=FiniteRange(0, 1000),
    default=2.0,
    help="Mean creates per second at speed 1; 0 stands still until somebody calls.",
)
@click.option(
    "--speed",
    type=FiniteRange(0.01, 10_000),
    default=1.0,
    help="Factor on arrivals, lifetimes, TTLs and the daily wave.",
)
@click.option(
    "--initial", type=click.IntRange(0, 100_000), default=0, help="Sessions alive at the start."
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="File in which the sessions survive a restart.",
)
@click.option(
    "--redis",
    "redis_url",
    default=None,
    help="URL of a Redis in which the sessions live, as KATO's do.",
)
@click.option(
    "--engine",
    "engine_port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Port of a container engine with upstream's four containers; 0 picks a free one.",
)
def main(**given: Any) -> None:
    """Simulate a KATO service over real HTTP and WebSocket."""
    options = Options(**given)
    try:
        asyncio.run(serve(options))
    except (KeysAwayError, StateFileError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        reason = error.strerror or error
        raise click.ClickException(
            f"cannot listen at {options.host}:{options.port}: {reason}"
        ) from error


async def serve(options: Options) -> None:
    """Run until SIGINT or SIGTERM."""
    simulator = Simulator(options)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows ends the process by itself
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def tell() -> None:
        engine = f", its engine at {simulator.engine_host}" if simulator.engine_host else ""
        click.echo(f"simulator listening at {simulator.url}{engine}")

    await simulator.serve(tell, stop)


if __name__ == "__main__":
    main(prog_name="python -m kato_panel.simulator")
