"""Tracebacks → records: frames with their positions, their variables and the globals they use.

- Exceptions are read in the order of their numbers, the root first, and each exception's innermost
  frames first. At a bound the reading ends, and the frames so far are kept.
- Frames may take half of the report's bytes and seconds. Each exception leaves room for a few
  frames of every later exception, or at least for the frame of its `raise`. The traceback marks
  missing frames.
- A failure to read (capture/losses.py) costs a single part: the variables of a frame, the position
  of a frame, or the globals of a module.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

from ..core.clock import monotonic
from ..core.nodes import stand_in
from ..core.options import Options, as_limit
from ..core.raw import text_keys
from ..core.report import ExceptionRecord, Position, Ref
from .cleared import was_cleared
from .facts import IMPORT_SYSTEM, CodeFacts, facts_of_code, traceback_of
from .locals import read_locals
from .losses import Losses
from .shell import names_of_shell
from .values import Values

# The part of max_bytes and of max_seconds for frames. (1 / part)
_PART: Final = 2
# The approximate sizes in a dump: a frame without its variables, and a variable. (bytes)
_FRAME: Final = 100
_VARIABLE: Final = 16
# Variables of a usual frame.
_USUAL: Final = 4
# Frames for each exception, if there is room: the raising frame and its callers. (frames)
_FEW: Final = 20
# Frames are kept even if max_bytes leaves no room. (bytes)
_LEAST_BYTES: Final = 200 * _FRAME
# The clock is read once per this many frames.
_CLOCK_EVERY: Final = 16

_MISSING: Final = object()
_LOCALS_LOST: Final = "<locals>"  # no identifier, so no variable of the user's has this name
_GLOBALS_LOST: Final = "<globals>"
_LEFT_OUT: Final = "<left out>"
_OF_MODULE: Final = ("__name__", "__file__")


# A known code object (held, so that no other gets its id), its facts, and its index.
_CodeMet: TypeAlias = tuple[types.CodeType, CodeFacts, int]


def _look_up(names: Iterable[str], namespace: dict[str, Any], found: dict[str, Any]) -> None:
    """Adds the names that the module defines, with their values, to `found`."""
    read = dict.get  # exec() also takes subclasses of dict, whose methods may be the user's
    for name in names:
        value = read(namespace, name, _MISSING)
        if value is not _MISSING:
            found[name] = value


class Frames:
    """The frames of one capture. A frame in several tracebacks is read once."""

    def __init__(
        self, options: Options, values: Values, losses: Losses, roots: list[int], deadline: float
    ) -> None:
        self.frames: list[Any] = []
        self.codes: list[Any] = []
        self.globals: list[dict[str, Ref]] = []
        self.files: dict[str, dict[str, Any]] = {}  # file → the globals of a frame
        self._options = options
        self._values = values
        self._losses = losses
        self._roots = roots  # indexes of the values that may become live
        self._limit = as_limit(options.limit)
        self._keeps_live = options.pickler is not None and not 0 <= options.depth <= 1
        self._deadline = deadline - options.max_seconds + options.max_seconds / _PART
        self._room = max(_LEAST_BYTES, options.max_bytes // _PART)  # bytes
        self._frame_index: dict[int, int] = {}
        self._held: list[types.FrameType] = []  # so that no other frame gets the id of one
        self._codes_met: dict[int, _CodeMet] = {}
        self._globals_index: dict[int, int] = {}
        # For each code the number of the globals in which its names were looked up last.
        self._places: list[int] = []
        # For each namespace the names that the frames' code uses, with their values.
        self._wanted: list[dict[str, Any]] = []
        self._lost_globals: dict[int, Ref] = {}
        self._cleared = 0  # frames
        self._is_traced = sys.gettrace() is not None or sys.getprofile() is not None
        self._name_errors: list[tuple[types.FrameType, int]] = []  # the raising frames

    # -- tracebacks

    def read(
        self, order: Sequence[BaseException], records: Sequence[ExceptionRecord], depth: int
    ) -> None:
        """Puts each exception's traceback into its record."""
        for number, (exc, record) in enumerate(zip(order, records)):
            try:
                self._traceback(exc, record, depth, number == 0, len(order) - number - 1)
            except BaseException as problem:  # costs this traceback alone
                self._losses.note(record, "the traceback", problem)

    def _traceback(
        self, exc: BaseException, record: ExceptionRecord, depth: int, is_root: bool, waiting: int
    ) -> None:
        """waiting: the exceptions whose tracebacks come later."""
        entries: list[types.TracebackType] = []
        traceback = traceback_of(exc)
        while traceback is not None:
            entries.append(traceback)
            traceback = traceback.tb_next
        if not entries:
            return
        cleared_before = self._cleared
        kept = self._kept(entries, depth, waiting)
        record["traceback"] = kept[::-1]
        cleared = self._cleared - cleared_before
        if cleared:
            self._losses.say(record, f"{cleared} of the frames had been cleared: no variables")
        if issubclass(type(exc), NameError):
            raising, _ = kept[0]
            self._name_errors.append((entries[-1].tb_frame, raising))
        if self._options.outer_frames and is_root:
            first = entries[0].tb_frame
            record["outer"] = self._outer(first.f_back, depth)

    def _kept(
        self, entries: list[types.TracebackType], depth: int, waiting: int
    ) -> list[list[Any]]:
        """The entries within the bounds, the innermost first; a mark stands for the others."""
        count = len(entries)
        most, reason = self._most(waiting, count)
        if count <= most:
            kept = self._innermost(entries, depth)
            outermost = []
            reason = "max_seconds"  # no other bound can leave out frames now
        else:
            head = most // 4
            tail = most - head
            kept = self._innermost(entries[count - tail :], depth)
            outermost = [self._entry(entry, depth) for entry in reversed(entries[:head])]
        left_out = count - len(kept) - len(outermost)
        if left_out > 0:
            self._values.cut(reason, left_out)
            kept += [[-1, left_out], *outermost]
        return kept

    def _most(self, waiting: int, count: int) -> tuple[int, str]:
        """How many frames the next traceback may keep, and the bound that limits the number."""
        limit = self._limit
        room = self._room // (_FRAME + _USUAL * _VARIABLE)
        if count <= _FEW and count <= limit and count <= room - waiting:  # as most have
            return count, ""
        few = min(_FEW, room - waiting)  # each waiting exception keeps the raising frame
        room = max(1, few, room // (waiting + 1), room - waiting * _FEW)
        if self._is_late() and min(limit, room) > _FEW:
            return _FEW, "max_seconds"
        if limit <= room:
            return (limit, "limit")
        return (room, "max_bytes")

    def _is_late(self) -> bool:
        return monotonic() > self._deadline

    def _innermost(self, entries: list[types.TracebackType], depth: int) -> list[list[Any]]:
        """The entries from the innermost on, until the deadline."""
        kept: list[list[Any]] = []
        for entry in reversed(entries):
            count = len(kept)
            if count >= _FEW and not count % _CLOCK_EVERY and self._is_late():
                break
            kept.append(self._entry(entry, depth))
        return kept

    def _entry(self, entry: types.TracebackType, depth: int) -> list[Any]:
        frame = entry.tb_frame
        try:
            met = self._codes_met.get(id(frame.f_code)) or self._meet(frame)
            index = self._frame_index.get(id(frame))
            if index is None:
                index = self._frame(frame, met, depth)
            _, facts, _ = met
            position = facts.positions.get(entry.tb_lasti)
            if position is None or position[0] is None:
                position = self._position(frame, facts, entry.tb_lasti, entry)
        except BaseException as problem:  # an unreadable code object: costs this frame
            self._losses.count(problem)
            return [-1, 1]
        return [index, position]

    def _outer(self, frame: types.FrameType | None, depth: int) -> list[int]:
        """The callers of the outermost frame, within the room."""
        found: list[int] = []
        most, reason = self._most(0, sys.maxsize)
        while frame is not None and len(found) < most:
            index = self._frame_index.get(id(frame))
            if index is None:
                met = self._codes_met.get(id(frame.f_code)) or self._meet(frame)
                index = self._frame(frame, met, depth)
            found.append(index)
            frame = frame.f_back
        if frame is not None:
            self._values.cut(reason)
        return found[::-1]

    # -- frames

    def _meet(self, frame: types.FrameType) -> _CodeMet:
        """Notes the code of a frame. No earlier frame had this code."""
        code = frame.f_code
        facts = facts_of_code(code)
        met = (code, facts, len(self.codes))
        self._codes_met[id(code)] = met
        self.codes.append(facts.record)
        self._places.append(-1)
        self.files.setdefault(facts.record["file"], frame.f_globals)
        return met

    def _frame(self, frame: types.FrameType, met: _CodeMet, depth: int) -> int:
        """Reads a frame. No earlier traceback had this frame."""
        _, facts, code = met
        at = facts.positions.get(frame.f_lasti)
        if at is None or at[0] is None:
            at = self._position(frame, facts, frame.f_lasti, None)
        namespace = frame.f_globals
        place = self._globals_index.get(id(namespace))
        if place is None:
            place = self._new_globals(namespace)
        if place != self._places[code]:
            self._places[code] = place
            self._note_globals(facts.names, namespace, place)
        index = len(self.frames)
        self._frame_index[id(frame)] = index
        self._held.append(frame)
        local: dict[str, Ref] | None
        try:
            if facts.is_function or frame.f_locals is not namespace:
                local = self._variables(frame, facts, depth)
            else:
                local = None
                self._room -= _FRAME
                self._values.bytes += _FRAME
                self._note_all_globals(namespace, place)
        except BaseException as problem:  # an odd mapping: costs this frame's variables
            local = {_LOCALS_LOST: self._losses.ref("variables", problem)}
        self.frames.append({"code": code, "globals": place, "locals": local, "at": at})
        return index

    def _position(
        self,
        frame: types.FrameType,
        facts: CodeFacts,
        lasti: int,
        entry: types.TracebackType | None,
    ) -> Position:
        """The position of a traceback's entry, or the current position of a frame. The columns may
        be unknown; the line is known if Python knows it.
        """
        try:
            position = facts.position(frame.f_code, lasti)
        except BaseException as problem:  # a damaged table: costs the columns
            self._losses.count(problem)
            position = [None, None, None, None]
        if position[0] is None:
            number: int | None
            if entry is None:
                number = frame.f_lineno
            else:
                number = entry.tb_lineno
            if number is not None:
                return [number, *position[1:]]
        return position

    def _variables(self, frame: types.FrameType, facts: CodeFacts, depth: int) -> dict[str, Ref]:
        found = read_locals(frame, facts, self._is_traced)
        if not found and facts.variables and was_cleared(frame.f_code, frame.f_lasti):
            self._cleared += 1
            self._values.cut("cleared")
            return {_LOCALS_LOST: self._losses.cleared()}
        self._room -= _FRAME
        self._values.bytes += _FRAME
        return self._within_room(found, depth, "variables")

    def _within_room(self, found: dict[Any, Any], depth: int, what: str) -> dict[str, Ref]:
        """The refs of variables. A mark stands for all variables without room."""
        values = self._values
        size = _VARIABLE * len(found)
        if found and size > self._room:
            return self._first_of(found, depth, what)
        self._room -= size
        values.bytes += size
        refs = values.named(found, depth)
        if self._keeps_live:
            self._may_live(refs)
        return refs

    def _first_of(self, found: dict[Any, Any], depth: int, what: str) -> dict[str, Ref]:
        """The refs of the first variables, within the room, and a mark for the rest."""
        count = len(found)
        room = max(self._room, 0) // _VARIABLE
        first = dict(islice(found.items(), room))
        refs = self._values.named(first, depth)
        self._values.cut("max_bytes", count - room)
        missing = what
        if room:
            missing = f"more {what}"
        refs[_LEFT_OUT] = self._losses.out_of_room(missing, "max_bytes")
        self._room -= _VARIABLE * len(refs)
        self._values.bytes += _VARIABLE * len(refs)
        if self._keeps_live:
            self._may_live(refs)
        return refs

    def _may_live(self, refs: dict[str, Ref]) -> None:
        self._roots += [ref[0] for ref in refs.values() if type(ref) is list]

    # -- globals

    def _new_globals(self, namespace: dict[str, Any]) -> int:
        """Gives a number to a namespace. No earlier frame had this namespace."""
        place = len(self._wanted)
        self._globals_index[id(namespace)] = place
        self._wanted.append({})
        self._note_globals(_OF_MODULE, namespace, place)
        return place

    def _note_all_globals(self, namespace: dict[str, Any], place: int) -> None:
        """Notes all globals of a module: a frame of the module's own code has them as variables."""
        found = text_keys(list(dict.items(namespace)))
        for name in IMPORT_SYSTEM | names_of_shell(set(found)):
            found.pop(name, None)
        self._wanted[place].update(found)

    def _note_globals(self, names: Iterable[str], namespace: dict[str, Any], place: int) -> None:
        try:
            _look_up(names, namespace, self._wanted[place])
        except BaseException as problem:  # by the __eq__ of a key: costs this module's globals
            self._lost_globals[place] = self._losses.ref("more globals", problem)

    def read_globals(self, depth: int) -> None:
        """Reads the globals last, because the variables of all frames come first."""
        self._room += max(0, self._options.max_bytes - self._values.bytes) // _PART
        for place, wanted in enumerate(self._wanted):
            try:
                refs = self._within_room(wanted, depth, "globals")
            except BaseException as problem:  # costs this module's globals
                refs = {_GLOBALS_LOST: self._losses.ref("globals", problem)}
            if place in self._lost_globals:
                refs[_GLOBALS_LOST] = self._lost_globals[place]
            self.globals.append(refs)
        for frame, index in self._name_errors:
            try:
                self._names_for_suggestions(frame, index)
            except BaseException as problem:  # costs "did you mean" alone
                self._losses.count(problem)

    def _names_for_suggestions(self, frame: types.FrameType, index: int) -> None:
        """Keeps every global name of a frame: a NameError's "did you mean" searches the names."""
        if index < 0:  # the frame was left out
            return
        values = self._values
        record = self.frames[index]
        table = self.globals[record["globals"]]
        text = "<a global that the frame's code does not use>"
        unused = stand_in(values.type_index(object), text, "unused")
        unnamed = None
        room = max(self._room, 0) // _VARIABLE
        for name in list(dict.keys(frame.f_globals))[:room]:
            if type(name) is str and name not in table and name not in IMPORT_SYSTEM:
                if unnamed is None:
                    unnamed = [values.add(unused)]
                table[name] = unnamed
        local = record["locals"]
        if local and "self" in local:
            facts = facts_of_code(frame.f_code)
            variables = read_locals(frame, facts, self._is_traced)
            values.wants_dir.add(id(variables.get("self")))
