"""A view as a single HTML file: no network, no other file; the page opens with scripts off, too.

No data is ever marked as safe: the template escapes every text, and no data stands in a script or a
style. The page's Content-Security-Policy allows our script and our style alone, by their hashes, so
data that slipped through could neither run nor fetch anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..core.errors import missing_extra
from ..core.report import Ref
from ..core.texts import printable, shorten
from .budgets import (
    HTML_CHARACTERS,
    HTML_COLOURED,
    HTML_EXCEPTIONS,
    HTML_FRAMES,
    HTML_VALUES,
    MAX_SHORT,
    Budget,
)
from .data import label
from .folding import folded
from .frames import ShownFrame, Variables
from .nodes import Child
from .pages import page_template
from .plain_text import traceback_text
from .sources import Snippet
from .view import ShownException, View
from .wording import cut_texts, hidden_text, process_rows, relation_text, time_text

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# Lines around the failing line.
_BEFORE: Final = 7
_AFTER: Final = 4
# The line of a value. (characters)
_CHARACTERS: Final = 400
# The name of a value. (characters)
_NAME: Final = 200
# Values inside one another: browsers lay out a few hundred nested elements, people read fewer.
# (levels)
_LEVELS: Final = 12
_INDENTED: Final = 12
# Groups of variables that are open at first.
_OPEN_GROUPS: Final = ("Locals", "Variables")


@dataclass(slots=True)
class _Node:
    """A line in a tree of values, for the template."""

    name: str
    type: str
    text: str
    held: str = ""
    full: str | None = None
    notes: list[str] = field(default_factory=list)
    parts: list[_Node] = field(default_factory=list)
    anchor: str = ""
    refers: str = ""


class _Trees:
    """Makes the trees of a frame. Every value opens once; elsewhere a link leads to its place."""

    def __init__(self, view: View, place: str, page: _Page) -> None:
        self._values = view.values
        self._place = place
        self._page = page
        self._seen: set[int] = set()

    def of(self, variables: Variables) -> list[_Node]:
        return self._nodes(variables, len(variables), _LEVELS)

    def _nodes(self, named: Iterable[tuple[str, Ref]], count: int, levels: int) -> list[_Node]:
        nodes: list[_Node] = []
        for name, ref in named:
            if not self._page.has_room():
                text = f"{count - len(nodes)} more are not shown on this page"
                nodes.append(_Node("...", "", text))
                break
            nodes.append(self._node(name, ref, levels))
        return nodes

    def _node(self, name: str, ref: Ref, levels: int) -> _Node:
        values = self._values
        value = values.value(ref)
        text = values.text(ref, _CHARACTERS)
        node = _Node(shorten(name, _NAME), value.type, text)
        node.held = values.attributes(ref)
        node.full = value.full
        if value.missing:
            node.notes.append(f"{value.missing} of {value.length} were not kept")
        if value.why:
            node.notes.append(value.why)
        self._page.add(node)
        key = values.key(ref)
        if key is not None and value.children:
            self._add_parts(node, key, value.children, levels)
        return node

    def _add_parts(self, node: _Node, key: int, children: list[Child], levels: int) -> None:
        """Opens a value below its line, or links to the place where the page opens the value."""
        opened = self._page.opened
        if key in self._seen:
            node.refers = f"{self._place}-{key}"
        elif key in opened:
            node.refers = opened[key]
        elif not levels or not self._page.has_room():
            node.notes.append(f"{len(children)} parts are not shown on this page")
        else:
            self._seen.add(key)
            node.anchor = f"{self._place}-{key}"
            opened[key] = node.anchor
            parts = ((label(self._values, child), child.ref) for child in children)
            node.parts = self._nodes(parts, len(children), levels - 1)


class _Page:
    """The budgets of a page, and the place where each value opens.

    first: the frame that is open at first.
    """

    def __init__(self, first: ShownFrame | None) -> None:
        self.first = first
        self.opened: dict[int, str] = {}
        self.frames = Budget(HTML_FRAMES)
        self.coloured = Budget(HTML_COLOURED)
        # by the id of the snippet; the entry holds the snippet, which keeps the id unique
        self._lines: dict[int, tuple[Snippet, list[dict[str, Any]]]] = {}
        self._values = Budget(HTML_VALUES)
        self._characters = Budget(HTML_CHARACTERS)

    def has_room(self) -> bool:
        return self._values.left > 0 and self._characters.left > 0

    def lines(self, snippet: Snippet, lexer: object) -> list[dict[str, Any]]:
        """The coloured lines of a snippet. Frames of a recursion share a snippet."""
        known = self._lines.get(id(snippet))
        if known is not None:
            return known[1]
        lines = _lines(snippet, lexer, self.coloured)
        self._lines[id(snippet)] = (snippet, lines)
        return lines

    def add(self, node: _Node) -> None:
        self._values.take()
        shown = (node.name, node.text, node.full or "")
        self._characters.take(sum(map(len, shown)))

    def add_text(self, text: str) -> str:
        """As much of a text as the page has room for."""
        shown = shorten(text, max(self._characters.left, MAX_SHORT))
        self._characters.take(len(shown))
        return shown


def to_html(view: View, header: dict[str, Any]) -> str:
    """The page of a view. Raises MissingExtraError without jinja2 or Pygments."""
    template = page_template("the HTML report", "report.html.jinja", ("report.css",), "report.js")
    lexer = _lexer()
    page_budget = _Page(view.first_frame)
    ordered = view.in_order(suppressed=True)
    left_out = max(len(ordered) - HTML_EXCEPTIONS, 0)
    rows = []
    if len(ordered) > 1:
        rows = view.tree(suppressed=True)[:HTML_EXCEPTIONS]
    hidden = ""
    if view.redacted or "redacted" in view.cuts:
        hidden = hidden_text(view)
    title = view.root.title.replace("\n", " ")
    return template.render(
        title=shorten(title, 150),
        facts=facts(view, header),
        process=process_rows(view),
        first=page_budget.first,
        text=page_budget.add_text(traceback_text(view)),
        tree=[_row(exception) for exception in rows],
        exceptions=[_exception(view, each, lexer, page_budget) for each in ordered[left_out:]],
        exceptions_left_out=left_out,
        cuts=cut_texts(view),
        hidden=hidden,
    )


def facts(view: View, header: dict[str, Any]) -> list[tuple[str, str]]:
    """The place and the time of the failure, and the process that wrote the dump."""
    when = time_text(header.get("time"))
    found = [
        ("where", header.get("where")),
        ("when", when),
        ("Python", view.python),
        ("process", header.get("pid")),
        ("host", header.get("host")),
    ]
    known = [(name, value) for name, value in found if value not in (None, "")]
    return [(name, printable(str(value))) for name, value in known]


_RELATIONS: Final = {"child": "", "suppressed": "hidden context", "threads": "at that time"}


def _row(exception: ShownException) -> dict[str, Any]:
    relation = _RELATIONS.get(exception.relation, exception.relation)
    title = exception.title.replace("\n", " ")
    return {
        "number": exception.number,
        "depth": min(exception.depth, _INDENTED),
        "relation": relation,
        "title": shorten(title, 200),
    }


def _exception(view: View, exception: ShownException, lexer: object, page: _Page) -> dict[str, Any]:
    frames = _frames(view, exception, lexer, page)
    message = page.add_text(exception.message)
    notes = [page.add_text(note) for note in exception.notes]
    text = exception.text
    if text is not None:
        text = page.add_text(text)
    trees = _Trees(view, f"e{exception.number}", page)
    return {
        "number": exception.number,
        "type": exception.type,
        "message": message,
        "relation": relation_text(view, exception),
        "notes": notes,
        "text": text,
        "place": exception.place,
        "frames": frames,
        "details": trees.of(exception.details),
    }


def _frames(
    view: View, exception: ShownException, lexer: object, page: _Page
) -> list[dict[str, Any]]:
    """The frames in printed order. The budget goes to the innermost frames first."""
    frames: list[dict[str, Any]] = []
    rows = folded(exception.frames)
    while rows:
        row = rows.pop()
        first = row[0]
        if not page.frames.take():
            hidden = len(row) + sum(map(len, rows))
            frames.append({"hidden": hidden})
            break
        if len(row) > 1:
            span = (len(row), first.number, row[-1].number)
            frames.append({"hidden": 0, "folded": span})
        else:
            frames.append(_frame(view, first, lexer, page))
    return frames[::-1]


def _frame(view: View, frame: ShownFrame, lexer: object, page: _Page) -> dict[str, Any]:
    if frame.left_out:
        return {"hidden": 0, "folded": None, "left_out": frame.left_out}
    source = []
    snippet = view.sources.snippet(frame, _BEFORE, _AFTER)
    if snippet is not None:
        source = page.lines(snippet, lexer)
    trees = _Trees(view, f"f{frame.number}", page)
    groups = []
    for title, table in _groups(view, frame):
        if table:
            is_open = title in _OPEN_GROUPS
            groups.append((title, len(table), trees.of(table), is_open))
    return {
        "hidden": 0,
        "folded": None,
        "left_out": 0,
        "number": frame.number,
        "function": frame.title,
        "file": printable(frame.file),
        "line": frame.line_text,
        "is_library": frame.is_library,
        "is_open": frame is page.first,
        "source": source,
        "groups": groups,
    }


def _groups(view: View, frame: ShownFrame) -> list[tuple[str, Variables]]:
    """The variables of a frame under their headings; some groups may be empty."""
    used = ("Globals that its code uses", frame.globals)
    if not frame.is_module:
        return [("Locals", frame.locals), used]
    variables: Variables = []
    noise: Variables = []
    for name, ref in frame.locals:
        group = variables
        if view.is_noise(name, ref):
            group = noise
        group.append((name, ref))
    return [
        ("Variables", variables),
        ("Modules, functions and classes", noise),
        used,
    ]


def _lexer() -> object:
    try:
        from pygments.lexers.python import PythonLexer
    except ImportError:
        raise missing_extra("the HTML report", "Pygments", "html") from None
    return PythonLexer(stripnl=False, ensurenl=False)


# Coloured kinds of tokens, the more particular first.
_KINDS: Final = (
    ("Token.Keyword", "k"),
    ("Token.Literal.String", "s"),
    ("Token.Literal.Number", "n"),
    ("Token.Comment", "c"),
    ("Token.Name.Builtin", "b"),
    ("Token.Name.Function", "f"),
    ("Token.Name.Class", "f"),
    ("Token.Name.Decorator", "f"),
    ("Token.Operator.Word", "k"),
)
# Colour, whether the segment is of the failing expression, text
_Segment: TypeAlias = tuple[str, bool, str]


def _kind(token: object) -> str:
    name = str(token)
    for start, kind in _KINDS:
        if name.startswith(start):
            return kind
    return ""


def _lines(snippet: Snippet, lexer: Lexer, coloured: Budget) -> list[dict[str, Any]]:
    """The lines of a snippet, each as its segments."""
    end = snippet.first + len(snippet.lines)
    lines: dict[int, list[_Segment]] = {}
    for number in range(snippet.first, end):
        lines[number] = []
    for number, column, text, kind in _pieces(snippet, lexer, coloured):
        if number in lines:
            mark = snippet.marks.get(number, (0, 0))
            lines[number] += _segments(text, column, mark, kind)
    rows = []
    for number, segments in lines.items():
        fails = number == snippet.line
        rows.append({"number": number, "fails": fails, "segments": segments})
    return rows


def _pieces(
    snippet: Snippet, lexer: Lexer, coloured: Budget
) -> Iterator[tuple[int, int, str, str]]:
    """The tokens of a source, parted at the ends of lines: line, column, text, colour."""
    source = "\n".join([*snippet.above, *snippet.lines])
    tokens = [("", source)]
    if coloured.take(len(source)):
        tokens = lexer.get_tokens(source)
    number = snippet.start
    column = 0
    for token, text in tokens:
        kind = _kind(token)
        for at, part in enumerate(text.split("\n")):
            if at:
                number += 1
                column = 0
            if part:
                yield number, column, part, kind
            column += len(part)


def _segments(text: str, column: int, mark: tuple[int, int], kind: str) -> list[_Segment]:
    """The parts of a token before, in and after the failing expression."""
    first, end_of_mark = mark
    start = min(max(first - column, 0), len(text))
    end = min(max(end_of_mark - column, 0), len(text))
    parts = [
        (kind, False, text[:start]),
        (kind, True, text[start:end]),
        (kind, False, text[end:]),
    ]
    return [part for part in parts if part[2]]
