"""A view in the terminal, by rich; plain text in a pipe.

Every line is a rich.text.Text made of printable texts: neither rich nor the terminal reads the data
as markup or commands. For omitted lines, a line has their count and the option to show all.
"""

from __future__ import annotations

import re
from typing import Final

from rich.console import Console
from rich.text import Text

from ..core.report import Ref
from ..core.texts import printable, shorten
from .budgets import TERMINAL_CHARACTERS, TERMINAL_LINES, Budget
from .data import access
from .frames import ShownFrame, Variables
from .nodes import Child
from .source_lines import SourceLines
from .sources import Snippet
from .view import ShownException, View
from .wording import cut_texts, hidden_text, process_rows, relation_text

# Without --all, as much as fits a screen: exceptions; first and last frames of an exception;
# variables of a frame; characters of a value.
_EXCEPTIONS: Final = 10
_FIRST_FRAMES: Final = 5
_LAST_FRAMES: Final = 15
_VARIABLES: Final = 12
_CHARACTERS: Final = 160
# With --all: characters of a value, and levels of its parts; with --frame, more levels.
_ALL_CHARACTERS: Final = 2_000
_ALL_LEVELS: Final = 1
_FRAME_LEVELS: Final = 3
# Parts of a value in a tree; lines of a text.
_PARTS: Final = 30
_LINES: Final = 40
# Indented levels of a tree; deeper levels are indented no further.
_INDENTED: Final = 12
_OVERVIEW: Final = {
    "cause": "cause: ",
    "context": "context: ",
    "suppressed": "hidden context: ",
    "held": "held: ",
    "threads": "at that time: ",
}
_WORD: Final = re.compile(r"[^\W\d]\w*")


def show(
    view: View, console: Console, *, everything: bool = False, frame: int | None = None
) -> None:
    """Prints a view, or a single frame with its variables as trees.

    Raises KeepTraceError for an unknown frame.
    """
    printer = _Printer(view, console, everything or frame is not None)
    if frame is not None:
        printer.one_frame(frame)
    else:
        printer.all()
    printer.finish()


class _Printer:
    def __init__(self, view: View, console: Console, everything: bool) -> None:
        self._view = view
        self._values = view.values
        self._console = console
        self._everything = everything
        self._lines = Budget(TERMINAL_LINES)
        self._characters = Budget(TERMINAL_CHARACTERS)
        self._frames_unshown = 0
        self._most = _CHARACTERS
        if everything:
            self._most = _ALL_CHARACTERS
        elif console.is_terminal:
            room = max(console.width - 24, 40)
            self._most = min(_CHARACTERS, room)
        self._sources = SourceLines(self.line, coloured=console.color_system is not None)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Prints a line if the budget has room; see finish()."""
        if self._characters.left <= 0 or not self._lines.take():
            return
        text = Text.assemble(*parts)
        self._characters.take(len(text))
        self._console.print(text, soft_wrap=True, highlight=False)

    # -- the whole

    def all(self) -> None:
        ordered = self._view.in_order(self._everything)
        if len(ordered) > 1:
            self._overview()
            self._chain(ordered)
        else:
            self._exception(ordered[0], numbered=False)
        if self._everything:
            self._process()
        self._cuts()

    def _chain(self, ordered: list[ShownException]) -> None:
        shown = ordered
        if not self._everything and len(ordered) > _EXCEPTIONS:
            # The report's order begins at the captured exception, so the exceptions furthest away
            # are left out.
            shown = [exception for exception in ordered if exception.index < _EXCEPTIONS]
        for exception in shown:
            self.line()
            self._exception(exception, numbered=True)
        if shown is not ordered:
            more = len(ordered) - len(shown)
            text = f"{more} more exceptions of the chain are not shown: --all shows them"
            self.line()
            self.line((text, "dim"))

    def _overview(self) -> None:
        rows = self._view.tree(self._everything)
        most = len(rows)
        if not self._everything:
            most = 3 * _EXCEPTIONS
        for exception in rows[:most]:
            indent = ""
            if exception.depth:
                indent = "   " * min(exception.depth - 1, _INDENTED) + "+- "
            relation = _OVERVIEW.get(exception.relation, "")
            title = shorten(_one_line(exception.title), self._most)
            style = "bold red"
            if exception.depth:
                style = "red"
            self.line(
                (indent, "dim"),
                (f"[{exception.number}] ", "cyan"),
                (relation, "dim"),
                (title, style),
            )
        if len(rows) > most:
            self.line((f"   ... {len(rows) - most} more", "dim"))

    def _exception(self, exception: ShownException, numbered: bool) -> None:
        if numbered:
            self._number(exception)
        self._stack(exception)
        if exception.place:
            self._block(exception.place.rstrip("\n"), "")
        message = ""
        if exception.message:
            message = f": {self._bounded(exception.message)}"
        self.line((exception.type, "bold red"), message)
        for note in exception.notes:
            self._block(note, "  ", "italic")
        self._attributes(exception)

    def _stack(self, exception: ShownException) -> None:
        """The frames of an exception, or why there are none."""
        if exception.frames:
            self._frames(exception)
        if exception.text is not None:
            self.line(("  The frames were not kept; the traceback as text:", "dim"))
            self._block(exception.text, "  ")
            return
        needs_none = exception.place or exception.is_of_snapshot
        if not exception.frames and not needs_none:
            self.line(("  (it has no frames: it was never raised)", "dim"))

    def _number(self, exception: ShownException) -> None:
        """The line above each exception of a chain: number, type and relation."""
        relation = relation_text(self._view, exception)
        if relation:
            relation = f"   {relation}"
        self.line(
            (f"[{exception.number}] ", "bold cyan"),
            (exception.type, "bold red"),
            (relation, "dim"),
        )

    def _attributes(self, exception: ShownException) -> None:
        """Prints the attributes; without --all, only if an attribute adds to the message."""
        for name, ref in exception.details:
            if not self._has_room():
                break
            if self._everything or self._says_more(exception, name, ref):
                text = self._values.text(ref, self._most)
                self.line((f"  .{name}", "cyan"), " = ", text)

    def _says_more(self, exception: ShownException, name: str, ref: Ref) -> bool:
        """Whether an attribute adds to the message."""
        if name == "args" or name in exception.message:
            return False
        text = self._values.plain(ref)
        if text is None:
            text = self._values.text(ref)
        return text not in exception.message

    def _bounded(self, text: str) -> str:
        if self._everything:
            return text
        lines = text.split("\n")
        more = len(lines) - _LINES
        short = "\n".join(shorten(line, 2_000) for line in lines[:_LINES])
        if more > 0:
            return f"{short}\n... {more} more lines: --all shows them"
        return short

    def _block(self, text: str, indent: str, style: str = "") -> None:
        for line in self._bounded(text).split("\n"):
            if not self._has_room():
                break
            self.line(indent, (line, style))

    def _process(self) -> None:
        rows = process_rows(self._view)
        if rows:
            self.line()
            self.line(("The process that wrote the dump:", "dim"))
        for name, fact in rows:
            self.line((f"  {name:<12} ", "cyan"), shorten(fact, self._most))

    def _cuts(self) -> None:
        view = self._view
        reasons = cut_texts(view)
        if view.cuts.get("redacted") or view.redacted:
            reasons.append(f"hidden: {hidden_text(view)}")
        if reasons:
            self.line()
            self.line((f"Not everything was kept ({', '.join(reasons)}).", "dim"))

    # -- frames

    def _frames(self, exception: ShownException) -> None:
        first = exception.frames
        hidden: list[ShownFrame] = []
        last: list[ShownFrame] = []
        most = _FIRST_FRAMES + _LAST_FRAMES
        if not self._everything and len(first) > most:
            last = first[-_LAST_FRAMES:]
            hidden = first[_FIRST_FRAMES:-_LAST_FRAMES]
            first = first[:_FIRST_FRAMES]
        innermost = exception.frames[-1]
        for frame in first:
            self._frame(frame, frame is innermost)
        if hidden:
            numbers = f"#{hidden[0].number} to #{hidden[-1].number}"
            options = "--all shows them, --frame N one of them"
            self.line((f"  ... {len(hidden)} frames more, {numbers}: {options}", "dim"))
        for frame in last:
            self._frame(frame, frame is innermost)

    def _frame(self, frame: ShownFrame, is_last: bool) -> None:
        if frame.left_out:
            self.line((f"  ... {frame.left_out} frames were not kept", "dim"))
            return
        if not self._has_room():
            self._frames_unshown += 1
            return
        self._place(frame)
        if frame.is_library and not is_last and not self._everything:
            return
        snippet = self._view.sources.snippet(frame, 2, 1)
        self._sources.show(snippet)
        self._variables(frame, snippet)

    def _has_room(self) -> bool:
        return self._lines.left > 0 and self._characters.left > 0

    def finish(self) -> None:
        """Prints a last line if the budget cut the output."""
        if not self._has_room():
            frames = ""
            if self._frames_unshown:
                frames = f", with {self._frames_unshown} frames"
            text = f"... the rest is left out{frames}: --frame N shows one frame"
            self._console.print(Text(text, "dim"), soft_wrap=True, highlight=False)

    def _place(self, frame: ShownFrame) -> None:
        title_style, place_style = "bold", "green"
        if frame.is_library:
            title_style = place_style = "dim"
        self.line(
            (f"  #{frame.number} ", "cyan"),
            (frame.title, title_style),
            ("  in  ", "dim"),
            (printable(f"{frame.file}:{frame.line_text}"), place_style),
        )

    def _variables(self, frame: ShownFrame, snippet: Snippet | None) -> None:
        named = frame.locals
        levels = _ALL_LEVELS
        if not self._everything:
            named = self._chosen(frame, snippet)
            levels = 0
        for name, ref in named:
            if not self._has_room():
                break
            self._variable("      ", name, ref, levels)
        hidden = len(frame.locals) - len(named)
        if hidden:
            self.line((f"      ... {hidden} more: --frame {frame.number} shows them", "dim"))

    def _chosen(self, frame: ShownFrame, snippet: Snippet | None) -> Variables:
        """A few variables; the variables on the failing line take precedence."""
        candidates = frame.locals
        if frame.is_module:
            is_noise = self._view.is_noise
            candidates = [(name, ref) for name, ref in candidates if not is_noise(name, ref)]
        if len(candidates) <= _VARIABLES:
            return candidates
        words: set[str] = set()
        if snippet is not None:
            failing = snippet.lines[snippet.line - snippet.first]
            words = set(_WORD.findall(failing))
        names = [name for name, _ in candidates]
        names.sort(key=lambda name: name not in words)
        chosen = set(names[:_VARIABLES])
        return [(name, ref) for name, ref in candidates if name in chosen]

    def _variable(self, indent: str, name: str, ref: Ref, levels: int) -> None:
        text = self._values.text(ref, self._most)
        held = ""
        if not levels:
            room = self._most - len(text)
            held = self._values.attributes(ref, room)
        if held:
            held = f"  ({held})"
        shown_name = (shorten(name, 100), "cyan")
        self.line(indent, shown_name, " = ", text, (held, "dim"))
        if levels:
            key = self._values.key(ref)
            self._parts(indent + "  ", ref, levels, (key,))

    def _parts(self, indent: str, ref: Ref, levels: int, above: tuple[int | None, ...]) -> None:
        """Prints the parts of a value, a line each. A value inside itself is not opened again."""
        value = self._values.value(ref)
        children = value.children
        if value.brackets[0] and self._are_flat(children):
            return  # the container's own line shows all parts
        for child in children[:_PARTS]:
            self.line(
                indent,
                (access(self._values, child), "cyan"),
                " = ",
                self._values.text(child.ref, self._most),
            )
            key = self._values.key(child.ref)
            if levels > 1 and key is not None and key not in above:
                self._parts(indent + "  ", child.ref, levels - 1, (*above, key))
        more = len(children) - _PARTS
        if more > 0:
            self.line(indent, (f"... {more} more", "dim"))
        if value.missing:
            self.line(indent, (f"... {value.missing} were not kept", "dim"))

    def _are_flat(self, children: list[Child]) -> bool:
        return not any(self._values.children(child.ref) for child in children)

    # -- one frame

    def one_frame(self, number: int) -> None:
        frame = self._view.frame(number)
        exception = self._view.exceptions[frame.exception]
        title = shorten(_one_line(exception.title), 300)
        self.line((f"[{exception.number}] ", "bold cyan"), (title, "bold red"))
        if frame.left_out:
            self.line((f"  ... {frame.left_out} frames were not kept", "dim"))
            return
        self._place(frame)
        snippet = self._view.sources.snippet(frame, 12, 6)
        if snippet is None:
            text = "    (its source is not in the dump, and no file of this machine holds it)"
            self.line((text, "dim"))
        self._sources.show(snippet)
        self._table("locals", frame.locals)
        self._table("globals that its code uses", frame.globals)

    def _table(self, title: str, variables: Variables) -> None:
        if variables:
            self.line((f"    {title}", "bold"))
        for name, ref in variables:
            if not self._has_room():
                break
            self._variable("      ", name, ref, _FRAME_LEVELS)


def _one_line(text: str) -> str:
    return text.replace("\n", " ")
