"""Calls as short text: the current task of a worker, or the last one before its death.

No code of the user's runs here.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from ...capture.reprs import Renderer
from ...core.texts import printable

# Calls of a chunk shown one by one; the others are counted. (calls)
_MOST_CALLS: Final = 3
# An argument in the description of a call: enough to recognise a path or an id. (characters)
_MOST_ARGUMENT: Final = 60
# Arguments shown of one call. (arguments)
_MOST_ARGUMENTS: Final = 6


def describe_call(fn: object, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """The call as short text, without running code of the user's."""
    render = Renderer(_MOST_ARGUMENT, run_reprs=False)
    told = [_short(render, value) for value in args[:_MOST_ARGUMENTS]]
    told += [
        f"{name}={_short(render, value)}"
        for name, value in list(kwargs.items())[: _MOST_ARGUMENTS - len(told)]
    ]
    if len(args) + len(kwargs) > len(told):
        told.append("...")
    return printable(f"{_name_of(render, fn)}({', '.join(told)})")


def _short(render: Renderer, value: object) -> str:
    try:
        return render(value)
    except Exception as problem:  # another thread changes the value
        return f"<{type(value).__name__}: {type(problem).__name__}>"


def _name_of(render: Renderer, fn: Any) -> str:
    if isinstance(fn, type):
        return str(type.__dict__["__qualname__"].__get__(fn))
    if type(fn) in (types.FunctionType, types.BuiltinFunctionType):
        return str(fn.__qualname__)
    if type(fn) is types.MethodType and type(fn.__func__) is types.FunctionType:
        return str(fn.__func__.__qualname__)
    if type(fn) is partial:
        return f"partial({_name_of(render, fn.func)})"
    return _short(render, fn)


def describe_calls(calls: Sequence[tuple[Any, Sequence[Any], dict[str, Any]]]) -> list[str]:
    """The calls of one task: the first few, and a count."""
    told = [describe_call(*call) for call in calls[:_MOST_CALLS]]
    left = len(calls) - len(told)
    if left:
        return [*told, f"{left} more of this chunk"]
    return told
