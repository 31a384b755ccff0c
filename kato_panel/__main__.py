"""``python -m kato_panel`` is ``kato-panel``."""

from kato_panel.cli import main

main(prog_name="kato-panel")
