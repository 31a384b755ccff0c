from kato_panel.views.dashboard import page

page().servable()
