"""The possible kinds of a traceback's line, judged by the line and its neighbours alone."""

from __future__ import annotations

import re

from .grammar import (
    FILE_LINE,
    HEAD,
    LAST_LINE,
    ORIGINAL,
    file_name,
    is_end,
    is_error_like,
    is_header,
    is_record,
)
from .read import ReadException, ReadFrame


def place_in(text: str, is_flat: bool) -> re.Match[str] | None:
    """The match of a frame's first line. is_flat: the text has no indentation."""
    if 'File "' not in text[:200]:
        return None
    if text.startswith("    ") and not is_flat:
        return None
    return FILE_LINE.match(text)


def frame_at(place: re.Match[str], is_flat: bool) -> ReadFrame:
    """The frame of a match that place_in() gave."""
    name = place["name"] or ""
    return ReadFrame(file_name(place["file"]), int(place["line"]), name.rstrip(), is_flat)


def last_line_in(text: str, exception: ReadException, is_flat: bool) -> re.Match[str] | None:
    """The match of the line with the exception's name."""
    match = LAST_LINE.match(text)
    if match is None or is_record(text):
        return None
    name: str = match["name"]
    if "." in name or name[0].isupper() or is_error_like(match):
        return match
    has_frames = exception.frames.count > 0 and not is_flat
    if match["message"] is not None and has_frames:
        return match
    return None


def ends_message(text: str, lines: list[str], is_after_blank: bool) -> bool:
    """Whether the line cannot belong to a message, by the rules in textlog/__init__.py.

    lines: of the message so far."""
    bare = text.strip()
    if bare == ORIGINAL:
        return False
    is_indented = text[0].isspace()
    if _is_other_header(bare, is_indented):
        return not "".join(lines[-1:]).rstrip().endswith(":")
    return (is_after_blank and not is_indented) or is_record(text) or is_end(text)


def _is_other_header(bare: str, is_indented: bool) -> bool:
    if HEAD not in bare:
        return False
    if HEAD + "\\" in bare or is_header(bare):
        return True
    return bare.endswith(HEAD) and not is_indented


def opens_fence(lines: list[str]) -> bool:
    """Whether a fence of quotes after these lines of a message opens a worker's traceback."""
    last = ""
    if lines:
        last = lines[-1].rstrip()
    return lines == [last] == [""] or last.endswith("Traceback:")
