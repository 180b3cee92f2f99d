"""Secrets must not travel in files.

In: a report, a text, a source. Out: the same without secrets, each replaced by a mark. A secret is
known by its name (names.py, words.py), by its shape (shapes.py, patterns.py), or because the same
text stands under a secret name elsewhere (secrets.py). walk.py and report.py walk a report;
pairs.py, rows.py, places.py, hosts.py, commands.py, manifests.py, sql.py and sources.py read
texts. The room imports keeptrace.core alone.

Hiding the explanation of a failure is a fault, as a leak is. In doubt, a value under a name that
means nothing else is hidden; any other text is not.
"""
