"""Views of a report, for people and programs.

In: a report. Out: text for a terminal, an HTML page, plain data. model.py says what is shown, terminal.py, html.py and
data.py say how; budgets.py bounds what a view may cost. Nothing of the report is run. The room imports core, restore,
and format for the check.
"""
