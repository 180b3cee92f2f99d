"""Makes foreign texts printable: file names, type names and messages from dumps, logs, workers and
programs.

Foreign texts may hold characters that command a terminal (ESC, C1 controls), reorder a line
(U+202E) or begin a new line. Every message of ours shows such characters as escapes.
"""

from __future__ import annotations

import os


def printable(text: str, keep: str = "") -> str:
    """The text with an escape for every invisible character, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(_escape(character, keep) for character in text)


def _escape(character: str, keep: str) -> str:
    if character.isprintable() or character in keep:
        return character
    return repr(character)[1:-1]


def shorten(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[: max(most - 3, 0)]}..."


def counted(count: int, noun: str, plural: str = "") -> str:
    """The count with its noun: "1 dump", "3 dumps". plural: default: the noun with an s."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {plural or noun + 's'}"


def one_line(text: str) -> str:
    """The text as one printable line."""
    return printable(" ".join(text.split()))


def quoted(path: str) -> str:
    """The path as one printable word of a shell's command line."""
    if path.isprintable():
        import shlex  # workers import this module and need no shlex

        return shlex.quote(path)
    return f"$'{''.join(map(_shell_escape, path))}'"  # bash, zsh, ksh and newer sh read the escapes


def _shell_escape(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
