"""Tracebacks → records: frames, their positions, their variables, the globals that they use.

The innermost frames are read first: their variables are met first, and so are kept where a bound
is reached.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from typing import Any, Final

from ._facts import IMPORT_SYSTEM, CodeFacts, facts_of_code, traceback_of
from ._options import Options, bound
from ._report import ExceptionRecord, Ref
from ._values import Values

_OPTIMIZED: Final = 0x1


class Frames:
    """The frames of one capture: each once, however many tracebacks pass through it."""

    def __init__(self, options: Options, values: Values, roots: list[int]) -> None:
        self.frames: list[Any] = []
        self.codes: list[Any] = []
        self.globals: list[dict[str, Ref]] = []
        self.files: dict[str, dict[str, Any]] = {}  # file → the globals of a frame of it
        self._options = options
        self._values = values
        self._roots = roots  # indexes of the values that may be made live
        self._keeps_live = options.pickler is not None and not 0 <= options.depth <= 1
        self._frame_index: dict[int, int] = {}
        self._code_index: dict[int, int] = {}
        self._globals_index: dict[int, int] = {}
        self._wanted: list[dict[str, Any]] = []  # of each namespace what the frames' code uses
        self._named: dict[int, int] = {}  # code → the namespace where its names were looked for
        self._name_errors: list[tuple[types.FrameType, int]] = []  # where they were raised

    def read(self, exc: BaseException, record: ExceptionRecord, depth: int, is_root: bool) -> None:
        """Puts the exception's traceback into its record."""
        entries: list[types.TracebackType] = []
        traceback = traceback_of(exc)
        while traceback is not None:
            entries.append(traceback)
            traceback = traceback.tb_next
        if self._options.outer_frames and is_root and entries:
            record["outer"] = self._outer(entries[0].tb_frame.f_back, depth)
        most = bound(self._options.limit)
        left_out = len(entries) - most
        if left_out > 0:
            head = most // 4
            tail = len(entries) - (most - head)
            self._values.cut("limit", left_out)
        else:
            head = tail = 0
        told = [self._entry(entry, depth) for entry in reversed(entries[tail:])]
        if left_out > 0:
            told.append([-1, left_out])
            told += [self._entry(entry, depth) for entry in reversed(entries[:head])]
        record["traceback"] = told[::-1]
        if entries and issubclass(type(exc), NameError):
            self._name_errors.append((entries[-1].tb_frame, told[0][0]))

    def _entry(self, entry: types.TracebackType, depth: int) -> list[Any]:
        frame = entry.tb_frame
        facts = facts_of_code(frame.f_code)
        position = facts.position(entry.tb_lasti)
        if position[0] is None:
            position = [entry.tb_lineno, *position[1:]]
        index = self._frame_index.get(id(frame))
        if index is None:
            index = self._frame(frame, facts, depth)
        return [index, position]

    def _outer(self, frame: types.FrameType | None, depth: int) -> list[int]:
        found: list[int] = []
        most = bound(self._options.limit)
        while frame is not None and len(found) < most:
            index = self._frame_index.get(id(frame))
            if index is None:
                index = self._frame(frame, facts_of_code(frame.f_code), depth)
            found.append(index)
            frame = frame.f_back
        return found[::-1]

    def _frame(self, frame: types.FrameType, facts: CodeFacts, depth: int) -> int:
        """A frame that was not met before."""
        index = self._frame_index[id(frame)] = len(self.frames)
        namespace = frame.f_globals
        place = self._globals_index.get(id(namespace))
        if place is None:
            place = self._globals_index[id(namespace)] = len(self._wanted)
            of_module = ("__name__", "__file__")
            self._wanted.append({name: namespace[name] for name in of_module if name in namespace})
        code_index = self._code_index.get(id(facts))
        if code_index is None:
            code_index = self._code_index[id(facts)] = len(self.codes)
            self.codes.append(facts.record)
            self.files.setdefault(facts.code.co_filename, namespace)
        if self._named.get(id(facts)) != place:
            self._named[id(facts)] = place
            wanted = self._wanted[place]
            for name in facts.names:
                if name in namespace:
                    wanted[name] = namespace[name]
        at = facts.position(frame.f_lasti)
        if at[0] is None and frame.f_lineno is not None:
            at = [frame.f_lineno, *at[1:]]
        refs = None
        if facts.code.co_flags & _OPTIMIZED or frame.f_locals is not namespace:
            refs = self._values.named(_locals(frame), depth)
            if self._keeps_live:
                self._may_live(refs.values())
        else:
            self._wanted[place].update(
                (name, value)
                for name, value in tuple(namespace.items())
                if type(name) is str and name not in IMPORT_SYSTEM
            )
        self.frames.append({"code": code_index, "globals": place, "locals": refs, "at": at})
        return index

    def read_globals(self, depth: int) -> None:
        """Last: where a bound is reached, the variables of all frames have come before."""
        for wanted in self._wanted:
            refs = self._values.named(wanted, depth)
            self.globals.append(refs)
            if self._keeps_live:
                self._may_live(refs.values())
        for frame, index in self._name_errors:
            self._names_for_suggestions(frame, index)

    def _names_for_suggestions(self, frame: types.FrameType, index: int) -> None:
        """A NameError's "did you mean" looks at every name in sight, not only at kept ones."""
        values = self._values
        table = self.globals[self.frames[index]["globals"]]
        text = "<a global that the frame's code does not use>"
        unused = ["object", values.info(object).index, text, None, {"why": "unused"}]
        unnamed = None
        for name in tuple(frame.f_globals):
            if type(name) is str and name not in table and name not in IMPORT_SYSTEM:
                if unnamed is None:
                    unnamed = [values.add(unused)]
                table[name] = unnamed
        local = self.frames[index]["locals"]
        if local and "self" in local:
            values.wants_dir.add(id(_locals(frame).get("self")))

    def _may_live(self, refs: Iterable[Ref]) -> None:
        self._roots += [ref[0] for ref in refs if type(ref) is list]


def _type_of_locals() -> type:
    return type(sys._getframe().f_locals)


_LOCALS: Final[Any] = _type_of_locals()  # a dict; from Python 3.13 on a proxy, which reads as one


def _locals(frame: types.FrameType) -> dict[str, Any]:
    namespace: Any = frame.f_locals
    if type(namespace) is dict:
        return namespace
    if type(namespace) is _LOCALS:
        return {**namespace}
    if issubclass(type(namespace), dict):  # of a class body, made by a metaclass
        return dict(dict.items(namespace))
    # a mapping of the user's own, given to exec: reading it would run the user's code
    return {"<locals>": namespace}
