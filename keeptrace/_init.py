"""init(): lets plain pickle.dump keep exceptions and tracebacks.

Two hooks, both undone completely:
- `copyreg`, which every pickler asks for types that it does not know: for tracebacks, and for each exception class;
- `dump` and `dumps` of the pickle modules, because the type in an `exc_info` tuple would be pickled by name, and then
  needs its module to be loaded; and because classes defined since have to be registered before a pickle is made.
"""

from __future__ import annotations

import copyreg
import functools
import sys
import types
from collections.abc import Callable
from typing import Any, Final

from ._capture import capture, capturing
from ._dump import redacted
from ._format import carrier
from ._options import Options, Pickler

_MODULES: Final = ("pickle", "cloudpickle", "dill")
_table: Final[dict[type, Any]] = copyreg.dispatch_table
_subclasses_of: Final = type.__dict__["__subclasses__"]
_traceback_of: Final = BaseException.__dict__["__traceback__"]


class Initialized:
    """What init() did. As a context manager, or by undo(), it puts back what was there."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._is_applied = False
        self._before: dict[type, Any] = {}
        self._patched: list[tuple[types.ModuleType, str, Any, Any]] = []
        self._registered: set[type] = set()

    def _apply(self) -> None:
        self._is_applied = True
        self._register(types.TracebackType, self._reduce_traceback)
        self._register_exceptions()
        for name in _MODULES:
            module = sys.modules.get(name)
            if module is not None:
                self._patch_module(module)
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """As a finder of modules: a pickler that is imported later is patched when it is."""
        if name not in _MODULES:
            return None
        finders = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next((found for found in finders if found is not None), None)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                run(module)
                if self._is_applied:
                    self._patch_module(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one spec's own loader
        return spec

    def undo(self) -> None:
        """Puts back what was there before; what somebody else has put there since stays."""
        if self not in _stack:
            return
        is_last = _stack[-1] is self
        _stack.remove(self)
        if is_last:
            self._retract()
            if _stack:
                _stack[-1]._apply()

    def _retract(self) -> None:
        self._is_applied = False
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
        for cls in self._registered:
            if getattr(_table.get(cls), "__self__", None) is self:
                if cls in self._before:
                    _table[cls] = self._before[cls]
                else:
                    del _table[cls]
        for module, name, original, wrapper in self._patched:
            if getattr(module, name) is wrapper:
                setattr(module, name, original)
        self._registered.clear()
        self._before.clear()
        self._patched.clear()

    def __enter__(self) -> Initialized:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()

    def _register(self, cls: type, reduce: Callable[[Any], Any]) -> None:
        if cls in _table:
            self._before[cls] = _table[cls]
        _table[cls] = reduce
        self._registered.add(cls)

    def _register_exceptions(self) -> None:
        """Every exception class that exists now; dispatch is by exact type, so each needs an entry."""
        waiting: list[type] = [BaseException]
        seen: set[type] = set()
        while waiting:
            cls = waiting.pop()
            if cls in seen:
                continue
            seen.add(cls)
            waiting += _subclasses_of(cls)
            if cls not in self._registered:
                self._register(cls, self._reduce_exception)

    def _patch_module(self, module: types.ModuleType) -> None:
        self._patch(module, "dump")
        self._patch(module, "dumps")

    def _patch(self, module: types.ModuleType, name: str) -> None:
        original = getattr(module, name)

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if self._is_applied and not capturing.get():
                self._register_exceptions()
                if args:
                    args = (self._carried(args[0]), *args[1:])
                elif "obj" in kwargs:
                    kwargs["obj"] = self._carried(kwargs["obj"])
            return original(*args, **kwargs)

        setattr(module, name, wrapper)
        self._patched.append((module, name, original, wrapper))

    def _carried(self, obj: Any) -> Any:
        """An exc_info tuple as one thing, so that its three parts stay what they are to each other."""
        if type(obj) is not tuple or len(obj) != 3 or not isinstance(obj[1], BaseException) or obj[0] is not type(obj[1]):
            return obj
        _, exc, traceback = obj
        own = _traceback_of.__get__(exc)
        if type(traceback) is not types.TracebackType or traceback is own:
            return self._carrier(exc, "exc_info")
        _traceback_of.__set__(exc, traceback)  # the one that was asked for, such as sys.exc_info() without its first frames
        try:
            return self._carrier(exc, "exc_info")
        finally:
            _traceback_of.__set__(exc, own)

    def _carrier(self, exc: BaseException, kind: str) -> Any:
        return carrier(redacted(capture(exc, self._options), exc, self._options), kind)

    def _reduce_exception(self, exc: BaseException) -> Any:
        # a capture in progress pickles what the user's pickler can, and so do copy.copy and copy.deepcopy: not our business
        if capturing.get() or sys._getframe(1).f_globals.get("__name__") == "copy":
            before = self._before.get(type(exc))
            return exc.__reduce_ex__(4) if before is None else before(exc)
        return self._carrier(exc, "exception").__reduce__()

    def _reduce_traceback(self, traceback: types.TracebackType) -> Any:
        if capturing.get() or sys._getframe(1).f_globals.get("__name__") == "copy":
            return object.__reduce_ex__(traceback, 4)  # raises TypeError, as without us
        return self._carrier(Exception("a traceback without its exception").with_traceback(traceback), "traceback").__reduce__()


# Those that were not undone yet; the last one is in force.
_stack: Final[list[Initialized]] = []


def init(pickler: Pickler = None, depth: int = 3, include_source: bool = True, **options: Any) -> Initialized:
    """Lets tracebacks, exceptions and exc_info tuples be pickled, with pickle, cloudpickle or dill, any time afterwards.

    What is pickled can be unpickled by every Python from 3.11 on without keeptrace: plain pickle.load gives real tracebacks.

    pickler: None keeps every object as a stand-in. The module pickle, cloudpickle or dill (or a `dumps`) keeps objects
        live where it can. depth: levels of values kept; 0 only the text, -1 no limit. include_source: let the source files
        of the frames travel. options: any other of keeptrace.Options; secrets are hidden unless redact=False.

    Returns a context manager that undoes it. A second call takes the place of the first, until it is undone.
    Raises OptionError for a wrong option, MissingExtraError if the pickler is not installed.
    """
    settings = Options(pickler=pickler, depth=depth, include_source=include_source, **options)
    if isinstance(settings.pickler, str):
        from ._live import dumps_of

        dumps_of(settings.pickler)  # so that a missing library is told now, not at the first failure
    if _stack:
        _stack[-1]._retract()
    made = Initialized(settings)
    _stack.append(made)
    made._apply()
    return made
