"""Runs the Python blocks of a page, in order: `python tests/page_runner.py docs/recipes.md`, in an
empty directory.

A block sees what the blocks before it have made, but not what they have imported: a reader who
copies one block has to find its imports in it. What a page takes as given, the reader's own
program, stands in PRELUDES.
"""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class ExampleFailed(Exception):
    """What the reader's program raises in the examples. A block may end with it, as it does where
    it says `raise`.
    """


PRELUDES = {
    "README.md": "def serve(request): raise ExampleFailed('a failure')\nrequest = object()",
    "docs/pools.md": """
import concurrent.futures, types
class PythonException(Exception): pass
def udf(function): return lambda column: column
spark = types.SimpleNamespace(range=lambda size: spark, select=lambda column: spark, collect=lambda: None)
dataset = types.SimpleNamespace(map=lambda function, num_proc: None)
some_pool = concurrent.futures.ThreadPoolExecutor(1)
paths = ["orders.csv"]
exc = ExampleFailed('a failure')
""",
    "docs/recipes.md": """
import logging, types
with open("service.log", "w") as log:
    log.write('Traceback (most recent call last):\\n  File "shop.py", line 3, in price\\n    int("two")\\nValueError: no number\\n')
def handle(request): raise ExampleFailed('a failure')
def some_bad_code(): raise ExampleFailed('a failure')
request = types.SimpleNamespace(id=4711)
""",
    "docs/hooks.md": """
def application(environ, start_response): ...
app = application
""",
    "docs/secrets.md": "",
}
for name, prelude in PRELUDES.items():
    PRELUDES[name] = "from __main__ import ExampleFailed\n" + prelude


class Block(NamedTuple):
    """One fenced block of a page, with the output block that follows at once, if there is one."""

    line: int
    code: str
    output: str | None

    @property
    def is_program(self) -> bool:
        """Whether the block is a file of its own: workers import it, or it says its name."""
        return "__main__" in self.code or re.match(r"# \w+\.py", self.code) is not None

    @property
    def imports(self) -> set[str]:
        """The top-level modules that the block imports."""
        found = set()
        for node in ast.walk(ast.parse(self.code)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
        return found

    @property
    def imported_names(self) -> set[str]:
        """The names that its import statements bind."""
        nodes = (
            node
            for node in ast.walk(ast.parse(self.code))
            if isinstance(node, (ast.Import, ast.ImportFrom))
        )
        return {
            (alias.asname or alias.name).partition(".")[0] for node in nodes for alias in node.names
        }


def blocks(text: str) -> Iterator[Block]:
    """The Python blocks of a page."""
    for found in re.finditer(r"^```python\n(.*?)^```$(?:\n\n```\n(.*?)^```$)?", text, re.S | re.M):
        yield Block(text.count("\n", 0, found.start(1)), found[1], found[2])


def run(name: str, text: str) -> None:
    """Runs the blocks that are no programs of their own. What one raises goes on, with the line of
    the page.
    """
    kept: dict[str, object] = {}
    exec(PRELUDES.get(name, ""), kept)
    kept.pop("__builtins__", None)
    for block in blocks(text):
        if block.is_program:
            continue
        module = types.ModuleType("__main__")
        module.__dict__.update(kept)
        here = block.code.replace("/var/dumps", ".")  # the directory of the examples
        code = compile("\n" * block.line + here, name, "exec")
        try:
            exec(code, module.__dict__)
        except ExampleFailed:
            assert re.search(r"^\s*raise$", block.code, re.M), (
                f"line {block.line}: nothing says that this block raises"
            )
        kept = {
            key: value
            for key, value in vars(module).items()
            if key not in block.imported_names and not key.startswith("__")
        }


if __name__ == "__main__":
    run(sys.argv[1], (Path(__file__).parent.parent / sys.argv[1]).read_text(encoding="utf-8"))
