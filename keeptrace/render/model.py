"""Report → what is shown: exceptions, frames, variables and source lines, as plain data for every
view.

Rules:
 1. From the report alone. Nothing is restored, imported or run that came in the data; a source file
    of this machine is shown only where it proves to hold the very code that failed.
 2. Every text that comes out is printable: whatever would command a terminal or reorder the line
    appears as an escape.
 3. Nothing recurses over data without a bound. Cycles are found by the index of the node.
 4. All of the report is checked when the view is made: a report that is not laid out as
    core/report.py says raises DumpError here, and nowhere later.
"""

from __future__ import annotations

import builtins
import re
import traceback
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.errors import DumpError
from ..core.report import Node, Ref, Report
from ..core.texts import printable, shorten
from ..format.checking import check
from ..restore.exact import EXACT
from ..restore.fields import put_field
from ..restore.files import source_text
from .budgets import (
    MAX_ABOVE,
    MAX_FULL,
    MAX_LINE,
    MAX_MESSAGES,
    MAX_NOTES,
    MAX_PARSED,
    MAX_SHORT,
    MAX_VALUE,
    Budget,
)
from .places import Places, places_of

# A module of this size is generated; nobody reads it in a report. Also what a forged snapshot may
# unpack to. (bytes)
_MAX_SOURCE: Final = 8 << 20
# Levels of containers inside one another in a one-line text.
_LEVELS: Final = 4
# Characters of an exception's message; capture keeps 100,000 at most.
MAX_MESSAGE: Final = 100_000
# Files that frames of one dump name, and places where they failed, that are kept in memory.
_MOST_FILES: Final = 2_000
_MOST_SNIPPETS: Final = 1_000
# Files of the interpreter and of installed packages, on whatever machine it was.
_LIBRARY: Final = re.compile(
    r"^<frozen |[\\/](site|dist)-packages[\\/]|[\\/]lib(64)?[\\/]python3\.\d+t?[\\/]|[\\/]Python3\d+[\\/]Lib[\\/]",
    re.IGNORECASE,
)

# --------------------------------------------------------------------------------------------------------------------
# Values.


@dataclass(slots=True)
class Child:
    """One part of a value. kind:

    "attribute" (label is its name), "item" (its index), "pair" (the key's text).
    """

    kind: str
    label: str
    ref: Ref
    key: Ref = None


@dataclass(slots=True)
class Value:
    """What a node of the report is:

    its own text or the brackets around its parts, and the parts.
    """

    type: str
    text: str | None = None
    brackets: tuple[str, str] = ("", "")
    children: list[Child] = field(default_factory=list)
    length: int | None = None
    missing: int = 0  # parts that were not kept
    why: str = ""  # what was cut, in the words of the capture
    full: str | None = None  # the whole of a text, where it is more than a line
    is_default: bool = False  # its text is but the type and the address: the attributes say more


_BRACKETS: Final = {
    "list": ("[", "]"),
    "tuple": ("(", ")"),
    "set": ("{", "}"),
    "frozenset": ("frozenset({", "})"),
    "dict": ("{", "}"),
}


class Values:
    """The report's value table, to be walked from any ref."""

    def __init__(self, report: Report) -> None:
        self._types = [_type_name(module, qualname) for module, qualname, _ in report["types"]]
        self._nodes = report["values"]
        self._made: dict[int, Value] = {}  # a view looks at few of many, and at some again
        self._titles: list[str] = []

    def name_exceptions(self, titles: list[str]) -> None:
        """Lets exceptions that are values be shown by their titles."""
        self._titles = titles
        self._made.clear()

    def _make(self, index: int) -> Value:
        node = self._nodes[index]
        value = self._made[index] = _MAKERS[node[0]](self, node)
        if node[0] == "exception" and self._titles:
            title = self._titles[node[1]]
            value.text = f"<exception [{node[1] + 1}] {shorten(title, 120)}>"
            value.type = shorten(title.partition(":")[0], MAX_SHORT)
        return value

    def check(self, ref: Ref) -> Ref:
        if type(ref) is list:
            if len(ref) != 1 or type(ref[0]) is not int or not 0 <= ref[0] < len(self._nodes):
                raise IndexError(f"there is no value {shorten(repr(ref), 40)}")
        elif type(ref) not in (str, int, float, bool, type(None)):
            raise TypeError(f"{type(ref).__name__} is no reference")
        return ref

    def type_name(self, index: int) -> str:
        return self._types[index]

    def key(self, ref: Ref) -> int | None:
        """What tells that two refs are of one object; None for atoms, which have no identity."""
        return self.resolve(ref) if type(ref) is list else None

    def resolve(self, ref: Ref) -> int:
        index: int = ref[0]
        return index

    def value(self, ref: Ref) -> Value:
        if type(ref) is list:
            return self._made.get(ref[0]) or self._make(ref[0])
        return Value(type(ref).__name__, _atom(ref), full=_full(ref) if type(ref) is str else None)

    def children(self, ref: Ref) -> list[Child]:
        return self.value(ref).children if type(ref) is list else []

    def plain(self, ref: Ref) -> str | None:
        """The string that a ref stands for, if it is a whole one."""
        if type(ref) is str:
            return ref
        if (
            type(ref) is list
            and self._nodes[ref[0]][0] == "str"
            and len(self._nodes[ref[0]][2]) == self._nodes[ref[0]][1]
        ):
            return str(self._nodes[ref[0]][2])
        return None

    def text(self, ref: Ref, most: int = 200) -> str:
        """One line, of at most `most` characters."""
        writer = _Line(self, most)
        writer.write(ref, ())
        return shorten("".join(writer.parts), most)

    def attributes(self, ref: Ref, most: int = 120) -> str:
        """One line of what an object holds, where its own text does not say that; else empty."""
        value = self.value(ref)
        if not value.is_default or not value.children or most < 20:
            return ""
        parts: list[str] = []
        for child in value.children:
            if sum(map(len, parts)) > most:
                break
            name = (
                f"{child.label}="
                if child.kind == "attribute"
                else f"{self.text(child.key, 40)}: "
                if child.kind == "pair"
                else ""
            )
            parts.append(name + self.text(child.ref, 40))
        return shorten(", ".join(parts), most)

    def built(self, ref: Ref) -> Any:
        """An atom, or a value of the standard library that is made of atoms;

        else what prints as its text.
        """
        if type(ref) is not list:
            return ref
        text = self.plain(ref)
        if text is not None:
            return text
        node = self._nodes[ref[0]]
        if node[0] in ("bytes", "bytearray") and len(node[2]) == node[1]:
            raw = node[2].encode("latin-1")
            return raw if node[0] == "bytes" else bytearray(raw)
        if node[0] == "exact":
            found = _exact(self, node, 3)
            return _Shown(self.text(ref, MAX_MESSAGE)) if found is None else found
        value = self.value(ref)
        return _Shown(
            self.text(ref, MAX_MESSAGE)
            if value.text is None or node[0] != "object"
            else str(node[4].get("str", value.text))
        )


class _Exact:
    """A value of the standard library, as text: repr() refuses numbers of many digits."""

    def __init__(self, value: Any) -> None:
        try:
            self.text = repr(value)
        except ValueError:
            self.text = f"<{type(value).__name__} of thousands of digits>"


class _Shown:
    """Takes the place of an argument that is not there, in the text of a message."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class _Line:
    """Writes a value in one line; ends as soon as there is enough of it."""

    def __init__(self, values: Values, most: int) -> None:
        self._values = values
        self.left = most
        self.parts: list[str] = []

    def put(self, text: str) -> None:
        self.parts.append(text[: max(self.left, 0) + 1])
        self.left -= len(text)

    def write(self, ref: Ref, active: tuple[int, ...]) -> None:
        if type(ref) is str:
            self.put(_atom(ref[: self.left + 1]))
            return
        value = self._values.value(ref)
        if value.text is not None:
            self.put(value.text)
        elif ref[0] in active or (len(active) >= _LEVELS and value.children):
            self.put(f"{value.brackets[0]}...{value.brackets[1]}")
        else:
            self._container(value, (*active, ref[0]))

    def _container(self, value: Value, active: tuple[int, ...]) -> None:
        opening, closing = value.brackets
        self.put(opening)
        for at, child in enumerate(value.children):
            if self.left <= 0:
                break
            if at:
                self.put(", ")
            if child.kind == "pair":
                self.write(child.key, active)
                self.put(": ")
            self.write(child.ref, active)
        if value.missing:
            self.put(f"{', ' if value.children else ''}... {value.missing} more")
        elif value.type == "tuple" and value.length == 1:
            self.put(",")
        self.put(closing)


def _type_name(module: str, qualname: str) -> str:
    name = qualname if module in ("builtins", "__main__") else f"{module}.{qualname}"
    return printable(shorten(name, MAX_SHORT))


def _atom(value: Any) -> str:
    if type(value) is str and len(value) > MAX_VALUE:
        return f"{printable(repr(value[:MAX_VALUE]))}... ({len(value)} characters)"
    return printable(repr(value))


def _full(text: str) -> str | None:
    if len(text) <= 200 and "\n" not in text:
        return None
    return printable(shorten(text, MAX_FULL), "\n\t")


def _container(values: Values, node: Node) -> Value:
    kind, length, refs = node
    pairs = kind == "dict"
    children = _children(values, kind, refs)
    value = Value(kind, None, _BRACKETS[kind], children, int(length), int(length) - len(children))
    if not pairs and kind != "list" and kind != "tuple" and not length:
        value.text = f"{kind}()"
    return value


def _children(values: Values, kind: str, refs: list[Ref]) -> list[Child]:
    if kind == "dict":
        return [Child("pair", "", refs[at + 1], refs[at]) for at in range(0, len(refs) - 1, 2)]
    return [Child("item", str(at), ref) for at, ref in enumerate(refs)]


def _text_node(values: Values, node: Node) -> Value:
    kind, length, text = node
    raw: Any = text[:MAX_VALUE] if kind == "str" else text[:MAX_VALUE].encode("latin-1")
    shown = printable(repr(raw if kind != "bytearray" else bytearray(raw)))
    missing = int(length) - len(text)
    if len(text) > MAX_VALUE and not missing:
        shown = f"{shown}... ({length} {'characters' if kind == 'str' else 'bytes'})"
    if missing > 0:
        shown = f"{shown}... ({length} {'characters' if kind == 'str' else 'bytes'}, {missing} not kept)"
    full = _full(text) if kind == "str" else None
    return Value(
        kind,
        shown,
        length=int(length),
        missing=max(missing, 0),
        why="max_text" if missing > 0 else "",
        full=full,
    )


def _int_node(values: Values, node: Node) -> Value:
    number = int(node[1], 16)
    return Value("int", str(number) if number.bit_length() < 10_000 else shorten(node[1], 200))


def _object_node(values: Values, node: Node) -> Value:
    _, type_index, text, attributes, extra = node
    extra = extra or {}
    name = values.type_name(type_index)
    is_default = text is None
    if text is None:
        text = (
            f"<{name} object at {int(extra['address']):#x}>"
            if "address" in extra
            else f"<{name} object>"
        )
    children = [
        *_children(values, "dict", extra.get("pairs", ())),
        *_children(values, "list", extra.get("items", ())),
    ]
    length = extra.get("len")
    missing = (
        int(length) - len(children)
        if length is not None and ("pairs" in extra or "items" in extra)
        else 0
    )
    children += [
        Child("attribute", printable(str(label)), ref) for label, ref in (attributes or {}).items()
    ]
    full = _full(text) if "\n" in text else None
    why = printable(str(extra.get("why", "")))
    shown = printable(shorten(text, MAX_VALUE))
    return Value(name, shown, ("", ""), children, length, max(missing, 0), why, full, is_default)


def _exact_node(values: Values, node: Node) -> Value:
    _, kind, refs = node
    if kind not in EXACT:
        raise KeyError(kind)
    for ref in refs:
        values.check(ref)
    found = _exact(values, node, 3)
    if found is not None:
        return Value(kind, printable(shorten(_Exact(found).text, MAX_VALUE)))
    return Value(kind, None, (f"{kind}(", ")"), _children(values, "list", refs), len(refs))


def _exact(values: Values, node: Node, levels: int) -> Any:
    """A date, a path, a Decimal ... as itself; None where a part of it is missing or wrong."""
    parts = []
    for ref in node[2]:
        part = ref
        if type(ref) is list:
            inner = values._nodes[ref[0]]
            if inner[0] == "exact" and levels and inner[1] in EXACT:
                part = _exact(values, inner, levels - 1)
            else:
                part = (
                    values.plain(ref)
                    if inner[0] == "str"
                    else int(inner[1], 16)
                    if inner[0] == "int"
                    else None
                )
            if part is None:
                return None
        parts.append(part)
    try:
        return EXACT[node[1]](*parts)
    except (
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
        LookupError,
    ):  # forged, or of a system that has no such value
        return None


def _function_node(values: Values, node: Node) -> Value:
    _, module, qualname, name, address = node
    text = (
        f"<function {qualname} at {int(address):#x}>" if address else f"<built-in function {name}>"
    )
    return Value("function", printable(text), why=printable(f"from {module}") if module else "")


def _live_node(values: Values, node: Node) -> Value:
    values.check(node[2])
    inner = values._nodes[node[2][0]] if type(node[2]) is list else None
    if inner is None or inner[0] in ("live", "exception"):
        return Value("object", "<a live object>", why="kept live")
    value = _MAKERS[inner[0]](values, inner)
    value.why = value.why or "kept live"
    return value


_MAKERS: Final[dict[str, Callable[[Values, Node], Value]]] = {
    **dict.fromkeys(("list", "tuple", "set", "frozenset", "dict"), _container),
    **dict.fromkeys(("str", "bytes", "bytearray"), _text_node),
    "int": _int_node,
    "complex": lambda values, node: Value("complex", repr(complex(node[1], node[2]))),
    "exact": _exact_node,
    "type": lambda values, node: Value("type", f"<class '{values.type_name(node[1])}'>"),
    "module": lambda values, node: Value("module", f"<module '{printable(str(node[1]))}'>"),
    "function": _function_node,
    "exception": lambda values, node: Value("exception", f"<exception [{int(node[1]) + 1}]>"),
    "object": _object_node,
    "redacted": lambda values, node: Value(
        "redacted", f"<redacted: {printable(str(node[1]))}>", why="it looked secret"
    ),
    "live": _live_node,
}


# --------------------------------------------------------------------------------------------------------------------
# Sources.


@dataclass(slots=True)
class Snippet:
    """Lines around a failing one. marks: {line number:

    (first character, end)} of the failing expression.
    """

    first: int
    lines: list[str]
    line: int
    marks: dict[int, tuple[int, int]]
    start: int  # the function's first line, for a lexer that needs to know what stands above
    above: list[str]  # the lines from `start` up to `first`


class Sources:
    """The texts of the frames' files:

    the snapshot, else this machine's file where it holds the code that failed.
    """

    def __init__(self, packed: dict[str, bytes]) -> None:
        self._packed = packed
        self._lines: dict[str, list[str] | None] = {}
        self._here: dict[str, list[str] | None] = {}
        self._places: dict[str, Places | None] = {}
        self._parsed = Budget(MAX_PARSED)
        self._snippets: dict[
            tuple[Any, ...], Snippet | None
        ] = {}  # deep recursions fail at few places

    def has_snapshot(self, file: str) -> bool:
        return file in self._packed and self.snapshot(file) is not None

    def snapshot(self, file: str) -> list[str] | None:
        """The lines that travelled with the report; None if there are none, or they are damaged."""
        if file not in self._lines:
            self._lines[file] = _unpacked(self._packed[file]) if file in self._packed else None
        return self._lines[file]

    def of(self, frame: Frame) -> list[str] | None:
        """The lines of a frame's file."""
        found = self.snapshot(frame.file)
        if found is None and frame.file not in self._packed:
            found = self._on_this_machine(frame)
        return found

    def _on_this_machine(self, frame: Frame) -> list[str] | None:
        found = self.here(frame.file)
        if found is None:
            return None
        if frame.file not in self._places:
            text = "\n".join(found)
            self._places[frame.file] = places_of(text) if self._parsed.take(len(text)) else None
        places = self._places[frame.file]
        holds = places is not None and places.hold(frame.name, frame.code_line, frame.position)
        return found if holds else None

    def here(self, file: str) -> list[str] | None:
        """The lines of a file of this machine, read once."""
        if file not in self._here:
            self._here[file] = here(file) if len(self._here) < _MOST_FILES else None
        return self._here[file]

    def snippet(self, frame: Frame, before: int, after: int) -> Snippet | None:
        """The lines around the frame's position; None without a source."""
        key = (frame.file, frame.name, frame.code_line, *frame.position, before, after)
        if key not in self._snippets:
            if len(self._snippets) >= _MOST_SNIPPETS:
                self._snippets.clear()
            self._snippets[key] = self._snippet(frame, before, after)
        return self._snippets[key]

    def _snippet(self, frame: Frame, before: int, after: int) -> Snippet | None:
        line, end, column, end_column = frame.position
        lines = self.of(frame)
        if lines is None or type(line) is not int or not 1 <= line <= len(lines):
            return None
        last = end if type(end) is int and line <= end <= len(lines) else line
        first = max(line - before, 1)
        if first <= frame.code_line <= line:
            first = max(first, frame.code_line)
        stop = min(max(line + after, min(last, line + 2 * after + 2)), len(lines))
        start = frame.code_line if max(1, first - MAX_ABOVE) <= frame.code_line <= first else first
        marks = _marks(lines, line, min(last, stop), column, end_column if last <= stop else None)
        shown = [_as_shown(text) for text in lines[start - 1 : stop]]
        return Snippet(first, shown[first - start :], line, marks, start, shown[: first - start])


def _unpacked(packed: bytes) -> list[str] | None:
    engine = zlib.decompressobj()
    try:
        data = engine.decompress(packed, _MAX_SOURCE)
    except (zlib.error, TypeError):
        return None
    return _split(data.decode("utf-8", "replace")) if engine.eof else None


def _split(text: str) -> list[str]:
    """Lines as Python counts them, not as Unicode does."""
    return [line.rstrip("\r") for line in text.split("\n")]


def here(file: str) -> list[str] | None:
    """The lines of a regular file of this machine. Network paths are not tried:

    reading one tells another machine who reads.
    """
    text = None if file.startswith("<") else source_text(file)
    return None if text is None else _split(text)


def _marks(
    lines: list[str], line: int, last: int, column: Any, end_column: Any
) -> dict[int, tuple[int, int]]:
    """The failing expression in each of its lines, as characters of the line as it is shown."""
    if type(column) is not int:
        return {}
    marks = {}
    for at in range(line, last + 1):
        text = shorten(lines[at - 1], MAX_LINE)
        start = characters(text, column) if at == line else len(text) - len(text.lstrip())
        end = (
            characters(text, end_column)
            if at == last and type(end_column) is int
            else len(text.rstrip())
        )
        if start < end:
            marks[at] = (len(_as_shown(text[:start])), len(_as_shown(text[:end])))
    return marks


def _as_shown(line: str) -> str:
    return printable(shorten(line, MAX_LINE), "\t").expandtabs(4)


def characters(text: str, column: int) -> int:
    """A column of UTF-8 bytes as one of characters."""
    return len(text.encode("utf-8", "replace")[: max(column, 0)].decode("utf-8", "ignore"))


# --------------------------------------------------------------------------------------------------------------------
# Exceptions and frames.


@dataclass(slots=True)
class Frame:
    """One entry of a traceback. left_out:

    where it stands for that many frames that were not kept.
    """

    number: int  # through the whole report, from 1: what `--frame` takes
    exception: int
    file: str
    line: int | None
    name: str
    function: str
    code_line: int
    position: list[Any]
    locals: list[tuple[str, Ref]]
    globals: list[tuple[str, Ref]]
    is_module: bool
    is_library: bool
    left_out: int = 0
    index: int = -1  # into the report's frames


# Fields of a SyntaxError that tell where it is, and of what types they are: str, int, int, str.
_SYNTAX_PLACE: Final = ("filename", "lineno", "offset", "text")
# Of the line that is shown. (characters)
_MOST_PLACE: Final = 1_000


@dataclass(slots=True)
class Exception_:
    """One exception of the report. relation: to the one at `of`:

    "cause", "context", "suppressed" or "child".
    """

    index: int
    type: str
    message: str
    notes: list[str]
    frames: list[Frame]
    details: list[tuple[str, Ref]]  # args, fields and attributes
    text: str | None
    place: str = ""  # the line of a SyntaxError, with a mark under what is wrong
    relation: str = ""
    of: int = -1
    depth: int = 0
    links: list[tuple[str, int]] = field(
        default_factory=list
    )  # (relation, index) of what belongs to it

    @property
    def number(self) -> int:
        """What people call it by, from 1."""
        return self.index + 1

    @property
    def title(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass(slots=True)
class View:
    """All that a view needs. Exceptions are in the report's order:

    the first is the one that was captured.
    """

    exceptions: list[Exception_]
    values: Values
    sources: Sources
    python: str
    cuts: dict[str, int]
    redacted: dict[str, int]
    counts: dict[str, int]

    @property
    def root(self) -> Exception_:
        return self.exceptions[0]

    def frames(self) -> Iterator[Frame]:
        for exception in self.exceptions:
            yield from exception.frames

    def tree(self, suppressed: bool = False) -> list[Exception_]:
        """Every exception once, each below the one it belongs to. suppressed:

        also what `from None` hides.
        """
        listed, waiting, seen = [], [0], set()
        while waiting:
            index = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            exception = self.exceptions[index]
            listed.append(exception)
            waiting += [
                other
                for _, other in reversed(exception.links)
                if self._shown_below(other, index, suppressed)
            ]
        return listed

    def _shown_below(self, other: int, index: int, suppressed: bool) -> bool:
        exception = self.exceptions[other]
        return exception.of == index and (suppressed or exception.relation != "suppressed")

    def in_order(self, suppressed: bool = False) -> list[Exception_]:
        """Every exception once, in the order in which Python prints them:

        causes first, a group before its children.
        """
        before: dict[int, list[int]] = {}
        after: dict[int, list[int]] = {}
        for exception in self.tree(suppressed):
            if exception.of >= 0:
                (after if exception.relation == "child" else before).setdefault(
                    exception.of, []
                ).append(exception.index)
        ordered, waiting = [], [(0, False)]
        while waiting:
            index, told = waiting.pop()
            if told:
                ordered.append(self.exceptions[index])
                continue
            waiting += [(child, False) for child in reversed(after.get(index, ()))]
            waiting.append((index, True))
            waiting += [(other, False) for other in before.get(index, ())]
        return ordered


def make_view(report: Report) -> View:
    """What is to be shown of a report.

    Raises DumpError if it is not laid out as core/report.py says.
    """
    try:
        check(report)
        return _View(report).make()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        why = f"{type(problem).__name__}: {printable(str(problem))[:200]}"
        raise DumpError(f"the dump is damaged: its report cannot be read ({why})") from problem


class _View:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._values = Values(report)
        self._number = 0
        self._messages = Budget(MAX_MESSAGES)
        self._notes_left = Budget(MAX_NOTES)
        self._tables: dict[int, list[tuple[str, Ref]]] = {}  # by id; tracebacks share frames

    def make(self) -> View:
        report = self._report
        exceptions = [self._exception(index) for index in range(len(report["exceptions"]))]
        if not exceptions:
            raise IndexError("there is no exception in it")
        _link(exceptions)
        self._values.name_exceptions([exception.title for exception in exceptions])
        redacted: dict[str, int] = {}
        for node in report["values"]:
            if node[0] == "redacted" and node[1] != "unused":
                what = printable(str(node[1]))
                redacted[what] = redacted.get(what, 0) + 1
        tables: dict[str, Any] = dict(report)
        counts = {name: len(tables[name]) for name in ("exceptions", "frames", "values", "sources")}
        counts["live bytes"] = len(report["live"] or b"")
        counts["source bytes"] = sum(len(packed) for packed in report["sources"].values())
        cuts = {printable(str(reason)): int(count) for reason, count in report["cuts"].items()}
        return View(
            exceptions,
            self._values,
            Sources(report["sources"]),
            printable(str(report["python"])),
            cuts,
            redacted,
            counts,
        )

    def _exception(self, index: int) -> Exception_:
        record: dict[str, Any] = dict(self._report["exceptions"][index])
        check = self._values.check
        kind = self._values.type_name(record["type"])
        message = record.get("str")
        if message is None:
            message = self._message(record)
        details = [("args", check(record["args"]))]
        details += [
            (printable(name), check(ref))
            for table in (record["fields"], record["attributes"])
            for name, ref in table.items()
        ]
        notes = self._notes(check(record["notes"])) if "notes" in record else []
        text = record.get("text")
        links = []
        for name in ("cause", "context"):
            if record[name] is not None:
                relation = "suppressed" if name == "context" and record["suppress"] else name
                links.append((relation, int(record[name])))
        links += [("child", int(child)) for child in record.get("children", ())]
        frames = [self._frame(index, at, what) for at, what in record["traceback"]]
        shown = None if text is None else printable(text, "\n\t")
        place = printable(self._syntax_place(record["fields"]), "\n\t")
        return Exception_(
            index, kind, self._told(message), notes, frames, details, shown, place, links=links
        )

    def _syntax_place(self, fields: dict[str, Any]) -> str:
        """What Python shows of the line that could not be compiled; empty for other exceptions."""
        if "filename" not in fields or "lineno" not in fields or "text" not in fields:
            return ""
        told = [self._values.built(fields.get(name)) for name in _SYNTAX_PLACE]
        if not all(type(value) is kind for value, kind in zip(told, (str, int, int, str))):
            return ""
        file, line, offset, text = told
        end_line, end = (
            self._values.built(fields.get(name)) for name in ("end_lineno", "end_offset")
        )
        if type(end_line) is not int or type(end) is not int:
            end_line, end = line, offset
        text = text[:_MOST_PLACE]
        marks = range(len(text) + 2)  # a forged place may be anywhere
        if line < 0 or end_line < 0 or offset not in marks or end not in marks:
            offset = end = 0
        exc = SyntaxError("", (file[:_MOST_PLACE], line, offset, text, end_line, end))
        return "".join(traceback.format_exception_only(exc)[:-1])

    def _notes(self, ref: Ref) -> list[str]:
        children = self._values.children(ref)
        if self._values.value(ref).type not in ("list", "tuple"):
            return [self._values.text(ref, 1000)]
        notes = []
        for at, child in enumerate(children):
            if not self._notes_left.take():
                notes.append(f"... {len(children) - at} more notes are not shown")
                break
            plain = self._values.plain(child.ref)
            notes.append(self._told(plain or self._values.text(child.ref, 1000)))
        return notes

    def _told(self, text: str) -> str:
        """A message or a note, as long as there is room for such."""
        most = MAX_MESSAGE if self._messages.take(len(text)) else MAX_SHORT
        return printable(shorten(text, most), "\n\t")

    def _message(self, record: Any) -> str:
        """str() of the exception, told by its nearest builtin base:

        C code, given nothing but texts and numbers.
        """
        base = self._builtin_base(record["type"])
        args = [self._values.built(child.ref) for child in self._values.children(record["args"])]
        if issubclass(base, BaseExceptionGroup):
            message = str(self._values.built(record["fields"].get("message", "")))
            count = len(record.get("children", ()))
            return f"{message} ({count} sub-exception{'' if count == 1 else 's'})"
        try:
            told = base.__new__(base)
            told.args = tuple(args)
            if all(
                [
                    put_field(told, name, self._values.built(ref))
                    for name, ref in record["fields"].items()
                ]
            ):
                return str(told)
            return ", ".join(str(arg) for arg in args)
        except Exception:  # arguments that the class cannot be made with: then they alone
            return ", ".join(str(arg) for arg in args)

    def _builtin_base(self, index: int) -> type[BaseException]:
        """The most particular builtin class above a type of the report."""
        seen, waiting = set(), deque([index])
        while waiting:
            at = waiting.popleft()
            if at in seen:
                continue
            seen.add(at)
            module, qualname, bases = self._report["types"][at]
            found = (
                getattr(builtins, qualname, None)
                if module == "builtins" and type(qualname) is str
                else None
            )
            if isinstance(found, type) and issubclass(found, BaseException):
                return found
            waiting += bases
        return BaseException

    def _frame(self, exception: int, index: int, what: Any) -> Frame:
        self._number += 1
        if index < 0:
            return Frame(
                self._number,
                exception,
                "",
                None,
                "",
                "",
                1,
                [None] * 4,
                [],
                [],
                False,
                True,
                left_out=int(what),
            )
        record = self._report["frames"][index]
        code = self._report["codes"][record["code"]]
        position = [part if type(part) is int else None for part in what]
        if len(position) != 4:
            raise ValueError("a position has four parts")
        namespace = self._variables(self._report["globals"][record["globals"]])
        is_module = record["locals"] is None
        local = namespace if record["locals"] is None else self._variables(record["locals"])
        file = str(code["file"])
        return Frame(
            self._number,
            exception,
            file,
            position[0],
            str(code["name"]),
            printable(str(code["qualname"])),
            int(code["line"]),
            position,
            local,
            [] if is_module else namespace,
            is_module,
            bool(_LIBRARY.search(file)),
            index=index,
        )

    def _variables(self, table: dict[str, Ref]) -> list[tuple[str, Ref]]:
        found = self._tables.get(id(table))
        if found is None:
            named = [(printable(shorten(name, MAX_SHORT)), ref) for name, ref in table.items()]
            found = self._tables[id(table)] = named
        return found


def _link(exceptions: list[Exception_]) -> None:
    """Gives each exception its place:

    below the one through which it is first reached, and rather not by a hidden link.
    """
    seen = {0}
    for hidden_too in (False, True):
        waiting = deque(sorted(seen))
        while waiting:
            exception = exceptions[waiting.popleft()]
            for relation, other in exception.links:
                if not 0 <= other < len(exceptions):
                    raise IndexError(f"there is no exception {other}")
                if other not in seen and (hidden_too or relation != "suppressed"):
                    seen.add(other)
                    found = exceptions[other]
                    found.relation, found.of, found.depth = (
                        relation,
                        exception.index,
                        exception.depth + 1,
                    )
                    waiting.append(other)


def relation_text(view: View, exception: Exception_) -> str:
    """How an exception belongs to another one, in words."""
    if exception.of < 0:
        return ""
    of = f"[{exception.of + 1}]"
    if exception.relation == "child":
        children = [
            index for relation, index in view.exceptions[exception.of].links if relation == "child"
        ]
        return f"{children.index(exception.index) + 1} of the {len(children)} in the group {of}"
    return _RELATIONS[exception.relation].format(of=of)


_RELATIONS: Final = {
    "cause": "the direct cause of {of}",
    "context": "was being handled when {of} was raised",
    "suppressed": "was being handled when {of} was raised (hidden by `from None`)",
}


# As many names say what kind of secrets were there. (names)
_NAMES_TOLD: Final = 10


def told_hidden(view: View) -> str:
    """What was hidden of a dump, in words: "3 values: password, dsn; 2 places in texts"."""
    values = sum(view.redacted.values())
    told = []
    if values:
        names = sorted(view.redacted)
        more = f" and {len(names) - _NAMES_TOLD} more names" if len(names) > _NAMES_TOLD else ""
        told.append(f"{_counted(values, 'value')}: {', '.join(names[:_NAMES_TOLD])}{more}")
    places = view.cuts.get("redacted", 0) - values
    if places > 0:
        told.append(f"{_counted(places, 'place')} in texts")
    return "; ".join(told) or "nothing"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def told_cuts(view: View) -> list[str]:
    """What was cut, each reason with its count; what was hidden is told by told_hidden()."""
    return [f"{reason} {count}" for reason, count in view.cuts.items() if reason != "redacted"]
