"""What the tools answer. Each public method is a tool: its docstring is what assistants read."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from ...core.errors import OptionError
from ...core.texts import printable, shorten
from ...format.api import read_bytes
from ...format.reading import Dump
from ...render.brief import LEAST, brief_text
from ...render.data import label
from ...render.diff import compare, lines
from ...render.lookup import lookup
from ...render.model import make_view
from ...render.view import View
from ...render.wording import time_text
from ..about import rows_of
from ..debugging import decoded
from ..listing import failures_in
from ..logs import counted, read
from ..repro import repro_text
from .inside import Inside

# (characters of an answer)
_BUDGET: Final = 4_000
_MOST: Final = 100_000
# A budget pays for at least so many characters of a line, and for the count of what is left out.
_LINE: Final = 300
_REST: Final = 60
# More tracebacks of a log take minutes to read. (tracebacks)
_MOST_TRACEBACKS: Final = 10_000
# Failures of a log that share a budget. (failures)
_MOST_SHOWN: Final = 10


class Answers:
    """The tools, for the dumps of one directory."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def list(self, containing: str = "", budget: int = _BUDGET) -> str:
        """The failures in the directory, the newest first: name of the newest dump, how often, when,
        exception, message, place; and the names of other files, such as logs.

        containing: only failures with this text in type, message, place or host.
        budget: characters of the answer.
        """
        seen = sorted(failures_in(self._inside.path), key=lambda each: each.last, reverse=True)
        rows: list[str] = []
        dumps: set[str] = set()
        for each in seen:
            names = [self._inside.name_of(path) for path, _ in each.dumps]
            kept = [name for name in names if name is not None]
            dumps.update(kept)
            told = f"{each.type}: {each.message}  {each.where}  {each.host}"
            if kept and containing in told:
                count = f"{each.count}{'+' if each.at_least else ''}x"
                rows.append(f"{kept[-1]}  {count}  {time_text(each.last)}  {told}")
        others = [name for name in self._inside.names() if name not in dumps]
        rows += [f"other file: {name}" for name in others if containing in name]
        return _within(rows, budget) or "there is no failure in the directory"

    def show(self, file: str, budget: int = _BUDGET) -> str:
        """A dump: exceptions, frames with the failing line and variables; the most telling first.

        file: its name, as list gives it. budget: characters of the answer.
        """
        return brief_text(self._view(file), _checked(budget))

    def about(self, file: str, budget: int = _BUDGET) -> str:
        """Facts of a dump: when, where, by which process and versions, context, what was cut.

        file: its name. budget: characters of the answer.
        """
        dump = self._dump(file)
        return _within(rows_of(dump.header, make_view(dump.report)), budget)

    def expand(
        self, file: str, frame: int, path: str, start: int = 0, budget: int = _BUDGET
    ) -> str:
        """One kept value and its parts. Nothing runs: the path is names, attributes and constant
        subscripts, such as order.lines[0]['price'].

        file: the dump's name. frame: the number N of the frame #N that show gives. path: the value.
        start: the first part, to read on. budget: characters of the answer.
        """
        view = self._view(file)
        values = view.values
        ref = lookup(values, view.frame(frame), path)
        value = values.value(ref)
        length = "" if value.length is None else f", length {value.length}"
        rows = [f"{path} = {values.text(ref, _checked(budget) // 2)}  ({value.type}{length})"]
        parts = values.children(ref)
        rows += [
            f"  {label(values, part)} = {values.text(part.ref, _LINE)}" for part in parts[start:]
        ]
        if value.missing:
            rows.append(f"  {value.missing} of {value.length} were not kept")
        return _within(rows, budget)

    def diff(self, first: str, second: str, budget: int = _BUDGET) -> str:
        """What differs between two dumps: facts, exceptions, path, and variables of each function.

        first, second: their names. budget: characters of the answer.
        """
        before, after = self._dump(first), self._dump(second)
        sections = compare(
            make_view(before.report), make_view(after.report), (before.header, after.header)
        )
        return _within(lines(sections, _LINE), budget) or "nothing differs"

    def find_in_log(self, file: str, containing: str = "", budget: int = _BUDGET) -> str:
        """The tracebacks in a text log, equal ones counted, with lines and times.

        file: the log's name; it may be gzipped. containing: only tracebacks whose exceptions have
        this text in type or message. budget: characters of the answer.
        """
        self._inside.open(file).close()
        tracebacks = islice(read([self._inside.real(file)]), _MOST_TRACEBACKS)
        groups = [(group, make_view(group.first.report)) for group in counted(tracebacks)]
        found = [
            (group, view)
            for group, view in groups
            if any(containing in exception.title for exception in view.exceptions)
        ]
        each = max(_checked(budget) // min(len(found) or 1, _MOST_SHOWN) - _LINE, LEAST)
        texts = [
            f"--- {group.times} times, first in line {group.first.line} {group.first.time}, "
            f"last in line {group.last.line} {group.last.time}\n{brief_text(view, each)}"
            for group, view in found[: _checked(budget) // LEAST]
        ]
        return _within(texts, budget) or "there is no such traceback in the log"

    def repro(self, file: str, frame: int | None = None, budget: int = 4 * _BUDGET) -> str:
        """The text of a pytest file that repeats the failing call with its arguments. It is not
        written and not run.

        file: the dump's name. frame: the number of the frame whose call is repeated; default the
        innermost of the program's own. budget: characters of the answer.
        """
        path = self._inside.real(file)
        report = self._dump(file).report
        text = repro_text(report, make_view(report), dump=path, number=frame, live=False)
        return _within(text.split("\n"), budget)

    def _dump(self, file: str) -> Dump:
        with self._inside.open(file) as opened:
            return decoded(read_bytes(opened), file)

    def _view(self, file: str) -> View:
        return make_view(self._dump(file).report)


def _checked(budget: int) -> int:
    if not LEAST <= budget <= _MOST:
        raise OptionError(f"a budget is {LEAST} to {_MOST:,} characters, not {budget}")
    return budget


def _within(rows: Iterable[Any], budget: int) -> str:
    """The rows that fit, and how many do not."""
    left = _checked(budget) - _REST
    told: list[str] = []
    waiting = [printable(str(row), "\n") for row in rows]
    while waiting:
        row = waiting[0] if told else shorten(waiting[0], left)
        left -= len(row) + 1
        if left < 0:
            told.append(f"... {len(waiting)} more: a larger budget shows them")
            break
        told.append(row)
        del waiting[0]
    return "\n".join(told)
