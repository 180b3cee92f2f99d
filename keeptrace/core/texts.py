"""Texts of foreign origin, made fit to print: file names, type names, messages, out of dumps, logs,
workers and programs.

Such a text may hold what a terminal obeys (ESC, C1 controls), what reorders a line (U+202E) or
begins a new one. Every message of ours shows these characters as escapes.
"""

from __future__ import annotations

import os


def printable(text: str, keep: str = "") -> str:
    """The text with an escape for every character that is not visible, but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def _escape(character: str) -> str:
    return repr(character)[1:-1] if character not in "\\'" else character


def shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(most - 3, 0)]}..."


def one_line(text: str) -> str:
    """The text as one printable line."""
    return printable(" ".join(text.split()))


def quoted(path: str) -> str:
    """The path as a word of a shell's command line, printable whatever is in the path."""
    if path.isprintable():
        import shlex  # not for the workers, which import this module too

        return shlex.quote(path)
    return f"$'{''.join(map(_shell_escape, path))}'"  # bash, zsh, ksh and newer sh read the escapes


def _shell_escape(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
