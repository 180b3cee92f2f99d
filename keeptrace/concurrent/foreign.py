"""How an exception crosses engines that are not ours: no class replaced in the worker, no hook in
the parent.

    worker                                              parent
    decorated function raises ─▶ leaving(exc) ─▶ the engine pickles exc ─ ─ ▶ the engine unpickles it: rebuilt
                                 exc gets a            └ its __reduce_ex__ is    and overwrites __cause__ with its text:
                                 __reduce_ex__           asked: capture            _Undo puts the original back
                                 of its own

- In the process of the program itself nothing is done: the caller gets the exception that was
  raised, and a traceback without our frame. `leaving` acts in processes that an engine started, and
  there, too, the exception stays the object that it was: `except` clauses of the user's between the
  decorated function and the engine catch what they always did.
- Picklers look `__reduce_ex__` up on the instance, so an entry in the exception's own __dict__ is
  all that is needed: no subclass (impossible for builtin exceptions), no global registry, but where
  another library has put something in there for the exception's class (_Registered). It is called
  when the engine pickles, not before: an exception that is caught in the worker costs no capture,
  and notes added on its way out are kept.
- Engines hand the exception on in a wrapper of theirs whose unpickling ends with `exc.__cause__ =
  <text>`. So the rebuilt exception has an _Undo as its cause, which holds the original one. The
  overwrite drops the only reference to it, CPython runs its __del__ at once, and that puts the
  original back. Where an engine does not overwrite, an _Undo would stay and be seen: so it is used
  only if the code that pickles is an engine that is known to (_OVERWRITES).
- joblib also wipes the traceback in the parent; the same trick, with an outermost traceback entry
  whose frame holds an _Undo, brings it back.
- Some engines take an exception apart, or send its class along, or let everything but Exception end
  their worker; and all end of one that raises when it is asked for its attributes. To those, if
  they are the direct caller, an exception of another class is raised, which pickles as the real one
  (_carrier).
"""

from __future__ import annotations

import copyreg
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any, Final

from ..capture.facts import linked_to
from ..core.guard import with_enough_stack
from ..core.options import Options
from ..restore.classes import has_hook
from .crossing import CarrierType, from_bytes, set_traceback, to_bytes, traceback_of

_KEY: Final = "__reduce_ex__"
_dict_of: Final = BaseException.__dict__["__dict__"].__get__
_cause_of: Final = BaseException.__dict__["__cause__"].__get__
_set_cause: Final = BaseException.__dict__["__cause__"].__set__
_suppress_of: Final = BaseException.__dict__["__suppress_context__"].__get__
_set_suppress: Final = BaseException.__dict__["__suppress_context__"].__set__

# Libraries that start workers; each knows by its current_process() whether this process is one.
_STARTERS: Final = ("multiprocessing.process", "multiprocess.process", "billiard.process")
# Modules whose unpickling overwrites __cause__. Asked in this order, before _PLUMBING.
_OVERWRITES: Final = (
    "concurrent.futures.",
    "multiprocessing.pool",
    "multiprocess.pool",
    "billiard.pool",
    "loky.process_executor",
    "joblib.externals.loky.process_executor",
    "pebble.",
)
# Modules that are between an engine and the pickler's question.
_PLUMBING: Final = (
    "pickle", "multiprocessing.", "multiprocess.", "billiard.", "dill.", "cloudpickle.", "loky.", "joblib.", "concurrent.interpreters",
)  # fmt: skip
# Modules whose frames are between a worker's start and the task.
ENGINES: Final = (*_OVERWRITES, *_PLUMBING, "ray.", "asyncio.")


def in_worker() -> bool:
    """Whether an engine started this process (or, from Python 3.14 on, this interpreter) to work
    for another.
    """
    for name in _STARTERS:
        module = sys.modules.get(name)
        if module is not None and module.current_process()._parent_pid is not None:
            return True
    ray = sys.modules.get("ray._private.worker")
    if ray is not None and ray.global_worker.mode == ray.WORKER_MODE:
        return True
    if "concurrent.futures.interpreter" in sys.modules:
        import _interpreters  # type: ignore[import-not-found]  # CPython 3.13 and newer

        return bool(_interpreters.get_current()[0] != _interpreters.get_main()[0])
    return False


def leaving(exc: BaseException, options: Options, arrived: bool) -> None:
    """Called where a traced function's exception is caught, before a bare `raise`. Raises a carrier
    where one is needed.

    arrived: the function came out of a pickle, so this is a worker, whatever in_worker() knows.
    """
    try:
        caller = sys._getframe(1).f_back
        carrier = with_enough_stack(lambda: _prepare(exc, options, arrived, caller))
    except RecursionError:  # nothing can be called any more; the user's own error goes on
        return
    if carrier is not None:
        raise carrier from None


def _prepare(
    exc: BaseException, options: Options, arrived: bool, caller: types.FrameType | None
) -> BaseException | None:
    """Lets the exception pickle with its frames, or gives the carrier to raise in its place."""
    traceback = traceback_of(exc)
    if traceback is not None and traceback.tb_frame.f_back is caller:
        traceback = traceback.tb_next  # without the frame of the function that calls leaving()
    set_traceback(exc, traceback)
    if not (arrived or in_worker()):
        return None
    engine = caller.f_globals.get("__name__", "").partition(".")[0] if caller else ""
    if engine in _NEEDS_CARRIER and _NEEDS_CARRIER[engine](exc):
        return _carrier(exc, options, engine).with_traceback(traceback)
    _dict_of(exc)[_KEY] = _Reduction(exc, options)
    _go_first(type(exc))
    return None


class _Reduction:
    """The __reduce_ex__ of one exception: captures it when a pickler asks."""

    __slots__ = ("_data", "_exc", "_options", "_traceback")

    def __init__(self, exc: BaseException, options: Options) -> None:
        self._exc: Callable[[], BaseException | None]
        try:
            self._exc = weakref.ref(exc)
        except (
            TypeError
        ):  # a builtin exception: a reference cycle, until it is pickled or collected
            self._exc = lambda: exc
        self._traceback = traceback_of(exc)  # engines wipe it before they pickle
        self._options = options
        self._data: bytes | None = None
        if issubclass(type(exc), MemoryError):  # its frames hold the memory that the pickler needs
            self._data = self._capture(exc)
            self._exc, self._traceback = _nothing, None

    def __call__(self, protocol: Any) -> Any:
        exc = self._exc()
        frame = sys._getframe(1)
        if exc is not None and _is_copying(frame):
            return _own_reduction(exc, protocol)
        return self.told(frame)

    def told(self, frame: types.FrameType) -> Any:
        """What the pickler in the frame gets."""
        exc = self._exc()
        if self._data is None and exc is not None:
            self._data = self._capture(exc)
            self._exc = _nothing
            self._traceback = None
        return _rebuild_for(frame), (self._data,)

    def _capture(self, exc: BaseException) -> bytes:
        now = traceback_of(exc)
        set_traceback(exc, self._traceback if now is None else without_modules(now, ENGINES))
        try:
            return to_bytes(exc, self._options)
        finally:
            set_traceback(exc, now)

    def __reduce__(self) -> Any:  # where an engine sends the exception's attributes one by one
        return _nothing, ()


def _nothing() -> None:
    return None


def _is_copying(frame: types.FrameType) -> bool:
    return frame.f_globals.get("__name__") == "copy"


class _Registered:
    """Stands in copyreg for what another library has there for a class: exceptions with a reduction
    of ours go first.

    tblib has something there for every class of exceptions that exists, once Dask is imported, and
    picklers ask it before the exception itself.
    """

    __slots__ = ("_other",)

    def __init__(self, other: Callable[[Any], Any]) -> None:
        self._other = other

    def __call__(self, exc: BaseException) -> Any:
        own = _dict_of(exc).get(_KEY)
        frame = sys._getframe(1)
        return (
            own.told(frame)
            if isinstance(own, (_Reduction, _Lasting)) and not _is_copying(frame)
            else self._other(exc)
        )


def _go_first(cls: type) -> None:
    """Sees to it that picklers of this process ask the class's exceptions themselves."""
    try:
        other = copyreg.dispatch_table.get(cls)
    except Exception:  # a metaclass whose __hash__ raises: no pickler can ask either
        return
    if other is not None and not (getattr(other, "__module__", None) or "").startswith(
        __package__.partition(".")[0]
    ):
        copyreg.dispatch_table[cls] = _Registered(other)


def _own_reduction(exc: BaseException, protocol: Any) -> Any:
    """What the exception's class says for copy.copy."""
    namespace = _dict_of(exc)
    reduction = namespace.pop(_KEY)
    try:
        told = exc.__reduce_ex__(protocol)
        if type(told) is tuple and len(told) > 2 and told[2] is namespace:
            told = (*told[:2], dict(namespace), *told[3:])
        return told
    finally:
        namespace[_KEY] = reduction


def without_modules(
    traceback: types.TracebackType | None, modules: tuple[str, ...]
) -> types.TracebackType | None:
    """The traceback without its outermost frames that are of modules whose names start so;

    all of it where there are no others.
    """
    inner = traceback
    while inner is not None and _module_of(inner.tb_frame).startswith(modules):
        inner = inner.tb_next
    return inner or traceback


def _module_of(frame: types.FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name if type(name) is str else ""


def _rebuild_for(frame: types.FrameType | None) -> Callable[[bytes], BaseException]:
    """How the exception must be rebuilt for who is pickling it, seen from the frame that asked."""
    wiped = False
    while frame is not None:
        module = _module_of(frame)
        wiped = wiped or module.startswith("joblib.")
        if module.startswith(_OVERWRITES):
            return rebuild_wiped if wiped else rebuild_overwritten
        if module.startswith("ray."):
            return rebuild_lasting
        if not module.startswith(_PLUMBING):
            break
        frame = frame.f_back
    return from_bytes


# -- the parent's side


def rebuild_overwritten(data: bytes) -> BaseException:
    """The exception, prepared for an engine that overwrites its cause next. Never raises."""
    exc = from_bytes(data)
    _set_cause(exc, _UndoCause(exc))
    return exc


def rebuild_wiped(data: bytes) -> BaseException:
    """The exception, prepared for an engine that overwrites its cause and wipes its traceback.

    Never raises.
    """
    exc = rebuild_overwritten(data)
    survive_wiping(exc)
    return exc


def rebuild_lasting(data: bytes) -> BaseException:
    """The exception, which keeps its bytes, and can be pickled again as what it was.

    Never raises.
    """
    exc = from_bytes(data)
    attach(exc, data)
    return exc


def attach(exc: BaseException, data: bytes) -> None:
    """Lets the exception pickle as what to_bytes() made of it."""
    _dict_of(exc)[_KEY] = _Lasting(data)
    _go_first(type(exc))


class _Lasting:
    """The __reduce_ex__ of an exception whose bytes are there."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, protocol: Any) -> tuple[Callable[[bytes], BaseException], tuple[bytes]]:
        return rebuild_lasting, (self._data,)

    told = __call__


def survive_wiping(exc: BaseException) -> None:
    """Lets the traceback that the exception has now come back when somebody sets it to None."""
    traceback = traceback_of(exc)
    if traceback is not None:
        set_traceback(exc, _entry_holding(_UndoTraceback(exc, traceback), traceback))


def _entry_holding(undo: Any, following: types.TracebackType) -> types.TracebackType:
    """A traceback entry with the frame of this function, which holds `undo`:

    it lives in the traceback alone.
    """
    return types.TracebackType(following, sys._getframe(), 0, 1)


class _UndoCause(BaseException):
    """A cause that puts back the original one when it is overwritten."""

    def __init__(self, exc: BaseException) -> None:
        self._exc = exc
        self._cause = _cause_of(exc)
        self._suppress = _suppress_of(exc)

    def __del__(self) -> None:
        _set_cause(self._exc, self._cause)
        _set_suppress(self._exc, self._suppress)


class _UndoTraceback:
    """Puts back a traceback."""

    __slots__ = ("_exc", "_traceback")

    def __init__(self, exc: BaseException, traceback: types.TracebackType) -> None:
        self._exc = exc
        self._traceback = traceback

    def __del__(self) -> None:
        set_traceback(self._exc, self._traceback)


# -- carriers


def _refuses(exc: BaseException) -> bool:
    """Whether it, or one that it leads to, may raise when the engine asks for its attributes or
    truth value, to make its text.
    """
    return any(
        has_hook(type(found).__mro__, "__getattribute__", "__bool__", "__len__")
        for found in (exc, *linked_to(exc))
    )


def _ends_worker(exc: BaseException) -> bool:
    return not issubclass(type(exc), Exception) or _refuses(exc)


def _always(exc: BaseException) -> bool:
    return True


# package -> which exceptions it cannot take as they are
_NEEDS_CARRIER: Final[dict[str, Callable[[BaseException], bool]]] = {
    "concurrent": _refuses,
    "loky": _refuses,
    "joblib": _refuses,
    "pebble": _refuses,
    # all but an Exception do, and the task's caller waits for ever
    "multiprocessing": _ends_worker,
    "multiprocess": _ends_worker,
    "billiard": _always,  # sends the class along, which may not be found by name
    "mpire": _always,  # sends class, args and attributes, and rebuilds the exception from those
}


def _carrier(exc: BaseException, options: Options, engine: str) -> Exception:
    """An exception that pickles as `exc`, whichever way an engine does it."""
    if "dill" in sys.modules:  # it has a registry of its own
        sys.modules["dill"].pickle(CarrierType, _save_carrier_type)
    data = to_bytes(exc, options)
    rebuild = rebuild_wiped if engine == "joblib" else rebuild_overwritten
    cls: Any = CarrierType(
        type(exc).__name__,
        (Exception,),
        {
            "__module__": type(exc).__module__,
            "__reduce_ex__": lambda self, protocol: (rebuild, (data,)),
            "__str__": lambda self: _text_of(exc),
            "args": property(_Args),
            "carried": exc,
            "engine": engine,
        },
    )
    carrier: Exception = cls()
    cls.carrier = carrier
    return carrier


def _text_of(exc: BaseException) -> str:
    try:
        return str(exc)
    except BaseException as problem:  # engines ask for it where nothing may raise
        return f"<its str() raised {type(problem).__name__}>"


class _Args:
    """The args of a carrier: pickled, those of the rebuilt exception."""

    def __init__(self, carrier: BaseException) -> None:
        self._carrier = carrier

    def __reduce__(self) -> Any:
        return getattr, (self._carrier, "args")


def _reduce_carrier_type(cls: CarrierType) -> Any:
    return (_maker_of if cls.engine == "mpire" else type), (cls.carrier,)


def _save_carrier_type(pickler: Any, cls: CarrierType) -> None:
    pickler.save_reduce(*_reduce_carrier_type(cls), obj=cls)


def _maker_of(exc: BaseException) -> Any:
    """What mpire takes for the exception's class:

    it asks for its __new__, and gives the instance args and attributes.
    """
    return types.SimpleNamespace(__new__=lambda cls: exc)


copyreg.pickle(CarrierType, _reduce_carrier_type)
