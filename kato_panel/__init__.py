"""The live truth about KATO's sessions; importing it loads no view."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kato_panel.monitor import Monitor

__all__ = ["Monitor"]


def __getattr__(name: str) -> Any:
    # The simulator and the command line are parts of this package too, and need no data frames.
    if name == "Monitor":
        from kato_panel.monitor import Monitor  # noqa: PLC0415

        return Monitor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
