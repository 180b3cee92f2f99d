"""Finds the files of functions that crossed to a worker by value.

cloudpickle sends functions of `__main__` and of notebooks as code. Since 3.1.3 the worker's copy
has the file name `<dynamic-code>`, so no source line can be shown. The sending process still has
the original: a code with the same name, first line, bytecode and positions, and with a file. The
worker's report has a checksum of these facts (CodeRecord.sum). In the receiving process,
put_files() replaces the copy's file by the original's. For a dead worker, faulthandler has only
names and lines: file_of_place() finds the file if no other file has such a function.

The search looks at the frame's module: at its functions and classes, at their wrappers, at the
running code, and at the source. So the search finds closures and lambdas too.
"""

from __future__ import annotations

import functools
import linecache
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..capture.facts import checksum, is_dynamic
from ..core.report import Report

# More code objects than any notebook or script. (code objects a failure; code objects remembered)
_MOST_LOOKED_AT: Final = 20_000
_MOST_KNOWN: Final = 4_096
# Larger scripts are generated. (characters)
_MOST_SOURCE: Final = 1 << 20

# checksum → file
_known: Final[dict[int, str]] = {}
_compiled: Final[dict[tuple[str, int], types.CodeType | None]] = {}
_dict_of: Final[Any] = types.ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]


def put_files(report: Report) -> None:
    """Gives code without a file the file of its original, if the process has the original."""
    for number, code in enumerate(report["codes"]):
        wanted = code.get("sum")
        if wanted is None:
            continue
        file = _known.get(wanted) or _find(wanted, _module_of(report, number))
        if file is not None:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[wanted] = file
            code["file"] = file


def _module_of(report: Report, number: int) -> types.ModuleType | None:
    """The module whose globals the code's first frame has."""
    for frame in report["frames"]:
        if frame["code"] == number:
            return _module_named(report["globals"][frame["globals"]].get("__name__"))
    return None


def _module_named(name: object) -> types.ModuleType | None:
    if type(name) is not str:
        return None
    found = sys.modules.get(name)
    if type(found) is types.ModuleType:
        return found
    return None


def file_of_place(name: str, line: int) -> str | None:
    """The file of the function with this name and with code at this line, among the functions that
    cross by value; None without such a function, or if several files have such functions.
    """
    files = {
        code.co_filename
        for module in _sent_by_value()
        for roots in _ways(_dict_of(module))
        for code in _with_inner(roots)
        if code.co_name == name and not is_dynamic(code) and _has_line(code, line)
    }
    if len(files) == 1:
        return files.pop()
    return None


def _sent_by_value() -> Iterator[types.ModuleType]:
    names = {"__main__"}
    cloudpickle = sys.modules.get("cloudpickle")
    if cloudpickle is not None:
        names |= cloudpickle.list_registry_pickle_by_value()
    for name in names:
        module = sys.modules.get(name)
        if type(module) is types.ModuleType:
            yield module


def _has_line(code: types.CodeType, line: int) -> bool:
    return any(line == number for _, _, number in code.co_lines())


def _find(wanted: int, module: types.ModuleType | None) -> str | None:
    if module is None:
        return None
    for roots in _ways(_dict_of(module)):
        for code in _with_inner(roots):
            if not is_dynamic(code) and checksum(code) == wanted:
                return code.co_filename
    return None


def _ways(namespace: dict[str, Any]) -> tuple[Iterator[types.CodeType], ...]:
    return _held(namespace), _running(namespace), _written(namespace)


def _with_inner(roots: Iterator[types.CodeType]) -> Iterator[types.CodeType]:
    """The code objects, and the functions defined in them."""
    waiting: list[types.CodeType] = []
    left = _MOST_LOOKED_AT
    for root in roots:
        waiting.append(root)
        while waiting and left:
            code = waiting.pop()
            left -= 1
            yield code
            waiting += [const for const in code.co_consts if type(const) is types.CodeType]


# Kind of object -> reads the wrapped objects.
_HELD_BY: Final[dict[type, Callable[[Any], list[Any]]]] = {
    types.FunctionType: lambda function: [function.__dict__.get("__wrapped__")],
    **dict.fromkeys((staticmethod, classmethod, types.MethodType), lambda bound: [bound.__func__]),
    property: lambda found: [found.fget, found.fset],
    functools.partial: lambda partial: [partial.func],
}


def _held(namespace: dict[str, Any]) -> Iterator[types.CodeType]:
    """The code of functions, methods and wrappers, found without running their code."""
    waiting = list(namespace.values())
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_LOOKED_AT:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        kind = type(value)
        if kind is types.FunctionType:
            yield value.__code__
        held = _HELD_BY.get(kind)
        if held is not None:
            waiting += held(value)
        elif isinstance(kind, type) and issubclass(kind, type):
            members = type.__dict__["__dict__"].__get__(value)
            if members.get("__module__") == namespace.get("__name__"):
                waiting += members.values()


def _running(namespace: dict[str, Any]) -> Iterator[types.CodeType]:
    """The running code of the module, in any thread."""
    for frame in sys._current_frames().values():
        at: types.FrameType | None = frame
        while at is not None:
            if at.f_globals is namespace:
                yield at.f_code
            at = at.f_back


def _written(namespace: dict[str, Any]) -> Iterator[types.CodeType]:
    """The code in the module's file, and in texts registered with linecache by hand, as the cells
    of notebooks are.
    """
    files = []
    own = namespace.get("__file__")
    if type(own) is str:
        files.append(own)
    for file, entry in list(linecache.cache.items()):
        is_by_hand = len(entry) > 1 and entry[1] is None
        if is_by_hand:
            files.append(file)
    for file in files:
        source = "".join(linecache.getlines(file))
        code = _compile(file, source)
        if code is not None:
            yield code


def _compile(file: str, source: str) -> types.CodeType | None:
    key = (file, hash(source))
    if key not in _compiled:
        if len(_compiled) >= _MOST_KNOWN:
            _compiled.clear()
        _compiled[key] = None
        if len(source) <= _MOST_SOURCE:
            try:
                _compiled[key] = compile(source, file, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):  # no Python, such as a cell with magics
                pass
    return _compiled[key]
