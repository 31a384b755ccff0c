"""The dashboard, for ``panel serve app.py``."""

from kato_panel.views.dashboard import page

page().servable()
