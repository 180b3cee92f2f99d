"""One module for each tool whose tracebacks are read.

In: the lines of a tool's traceback, one by one. Out: lines of the grammar in textlog/__init__.py.
lines.py says what a translator must have; formats.py lists all of them. The folder imports
grammar.py.
"""
