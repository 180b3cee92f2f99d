"""keeptrace.context: what the program says about its work, for the failures that happen meanwhile.

    with keeptrace.context(request_id=7):     an exception that leaves the block keeps the names
        serve(request)

- An exception that leaves a block gets the names as its attribute `keeptrace_context`, a dict. So
  the names arrive wherever the exception arrives: in a dump, through a pool, in a debugger.
- A capture within a block adds the names to its report. The exception stays as it was.
- Blocks within one another add up; of equal names the innermost holds.
- A block costs two changes of a context variable. Nothing is copied or formatted until a failure.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from .errors import OptionError
from .raw import has_names_alone, names_of

P = ParamSpec("P")
R = TypeVar("R")
_T = TypeVar("_T")

# The attribute of exceptions.
NAME: Final = "keeptrace_context"

_dict_of: Final = BaseException.__dict__["__dict__"].__get__


class Said(
    NamedTuple("Said", [("names", dict[str, object]), ("extra", dict[str, object])]),
):
    """What the program says now. names: by context(). extra: for one dump, whatever is said."""

    __slots__ = ()


_said: Final[ContextVar[Said | None]] = ContextVar("said", default=None)


class Names(dict[str, object]):
    """The attribute of an exception.

    Stock pools and logs pickle it with the exception, so a value that cannot be pickled, or not
    be read back, must not cost the exception: a text that says so takes its place.
    """

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> tuple[type, tuple[dict[str, object]]]:
        if _is_trying.get():  # a value refers to the exception: trials within trials would not end
            return dict, (dict(self),)
        token = _is_trying.set(True)
        try:
            return dict, ({name: _picklable(value) for name, value in self.items()},)
        finally:
            _is_trying.reset(token)


_is_trying: Final[ContextVar[bool]] = ContextVar("is_trying", default=False)


def _picklable(value: object) -> object:
    try:
        pickle.loads(pickle.dumps(value))  # a pool's thread that cannot read a result may end
    except Exception:  # whatever the value's own reduction raises
        return f"<{names_of(type(value))[1]}: cannot be pickled>"
    return value


class context:
    """Says what the program works on: `with keeptrace.context(request_id=7):`, or as a decorator of
    a function or coroutine function.

    names: names and values for the reader of a failure: the id of a request, of a job, of a tenant.

    An exception that leaves the block, or the function, has them as its attribute
    `keeptrace_context`, a dict. Dumps and pools keep that like all attributes: within the bounds,
    and without secrets. What is dumped within the block has them, too. A shared exception instance
    that is raised again keeps the values of the first time. A block that is open at a `yield` holds
    for the generator's caller, too, as all context variables do.

    Raises OptionError for what is no function: a class, a generator function (use a `with` block
    in it).
    """

    __slots__ = ("_names", "_tokens")

    def __init__(self, /, **names: object) -> None:
        self._names = names
        # By the id of what the block says, because threads and tasks may share one object.
        self._tokens: dict[int, tuple[Said, Token[Said | None]]] = {}

    def __enter__(self) -> None:
        names, extra = _said.get() or _NOTHING
        now = Said({**names, **self._names}, extra)
        self._tokens[id(now)] = now, _said.set(now)

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        said = _said.get()
        try:
            _said.reset(self._tokens.pop(id(said))[1])
        except (KeyError, ValueError):  # a generator was closed elsewhere; its context has ended
            said = Said(self._names, {})
        if exc is not None and said is not None:
            _keep(exc, said.names)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        import inspect  # workers need none

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
    def within(*args: object, **kwargs: object) -> Any:
        with context(**names):
            return function(*args, **kwargs)

    return within


def _coroutine_function(
    function: Callable[..., Any], names: dict[str, object]
) -> Callable[..., Any]:
    @functools.wraps(function)
    async def within(*args: object, **kwargs: object) -> Any:
        with context(**names):
            return await function(*args, **kwargs)

    return within


def _keep(exc: BaseException, names: dict[str, object]) -> None:
    """Gives an exception the names, but for those that it has from a block within."""
    namespace = _dict_of(exc)
    own = dict.get(namespace, NAME)
    if _is_ours(own):
        dict.__setitem__(namespace, NAME, Names({**names, **(own or {})}))


# The attribute is a plain dict if the exception was restored.
_OURS: Final = (Names, dict)


def _is_ours(own: Any) -> bool:
    """Whether names can be added to an exception's attribute without code of its keys."""
    return own is None or (type(own) in _OURS and has_names_alone(own))


def said() -> Said | None:
    """What the program says now; None if nothing."""
    return _said.get()


def put_said(attributes: dict[str, Any], now: Said | None) -> None:
    """Adds what the program says to the attributes of an exception, as a plain dict."""
    own = attributes.get(NAME)
    names, extra = now or _NOTHING
    if _is_ours(own):
        attributes[NAME] = {**names, **(own or {}), **extra}


def with_extra(extra: Mapping[str, object] | None, call: Callable[[], _T]) -> _T:
    """The result of the call, within which captures add `extra` to what the program says.

    Raises OptionError if `extra` is no mapping with texts as keys.
    """
    if extra is None:
        return call()
    if not isinstance(extra, Mapping) or not all(issubclass(type(name), str) for name in extra):
        raise OptionError(f"extra must be a dict with texts as keys, not {type(extra).__name__}")
    names, _ = _said.get() or _NOTHING
    token = _said.set(Said(names, {str.__str__(name): item for name, item in extra.items()}))
    try:
        return call()
    finally:
        _said.reset(token)
