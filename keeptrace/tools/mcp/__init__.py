"""A directory of dumps for assistants: `keeptrace mcp DIR`, by the Model Context Protocol.

In: requests on standard input. Out: texts of a bounded size on standard output.

    server.py     the protocol, by its official SDK (extra "mcp"): the table of tools
      └▶ answers.py    a method for each tool: list, show, about, expand, diff, find_in_log, repro
           └▶ inside.py     opens files of the directory, and nothing else

Rules:
 1. No code from a dump runs, and no file is written: `repro` returns the text of a test.
 2. A name leads to a regular file below the directory, also through links, or is refused.
 3. Every answer has at most `budget` characters, and counts the omitted parts.
 4. An error of ours becomes an error of the tool, with the sentence of the command line.
"""
