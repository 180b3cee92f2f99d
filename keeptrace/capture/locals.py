"""Reads a frame's variables, and leaves the frame and the program's own locals() unchanged.

Before Python 3.13 a function's frame keeps the dict `frame.f_locals`. Each reading updates the
dict, and locals() gives the same dict to the program. So a reading has two effects, and this module
undoes both:
- The dict would keep deleted and rebound variables alive. If only the frame has the dict, the
  module removes the variables; the next reading puts them back.
- A dict held by the program would change. The module puts the old content back. Before the reading,
  the garbage collector finds the dict of an ended frame among the frame's referents. For a running
  frame the module searches all objects, if the function's code names locals() at all.
While a trace or profile function runs, the interpreter writes the dict back into the variables, so
the module leaves the dict alone.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from .facts import CodeFacts


def _type_of_locals() -> type:
    return type(sys._getframe().f_locals)


_LOCALS: Final[Any] = _type_of_locals()  # dict; a proxy of the frame from Python 3.13 on
# References to the dict: of the frame, of the local variable, and of getrefcount's argument.
_OWN_REFERENCES: Final = 3
# While another thread runs in the frame. (attempts to read)
_ATTEMPTS: Final = 10
# Candidates for the dict of a running function; each is copied. (dicts)
_MOST_CANDIDATES: Final = 1_000


def read_locals(frame: types.FrameType, facts: CodeFacts, is_traced: bool) -> dict[Any, Any]:
    """A copy of the frame's variables. is_traced: a trace or profile function is set."""
    if not facts.is_function:
        return _of_mapping(frame.f_locals)
    if _LOCALS is not dict:
        return _of_proxy(frame)
    return _read_snapshot(frame, facts, is_traced)


def _read_snapshot(  # Python 3.11 and 3.12
    frame: types.FrameType, facts: CodeFacts, is_traced: bool
) -> dict[Any, Any]:
    before = None
    if facts.names_locals:
        before = _before(frame, facts)
    snapshot: Any = frame.f_locals
    found: dict[Any, Any] = snapshot.copy()
    if before and id(snapshot) in before:
        _, content = before[id(snapshot)]
        snapshot.clear()
        snapshot.update(content)
    elif sys.getrefcount(snapshot) > _OWN_REFERENCES:
        _take_out_added(snapshot, facts)
    elif not is_traced:
        for name in facts.variables:  # names added by exec() are no variables, and stay
            snapshot.pop(name, None)
    return found


def _of_proxy(frame: types.FrameType) -> dict[Any, Any]:
    """A copy of the variables of a function whose frame gives a proxy.

    Without a GIL, the frame's own thread may delete a variable between its name and its value.
    """
    for _ in range(_ATTEMPTS):
        try:
            return {**frame.f_locals}
        except (KeyError, RuntimeError):
            continue
    return {**frame.f_locals}


def _of_mapping(namespace: Any) -> dict[Any, Any]:
    """The variables of a class body, or of code that runs in exec()."""
    if type(namespace) is dict:
        return namespace.copy()
    if type(namespace) is _LOCALS:
        return {**namespace}
    if issubclass(type(namespace), dict):  # a metaclass made the dict for a class body
        return dict(dict.items(namespace))
    # exec() got the user's own kind of mapping: reading would run the user's code.
    return {"<locals>": namespace}


_Namespace: TypeAlias = dict[Any, Any]


def _before(  # Python 3.11 and 3.12
    frame: types.FrameType, facts: CodeFacts
) -> dict[int, tuple[_Namespace, _Namespace]]:
    """Candidates for the frame's dict, with copies, by id.

    The result holds the dicts, so the frame's new dict cannot get the id of a freed candidate.
    """
    referents = gc.get_referents(frame)
    places = [at for at, found in enumerate(referents) if found is frame.f_code]
    if places:  # the frame has ended
        before_code = referents[: places[0]]
        dicts = [found for found in before_code if type(found) is dict]
    else:
        dicts = list(_candidates(facts))
    return {id(found): (found, found.copy()) for found in dicts}


def _candidates(facts: CodeFacts) -> Iterator[dict[Any, Any]]:  # Python 3.11 and 3.12
    """Dicts with a variable of the function as first key."""
    count = 0
    for found in gc.get_objects():
        if type(found) is dict and found and count < _MOST_CANDIDATES:
            name = next(iter(found))
            if type(name) is str and name in facts.variable_set:
                count += 1
                yield found


def _take_out_added(  # Python 3.11 and 3.12
    snapshot: dict[Any, Any], facts: CodeFacts
) -> None:
    """Removes from the program's dict the names added by the reading.

    The garbage collector did not track the dict, so the dict held only numbers and texts before. A
    reading adds names at the end, in the order of the code's variables.
    """
    order = {name: at for at, name in enumerate(facts.variables)}
    last = -1
    is_added = False
    for name, value in list(snapshot.items()):
        if type(name) is not str:
            continue
        at = order.get(name)
        if at is None:
            continue
        is_added = is_added or value is snapshot or at < last
        last = at
        if is_added:
            del snapshot[name]
