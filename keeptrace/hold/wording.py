"""The texts about a held failure in a list, made without running the program's code."""

from __future__ import annotations

import types
from typing import Final

from ..capture.facts import traceback_of
from ..capture.reprs import Renderer
from ..core.texts import one_line, shorten

# (characters of a message, as a list shows it)
_MOST_MESSAGE: Final = 500
# An argument in the description of a call: enough to recognise a path or an id. (characters)
_MOST_ARGUMENT: Final = 60
# The description of a call has so many arguments. (arguments)
_MOST_ARGUMENTS: Final = 6

_args_of: Final = BaseException.__dict__["args"].__get__


def message_of(exc: BaseException) -> str:
    """The message, made of the arguments alone."""
    args = _args_of(exc)
    if not args:
        return ""
    told: object = args
    if len(args) == 1:
        told = args[0]
    if type(told) is not str:
        told = Renderer(_MOST_MESSAGE, run_reprs=False)(told)
    return shorten(one_line(told), _MOST_MESSAGE)


def task_of(exc: BaseException) -> str:
    """The call of the traceback's outermost function, with the present values of its arguments."""
    traceback = traceback_of(exc)
    if traceback is None:
        return ""
    frame = traceback.tb_frame
    name = frame.f_code.co_qualname
    if frame.f_code.co_name == "<module>":
        return one_line(name)
    return one_line(f"{name}{_arguments(frame)}")


def _arguments(frame: types.FrameType) -> str:
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = frame.f_locals
    render = Renderer(_MOST_ARGUMENT, run_reprs=False)
    told = [f"{name}={render(values[name])}" for name in names[:_MOST_ARGUMENTS] if name in values]
    if len(names) > len(told):
        told.append("...")
    return f"({', '.join(told)})"
