"""Secrets must not travel in what is written to a file.

In: a report, a text, a source. Out: the same without secrets, with a mark in the place of each.
A secret is known by its name (names.py, words.py), by its shape (shapes.py), or because it was
found under a name elsewhere (secrets.py). judging.py and report.py walk a report; pairs.py,
commands.py, sql.py and sources.py read texts. The room imports keeptrace.core.report and
keeptrace.core.errors.

Hiding what explains a failure is a fault like a leak: when in doubt about a value under a name that
nothing else has, it is hidden; when in doubt about any other text, it is not.
"""
