"""Losses: unreadable parts of a report. A loss costs the part alone, and leaves a mark.

A part is a frame's variables, a module's globals, the arguments of an exception, and so on. The
reading code catches every exception, and asks this module for a stand-in or a note.

If the stack or the memory runs out, the first attempt of a capture ends. capture() tries again with
a whole stack, and with the reserve of memory. In the second attempt RecursionError and MemoryError
cost the part, like all other errors.
"""

from __future__ import annotations

from ..core.nodes import container, items_of, kind_of, length_of, stand_in
from ..core.raw import names_of
from ..core.report import ExceptionRecord, Node, Ref, Report
from .values import Values

_WORTH_REPEATING = (RecursionError, MemoryError)


class Losses:
    """Marks the unreadable parts of a report."""

    def __init__(self, values: Values, is_repeatable: bool) -> None:
        self._values = values
        self._is_repeatable = is_repeatable
        self._notes: list[tuple[ExceptionRecord, str]] = []
        self._shared: dict[str, Ref] = {}  # text -> stand-in

    def ref(self, what: str, problem: BaseException) -> Ref:
        """A stand-in for a missing part, with the reason."""
        self.count(problem)
        text = f"<{what} not kept: reading it raised {_name_of(problem)}>"
        return self._stand_in(text, "unreadable")

    def note(self, record: ExceptionRecord, what: str, problem: BaseException) -> None:
        """Adds a note about a missing part to the exception."""
        self.count(problem)
        self.say(record, f"{what} could not be read: {_name_of(problem)}")

    def say(self, record: ExceptionRecord, text: str) -> None:
        """Adds a note of keeptrace's to an exception, after all exceptions have been read."""
        self._notes.append((record, f"keeptrace: {text}"))

    def count(self, problem: BaseException) -> None:
        """Counts an unreadable part. Raises `problem` if the capture must be repeated."""
        if self._is_repeatable and isinstance(problem, _WORTH_REPEATING):
            raise problem
        self._values.cut("unreadable")

    def out_of_room(self, what: str, reason: str) -> Ref:
        """The stand-in for a part beyond a bound."""
        return self._shared_stand_in(f"<{what} not kept, {reason} was reached>", reason)

    def cleared(self) -> Ref:
        """The stand-in for the variables of a cleared frame."""
        text = "<variables not kept: the frame was cleared before keeptrace saw it>"
        return self._shared_stand_in(text, "cleared")

    def _shared_stand_in(self, text: str, why: str) -> Ref:
        """The same stand-in for each part with this text."""
        if text not in self._shared:
            self._shared[text] = self._stand_in(text, why)
        return self._shared[text]

    def _stand_in(self, text: str, why: str) -> Ref:
        object_type = self._values.type_index(object)
        index = self._values.add(stand_in(object_type, text, why))
        return [index]

    def finish(self, report: Report) -> None:
        """Puts the notes into the report."""
        for record, text in self._notes:
            add_note(report, text, record)


def _name_of(problem: BaseException) -> str:
    _module, qualname = names_of(type(problem))
    return qualname


def add_note(report: Report, note: str, record: ExceptionRecord | None = None) -> None:
    """Adds a note of keeptrace's to an exception, by default the report's first."""
    if record is None:
        record = report["exceptions"][0]
    values = report["values"]
    length, before = _notes_of(record, values)
    values.append(container("list", length + 1, [*before, note]))
    record["notes"] = [len(values) - 1]


def _notes_of(record: ExceptionRecord, values: list[Node]) -> tuple[int, list[Ref]]:
    """The number of an exception's notes, and the kept notes."""
    notes = record.get("notes")
    if notes is None:
        return 0, []
    if type(notes) is list:
        node = values[notes[0]]
        if kind_of(node) in ("list", "tuple"):
            return length_of(node), items_of(node)
    return 1, [notes]  # any other value counts as a note
