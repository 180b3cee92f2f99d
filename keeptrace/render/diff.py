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
from .frames import ShownFrame
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
    facts = _changes(_facts_of(first, first_header), _facts_of(second, second_header))
    ours, theirs = first.root_cause, second.root_cause
    sections = [
        Section("facts", list(facts)),
        Section("exceptions", list(_exceptions(first, second))),
        Section("path", list(_path(ours, theirs))),
    ]
    for before, after in reversed(_common(ours, theirs)):
        title = f"{before.function}  {before.file}:{_lines(before, after)}"
        changes = _variables(first, before, second, after)
        sections.append(Section(printable(title), list(changes)))
    return [section for section in sections if section.changes]


def _lines(before: ShownFrame, after: ShownFrame) -> str:
    if before.line == after.line:
        return f"{before.line}"
    return f"{before.line} and {after.line}"


def _facts_of(view: View, header: Mapping[str, Any]) -> dict[str, str]:
    facts = {"python": view.python}
    for name in _FACTS:
        if header.get(name):
            facts[name] = str(header[name])
    for name, fact in process_rows(view):
        if name not in _ALWAYS_DIFFER:
            facts[name] = fact
    return facts


def _exceptions(first: View, second: View) -> Iterator[Change]:
    pairs = zip(first.tree(), second.tree())
    for at, (ours, theirs) in enumerate(pairs, 1):
        yield from _change(f"type [{at}]", ours.type, theirs.type)
        yield from _change(f"message [{at}]", ours.message, theirs.message)
    yield from _change("exceptions", str(len(first.exceptions)), str(len(second.exceptions)))


def _change(name: str, before: str, after: str) -> Iterator[Change]:
    yield from _changes({name: before}, {name: after})


def _path(ours: ShownException, theirs: ShownException) -> Iterator[Change]:
    before, after = _functions(ours), _functions(theirs)
    steps = _matched(before, after).get_opcodes()
    for kind, start, end, other_start, other_end in steps:
        if kind == "equal":
            continue
        one = " > ".join(before[start:end])
        other = " > ".join(after[other_start:other_end])
        yield Change("functions", one or ABSENT, other or ABSENT)
    for frame, other_frame in _common(ours, theirs):
        if frame.line != other_frame.line:
            name = f"line of {frame.function}"
            yield Change(name, f"{frame.line}", f"{other_frame.line}")


def _functions(exception: ShownException) -> list[str]:
    return [frame.function or "(not kept)" for frame in exception.frames]


def _matched(before: list[str], after: list[str]) -> SequenceMatcher[str]:
    return SequenceMatcher(None, before, after, autojunk=False)


def _common(ours: ShownException, theirs: ShownException) -> list[tuple[ShownFrame, ShownFrame]]:
    """The frames of the same functions on both paths, outermost first."""
    matcher = _matched(_functions(ours), _functions(theirs))
    common: list[tuple[ShownFrame, ShownFrame]] = []
    for start, other_start, size in matcher.get_matching_blocks():
        before = ours.frames[start : start + size]
        after = theirs.frames[other_start : other_start + size]
        common += zip(before, after)
    return common


def _variables(
    first: View, before: ShownFrame, second: View, after: ShownFrame
) -> Iterable[Change]:
    if before.is_library:
        return ()
    ours = leaves(first.values, _compared(first, before))
    theirs = leaves(second.values, _compared(second, after))
    return _changes(ours, theirs)


def _compared(view: View, frame: ShownFrame) -> list[tuple[str, Any]]:
    if not frame.is_module:
        return frame.locals
    return [(name, ref) for name, ref in frame.locals if not view.is_noise(name, ref)]


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
            pair = f"{change.first}  ->  {change.second}".replace("\n", " ")
            line = printable(f"    {change.name}: {pair}")
            yield shorten(line, most)
