"""Real frames, made by functions that call each other. The outermost frame has no caller."""

from __future__ import annotations

import _thread
import builtins
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from .code import (
    EVALS_HERE,
    KEY,
    MOST_EVALS,
    NEVER_GLOBAL,
    OPTIMIZED_NEWLOCALS,
    STACK_BYTES,
    frame_code,
    pads_for,
)
from .files import may_be_opened
from .standins import aside_name
from .values import ValueTable

_FROZEN: Final = "<frozen"  # the beginning of file names of code within the interpreter
# The place of an argument without a value.
_UNBOUND: Final[Any] = object()


class _Awaited:
    """The outermost frame of a module awaits such an object, and so is suspended."""

    def __await__(self) -> Iterator[None]:
        return iter((None,))


class FrameStacks:
    """Collects the stacks of a report and makes their frames."""

    def __init__(self, report: dict[str, Any], values: ValueTable, files: dict[str, str]) -> None:
        self._frames = report["frames"]
        self._codes = report["codes"]
        self._each = values.each
        self._files = files
        self._globals = [self._named(table) for table in report["globals"]]
        for namespace in self._globals:
            for name in NEVER_GLOBAL:
                namespace.pop(name, None)
        self._items: list[Any] = []  # the results of K(), in the order of the calls
        self._keyed: dict[int, dict[str, Any]] = {}  # the namespaces with the key
        self._starts: list[Callable[[], Any]] = []  # the outermost function of each stack
        self._deepest = 0  # frames of the deepest stack
        self._evals = 0  # frames of modules and class bodies in the current stack
        self._most_evals = 0  # the largest `_evals` of a stack

    def hide_unopened(self) -> None:
        """Renames the `__file__` of modules with frozen code if the file must not be opened.

        For frozen code pdb opens this file; linecache does the same from Python 3.14 on.
        """
        frozen = {at for at, code in enumerate(self._codes) if code["file"].startswith(_FROZEN)}
        if not frozen:
            return
        for frame in self._frames:
            namespace = self._globals[frame["globals"]]
            file = namespace.get("__file__")
            if frame["code"] not in frozen or file is None:
                continue
            if type(file) is not str or not may_be_opened(file):
                namespace[aside_name("__file__")] = namespace.pop("__file__")

    def _named(self, refs: dict[str, Any]) -> dict[str, Any]:
        return dict(zip(refs, self._each(refs.values())))

    def add(
        self, entries: list[list[Any]], outer: list[int]
    ) -> Callable[[], types.TracebackType | None]:
        """Plans the frames of a traceback. Returns a function for the traceback after run()."""
        frames = self._frames
        # The index and positions of each frame. Neighbouring entries of one frame share the item.
        planned: list[tuple[int, dict[Any, int]]] = [
            (index, {tuple(frames[index]["at"]): 0}) for index in outer
        ]
        # For each entry the number of the frame, the place among the frame's positions, the line.
        places: list[tuple[int, int, int | None]] = []
        last = None
        if planned:
            last = planned[-1][0]
        for index, what in entries:
            if index < 0:
                planned.append((index, {what: 0}))
                places.append((len(planned) - 1, 0, 1))
            else:
                if index != last:
                    positions = {tuple(frames[index]["at"]): 0}
                    planned.append((index, positions))
                else:
                    positions = planned[-1][1]
                position = tuple(what)
                places.append(
                    (len(planned) - 1, positions.setdefault(position, len(positions)), position[0])
                )
            last = index
        if not planned:
            return lambda: None
        leaf: list[types.FrameType] = []
        self._plan(planned, leaf)
        self._deepest = max(self._deepest, len(planned))
        return lambda: _traceback(places, leaf[0], len(planned) - 1)

    def _plan(self, planned: list[tuple[int, dict[Any, int]]], leaf: list[types.FrameType]) -> None:
        items = self._items
        self._evals = 0
        is_outermost = True
        for index, positions in planned:
            function, local = self._function(index, tuple(positions), is_outermost)
            if is_outermost:
                self._starts.append(function)
                is_outermost = False
            else:
                items.append(function)
            if len(positions) > 1:
                items.extend([None] * pads_for(tuple(positions)))
            if local:
                items.append(local)
        # The innermost frame calls this C function, which appends the running frame to `leaf`.
        items.append(map(leaf.append, iter(sys._getframe, None)).__next__)
        if isinstance(self._starts[-1], functools.partial):
            items.append(_Awaited())

    def _function(
        self, index: int, positions: tuple[Any, ...], is_outermost: bool
    ) -> tuple[Callable[[], Any], tuple[Any, ...]]:
        """The function that makes the frame when called, and the frame's locals."""
        if index < 0:
            return self._left_out(positions[0], is_outermost), ()
        frame = self._frames[index]
        code = self._codes[frame["code"]]
        file = self._files.get(code["file"], code["file"])
        namespace = self._with_key(self._globals[frame["globals"]])
        local = frame["locals"]
        is_function = (
            local is not None and code["flags"] & OPTIMIZED_NEWLOCALS == OPTIMIZED_NEWLOCALS
        )
        named = (file, code["name"], code["qualname"], code["line"])
        if is_function:
            local = _with_arguments(local, code["names"])
            flags, args = code["flags"], tuple(code["args"])
        elif self._may_evaluate():
            made = frame_code(*named, 0, (0, 0, 0), (), (), positions, is_outermost)
            return self._evaluation(made, namespace, local), ()
        else:
            local = local or {}
            flags, args = OPTIMIZED_NEWLOCALS, (0, 0, 0)
        unbound = tuple(at for at, ref in enumerate(local.values()) if ref is _UNBOUND)
        made = frame_code(*named, flags, args, tuple(local), unbound, positions, is_outermost)
        return _callable_of(made, namespace), tuple(self._each(local.values()))

    def _may_evaluate(self) -> bool:
        """Counts a frame of a module or class body. False if too many such frames are nested."""
        self._evals += 1
        self._most_evals = max(self._most_evals, self._evals)
        return self._evals <= MOST_EVALS

    def _evaluation(
        self, code: types.CodeType, namespace: dict[str, Any], refs: dict[str, Any] | None
    ) -> Callable[[], Any]:
        """The eval() that makes the frame of a module, or of a class body with variables."""
        if refs is None:
            return functools.partial(eval, code, namespace)
        local = self._named(refs)
        local.pop(KEY, None)  # only damaged data has the key: the code would call the value
        return functools.partial(eval, code, namespace, local)

    def _left_out(self, count: int, is_outermost: bool) -> Callable[[], Any]:
        """The function for a frame that stands for left-out frames."""
        told = f"{count} frames left out"
        flags, positions = OPTIMIZED_NEWLOCALS, ((1, 1, None, None),)
        named = ("<keeptrace>", told, told, 1)
        made = frame_code(*named, flags, (0, 0, 0), (), (), positions, is_outermost)
        return types.FunctionType(made, self._with_key({}))

    def _with_key(self, namespace: dict[str, Any]) -> dict[str, Any]:
        self._keyed[id(namespace)] = namespace
        return namespace

    def run(self) -> None:
        """Makes all frames."""
        if not self._starts:
            return
        following = iter(self._items).__next__
        for namespace in self._keyed.values():
            namespace[KEY] = following
        try:
            _with_stack_for(
                self._most_evals,
                lambda: _with_room_for(self._deepest, lambda: _run_each(self._starts)),
            )
        finally:
            for namespace in self._keyed.values():
                del namespace[KEY]
                added = namespace.get("__builtins__")
                if added is builtins.__dict__ or added is builtins:
                    del namespace["__builtins__"]  # added by eval()


def _with_arguments(local: dict[str, Any], arguments: list[str]) -> dict[str, Any]:
    """The locals, all arguments first, as code names them. A deleted argument is unbound."""
    if list(local)[: len(arguments)] == arguments:
        return local
    return {**dict.fromkeys(arguments, _UNBOUND), **local}


def _callable_of(code: types.CodeType, namespace: dict[str, Any]) -> types.FunctionType:
    """A function with a default for each argument."""
    function = types.FunctionType(code, namespace, None, (None,) * code.co_argcount)
    if code.co_kwonlyargcount:
        end = code.co_argcount + code.co_kwonlyargcount
        function.__kwdefaults__ = dict.fromkeys(code.co_varnames[code.co_argcount : end])
    return function


def _traceback(
    places: list[tuple[int, int, int | None]], frame: Any, at: int
) -> types.TracebackType | None:
    """The traceback over restored frames. frame: the innermost frame. at: its number."""
    traceback: types.TracebackType | None = None
    for number, place, line in reversed(places):
        while at > number:
            frame = frame.f_back
            at -= 1
        lasti = frame.f_lasti
        if place:  # further positions belong to the first instructions, of two bytes each
            lasti = 2 * (place - 1)
        if line is None:
            line = -1
        traceback = types.TracebackType(traceback, frame, lasti, line)
    return traceback


def _run_each(starts: list[Callable[[], Any]]) -> None:
    """Runs each stack. Leaves the outermost frame without a caller; restore.py explains the way."""
    hooks = sys.get_asyncgen_hooks()
    trace = sys.gettrace()
    if trace is not None:  # coverage or a debugger would take the frames for the program's own
        sys.settrace(None)
    sys.set_asyncgen_hooks(None, _let_go)
    try:
        for start in starts:
            outermost = start()
            try:
                outermost.__anext__().send(None)
            except StopIteration:  # the yield of an asynchronous generator
                pass
            del outermost
    finally:
        sys.set_asyncgen_hooks(*hooks)
        if trace is not None:
            sys.settrace(trace)


def _let_go(generator: object) -> None:
    """The finalizer of the generators: lets a generator go without closing it."""


_stack_lock: Final = _thread.allocate_lock()


def _with_stack_for(evals: int, run: Callable[[], None]) -> None:
    """Runs here, or in a thread with a large enough stack."""
    if evals <= EVALS_HERE:
        run()
        return
    ended = _thread.allocate_lock()
    ended.acquire()
    problems: list[BaseException] = []

    def run_in_thread() -> None:
        try:
            run()
        except BaseException as problem:  # raised again in the waiting thread
            problems.append(problem)
        finally:
            ended.release()

    with _stack_lock:  # a process has a single size: changed here for the start of this thread
        size = _thread.stack_size(STACK_BYTES)
        try:
            _thread.start_new_thread(run_in_thread, ())
        finally:
            _thread.stack_size(size)
    ended.acquire()
    if problems:
        raise problems[0]


_limit_lock: Final = _thread.allocate_lock()
# Levels of recursion that a count of the caller's frames may miss. (frames)
_SPARE: Final = 200


def _with_room_for(depth: int, run: Callable[[], None]) -> None:
    """Runs with a raised recursion limit if the frames need it."""
    if depth + _SPARE < sys.getrecursionlimit() // 2:
        run()
        return
    used = 0
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        used += 1
        frame = frame.f_back
    # An interpreter has a single limit: one restore at a time raises the limit, for microseconds.
    with _limit_lock:
        limit = sys.getrecursionlimit()
        # An eval() counts more than once.
        sys.setrecursionlimit(max(limit, used + depth + _SPARE + 3 * MOST_EVALS))
        try:
            run()
        finally:
            sys.setrecursionlimit(limit)
