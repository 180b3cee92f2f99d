"""Live objects: what is pickled comes alive step by step, and what cannot is a stand-in that says
why.
"""

from __future__ import annotations

import _thread
import functools
import io
import os
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any, ClassVar, Final

from .outside import acts_outside
from .standins import StandIn, known_details, make_stand_in, what_it_is


class Missing(StandIn):
    """Takes the place of what a live pickle needs and cannot have here. Takes any state."""

    _why = "it could not be loaded here"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{cls.__qualname__} cannot be called: {what_it_is(missing_instance(cls))}")

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            vars(self).update(
                (name, value) for name, value in state.items() if isinstance(name, str)
            )

    # a pickle may fill it as if it were a container
    def append(self, item: Any) -> None: ...
    def extend(self, items: Any) -> None: ...
    def add(self, item: Any) -> None: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...


def _missing(module: str, qualname: str, why: str) -> Any:
    """A class whose instances say why they are not the real thing."""
    name = qualname.rpartition(".")[2]
    return type(name, (Missing,), {"__module__": module, "__qualname__": qualname, "_why": why})


def missing_instance(cls: type[Missing]) -> Any:
    return make_stand_in(cls, f"<{cls.__qualname__}: {cls._why}>", [], cls._why)


def not_kept(why: str) -> Missing:
    """A live pickle has a call of this in the place of an object that was too large for it."""
    made: Missing = missing_instance(_missing("builtins", "object", why))
    return made


_WHY_OUTSIDE: Final = "it owns something outside of the process, and that is not brought to life"


def outside(module: str, qualname: str, text: str) -> Any:
    """The stand-in for what owns something outside of the process; text: its repr."""
    standin = missing_instance(_missing(module, qualname, _WHY_OUTSIDE))
    known_details(standin).text = text
    return standin


# What a live pickle names and means something else by: (module, name) -> what it means.
_OTHERWISE: Final[dict[tuple[str, str], Callable[[], Any]]] = {
    ("keeptrace.restore.live", "outside"): lambda: outside,  # where keeptrace is not installed
    ("keeptrace.restore.live", "not_kept"): lambda: not_kept,
    # dill's names for the namespace of the program, and for a class that has no name
    ("__builtin__", "__main__"): lambda: vars(sys.modules["__main__"]),
    ("__builtin__", "NoneType"): lambda: type(None),
}


def _find(unpickler: Any, module: str, name: str) -> Any:
    meant = _OTHERWISE.get((module, name))
    if meant:
        return meant()
    thread = _thread.get_ident()
    is_watched = thread in _loading
    _loading.discard(
        thread
    )  # a module that is imported for it does what it does when the program imports it
    try:
        return unpickler.find_class(module, name)
    finally:
        if is_watched:
            _loading.add(thread)


_PLAIN: Final = (str, bytes, int, float, bool, type(None))
_MOST_TOLD: Final = 200  # characters of an argument
# What code of the pickled classes themselves may not do while they come to life: the interpreter
# tells each such step beforehand (an audit event), and to raise then prevents it.
_FORBIDDEN: Final = frozenset({
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link"),
    *("os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("os.utime", "os.setxattr", "os.removexattr", "os.lockf", "os.kill"),
    *("os.killpg", "os.fork", "os.forkpty", "os.exec"),
    *("os.posix_spawn", "os.spawn", "os.system", "os.startfile"),
    *("mmap.__new__", "pty.spawn", "webbrowser.open"),
})  # fmt: skip
_FORBIDDEN_OF: Final = (
    "socket.",
    "subprocess.",
    "shutil.",
    "sqlite3.",
    "tempfile.",
    "fcntl.",
    "winreg.",
    "msvcrt.",
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_loading: Final[set[int]] = set()  # the threads that bring objects to life just now


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if not _loading or _thread.get_ident() not in _loading:
        return
    opens = event == "open" and (
        type(args[0]) is int or (type(args[2]) is int and args[2] & _WRITING)
    )
    if opens or event in _FORBIDDEN or event.startswith(_FORBIDDEN_OF):
        told = ", ".join(repr(arg)[:_MOST_TOLD] for arg in args if type(arg) in _PLAIN)
        raise PermissionError(
            f"what is loaded may change nothing outside of the process, as {event}({told}) would"
        )


@functools.lru_cache(1)
def _install_watch() -> None:
    sys.addaudithook(_watch)  # for good: there is no way to remove one


class _NotAlone(Exception):
    """The pickle names what may act outside of the process, so each of its steps has to be looked
    at.
    """


class _Quick(pickle.Unpickler):
    """Reads a live pickle that names nothing which could act outside of the process."""

    def find_class(self, module: str, name: str) -> Any:
        found = _find(super(), module, name)
        if acts_outside(found) or (module, name) in _CHANGES_MODULES:
            raise _NotAlone
        return found


# How dill names modules; what it then does is put the state of the writer's modules into ours.
_CHANGES_MODULES: Final = frozenset(
    {("dill._dill", "_import_module"), ("dill.dill", "_import_module")}
)
_Unpickler: Any = pickle._Unpickler  # only the Python version lets one failing object be replaced


def _guard(load: Callable[[Any], None], operands: int) -> Callable[[Any], None]:
    return lambda unpickler: unpickler._guarded(load, operands)


# The opcodes that call something, and how many values of the stack each takes.
_CALLS: Final = {
    pickle.REDUCE[0]: 2,
    pickle.NEWOBJ[0]: 2,
    pickle.NEWOBJ_EX[0]: 3,
    pickle.BUILD[0]: 2,
}
_GUARDED: Final = {code: _guard(_Unpickler.dispatch[code], count) for code, count in _CALLS.items()}


class _Lenient(_Unpickler):  # type: ignore[misc]  # typeshed does not know its parts
    """Reads a live pickle step by step: what fails, and what would act outside, becomes a Missing;
    the others come alive.
    """

    dispatch: ClassVar[dict[int, Any]] = {**_Unpickler.dispatch, **_GUARDED}
    is_checked = True

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _find(super(), module, name)
        except Exception as problem:
            return _missing(module, name, _why_not_found(module, name, problem))

    def _guarded(self, load: Callable[[Any], None], operands: int) -> None:
        saved = self.stack[-operands:]
        height = len(self.stack) - operands
        replaced = _replaced(load, saved, self.is_checked)
        if replaced is not None:
            self.stack[height:] = [replaced]
            return
        try:
            load(self)
        except (
            BaseException
        ) as problem:  # a sys.exit() in a reduction costs its own object, as any error there
            del self.stack[height:]
            target = (
                saved[0]
                if saved and isinstance(saved[0], type)
                else type(saved[0])
                if saved
                else object
            )
            missing = missing_instance(
                _missing(target.__module__, target.__qualname__, _why_failed(saved, problem))
            )
            self.stack.append(missing)
            for index, known in self.memo.items():
                if (
                    saved and known is saved[0] and not isinstance(known, type)
                ):  # half made: its aliases are missing, too
                    self.memo[index] = missing


_BUILD: Final = _Unpickler.dispatch[pickle.BUILD[0]]
# What makes an instance of the class that is its first argument.
_MAKERS: Final = frozenset(
    {"_reconstructor", "__newobj__", "__newobj_ex__", "__new__", "_create_type"}
)


def _replaced(load: Callable[[Any], None], operands: list[Any], is_checked: bool) -> Any:
    """What takes the place of a step's result: if it needs what is missing, or would act outside of
    the process. Else None.
    """
    target, *arguments = operands
    if load is _BUILD:
        return (
            target if issubclass(type(target), types.ModuleType) and is_checked else None
        )  # a module stays as it is here
    args = arguments[0] if arguments and type(arguments[0]) is tuple else ()
    if getattr(target, "__name__", "") in _MAKERS and not isinstance(target, type) and args:
        target, args = args[0], args[1:]
    if isinstance(target, type) and issubclass(target, Missing):
        return missing_instance(target)
    if isinstance(target, Missing):
        return target
    return _refusal(target, args) if is_checked and acts_outside(target) else None


def _refusal(target: Any, args: tuple[Any, ...]) -> Any:
    """The stand-in for what calling the target would open, make or delete."""
    if getattr(target, "__name__", "") == "_create_filehandle":
        return _file_of(args)
    keywords: dict[str, Any] = {}
    if type(target) is functools.partial:
        target, args, keywords = target.func, (*target.args, *args), target.keywords
    owner = getattr(target, "__self__", None)
    target = owner if isinstance(owner, type) else target
    name, module = (
        getattr(target, "__qualname__", "object"),
        str(getattr(target, "__module__", "builtins")),
    )
    told = [
        repr(arg)[:_MOST_TOLD] if type(arg) in _PLAIN else "..."
        for arg in (*args, *keywords.values())
    ]
    return outside(module, name, f"<{module}.{name}{' of ' if told else ''}{', '.join(told)}>")


def _file_of(args: tuple[Any, ...]) -> Any:
    """The stand-in for what dill would open."""
    name, mode, position, closed = args[:4]
    binary = {
        "r": "BufferedReader",
        "w": "BufferedWriter",
        "a": "BufferedWriter",
        "x": "BufferedWriter",
    }
    kind = binary.get(str(mode)[:1], "FileIO") if "b" in str(mode) else "TextIOWrapper"
    kind = "BufferedRandom" if "b" in str(mode) and "+" in str(mode) else kind
    state = f"name={name!r} mode={mode!r} position={position!r}{' closed' if closed else ''}"
    standin = outside("_io", kind, f"<_io.{kind} {state}>")
    vars(standin).update(name=name, mode=mode, position=position, closed=closed)
    return standin


def _why_not_found(module: str, name: str, problem: BaseException) -> str:
    if isinstance(problem, ModuleNotFoundError) and problem.name is not None:
        return f"there is no module {problem.name!r} here, which it needs"
    if isinstance(problem, AttributeError):
        return f"the module {module!r} has no {name!r} here"
    return f"importing {module!r} raised {type(problem).__name__}: {problem}"


def _why_failed(operands: list[Any], problem: BaseException) -> str:
    """One reason: that of the part which is missing, if it is for lack of a part that this
    failed.
    """
    for part in operands:
        for found in (part, *(part if type(part) is tuple else ())):
            if isinstance(found, Missing) or (
                isinstance(found, type) and issubclass(found, Missing)
            ):
                return found._why
    return f"loading it here raised {type(problem).__name__}: {problem}"


def load_live_objects(data: bytes, count: int, is_checked: bool) -> list[Any]:
    """The live objects; a Missing, which says why, for each that does not come alive.

    is_checked: bring to life nothing that owns something outside of the process. Within a pool what
        an exception holds crosses as it does without us.
    """
    why = "the live objects are no list"
    for load in (load_quickly, _load_leniently):
        try:
            objects = load(data, is_checked)
        # whatever the user's own reduction raises: the stand-ins beside it are what is then shown
        except BaseException as problem:
            why = f"loading the live objects raised {type(problem).__name__}: {problem}"
            continue
        if type(objects) is list:
            return objects
    return [missing_instance(_missing("builtins", "object", why))] * count


def load_quickly(data: bytes, is_checked: bool) -> Any:
    return _watched(_Quick(io.BytesIO(data)).load) if is_checked else pickle.loads(data)


def _load_leniently(data: bytes, is_checked: bool) -> Any:
    unpickler = _Lenient(io.BytesIO(data))
    unpickler.is_checked = is_checked
    return _watched(unpickler.load) if is_checked else unpickler.load()


def _watched(load: Callable[[], Any]) -> Any:
    thread = _thread.get_ident()
    if thread in _loading:  # a dump within a dump
        return load()
    _install_watch()
    _loading.add(thread)
    try:
        return load()
    finally:
        _loading.discard(thread)
