"""Views of a report: model.py says what is shown; terminal.py, html.py and data.py say how."""
