"""init(): makes plain pickle.dump keep exceptions and tracebacks.

Two hooks, both undone completely:
- The table of reductions for all picklers (format/dispatch.py) gets entries for tracebacks and for
  all exception classes: also for classes defined later, and also if another library (tblib)
  registers its own reductions afterwards.
- `dump` and `dumps` of the pickle modules are replaced: the originals would pickle the type in an
  `exc_info` tuple by name, and loading would need the type's module.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
import types
from typing import TYPE_CHECKING, Any, Final

from ..capture.capture import capture, capturing
from ..core.loading import spec_around
from ..core.options import DEFAULT, Options, Pickler
from .api import for_file
from .dispatch import PLAIN, Reduction, Replacements, Table, install, is_for_us, remove
from .writing import Carrier, carrier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from typing import Unpack

    from ..core.options import InitOptions

_MODULES: Final = ("pickle", "cloudpickle", "dill")
_subclasses_of: Final = type.__dict__["__subclasses__"]
_traceback_of: Final = BaseException.__dict__["__traceback__"]


class Initialized:
    """The changes of init(). undo() or the end of the `with` block restores the earlier state."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._is_applied = False
        self._before: dict[type, Reduction] = {}
        self._registered: set[type] = set()
        self._table = Table(self)
        self._replaced = Replacements()
        self._pickler: Any = None

    def _apply(self) -> None:
        self._is_applied = True
        self.claim(types.TracebackType)
        self._register_exceptions()
        self._pickler = install(self._table, self._replaced)
        for name in _MODULES:
            module = sys.modules.get(name)
            if module is not None:
                self._patch_module(module)
        sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Makes this object a finder of modules, which patches picklers at their import."""
        if name not in _MODULES:
            return None
        return spec_around(self, name, path, target, after=self._patch_imported)

    def _patch_imported(self, module: types.ModuleType) -> None:
        if self._is_applied:
            self._patch_module(module)

    def undo(self) -> None:
        """Puts back the earlier values. A newer value, put there by other code, stays."""
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
        self._replaced.undo()
        remove(self._table)
        for cls in self._registered:
            if getattr(PLAIN.get(cls), "__self__", None) is self:
                if cls in self._before:
                    PLAIN[cls] = self._before[cls]
                else:
                    del PLAIN[cls]
        self._registered.clear()
        self._before.clear()

    def __enter__(self) -> Initialized:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()

    def claim(self, cls: object) -> None:
        """Makes init()'s entry for a class of exceptions, or for tracebacks."""
        if not self._is_applied or not is_for_us(cls):
            return
        found = PLAIN.get(cls)
        if getattr(found, "__self__", None) is self:
            return
        if found is not None:
            self._before[cls] = found
        if cls is types.TracebackType:
            PLAIN[cls] = self._reduce_traceback
        else:
            PLAIN[cls] = self._reduce_exception
        self._registered.add(cls)

    def note(self, cls: object, reduction: Reduction | None) -> bool:
        """Whether init() decides about the class. Then the reduction comes into force with undo().
        None removes a noted reduction.
        """
        if not self._is_applied or not is_for_us(cls):
            return False
        self.claim(cls)
        if reduction is None:
            self._before.pop(cls, None)
        else:
            self._before[cls] = reduction
        return True

    def _register_exceptions(self) -> None:
        """Registers every existing exception class, for C code that reads copyreg's own dict."""
        waiting: list[type] = [BaseException]
        seen: set[int] = set()  # ids: comparing classes may run a metaclass's code
        while waiting:
            cls = waiting.pop()
            if id(cls) not in seen:
                seen.add(id(cls))
                waiting += _subclasses_of(cls)
                if type(cls).__hash__ is type.__hash__ and type(cls).__eq__ is type.__eq__:
                    self.claim(cls)

    def _patch_module(self, module: types.ModuleType) -> None:
        for name in ("dump", "dumps"):
            original = getattr(module, name)
            by_table = original
            if module is pickle:
                by_table = getattr(self, f"_{name}")
            self._replaced.put(module, name, self._wrapper(original, by_table))

    def _wrapper(
        self, original: Callable[..., Any], by_table: Callable[..., Any]
    ) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrapper(*args: object, **kwargs: object) -> object:
            if not self._is_applied or capturing.get():
                return original(*args, **kwargs)
            if args:
                args = (self._carried(args[0]), *args[1:])
            elif "obj" in kwargs:
                kwargs["obj"] = self._carried(kwargs["obj"])
            return by_table(*args, **kwargs)

        return wrapper

    def _dump(
        self,
        obj: object,
        file: object,
        protocol: int | None = None,
        *,
        fix_imports: bool = True,
        buffer_callback: object = None,
    ) -> None:
        """pickle.dump, with init()'s table."""
        self._pickler(
            file, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback
        ).dump(obj)

    def _dumps(
        self,
        obj: object,
        protocol: int | None = None,
        *,
        fix_imports: bool = True,
        buffer_callback: object = None,
    ) -> bytes:
        """pickle.dumps, with init()'s table."""
        file = io.BytesIO()
        self._dump(obj, file, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback)
        return file.getvalue()

    def _carried(self, obj: object) -> object:
        """An exc_info tuple as a single object, because the parts belong together after loading.
        Any other object itself.
        """
        if type(obj) is not tuple or len(obj) != 3:
            return obj
        cls, exc, traceback = obj
        if not isinstance(exc, BaseException) or cls is not type(exc):
            return obj
        own = _traceback_of.__get__(exc)
        if type(traceback) is not types.TracebackType or traceback is own:
            return self._carrier(exc, "exc_info")
        # The caller's own traceback may be shorter than the exception's.
        _traceback_of.__set__(exc, traceback)
        try:
            return self._carrier(exc, "exc_info")
        finally:
            _traceback_of.__set__(exc, own)

    def _carrier(self, exc: BaseException, kind: str) -> Carrier:
        captured = capture(exc, self._options)
        report = for_file(captured, exc, self._options)
        return carrier(report, kind)

    def _reduce_exception(self, exc: BaseException) -> str | tuple[Any, ...]:
        # A running capture uses the user's pickler, and copy.copy and copy.deepcopy use these
        # tables: both must see the exception's own reduction.
        if capturing.get() or sys._getframe(1).f_globals.get("__name__") == "copy":
            before = self._before.get(type(exc))
            if before is None:
                return exc.__reduce_ex__(4)
            return before(exc)
        return self._carrier(exc, "exception").__reduce__()

    def _reduce_traceback(self, traceback: types.TracebackType) -> str | tuple[Any, ...]:
        if capturing.get() or sys._getframe(1).f_globals.get("__name__") == "copy":
            return object.__reduce_ex__(traceback, 4)  # raises TypeError, as without keeptrace
        exc = Exception("a traceback without its exception").with_traceback(traceback)
        return self._carrier(exc, "traceback").__reduce__()


# The calls of init() that are not undone yet. The last one is in force.
_stack: Final[list[Initialized]] = []


def init(
    pickler: Pickler = None,
    depth: int = DEFAULT.depth,
    include_source: bool = True,
    **options: Unpack[InitOptions],
) -> Initialized:
    """Makes tracebacks, exceptions and exc_info tuples picklable, with pickle, cloudpickle or dill,
    from now on.

    Every Python from 3.11 on loads the pickles without keeptrace: plain pickle.load gives real
    tracebacks.

    pickler: None keeps every object as a stand-in. The module pickle, cloudpickle or dill (or a
        `dumps`) keeps objects live if possible.
    depth: levels of values kept; 0 only the text, -1 no limit.
    include_source: let the source files of the frames travel.
    options: all further options of keeptrace.Options; secrets are hidden unless redact=False.

    Returns a context manager that undoes the changes. A second call replaces the first, until its
    undo(). Raises OptionError for a wrong option, MissingExtraError if the pickler is not
    installed.
    """
    settings = Options(pickler=pickler, depth=depth, include_source=include_source, **options)
    if isinstance(settings.pickler, str):
        from ..live.keeping import dumps_of

        dumps_of(settings.pickler)  # raises now for a missing library, not at the first failure
    if _stack:
        _stack[-1]._retract()
    made = Initialized(settings)
    _stack.append(made)
    made._apply()
    return made
