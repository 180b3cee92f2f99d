"""Ways to look at exceptions and dumps: the command line, the debug adapter, `keeptrace run`.

In: files and commands. Out: text, reports, debuggers. cli/ has the commands, dap/ the server for
editors, mcp/ the server for assistants, repro/ makes tests; run.py and startup/ start programs,
logs.py reads tracebacks in text logs. Only __main__.py imports this room; the room may import every
other room.
"""
