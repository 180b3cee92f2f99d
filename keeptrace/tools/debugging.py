"""`keeptrace debug`: the debugger in the frames of a dump. Needs the standard library alone.

Without typer or rich, keeptrace/__main__.py calls plain_main().
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..capture.facts import chain_of
from ..core.errors import DumpError, KeepTraceError
from ..debug import DEBUGGERS, open_debugger
from ..format.api import loads, read_bytes
from ..format.reading import Dump, decode
from ..render.model import make_view
from .choosing import chosen_dump

if TYPE_CHECKING:
    from ..render.view import View

# Deeper exceptions are indented no further. (levels)
_MAX_INDENT: Final = 12
# A title in the tree. (characters)
_MAX_TITLE: Final = 200


def debug(
    given: str | None, number: int | None = None, live: bool = False, debugger: str | None = None
) -> None:
    """Opens a debugger in an exception of a dump.

    given: the user's name for the dump; see chosen_dump().
    number: the number of the exception in `keeptrace show`; None means the root cause.

    Raises KeepTraceError if the dump or the exception does not exist.
    """
    if given == "-":
        raise KeepTraceError(
            "debug cannot read the dump from standard input: the debugger reads its commands there"
        )
    file = chosen_dump(given)
    data = read_bytes(file)
    view = make_view(decoded(data, file).report)
    shown = view.root_cause
    if number is not None:
        shown = view.exception(number)
    restored = list(chain_of(loads(data, live=live)))
    exc = restored[0]
    if shown.index < len(restored):
        exc = restored[shown.index]
    if len(view.exceptions) > 1:
        _print_tree(view, shown.number)
    open_debugger(exc, restored[0], debugger)


def decoded(data: bytes, file: str) -> Dump:
    """The dump in some bytes. Raises DumpError with the name of the file and the readable facts."""
    try:
        return decode(data)
    except DumpError as problem:
        header = problem.salvaged
        sentence = f"{file}: {problem}"
        if header:
            failure = f"{header.get('type')}: {header.get('message')} at {header.get('where')}"
            sentence += f"; its header says: {failure}"
        raise DumpError(sentence, header) from None


def _print_tree(view: View, number: int) -> None:
    """Prints the exceptions of a dump, with an arrow at the exception of this number."""
    for exception in view.tree(suppressed=True):
        arrow = "  "
        if exception.number == number:
            arrow = "->"
        indent = "  " * min(exception.depth, _MAX_INDENT)
        title = exception.title.partition("\n")[0][:_MAX_TITLE]
        print(f"{arrow} [{exception.number}] {indent}{title}")


def plain_main(arguments: Sequence[str]) -> None:
    """`keeptrace debug` without typer and rich. Raises KeepTraceError, and OSError."""
    parser = argparse.ArgumentParser(
        prog="keeptrace debug", description="Open the debugger in the frames of a dump."
    )
    parser.add_argument("file", nargs="?", help="default: the newest dump of keeptrace-dumps")
    parser.add_argument("-e", "--exception", type=int, metavar="N", help="default: the root cause")
    parser.add_argument("--debugger", choices=[*DEBUGGERS])
    parser.add_argument(
        "--live", action="store_true", help="run code that the dump names: only if you trust it"
    )
    given = parser.parse_args(arguments)
    debug(given.file, given.exception, given.live, given.debugger)
