"""The differences between two dumps of a failure, or between a failing and a passing call.

facts (Python, host, place) · the exceptions · the path of functions · the variables of each
function on both paths, from the innermost outwards
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final

from ..core.texts import printable, shorten
from .frames import ShownFrame, Variables
from .leaves import leaves
from .view import ShownException, View
from .wording import process_rows

# The facts of a header to compare. Other facts differ between any two dumps.
_FACTS: Final = ("python", "platform", "where", "fingerprint")
_ALWAYS_DIFFER: Final = ("uptime", "memory")
ABSENT: Final = "(absent)"


@dataclass(frozen=True, slots=True)
class Change:
    """A value in the first dump and in the second."""

    name: str
    first: str
    second: str


@dataclass(slots=True)
class Section:
    """Changes under a heading; empty if nothing differs."""

    title: str
    changes: list[Change] = field(default_factory=list)


def compare(
    first: View, second: View, headers: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> list[Section]:
    """The sections with changes, in reading order."""
    first_header, second_header = headers
    first_facts = _facts_of(first, first_header)
    second_facts = _facts_of(second, second_header)
    ours = first.root_cause
    theirs = second.root_cause
    sections = [
        Section("facts", list(_changes(first_facts, second_facts))),
        Section("exceptions", list(_exceptions(first, second))),
        Section("path", list(_path(ours, theirs))),
    ]
    for before, after in reversed(_common(ours, theirs)):
        numbers = _lines(before, after)
        title = printable(f"{before.function}  {before.file}:{numbers}")
        changes = list(_variables(first, before, second, after))
        sections.append(Section(title, changes))
    return [section for section in sections if section.changes]


def _lines(before: ShownFrame, after: ShownFrame) -> str:
    if before.line == after.line:
        return f"{before.line}"
    return f"{before.line} and {after.line}"


def _facts_of(view: View, header: Mapping[str, Any]) -> dict[str, str]:
    facts = {"python": view.python}
    for name in _FACTS:
        fact = header.get(name)
        if fact:
            facts[name] = str(fact)
    for name, fact in process_rows(view):
        if name not in _ALWAYS_DIFFER:
            facts[name] = fact
    return facts


def _exceptions(first: View, second: View) -> Iterator[Change]:
    before = _exceptions_of(first)
    after = _exceptions_of(second)
    # An exception of one dump alone counts in the last line only.
    common = {name: text for name, text in before.items() if name in after}
    yield from _changes(common, {name: after[name] for name in common})


def _exceptions_of(view: View) -> dict[str, str]:
    """The types and the messages of a chain, and the number of exceptions."""
    texts = {}
    for at, exception in enumerate(view.tree(), 1):
        texts[f"type [{at}]"] = exception.type
        texts[f"message [{at}]"] = exception.message
    texts["exceptions"] = str(len(view.exceptions))
    return texts


def _path(ours: ShownException, theirs: ShownException) -> Iterator[Change]:
    before = _functions(ours)
    after = _functions(theirs)
    steps = _matched(before, after).get_opcodes()
    for kind, start, end, other_start, other_end in steps:
        if kind == "equal":
            continue
        one = " > ".join(before[start:end])
        other = " > ".join(after[other_start:other_end])
        yield Change("functions", one or ABSENT, other or ABSENT)
    for frame, other_frame in _common(ours, theirs):
        line = str(frame.line)
        other_line = str(other_frame.line)
        if line != other_line:
            yield Change(f"line of {frame.function}", line, other_line)


def _functions(exception: ShownException) -> list[str]:
    return [frame.function or "(not kept)" for frame in exception.frames]


def _matched(before: list[str], after: list[str]) -> SequenceMatcher[str]:
    return SequenceMatcher(None, before, after, autojunk=False)


def _common(ours: ShownException, theirs: ShownException) -> list[tuple[ShownFrame, ShownFrame]]:
    """The frames of the same functions on both paths, outermost first."""
    matcher = _matched(_functions(ours), _functions(theirs))
    common: list[tuple[ShownFrame, ShownFrame]] = []
    for start, other_start, size in matcher.get_matching_blocks():
        for offset in range(size):
            before = ours.frames[start + offset]
            after = theirs.frames[other_start + offset]
            common.append((before, after))
    return common


def _variables(
    first: View, before: ShownFrame, second: View, after: ShownFrame
) -> Iterable[Change]:
    if before.is_library:
        return ()
    ours = leaves(first.values, _compared(first, before))
    theirs = leaves(second.values, _compared(second, after))
    return _changes(ours, theirs)


def _compared(view: View, frame: ShownFrame) -> Variables:
    if not frame.is_module:
        return frame.locals
    is_noise = view.is_noise
    return [(name, ref) for name, ref in frame.locals if not is_noise(name, ref)]


def _changes(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Change]:
    for name in {**first, **second}:
        one = first.get(name, ABSENT)
        other = second.get(name, ABSENT)
        if one != other:
            yield Change(name, one, other)


def lines(sections: Iterable[Section], most: int = 160) -> Iterator[str]:
    """The sections as lines of text."""
    for section in sections:
        yield section.title
        for change in section.changes:
            pair = f"{change.first}  ->  {change.second}"
            one_line = pair.replace("\n", " ")
            text = printable(f"    {change.name}: {one_line}")
            yield shorten(text, most)
