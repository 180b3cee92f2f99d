"""Stacks behind a label, with the exception in the line before: Azure Functions, Dask's workers.

The stack is read as Dagster's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..escaped import string_in
from .dagster import Dagster

START_IN_AZURE: Final = re.compile(r"(?<!\S)Stack: +File \"")
START_IN_DASK: Final = re.compile(r"(?<!\S)Traceback: '  File \".*'\s*$")
_LABEL: Final = re.compile(r"Stack: (?=  File)|Stack: *")
_AZURE: Final = re.compile(r"(?:.*\s)?Exception: (?P<last>[^\W\d][\w.]*(?:: .*)?)$")
_DASK: Final = re.compile(r"Exception: (?P<literal>[\"'].*[\"'])\s*$")
_CALL: Final = re.compile(r"(?P<name>[^\W\d][\w.]*)\((?P<args>.*)\)$", re.DOTALL)


def of_azure(line: str, before: Sequence[str]) -> Dagster | None:
    """Exception: ValueError: bad order, then Stack: and the frames."""
    found = _AZURE.match("".join(before[-1:]))
    if found is None:
        return None
    translator = Dagster(found["last"])
    translator.feed(_LABEL.sub("", line, count=1))
    return translator


def of_dask(line: str, before: Sequence[str]) -> Dagster | None:
    """Exception: "ValueError('bad order')", then Traceback: and the frames, both as literals."""
    found = _DASK.match("".join(before[-1:]))
    stack = string_in(line.partition(": ")[2].strip())
    if found is None or stack is None:
        return None
    call = _CALL.match(string_in(found["literal"]) or "")
    if call is None:
        return None
    message = call["args"]
    if call["name"] != "KeyError":
        message = string_in(message) or message
    translator = Dagster(f"{call['name']}: {message}")
    for text in stack.splitlines():
        translator.feed(text)
    return translator
