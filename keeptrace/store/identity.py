"""The fingerprint of a failure, from the live exception, before anything is captured.

A *fingerprint* is made of the types of all exceptions of the chain, and of the functions on their
tracebacks with the line within the function. An edit elsewhere in the file changes line numbers but
not the fingerprint. Two KeyErrors in one function are two defects, so the line within the function
counts. Each place counts once, in no order: neither the depth of a recursion, nor the number of
retries, nor the order in which a group's children failed makes a difference.
"""

from __future__ import annotations

import os
from collections import deque
from types import CodeType, TracebackType
from typing import Final

from ..capture.facts import linked_to, traceback_of
from ..core.raw import names_of
from ..format.writing import fingerprint as make_fingerprint
from ..format.writing import place

# More exceptions, or frames of an exception, come from a loop or a recursion.
_MAX_CHAIN: Final = 100
_MAX_FRAMES: Final = 10_000


def fingerprint(exc: BaseException) -> str:
    """16 hexadecimal digits: equal for failures of the same types at the same places."""
    told: list[str] = []
    seen = {id(exc)}
    waiting = deque([exc])
    while waiting and len(seen) <= _MAX_CHAIN:
        found = waiting.popleft()
        kind = ".".join(names_of(type(found)))
        places = _places(kind, traceback_of(found))
        told += places or [kind]
        for other in linked_to(found):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)
    kind = ".".join(names_of(type(exc)))
    return make_fingerprint(kind, told)


def _places(kind: str, traceback: TracebackType | None) -> list[str]:
    """Where the traceback of an exception of this type passes, each place once."""
    seen: dict[tuple[int, int], tuple[CodeType, int | None]] = {}
    count = 0
    while traceback is not None and count < _MAX_FRAMES:
        code = traceback.tb_frame.f_code
        key = (id(code), traceback.tb_lasti)
        if key not in seen:
            seen[key] = (code, traceback.tb_lineno)
        traceback = traceback.tb_next
        count += 1
    return [
        place(kind, code.co_filename, code.co_qualname, line, code.co_firstlineno)
        for code, line in seen.values()
    ]


def place_of(exc: BaseException) -> str:
    """The innermost function of the user's own code on the traceback, for people: "shop.total"."""
    from ..debug import is_users

    entry = traceback_of(exc)
    chosen = last = None
    while entry is not None:
        last = entry.tb_frame
        if is_users(last):
            chosen = last
        entry = entry.tb_next
    frame = chosen or last
    if frame is None:
        return _place_of_syntax_error(exc) or "nowhere"
    code = frame.f_code
    return f"{_stem(code.co_filename)}.{code.co_qualname}"


def _place_of_syntax_error(exc: BaseException) -> str:
    """The file and the line that could not be compiled: "shop.line 2".

    No code of the program ran there.
    """
    if not issubclass(type(exc), SyntaxError):
        return ""
    file = SyntaxError.__dict__["filename"].__get__(exc)
    line = SyntaxError.__dict__["lineno"].__get__(exc)
    if type(file) is not str or type(line) is not int:
        return ""
    return f"{_stem(file)}.line {line}"


def _stem(file: str) -> str:
    return os.path.splitext(os.path.basename(file))[0]
