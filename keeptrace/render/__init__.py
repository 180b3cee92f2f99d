"""Views of a report, for people and programs.

In: a report. Out: text for a terminal, an HTML page, plain data.

    report ─▶ model.py ─▶ View (view.py) ─▶ terminal.py, html.py, data.py

node_table.py, nodes.py and values.py show values, sources.py and places.py source lines,
messages.py the messages of exceptions; wording.py has shared sentences; budgets.py bounds the cost
of a view.
No code in the report runs. The room imports core, restore, and format for the check.
"""
