"""A subclass of dill's pickler. The objects work in another program, and change nothing there.

- dill refers to the program's namespace (`__main__`) by name, so in another program a function
  would find foreign variables, or none. Here the names used by functions travel along, in a
  namespace for all functions.
- dill sends the state of each module with a reference from an object, and puts the state into the
  reader's module. Here a module is a name alone.
- dill accepts only picklers of modules with "dill" in the name, like this module.
"""

from __future__ import annotations

import builtins
import dis
import importlib
import io
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Final

import dill
from dill._dill import CODE_PARAMS, _create_code

from .outside import is_outside, reduced

# Python 3.15 and newer
_SENTINEL: Final = getattr(builtins, "sentinel", None)
_GLOBAL_INSTRUCTIONS: Final = frozenset(
    {"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME"}
)


class Pickler(dill.Pickler):  # type: ignore[misc]  # dill is not typed
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._program = vars(sys.modules["__main__"])
        # Stands for the program's namespace in the pickle.
        self._namespace: dict[str, object] = {"__name__": "__main__"}
        self._brought: set[str] = {"__name__", "__builtins__"}
        self._needed: list[str] = []  # names in the code of saved functions
        self._is_bringing = False

    def reducer_override(self, obj: object) -> object:
        if is_outside(obj):
            return reduced(obj)
        if type(obj) is types.ModuleType and sys.modules.get(obj.__name__) is obj:
            return importlib.import_module, (obj.__name__,)
        if _SENTINEL is not None and type(obj) is _SENTINEL:  # dill takes one for another
            return obj.__reduce__()
        if type(obj) is types.CodeType:  # dill reads an attribute that Python 3.15 lacks
            return _create_code, tuple([getattr(obj, f"co_{name}") for name in CODE_PARAMS])
        return NotImplemented

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        if obj is self._program:
            obj = self._namespace
        is_function = type(obj) is types.FunctionType
        if type(obj) is types.FunctionType and self._is_new(obj):
            self._needed += _globals_of(obj.__code__)
        super().save(obj, save_persistent_id)
        if (is_function or isinstance(obj, type)) and self._can_bring():
            self._bring()

    def _is_new(self, function: types.FunctionType) -> bool:
        """Whether a function is the program's, and not in the pickle yet."""
        return function.__globals__ is self._program and id(function) not in self.memo

    def _can_bring(self) -> bool:
        """Whether the pickler can write needed names now.

        While dill writes a class or a function (_postproc), the pickle cannot refer to the class,
        and a method may use the name of the class.
        """
        return bool(self._needed) and not self._postproc and not self._is_bringing

    def _bring(self) -> None:
        """Puts the needed names, with their values, into the namespace."""
        self._is_bringing = True
        for name in self._needed:  # the list grows meanwhile
            if name in self._program and name not in self._brought:
                self._brought.add(name)
                self.save(self._namespace)
                self.save(name)
                self.save(self._program[name])
                self.write(pickle.SETITEM + pickle.POP)
        self._needed.clear()
        self._is_bringing = False


def _globals_of(code: types.CodeType) -> Iterator[str]:
    """The global names in the code and in its inner functions."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBAL_INSTRUCTIONS:
            yield str(instruction.argval)
    for const in code.co_consts:
        if type(const) is types.CodeType:
            yield from _globals_of(const)
