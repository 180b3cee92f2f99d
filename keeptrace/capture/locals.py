"""Reads a frame's variables, and leaves the frame and the program's own locals() unchanged.

Before Python 3.13, `frame.f_locals` of a function is a dict that the frame keeps. Each reading
updates the dict, and locals() gives the same dict to the program. So a reading has two effects that
this module undoes:
- The dict keeps variables alive that the function later deletes or rebinds. If only the frame has
  the dict, its variables are removed again; the next reading puts them back.
- A dict that the program keeps would change. Its old content is put back. The garbage collector
  gives the dict of a frame that has ended, before the reading. For a frame that still runs, the
  dict is searched among all objects, if the function's code names locals() at all.
While a trace or profile function runs, the interpreter writes the dict back into the variables, so
the dict is left alone.
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


_LOCALS: Final[Any] = _type_of_locals()  # dict, and a proxy of the frame from Python 3.13 on
# References to the dict: the frame's, the local variable's, and the argument's of getrefcount.
_OWN_REFERENCES: Final = 3
# Dicts that may be the one of a running function; each is copied. (dicts)
_MOST_CANDIDATES: Final = 1_000


def read_locals(frame: types.FrameType, facts: CodeFacts, is_traced: bool) -> dict[Any, Any]:
    """A copy of the frame's variables. is_traced: a trace or profile function is set."""
    if not facts.is_function:
        return _of_mapping(frame.f_locals)
    if _LOCALS is not dict:
        return {**frame.f_locals}
    before = _before(frame, facts) if facts.names_locals else None
    snapshot: Any = frame.f_locals
    found: dict[Any, Any] = snapshot.copy()
    if before and id(snapshot) in before:
        _, content = before[id(snapshot)]
        snapshot.clear()
        snapshot.update(content)
    elif sys.getrefcount(snapshot) > _OWN_REFERENCES:
        _take_out_added(snapshot, facts)
    elif not is_traced:
        for name in facts.variables:  # names that exec() added stay: no variable has them
            snapshot.pop(name, None)
    return found


def _of_mapping(namespace: Any) -> dict[Any, Any]:
    """The variables of a class body, or of code that runs in exec()."""
    if type(namespace) is dict:
        return namespace.copy()
    if type(namespace) is _LOCALS:
        return {**namespace}
    if issubclass(type(namespace), dict):  # a metaclass made it for a class body
        return dict(dict.items(namespace))
    # A mapping that the user gave to exec(): reading it would run the user's code.
    return {"<locals>": namespace}


_Namespace: TypeAlias = dict[Any, Any]


def _before(frame: types.FrameType, facts: CodeFacts) -> dict[int, tuple[_Namespace, _Namespace]]:
    """The dicts of which one may be the frame's, with their copies, by id.

    The result holds the dicts: were one freed, the frame's new dict might get its id.
    """
    referents = gc.get_referents(frame)
    if any(found is frame.f_code for found in referents):  # the frame has ended
        at = next(at for at, found in enumerate(referents) if found is frame.f_code)
        dicts = [found for found in referents[:at] if type(found) is dict]
    else:
        dicts = list(_candidates(facts))
    return {id(found): (found, found.copy()) for found in dicts}


def _candidates(facts: CodeFacts) -> Iterator[dict[Any, Any]]:
    """Dicts whose first key is one of the function's variables."""
    count = 0
    for found in gc.get_objects():
        if type(found) is dict and found and count < _MOST_CANDIDATES:
            name = next(iter(found))
            if type(name) is str and name in facts.variable_set:
                count += 1
                yield found


def _take_out_added(snapshot: dict[Any, Any], facts: CodeFacts) -> None:
    """Removes from the program's dict the names that the reading has added.

    The garbage collector did not know the dict, so it held only numbers and texts before. A reading
    adds names at the end, in the order of the code's variables.
    """
    order = {name: at for at, name in enumerate(facts.variables)}
    last = -1
    is_added = False
    for name, value in list(snapshot.items()):
        at = order.get(name) if type(name) is str else None
        if at is None:
            continue
        is_added = is_added or value is snapshot or at < last
        last = at
        if is_added:
            del snapshot[name]
