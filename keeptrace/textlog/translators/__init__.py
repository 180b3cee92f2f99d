"""A module for each tool with its own format of tracebacks.

In: the lines of a tool's traceback, one by one. Out: lines of the grammar in textlog/__init__.py.
lines.py has the interface of translators; formats.py lists them. The folder imports grammar.py and
escaped.py.
"""
