"""
What a notebook's cell showed, dropped when the cell is run again.

The notebook's page would have to say that an output is gone. Panel's extension for JupyterLab
means to, but never opens its channel (pyviz_comms 3.0.6): the kernel would keep each view for
ever, and each view would follow its models.
"""

# ruff: noqa: SLF001 - Panel has no public way to do this

import sys
from typing import Any, Final

_followed: Final[list[Any]] = []
"""Shells whose cells are followed; a process has one at most."""


def drop_what_cells_showed() -> None:
    """
    From now on, let Panel drop what a cell shows when that cell is run again.

    Does nothing outside of a notebook's kernel. Loads nothing: who shows something with Panel has
    loaded it.
    """
    ipython: Any = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    if hasattr(shell, "kernel") and shell not in _followed:
        _followed.append(shell)
        cells = _Cells()
        shell.events.register("pre_run_cell", cells.begin)
        shell.events.register("post_run_cell", cells.end)


class _Cells:
    """Which cell showed which of Panel's roots; a notebook that names no cells shows none."""

    def __init__(self) -> None:
        self._roots: dict[str, set[str]] = {}
        self._before = _shown()

    def begin(self, info: Any) -> None:
        """Do what Panel does when the page tells it that an output is gone."""
        for root in self._roots.pop(info.cell_id, ()):
            _drop(root)
        self._before = _shown()

    def end(self, result: Any) -> None:
        """Note what the cell showed."""
        cell = result.info.cell_id
        if cell is not None:
            self._roots[cell] = _shown() - self._before


def _drop(root: str) -> None:
    panel = sys.modules["panel"]
    state = panel.state
    if root in state._views:
        comms = state._views[root][0]._comms.get(root, ())
        panel.extension._process_comm_msg({"event_type": "delete", "id": root})
        # They are closed now, but listed for ever, and each holds what it was to change.
        for comm in comms:
            state._comm_manager._comms.pop(comm.id, None)
            if hasattr(comm, "manager"):
                comm.manager.targets.pop(comm.id, None)


def _shown() -> set[str]:
    panel = sys.modules.get("panel")
    return set(panel.state._views) if panel else set()
