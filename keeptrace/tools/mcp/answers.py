"""The answers of the tools. Each public method is a tool; assistants read its docstring."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from ...core.errors import OptionError
from ...core.texts import printable, shorten
from ...format.api import read_bytes
from ...format.reading import Dump
from ...redact.redactor import Redactor
from ...render.brief import LEAST, brief_text
from ...render.data import label
from ...render.diff import compare, lines
from ...render.lookup import lookup
from ...render.model import make_view
from ...render.site import Seen
from ...render.view import View
from ...render.wording import repeats_text, time_text
from ..about import rows_of
from ..debugging import decoded
from ..listing import failures_in
from ..logs import Repeated, counted, read
from ..repro import repro_text
from .inside import Inside

# (characters of an answer)
_BUDGET: Final = 4_000
_MOST: Final = 100_000
# Within a budget: the least room for a line, and the room for the count of the omitted rows.
# (characters)
_LINE: Final = 300
_REST: Final = 60
# Reading more tracebacks of a log takes minutes. (tracebacks)
_MOST_TRACEBACKS: Final = 10_000
# The budget is divided among at most this many failures of a log. (failures)
_MOST_SHOWN: Final = 10


class Answers:
    """The tools, for the dumps of one directory."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def list(self, containing: str = "", budget: int = _BUDGET) -> str:
        """The failures in the directory, the newest first: name of the newest dump, how often,
        when, exception, message, place; and the names of other files, such as logs.

        containing: only failures with this text in type, message, place or host.
        budget: characters of the answer.
        """
        failures = failures_in(self._inside.path)
        failures.sort(key=lambda failure: failure.last, reverse=True)
        rows: list[str] = []
        dumps: set[str] = set()
        for failure in failures:
            names = _names_of(failure, self._inside)
            dumps.update(names)
            described = _described(failure)
            if names and containing in described:
                newest = names[-1]
                rows.append(f"{newest}  {_times(failure)}  {described}")
        for name in self._inside.names():
            if name not in dumps and containing in name:
                rows.append(f"other file: {name}")
        return _within(rows, budget) or "there is no failure in the directory"

    def show(self, file: str, budget: int = _BUDGET) -> str:
        """A dump: exceptions, frames with the failing line and variables; the most telling first.

        file: the dump's name, as in list. budget: characters of the answer.
        """
        return brief_text(self._view(file), _checked(budget))

    def about(self, file: str, budget: int = _BUDGET) -> str:
        """Facts of a dump: time, place, process, versions, context and cuts.

        file: the dump's name. budget: characters of the answer.
        """
        dump = self._dump(file)
        view = make_view(dump.report)
        return _within(rows_of(dump.header, view), budget)

    def expand(
        self, file: str, frame: int, path: str, start: int = 0, budget: int = _BUDGET
    ) -> str:
        """A kept value and its parts. Nothing runs: the path consists of names, attributes and
        constant subscripts, such as order.lines[0]['price'].

        file: the dump's name. frame: the number N of the frame #N in show. path: the value.
        start: the first part, to read on. budget: characters of the answer.
        """
        view = self._view(file)
        values = view.values
        ref = lookup(values, view.frame(frame), path)
        value = values.value(ref)
        kind = value.type
        if value.length is not None:
            kind += f", length {value.length}"
        whole = values.text(ref, _checked(budget) // 2)
        rows = [f"{path} = {whole}  ({kind})"]
        for part in values.children(ref)[start:]:
            name = label(values, part)
            text = values.text(part.ref, _LINE)
            rows.append(f"  {name} = {text}")
        if value.missing:
            rows.append(f"  {value.missing} of {value.length} were not kept")
        return _within(rows, budget)

    def diff(self, first: str, second: str, budget: int = _BUDGET) -> str:
        """The differences between two dumps: facts, exceptions, path, variables of each function.

        first, second: the names of the dumps. budget: characters of the answer.
        """
        before = self._dump(first)
        after = self._dump(second)
        views = (make_view(before.report), make_view(after.report))
        sections = compare(*views, (before.header, after.header))
        rows = lines(sections, _LINE)
        return _within(rows, budget) or "nothing differs"

    def find_in_log(self, file: str, containing: str = "", budget: int = _BUDGET) -> str:
        """The tracebacks in a text log, with lines and times. Equal tracebacks appear once.

        file: the name of the log, plain or gzipped. containing: only tracebacks of exceptions with
        this text in type or message. budget: characters of the answer. Secrets are hidden.
        """
        most = _checked(budget)
        redactor = Redactor()
        found: list[tuple[Repeated, View]] = []
        for group in self._groups_in(file):
            report = group.first.report
            redactor.report(report)
            view = make_view(report)
            if _mentions(view, containing):
                found.append((group, view))
        shares = min(max(len(found), 1), _MOST_SHOWN)
        each = max(most // shares - _LINE, LEAST)
        texts: list[str] = []
        for group, view in found[: most // LEAST]:
            text = redactor.text(brief_text(view, each))
            head = _group_line(group)
            texts.append(f"{head}\n{text}")
        return _within(texts, budget) or "there is no such traceback in the log"

    def _groups_in(self, file: str) -> Iterable[Repeated]:
        """The tracebacks in a log, equal ones together."""
        self._inside.open(file).close()  # refuses a file outside the directory
        tracebacks = read([self._inside.real(file)])
        return counted(islice(tracebacks, _MOST_TRACEBACKS))

    def repro(self, file: str, frame: int | None = None, budget: int = 4 * _BUDGET) -> str:
        """The text of a pytest file that repeats the failing call with its arguments. No file is
        written, and nothing runs.

        file: the dump's name. frame: the number of the frame whose call is repeated; default: the
        innermost frame of the program's own code. budget: characters of the answer.
        """
        path = self._inside.real(file)
        report = self._dump(file).report
        view = make_view(report)
        text = repro_text(report, view, dump=path, number=frame, live=False)
        return _within(text.split("\n"), budget)

    def _dump(self, file: str) -> Dump:
        with self._inside.open(file) as opened:
            return decoded(read_bytes(opened), file)

    def _view(self, file: str) -> View:
        return make_view(self._dump(file).report)


def _mentions(view: View, containing: str) -> bool:
    """Whether the type or the message of an exception contains a text."""
    return any(containing in exception.title for exception in view.exceptions)


def _group_line(group: Repeated) -> str:
    """How often a traceback is in a log, and where."""
    first, last = group.first, group.last
    return (
        f"--- {group.times} times, first in line {first.line} {first.time}, "
        f"last in line {last.line} {last.time}"
    )


def _names_of(failure: Seen, inside: Inside) -> list[str]:
    """The names of the dumps of a failure, without dumps outside the directory."""
    names = [inside.name_of(path) for path, _ in failure.dumps]
    return [name for name in names if name is not None]


def _described(failure: Seen) -> str:
    return f"{failure.type}: {failure.message}  {failure.where}  {failure.host}"


def _times(failure: Seen) -> str:
    """How often the failure was seen, and when last."""
    count = repeats_text(failure.count, failure.at_least)
    return f"{count}x  {time_text(failure.last)}"


def _checked(budget: int) -> int:
    if not LEAST <= budget <= _MOST:
        raise OptionError(f"a budget is {LEAST} to {_MOST:,} characters, not {budget}")
    return budget


def _within(rows: Iterable[str], budget: int) -> str:
    """As many rows as the budget allows, and the count of the others. Only the first is cut."""
    left = _checked(budget) - _REST
    texts = [printable(row, "\n") for row in rows]
    texts[:1] = [shorten(text, left) for text in texts[:1]]
    told: list[str] = []
    for text in texts:
        left -= len(text) + 1
        if left < 0:
            more = len(texts) - len(told)
            told.append(f"... {more} more: a larger budget shows them")
            break
        told.append(text)
    return "\n".join(told)
