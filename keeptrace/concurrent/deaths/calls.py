"""Calls as short text: the current task of a worker, or the last task before its death.

The module runs no code of the user's.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from ...capture.reprs import Renderer
from ...core.raw import ABSENT, names_of, stored
from ...core.texts import printable

# Calls of a chunk to show; further calls are counted. (calls)
_MOST_CALLS: Final = 3
# An argument in the description of a call: enough to recognise a path or an id. (characters)
_MOST_ARGUMENT: Final = 60
# Arguments of a call to show. (arguments)
_MOST_ARGUMENTS: Final = 6
# Wrappers around wrappers to look through. (wrappers)
_MOST_WRAPPERS: Final = 10
# The function of Hugging Face datasets in workers. Its last argument is a dict with the user's
# function.
_DATASETS_RUNNER: Final = ("datasets.utils.py_utils", "_write_generator_to_queue")
# Classes whose instances stand for the function of a task → the attribute with the function, or
# with a tuple that begins with the function.
_WRAPPERS: Final[dict[tuple[str, str], str]] = {
    ("sklearn.utils.parallel", "_FuncWrapper"): "function",
    ("joblib.memory", "MemorizedFunc"): "func",
    ("joblib.memory", "NotMemorizedFunc"): "func",
    ("joblib._utils", "_TracebackCapturingWrapper"): "func",
    ("joblib.externals.loky.cloudpickle_wrapper", "CallableObjectWrapper"): "_obj",
    ("loky.cloudpickle_wrapper", "CallableObjectWrapper"): "_obj",
    # keep_trace()'s: their __module__ is a property, and reading a property would run code
    ("builtins", "_Traced"): "_keeptrace",
    ("builtins", "_TracedCoroutine"): "_keeptrace",
}


def describe_call(fn: object, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """The call as short text, without running code of the user's."""
    if _is_runner_of_datasets(fn):
        fn, args, kwargs = _of_datasets(args) or (fn, args, kwargs)
    render = Renderer(_MOST_ARGUMENT, run_reprs=False)
    told = [_short(render, value) for value in args[:_MOST_ARGUMENTS]]
    room = _MOST_ARGUMENTS - len(told)
    for name, value in list(kwargs.items())[:room]:
        told.append(f"{name}={_short(render, value)}")
    if len(args) + len(kwargs) > len(told):
        told.append("...")
    name = _name_of(render, unwrapped(fn))
    arguments = ", ".join(told)
    return printable(f"{name}({arguments})")


def _is_runner_of_datasets(fn: object) -> bool:
    if type(fn) is not types.FunctionType:
        return False
    return (fn.__module__, fn.__qualname__) == _DATASETS_RUNNER


def _of_datasets(args: Sequence[Any]) -> tuple[object, Sequence[Any], dict[str, Any]] | None:
    """The user's function of Dataset.map(), and its part of the dataset."""
    if not args:
        return None
    job = args[-1]
    if type(job) is not dict or "function" not in job:
        return None
    part = {}
    for name in ("rank", "offset"):
        if name in job:
            part[name] = job[name]
    return job["function"], (), part


def unwrapped(fn: object) -> object:
    """The user's function behind a library's wrapper object."""
    for _ in range(_MOST_WRAPPERS):
        if type(fn) is types.FunctionType:  # functools.wraps gave the name, too
            break
        name = _WRAPPERS.get(names_of(type(fn)), "__wrapped__")
        held = stored(fn, name)
        if held is ABSENT:
            break
        if type(held) is tuple:
            held = held[0]
        fn = held
    return fn


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
        return f"partial({_name_of(render, unwrapped(fn.func))})"
    return _short(render, fn)


def describe_calls(calls: Sequence[tuple[Any, Sequence[Any], dict[str, Any]]]) -> list[str]:
    """The calls of a task: the first few, and a count."""
    told = [describe_call(*call) for call in calls[:_MOST_CALLS]]
    left = len(calls) - len(told)
    if left:
        return [*told, f"{left} more of this chunk"]
    return told
