"""
What a notebook's cell showed, dropped when the cell is run again.

The notebook's page would have to say that an output is gone. Panel's extension for JupyterLab
means to, but never opens its channel (pyviz_comms 3.0.6), so Panel would keep each view for ever,
and the view would follow its models.
"""

import sys
from typing import Any, Final

import panel as pn

_roots_of_cells: Final[dict[str, list[str]]] = {}
_shells: Final[list[Any]] = []


def drop_on_rerun(root: Any) -> None:
    """
    Let Panel drop a root model when the cell that is running now is run again.

    Does nothing outside of a kernel, and where the notebook does not name its cells.

    Parameters
    ----------
    root
        The Bokeh model that the cell is about to show.
    """
    ipython = sys.modules.get("IPython")  # who has not loaded it runs no cell
    shell = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    parent = kernel.get_parent() if kernel else {}
    cell = parent.get("metadata", {}).get("cellId")
    if cell is None:
        return
    if shell not in _shells:
        shell.events.register("pre_run_cell", _drop)
        _shells.append(shell)
    roots = _roots_of_cells.setdefault(cell, [])
    if root.ref["id"] not in roots:
        roots.append(root.ref["id"])


def _drop(info: Any) -> None:
    """Do what Panel does when a notebook's page says that these outputs are gone."""
    for root in _roots_of_cells.pop(info.cell_id, ()):
        pn.extension._process_comm_msg({"event_type": "delete", "id": root})  # noqa: SLF001 - no public way
