"""Joins the parts of a line that a narrow screen broke: rich's log handler breaks between words,
a terminal at its last column.
"""

from __future__ import annotations

from typing import Final

from .grammar import FILE_LINE, HEAD, LINKS, MOST_CHARACTERS

_MOST_PARTS: Final = 6  # of one line; a screen is not so narrow
# No other sentence begins with so much of a link. (characters)
_HALF_LINK: Final = 20
_BARS: Final = " |"  # of groups


class Unwrapper:
    """Keeps the beginning of a broken line until the line is whole."""

    __slots__ = (
        "_begin",
        "_latest",
        "_parts",
        "_widest",
        "_width",
        "_widths",
        "is_by_words",
        "is_rest",
    )

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._begin = ""  # the parts, joined
        self._widths: set[int] = set()  # of the parts
        self._latest = 0  # the width of the line before
        self._widest = 0
        self.is_rest = False  # the latest line, by the width of the line before
        self._width = -1  # of the screen; -1: unknown
        self.is_by_words = False  # whether lines were broken between words

    def feed(self, text: str, width: int) -> list[str]:
        """The whole lines, once the text is known. width: of the text with its margin."""
        word, _, _ = text.strip().partition(" ")
        self.is_rest = self.is_by_words and self._latest + 1 + len(word) > self._widest
        self._latest, self._widest = width, max(self._widest, width)
        return self._join(text, width)

    def _join(self, text: str, width: int) -> list[str]:
        if not self._parts:
            if not self._is_broken(text, width):
                return [text]
            self._parts.append(text)
            self._begin, self._widths = text, {width}
            return []
        if _begins_another(text):
            return [*self.finish(), *self._join(text, width)]
        if self._widths == {self._width}:
            return self._rest(self._begin + text, width)
        return self._rest_of_place(text, width)

    def finish(self) -> list[str]:
        """The parts of a line that is not broken, or has no rest."""
        parts, self._parts = self._parts, []
        return parts

    def _is_broken(self, text: str, width: int) -> bool:
        bare = text.strip(_BARS)
        if bare.startswith('File "') or bare == "File":
            return not _is_whole(bare) or width == self._width
        return width == self._width or _is_half_a_link(bare)

    def _rest(self, whole: str, width: int) -> list[str]:
        """The line is whole, unless this part fills the screen, too."""
        if width == self._width and len(whole) < MOST_CHARACTERS:
            self._begin = whole
            return []
        self._parts.clear()
        return [whole]

    def _rest_of_place(self, text: str, width: int) -> list[str]:
        glued, spaced = self._begin + text, f"{self._begin.rstrip()} {text.strip(_BARS)}"
        if _is_whole(glued):
            if len(self._widths) == 1:
                (self._width,) = self._widths
            return self._rest(glued, width)
        if _is_whole(spaced):
            self.is_by_words = True
            self._parts.clear()
            return [spaced]
        if _is_place(self._begin) or len(self._parts) == _MOST_PARTS:
            return [*self.finish(), *self._join(text, width)]
        self._parts.append(text)
        self._widths.add(width)
        is_by_words = self._begin.endswith("File") or _is_half_a_link(spaced.strip(_BARS))
        self._begin = glued
        if is_by_words:
            self._begin, self.is_by_words = spaced, True
        return []


def _is_whole(text: str) -> bool:
    """Whether the text is a frame's first line with a name, or a link."""
    bare = text.strip(_BARS)
    if bare in LINKS:
        return True
    found = FILE_LINE.match(bare)
    return found is not None and found["name"] is not None


def _is_place(text: str) -> bool:
    """Whether the text may be whole without a name, as the place of a SyntaxError is."""
    return FILE_LINE.match(text.strip(_BARS)) is not None


def _is_half_a_link(text: str) -> bool:
    return len(text) >= _HALF_LINK and any(link.startswith(text) and link != text for link in LINKS)


def _begins_another(text: str) -> bool:
    """Whether a text begins a line of a traceback."""
    bare = text.strip(_BARS)
    return not bare or bare.startswith('File "') or HEAD in bare or not bare.strip("^~")
