"""What wraps a program's line besides records of JSON: rows of CSV, collectors' tags, ranks, pages.

Each wrapper is cheap to exclude by the first characters of a line: most lines have none.
"""

from __future__ import annotations

import html
import quopri
import re
from typing import Final

from .grammar import HEAD, MOST_CHARACTERS

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
    r"</?(?:pre|code|div|span|p|html|body|table|tr|td|li|samp|tt|b|i)\b[^<>]{0,200}>"
    r"|<textarea\b[^<>]{0,200}>"
)
# Ray's, behind a line that several workers wrote.
_REPEATED: Final = re.compile(r" \[repeated \d+x across cluster\](?: \(Ray deduplicates .*)?$")
# Tags around the texts of a JUnit report. A failure stands under the title of pytest's tests.
# In a message, text surrounds such tags.
_JUNIT: Final = re.compile(
    r"(?:^\s*|(?<=>))<(?P<opens>failure|error)\b[^<>]*(?<!/)>"
    r"|(?:\]\]>)?</(?:failure|error|system-out|system-err)>(?=\s*$|<)"
)
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


class Journal:
    """The fields of journalctl -o export and -o verbose, a line each. MESSAGE has the text."""

    def __init__(self) -> None:
        self.is_open: bool = False

    def feed(self, line: str) -> str | None:
        """The program's line; None for any other field of a record."""
        message = _JOURNAL_MESSAGE.match(line)
        if message is not None:
            self.is_open = True
            return line[message.end() :]
        if not self.is_open:
            return line
        if not line.strip() or _JOURNAL_FIELD.match(line):
            return None
        self.is_open = False
        return line


_JOURNAL_MESSAGE: Final = re.compile(r"(?: {4})?MESSAGE=")
_JOURNAL_FIELD: Final = re.compile(r"(?: {4})?_{0,2}[A-Z][A-Z0-9_]*=|\w{3} [\d-]{10} .*\[s=\w+;")


class Mail:
    """The lines of a mail with quoted-printable text, as Django sends to administrators."""

    def __init__(self) -> None:
        self.is_open: bool = False
        self._is_body = False  # the lines are behind the headers
        self._begin = ""  # of a line that goes on in the next one

    def feed(self, line: str) -> str | None:
        """The decoded line; None for the beginning of a line."""
        encoding = _ENCODING.match(line)
        if encoding is not None:
            self.is_open = encoding[1].lower() == "quoted-printable"
            self._is_body = False
        if not self.is_open:
            return line
        line = line.rstrip("\r")
        self._is_body = self._is_body or not line
        if self._is_body and _UNENCODED.search(line):  # the mail has ended
            self.is_open = False
            line, self._begin = self._begin + line, ""
            return line
        if line.endswith("=") and len(self._begin) < MOST_CHARACTERS:
            self._begin += line[:-1]
            return None
        whole, self._begin = self._begin + line, ""
        self.is_open = _MAIL_ENDS.match(line) is None
        return quopri.decodestring(whole.encode()).decode("utf-8", "replace")


_ENCODING: Final = re.compile(r"Content-Transfer-Encoding: ([\w-]+)\s*$", re.IGNORECASE)
_UNENCODED: Final = re.compile("=(?![0-9A-F]{2}|$)")
_MAIL_ENDS: Final = re.compile(r"--[=\w]|From \S+@")


def without_markup(line: str) -> str:
    """A line of a page as text. A break becomes a newline."""
    if "<failure" in line or "<error" in line or "</" in line:
        line = _JUNIT.sub(_junit_break, line)
    for _ in range(2):  # a page within a page
        if "&" in line and any(entity in line for entity in _ENTITIES):
            line = html.unescape(line)
    if "<" not in line:
        return line
    return _without_tags(line)


def _without_tags(line: str) -> str:
    if "<br" in line:
        line = _BREAK.sub("\n", line.rstrip()).removesuffix("\n")
    if "pre>" in line or "code>" in line or "</" in line:
        line = _TAGS.sub("", line)
    return line


def _junit_break(tag: re.Match[str]) -> str:
    if tag["opens"]:
        return f"\n___ {tag['opens']} ___\n"
    return f"\n{tag.group()}\n"


def without_count(line: str) -> str:
    """A line of Ray's without the number of workers that wrote the line."""
    if "x across cluster]" not in line:
        return line
    return _REPEATED.sub("", line)
