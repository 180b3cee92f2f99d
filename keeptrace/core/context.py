"""keeptrace.context: the program describes its current work for the reader of a failure.

    with keeptrace.context(request_id=7):     an exception that leaves the block keeps the names
        serve(request)

- An exception that leaves a block gets the names as the attribute `keeptrace_context`, a dict. So
  the names arrive wherever the exception arrives: in a dump, through a pool, in a debugger.
- A capture within a block adds the names to the report. The exception stays unchanged.
- The names of nested blocks add up. Of equal names, the innermost block's is in force.
- A block costs two changes of a context variable. Nothing is copied or formatted until a failure.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from .errors import OptionError
from .raw import has_names_alone, qualname_of

P = ParamSpec("P")
R = TypeVar("R")
_T = TypeVar("_T")

# The attribute of exceptions.
NAME: Final = "keeptrace_context"

_dict_of: Final = BaseException.__dict__["__dict__"].__get__


class Said(
    NamedTuple("Said", [("names", dict[str, object]), ("extra", dict[str, object])]),
):
    """What the program says now. names: from context(). extra: for one dump, and wins."""

    __slots__ = ()


_said: Final[ContextVar[Said | None]] = ContextVar("said", default=None)


class Names(dict[str, object]):
    """The attribute of an exception.

    Stock pools and logs pickle the dict with the exception. A value must not cost the exception, so
    a text replaces each value that cannot be pickled or loaded again.
    """

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> tuple[type, tuple[dict[str, object]]]:
        if _is_trying.get():  # a value refers to the exception: trials in trials would never end
            return dict, (dict(self),)
        token = _is_trying.set(True)
        try:
            return dict, ({name: _picklable(value) for name, value in self.items()},)
        finally:
            _is_trying.reset(token)


_is_trying: Final[ContextVar[bool]] = ContextVar("is_trying", default=False)


def _picklable(value: object) -> object:
    try:
        pickle.loads(pickle.dumps(value))  # an unreadable result may end a pool's thread
    except Exception:  # the value's own reduction may raise anything
        return f"<{qualname_of(type(value))}: cannot be pickled>"
    return value


class context:
    """Describes the program's work: `with keeptrace.context(request_id=7):`, or as a decorator of a
    function or coroutine function.

    names: names and values for the reader of a failure: the id of a request, of a job, of a tenant.

    An exception that leaves the block, or the function, has the names as the attribute
    `keeptrace_context`, a dict. Dumps and pools keep the dict like all attributes: within the
    bounds, and without secrets. A dump written within the block has the names, too. A shared
    exception instance, raised again, keeps the values of the first time. A block with a `yield`
    inside stays in force for the generator's caller, like all changes of context variables.

    Raises OptionError if the decorated object is a class or a generator function. Within a
    generator function, use a `with` block.
    """

    __slots__ = ("_names", "_tokens")

    def __init__(self, /, **names: object) -> None:
        self._names = names
        # By the id of the block's Said, because threads and tasks may share this object.
        self._tokens: dict[int, tuple[Said, Token[Said | None]]] = {}

    def __enter__(self) -> None:
        names, extra = _said.get() or _NOTHING
        now = Said({**names, **self._names}, extra)
        token = _said.set(now)
        self._tokens[id(now)] = (now, token)

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        said = _said.get()
        try:
            _, token = self._tokens.pop(id(said))
            _said.reset(token)
        except (KeyError, ValueError):  # a generator was closed elsewhere, after its context
            said = Said(self._names, {})
        if exc is not None and said is not None:
            _keep(exc, said.names)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        import inspect  # imported late: workers do not need the module

        if not inspect.isroutine(function):
            raise OptionError(f"context decorates functions, not {type(function).__name__}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise OptionError(
                f"context cannot decorate the generator function {function.__name__}: "
                "use `with keeptrace.context(...)` in it"
            )
        names = self._names
        if inspect.iscoroutinefunction(function):
            made: Any = _coroutine_function(function, names)
        else:
            made = _function(function, names)
        return made  # type: ignore[no-any-return]  # with the function's own signature


_NOTHING: Final = Said({}, {})


def _function(function: Callable[..., Any], names: dict[str, object]) -> Callable[..., Any]:
    @functools.wraps(function)
    def within(*args: object, **kwargs: object) -> object:
        with context(**names):
            return function(*args, **kwargs)

    return within


def _coroutine_function(
    function: Callable[..., Any], names: dict[str, object]
) -> Callable[..., Any]:
    @functools.wraps(function)
    async def within(*args: object, **kwargs: object) -> object:
        with context(**names):
            return await function(*args, **kwargs)

    return within


def _keep(exc: BaseException, names: dict[str, object]) -> None:
    """Gives an exception the names. Names from an inner block stay."""
    namespace = _dict_of(exc)
    own = dict.get(namespace, NAME)
    if _is_ours(own):
        all_names = Names({**names, **(own or {})})
        dict.__setitem__(namespace, NAME, all_names)


# A restored exception has a plain dict as the attribute.
_OURS: Final = (Names, dict)


def _is_ours(own: dict[Any, Any] | None) -> bool:
    """Whether an exception's attribute can take names without running code of the keys."""
    if own is None:
        return True
    return type(own) in _OURS and has_names_alone(own)


def said() -> Said | None:
    """What the program says now; None outside of all blocks."""
    return _said.get()


def put_said(attributes: dict[str, Any], now: Said | None) -> None:
    """Adds what the program says to the attributes of an exception, as a plain dict."""
    own = attributes.get(NAME)
    names, extra = now or _NOTHING
    if _is_ours(own):
        attributes[NAME] = {**names, **(own or {}), **extra}


def with_extra(extra: Mapping[str, object] | None, call: Callable[[], _T]) -> _T:
    """The result of the call. Captures within the call add `extra` to what the program says.

    Raises OptionError if `extra` is no mapping with texts as keys.
    """
    if extra is None:
        return call()
    names, _ = _said.get() or _NOTHING
    token = _said.set(Said(names, _checked_extra(extra)))
    try:
        return call()
    finally:
        _said.reset(token)


def _checked_extra(extra: Mapping[str, object]) -> dict[str, object]:
    """The names as plain texts, with their values. Raises OptionError."""
    is_named = isinstance(extra, Mapping) and all(issubclass(type(name), str) for name in extra)
    if not is_named:
        raise OptionError(f"extra must be a dict with texts as keys, not {type(extra).__name__}")
    return {str.__str__(name): item for name, item in extra.items()}
