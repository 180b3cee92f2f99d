"""A directory of dumps for assistants: `keeptrace mcp DIR`, by the Model Context Protocol.

In: requests on standard input. Out: texts of a bounded size on standard output.

    server.py     the protocol, by its official SDK (extra "mcp"): the table of tools
      └▶ answers.py    one method a tool: list, show, about, expand, diff, find_in_log, repro
           └▶ inside.py     opens files of the directory, and nothing else

Rules:
 1. Nothing runs that came in a dump, and nothing is written: `repro` gives the text of a test.
 2. A name leads to a regular file below the directory, also through links, or is refused.
 3. Every answer has at most `budget` characters, and says what is left out.
 4. An error of ours becomes an error of the tool, with the sentence that the command line prints.
"""
