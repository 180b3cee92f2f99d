"""Report → View: exceptions, frames, variables and source lines, as plain data for every view.

Rules:
 1. A view is made from the report alone. Nothing in the data is restored, imported or run; a local
    source file is shown only if it holds the very code of the frame.
 2. Every text in a view is printable: a character that commands a terminal or reorders the line
    appears as an escape.
 3. Nothing recurses over data without a bound. The index of a node finds cycles.
 4. make_view() checks the whole report against the layout in core/report.py, and raises DumpError.
    No later step raises DumpError.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..core.errors import DumpError
from ..core.nodes import is_hidden, what_of
from ..core.report import Ref, Report
from ..core.texts import printable, shorten
from ..format.checking import check
from ..snapshots.groups import SNAPSHOT
from .budgets import (
    MAX_LOOKED_THROUGH,
    MAX_MESSAGE,
    MAX_MESSAGES,
    MAX_NOTES,
    MAX_SHORT,
    Budget,
)
from .frames import ShownFrame, Variables
from .messages import MessageTexts, syntax_error_line
from .sources import Sources
from .values import ShownValues
from .view import ShownException, View

# A note of another type than str. (characters of its text)
_MAX_NOTE: Final = 1_000
# Files of the interpreter and of installed packages, on any machine.
_LIBRARY: Final = re.compile(
    r"^<frozen |[\\/](site|dist)-packages[\\/]|[\\/]lib(64)?[\\/]python3\.\d+t?[\\/]"
    r"|[\\/]Python3\d+[\\/]Lib[\\/]",
    re.IGNORECASE,
)
# Links that give an exception its place in the tree: each set is tried after the one before.
_LINKS: Final = frozenset({"cause", "context", "child", "threads"})
_RELATIONS: Final = (_LINKS, _LINKS | {"suppressed"}, _LINKS | {"suppressed", "held"})
_COUNTED: Final = ("exceptions", "frames", "values", "sources")
# Raised by reading a report of a wrong layout.
_DAMAGE: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)


def make_view(report: Report) -> View:
    """The view of a report.

    Raises DumpError for a report with another layout than core/report.py describes.
    """
    try:
        check(report)
        return _ReportReader(report).view()
    except _DAMAGE as problem:
        why = f"{type(problem).__name__}: {printable(str(problem))[:200]}"
        raise DumpError(f"the dump is damaged: its report cannot be read ({why})") from problem


class _ReportReader:
    """Reads a report, within the budgets of a view."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._values = ShownValues(report)
        self._texts = MessageTexts(report, self._values)
        self._frames_read = 0
        self._messages = Budget(MAX_MESSAGES)
        self._notes_left = Budget(MAX_NOTES)
        self._looked_through = Budget(MAX_LOOKED_THROUGH)
        self._tables: dict[int, Variables] = {}  # by id; tracebacks share frames

    def view(self) -> View:
        report = self._report
        exceptions = []
        for index, record in enumerate(report["exceptions"]):
            exceptions.append(self._exception(index, record))
        if not exceptions:
            raise IndexError("there is no exception in it")
        _mark_threads(exceptions)
        _link(exceptions)
        for exception, record in zip(exceptions, report["exceptions"]):
            for index in dict.fromkeys(self._held(record)):
                if index and exceptions[index].of < 0:
                    exception.links.append(("held", index))
        _link(exceptions)
        cuts = {}
        for reason, number in report["cuts"].items():
            cuts[printable(str(reason))] = int(number)
        view = View(
            exceptions,
            self._values,
            Sources(report["sources"]),
            printable(str(report["python"])),
            cuts,
            _redacted(report),
            _counts(report),
            self._variables(report.get("process", {})),
        )
        view.give_numbers()
        titles = [(each.number, each.title) for each in exceptions]
        self._values.name_exceptions(titles)
        return view

    # -- exceptions

    def _exception(self, index: int, record: Mapping[str, Any]) -> ShownException:
        text = record.get("text")
        if text is not None:
            text = printable(text, "\n\t")
        place = syntax_error_line(self._values, record["fields"])
        return ShownException(
            index,
            type=self._values.type_name(record["type"]),
            details=self._details(record),
            notes=self._notes(record),
            links=_links(record),
            frames=self._frames(index, record),
            message=self._bounded(self._texts.of(index)),
            text=text,
            place=printable(place, "\n\t"),
        )

    def _details(self, record: Mapping[str, Any]) -> Variables:
        check = self._values.check
        details = [("args", check(record["args"]))]
        for table in (record["fields"], record["attributes"]):
            for name, ref in table.items():
                details.append((printable(name), check(ref)))
        return details

    def _held(self, record: Mapping[str, Any]) -> Iterator[int]:
        """The indexes of the exceptions in arguments and attributes, and in containers there."""
        values = self._values
        args = [child.ref for child in values.children(record["args"])]
        for ref in (*args, *record["attributes"].values()):
            inside = [child.ref for child in values.children(ref)]
            if not self._looked_through.take(1 + len(inside)):
                return
            for each in (ref, *inside):
                index = values.exception_at(each)
                if index is not None:
                    yield index

    def _notes(self, record: Mapping[str, Any]) -> list[str]:
        if "notes" not in record:
            return []
        values = self._values
        ref = values.check(record["notes"])
        if values.value(ref).type not in ("list", "tuple"):
            return [values.text(ref, _MAX_NOTE)]
        children = values.children(ref)
        notes = []
        for at, child in enumerate(children):
            if not self._notes_left.take():
                notes.append(f"... {len(children) - at} more notes are not shown")
                break
            note = values.plain(child.ref) or values.text(child.ref, _MAX_NOTE)
            notes.append(self._bounded(note))
        return notes

    def _bounded(self, text: str) -> str:
        """A message or a note, shortened after the view's budget is spent."""
        most = MAX_SHORT
        if self._messages.take(len(text)):
            most = MAX_MESSAGE
        return printable(shorten(text, most), "\n\t")

    # -- frames

    def _frames(self, exception: int, record: Any) -> list[ShownFrame]:
        """The kept callers, and the traceback; outermost first."""
        frames: list[ShownFrame] = []
        for index in record.get("outer", ()):
            position = self._report["frames"][index]["at"]
            caller = self._frame(exception, index, position)
            caller.is_caller = True
            frames.append(caller)
        for index, position in record["traceback"]:
            frames.append(self._frame(exception, index, position))
        return frames

    def _frame(self, exception: int, index: int, position: Any) -> ShownFrame:
        """An entry of a traceback. index: -1 if `position` is the number of omitted frames."""
        self._frames_read += 1
        if index < 0:
            return _left_out(self._frames_read, exception, int(position))
        record = self._report["frames"][index]
        code = self._report["codes"][record["code"]]
        if len(position) != 4:
            raise ValueError("a position has four parts")
        checked = [_int_or_none(part) for part in position]
        namespace = self._report["globals"][record["globals"]]
        own = self._variables(namespace)
        used: Variables = []
        local = record["locals"]
        if local is not None:
            used = own
            own = self._variables(local)
        file = str(code["file"])
        return ShownFrame(
            number=self._frames_read,
            exception=exception,
            file=file,
            line=checked[0],
            name=str(code["name"]),
            function=printable(str(code["qualname"])),
            code_line=int(code["line"]),
            position=checked,
            locals=own,
            globals=used,
            is_module=local is None,
            is_library=bool(_LIBRARY.search(file)),
            index=index,
        )

    def _variables(self, table: dict[str, Ref]) -> Variables:
        found = self._tables.get(id(table))
        if found is None:
            found = []
            for name, ref in table.items():
                shown = printable(shorten(name, MAX_SHORT))
                found.append((shown, ref))
            self._tables[id(table)] = found
        return found


def _int_or_none(part: object) -> int | None:
    if type(part) is int:
        return part
    return None


def _left_out(number: int, exception: int, count: int) -> ShownFrame:
    return ShownFrame(
        number=number,
        exception=exception,
        file="",
        line=None,
        name="",
        function="",
        code_line=1,
        position=[None] * 4,
        locals=[],
        globals=[],
        is_module=False,
        is_library=True,
        left_out=count,
    )


def _links(record: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(relation, index) of the exceptions in a record."""
    links = []
    cause = record["cause"]
    if cause is not None:
        links.append(("cause", int(cause)))
    context = record["context"]
    if context is not None:
        relation = "context"
        if record["suppress"]:
            relation = "suppressed"
        links.append((relation, int(context)))
    for child in record.get("children", ()):
        links.append(("child", int(child)))
    return links


def _mark_threads(exceptions: list[ShownException]) -> None:
    """Links a Snapshot at the end of a chain to the root: it has the threads at the root's dump."""
    snapshots = {each.index for each in exceptions if each.type == SNAPSHOT}
    for exception in exceptions:
        for link in exception.links:
            relation, other = link
            if relation == "suppressed" and other in snapshots:
                exception.links.remove(link)
                exceptions[0].links.append(("threads", other))
                break


def _link(exceptions: list[ShownException]) -> None:
    """Gives each exception its place in the tree: below the first exception with a link to it.

    A link hidden by `from None` counts only if no other link leads to the exception, and the place
    in an argument or attribute only then.
    """
    seen = {0}
    for relations in _RELATIONS:
        waiting = deque(sorted(seen))
        while waiting:
            exception = exceptions[waiting.popleft()]
            for relation, other in exception.links:
                if not 0 <= other < len(exceptions):
                    raise IndexError(f"there is no exception {other}")
                if other not in seen and relation in relations:
                    seen.add(other)
                    below = exceptions[other]
                    below.relation = relation
                    below.of = exception.index
                    below.depth = exception.depth + 1
                    waiting.append(other)


def _redacted(report: Report) -> dict[str, int]:
    """The number of redacted values for each name."""
    counts: dict[str, int] = {}
    for node in report["values"]:
        if is_hidden(node):
            name = printable(what_of(node))
            counts[name] = counts.get(name, 0) + 1
    return counts


def _counts(report: Report) -> dict[str, int]:
    tables: Mapping[str, Any] = report
    counts = {name: len(tables[name]) for name in _COUNTED}
    counts["live bytes"] = len(report["live"] or b"")
    counts["source bytes"] = sum(len(packed) for packed in report["sources"].values())
    return counts
