"""The function of a frame: whether a test can call it, and how the test loads its module."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from typing import Final

from ...core.errors import KeepTraceError
from ...core.report import CodeRecord, Report
from ...render.frames import ShownFrame
from ...render.view import ShownException, View

# Parts of the names of functions that no other module can call.
_UNREACHABLE: Final = ("<locals>", "<lambda>", "<module>", "<listcomp>", "<genexpr>", "<dictcomp>")


@dataclass(frozen=True, slots=True)
class Target:
    """The call to repeat.

    exception: the exception that left the function.
    until: for a script, the line at which the module failed: the module had run the statements
        above. None for an imported module.
    """

    frame: ShownFrame
    exception: ShownException
    code: CodeRecord
    module: str
    root: str
    until: int | None


def target_of(report: Report, view: View, number: int | None) -> Target:
    """The call in a frame; without a number, the innermost call that a test can repeat.

    Raises KeepTraceError if no test can call the function.
    """
    if number is None:
        frame = _innermost(view)
    else:
        frame = view.frame(number)
    if frame.left_out or not _is_reachable(frame):
        raise KeepTraceError(
            f"frame {frame.number} ({frame.function or 'not kept'}) cannot be called from a test: "
            "choose another with --frame"
        )
    module, root = _module_of(frame.file)
    return Target(
        frame=frame,
        exception=_left(view, frame),
        code=report["codes"][report["frames"][frame.index]["code"]],
        module=module,
        root=root,
        until=_line_of_script(view, frame.file),
    )


def _is_reachable(frame: ShownFrame) -> bool:
    return not any(part in frame.function for part in _UNREACHABLE)


def _innermost(view: View) -> ShownFrame:
    path = [view.root_cause, *view.exceptions]
    for exception in path:
        for frame in reversed(exception.frames):
            is_callable = not frame.left_out and not frame.is_caller and _is_reachable(frame)
            if is_callable and not frame.is_library:
                return frame
    raise KeepTraceError("the dump has no function of yours that a test could call")


def _left(view: View, frame: ShownFrame) -> ShownException:
    """The exception that left the frame: the outermost exception with this frame."""
    passed = [
        exception
        for exception in view.exceptions
        if any(each.index == frame.index for each in exception.frames)
    ]
    return min(passed, key=lambda exception: (exception.depth, exception.index))


def _module_of(file: str) -> tuple[str, str]:
    """The module in a file: its name, and the directory for sys.path."""
    root, name = os.path.split(os.path.splitext(file)[0])
    parts = []
    if name != "__init__":
        parts.append(name)
    while os.path.isfile(os.path.join(root, "__init__.py")):
        root, name = os.path.split(root)
        parts.append(name)
    return ".".join(reversed(parts)), root


def _line_of_script(view: View, file: str) -> int | None:
    """The line at which the file failed as a module; None if its module was loaded."""
    for frame in view.frames():
        if frame.is_module and frame.file == file and frame.line is not None:
            return frame.line
    return None


def is_async(code: CodeRecord) -> bool:
    return bool(code["flags"] & inspect.CO_COROUTINE)


def is_generator(code: CodeRecord) -> bool:
    return bool(code["flags"] & inspect.CO_GENERATOR)


def is_async_generator(code: CodeRecord) -> bool:
    return bool(code["flags"] & inspect.CO_ASYNC_GENERATOR)
