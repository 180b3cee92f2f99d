"""The tables of textlog/: what ends a message, and the members of records, each with a neighbour."""

from __future__ import annotations

import json

import pytest

from keeptrace import parse_tracebacks
from keeptrace.textlog.decode import LINE_MEMBERS
from keeptrace.textlog.grammar import ENDS, RECORDS

T = """Traceback (most recent call last):
  File "/srv/pizza/oven.py", line 7, in bake
    heat(wood)
ValueError: cold oven
"""
# A line behind a traceback -> a line that looks like it and belongs to the message.
BEHIND = {
    "2026-01-05 12:00:00 done": "2026 was a good year",
    "12:00:00 done": "12 pizzas",
    "[INFO] done": "[info] is in lower case",
    "(INFO) done": "(info) is in lower case",
    "Jan  5 12:00:00 host app: done": "Jan was here",
    "Mon Jan  5 12:00:00 2026 done": "Mon and Tue",
    "<11>1 done": "<oven> is cold",
    "E0105 12:00:00.1 done": "E0105 is an error",
    "1762128000.5 done": "1762 degrees",
    '{"level": "info"}': "{level}",
    "level=info msg=done": "level of wood is low",
    '10.0.0.1 - - [05/Jan/2026:12:00:00 +0000] "GET / HTTP/1.1" 500 1': "10.0.0.1 is the oven",
    'example.org 10.0.0.1 - [05/Jan/2026:12:00:00 +0000] "GET /"': "example.org is down",
    '[05/Jan/2026 12:00:00] "GET / HTTP/1.1" 500 145': "[05/Jan] is a day",
    "[pid: 12|app: 0] 10.0.0.1": "[pid of the oven]",
    " 20%|##        | 2/10 [00:01<00:09,  1.0it/s]": "20% | of wood",
    "--- Logging error ---": "--- wood ---",
    "Call stack:": "Call the cook",
    "##[error]Process completed": "## of wood",
    "section_end:1762128000:step": "section of wood",
    "```": "``wood``",
    "\tat org.apache.spark.Oven.heat(Oven.scala:5)": "  at the oven",
    "Caused by: java.lang.RuntimeException": "Caused by the cook",
    "=========================== short test summary": "== wood ==",
    "</pre>": "<pre is open",
    "END RequestId: a1": "END of wood",
    "XRAY TraceId: 1-a": "XRAY of wood",
    "FAILED tests/test_oven.py::test_heat - ValueError": "FAILED to heat",
    "1 failed, 2 passed in 0.03s": "1 failed oven",
    "Ran 3 tests in 0.001s": "Ran out of wood",
    "oven.py:4: UnexpectedException": "oven.py:4: the oven is cold",
    "----------------------------------------": "--------------------",
    "script returned exit code 1": "exit of the oven",
    'The command "bake" exited with 1.': "The cook exited with wood",
    "py313: exit 1 (0.12 seconds) /srv> bake": "oven: exit",
    "nox > Session bake failed.": "nox is no oven",
    "[end of output]": "[end of the day]",
    "/srv/oven.py:4: RuntimeWarning: cold": "/srv/oven.py:4: the oven",
    "Task exception was never retrieved": "Task exception of the cook",
    "Exception in thread Thread-1 (bake):": "Exception of the oven",
    "At line:1 char:1": "At line one",
    "    at new_oven (oven.js:10:1)": "    at the oven",
    "[/code]": "[code/wood]",
    "----": "---",
    "Request information:": "Request of information:",
    "Uncaught exception. Entering post mortem debugging": "Uncaught dough",
    "pizza-1 exited with code 1": "the cook exited",
    "Process finished with exit code 1": "Process of heating",
    "npm ERR! code 1": "npm is no oven",
    "make: *** [Makefile:3: run] Error 1": "make: more wood",
    "Exception ignored in: <function f>": "Exception of the rule",
    "srun: error: node1: task 0": "srun is a word",
    "wandb: Run finished": "wandb or wood",
    "pizza.service: Main process exited": "pizza.service is late",
    "(venv) bob@host:~$ ls": "bob@host is the cook",
    "$ python oven.py": "$5 of wood",
    ">>> heat()": ">> wood",
    "(Pdb) q": "(Pdb is here)",
    "> /srv/oven.py(7)bake()": "> of the oven",
    "===== 1 failed =====": "=== wood",
    " * Debugger is active!": " * wood",
    "INFO     done": "INFORMATION on wood",
    "</code>": "<code is open",
    "]]></failure>": "]] of wood",
    "</system-err></testcase>": "</oven>",
    "The command '/bin/sh -c bake' returned a non-zero code: 1": "The command 'bake' is no code",
    'fatal: [oven1]: FAILED! => {"changed": false}': "fatal: wood",
    "Script done on 2026-01-05": "Scripts of the cook",
}  # fmt: skip


@pytest.mark.parametrize("line", BEHIND)
def test_what_ends_a_message(line: str) -> None:
    """A line of a logger, a shell or a tool is not of the message; a line that only looks so is."""
    (found,) = [exc for _, exc, _ in parse_tracebacks(f"{T}{line}\n")]
    assert str(found) == "cold oven"
    neighbour = BEHIND[line]
    (found,) = [exc for _, exc, _ in parse_tracebacks(f"{T}{neighbour}\n")]
    assert str(found) == f"cold oven\n{neighbour}"


def test_each_pattern_has_an_example() -> None:
    """A pattern that is added to a table needs a line here."""
    for pattern in (*RECORDS, *ENDS):
        assert any(pattern.match(line) for line in BEHIND), pattern.pattern


@pytest.mark.parametrize("member", LINE_MEMBERS)
def test_a_member_with_the_line(member: str) -> None:
    """Records with a line each under this member are read; under another name they are not."""
    text = "".join(json.dumps({"level": "error", member: line}) + "\n" for line in T.splitlines())
    assert [str(exc) for _, exc, _ in parse_tracebacks(text)] == ["cold oven"]
    assert not list(parse_tracebacks(text.replace(f'"{member}"', '"colour"')))
