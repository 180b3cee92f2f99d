"""What wraps a program's line besides records of JSON: rows of CSV, collectors' tags, ranks, pages.

Each wrapper is cheap to exclude by the first characters of a line: most lines have none.
"""

from __future__ import annotations

import html
import re
from typing import Final

from .grammar import HEAD

# fluent-bit's and fluentd's outputs: [0] tag: [time, {...}] and time tag: {...}
TAGGED: Final = re.compile(
    r"(?:\[\d{1,9}\] [\w./-]{1,100}: \[[\d., {}\[\]-]{1,60}"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]{0,10} [+-]\d{4} [\w./-]{1,100}: )(?=\{\")"
)
# Open MPI's --tag-output.
RANK: Final = re.compile(r"\[(\d{1,9},\d{1,9})\]<(?:stdout|stderr|stddiag)>:", re.ASCII)
# Times before each line of a job of GitHub, or of a container (docker logs --timestamps).
GITHUB: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7,9}Z) ")
# A row of CSV whose last field is quoted.
_ROW: Final = re.compile(r'((?:[^",\n]{0,100},){1,8})"((?:[^"]|"")*+)"\s*$')
_TAGS: Final = re.compile(
    r"</?(?:pre|code|div|span|p|html|body|textarea|table|tr|td|li|samp|tt|b|i)\b[^<>]{0,200}>"
)
# Ray's, behind a line that several workers wrote.
_REPEATED: Final = re.compile(r" \[repeated \d+x across cluster\](?: \(Ray deduplicates .*)?$")
_BREAK: Final = re.compile(r"<br ?/?>")
_ENTITIES: Final = (
    "&nbsp;",
    "&quot;",
    "&#",
    "&lt;",
    "&gt;",
    "&amp;quot;",
    "&amp;#",
    "&amp;lt;",
    "&amp;gt;",
)


class Rows:
    """The rows of a CSV file whose last field is a program's line."""

    def __init__(self) -> None:
        self._is_within = False

    def unquoted(self, line: str) -> str | None:
        """The row with its last field unquoted; None for any other line."""
        if line[-1:] != '"' or ',"' not in line:
            return None
        row = _ROW.match(line)
        self._is_within = row is not None and (self._is_within or HEAD in line)
        if row is None or not self._is_within:
            return None
        return row[1] + row[2].replace('""', '"')


def without_markup(line: str) -> str:
    """A line of a page as text. A break becomes a newline."""
    for _ in range(2):  # a page within a page
        if "&" in line and any(entity in line for entity in _ENTITIES):
            line = html.unescape(line)
    if "<" not in line:
        return line
    if "<br" in line:
        line = _BREAK.sub("\n", line.rstrip()).removesuffix("\n")
    if "pre>" in line or "code>" in line or "</" in line:
        line = _TAGS.sub("", line)
    return line


def without_count(line: str) -> str:
    """A line of Ray's without the number of workers that wrote the line."""
    if "x across cluster]" not in line:
        return line
    return _REPEATED.sub("", line)
