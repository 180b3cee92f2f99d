"""dill's pickler, so that what it keeps works in another program and changes nothing there.

dill refers to the namespace of the program (`__main__`) by name: loaded in another program, a
function would find that program's variables, or none. Here the names that the functions use travel
along, in one namespace for all of them. dill also sends the state of each module that an object
refers to, and puts it into the reader's module; here a module is a name alone.

dill takes a pickler for its own only if the name of its module has "dill" in it, as this one's has.
"""

from __future__ import annotations

import dis
import importlib
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any, Final

import dill
from dill._dill import CODE_PARAMS, _create_code

from .outside import is_outside, reduced

_GLOBAL_INSTRUCTIONS: Final = frozenset(
    {"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME"}
)


class Pickler(dill.Pickler):  # type: ignore[misc]  # dill is not typed
    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self._program = vars(sys.modules["__main__"])
        self._namespace: dict[str, Any] = {
            "__name__": "__main__"
        }  # what stands for it in the pickle
        self._brought: set[str] = {"__name__", "__builtins__"}
        self._needed: list[str] = []  # what functions that were saved use of it, and it lacks
        self._is_bringing = False

    def reducer_override(self, obj: Any) -> Any:
        if is_outside(obj):
            return reduced(obj)
        if type(obj) is types.ModuleType and sys.modules.get(obj.__name__) is obj:
            return importlib.import_module, (obj.__name__,)
        if type(obj) is types.CodeType:  # dill asks it for what Python 3.15 does not have any more
            return _create_code, tuple([getattr(obj, f"co_{name}") for name in CODE_PARAMS])
        return NotImplemented

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if obj is self._program:
            obj = self._namespace
        is_function = type(obj) is types.FunctionType
        if is_function and obj.__globals__ is self._program and id(obj) not in self.memo:
            self._needed += _globals_of(obj.__code__)
        super().save(obj, save_persistent_id)
        # a class or a function that dill is within (_postproc) cannot be referred to yet, and its
        # methods may use its name
        if (
            self._needed
            and (is_function or isinstance(obj, type))
            and not self._postproc
            and not self._is_bringing
        ):
            self._bring()

    def _bring(self) -> None:
        """Puts what the functions use of their program into the namespace."""
        self._is_bringing = True
        for name in self._needed:  # it grows meanwhile
            if name in self._program and name not in self._brought:
                self._brought.add(name)
                self.save(self._namespace)
                self.save(name)
                self.save(self._program[name])
                self.write(pickle.SETITEM + pickle.POP)
        self._needed.clear()
        self._is_bringing = False


def _globals_of(code: types.CodeType) -> Iterator[str]:
    """The names that the code, and the functions defined in it, take from their globals."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBAL_INSTRUCTIONS:
            yield str(instruction.argval)
    for const in code.co_consts:
        if type(const) is types.CodeType:
            yield from _globals_of(const)
