"""What people and their tools open: the command line, the debug adapter, `keeptrace run`.

In: files and commands. Out: text, reports, debuggers. Nothing imports this room but the ways in
(__main__.py, pytest_plugin.py); it imports every other one.
"""
