"""Tracebacks as other tools print them, translated line by line into the one that Python prints.

A translator takes the lines of one traceback of a tool and gives lines of the grammar in
__init__.py, so one reader reads them all. To teach another tool, write a translator and add it to
FORMATS."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from .grammar import HEAD, LINKS

# A traceback of a tool that has not ended after so many lines is none.
_MOST_LINES: Final = 20_000


class Translator(Protocol):
    """Reads the traceback of one tool."""

    def feed(self, line: str) -> list[str] | None:
        """The lines that a line stands for; None if the tool's traceback ended before it."""
        ...

    def finish(self) -> list[str]:
        """What is still to be said at the end."""
        ...


def _place(file: str, line: str, name: str) -> str:
    return f'  File "{file}", line {line}, in {name.strip()}'


def _source(text: str) -> list[str]:
    return [f"    {text.strip()}"] if text.strip() else []


# -- rich, and so structlog and typer: frames in a box


class Rich:
    """│ /srv/boom.py:7 in price │ and, of the lines around, the one that is marked with ❱."""

    START: Final = re.compile(
        r".{0,300}?[╭┌+][─-]+ Traceback \(most recent call last\) [─-]+[╮┐+]\s*$"
    )
    _END: Final = re.compile(r"\s*[╰└+][─-]{8,}[╯┘+]\s*$")
    _FRAME: Final = re.compile(r"(?P<file>\S.*):(?P<line>\d{1,9}) in (?P<name>.+)$")
    _MARKED: Final = re.compile(r"[❱>] *\d+ (?P<text>.*)$")

    def __init__(self, line: str) -> None:
        self._margin = re.search("[╭┌+]", line).start()  # type: ignore[union-attr]  # START has one
        self._path = ""  # the beginning of a place that was broken into two lines
        self._is_over = False

    def feed(self, line: str) -> list[str] | None:
        bare = line[self._margin :]
        if self._is_over or not (bare[:1] in ("│", "|") or self._END.match(bare)):
            return None
        if bare[:1] not in ("│", "|"):
            self._is_over = True
            return []
        text = bare[1:].rstrip().rstrip("│|").strip()
        marked = self._MARKED.match(text)
        if marked is not None:
            return _source(re.sub(r"^(?:[│|]   ?)+", "", marked["text"]))
        whole = self._path + text
        frame = self._FRAME.match(whole)
        if frame is not None and (whole[:1] in "/.<~" or whole[1:3] in (":\\", ":/")):
            self._path = ""
            return [_place(frame["file"], frame["line"], frame["name"])]
        is_path = text[:1] == "/" or self._path
        self._path = whole if is_path and len(whole) < 1_000 else ""
        return []

    def finish(self) -> list[str]:
        return []


# -- IPython, Jupyter, Databricks


class IPython:
    """File /srv/boom.py:7, in price(order), or Cell In[3], line 2, in price(order), and an arrow
    at the line.
    """

    START: Final = re.compile(
        r"\s*(?P<name>[^\W\d][\w.]*) {2,}Traceback \(most recent call last\)\s*$"
    )
    _FRAME: Final = re.compile(
        r"\s*(?:File )?(?P<file>[^\s:]\S*?|[A-Za-z]:\\.*?):(?P<line>\d{1,9}), in (?P<name>[^()\s]+|<\w+>)(?:\(.*\))?\s*$"
    )
    _CELL: Final = re.compile(
        r"\s*(?:Cell|Input) In ?\[(?P<number>\d+)\], line (?P<line>\d{1,9})(?:, in (?P<name>[^()\s]+)(?:\(.*\))?)?\s*$"
    )
    _OLD: Final = re.compile(
        r"\s*(?P<file><ipython-input-[\w-]+>|[/~]\S+|[A-Za-z]:\\\S+) in (?P<name>[^()\s]+)(?:\(.*\))?\s*$"
    )
    _ARROW: Final = re.compile(r"\s*-+> ?(?P<line>\d{1,9})(?P<text> .*)?$")
    _AROUND: Final = re.compile(r"\s+\d{1,9}(?: .*)?$")

    def __init__(self, line: str) -> None:
        self._pending: tuple[str, str] | None = (
            None  # file and name of a frame whose line an arrow will say
        )

    def feed(self, line: str) -> list[str] | None:
        arrow = self._ARROW.match(line)
        if arrow is not None:
            place = []
            if self._pending is not None:
                place = [_place(self._pending[0], arrow["line"], self._pending[1])]
                self._pending = None
            return place + _source(arrow["text"] or "")
        for pattern in (self._FRAME, self._CELL, self._OLD):
            found = pattern.match(line)
            if found is not None:
                return self._take(found)
        is_value = line[:4].isspace()  # of a variable, in the mode Verbose
        if not line.strip() or is_value or self._AROUND.match(line):
            return []
        return None

    def _take(self, found: re.Match[str]) -> list[str]:
        parts = found.groupdict()
        name = parts["name"] or "<module>"
        if "number" in parts:
            return [_place(f"<ipython-input-{parts['number']}>", parts["line"], name)]
        if "line" in parts:
            return [_place(parts["file"], parts["line"], name)]
        self._pending = (parts["file"], name)
        return []

    def finish(self) -> list[str]:
        return []


# -- stackprinter


class Stackprinter:
    """File "/srv/boom.py", line 7, in price at the margin, an arrow at the line, and the variables
    between dots.
    """

    START: Final = re.compile(r'File "(?P<file>.+)", line (?P<line>\d{1,9}), in (?P<name>.+)$')
    _ARROW: Final = re.compile(r"-+> ?\d{1,9}(?P<text> .*)?$")

    def __init__(self, line: str) -> None:
        self._is_one = False  # an arrow was seen
        self._place = self._of(line)
        self._waiting: list[str] = []

    def _of(self, line: str) -> list[str]:
        found = self.START.match(line)
        return [_place(found["file"], found["line"], found["name"])] if found is not None else []

    def feed(self, line: str) -> list[str] | None:
        arrow = self._ARROW.match(line)
        if arrow is not None:
            place, self._place = self._place, []
            head = [] if self._is_one else [HEAD]
            self._is_one = True
            return head + place + _source(arrow["text"] or "")
        place = self._of(line)
        if place:
            self._place = place
            return []
        if not line.strip() or line[:1].isspace():
            return []
        return None

    def finish(self) -> list[str]:
        return []


# -- pytest, its short and its long tracebacks


class Pytest:
    """boom.py:9: in price, the code, and E   ValueError: bad order;

    or def price(order):, > code, E, boom.py:9: ValueError.
    """

    START: Final = re.compile(r"(?P<file>[^\s:]+\.py):(?P<line>\d{1,9}): in (?P<name>\S.*)$")
    START_OF_TEST: Final = re.compile(r"_{3,} \S.* _{3,}$")
    _MARKED: Final = re.compile(r"> {3,}(?P<text>\S.*)$")
    _LONG_PLACE: Final = re.compile(r"(?P<file>[^\s:]+\.py):(?P<line>\d{1,9}): *(?P<name>\S*)$")
    _ERROR: Final = re.compile(r"E   (?P<text>.*)$")
    _DEFINED: Final = re.compile(r" {4,}(?:async )?def (?P<name>\w+)\(")
    _ARGUMENTS: Final = re.compile(r"\w+ = |(?:_ )+_?\s*$")

    def __init__(self) -> None:
        self._error: list[str] = []
        self._text = ""  # the line that is marked in the listing of a function
        self._defined = "?"  # the function of the listing
        self._is_begun = False

    def feed(self, line: str) -> list[str] | None:
        error = self._ERROR.match(line)
        if error is not None:
            self._error.append(error["text"])
            return []
        short = self.START.match(line)
        if short is not None:
            return [*self._head(), _place(short["file"], short["line"], short["name"])]
        long = self._LONG_PLACE.match(line)
        if long is not None:
            text, self._text = self._text, ""
            place = _place(long["file"], long["line"], self._defined)
            return [*self._head(), place, *_source(text)]
        if line in LINKS:
            ended = [*self.finish(), "", line, ""]
            self._error, self._is_begun = [], False
            return ended
        return self._listing(line)

    def _listing(self, line: str) -> list[str] | None:
        """A line of a function's listing, or of what is around it."""
        marked = self._MARKED.match(line)
        if marked is not None:
            self._text = marked["text"]
            return []
        defined = self._DEFINED.match(line)
        if defined is not None:
            self._defined = defined["name"]
            return []
        if line[:4] == "    ":
            is_source = self._is_begun and self._defined == "?" and not self._error
            return [line] if is_source else []
        return [] if not line.strip() or self._ARGUMENTS.match(line) else None

    def _head(self) -> list[str]:
        if self._is_begun:
            return []
        self._is_begun = True
        return [HEAD]

    def finish(self) -> list[str]:
        lines = [line for line in self._error if line.strip()]
        if not self._is_begun or not lines:
            return []
        indent = len(lines[0]) - len(lines[0].lstrip())
        lines = [line[min(indent, len(line) - len(line.lstrip())) :] for line in lines]
        first = lines[0]
        if re.match(r"[^\W\d][\w.]*(?::|$)", first) is None:
            first = f"AssertionError: {first}"  # pytest's own explanation of an assert
        return [first, *lines[1:]]


# -- faulthandler


class Faulthandler:
    """Fatal Python error: Segmentation fault, and the thread's frames, the innermost first."""

    START: Final = re.compile(r"(?:Fatal Python error|Windows fatal exception): (?P<what>.*)$")
    _THREAD: Final = re.compile(
        r"(?P<current>Current thread|Thread) 0x[0-9a-fA-F]+.*\(most recent call first\):\s*$"
    )
    _FRAME: Final = re.compile(
        r'  File "(?P<file>.*)", line (?P<line>\d{1,9}|\?\?\?) in (?P<name>.+)$'
    )

    def __init__(self, line: str) -> None:
        found = self.START.match(line)
        self._what = found["what"] if found is not None else ""
        self._frames: list[str] = []
        self._is_current = False
        self._count = 0

    def feed(self, line: str) -> list[str] | None:
        self._count += 1
        thread = self._THREAD.match(line)
        if thread is not None:
            self._is_current = thread["current"] == "Current thread"
            return []
        frame = self._FRAME.match(line)
        if frame is not None:
            if self._is_current:
                number = frame["line"] if frame["line"].isdigit() else "0"
                self._frames.append(_place(frame["file"], number, frame["name"]))
            return []
        is_between = not line.strip() or line.startswith(("Python runtime state", "  ...", "<"))
        return [] if is_between and not (self._frames and not line.strip()) else None

    def finish(self) -> list[str]:
        if not self._frames:
            return []
        return [HEAD, *reversed(self._frames), f"FatalPythonError: {self._what}"]


def _of_pytest(line: str) -> Translator | None:
    return Pytest() if Pytest.START.match(line) is not None else None


def _of_test(line: str) -> Translator | None:
    return Pytest() if Pytest.START_OF_TEST.match(line) is not None else None


def _of_rich(line: str) -> Translator | None:
    return Rich(line) if Rich.START.match(line) is not None else None


def _of_ipython(line: str) -> Translator | None:
    return IPython(line) if IPython.START.match(line) is not None else None


def _of_stackprinter(line: str) -> Translator | None:
    return Stackprinter(line) if Stackprinter.START.match(line) is not None else None


def _of_faulthandler(line: str) -> Translator | None:
    return Faulthandler(line) if Faulthandler.START.match(line) is not None else None


class Format:
    """A tool: what is in the first line of its tracebacks, and what reads them."""

    __slots__ = ("begin", "has_head", "hint", "takes_first")

    def __init__(
        self,
        hint: str,
        begin: Callable[[str], Translator | None],
        has_head: bool,
        takes_first: bool,
    ) -> None:
        self.hint = hint
        self.begin = begin
        self.has_head = has_head  # its first line stands for a header
        self.takes_first = takes_first  # its first line says more


# What is in the line -> the tool. The hints are looked for in this order.
FORMATS: Final = (
    Format("Traceback (most recent call last) ", _of_rich, True, False),
    Format(" Traceback (most recent call last)", _of_ipython, True, False),
    Format('File "', _of_stackprinter, False, False),
    Format(".py:", _of_pytest, False, True),
    Format("___ ", _of_test, False, False),
    Format("Fatal Python error: ", _of_faulthandler, False, False),
    Format("Windows fatal exception: ", _of_faulthandler, False, False),
)


# The frames of IPython's mode Plain, which has Python's own header.
_PLAIN_FRAME: Final = re.compile(
    r"  File (?P<file>[^\s\"].*):(?P<line>\d{1,9}) in (?P<name>\S+)\s*$"
)
_PLAIN_CELL: Final = re.compile(r"  Cell In ?\[(?P<number>\d+)\], line (?P<line>\d{1,9})\s*$")
# So much of a link is no other sentence. (characters)
_HALF_LINK: Final = 30


def _of_plain_ipython(line: str) -> str:
    frame = _PLAIN_FRAME.match(line)
    if frame is not None:
        return _place(frame["file"], frame["line"], frame["name"])
    cell = _PLAIN_CELL.match(line)
    return (
        _place(f"<ipython-input-{cell['number']}>", cell["line"], "<module>")
        if cell is not None
        else line
    )


def _is_half_a_link(text: str) -> bool:
    """Whether a narrow screen broke a link after this text."""
    return len(text) >= _HALF_LINK and any(link.startswith(text) and link != text for link in LINKS)


class Translation:
    """One writer's lines, those of other tools translated."""

    def __init__(self) -> None:
        self._translator: Translator | None = None
        self._left = 0
        self._last: Format | None = None  # of the traceback before
        self._half = ""  # the beginning of a link that goes on in the next line

    def feed(self, line: str, is_reading: bool) -> list[str]:
        """The lines that a line stands for: itself, mostly. is_reading:

        it may belong to a traceback of Python's own.
        """
        if self._half:
            half, self._half = self._half, ""
            whole = f"{half} {line.strip()}"
            return [whole] if whole in LINKS else [half, *self.feed(line, is_reading)]
        if _is_half_a_link(line.strip()):
            self._half = line.strip()
            return []
        if self._translator is None:
            return self._begin(line, is_reading)
        self._left -= 1
        found = self._translator.feed(line) if self._left > 0 else None
        if found is not None:
            return found
        rest = self._translator.finish()
        self._translator = None
        return [*rest, *self._begin(line, is_reading)]

    def finish(self) -> list[str]:
        """What is still to be said when the log ends."""
        rest = [self._half] if self._half else []
        return rest if self._translator is None else [*rest, *self._translator.finish()]

    @property
    def is_idle(self) -> bool:
        return self._translator is None and not self._half

    def _begin(self, line: str, is_reading: bool) -> list[str]:
        for form in FORMATS:
            if form.hint not in line or HEAD in line:
                continue
            if is_reading and not form.has_head and form is not self._last:
                continue
            translator = form.begin(line)
            if translator is None:
                continue
            self._translator, self._left, self._last = translator, _MOST_LINES, form
            first = translator.feed(line) if form.takes_first else None
            return [HEAD] if form.has_head else first or []
        return [_of_plain_ipython(line) if is_reading else line]
